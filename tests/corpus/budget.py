"""Files read under limits on the process: one process a file, with so much memory and CPU.

Run as a program it reads a job a line, forks, limits the child and lets it read; so what a hostile
file does is done to the child, and modules are imported once.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20


class Reader:
    """A process that reads files; `read` says how it went."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(
        self,
        path: Path,
        *,
        cpu: int = 10,
        megabytes: int = 700,
        cleaning: Any = None,
        **corpus: Any,
    ) -> dict[str, Any]:
        """`kept`, `rejected`, `noted` and `told`, the reasons that were told; fails beyond the
        limits. `megabytes` come on top of what the program has, `cpu` are seconds."""
        job = {
            "path": str(path),
            "cpu": cpu,
            "bytes": megabytes * MEGABYTE,
            "cleaning": cleaning or {},
            "corpus": corpus,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        done: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "failed" not in done, (path, done)
        return done


@contextlib.contextmanager
def reader() -> Iterator[Reader]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",
        # Arrow's own allocator reserves address space by the gigabyte.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.corpus.budget"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Reader(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _work(job: dict[str, Any]) -> dict[str, Any]:
    from dftspark.config import Cleaning, Corpus
    from dftspark.corpus import files, ingest

    corpus = Corpus.model_validate({"role": "human", "path": job["path"], **job["corpus"]})
    splits, _ = files.find(corpus, "c")
    counts = {"kept": 0, "rejected": 0, "noted": 0, "repaired": 0}
    told: set[str] = set()
    for split in splits:
        for batch in ingest.ingest(split, "c", corpus, Cleaning(**job["cleaning"])):
            batch.validate(full=True)
            for action in batch["action"].to_pylist():
                counts[action or "kept"] += 1
            told.update(reason for reason in batch["reason"].to_pylist() if reason)
    return {**counts, "told": sorted(told)}


def _limited(job: dict[str, Any], out: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + job["bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    seconds = int(used.ru_utime + used.ru_stime) + 1 + job["cpu"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        said = _work(job)
    except BaseException as error:  # MemoryError among them
        said = {"failed": f"{type(error).__name__}: {error}"}
    os.write(out, json.dumps(said).encode())


def main() -> None:
    import pyarrow as pa
    import pyarrow.parquet

    import dftspark.corpus.ingest
    from dftspark.config import Cleaning
    from dftspark.corpus.clean import clean

    # What the first use of anything loads is loaded once, and no part of a file's share.
    pa.array(["x"])
    clean("a\u0301", Cleaning())
    assert dftspark.corpus.ingest.READERS
    for line in sys.stdin:
        source, out = os.pipe()
        child = os.fork()
        if not child:
            os.close(source)
            try:
                _limited(json.loads(line), out)
            finally:
                os._exit(0)
        os.close(out)
        with os.fdopen(source, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(said if said else json.dumps({"failed": f"ended with {code}"}), flush=True)


if __name__ == "__main__":
    main()
