"""The n-gram profile on Spark: documents to exact counts, sketches and phrases per key range.

One pass counts: documents come to a task by whole clusters, sorted by corpus, and leave it as
packed arrays, one record a (corpus, stratum, order, key range); a second stage merges the records
of each key range. Rows never cross into the JVM one by one, and it never sorts the records. A
second pass over the documents reads back the text of the n-grams that a table may list.

Cost     a task holds `buffer_mb` of tokens and rows; a merge holds the records of about
         RANGE_BYTES of text, packed, and the rows of one key range
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus import clean
from dftspark.corpus.blocks import block_of
from dftspark.features.hashing import digest64
from dftspark.features.tokens import Tokenizer, tokenizer
from dftspark.lenses.ngrams.phrases import Occurrences, find_phrases, phrase_keys
from dftspark.lenses.ngrams.profile_files import totals_of
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramCounts, NgramRows
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.lenses.ngrams.wholes import DocumentStates
from dftspark.spark.records import record, runs
from dftspark.state import encode_arrays
from dftspark.stats.protocol import Batch

RANGE_BYTES = 8 << 20  # text behind one key range of one order
_MOST_RANGES = 4096
# What a buffered token may cost while its rows are made: itself and its occurrence, and its row,
# of which there are only those of one key range at a time.
_BYTES_A_TOKEN, _BYTES_A_ROW = 40, 160


@dataclass(frozen=True)
class Layout:
    """How the work is cut; no result hangs on it.

    ranges  key ranges of every order, a power of two
    tasks   for each corpus: the first of its tasks, and how many it has
    total   tasks in all
    merges  tasks of the second stage
    """

    ranges: int
    tasks: dict[str, tuple[int, int]]
    total: int
    merges: int

    @classmethod
    def of(cls, sizes: dict[str, int], slots: int, width: int) -> Layout:
        """`sizes` are bytes of text by corpus, `slots` how many tasks should have work."""
        everything = sum(sizes.values())
        target = min(64 << 20, max(4 << 20, everything // max(slots, 1)))
        tasks, used = {}, 0.0
        for name, size in sorted(sizes.items()):
            count = max(1, round(size / target))
            # Small corpora share a task; one that needs several has them to itself.
            first = int(used) if count == 1 else int(np.ceil(used))
            tasks[name] = (first, count)
            used = first + count if count > 1 else max(used, first) + size / target
        ranges = min(_ranges(max(sizes.values(), default=0)), _MOST_RANGES, width)
        merges = min(max(_ranges(everything), slots), ranges * len(sizes))
        return cls(ranges, tasks, int(used) + 1, max(merges, 1))


def _ranges(size: int) -> int:
    """The power of two that cuts `size` bytes of text into parts of at most RANGE_BYTES."""
    return 1 << (max(0, -(-size // RANGE_BYTES) - 1)).bit_length()


def fingerprint(config: Audit) -> str:
    """What makes two n-gram profiles comparable: cleaning, tokenizer and its settings."""
    return f"{tokenizer(config.tokens).fingerprint} {clean.fingerprint(config.cleaning)}"


def count(documents: DataFrame, config: Audit, layout: Layout) -> DataFrame:
    """The profile, schema.PROFILE: one row a (corpus, stratum, n, key range), and one of the
    documents as wholes."""
    placed = placed_by_cluster(documents, layout)
    partial = placed.mapInArrow(_counting(config, layout), from_arrow_schema(schema.PARTIAL_COUNTS))
    # Not a groupBy, which would sort records of megabytes in the JVM to bring a few together.
    return partial.repartitionById(layout.merges, F.col("merge")).mapInArrow(
        _merging(config, layout.ranges), from_arrow_schema(schema.PROFILE)
    )


def placed_by_cluster(documents: DataFrame, layout: Layout) -> DataFrame:
    """Documents with each cluster whole in one task, sorted by corpus, stratum and cluster."""
    first, width = F.lit(0), F.lit(1)
    if len(layout.tasks) > 1 or layout.total > 1:
        firsts = _lookup({name: task[0] for name, task in layout.tasks.items()})
        counts = _lookup({name: task[1] for name, task in layout.tasks.items()})
        first, width = firsts[F.col("corpus")], counts[F.col("corpus")]
    task = (first + F.pmod(F.xxhash64("cluster"), width)).cast("int")
    return (
        documents.select("corpus", "stratum", "cluster", "doc_id", "text", task.alias("task"))
        .repartitionById(layout.total, F.col("task"))
        .drop("task")
        .sortWithinPartitions("corpus", "stratum", "cluster", "doc_id")
    )


def _lookup(values: dict[str, int]) -> Any:
    return F.create_map(*[F.lit(item) for pair in values.items() for item in pair])


# --- counting -----------------------------------------------------------------------------------


def _counting(
    config: Audit, layout: Layout
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    statistics = _statistics(config)
    bytes_a_token = _BYTES_A_TOKEN + _BYTES_A_ROW // layout.ranges
    capacity = config.ngrams.buffer_mb * (1 << 20) // bytes_a_token
    first_merge = {name: i * layout.ranges for i, name in enumerate(sorted(layout.tasks))}

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        wholes = DocumentStates(config)
        grouped = _grouped(batches, tokenizer(config.tokens), capacity, wholes)
        for (corpus, stratum), batch in grouped:
            for statistic in statistics:
                for part, state in enumerate(statistic.observe_ranges(batch, layout.ranges)):
                    if len(state.key) or part == 0:
                        yield record(
                            schema.PARTIAL_COUNTS,
                            corpus, stratum, statistic.n, part, state.encode(),
                            (first_merge[corpus] + part) % layout.merges,
                        )  # fmt: skip
        yield from wholes.partial({k: first % layout.merges for k, first in first_merge.items()})

    return run


def _statistics(config: Audit) -> list[NgramCounts]:
    text = fingerprint(config)
    return [NgramCounts(n=n, text=text) for n in config.ngrams.orders]


@dataclass
class _Held:
    """Documents of one (corpus, stratum), not yet counted; the last cluster may be incomplete."""

    hashes: list[NDArray[np.uint64]]
    lengths: list[NDArray[np.int64]]
    clusters: list[str]
    tokens: int = 0

    def add(self, hashes: NDArray[np.uint64], lengths: NDArray[np.int64], names: list[str]) -> None:
        self.hashes.append(hashes.copy())  # a view of an array with room for every byte of the text
        self.lengths.append(lengths)
        self.clusters += names
        self.tokens += len(hashes)

    def take(self, keep_last_cluster: bool) -> Batch:
        """What is held, as a batch; the last cluster stays behind where it may go on."""
        lengths = np.concatenate(self.lengths)
        hashes = np.concatenate(self.hashes)
        names = np.array(self.clusters, object)
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        end = int(starts[-1]) if keep_last_cluster else len(names)
        offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
        self.hashes, self.lengths = [hashes[offsets[end] :]], [lengths[end:]]
        self.clusters, self.tokens = list(names[end:]), len(hashes) - int(offsets[end])
        starts = starts[starts < end]
        return Batch(
            hashes[: offsets[end]],
            offsets[: end + 1],
            np.r_[starts, end].astype(np.int64),
            block_of(list(names[starts])).astype(np.int64),
        )


def _grouped(
    batches: Iterable[pa.RecordBatch], words: Tokenizer, capacity: int, wholes: DocumentStates
) -> Iterator[tuple[tuple[str, str], Batch]]:
    """Whole clusters of one corpus and stratum at a time, in batches of about `capacity` tokens.

    `wholes` is told of every document.
    """
    group: tuple[str, str] | None = None
    held = _Held([], [], [])
    for (corpus, stratum), rows in runs(batches):
        if group != (corpus, stratum):
            if group is not None:
                yield group, held.take(keep_last_cluster=False)
            group, held = (corpus, stratum), _Held([], [], [])
        tokens = words.tokenize(rows["text"])
        wholes.add(group, rows, tokens)
        held.add(tokens.hashes, np.diff(tokens.offsets), rows["cluster"].to_pylist())
        if held.tokens > capacity and held.clusters[0] != held.clusters[-1]:
            yield group, held.take(keep_last_cluster=True)
    if group is not None:
        yield group, held.take(keep_last_cluster=False)


_Cell = tuple[str, str, int, int]  # corpus, stratum, n, part


def _merging(
    config: Audit, ranges: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    statistics = {statistic.n: statistic for statistic in _statistics(config)}

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        cells: dict[_Cell, list[pa.Buffer]] = {}
        wholes = DocumentStates(config)
        for batch in batches:
            columns = (batch[name].to_pylist() for name in ("corpus", "stratum", "n", "part"))
            for cell, state in zip(zip(*columns, strict=True), batch["state"], strict=True):
                if cell[2] == schema.WHOLE:
                    wholes.add_partial(cell[:2], state.as_buffer())
                else:
                    cells.setdefault(cell, []).append(state.as_buffer())
        yield from wholes.profile()
        for cell in sorted(cells):
            yield _merged(cell, cells.pop(cell), statistics[cell[2]])

    def _merged(cell: _Cell, states: list[pa.Buffer], counts: NgramCounts) -> pa.RecordBatch:
        merged = counts.merge_all([NgramRows.decode(state) for state in states])
        sketch = NgramSketch(n=counts.n, width=config.ngrams.sketch_width).of_rows(
            merged.counted, cell[3], ranges
        )
        totals = encode_arrays(np.stack([getattr(merged, name) for name in TOTALS]))
        return record(
            schema.PROFILE,
            *cell, ranges, counts.fingerprint,
            len(merged.key), merged.encode(), sketch.encode(), totals,
        )  # fmt: skip

    return run


# --- phrases ------------------------------------------------------------------------------------


def phrases(documents: DataFrame, profile: DataFrame, config: Audit, layout: Layout) -> DataFrame:
    """Text, tokens and one example of each corpus's most frequent n-grams, schema.PHRASES.

    The example is the document with the smallest hash of its id, whatever the partitioning.
    """
    quota = phrase_quota(config, layout.ranges)
    counted = profile.where(F.col("n") != schema.WHOLE)
    wanted = counted.select("corpus", "n", "state").mapInArrow(
        _wanting(quota), from_arrow_schema(schema.WANTED)
    )
    by_corpus: dict[str, dict[int, list[NDArray[np.uint64]]]] = {}
    for row in wanted.toArrow().to_pylist():
        orders = by_corpus.setdefault(row["corpus"], {})
        orders.setdefault(row["n"], []).append(np.frombuffer(row["keys"], np.uint64))
    keys = {
        corpus: {n: np.unique(np.concatenate(parts)) for n, parts in orders.items()}
        for corpus, orders in by_corpus.items()
    }
    found = documents.select("corpus", "doc_id", "text").mapInArrow(
        _finding(config, keys), from_arrow_schema(schema.PHRASES)
    )
    first = F.min(F.struct("doc_hash", "doc_id", "text", "tokens", "excerpt"))
    return (
        found.groupBy("corpus", "n", "key").agg(first.alias("first"))
        .select("corpus", "n", "key", "first.*")
    )  # fmt: skip


def phrase_quota(config: Audit, ranges: int) -> int:
    """How many n-grams of one key range keep their text; the ranges are equal up to chance."""
    return -(-config.ngrams.phrases // ranges) + 32


def _wanting(quota: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for i in range(batch.num_rows):
                rows = NgramRows.decode_counted(batch["state"][i].as_buffer())
                yield record(
                    schema.WANTED,
                    batch["corpus"][i].as_py(), batch["n"][i].as_py(),
                    phrase_keys(rows, quota).tobytes(),
                )  # fmt: skip

    return run


def _finding(
    config: Audit, keys: dict[str, dict[int, NDArray[np.uint64]]]
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        words = tokenizer(config.tokens)
        best: dict[str, Occurrences] = {}
        for batch in batches:
            corpora = np.array(batch["corpus"].to_pylist(), object)
            for corpus in dict.fromkeys(corpora):
                if corpus not in keys:
                    continue
                rows = batch.filter(pa.array(corpora == corpus))
                ids = rows["doc_id"].to_pylist()
                hashes = np.array([digest64(i, "example") >> 1 for i in ids], np.int64)
                found = best.setdefault(corpus, Occurrences.none(keys[corpus]))
                find_phrases(found, words, rows["text"], ids, hashes)
        for corpus, found in best.items():
            yield from found.batches(corpus)

    return run


def state_sizes(profile: DataFrame) -> dict[str, dict[str, int]]:
    """By corpus: tokens, bytes of the fixed-size states, bytes of the exact counts."""
    counted = profile.where(F.col("n") != schema.WHOLE)
    of_rows, of_all = F.octet_length("state"), F.octet_length("sketch") + F.octet_length("totals")
    whole = F.col("n") == schema.WHOLE
    sized = profile.groupBy("corpus").agg(
        F.sum(F.when(whole, of_rows + of_all).otherwise(of_all)).alias("state_bytes"),
        F.sum(F.when(whole, 0).otherwise(of_rows)).alias("keyed_bytes"),
    )
    totals = totals_of(counted.select("corpus", "stratum", "n", "totals").toArrow())
    sizes = {}
    for row in sized.toArrow().to_pylist():
        own = {key: value for key, value in totals.items() if key[0] == row["corpus"]}
        least = min(n for _, _, n in own)
        tokens = sum(int(v["tokens"].sum()) for (_, _, n), v in own.items() if n == least)
        sizes[row.pop("corpus")] = {"tokens": tokens, **row}
    return sizes
