"""MMD of two clouds by all pairs, by goodpoints' Compress Then Test, and ours, in separate
processes.

    python benchmarks/mmd.py                          growing clouds, then power at 1,000 a side
    python benchmarks/mmd.py --sizes 1000,4000 --engine exact ours
    python benchmarks/mmd.py --sizes 1000000 --engine ours ours-spark --power-tests 0

All engines get the same unit vectors of width 384 with a planted difference. `exact` holds the
kernel matrix of all pairs, as a quadratic test does, and permutes documents. `ours` is one process
on one core: all seven kernels, the fused test, interval, floor; `ours-spark` does the same through
Spark from Parquet, including its pilot. Neither holds more than some thousands of vectors at once.
Errors are against the kernel over the same pairs of documents, as long as that is feasible; `said`
is the error that our features report of themselves. goodpoints' statistic is not on the scale of
MMD^2 (it shrinks with the compression), so it has none.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmarks._measure import CRASHED, Outcome, measured
from dftspark.config import Inference, Mmd
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings import distance_mmd as mmd
from dftspark.lenses.embeddings.fourier import DEFAULT, Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.metric import Metric
from dftspark.stats.protocol import VectorBatch
from dftspark.text.hashing import mixed

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "build" / "goodpoints"
PEER_VERSION = "goodpoints==0.6.3"
WIDTH = 384
SIZES = (1_000, 2_000, 4_000, 8_000, 16_000, 100_000, 1_000_000)
MOST = {"exact": 4_000, "goodpoints": 100_000, "ours": 1_000_000, "ours-spark": 1_000_000}
CHUNK = 16_384
PERMUTATIONS = 199
SETTINGS = Inference(permutations=PERMUTATIONS)
POWER_ROWS, POWER_TESTS, POWER_SHIFT = 1_000, 40, 0.8
Floats = NDArray[np.float32]


def cloud(path: Path, rows: int, side: int, shift: float) -> Path:
    """Writes unit vectors about ten centers, of which the model side has the first moved by
    `shift`."""
    centers = np.random.default_rng(0).standard_normal((10, WIDTH))
    scales = 2 / np.sqrt(1 + np.arange(WIDTH) / 16)
    if side:
        centers[0, 0] += shift * 10
        centers[:, 1] += shift
    out = open_memmap(path, "w+", np.float32, (rows, WIDTH))
    for start in range(0, rows, CHUNK):
        rng = np.random.default_rng((side, start))
        count = min(CHUNK, rows - start)
        x = centers[rng.integers(0, 10, count)] * 0.7
        x += scales * rng.standard_normal((count, WIDTH))
        out[start : start + count] = x / np.linalg.norm(x, axis=1, keepdims=True)
    out.flush()
    return path


def statistic(sigma: float) -> FeatureSums:
    return FeatureSums(frequencies=Frequencies(dim=WIDTH, sigma=sigma))


def hashed(start: int, count: int, side: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Returns cluster hash and block of documents that are each a separate cluster."""
    names = np.arange(start, start + count, dtype=np.uint64)
    hashes = mixed(names, np.uint64(1 + side))
    return hashes, (hashes % np.uint64(64)).astype(np.int64)


@dataclass(frozen=True)
class Rows:
    """The `count` rows of a stored cloud from `first` on. Only requested rows are in memory."""

    path: str
    first: int
    count: int

    def part(self, start: int, count: int) -> Floats:
        rows = slice(self.first + start, self.first + min(start + count, self.count))
        return np.array(np.load(self.path, mmap_mode="r")[rows])

    def whole(self) -> Floats:
        return self.part(0, self.count)


def state(of: FeatureSums, cloud: Rows, side: int) -> FeatureState:
    found = of.empty()
    for start in range(0, cloud.count, CHUNK):
        chunk = cloud.part(start, CHUNK)
        clusters, blocks = hashed(start, len(chunk), side)
        found = of.merge(found, of.observe(VectorBatch(chunk, clusters, blocks)))
    return found


def ours(human: Rows, model: Rows, sigma: float) -> dict[str, float]:
    of = statistic(sigma)
    states = state(of, human, 0), state(of, model, 1)
    return _said(embeddings.compared(*states, of, paired=False, settings=SETTINGS))


def _said(metrics: list[Metric]) -> dict[str, float]:
    found = {metric.name: metric for metric in metrics}
    main = found["mmd_squared"]
    return {
        "value": main.value,
        "p": main.inference.p_value,
        "std_error": main.inference.std_error,
        "feature_error": found["mmd_squared_feature_error"].value,
    }


def exact(human: Rows, model: Rows, sigma: float) -> dict[str, float]:
    """Computes the kernel matrix of all documents, and document permutations of the U-statistic."""
    both = np.concatenate([human.whole(), model.whole()]).astype(np.float64)
    kernels = mmd.kernel(DEFAULT, sigma)(mmd.squared_distances(both, both))
    n, m = human.count, model.count
    rng = np.random.default_rng(0)
    first = np.zeros((PERMUTATIONS + 1, n + m))
    first[0, :n] = 1
    first[1:] = rng.permuted(np.tile(first[0], (PERMUTATIONS, 1)), axis=1)
    products = first @ kernels
    own = (products * first).sum(axis=1)
    all_pairs, rows = kernels.sum(), products.sum(axis=1)
    other = all_pairs - 2 * rows + own
    u = (own - n) / (n * (n - 1)) + (other - m) / (m * (m - 1)) - 2 * (rows - own) / (n * m)
    p = float((1 + (u[1:] >= u[0]).sum()) / (PERMUTATIONS + 1))
    # As ours estimates it: pairs of one side and one block are left out.
    onto = np.zeros((n + m, 128))
    onto[np.arange(n + m), np.r_[hashed(0, n, 0)[1], hashed(0, m, 1)[1] + 64]] = 1
    sums, sizes = onto.T @ kernels @ onto, onto.sum(axis=0)
    unlike = -2 * sums[:64, 64:].sum() / (n * m)
    for side in (slice(0, 64), slice(64, 128)):
        apart = sums[side, side].sum() - np.trace(sums[side, side])
        unlike += apart / (sizes[side].sum() ** 2 - (sizes[side] ** 2).sum())
    return {"value": float(u[0]), "unlike": float(unlike), "p": p}


def through_spark(folder: Path, threads: int) -> dict[str, float]:
    """Measures from Parquet of documents with vectors to metrics."""
    from dftspark.lenses.embeddings import spark_clouds as clouds
    from dftspark.lenses.embeddings.cloud_files import states, together
    from dftspark.spark.session import start
    from dftspark.store.state_table import StateTable

    spark = start("benchmark", f"local[{threads}]")
    vectors = spark.read.parquet(str(folder))
    of = clouds.statistic(clouds.pilot(vectors, Mmd(), 2), Mmd(), "benchmark")
    groups = [("human", ""), ("model", "")]
    with tempfile.TemporaryDirectory() as staging:
        summed = clouds.summed(vectors, groups, {"sums": of}, staging)["sums"]
        stored = StateTable(tuple(summed.paths))
        found = {corpus: together(of, states(stored, of, corpus)) for corpus, _ in groups}
    return _said(
        embeddings.compared(found["human"], found["model"], of, paired=False, settings=SETTINGS)
    )


def write_parquet(folder: Path, sides: list[Path]) -> Path:
    from dftspark.embedding.spark_vectors import column

    folder.mkdir()
    for corpus, path in zip(("human", "model"), sides, strict=True):
        vectors = np.load(path, mmap_mode="r")
        for start in range(0, len(vectors), 8 * CHUNK):
            chunk = np.asarray(vectors[start : start + 8 * CHUNK])
            names = [f"{corpus}-{i}" for i in range(start, start + len(chunk))]
            columns = [pa.array([corpus] * len(chunk)), pa.array([""] * len(chunk))]
            columns += [pa.array(names)] * 2
            columns.append(column(chunk))
            table = pa.Table.from_arrays(
                columns, ["corpus", "stratum", "cluster", "doc_id", "vector"]
            )
            pq.write_table(
                table,
                folder / f"{corpus}-{start}.parquet",
                compression="none",
                row_group_size=CHUNK,
                use_dictionary=False,
            )
    return folder


def work(engine: str, paths: list[str], options: argparse.Namespace) -> None:
    """Runs in the measured process: warms up, waits, works, reports."""
    if engine == "ours-spark":
        through_spark(Path(paths[2]), options.threads)
        print("ready", flush=True)
        sys.stdin.readline()
        found = through_spark(Path(paths[0]), options.threads)
        print("done", flush=True)
        print("result", json.dumps(found), flush=True)
        return
    run = {"ours": ours, "exact": exact}[engine]
    human, model = paths[:2]
    run(Rows(human, 0, 200), Rows(model, 0, 200), options.sigma)
    print("ready", flush=True)
    sys.stdin.readline()
    rows = options.rows
    tests = [
        run(Rows(human, i * rows, rows), Rows(model, i * rows, rows), options.sigma)
        for i in range(options.tests)
    ]
    print("done", flush=True)
    power = float(np.mean([test["p"] <= 0.05 for test in tests]))
    print("result", json.dumps({**tests[0], "power": power}), flush=True)


def peer() -> str | None:
    """Returns the interpreter of the peer's environment, made if missing; None if it cannot be
    made."""
    python = PEER / "bin" / "python"
    done = PEER / "installed"
    if done.exists():
        return str(python)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", PEER_VERSION]
        subprocess.run(install, check=True, timeout=1200)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"goodpoints is skipped: {PEER_VERSION} could not be installed ({error})")
        return None
    done.touch()
    return str(python)


def measure(
    engine: str, paths: list[Path], sigma: float, rows: int, tests: int, options: Any
) -> Outcome:
    environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    names = [str(path) for path in paths]
    if engine == "goodpoints":
        python = peer()
        if python is None:
            return Outcome(None, reason="not installed")
        command = [python, str(ROOT / "benchmarks" / "_goodpoints.py"), *names[:2], str(sigma)]
        command += [str(PERMUTATIONS), str(rows), str(tests)]
    else:
        command = [sys.executable, __file__, "--work", "--engine", engine, "--paths", *names]
        command += ["--sigma", str(sigma), "--rows", str(rows), "--tests", str(tests)]
        command += ["--threads", str(options.threads)]
    return measured(command, environment, options.timeout)


def growing(options: argparse.Namespace) -> dict[str, Any]:
    print(
        f"{'documents':>21} {'engine':<11}{'wall s':>9}{'CPU s':>9}{'us/doc':>8}{'peak MB':>9}"
        f"{'value':>13}{'error':>9}{'said':>8}{'p':>9}{'others':>8}"
    )
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="mmd-") as name:
        folder = Path(name)
        tiny = None
        seconds: dict[str, list[tuple[int, float]]] = {}
        for rows in options.sizes:
            sides = [cloud(folder / f"{side}.npy", rows, side, options.shift) for side in (0, 1)]
            pilot = np.concatenate([np.load(s, mmap_mode="r")[:1000] for s in sides])
            sigma = options.sigma or mmd.median_distance(pilot)
            reference: dict[str, float] = {}
            for engine in options.engine:
                if rows > MOST[engine] and not options.beyond:
                    print(f"{_head(rows, engine)}  not run: {_stopped(engine, rows, seconds)}")
                    continue
                paths = sides
                if engine == "ours-spark":
                    if tiny is None:
                        small = [cloud(folder / f"t{side}.npy", 500, side, 0) for side in (0, 1)]
                        tiny = write_parquet(folder / "tiny", small)
                    paths = [write_parquet(folder / f"p{rows}", sides), sides[1], tiny]
                outcome = measure(engine, paths, sigma, rows, 1, options)
                if outcome.usage:
                    seconds.setdefault(engine, []).append((rows, outcome.usage.cpu_s))
                if engine == "exact" and outcome.usage:
                    reference = outcome.result
                print(_line(rows, engine, outcome, reference), flush=True)
                results[f"{rows} {engine}"] = asdict(outcome)
    return results


def _head(rows: int, engine: str) -> str:
    return f"{rows:>9,} + {rows:<9,} {engine:<11}"


def _stopped(engine: str, rows: int, seconds: dict[str, list[tuple[int, float]]]) -> str:
    """Returns why an engine stops before this size, extrapolated from the sizes at which it ran."""
    if engine == "exact":
        return f"its kernel matrix would have {8 * (2 * rows) ** 2 / 1e9:,.0f} GB (computed)"
    if len(seconds.get(engine, ())) < 2:
        return "it takes too long"
    (fewer, less), (more, longer) = seconds[engine][-2:]
    power = np.log(longer / less) / np.log(more / fewer)
    return (
        f"{longer * (rows / more) ** power:,.0f} CPU-seconds, extrapolated from its growth by "
        f"n^{power:.1f} between {fewer:,} and {more:,}"
    )


def _line(rows: int, engine: str, outcome: Outcome, reference: dict[str, float]) -> str:
    head = _head(rows, engine)
    usage, found = outcome.usage, outcome.result
    if usage is None:
        return f"{head}  none: {outcome.reason}"
    truth = reference.get("unlike") if engine == "ours" else None
    error = f"{found['value'] / truth - 1:+.2%}" if truth else ""
    said = f"{found['feature_error'] / found['value']:.2%}" if "feature_error" in found else ""
    return (
        f"{head}{usage.wall_s:>9.2f}{usage.cpu_s:>9.2f}{usage.cpu_s / rows / 2 * 1e6:>8.0f}"
        f"{usage.peak_mb:>9.0f}{found['value']:>13.6f}{error:>9}{said:>8}{found['p']:>9.2g}"
        f"{usage.others:>8.2f}"
    )


def power(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the share of fresh pairs of clouds that each test tells apart at level .05."""
    results: dict[str, Any] = {}
    rows, tests = POWER_ROWS, options.power_tests
    for shift in (0.0, POWER_SHIFT):
        what = f"shift {shift}" if shift else "no difference"
        print(f"\n{tests} tests of {rows:,} + {rows:,} documents, {what}, level .05")
        with tempfile.TemporaryDirectory(prefix="mmd-") as name:
            folder = Path(name)
            sides = [cloud(folder / f"{side}.npy", rows * tests, side, shift) for side in (0, 1)]
            sigma = mmd.median_distance(np.load(sides[0], mmap_mode="r")[:1000])
            for engine in ("exact", "goodpoints", "ours"):
                if engine not in options.engine:
                    continue
                outcome = measure(engine, sides, sigma, rows, tests, options)
                results[f"{engine} {shift}"] = asdict(outcome)
                if outcome.usage is None:
                    print(f"  {engine:<11} none: {outcome.reason}")
                    continue
                share = outcome.result["power"]
                each = outcome.usage.cpu_s / tests
                print(f"  {engine:<11} rejects {share:.3f}   CPU s a test {each:.2f}", flush=True)
    return results


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(description="MMD: all pairs, goodpoints and ours.")
    parser.add_argument("--sizes", type=numbers, default=SIZES, help="documents of each side")
    parser.add_argument("--engine", nargs="+", choices=MOST, default=tuple(MOST))
    parser.add_argument("--shift", type=float, default=1.0, help="of the planted difference")
    parser.add_argument("--beyond", action="store_true", help="engines also where they take long")
    parser.add_argument("--power-tests", type=int, default=POWER_TESTS, help="0 for none")
    parser.add_argument("--threads", type=int, default=2, help="of Spark")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for one engine")
    parser.add_argument("--out", type=Path, help="write the results here as JSON")
    parser.add_argument("--sigma", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--paths", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--tests", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    if options.work:
        work(options.engine[0], options.paths, options)
        return
    packages = "  ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "pyspark"))
    load = os.getloadavg()[0]
    print(f"{packages}  {platform.machine()}; load {load:.1f}; {PERMUTATIONS} permutations")
    results = {"growing": growing(options)}
    if options.power_tests:
        results["power"] = power(options)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    crashed = [
        name
        for part in results.values()
        for name, found in part.items()
        if found["reason"] == CRASHED
    ]
    if crashed:
        raise SystemExit(f"crashed: {', '.join(crashed)}")


if __name__ == "__main__":
    main()
