"""The n-gram profile on Spark: documents to exact counts, sketches and phrases per key range.

The pass over the documents counts: they come to a task by whole clusters, and leave it as packed
arrays, one state a (corpus, stratum, order, key range), which are merged by key range. A second
pass reads back the text of the n-grams that a table may list.

Cost     a task holds `buffer_mb` of tokens and rows; a merge the states of one key range, of about
         spark.fold.RANGE_BYTES of text, and its rows
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import functions as F

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus import clean
from dftspark.corpus.blocks import block_of
from dftspark.lenses.fold import Group, GroupRows, Key, Left
from dftspark.lenses.ngrams.phrases import Occurrences, find_phrases, phrase_keys
from dftspark.lenses.ngrams.profile_files import Totals
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramCounts, NgramRows
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.lenses.ngrams.wholes import DocumentStates
from dftspark.spark.fold import Folded
from dftspark.spark.records import record
from dftspark.spark.rows import Rows, mapped
from dftspark.state import encode_arrays
from dftspark.stats.protocol import Batch
from dftspark.text.hashing import digest64
from dftspark.text.tokens import tokenizer

# Most memory of a buffered token while its rows are made: itself, its occurrence, and its row; only
# the rows of one key range exist at a time.
_BYTES_A_TOKEN, _BYTES_A_ROW = 40, 160


def fingerprint(config: Audit) -> str:
    """Returns what makes two n-gram profiles comparable: cleaning, tokenizer and its settings."""
    return f"{tokenizer(config.tokens).fingerprint} {clean.fingerprint(config.cleaning)}"


@dataclass(frozen=True)
class NgramFold:
    """The profile: a row a (corpus, stratum, n, key range), and one of the documents as wholes.

    Rows come by whole clusters. The message about each row has the bytes of its exact counts and of
    its fixed-size states, and the keys of the n-grams whose text may be listed.
    """

    config: Audit
    ranges: int
    table = "profile"
    columns = schema.PROFILE

    def observer(self) -> _Counting:
        return _Counting(self.config, self.ranges)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        if key.n == schema.WHOLE:
            wholes = DocumentStates(self.config)
            for state in states:
                wholes.add_partial((key.corpus, key.stratum), state)
            (row,) = wholes.profile()
            packed = [row[name][0].as_buffer() for name in ("state", "sketch", "totals")]
            return row, np.array([0, sum(map(len, packed))], np.uint64).tobytes()
        counts = NgramCounts(n=key.n, text=fingerprint(self.config))
        merged = counts.merge_all([NgramRows.decode(state) for state in states])
        sketch = NgramSketch(n=counts.n, width=self.config.ngrams.sketch_width).of_rows(
            merged.counted, key.part, self.ranges
        )
        packed = [
            merged.encode(),
            sketch.encode(),
            encode_arrays(np.stack([getattr(merged, name) for name in TOTALS])),
        ]
        row = record(
            schema.PROFILE, *key, self.ranges, counts.fingerprint, len(merged.key), *packed
        )
        sizes = [len(packed[0]), len(packed[1]) + len(packed[2])]
        keys = phrase_keys(merged.counted, phrase_quota(self.config, self.ranges))
        return row, np.r_[np.array(sizes, np.uint64), keys].tobytes()


# --- counting -----------------------------------------------------------------------------------


class _Counting:
    """Counts whole clusters of one corpus and stratum at a time, in batches of about as many
    tokens as fit into the buffer."""

    def __init__(self, config: Audit, ranges: int) -> None:
        self.words, self.ranges = tokenizer(config.tokens), ranges
        self.statistics = _statistics(config)
        bytes_a_token = _BYTES_A_TOKEN + _BYTES_A_ROW // ranges
        self.capacity = config.ngrams.buffer_mb * (1 << 20) // bytes_a_token
        self.wholes = DocumentStates(config)
        self.group: Group | None = None
        self.held = _Held([], [], [])

    def add(self, rows: GroupRows) -> Left:
        if self.group != rows.group:
            yield from self._rest()
            self.group, self.held = rows.group, _Held([], [], [])
        tokens = rows.tokens.by(self.words)
        self.wholes.add(rows.group, rows.batch, tokens)
        clusters = rows.batch["cluster"].to_pylist()
        self.held.add(tokens.hashes, np.diff(tokens.offsets), clusters)
        several = self.held.clusters[0] != self.held.clusters[-1]
        if self.held.tokens > self.capacity and several:
            yield from self._counted(self.held.take(keep_last_cluster=True))

    def end(self) -> Left:
        yield from self._rest()
        yield from self.wholes.partial()

    def _rest(self) -> Left:
        if self.group is not None:
            yield from self._counted(self.held.take(keep_last_cluster=False))

    def _counted(self, batch: Batch) -> Left:
        assert self.group is not None
        for statistic in self.statistics:
            for part, state in enumerate(statistic.observe_ranges(batch, self.ranges)):
                if len(state.key) or part == 0:
                    yield Key(*self.group, statistic.n, part), state.encode()


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
        self.hashes.append(hashes.copy())  # copied: it is a view of a far larger array
        self.lengths.append(lengths)
        self.clusters += names
        self.tokens += len(hashes)

    def take(self, keep_last_cluster: bool) -> Batch:
        """Returns the held documents as a batch; the last cluster stays if it may go on."""
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


# --- phrases ------------------------------------------------------------------------------------


def phrases(documents: Rows, counted: Folded, config: Audit) -> Rows:
    """Returns text, tokens and one example of each corpus's most frequent n-grams, schema.PHRASES.

    The example is the document with the smallest hash of its id, whatever the partitioning.
    """
    by_corpus: dict[str, dict[int, list[NDArray[np.uint64]]]] = {}
    for key, said in counted.told:
        if key.n != schema.WHOLE:
            orders = by_corpus.setdefault(key.corpus, {})
            orders.setdefault(key.n, []).append(np.frombuffer(said, np.uint64)[2:])
    keys = {
        corpus: {n: np.unique(np.concatenate(parts)) for n, parts in orders.items()}
        for corpus, orders in by_corpus.items()
    }
    columns = ["corpus", "doc_id", "text"]
    found = mapped(documents.select(columns), _finding(config, keys), schema.PHRASES)
    if isinstance(found, pa.Table):
        return found  # all that there is was seen by one task, which returns the first of each
    first = F.min(F.struct("doc_hash", "doc_id", "text", "tokens", "excerpt"))
    return (
        found.groupBy("corpus", "n", "key")
        .agg(first.alias("first"))
        .select("corpus", "n", "key", "first.*")
    )


def phrase_quota(config: Audit, ranges: int) -> int:
    """Returns how many n-grams of a key range keep their text; ranges are equal up to chance."""
    return -(-config.ngrams.phrases // ranges) + 32


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


def state_sizes(counted: Folded, totals: Totals) -> dict[str, dict[str, int]]:
    """Returns by corpus: tokens, bytes of the fixed-size states, bytes of the exact counts."""
    sizes: dict[str, dict[str, int]] = {}
    for key, said in counted.told:
        of_rows, of_all = np.frombuffer(said, np.uint64)[:2].tolist()
        own = sizes.setdefault(key.corpus, {"state_bytes": 0, "keyed_bytes": 0})
        own["keyed_bytes"] += of_rows
        own["state_bytes"] += of_all
    for corpus, own in sizes.items():
        of_corpus = {key: value for key, value in totals.items() if key[0] == corpus}
        least = min(n for _, _, n in of_corpus)
        tokens = (v["tokens"].sum() for (_, _, n), v in of_corpus.items() if n == least)
        own["tokens"] = sum(int(count) for count in tokens)
    return sizes
