"""Exact n-gram counts of one file: ours and the peers', each in a separate process.

    python benchmarks/ngrams.py                              every engine, both tasks
    python benchmarks/ngrams.py --engine duckdb --documents 2000 --tasks counts
    python benchmarks/ngrams.py --ladder                     ours alone, on growing corpora

Tasks: `counts` gives each n-gram's C (occurrences); `full` adds Q (sum over documents of the
squared count in the document), H (sum of that count times the document's n-grams of the order)
and df (documents that have it). Peers are given the tokens; ours makes them from the text, and
pays for it. An engine keeps its table in memory; Spark's peers reduce it to the sums below, which
is cheaper than keeping it. All engines must agree on every sum, or the run fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import _peers as peers
from benchmarks._measure import CRASHED, Outcome, Usage, measured
from dftspark import schema
from dftspark.lenses.ngrams.grams import grams
from dftspark.lenses.ngrams.statistic_counts import NgramRows
from dftspark.text.tokens import Words

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
CORPORA = ("biscope", "slop_score")  # model texts, in this order, each file in its own order
DOCUMENTS = 20_000
TINY = 64  # documents of the warm-up
ROWS_PER_GROUP = 1_000  # small enough that every engine can read in parallel
LADDER = (10_000, 100_000, 1_000_000)
VERSIONS = ("duckdb", "polars", "pyspark", "pyarrow", "numpy")


def run_ours(
    path: Path, orders: tuple[int, ...], task: peers.Task, threads: int
) -> Callable[[], peers.Checks]:
    """Runs dftspark through Spark, from the column `text`; the profile is written to Parquet."""
    from dftspark.config import Audit
    from dftspark.lenses.ngrams.spark_profile import NgramFold
    from dftspark.spark.fold import Layout, of_documents

    documents = _ours_documents(_ours_session(threads), path)
    sides = {"human": {"role": "human", "path": "-"}, "model": {"role": "model", "path": "-"}}
    config = Audit.parse({"corpora": sides, "ngrams": {"orders": orders}}, "benchmark")
    sizes = {"model": _text_bytes(path)}
    layout = Layout.of(sizes, 2 * threads, config.ngrams.sketch_width)
    folder = f"{path}.{os.getpid()}.folded"
    shutil.rmtree(folder, ignore_errors=True)
    of_documents(documents, [NgramFold(config, layout.ranges)], layout, folder)
    return partial(_ours_checks, f"{folder}/profile", task)


def _ours_documents(spark: SparkSession, path: Path) -> DataFrame:
    from pyspark.sql import functions as f

    return spark.read.parquet(str(path)).select(
        f.lit("model").alias("corpus"),
        f.lit("").alias("stratum"),
        f.col("doc_id").alias("cluster"),
        "doc_id",
        "text",
    )


def _text_bytes(path: Path) -> int:
    """Returns the size from the footer, since reading the texts would fill the driver with them."""
    file = pq.ParquetFile(path).metadata
    column = [file.schema.column(i).path for i in range(file.num_columns)].index("text")
    groups = (file.row_group(i).column(column) for i in range(file.num_row_groups))
    return sum(group.total_uncompressed_size for group in groups)


@cache
def _ours_session(threads: int) -> SparkSession:
    from dftspark.spark.session import start

    return start("benchmark", f"local[{threads}]")


def _ours_checks(profile: str, task: peers.Task) -> peers.Checks:
    """Returns the same sums from the written profile, n-grams with their blocks added up."""
    sums: dict[int, dict[str, int]] = {}
    for part in sorted(Path(profile).glob("*.parquet")):
        for row in pq.read_table(part, columns=["n", "state"]).to_pylist():
            if row["n"] != schema.WHOLE:
                _add_checks(sums.setdefault(row["n"], {}), row["state"], task)
    return {n: sums[n] for n in sorted(sums)}


def _add_checks(total: dict[str, int], state: bytes, task: peers.Task) -> None:
    own = grams(NgramRows.decode(state).counted).sums
    c, q, h = own.count, own.squares, own.weighted
    found = {"distinct": len(c), "sum of C squared": int(c @ c), "sum of C": int(c.sum())}
    if task == "full":
        found |= {"sum of Q": int(q.sum()), "sum of H": int(h.sum())}
        found |= {"sum of df": int(own.docs.sum())}
    for name, value in found.items():
        total[name] = total.get(name, 0) + value


ENGINES: dict[str, peers.Engine] = {
    "ours": run_ours,
    "polars": peers.polars,
    "polars-group": partial(peers.polars, key="group"),
    "polars-text": partial(peers.polars, key="text"),
    "duckdb": peers.duckdb,
    "duckdb-text": partial(peers.duckdb, text=True),
    "counter": peers.counter,
    "spark-sql": peers.spark_sql,
    "spark-sql-text": partial(peers.spark_sql, text=True),
    "spark-ml": peers.spark_ml,
}


def tokenize(texts: pa.ChunkedArray[Any]) -> pa.ListArray[Any]:
    """Splits by the package's `words`, so that all engines count the same tokens."""
    words, lists = Words(), []
    for chunk in texts.chunks:
        batch = words.tokenize(chunk, spans=True)
        strings = words.token_texts(chunk, batch, 0, len(batch.hashes))
        offsets = pa.array(batch.offsets, pa.int32())
        lists.append(pa.ListArray.from_arrays(offsets, pa.array(strings, pa.string())))
    return cast("pa.ListArray[Any]", pa.concat_arrays(lists))


def documents(source: Path | None, limit: int) -> tuple[pa.Table, str]:
    """Returns at most `limit` rows (doc_id, text, tokens), and a description of them."""
    if source is not None:
        table, name = pq.read_table(source).slice(0, limit), source.name
    elif all((DATA / f"{corpus}.parquet").exists() for corpus in CORPORA):
        files = [pq.read_table(DATA / f"{corpus}.parquet") for corpus in CORPORA]
        rows = [file.filter(pc.is_valid(file["model"])) for file in files]
        table = pa.concat_tables(row.select(["doc_id", "text"]) for row in rows).slice(0, limit)
        name = "model texts of " + " and ".join(CORPORA)
    else:
        table, name = pa.Table.from_batches(_source().batches(limit)), "synthetic documents"
    if "tokens" not in table.column_names:
        table = table.append_column("tokens", tokenize(table["text"]))
    return table.select(["doc_id", "text", "tokens"]), name


def _source() -> Any:
    from dftspark.testing.synthetic import SyntheticSource

    return SyntheticSource()


def work(engine: str, path: Path, orders: tuple[int, ...], task: peers.Task, threads: int) -> None:
    """Runs in the measured process: warms up beside the input, waits, counts, reports."""
    run = ENGINES[engine]
    try:
        run(path.with_suffix(".tiny"), orders, task, threads)()
    except NotImplementedError as error:
        print(f"skip {error}", flush=True)
        return
    print("ready", flush=True)
    sys.stdin.readline()
    checks = run(path, orders, task, threads)
    print("done", flush=True)
    print("result", json.dumps(checks()), flush=True)


def measure(engine: str, path: Path, task: peers.Task, options: argparse.Namespace) -> Outcome:
    command = [sys.executable, __file__, "--work", "--engine", engine, "--tasks", task]
    command += ["--input", str(path), "--threads", str(options.threads)]
    command += ["--orders", ",".join(map(str, options.orders))]
    environment = {"POLARS_MAX_THREADS": str(options.threads), "PYTHONPATH": str(ROOT)}
    return measured(command, environment, options.timeout)


def write_input(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, compression="zstd")
    pq.write_table(table.slice(0, TINY), path.with_suffix(".tiny"), compression="zstd")
    return path


def compare(options: argparse.Namespace) -> dict[str, Any]:
    table, name = documents(options.input, options.documents)
    tokens = pc.sum(pc.list_value_length(table["tokens"])).as_py()
    size = pc.sum(pc.binary_length(table["text"])).as_py()
    about = f"{name}: {table.num_rows:,} documents, {size / 1e6:.1f} MB, {tokens:,} tokens"
    print(f"{about}; orders {options.orders}; {options.threads} threads")
    print("Peers read tokens that were made beforehand, free of charge; ours reads the text.")
    print("  ".join(f"{package} {version(package)}" for package in VERSIONS), platform.machine())
    results: dict[str, Any] = {"input": about, "tasks": {}}
    with tempfile.TemporaryDirectory(prefix="ngrams-") as folder:
        path = write_input(table, Path(folder) / "documents.parquet")
        for task in options.tasks:
            outcomes = _measure_all(path, task, options)
            results["tasks"][task] = {engine: asdict(o) for engine, o in outcomes.items()}
    return results


def _measure_all(path: Path, task: peers.Task, options: argparse.Namespace) -> dict[str, Outcome]:
    print(
        f"\n{task:<15}{'CPU s':>8}{'/ours':>7}{'wall s':>8}{'/ours':>7}{'peak MB':>9}{'/ours':>7}"
        f"{'rows':>12}{'cold CPU':>10}{'cold wall':>10}{'others':>8}{'load':>6}"
    )
    outcomes: dict[str, Outcome] = {}
    for engine in options.engine:
        load = os.getloadavg()[0]
        outcomes[engine] = outcome = measure(engine, path, task, options)
        ours = outcomes["ours"].usage if "ours" in outcomes else None
        print(_line(engine, outcome, ours, load), flush=True)
    agree(outcomes, task)
    return outcomes


def _line(engine: str, outcome: Outcome, ours: Usage | None, load: float) -> str:
    usage = outcome.usage
    if usage is None:
        return f"{engine:<15}  none: {outcome.reason}"
    rows = sum(order["distinct"] for order in outcome.result.values())
    cells = ""
    for name, width in (("cpu_s", 8), ("wall_s", 8), ("peak_mb", 9)):
        value = getattr(usage, name)
        ratio = f"{value / getattr(ours, name):.1f}x" if ours else "-"
        cells += f"{value:>{width}.{0 if name == 'peak_mb' else 2}f}{ratio:>7}"
    return (
        f"{engine:<15}{cells}{rows:>12,}{usage.cold_cpu_s:>10.2f}{usage.cold_wall_s:>10.2f}"
        f"{usage.others:>8.2f}{load:>6.1f}"
    )


def agree(outcomes: dict[str, Outcome], task: str) -> None:
    """Prints the sums that every engine found; exits with 1 if two differ or one crashed."""
    found = {engine: o.result for engine, o in outcomes.items() if o.result}
    first, expected = next(iter(found.items()), ("", {}))
    for order, sums in expected.items():
        print(f"  {order}-grams  " + "  ".join(f"{name} {v:,}" for name, v in sums.items()))
    unlike = {engine: result for engine, result in found.items() if result != expected}
    if unlike:
        raise SystemExit(f"{task}: {first} found {expected}, but\n{json.dumps(unlike, indent=1)}")
    print(f"  {len(found)} engines agree on every sum: {', '.join(found)}")
    crashed = [engine for engine, o in outcomes.items() if o.reason == CRASHED]
    if crashed:
        raise SystemExit(f"{task}: {', '.join(crashed)} crashed")


def ladder(options: argparse.Namespace) -> dict[str, Any]:
    """Runs ours alone on growing synthetic corpora: how time and memory grow."""
    rungs: dict[int, Usage] = {}
    print(f"{'documents':>10}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'others':>8}")
    with tempfile.TemporaryDirectory(prefix="ngrams-") as folder:
        for size in options.sizes:
            path = Path(folder) / f"{size}.parquet"
            _source().write(path, size)
            _source().write(path.with_suffix(".tiny"), TINY)
            outcome = measure("ours", path, "full", options)
            path.unlink()
            if outcome.usage is None:
                print(f"{size:>10,}  none: {outcome.reason}")
                break
            rungs[size] = u = outcome.usage
            print(f"{size:>10,}{u.wall_s:>9.2f}{u.cpu_s:>9.2f}{u.peak_mb:>9.0f}{u.others:>8.2f}")
    for (small, before), (large, after) in pairwise(rungs.items()):
        print(
            f"{large / small:.1f}x the documents: {after.wall_s / before.wall_s:.2f}x the time, "
            f"{after.cpu_s / before.cpu_s:.2f}x the CPU, {after.peak_mb / before.peak_mb:.2f}x "
            f"the peak memory"
        )
    return {str(size): asdict(usage) for size, usage in rungs.items()}


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    tasks = get_args(peers.Task)
    parser = argparse.ArgumentParser(description="Exact n-gram counts: ours and the peers'.")
    parser.add_argument("--input", type=Path, help="Parquet with doc_id, text, perhaps tokens")
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="take at most so many")
    parser.add_argument("--orders", type=numbers, default=(1, 2, 3, 4))
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=tuple(ENGINES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one engine")
    parser.add_argument("--out", type=Path, help="write the results here as JSON")
    parser.add_argument("--ladder", action="store_true", help="ours alone on growing corpora")
    parser.add_argument("--sizes", type=numbers, default=LADDER, help="documents of the ladder")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    if options.work:
        (engine,), (task,) = options.engine, options.tasks
        work(engine, options.input, options.orders, task, options.threads)
        return
    results = ladder(options) if options.ladder else compare(options)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
