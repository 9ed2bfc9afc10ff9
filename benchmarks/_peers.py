"""N-gram counts by other engines, each in the fastest exact form that we found for it.

An engine is called with (path, orders, task, threads), counts the column `tokens` of a Parquet
file, keeps its table of n-grams in memory, and returns a function that gives the checks of that
table. The task `counts` asks for each n-gram's C, `full` for C, Q, H and df (see `ngrams.py`).
Keys are 64-bit hashes, or the n-gram's text in the engines named `-text`.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl
    from pyspark.sql import DataFrame, SparkSession

Task = Literal["counts", "full"]
Checks = dict[int, dict[str, int]]
Engine = Callable[[Path, tuple[int, ...], Task, int], Callable[[], Checks]]

COLUMNS: dict[Task, tuple[str, ...]] = {"counts": ("C",), "full": ("C", "Q", "H", "df")}
SPARK_HEAP = "6g"
ODD = 0x9E3779B97F4A7C15  # multiplier of the polynomial hash; any large odd number does


def duckdb(
    path: Path, orders: tuple[int, ...], task: Task, threads: int, text: bool = False
) -> Callable[[], Checks]:
    """Counts by a zipped unnest of shifted slices. Slicing inside a lambda, and struct keys, are
    far slower."""
    import duckdb as database

    connection = database.connect(config={"threads": threads})
    connection.execute("SET preserve_insertion_order = false")
    items = "tokens" if text else "list_transform(tokens, lambda token: hash(token))"
    connection.execute(
        f"CREATE TABLE documents AS SELECT file_row_number::INTEGER AS d, {items} AS t "
        f"FROM read_parquet('{path}', file_row_number = true)"
    )
    columns = ", ".join(f"{name} BIGINT" for name in COLUMNS[task])
    kind = "VARCHAR" if text else "UBIGINT"
    connection.execute(f"CREATE TABLE ngrams (n INTEGER, g {kind}, {columns})")
    for n in orders:
        connection.execute(f"INSERT INTO ngrams {_duckdb_select(n, task, text)}")

    def checks() -> Checks:
        sums = ", ".join(f"sum({name})::BIGINT" for name in COLUMNS[task])
        rows = connection.execute(
            f"SELECT n, count(*), sum(C * C)::BIGINT, {sums} FROM ngrams GROUP BY n"
        ).fetchall()
        return _checks(rows, task)

    return checks


def _duckdb_select(n: int, task: Task, text: bool) -> str:
    words = ", ".join(f"w{i}" for i in range(n))
    key = f"concat_ws(' ', {words})" if text else f"hash({words})"
    shifted = ", ".join(f"unnest(t[{i + 1}:len(t) - {n - 1 - i}]) AS w{i}" for i in range(n))
    # Without the filter, a slice of a shorter document would end at a negative index.
    zipped = f"SELECT d, len(t) - {n - 1} AS l, {shifted} FROM documents WHERE len(t) >= {n}"
    occurrences = f"SELECT d, l, {key} AS g FROM ({zipped})"
    if task == "counts":
        return f"SELECT {n}, g, count(*) FROM ({occurrences}) GROUP BY g"
    per_document = f"SELECT g, any_value(l) AS l, count(*) AS c FROM ({occurrences}) GROUP BY d, g"
    return (
        f"SELECT {n}, g, sum(c), sum(c * c), sum(c * l), count(*) FROM ({per_document}) GROUP BY g"
    )


def polars(
    path: Path,
    orders: tuple[int, ...],
    task: Task,
    threads: int,
    key: Literal["sort", "group", "text"] = "sort",
) -> Callable[[], Checks]:
    """Counts by shifted columns over all tokens. Threads come from POLARS_MAX_THREADS."""
    import polars as pl

    token = pl.col("tokens") if key == "text" else pl.col("tokens").hash(1)
    documents = pl.scan_parquet(path).select("tokens").with_row_index("d")
    flat = (
        documents.with_columns(length=pl.col("tokens").list.len().cast(pl.Int64))
        .filter(pl.col("length") > 0)
        .explode("tokens")
        .select("d", "length", t=token)
        .collect(engine="streaming")
    )
    frames = {n: _polars_order(flat.lazy(), n, task, key) for n in orders}

    def checks() -> Checks:
        rows = []
        for n, frame in frames.items():
            sums = frame.select(pl.col(name).cast(pl.Int64) for name in COLUMNS[task]).sum()
            squares = (frame["C"].cast(pl.Int64) ** 2).sum()
            rows.append((n, frame.height, squares, *sums.row(0)))
        return _checks(rows, task)

    return checks


def _polars_order(flat: pl.LazyFrame, n: int, task: Task, key: str) -> pl.DataFrame:
    import polars as pl

    shifted = [pl.col("t").shift(-i) for i in range(n)]
    ngram = shifted[0]
    for word in shifted[1:]:
        ngram = ngram * pl.lit(ODD, dtype=pl.UInt64) + word
    if key == "text":
        ngram = pl.concat_str(shifted, separator=" ")
    occurrences = (
        flat.select("d", g=ngram, l=pl.col("length") - (n - 1), end=pl.col("d").shift(-(n - 1)))
        .filter(pl.col("d") == pl.col("end"))
        .select(*(("g",) if task == "counts" else ("d", "g", "l")))
    )
    if key == "sort":
        return _polars_runs(occurrences, task)
    if task == "counts":
        return occurrences.group_by("g").agg(C=pl.len()).collect(engine="streaming")
    c = pl.col("c")
    per_document = occurrences.group_by("d", "g").agg(
        c=pl.len().cast(pl.Int64), l=pl.col("l").first()
    )
    sums = {"C": c.sum(), "Q": (c * c).sum(), "H": (c * pl.col("l")).sum(), "df": pl.len()}
    return per_document.group_by("g").agg(**sums).collect(engine="streaming")


def _polars_runs(occurrences: pl.LazyFrame, task: Task) -> pl.DataFrame:
    """Sorts by n-gram, stably, so documents stay in order and equal pairs are runs, too."""
    import polars as pl

    if task == "counts":
        keys = occurrences.collect(engine="streaming")["g"].sort()
        return keys.rle().struct.unnest().rename({"len": "C", "value": "g"})
    ordered = occurrences.collect(engine="streaming").sort("g", maintain_order=True)
    i, c, g = pl.col("i").cast(pl.Int64), pl.col("c"), pl.col("g")
    starts = (g != g.shift(1)).fill_null(True) | (pl.col("d") != pl.col("d").shift(1))
    runs = (
        ordered.lazy()
        .with_row_index("i")
        .filter(starts)
        .select("g", "l", c=i.shift(-1).fill_null(ordered.height) - i)
        .collect()
        .lazy()
    )
    totals = {"C": c, "Q": c * c, "H": c * pl.col("l")}
    cumulated = runs.select(
        "g",
        *(value.cum_sum().alias(name) for name, value in totals.items()),
        df=pl.int_range(1, pl.len() + 1),
    )
    ends = (g != g.shift(-1)).fill_null(True)
    differences = [pl.col(name) - pl.col(name).shift(1).fill_null(0) for name in COLUMNS[task]]
    return cumulated.filter(ends).select("g", *differences).collect()


def spark_sql(
    path: Path, orders: tuple[int, ...], task: Task, threads: int, text: bool = False
) -> Callable[[], Checks]:
    """Counts by explode and groupBy, on zipped slices of hashed tokens or joined slices of the
    tokens."""
    documents = _spark(threads).read.parquet(str(path))
    items = "tokens" if text else "transform(tokens, token -> xxhash64(token))"
    source = _placed(documents.selectExpr("xxhash64(doc_id) AS d", f"{items} AS t"), task, threads)
    parts = []
    for n in orders:
        last = f"greatest(size(t) - {n - 1}, 0)"
        lengths = ["d", f"size(t) - {n - 1} AS l", f"{n} AS n"]
        if text:
            joined = f"transform(sequence(1, {last}), i -> concat_ws(' ', slice(t, i, {n})))"
            parts.append(
                source.where(f"size(t) >= {n}").selectExpr(*lengths, f"explode({joined}) AS g")
            )
            continue
        slices = ", ".join(f"slice(t, {i + 1}, {last})" for i in range(n))
        words = [f"w{i}" for i in range(n)]
        zipped = source.selectExpr(*lengths, f"inline(arrays_zip({slices}))")
        parts.append(
            zipped.toDF("d", "l", "n", *words).selectExpr(
                "d", "l", "n", f"xxhash64({', '.join(words)}) AS g"
            )
        )
    return _spark_counted(parts, task)


def spark_ml(path: Path, orders: tuple[int, ...], task: Task, threads: int) -> Callable[[], Checks]:
    """Counts by Spark ML's NGram transformer, explode and groupBy."""
    from pyspark.ml.feature import NGram

    documents = _spark(threads).read.parquet(str(path))
    source = _placed(documents.selectExpr("xxhash64(doc_id) AS d", "tokens"), task, threads)
    parts = [
        NGram(n=n, inputCol="tokens", outputCol="ngrams")
        .transform(source)
        .selectExpr("d", f"size(tokens) - {n - 1} AS l", f"{n} AS n", "explode(ngrams) AS g")
        for n in orders
    ]
    return _spark_counted(parts, task)


def _spark(threads: int) -> SparkSession:
    from pyspark.sql import SparkSession

    session: SparkSession = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", SPARK_HEAP)
        .config("spark.sql.shuffle.partitions", 8 * threads)
        .config("spark.sql.files.maxPartitionBytes", 4 << 20)
        .config("spark.ui.enabled", False)
        .config("spark.ui.showConsoleProgress", False)
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    return session


def _placed(documents: DataFrame, task: Task, threads: int) -> DataFrame:
    # With documents already placed by d, counting by (d, n, g) shuffles no occurrences.
    return documents.repartition(8 * threads, "d") if task == "full" else documents


def _spark_counted(parts: list[DataFrame], task: Task) -> Callable[[], Checks]:
    from pyspark.sql import functions as f

    occurrences = reduce(lambda left, right: left.unionAll(right), parts)
    if task == "counts":
        ngrams = occurrences.groupBy("n", "g").agg(f.count("*").alias("C"))
    else:
        per_document = occurrences.groupBy("d", "n", "g").agg(
            f.count("*").alias("c"), f.first("l").alias("l")
        )
        sums = {"C": "sum(c)", "Q": "sum(c * c)", "H": "sum(c * l)", "df": "count(*)"}
        ngrams = per_document.groupBy("n", "g").agg(
            *(f.expr(value).alias(name) for name, value in sums.items())
        )
    # Keeping a table in memory is not free in Spark: its result is the sums that force every row.
    rows = (
        ngrams.groupBy("n")
        .agg(f.count("*"), f.expr("sum(C * C)"), *(f.sum(name) for name in COLUMNS[task]))
        .collect()
    )
    return lambda: _checks([tuple(row) for row in rows], task)


def counter(path: Path, orders: tuple[int, ...], task: Task, threads: int) -> Callable[[], Checks]:
    """Counts by collections.Counter over tuples of interned tokens: one process, one thread."""
    gc.disable()  # a collection walks millions of live tuples for nothing
    if task == "counts":
        counts: dict[int, Counter[tuple[str, ...]]] = {n: Counter() for n in orders}
        for tokens in _token_lists(path):
            for n in orders:
                counts[n].update(zip(*(tokens[i:] for i in range(n)), strict=False))
        return lambda: _checks(
            [
                (n, len(c), sum(k * k for k in c.values()), sum(c.values()))
                for n, c in counts.items()
            ],
            task,
        )
    states: dict[int, dict[tuple[str, ...], list[int]]] = {
        n: defaultdict(lambda: [0, 0, 0, 0]) for n in orders
    }
    for tokens in _token_lists(path):
        for n in orders:
            length = len(tokens) - n + 1
            for ngram, c in Counter(zip(*(tokens[i:] for i in range(n)), strict=False)).items():
                state = states[n][ngram]
                state[0] += c
                state[1] += c * c
                state[2] += c * length
                state[3] += 1
    return lambda: _checks([_counter_row(n, state) for n, state in states.items()], task)


def _counter_row(n: int, state: dict[tuple[str, ...], list[int]]) -> tuple[int, ...]:
    sums = [sum(column) for column in zip(*state.values(), strict=True)] or [0, 0, 0, 0]
    return (n, len(state), sum(values[0] ** 2 for values in state.values()), *sums)


def _token_lists(path: Path) -> Iterator[list[str]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(batch_size=512, columns=["tokens"]):
        for tokens in batch.column(0):
            yield [sys.intern(token) for token in tokens.as_py()]


def _checks(rows: list[tuple[Any, ...]], task: Task) -> Checks:
    names = ("distinct", "sum of C squared", *(f"sum of {name}" for name in COLUMNS[task]))
    return {
        int(n): dict(zip(names, (int(value or 0) for value in values), strict=True))
        for n, *values in sorted(rows)
    }
