"""The structure lens on Spark: documents to sums of vectors, and two profiles to table rows.

One pass over the documents, where they lie: nothing is shuffled but a state and a few excerpts a
task, corpus and stratum. States are integers that add up, so the cut does not matter.

Cost     a task holds one state of 400 kB for each corpus and stratum that it meets
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus import clean
from dftspark.errors import IncomparableProfiles
from dftspark.inference.halves import Splits
from dftspark.lenses.metric import measured
from dftspark.lenses.structure import compared as structure
from dftspark.lenses.structure import document_vectors, measures, pattern_examples
from dftspark.lenses.structure.pattern_examples import Examples
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.spark import tables
from dftspark.spark.records import record

Group = tuple[str, str]  # corpus, stratum


def statistic(config: Audit) -> Structure:
    made_by = (document_vectors.fingerprint(), clean.fingerprint(config.cleaning))
    return Structure(text=" ".join(made_by))


def profile(documents: DataFrame, config: Audit) -> DataFrame:
    """schema.STRUCTURE_PROFILE: one row a (corpus, stratum)."""
    columns = ["corpus", "stratum", "cluster", "doc_id", "text"]
    partial = documents.select(*columns).mapInArrow(
        _folding(statistic(config)), from_arrow_schema(schema.STRUCTURE_PARTIAL)
    )
    return partial.groupBy("corpus", "stratum").applyInArrow(
        _merging(statistic(config)), from_arrow_schema(schema.STRUCTURE_PROFILE)
    )


def _folding(
    stat: Structure,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        states: dict[Group, StructureSums] = {}
        found: dict[Group, Examples] = {}
        for batch in batches:
            for group, rows in _groups(batch):
                vectors = document_vectors.of(rows["text"], rows["cluster"])
                held = states.get(group, stat.empty())
                states[group] = stat.merge(held, stat.observe(vectors))
                hits = vectors.counts[:, len(measures.COUNTS) :]
                best = found.setdefault(group, {})
                pattern_examples.update(best, rows["text"], rows["doc_id"].to_pylist(), hits)
        for (corpus, stratum), state in states.items():
            examples = pattern_examples.rows(found[corpus, stratum])
            yield record(schema.STRUCTURE_PARTIAL, corpus, stratum, state.encode(), examples)

    return run


def _groups(batch: pa.RecordBatch) -> Iterator[tuple[Group, pa.RecordBatch]]:
    names = (
        np.array(batch["corpus"].to_pylist(), object),
        np.array(batch["stratum"].to_pylist(), object),
    )
    groups = list(zip(*names, strict=True))
    for group in dict.fromkeys(groups):
        yield group, batch.filter(pa.array([own == group for own in groups]))


def _merging(stat: Structure) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], partials: pa.Table) -> pa.Table:
        state, examples = stat.empty(), pattern_examples.none()
        for stored, found in zip(partials["state"], partials["examples"], strict=True):
            state = stat.merge(state, StructureSums.decode(stored.as_buffer()))
            examples = pattern_examples.merged(
                examples, pattern_examples.of_rows(found.as_py() or [])
            )
        merged = record(
            schema.STRUCTURE_PROFILE,
            *(value.as_py() for value in key), state.encode(), pattern_examples.rows(examples),
            stat.fingerprint,
        )  # fmt: skip
        return pa.Table.from_batches([merged])

    return run


# --- comparison ----------------------------------------------------------------------------------


def compare(stored: DataFrame, shared: dict[str, int], config: Audit) -> DataFrame:
    """One row a (model, stratum) with its metrics and measures, schema.STRUCTURE_COMPARED.

    `shared` is how many clusters each model corpus has in common with the human one. All strata
    together are the stratum '', and where there are several, each that both sides have is another.
    Raises IncomparableProfiles where the pattern sets or the cleaning differ.
    """
    check_comparable(stored, config)
    human = stored.where(F.col("corpus") == config.human).select("stratum", "state", "examples")
    own = [(r["stratum"], r["state"], r["examples"]) for r in human.toArrow().to_pylist()]
    models = stored.where(F.col("corpus") != config.human)
    return models.groupBy("corpus").applyInArrow(
        _comparing(own, shared, config), from_arrow_schema(schema.STRUCTURE_COMPARED)
    )


def check_comparable(stored: DataFrame, config: Audit) -> None:
    """Raises IncomparableProfiles where a model's fingerprint is none of the human side's."""
    kinds = stored.select("corpus", "fingerprint").distinct().toArrow().to_pylist()
    human = {row["fingerprint"] for row in kinds if row["corpus"] == config.human}
    for row in kinds:
        if human and row["fingerprint"] not in human:
            raise IncomparableProfiles("structure", min(human), row["fingerprint"])


Stored = list[tuple[str, bytes, list[dict[str, Any]]]]  # stratum, state, examples


def _comparing(
    own: Stored, shared: dict[str, int], config: Audit
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], stored: pa.Table) -> pa.Table:
        model = key[0].as_py()
        other: Stored = [
            (row["stratum"], row["state"], row["examples"]) for row in stored.to_pylist()
        ]
        strata = {stratum for stratum, *_ in (*own, *other)}
        common = {stratum for stratum, *_ in own} & {stratum for stratum, *_ in other}
        within = sorted(common - {""}) if len(strata) > 1 else []
        paired = shared.get(model, 0) > 0
        records = [
            _compared(model, stratum, _side(own, stratum), _side(other, stratum), paired, config)
            for stratum in ["", *within]
        ]
        return pa.Table.from_pylist(records, schema=schema.STRUCTURE_COMPARED)

    return run


def _side(stored: Stored, stratum: str) -> tuple[StructureSums, Examples]:
    """Of one stratum, or of all of them for the stratum ''."""
    stat, examples = Structure(), pattern_examples.none()
    state = stat.empty()
    for own, encoded, found in stored:
        if stratum in ("", own):
            state = stat.merge(state, StructureSums.decode(encoded))
            examples = pattern_examples.merged(examples, pattern_examples.of_rows(found or []))
    return state, examples


def _compared(
    model: str,
    stratum: str,
    human: tuple[StructureSums, Examples],
    other: tuple[StructureSums, Examples],
    paired: bool,
    config: Audit,
) -> dict[str, Any]:
    found = structure.compared(
        human[0], other[0], paired=paired, settings=config.inference,
        splits=Splits(config.splits, config.inference.seed), followed=config.sweep.rates,
    )  # fmt: skip
    documents = [int(side.counts[:, 0].sum()) for side in (human[0], other[0])]
    metrics = found.metrics + (found.rates if config.sweeps else [])
    return {
        **measured(model, stratum, documents, metrics),
        "patterns": [_row(row, human[1], other[1]) for row in found.rows],
    }


def _row(row: structure.Row, human: Examples, model: Examples) -> dict[str, Any]:
    measure = row.measure
    found = {
        "pattern": measure.id, "group": measure.group, "kind": measure.kind,
        "version": measure.version, "definition": measure.definition, "unit": measure.unit,
        "rate_human": row.human, "rate_model": row.model,
    }  # fmt: skip
    for side, examples in (("human", human), ("model", model)):
        example = examples.get(measure.id)
        found[f"example_{side}"] = example.excerpt if example else None
        found[f"example_{side}_id"] = example.doc_id if example else None
    same = {field.name for field in schema.PATTERNS} & set(structure.Row.__dataclass_fields__)
    return {**found, **{name: getattr(row, name) for name in same}}


def patterns_table(compared: DataFrame, human: str, run_id: str, date: str) -> DataFrame:
    """schema.PATTERNS."""
    rows = compared.select(
        F.lit(run_id).alias("run_id"), F.lit(date).alias("date"), F.lit(human).alias("human"),
        "model", "stratum", F.explode("patterns").alias("row"),
    )  # fmt: skip
    return tables.conform(
        rows.select("run_id", "date", "human", "model", "stratum", "row.*"), schema.PATTERNS
    )
