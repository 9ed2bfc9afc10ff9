"""The structure lens on Spark: documents to sums of vectors, and two profiles to table rows.

In the pass over the documents a task returns a state and a few excerpts for each corpus and
stratum. States are integers that add up, so the cut does not matter.

Cost     a task holds one state of 400 kB, and examples, for each corpus and stratum that it meets
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus import clean
from dftspark.errors import IncomparableProfiles
from dftspark.inference.halves import Splits
from dftspark.lenses.fold import Group, GroupRows, Key, Left
from dftspark.lenses.metric import measured
from dftspark.lenses.structure import compared as structure
from dftspark.lenses.structure import document_vectors, measures, pattern_examples
from dftspark.lenses.structure.pattern_examples import Examples
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.spark.records import record
from dftspark.state import decode_arrays, encode_arrays
from dftspark.store.state_table import StateTable


def statistic(config: Audit) -> Structure:
    made_by = (document_vectors.fingerprint(), clean.fingerprint(config.cleaning))
    return Structure(text=" ".join(made_by))


@dataclass(frozen=True)
class StructureFold:
    """The profile: a row a (corpus, stratum), whose states are integers that add up."""

    of: Structure
    table = "structure"
    columns = schema.STRUCTURE_PROFILE

    def observer(self) -> _Measuring:
        return _Measuring(self.of)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        state, examples = self.of.empty(), pattern_examples.none()
        for stored in states:
            sums, said = (part.data for part in decode_arrays(stored, "structure"))
            state = self.of.merge(state, StructureSums.decode(sums))
            own = pattern_examples.of_rows(json.loads(bytes(said)))
            examples = pattern_examples.merged(examples, own)
        found = pattern_examples.rows(examples)
        row = (key.corpus, key.stratum, state.encode(), found, self.of.fingerprint)
        return record(schema.STRUCTURE_PROFILE, *row), b""


class _Measuring:
    def __init__(self, of: Structure) -> None:
        self.of = of
        self.states: dict[Group, StructureSums] = {}
        self.found: dict[Group, Examples] = {}

    def add(self, rows: GroupRows) -> Left:
        group, texts = rows.group, rows.batch["text"]
        vectors = document_vectors.of_tokens(rows.tokens, rows.batch["cluster"])
        held = self.states.get(group, self.of.empty())
        self.states[group] = self.of.merge(held, self.of.observe(vectors))
        hits = vectors.counts[:, len(measures.COUNTS) :]
        best = self.found.setdefault(group, {})
        pattern_examples.update(best, texts, rows.batch["doc_id"].to_pylist(), hits)
        return iter(())

    def end(self) -> Left:
        for group, state in self.states.items():
            examples = json.dumps(pattern_examples.rows(self.found[group])).encode()
            packed = (np.frombuffer(part, np.uint8) for part in (state.encode(), examples))
            yield Key(*group), encode_arrays(*packed)


# --- comparison ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Metrics and measures of a model, a row a stratum, schema.STRUCTURE_COMPARED.

    `shared` is how many clusters each model corpus has in common with the human one. All strata
    together are the stratum ''; where there are several, each that both sides have gets a row too.
    """

    stored: StateTable
    shared: dict[str, int]
    config: Audit
    columns = schema.STRUCTURE_COMPARED

    def __call__(self, model: str) -> list[dict[str, Any]]:
        own, other = _sides(self.stored, self.config.human), _sides(self.stored, model)
        strata = own.keys() | other.keys()
        within = sorted((own.keys() & other.keys()) - {""}) if len(strata) > 1 else []
        paired = self.shared.get(model, 0) > 0
        return [
            _compared(model, stratum, _of(own, stratum), _of(other, stratum), paired, self.config)
            for stratum in ["", *within]
        ]


Side = tuple[StructureSums, Examples]


def _sides(stored: StateTable, corpus: str) -> dict[str, Side]:
    """Returns the sums of one or several days, by stratum."""
    found: dict[str, Side] = {}
    for row in stored.rows(("stratum", "state", "examples"), corpus):
        own = StructureSums.decode(row["state"]), pattern_examples.of_rows(row["examples"] or [])
        found[row["stratum"]] = _merged(
            [found[row["stratum"]], own] if row["stratum"] in found else [own]
        )
    return found


def _of(sides: dict[str, Side], stratum: str) -> Side:
    """Returns one stratum, or all of them for the stratum ''."""
    return _merged(own for name, own in sides.items() if stratum in ("", name))


def _merged(sides: Iterable[Side]) -> Side:
    stat, examples = Structure(), pattern_examples.none()
    state = stat.empty()
    for own, found in sides:
        state = stat.merge(state, own)
        examples = pattern_examples.merged(examples, found)
    return state, examples


def check_comparable(stored: StateTable, human: str) -> None:
    """Raises IncomparableProfiles where a model's fingerprint is not among the human side's."""
    kinds = stored.distinct("corpus", "fingerprint")
    wanted = {made_by for corpus, made_by in kinds if corpus == human}
    for _, made_by in kinds:
        if wanted and made_by not in wanted:
            raise IncomparableProfiles("structure", min(wanted), made_by)


def _compared(
    model: str,
    stratum: str,
    human: Side,
    other: Side,
    paired: bool,
    config: Audit,
) -> dict[str, Any]:
    found = structure.compared(
        human[0],
        other[0],
        paired=paired,
        settings=config.inference,
        splits=Splits(config.splits, config.inference.seed),
        followed=config.sweep.rates,
    )
    documents = [int(side.counts[:, 0].sum()) for side in (human[0], other[0])]
    metrics = found.metrics + (found.rates if config.sweeps else [])
    return {
        **measured(model, stratum, documents, metrics),
        "patterns": [_row(row, human[1], other[1]) for row in found.rows],
    }


def _row(row: structure.MeasureRow, human: Examples, model: Examples) -> dict[str, Any]:
    measure = row.measure
    found = {
        "pattern": measure.id,
        "group": measure.group,
        "kind": measure.kind,
        "version": measure.version,
        "definition": measure.definition,
        "unit": measure.unit,
        "rate_human": row.human,
        "rate_model": row.model,
    }
    for side, held in (("human", human), ("model", model)):
        examples = held.get(measure.id, ())
        for name, values in (
            ("", [one.excerpt for one in examples]),
            ("_id", [one.doc_id for one in examples]),
        ):
            found[f"example_{side}{name}"] = values[0] if values else None
            found[f"examples_{side}{name}"] = values
    same = {field.name for field in schema.PATTERNS} & set(
        structure.MeasureRow.__dataclass_fields__
    )
    return {**found, **{name: getattr(row, name) for name in same}}


def patterns_table(
    compared: Sequence[dict[str, Any]], human: str, run_id: str, date: str
) -> pa.Table:
    """Makes schema.PATTERNS."""
    rows = [
        {
            "run_id": run_id,
            "date": date,
            "human": human,
            "model": pair["model"],
            "stratum": pair["stratum"],
            **row,
        }
        for pair in compared
        for row in pair["patterns"]
    ]
    return pa.Table.from_pylist(rows, schema=schema.PATTERNS)
