"""Checks one by one what a machine must have for dftspark to run, each with its remedy.

Cost  under a second, plus about twenty for the embedder and the Spark session, which are started to
      see that they start.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa

from dftspark import java
from dftspark.errors import DftsparkError, EnvironmentProblem
from dftspark.location import SECONDS, Location, arrow_scheme, free_bytes, writing
from dftspark.redaction import redact
from dftspark.time_limit import within

_PROBE = b"dftspark doctor"
_TASKS = (
    "Executors must see the same storage as the driver: the same mount, or the same address and "
    "credentials in their environment (spark.executorEnv.NAME) or from their role."
)
_ACCESS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a "
    "role; AWS_DEFAULT_REGION, and AWS_ENDPOINT_URL for a server that is not Amazon's.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or give the machine a service "
    "account; a server of one's own takes gs://anonymous@BUCKET and the options "
    "endpoint_override and scheme.",
    "abfs": "Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or give the machine an "
    "identity, or set AZURE_STORAGE_CONNECTION_STRING, whose AccountName must be the address's; "
    "the address is abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH.",
    "hdfs": "Set HADOOP_HOME, JAVA_HOME and CLASSPATH=$(hadoop classpath --glob), for pyarrow; "
    "Spark reads HADOOP_CONF_DIR. Both on executors too.",
}
_ALIKE = {"gcs": "gs", "abfss": "abfs", "viewfs": "hdfs"}
_MEMORY_GIB = 2.0
_DISK_GIB = 1.0
_PROBE_SECONDS = 180
_RAISED = re.compile(r"[\w.]{0,200}(Error|Exception|Problem)\b")
_CGROUP = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Diagnosis:
    """The result of one check. `remedy` is empty if all is well."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine(
    out: str = "runs",
    spark: bool = True,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Diagnosis]:
    """Yields every check in turn; a check that itself breaks is reported as a problem, not
    raised. `settings` are Spark's."""
    checks: list[tuple[str, Callable[[], Diagnosis]]] = [
        ("Python", _python),
        ("Java", _java),
        *((name, partial(_package, name, *bounds)) for name, bounds in _PACKAGES.items()),
        ("memory", _memory),
        ("storage", partial(_storage, out)),
        ("compiled code", _compiled),
        ("openvino", _openvino),
        ("GPU", _gpu),
    ]
    if spark:
        asked = partial(_session, out, master, settings or {})
        checks += [("embedder", _embedder), ("Spark session", asked)]
    for name, check in checks:
        try:
            yield check()
        except Exception as error:
            yield Diagnosis(
                name, False, f"{type(error).__name__}: {error}", "The check itself failed."
            )


_SPARK = "pip install 'dftspark[spark]'"
_COMPUTE = "pip install 'dftspark[compute]'"
_EMBED = "pip install 'dftspark[embed]'"
_PACKAGES: dict[str, tuple[tuple[int, int], tuple[int, int], str]] = {
    "pyspark": ((4, 0), (5, 0), _SPARK),
    "pyarrow": ((18, 0), (27, 0), "pip install 'pyarrow>=18,<27'"),
    "numpy": ((2, 0), (3, 0), "pip install 'numpy>=2,<3'"),
    "pandas": ((2, 2), (3, 0), "pip install 'pandas>=2.2.2,<3'; Spark does not take pandas 3 yet"),
    "numba": ((0, 61), (1, 0), _COMPUTE),
    "scipy": ((1, 14), (2, 0), _COMPUTE),
    "tokenizers": ((0, 21), (1, 0), _COMPUTE),
    "torch": ((2, 4), (3, 0), _EMBED),
    "sentence-transformers": ((6, 0), (7, 0), _EMBED),
    "faiss-cpu": ((1, 9), (2, 0), _EMBED),
}
_OPENVINO = ((2025, 4), (2027, 0), "pip install 'dftspark[openvino]'")
# Slow to import, or imported by checks of their own.
_ONLY_LOOKED_UP = frozenset({"pyspark", "torch", "sentence-transformers", "faiss-cpu", "openvino"})


def _python() -> Diagnosis:
    found = f"{platform.python_version()} at {sys.executable}"
    ok = sys.version_info >= (3, 11)
    return Diagnosis("Python", ok, found, "" if ok else "Use Python 3.11 or newer.")


def _java() -> Diagnosis:
    chosen = java.find_java()
    if chosen is None:
        seen = ", ".join(f"Java {found.version} in {found.home}" for found in java.candidates())
        return Diagnosis("Java", False, seen or "none found", java.REMEDY)
    found = f"{chosen.version} in {chosen.home}, by {chosen.source}"
    asked = os.environ.get("JAVA_HOME")
    if asked and chosen.source != "JAVA_HOME":
        return Diagnosis(
            "Java", True, f"{found}; JAVA_HOME={asked} is not Java {java.OLDEST} or newer, ignored"
        )
    if not chosen.vector:
        found += f"; without jdk.incubator.vector, so through {java.shim(chosen.home)}"
    return Diagnosis("Java", True, found)


def _package(name: str, least: tuple[int, int], below: tuple[int, int], remedy: str) -> Diagnosis:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Diagnosis(name, False, "not installed", remedy)
    if not least <= _release(version) < below:
        wanted = f">={least[0]}.{least[1]},<{below[0]}.{below[1]}"
        return Diagnosis(name, False, f"{version}, not {wanted}", remedy)
    if name not in _ONLY_LOOKED_UP:
        importlib.import_module(name)  # a binary that does not fit its neighbors fails here
    return Diagnosis(name, True, version)


def _memory() -> Diagnosis:
    free = _free_memory()
    if free is None:
        return Diagnosis("memory", True, "the system does not tell")
    ok = free >= _MEMORY_GIB * 2**30
    remedy = "" if ok else f"Have {_MEMORY_GIB:.0f} GiB free, or lower ngrams.buffer_mb."
    return Diagnosis("memory", ok, f"{free / 2**30:.1f} GiB free", remedy)


def _storage(out: str) -> Diagnosis:
    scheme = arrow_scheme(out).partition("://")[0].lower()
    remedy = _ACCESS.get(_ALIKE.get(scheme, scheme), "Choose another --out.")
    try:
        place = within(SECONDS, f"cannot reach {redact(out)}", lambda: Location.parse(out))
        if not place.local:
            return within(SECONDS, f"cannot write {place}", lambda: _remote(place, remedy))
    except DftsparkError as error:
        return Diagnosis("storage", False, str(error), remedy)
    folder = next(f for f in (Path(place.path), *Path(place.path).parents) if f.exists())
    try:
        with writing(place), tempfile.TemporaryFile(dir=folder):
            free = (free_bytes(place) or 0) / 2**30
    except DftsparkError as error:
        return Diagnosis("storage", False, str(error), "Choose another --out.")
    ok = free >= _DISK_GIB
    remedy = "" if ok else f"Free {_DISK_GIB:.0f} GiB, or choose another --out."
    return Diagnosis("storage", ok, f"{place}: writable, {free:,.1f} GiB free", remedy)


def _remote(place: Location, remedy: str) -> Diagnosis:
    """Writes an object through pyarrow, reads it back and removes it."""
    probe = place.impatient / f".probe-{secrets.token_hex(6)}"
    with writing(probe):
        probe.filesystem.create_dir(place.path, recursive=True)
        with probe.filesystem.open_output_stream(probe.path) as stream:
            stream.write(_PROBE)
        with probe.filesystem.open_input_stream(probe.path) as source:
            read = source.read()
        probe.filesystem.delete_file(probe.path)
    ok = read == _PROBE
    said = "a probe was written and read" if ok else f"a probe came back as {read[:40]!r}"
    return Diagnosis("storage", ok, f"{place}: {said}, through pyarrow", "" if ok else remedy)


def _compiled() -> Diagnosis:
    from dftspark import compiled
    from dftspark.text import hashing

    folder, why = compiled.kept(hashing.mixed)
    found = f"kept in {folder}" if folder else "not kept"
    advice = "; name a folder that lasts in NUMBA_CACHE_DIR" if why else ""
    return Diagnosis("compiled code", True, f"{found}{f': {why}' if why else ''}{advice}")


def _openvino() -> Diagnosis:
    """Checks OpenVINO; nothing needs it, so its absence is not a problem."""
    try:
        metadata.version("openvino")
    except metadata.PackageNotFoundError:
        found = f"not installed; for embedding.engine = 'openvino': {_OPENVINO[2]}"
        return Diagnosis("openvino", True, found)
    check = _package("openvino", *_OPENVINO)
    if not check.ok:
        return check
    from dftspark.embedding import openvino_embedder

    said = ", ".join(openvino_embedder.precisions())
    return Diagnosis("openvino", True, f"{check.found}; this processor computes in {said}")


def _gpu() -> Diagnosis:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Diagnosis("GPU", True, "none found; everything works on the CPU")
    said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30)
    if said.returncode != 0 or not said.stdout.strip():
        return Diagnosis("GPU", True, "nvidia-smi finds none; everything works on the CPU")
    return Diagnosis("GPU", True, re.sub(r" \(UUID: [^)]*\)", "", said.stdout.strip()))


def _embedder() -> Diagnosis:
    """Embeds a sentence with the packaged model in a separate process, because torch is large."""
    program = "from dftspark.doctor import probe_embedder; probe_embedder()"
    command = [sys.executable, "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        remedy = f"Look at what it waits for: {sys.executable} -X faulthandler -c '{program}'"
        return Diagnosis("embedder", False, f"no vector in {_PROBE_SECONDS} s", remedy)
    if done.returncode != 0:
        return Diagnosis("embedder", False, _reason(done.stderr), _EMBED)
    told = json.loads(done.stdout.splitlines()[-1])
    gpus = f"{told['gpus']} CUDA devices" if told["gpus"] else "no CUDA device, so on the CPU"
    found = f"{told['model']}, {told['dimension']} dimensions; torch {told['torch']} sees {gpus}"
    return Diagnosis("embedder", True, found)


def probe_embedder() -> None:
    """Prints a line of JSON on the packaged model and torch."""
    import torch

    from dftspark.config import Embedding
    from dftspark.embedding import embedders
    from dftspark.embedding import recipe as models

    settings = Embedding(device="cpu")
    embedder = embedders.load(settings, models.recipe(settings, "cpu"), "cpu", threads=1)
    found = embedder.encode(["One sentence."])
    if found.problems != [None]:
        raise EnvironmentProblem(f"the vector of a sentence is {found.problems[0]}")
    told = {
        "model": settings.embedder,
        "dimension": found.vectors.shape[1],
        "torch": torch.__version__,
        "gpus": torch.cuda.device_count() if torch.cuda.is_available() else 0,
    }
    print(json.dumps(told))


def _session(out: str, master: str | None, settings: Mapping[str, str]) -> Diagnosis:
    """Starts Spark in a separate process, so that its output and its hanging stay there."""
    program = "import sys; from dftspark.doctor import probe; probe(*sys.argv[1:])"
    command = [sys.executable, "-c", program, out, master or "", json.dumps(dict(settings))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        remedy = "Look for a proxy, a firewall, or a host name that does not resolve."
        return Diagnosis("Spark session", False, f"no answer in {_PROBE_SECONDS} s", remedy)
    if done.returncode != 0:
        remedy = f"Mend what is above first. Everything Spark says: {shlex.join(command)}"
        return Diagnosis("Spark session", False, _reason(done.stderr), remedy)
    told = json.loads(done.stdout.splitlines()[-1])
    if told["table"]:
        return Diagnosis("Spark session", False, f"tasks and {out}: {told['table']}", _TASKS)
    return _compared(told)


def _compared(told: dict[str, Any]) -> Diagnosis:
    driver, worker = told["driver"], told["worker"]
    unlike = [name for name in driver if name != "executable" and driver[name] != worker[name]]
    if unlike:
        found = "; ".join(f"{n}: driver {driver[n]}, worker {worker[n]}" for n in unlike)
        remedy = "Set PYSPARK_PYTHON to the Python of the driver, with the same packages."
        return Diagnosis("Spark session", False, found, remedy)
    versions = ", ".join(f"{name} {driver[name]}" for name in ("python", "pyarrow", "dftspark"))
    found = f"starts, computes, writes and reads a table; worker like driver: {versions}"
    return Diagnosis("Spark session", True, found)


def _reason(said: str) -> str:
    """Returns the line of a traceback that names the error, with Java's message on it; else the
    last."""
    lines = [line for line in said.splitlines() if line.strip()] or ["it stopped without a word"]
    named = [at for at, line in enumerate(lines) if _RAISED.match(line)] or [len(lines) - 1]
    java_says = lines[named[-1] + 1 : named[-1] + 2]
    return lines[named[-1]] + "".join(line for line in java_says if line.startswith(": "))


def probe(out: str, master: str = "", settings: str = "{}") -> None:
    """Prints facts on the driver and a worker of a fresh session with those settings of Spark, and
    what keeps tasks from writing a table below `out` and reading it, as a line of JSON."""
    from dftspark.spark.probe import round_trip
    from dftspark.spark.session import session

    with session("doctor", master or None, json.loads(settings)) as spark:
        (row,) = spark.range(1).mapInArrow(_tell, "told string").collect()
        problem = round_trip(spark, out)
    told = {"driver": _versions(), "worker": json.loads(row["told"]), "table": problem}
    print(json.dumps(told))


def _tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        told = [json.dumps(_versions())] * batch.num_rows
        yield pa.RecordBatch.from_arrays([pa.array(told)], names=["told"])


def _versions() -> dict[str, str]:
    from dftspark import __version__

    return {
        "executable": sys.executable,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "pyarrow": pa.__version__,
        "dftspark": __version__,
    }


def _release(version: str) -> tuple[int, int]:
    matched = re.match(r"(\d+)\.(\d+)", version)
    return (int(matched[1]), int(matched[2])) if matched else (0, 0)


def _free_memory() -> float | None:
    limits = [_system_memory(), *map(_cgroup_memory, _CGROUP)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _system_memory() -> float | None:
    try:
        said = Path("/proc/meminfo").read_text()
    except OSError:
        return _all_memory()
    matched = re.search(r"^MemAvailable:\s+(\d+) kB", said, re.MULTILINE)
    return float(matched[1]) * 1024 if matched else _all_memory()


def _all_memory() -> float | None:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError):
        return None


def _cgroup_memory(limit: Path) -> float | None:
    try:
        said = limit.read_text().strip()
    except OSError:
        return None  # there is no control group of this kind
    return float(said) if said.isdigit() else None
