"""The stage that reports where sides differ in what is not writing, and which sides repeat
themselves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dftspark import schema
from dftspark.lenses import comparability, repeats
from dftspark.lenses.ngrams import stored_wholes as document_states
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.lenses.ngrams.stored_wholes import StoredWholes
from dftspark.making import Making

_States = dict[tuple[str, str], StoredWholes]


def compare(making: Making, files: ProfileFiles) -> dict[str, Any]:
    """Writes the table comparability, from the files of the profile and the run's table of n-grams.

    Returns the manifest's entry on copies, with `warnings`.

    A profile that is older than these states, or of another version than the human one, gets no
    rows, and a warning says so.
    """
    human, found = making.config.human, document_states.read(files)
    corpora = document_states.by_corpus(found)
    unlike = _unlike(human, corpora, files)
    tokens = _telling_tokens(making)
    rows: list[dict[str, Any]] = []
    for model in sorted(corpora.keys() - {human, *unlike}):
        for stratum in _strata(found, human, model):
            pair = [_side(found, corpus, stratum) for corpus in (human, model)]
            listed = [r for r in tokens if (r["model"], r["stratum"]) == (model, stratum)]
            rows += _rows(making, model, stratum, pair, listed)
    table = pa.Table.from_pylist(rows, schema=schema.COMPARABILITY)
    making.writer.write("comparability", table)
    return _told(human, corpora, unlike)


def tests_withheld(human: str, files: ProfileFiles) -> bool:
    """Returns whether the human side repeats itself so much that no p, q or verdict may be
    given."""
    found = document_states.by_corpus(document_states.read(files))
    return human in found and repeats.withholds_tests("human", found[human].copies)


def _told(human: str, corpora: dict[str, StoredWholes], unlike: list[str]) -> dict[str, Any]:
    copies = {name: own.copies for name, own in sorted(corpora.items())}
    roles = {name: "human" if name == human else "model" for name in corpora}
    said = [
        repeats.warning(name, roles[name], of, int(corpora[name].surface.documents.sum()))
        for name, of in copies.items()
    ]
    if unlike:
        said.append(
            f"comparability is not told of {', '.join(unlike)}: the profiles are older than it, or "
            f"of another version; profile the corpora again"
        )
    return {
        "copies": {name: {"effect": of.effect, "share": of.share} for name, of in copies.items()},
        "tests_withheld": human in copies and repeats.withholds_tests("human", copies[human]),
        "warnings": [text for text in said if text],
    }


def _unlike(human: str, corpora: dict[str, StoredWholes], files: ProfileFiles) -> list[str]:
    """Returns model corpora whose states are absent, or of another version than the human
    side's."""
    models = {corpus for corpus, _, _ in files.totals} - {human}
    wanted = corpora[human].fingerprints if human in corpora else frozenset()
    return sorted(
        model
        for model in models
        if model not in corpora or len(corpora[model].fingerprints | wanted) > 1
    )


def _strata(found: _States, human: str, model: str) -> list[str]:
    """Returns '' for all strata together, and each stratum that both sides have if there are
    several."""
    own, other = ({s for corpus, s in found if corpus == name} for name in (human, model))
    return ["", *sorted((own & other) - {""})] if len(own | other) > 1 else [""]


def _side(found: _States, corpus: str, stratum: str) -> StoredWholes:
    return document_states.merged(
        own for (name, part), own in found.items() if name == corpus and stratum in ("", part)
    )


def _telling_tokens(making: Making) -> list[dict[str, Any]]:
    """Returns rows of the ngrams table that may carry too much of L2 squared."""
    columns = ["model", "stratum", "text", "share", "contribution", "docs_human", "docs_model"]
    table = making.writer.read("ngrams", [*columns, "n"])
    where = (pc.field("n") == 1) & pc.field("text").is_valid()
    table = table.filter(where & (pc.field("share") > comparability.TOKEN)).select(columns)
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def _rows(
    making: Making, model: str, stratum: str, pair: list[StoredWholes], listed: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    human, other = (own.surface for own in pair)
    documents = int(human.documents.sum()), int(other.documents.sum())
    found = comparability.rows(human, other) + comparability.token_rows(listed, documents)
    of_pair = {
        "run_id": making.writer.id,
        "date": making.date,
        "human": making.config.human,
        "model": model,
        "stratum": stratum,
        "n_human": documents[0],
        "n_model": documents[1],
    }
    return [{**of_pair, **asdict(row)} for row in found]
