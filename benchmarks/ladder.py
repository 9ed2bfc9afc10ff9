"""Whole audits of growing corpora: time, processor time and memory, by stage.

    python benchmarks/ladder.py [--sizes 10000,100000,1000000]

Half of the documents are human and half are a model's, synthetic texts of 300 words with one
planted phrase. `dftspark audit` runs as a program on local Spark, with its default lenses and the
static embedder, from its start to its end. Beside it Spark SQL alone counts the bigrams of a rung:
what the engine of the cluster takes for one table of one lens.

Processor time is of the process tree, Java and Python workers included, by /proc; memory is the sum
of resident sizes, in which pages that processes share count several times. Stages are cut where
their lines in the log begin; what is before the first is the start of Spark.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import ngrams
from benchmarks._measure import Tree
from dftspark.testing.synthetic import Phrase, SyntheticSource

ROOT = Path(__file__).resolve().parents[1]
SIZES = (10_000, 100_000, 1_000_000)
SQL = "spark-sql-text"


@dataclass(frozen=True)
class Rung:
    """An audit: seconds, processor seconds and the peak in MiB of each stage; `others` are the
    processors that the rest of the machine kept busy."""

    documents: int
    stages: dict[str, tuple[float, float, float]]
    others: float

    @property
    def wall(self) -> float:
        return sum(wall for wall, _, _ in self.stages.values())

    @property
    def cpu(self) -> float:
        return sum(cpu for _, cpu, _ in self.stages.values())

    @property
    def peak(self) -> float:
        return max(peak for _, _, peak in self.stages.values())


def write(folder: Path, documents: int) -> None:
    """Writes both corpora, and a configuration that audits them."""
    source = SyntheticSource(phrases=(Phrase(text="it is worth noting", per_thousand=1, times=3),))
    conf = ['embedding = {embedder = "static"}']
    for role in ("human", "model"):
        source.write(folder / f"{role}.parquet", documents // 2, role=role)
        conf += [f"[corpora.{role}]", f'role = "{role}"', f'path = "{role}.parquet"']
        conf += ['columns = {doc_id = "doc_id", prompt_id = "prompt_id"}']
    (folder / "audit.toml").write_text("\n".join(conf) + "\n")


def audit(folder: Path, documents: int) -> Rung:
    """Runs the audit of the folder. Raises SystemExit with its messages if it fails."""
    busy = _busy()
    command = [sys.executable, "-m", "dftspark", "audit", "audit.toml", "--master", "local[*]"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said: list[str] = []
    marks: list[tuple[str, float, float]] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        tree = Tree(child.pid)
        peaks: list[tuple[float, float, float]] = []
        done = threading.Event()
        watching = threading.Thread(target=_watch, args=(tree, peaks, done))
        watching.start()
        marks.append(("start", time.monotonic(), 0.0))
        assert child.stderr is not None
        for line in child.stderr:
            said.append(line)
            _, _, told = line.rstrip().partition(" ")
            if told.endswith(": started"):
                name = told.removesuffix(": started")
                marks.append((name, time.monotonic(), tree.cpu_s()))
            elif told.startswith("check: done"):
                marks.append(("publish", time.monotonic(), tree.cpu_s()))
        done.set()
        watching.join()
    if child.returncode:
        raise SystemExit("".join(said))
    # Processes that ended early take their times with them.
    marks.append(("", time.monotonic(), max(cpu for _, _, cpu in peaks)))
    others = (_busy() - busy - marks[-1][2]) / (marks[-1][1] - marks[0][1])
    return Rung(documents, _by_stage(marks, peaks), max(0.0, others))


def _watch(tree: Tree, peaks: list[tuple[float, float, float]], done: threading.Event) -> None:
    """Keeps the moment and the resident MiB of the tree, twice a second, and its processor time."""
    while not done.wait(0.5):
        tree.peak_bytes = 0
        tree.sample()
        peaks.append((time.monotonic(), tree.peak_bytes / 2**20, tree.cpu_s()))


def _by_stage(
    marks: list[tuple[str, float, float]], peaks: list[tuple[float, float, float]]
) -> dict[str, tuple[float, float, float]]:
    stages = {}
    for (name, begun, before), (_, ended, after) in pairwise(marks):
        peak = max((mib for at, mib, _ in peaks if begun <= at < ended), default=0.0)
        stages[name] = ended - begun, after - before, peak
    return stages


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def bigrams(folder: Path, threads: int) -> tuple[int, float]:
    """Returns the number of documents of the folder, and the processor seconds in which Spark SQL
    counts their bigrams, from tokens that are made beforehand."""
    names = ("human", "model")
    tables = [
        pq.read_table(folder / f"{role}.parquet", columns=["doc_id", "text"]) for role in names
    ]
    both = pa.concat_tables(tables)
    both = both.append_column("tokens", ngrams.tokenize(both["text"]))
    path = ngrams.write_input(both, folder / "both.parquet")
    options = argparse.Namespace(orders=(2,), threads=threads, timeout=3_600)
    usage = ngrams.measure(SQL, path, "counts", options).usage
    if usage is None:
        raise SystemExit(f"{SQL} did not count")
    return len(both), usage.cpu_s


def main() -> None:
    parser = argparse.ArgumentParser(description="Whole audits of growing corpora.")
    parser.add_argument(
        "--sizes", default=",".join(map(str, SIZES)), help="documents of both sides"
    )
    parser.add_argument("--bigrams", type=int, default=100_000, help="documents for Spark SQL")
    options = parser.parse_args()
    rungs = []
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="ladder-") as name:
            folder = Path(name)
            write(folder, size)
            rungs.append(rung := audit(folder, size))
            print(
                f"{size:,} documents: {rung.wall:.1f} s, {rung.cpu:.1f} CPU-s, {rung.peak:.0f} MB, "
                f"{rung.others:.2f} processors busy with others"
            )
            for stage, (wall, cpu, peak) in rung.stages.items():
                print(f"  {stage:<28}{wall:>9.1f} s{cpu:>9.1f} CPU-s{peak:>8.0f} MB", flush=True)
            if size == options.bigrams:
                counted, cpu = bigrams(folder, os.cpu_count() or 1)
                print(
                    f"  Spark SQL alone, bigrams of {counted:,}: {cpu:.1f} CPU-s; the audit takes "
                    f"{rung.cpu / cpu:.1f} times that"
                )
    for small, large in pairwise(rungs):
        power = math.log(2) / math.log(large.documents / small.documents)
        grown = [getattr(large, name) / getattr(small, name) for name in ("wall", "cpu", "peak")]
        time_, cpu, peak = (ratio**power for ratio in grown)
        print(
            f"{small.documents:,} to {large.documents:,}, for twice the documents: "
            f"{time_:.2f}x the time, {cpu:.2f}x the processor time, {peak:.2f}x the memory"
        )
    largest = rungs[-1]
    print(f"a million documents: {largest.cpu / largest.documents * 1e6 / 3600:.2f} core-hours")


if __name__ == "__main__":
    main()
