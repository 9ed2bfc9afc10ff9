"""Stored profiles to mismatch tables on Spark: key range by key range, then pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import IncomparableProfiles
from dftspark.lenses.metric import measured
from dftspark.lenses.ngrams import compared as ngrams
from dftspark.lenses.ngrams import ranges as ngram_ranges
from dftspark.lenses.ngrams import side as ngram_side
from dftspark.lenses.ngrams.counting import summed
from dftspark.lenses.ngrams.phrases import phrase_keys
from dftspark.lenses.ngrams.profile_files import ProfileFiles, Range, Totals
from dftspark.lenses.ngrams.spark_profile import phrase_quota
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramRows
from dftspark.lenses.ngrams.statistic_sketch import BlockSketch
from dftspark.spark.placement import placed
from dftspark.spark.records import record
from dftspark.spark.session import shuffle_partitions


def pairs(
    spark: SparkSession,
    stored: ProfileFiles,
    shared: dict[str, int],
    config: Audit,
    ranges: int,
    returning: frozenset[str] = frozenset(),
) -> DataFrame:
    """Returns one row a (model, stratum, n) with its metrics and table rows, schema.COMPARED.

    The tasks read the files of `stored` themselves; `shared` is how many clusters each model corpus
    has in common with the human one, `returning` are the corpora whose clusters come on several
    days. Raises IncomparableProfiles where an order was profiled in more than one way.
    """
    check_comparable(stored, config)
    ranges_of_orders = [key for key in stored.ranges if key[0] in config.ngrams.orders]
    partial = _one_by_one(spark, ranges_of_orders).mapInArrow(
        _partials(stored.paths, stored.totals, config, ranges, returning),
        from_arrow_schema(schema.PARTIAL_PAIRS),
    )
    return partial.groupBy("model", "stratum", "n").applyInArrow(
        _finishing(stored.totals, shared, config), from_arrow_schema(schema.COMPARED)
    )


def _one_by_one(spark: SparkSession, ranges: list[Range]) -> DataFrame:
    """Returns a row (n, part) for each key range, dealt so that a task has some of each order."""
    tasks = max(1, min(len(ranges), shuffle_partitions(spark)))
    rows = [{"task": i % tasks, "n": n, "part": part} for i, (n, part) in enumerate(ranges)]
    dealt = spark.createDataFrame(pa.Table.from_pylist(rows, schema=schema.KEY_RANGES))
    return placed(dealt, tasks, "task").select("n", "part")


def check_comparable(stored: ProfileFiles, config: Audit) -> None:
    """Raises IncomparableProfiles where an order was profiled in more than one way."""
    kinds = stored.every(["corpus", "n", "fingerprint"]).to_pylist()
    human = {row["n"]: row["fingerprint"] for row in kinds if row["corpus"] == config.human}
    for row in kinds:
        if row["n"] in human and row["fingerprint"] != human[row["n"]]:
            raise IncomparableProfiles("ngram_counts", human[row["n"]], row["fingerprint"])


def _summed(totals: Totals, corpus: str, stratum: str, n: int) -> ngram_side.Totals:
    """Sums totals of one stratum, or of all of them for the stratum ''."""
    chosen = [
        value
        for (name, part, order), value in totals.items()
        if name == corpus and order == n and (stratum == "" or part == stratum)
    ]
    return {key: np.sum([value[key] for value in chosen], axis=0) for key in TOTALS}


def comparisons(totals: Totals, human: str) -> list[tuple[str, str]]:
    """Returns (model corpus, stratum): all strata together as '', and each that both sides have."""
    strata = {(corpus, stratum) for corpus, stratum, _ in totals}
    own = {stratum for corpus, stratum in strata if corpus == human}
    models = sorted({corpus for corpus, _ in strata} - {human})
    several = len({stratum for _, stratum in strata}) > 1
    within = sorted(own) if several else []
    return [
        (model, stratum)
        for model in models
        for stratum in ["", *(s for s in within if s and (model, s) in strata)]
    ]


def _partials(
    stored: Sequence[str], totals: Totals, config: Audit, ranges: int, returning: frozenset[str]
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        files = ProfileFiles(stored)
        for batch in batches:
            for n, part in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sides = _Sides(files, (n, part), totals, config, ranges, returning)
                for model, stratum in comparisons(totals, config.human):
                    found = ngram_ranges.partial(
                        sides[config.human, stratum],
                        sides[model, stratum],
                        _summed(totals, config.human, stratum, n),
                        _summed(totals, model, stratum, n),
                        n,
                        config.ngrams,
                    )
                    yield record(schema.PARTIAL_PAIRS, model, stratum, n, part, found.encode())

    return run


class _Sides:
    """The corpora in one key range, by (corpus, stratum), '' being all strata.

    For a corpus and stratum there is one row, or one a day where several days are merged.
    """

    def __init__(
        self,
        files: ProfileFiles,
        key: Range,
        totals: Totals,
        config: Audit,
        ranges: int,
        returning: frozenset[str],
    ) -> None:
        self.returning = returning
        self.n, self.totals, self.config, self.ranges = key[0], totals, config, ranges
        self.rows = [
            (corpus.as_py(), stratum.as_py(), state.as_buffer(), sketch.as_buffer())
            for corpus, stratum, state, sketch in zip(
                *files.rows(key, ["corpus", "stratum", "state", "sketch"]).columns, strict=True
            )
        ]
        self.humans: dict[str, ngram_side.GramSide] = {}  # they meet every model

    def __getitem__(self, of: tuple[str, str]) -> ngram_side.GramSide:
        corpus, stratum = of
        if corpus != self.config.human:
            return self._side(corpus, stratum)
        if stratum not in self.humans:
            self.humans[stratum] = self._side(corpus, stratum)
        return self.humans[stratum]

    def _side(self, corpus: str, stratum: str) -> ngram_side.GramSide:
        own = [row[2:] for row in self.rows if row[0] == corpus and stratum in ("", row[1])]
        runs = [NgramRows.decode_counted(state) for state, _ in own]
        sketches = [BlockSketch.decode(sketch) for _, sketch in own]
        sketch = sketches[0] if sketches else _no_sketch(self.config, self.ranges)
        for other in sketches[1:]:
            sketch = sketch + other
        quota = phrase_quota(self.config, self.ranges)
        listable = [phrase_keys(rows, quota) for rows in runs]
        keys = np.unique(np.concatenate(listable)) if listable else np.empty(0, np.uint64)
        totals = _summed(self.totals, corpus, stratum, self.n)
        again = corpus in self.returning
        return ngram_side.side(summed(runs), keys, sketch, totals, again)


def _no_sketch(config: Audit, ranges: int) -> BlockSketch:
    empty = np.zeros((64, config.ngrams.sketch_width // ranges), np.int64)
    return BlockSketch(empty, empty)


def _finishing(
    totals: Totals, shared: dict[str, int], config: Audit
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], partials: pa.Table) -> pa.Table:
        model, stratum, n = (value.as_py() for value in key)
        ordered = partials.sort_by("part")
        parts = [ngram_ranges.Partial.decode(value.as_buffer()) for value in ordered["partial"]]
        human_totals = _summed(totals, config.human, stratum, n)
        model_totals = _summed(totals, model, stratum, n)
        found = ngrams.finished(
            parts, human_totals, model_totals, n, paired=shared.get(model, 0) > 0, settings=config
        )
        documents = [int(t["documents"].sum()) for t in (human_totals, model_totals)]
        record = {
            **measured(model, stratum, documents, found.metrics),
            "n": n,
            "tokens_human": int(human_totals["tokens"].sum()),
            "tokens_model": int(model_totals["tokens"].sum()),
            "remainder": found.remainder,
            "ngrams": _rows(found.listed),
            "ratios": _rows(found.common),
        }
        return pa.Table.from_pylist([record], schema=schema.COMPARED)

    return run


def _rows(columns: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    lists = {
        name: (column.view(np.int64) if name == "key" else column).tolist()
        for name, column in columns.items()
    }
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
