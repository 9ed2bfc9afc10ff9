"""The stages that make a profile: reading, then folding the documents, lens by lens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.lenses.embeddings.lens import embedded
from dftspark.lenses.lens import Night, Texts, chosen, lens
from dftspark.lenses.ngrams.lens import NgramStates
from dftspark.making import Making
from dftspark.stages import compiling, read_before

_NO_STATES: dict[str, float] = {
    "tokens": 0,
    "state_bytes": 0,
    "keyed_bytes": 0,
    "copies_effect": float("nan"),
    "copies_share": float("nan"),
}

if TYPE_CHECKING:
    from dftspark.spark.documents import Documents
    from dftspark.spark.fold import Folded
    from dftspark.spark.rows import Session


@dataclass(frozen=True)
class Profile:
    """The states of all corpora by lens, from which every comparison follows."""

    states: dict[str, Any]
    shared_clusters: dict[str, int]
    returning: frozenset[str] = frozenset()  # corpora whose clusters come on several days
    texts: Texts | None = None  # if the run has read them

    @property
    def ngrams(self) -> NgramStates:
        """The states that every profile has."""
        found: NgramStates = self.states["ngrams"]
        return found

    @property
    def tables(self) -> list[str]:
        """The run's tables of states."""
        return [table for name in self.states for table in lens(name).states]

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = {"shared_clusters": self.shared_clusters}
        if self.returning:
            found["returning"] = sorted(self.returning)
        for name, state in self.states.items():
            found |= lens(name).manifest(state)
        return found


def check(
    spark: Session, config: Audit, kept: bool = False, orders: dict[str, Any] | None = None
) -> None:
    """Raises at the beginning what a lens would raise after the n-grams are counted; with `kept`,
    only for the lenses that keep states."""
    for one in chosen(config, kept):
        try:
            one.check(spark, config, (orders or {}).get(one.name))
        except EnvironmentProblem as error:
            rest = [name for name in config.lenses if name != one.name]
            raise EnvironmentProblem(f"{error}; or do without: lenses = {rest}") from error


def read(making: Making, nightly: bool = False) -> tuple[Documents, list[dict[str, Any]]]:
    """Returns the documents, and a row of counts for each corpus."""
    from dftspark.spark import acceptance, documents, join_copies, tables

    config = making.config
    compiling.tell(making)
    with making.stage("read"):
        found = documents.read(making.spark, config, making.staging("documents"), making.frames)
        making.sources = found.sources
        making.warnings += read_before.warnings(config, found.sources)
        if join_copies.asked(config):
            found = join_copies.joined(found, config, making.staging("joined"))
        rejects = tables.rejects(found.issues, making.writer.id, making.date)
        if found.faultless:
            making.writer.take("rejects", [], schema.REJECTS)
        else:
            rejects = making.write("rejects", rejects)
        counted = documents.counts(found, config)
    making.stages["read"] |= {
        "rows_in": sum(row["read"] for row in counted),
        "bytes_in": sum(row["bytes"] for row in counted),
    }
    try:
        acceptance.check(counted, config, rejects, making.writer.path, nightly=nightly)
    except InputError:
        write_corpora(making, counted, {})  # for a look at an unfinished run
        raise
    return found, counted


def profile(making: Making, night: Night | None = None) -> Profile:
    """Reads all documents and folds them; writes corpora, rejects and the tables of states.

    With `night` the profile is one side's, for a nightly audit to merge; the table clusters then
    shows which clusters the sides share.
    """
    from dftspark.spark import clusters

    documents, counted = read(making, nightly=bool(night))
    texts = Texts(documents.kept, counted)
    with making.stage("find clusters"):
        if night:  # of one side alone
            making.write("clusters", clusters.clusters(documents.kept))
            shared = {}
        else:
            human = making.config.human
            shared = clusters.shared_clusters(documents.kept, human, documents.few)
    folded = _folded(making, texts, night)
    states = {}
    for one in chosen(making.config, kept=True):
        states[one.name] = one.profile(making, texts, night, folded.get(one.name))
    found = Profile(states, shared, texts=texts)
    write_corpora(making, counted, found.ngrams.sizes)
    return found


def _folded(making: Making, texts: Texts, night: Night | None) -> dict[str, Folded]:
    """Returns the sums that the lenses need over the documents, by lens, in one pass over them."""
    from dftspark.spark import fold
    from dftspark.spark.rows import slots

    config = making.config
    with making.stage("count"):
        sizes = {row["corpus"]: row["bytes"] for row in texts.corpora if row["documents"]}
        layout = fold.Layout.of(sizes, slots(making.spark), config.ngrams.sketch_width)
        if night:
            layout = replace(layout, ranges=config.nightly.key_ranges)
        documents = {row["corpus"]: row["documents"] for row in texts.corpora}
        lenses = list(chosen(config, kept=True))
        folds = {
            one.name: own for one in lenses if (own := one.fold(config, layout.ranges, documents))
        }
        found = fold.of_documents(
            texts.documents, list(folds.values()), layout, making.staging("folded")
        )
        for one in lenses:
            if one.name in folds and folds[one.name].table in one.states:
                making.take(found[folds[one.name].table])
    return {name: found[own.table] for name, own in folds.items()}


def embed(making: Making) -> dict[str, Any]:
    """Reads and embeds only; writes corpora and rejects. Returns the manifest's entry."""
    documents, counted = read(making)
    _, found = embedded(making, Texts(documents.kept, counted))
    write_corpora(making, counted, {})
    return found


def write_corpora(
    making: Making, counted: list[dict[str, Any]], states: dict[str, dict[str, float]]
) -> None:
    """Writes the table corpora; `states` are tokens, sizes of states and copies by corpus, where it
    has any."""
    of_run = {"run_id": making.writer.id, "date": making.date}
    rows = [{**of_run, **row, **states.get(row["corpus"], _NO_STATES)} for row in counted]
    making.write_corpora(rows)
