"""The Spark session, and every Spark setting that dftspark relies on, each named once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Thread

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.java import ensure_java
from dftspark.spark import class_archive, nameless
from dftspark.spark.packages import fetching

# Results or memory depend on these, so a session made by somebody else gets them too.
_RELIED_ON = {
    # mapInArrow binds columns by position and by default lets a wrong order pass.
    "spark.sql.execution.arrow.pyspark.validateSchema.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1024",
    "spark.sql.execution.arrow.maxBytesPerBatch": "8m",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
}
_JAVA = "spark.driver.extraJavaOptions"
_LOG4J = Path(__file__).with_name("log4j2.properties").as_uri()
_STARTED = {
    "spark.ui.showConsoleProgress": "false",
    "spark.python.worker.faulthandler.enabled": "true",
    _JAVA: f"-Dlog4j2.configurationFile={_LOG4J}",
}
LOCAL = {
    **_STARTED,
    # Java only moves bytes here, in short runs: the cost of its second compiler and its concurrent
    # collectors is not earned back. Its young generation holds what is on its way.
    _JAVA: f"{_STARTED[_JAVA]} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xms1g -Xmn512m",
    "spark.python.daemon.module": "dftspark.spark.daemon",
    # Large arrays come and go: in pages of 4 KB, handing them out takes as long as filling them.
    "spark.executorEnv.GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    # Shuffled data is mostly packed already.
    "spark.shuffle.compress": "false",
    "spark.shuffle.spill.compress": "false",
    # Nothing compares them before a block fails to decompress.
    "spark.shuffle.checksum.enabled": "false",
    "spark.buffer.pageSize": "4m",
    # It makes a job of every shuffle, to choose how many tasks come after it; there are few here.
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
}


@contextmanager
def session(
    app: str, master: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[SparkSession]:
    """Yields the running session if there is one (spark-submit, a notebook), else a local one.

    `master` may be any Spark master, or `sc://host:port` for Spark Connect; `settings` are Spark's,
    before those of this module. Stops the session at the end only if it started it. Raises
    EnvironmentProblem if Spark cannot start, ConfigError for `settings` where Spark runs already.
    """
    _check_settings(settings or {}, master)
    if SparkSession.getActiveSession() is not None:
        yield relied_on(SparkSession.builder.getOrCreate())
        return
    packages = (settings or {}).get("spark.jars.packages", "")
    try:
        with fetching(packages) if packages else nullcontext():
            spark = start(app, master, settings)
    except (PySparkException, Py4JError, RuntimeError, OSError) as error:
        raise EnvironmentProblem(
            f"Spark did not start with master {master or 'local[*]'!r}: {error}\n"
            f"`dftspark doctor` checks Java, Spark and this machine one by one."
        ) from error
    if master is None or master.startswith("local"):
        Thread(target=_begin_workers, args=[spark], daemon=True).start()
    try:
        yield relied_on(spark)
    finally:
        spark.stop()


def _begin_workers(spark: SparkSession) -> None:
    """Makes Spark start the process from which workers are forked while the first job is
    planned."""
    with suppress(Exception):  # whatever is wrong, the first job meets it too, and reports it
        spark.range(1).mapInArrow(iter, "id long").toArrow()


def relied_on(spark: SparkSession) -> SparkSession:
    """Returns the session itself, with the settings on which results depend."""
    for key, value in _RELIED_ON.items():
        spark.conf.set(key, value)
    return spark


def _check_settings(settings: Mapping[str, str], master: str | None) -> None:
    """Raises ConfigError for settings that a Spark which runs already would not take."""
    runs = SparkSession.getActiveSession() is not None or "PYSPARK_GATEWAY_PORT" in os.environ
    if settings and runs:
        raise ConfigError(
            f"Spark runs already, and {', '.join(settings)} must be set when it starts: give "
            f"--conf and --packages to spark-submit"
        )
    if master is not None and master.startswith("sc://") and "spark.jars.packages" in settings:
        raise ConfigError("--packages: a server of Spark Connect loads packages when it starts")


def start(app: str, master: str | None, settings: Mapping[str, str] | None = None) -> SparkSession:
    """Starts a session with the settings of a local run, unless spark-submit has chosen others."""
    builder = SparkSession.builder.appName(f"dftspark {app}")
    asked = dict(settings or {})
    if master is not None and master.startswith("sc://"):
        for key, value in asked.items():
            builder = builder.config(key, value)
        return builder.remote(master).getOrCreate()
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit has chosen master and settings
        return builder.getOrCreate()
    ensure_java()
    # Each core has a worker already; a worker's linear algebra gains nothing from more threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Workers take `python3` from PATH otherwise, which need not be this environment.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    here = master is None or master.startswith("local")
    if here:  # executors of a cluster must reach the driver, so its address is Spark's to find
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        asked.setdefault("spark.driver.memory", f"{_driver_gigabytes()}g")
    chosen, where = _beside(local() if here else _STARTED, asked), master or "local[*]"
    if (named := nameless.name()) is not None:
        chosen[_JAVA] += f" {nameless.options(named)}"
        nameless.begin(named, f"dftspark {app}", where, chosen)
    for key, value in chosen.items():
        builder = builder.config(key, value)
    return builder.master(where).getOrCreate()


def _beside(own: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Returns both, those that are asked for first; of Java's options, all."""
    more = {_JAVA: f"{own[_JAVA]} {asked[_JAVA]}"} if _JAVA in asked else {}
    return {**own, **asked, **more}


def local() -> dict[str, str]:
    """Returns LOCAL, with the archive of classes if there is one."""
    return {**LOCAL, _JAVA: f"{LOCAL[_JAVA]} {class_archive.options()}".strip()}


def _driver_gigabytes() -> int:
    """Returns a quarter of the memory; half of it, in a local run, is for Python workers and page
    cache."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 2
    return max(1, min(8, int(total / 2**30 / 4)))


def shuffle_partitions(spark: SparkSession) -> int:
    """Returns how many tasks a stage should have at least, for every core to have work."""
    return int(spark.conf.get("spark.sql.shuffle.partitions") or 200)
