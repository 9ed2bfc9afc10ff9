"""Stored profiles to mismatch tables on Spark: key range by key range, then pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import IncomparableProfiles
from dftspark.features.phrases import phrase_keys
from dftspark.inference.intervals import Inference
from dftspark.lenses import ngram_ranges, ngrams
from dftspark.lenses.metric import Metric
from dftspark.spark.ngrams import phrase_quota
from dftspark.stats.ngram_counts import TOTALS, NgramCounts, NgramRows
from dftspark.stats.ngram_sketch import BlockSketch

AllTotals = dict[tuple[str, str, int], ngram_ranges.Totals]


def pairs(
    profile: DataFrame, totals: AllTotals, shared: dict[str, int], config: Audit, ranges: int
) -> DataFrame:
    """One row a (model, stratum, n) with its metrics and table rows, schema.COMPARED.

    `shared` is how many clusters each model corpus has in common with the human one.
    """
    check_comparable(profile, config)
    partial = profile.groupBy("n", "part").applyInArrow(
        _partials(totals, config, ranges), from_arrow_schema(schema.PARTIAL_PAIRS)
    )
    return partial.groupBy("model", "stratum", "n").applyInArrow(
        _finishing(totals, shared, config), from_arrow_schema(schema.COMPARED)
    )


def check_comparable(profile: DataFrame, config: Audit) -> None:
    """Raises IncomparableProfiles where an order was profiled in more than one way."""
    first = profile.where("part = 0")  # every corpus, stratum and order has one
    kinds = first.select("corpus", "n", "fingerprint").toArrow().to_pylist()
    human = {row["n"]: row["fingerprint"] for row in kinds if row["corpus"] == config.human}
    for row in kinds:
        if row["n"] in human and row["fingerprint"] != human[row["n"]]:
            raise IncomparableProfiles("ngram_counts", human[row["n"]], row["fingerprint"])


def _summed(totals: AllTotals, corpus: str, stratum: str, n: int) -> ngram_ranges.Totals:
    """Of one stratum, or of all of them for the stratum ''."""
    chosen = [
        value for (name, part, order), value in totals.items()
        if name == corpus and order == n and (stratum == "" or part == stratum)
    ]  # fmt: skip
    return {key: np.sum([value[key] for value in chosen], axis=0) for key in TOTALS}


def comparisons(totals: AllTotals, human: str) -> list[tuple[str, str]]:
    """(model corpus, stratum): all strata together as '', and each that both sides have."""
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


def _partials(totals: AllTotals, config: Audit, ranges: int) -> Callable[[Any, pa.Table], pa.Table]:
    wanted = comparisons(totals, config.human)
    quota = phrase_quota(config, ranges)

    def run(key: tuple[pa.Scalar, ...], stored: pa.Table) -> pa.Table:
        n, part = (value.as_py() for value in key)
        # Of a corpus and stratum there is one row, or one a day where several days are merged.
        parts: dict[tuple[str, str], list[tuple[pa.Scalar, pa.Scalar]]] = {}
        for corpus, stratum, state, sketch in zip(
            *(stored[name] for name in ("corpus", "stratum", "state", "sketch")), strict=True
        ):
            own = parts.setdefault((corpus.as_py(), stratum.as_py()), [])
            own.append((state, sketch))

        def side(corpus: str, stratum: str) -> ngram_ranges.Side:
            chosen = [
                value for (name, own), values in parts.items()
                if name == corpus and stratum in ("", own) for value in values
            ]  # fmt: skip
            states = [NgramRows.decode(state.as_buffer()) for state, _ in chosen]
            sketches = [BlockSketch.decode(sketch.as_buffer()) for _, sketch in chosen]
            listable = [phrase_keys(state.counted, quota) for state in states]
            merged = NgramCounts(n=n).merge_all(states)
            sketch = sketches[0] if sketches else _no_sketch(config, ranges)
            for other in sketches[1:]:
                sketch = sketch + other
            keys = np.unique(np.concatenate(listable)) if listable else np.empty(0, np.uint64)
            return ngram_ranges.side(
                merged.counted, keys, sketch, _summed(totals, corpus, stratum, n)
            )

        rows = []
        humans = {stratum: side(config.human, stratum) for stratum in {s for _, s in wanted}}
        for model, stratum in wanted:
            found = ngram_ranges.partial(
                humans[stratum],
                side(model, stratum),
                _summed(totals, config.human, stratum, n),
                _summed(totals, model, stratum, n),
                n,
                config.ngrams,
            )
            rows.append((model, stratum, n, part, found.encode()))
        return _table(rows, schema.PARTIAL_PAIRS)

    return run


def _no_sketch(config: Audit, ranges: int) -> BlockSketch:
    empty = np.zeros((64, config.ngrams.sketch_width // ranges), np.int64)
    return BlockSketch(empty, empty)


def _table(rows: list[tuple[Any, ...]], of: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [[] for _ in of]
    return pa.Table.from_arrays(
        [pa.array(list(c), f.type) for c, f in zip(columns, of, strict=True)], schema=of
    )


def _finishing(
    totals: AllTotals, shared: dict[str, int], config: Audit
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], partials: pa.Table) -> pa.Table:
        model, stratum, n = (value.as_py() for value in key)
        ordered = partials.sort_by("part")
        parts = [ngram_ranges.Partial.decode(value.as_buffer()) for value in ordered["partial"]]
        human_totals = _summed(totals, config.human, stratum, n)
        model_totals = _summed(totals, model, stratum, n)
        found = ngrams.finished(
            parts, human_totals, model_totals, n,
            paired=shared.get(model, 0) > 0, settings=config,
        )  # fmt: skip
        documents = [int(t["documents"].sum()) for t in (human_totals, model_totals)]
        record = {
            "model": model,
            "stratum": stratum,
            "n": n,
            "n_human": documents[0],
            "n_model": documents[1],
            "tokens_human": int(human_totals["tokens"].sum()),
            "tokens_model": int(model_totals["tokens"].sum()),
            "remainder": found.remainder,
            "metrics": [metric_row(metric) for metric in found.metrics],
            "ngrams": _rows(found.listed),
            "ratios": _rows(found.common),
        }
        return pa.Table.from_pylist([record], schema=schema.COMPARED)

    return run


def metric_row(metric: Metric) -> dict[str, Any]:
    """As in the lists of schema.COMPARED."""
    found: Inference = metric.inference
    return {
        "metric": metric.name, "value": metric.value, "unit": metric.unit,
        "std_error": found.std_error, "ci_low": found.ci_low, "ci_high": found.ci_high,
        "p_value": found.p_value, "floor": found.floor, "mde": found.mde, "blocks": found.blocks,
        "left_out": metric.parts and metric.parts.left_out.tolist(),
        "halves": metric.parts and metric.parts.halves.ravel().tolist(),
    }  # fmt: skip


def _rows(columns: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    lists = {
        name: (column.view(np.int64) if name == "key" else column).tolist()
        for name, column in columns.items()
    }
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def shared_clusters(documents: DataFrame, human: str) -> dict[str, int]:
    """How many clusters each model corpus has in common with the human one."""
    clusters = documents.groupBy(F.xxhash64("cluster")).agg(F.collect_set("corpus").alias("among"))
    both = clusters.where(F.array_contains("among", human)).select(F.explode("among").alias("name"))
    counted = both.where(F.col("name") != human).groupBy("name").count().toArrow().to_pylist()
    return {row["name"]: row["count"] for row in counted}
