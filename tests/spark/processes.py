"""Sessions in processes of their own: a process has one Java machine, and one master with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from dftspark.java import ensure_java

ROOT = Path(__file__).resolve().parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
# A test's Java lives for seconds: the second compiler costs more than it gives.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def environment(**more: str) -> dict[str, str]:
    """Of a child that runs Spark with this Python and imports the package from this tree."""
    ensure_java()
    return {
        **os.environ,
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "JAVA_TOOL_OPTIONS": _JAVA,
        "OPENBLAS_NUM_THREADS": "1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)]).strip(":"),
        "DFTSPARK_DEBUG": "",
        **more,
    }


def finished(command: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The outcome of a command that works in `folder`; it has five minutes."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        errors="replace",
    )


def killed(command: list[str], folder: Path, begun: Callable[[], object]) -> None:
    """Starts a command and kills it, and all that it started, once it has `begun`."""
    said = folder / "killed.log"
    with said.open("w") as log:  # a pipe that nobody reads would stop it
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while not begun():
            assert process.poll() is None, said.read_text()[-4000:]
            assert time.monotonic() < deadline, "it has not begun"
            time.sleep(0.02)
    finally:
        stop(process, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size in a new folder; skips where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"cannot mount a small file system: {error}")
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: Java keeps a file open that it could not write to its end.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def dftspark(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dftspark", *arguments]


def spark_submit(
    job: str, *arguments: str, master: str = "local[2]", settings: Sequence[str] = ()
) -> list[str]:
    own = ("spark.ui.enabled=false", "spark.driver.memory=1g", "spark.sql.shuffle.partitions=4")
    return [
        str(SPARK_HOME / "bin" / "spark-submit"),
        "--master",
        master,
        *(part for setting in (*own, *settings) for part in ("--conf", setting)),
        str(ROOT / "jobs" / job),
        *arguments,
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    command: list[str], port: int, folder: Path, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server until the block ends; entered when it takes connections on `port`."""
    log = folder / f"{port}.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**more),
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait(server, port, log)
        yield server
    finally:
        stop(server)


@contextlib.contextmanager
def connect(folder: Path, *settings: str) -> Iterator[str]:
    """The address of a server of Spark Connect until the block ends."""
    port = free_port()
    of = (
        f"spark.connect.grpc.binding.port={port}",
        "spark.connect.grpc.binding.address=127.0.0.1",
        "spark.ui.enabled=false",
        "spark.sql.shuffle.partitions=4",
        *settings,
    )
    server = [
        str(SPARK_HOME / "bin" / "spark-submit"),
        *("--master", "local[2]"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
        *(part for setting in of for part in ("--conf", setting)),
        "spark-internal",
    ]
    with serving(server, port, folder):
        yield f"sc://127.0.0.1:{port}"


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-4000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}: {log.read_text()[-4000:]}")


def stop(server: subprocess.Popen[bytes], sign: int = signal.SIGTERM) -> None:
    """Ends the session that the process leads, its children with it."""
    for next_sign in (sign, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, next_sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


# --- a standalone cluster -----------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """A master and its workers, each the leader of a session that its executors belong to."""

    master: str
    workers: tuple[subprocess.Popen[bytes], ...]

    def executors(self) -> list[int]:
        return [pid for pid, _, said in self._own() if "CoarseGrainedExecutorBackend" in said]

    def python_workers(self) -> list[int]:
        """Those that work: children of the daemons of the executors."""
        python = {pid: parent for pid, parent, said in self._own() if "pyspark.daemon" in said}
        return [pid for pid, parent in python.items() if parent in python]

    def idle(self) -> None:
        """Returns when the executors of a job that is over are gone."""
        deadline = time.monotonic() + 90
        while self.executors():
            assert time.monotonic() < deadline, "executors outlive their job"
            time.sleep(0.2)

    def _own(self) -> list[tuple[int, int, str]]:
        """Process, parent and command line of all that the workers started."""
        sessions, found = {worker.pid for worker in self.workers}, []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                stat = (place / "stat").read_text().rpartition(")")[2].split()
                if int(stat[3]) in sessions:
                    said = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(place.name), int(stat[1]), said))
        return sorted(found)


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers of one core and 1 GiB each; their work folders are `worker-1` and so
    on."""
    port, spark_class = free_port(), str(SPARK_HOME / "bin" / "spark-class")
    master = f"spark://127.0.0.1:{port}"
    host = ["--host", "127.0.0.1", "--webui-port", "0"]
    with contextlib.ExitStack() as servers:
        command = [spark_class, "org.apache.spark.deploy.master.Master", *host, "--port", str(port)]
        servers.enter_context(serving(command, port, folder))
        found = []
        for number in range(1, workers + 1):
            own = free_port()
            command = [
                spark_class,
                "org.apache.spark.deploy.worker.Worker",
                *host,
                "--port",
                str(own),
                "--cores",
                "1",
                "--memory",
                "1g",
                "--work-dir",
                str(folder / f"worker-{number}"),
                master,
            ]
            found.append(servers.enter_context(serving(command, own, folder)))
        yield Cluster(master, tuple(found))
