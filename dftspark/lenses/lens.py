"""A lens: one way to look at two bodies of text, from documents to stored states to numbers.

Stages loop over the lenses that a configuration names. The registry is the only list of them: the
package's own, and those that installed packages declare by the entry point `dftspark.lenses`, as
`name = "package.lens:Class"`. A module is imported when its lens is first asked for, so that a
command line starts without it. SHOWN in `shown.py` of the same package defines how a lens is shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dftspark.errors import EnvironmentProblem

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import BaseModel
    from pyspark.sql import SparkSession

    from dftspark.config import Audit
    from dftspark.lenses.fold import Fold
    from dftspark.making import Making
    from dftspark.spark.fold import Folded
    from dftspark.spark.rows import Rows, Session
    from dftspark.store.run import Run

GROUP = "dftspark.lenses"
# In the order in which they are profiled, compared and shown.
_LENSES = {
    "ngrams": "dftspark.lenses.ngrams.lens:NgramLens",
    "embeddings": "dftspark.lenses.embeddings.lens:EmbeddingLens",
    "structure": "dftspark.lenses.structure.lens:StructureLens",
    "variety": "dftspark.lenses.variety.lens:VarietyLens",
    "judge": "dftspark.lenses.judge.lens:JudgeLens",
}


@dataclass(frozen=True)
class Texts:
    """The documents of a run, schema.DOCUMENTS, and a row of counts for each corpus."""

    documents: Rows
    corpora: list[dict[str, Any]]


@dataclass(frozen=True)
class Night:
    """A profile of one side, for a nightly audit to merge with others.

    What was frozen in `like` is taken from there, where the settings are the same.
    """

    like: Run | None


@dataclass(frozen=True)
class Pairing:
    """Facts about the corpora that the lenses compare.

    shared     clusters that each model corpus has in common with the human one
    returning  corpora whose clusters come on several days
    withheld   the human side repeats itself so much that no test may be given
    texts      the documents, None where only states are compared
    """

    shared: dict[str, int]
    returning: frozenset[str] = frozenset()
    withheld: bool = False
    texts: Texts | None = None


@dataclass(frozen=True)
class Compared:
    """Rows of schema.MEASURED with a `fingerprint` each, and entries for the run's manifest."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)


class Lens(Protocol):
    """Interface between a stage and a lens. A lens inherits the defaults of what it does not need.

    name      as in `lenses` of the configuration
    in_process  works in a process without Spark too, on Arrow tables
    tables    result tables that no other lens writes
    schemas   the columns of these, of a lens from another package; ours are in dftspark.schema
    states    tables that a profile keeps; a lens without any needs documents, and no night has it
    section   the model of the section [NAME] of the configuration, of a lens from another package
              that has settings; `config.section(NAME, MODEL)` reads them
    settings  sections of the configuration that the states depend on, and in each the keys that
              they do not depend on
    """

    name: ClassVar[str]
    in_process: ClassVar[bool] = False
    tables: ClassVar[Sequence[str]] = ()
    schemas: ClassVar[Mapping[str, pa.Schema]] = {}
    states: ClassVar[Sequence[str]] = ()
    section: ClassVar[type[BaseModel] | None] = None
    settings: ClassVar[Mapping[str, Sequence[str]]] = {}

    def check(self, spark: Session, config: Audit, order: Any = None) -> None:
        """Raises before any work is done the errors that would come in the middle of it.

        `order` is what the caller asks of this lens beside the configuration.
        """

    def rates(self) -> list[str]:
        """Returns the names of measures that a sweep may follow one by one, as rate_NAME."""
        return []

    def fingerprints(self, spark: Session, config: Audit) -> dict[str, str]:
        """Returns what two profiles must have in common to be merged."""
        return {}

    def frozen(self, state: Any) -> dict[str, str]:
        """Returns further fingerprints, which only the profile itself has."""
        return {}

    def fold(self, config: Audit, ranges: int, documents: Mapping[str, int]) -> Fold | None:
        """Returns the lens's fold for the pass over documents that lenses share, if it has one.

        `ranges` is the number of parts into which a possibly large state is cut, `documents` the
        number of each corpus. Rows come by corpus, stratum and cluster, each cluster whole in one
        task, with doc_id and text. The fold's table is kept with the run if it is one of `states`.
        """
        return None

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: Folded | None
    ) -> Any:
        """Writes the tables of `states` and returns them as `opened` does; the table of its fold is
        there already, and `folded` has the fold's messages.
        """
        return None

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> Any:
        """Opens the states that `runs` keep, together; of several the first is the reference."""
        return None

    def unlike(self, config: Audit, state: Any) -> list[str]:
        """Returns where the states were made in another way than this version would make them."""
        return []

    def manifest(self, state: Any) -> dict[str, Any]:
        """Returns the lens's part of a profile's manifest."""
        return {}

    def compare(self, making: Making, state: Any, pairing: Pairing) -> Compared:
        """Writes `tables` and returns the measures of each pair."""
        return Compared()

    def better(self, metric: str) -> str:
        """Returns which values of a metric are good: lower, higher or parity."""
        return "lower"

    def told_in_prompts(self, metric: str, several: bool) -> bool:
        """Returns whether n_tell of a metric counts prompts; `several` texts may share one."""
        return several


def ours() -> list[str]:
    """Returns the names of the lenses of this package."""
    return list(_LENSES)


@cache
def _registered() -> dict[str, str]:
    """Returns the class path of each lens: ours in their order, then others by name."""
    theirs = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**_LENSES, **{name: theirs[name] for name in sorted(theirs.keys() - _LENSES.keys())}}


def names() -> list[str]:
    """Returns the names of all lenses that are installed."""
    return list(_registered())


@cache
def lens(name: str) -> Lens:
    """Returns the lens of that name.

    Raises EnvironmentProblem where the package that declares it cannot be imported.
    """
    place = _registered()[name]
    module, _, kind = place.partition(":")
    try:
        found: Lens = getattr(import_module(module), kind)()
    except (ImportError, AttributeError) as error:
        raise EnvironmentProblem(
            f"the lens {name!r} is declared as {place!r}, which cannot be loaded: {error}; "
            f"install its package again, or take it out of lenses"
        ) from error
    if found.schemas:
        _join(name, found.schemas, found.states)
    return found


def _join(name: str, schemas: Mapping[str, pa.Schema], states: Sequence[str]) -> None:
    from dftspark import schema

    taken = {table for table, own in schemas.items() if schema.TABLES.get(table, own) != own}
    if taken:
        raise EnvironmentProblem(
            f"the lens {name!r} declares tables with other columns than those that have their "
            f"names already: {sorted(taken)}; its package must rename them"
        )
    schema.TABLES.update(schemas)
    schema.STATES.update({table: own for table, own in schemas.items() if table in states})


def home(name: str) -> str:
    """Returns the package that has the files of a lens."""
    return _registered()[name].partition(":")[0].rpartition(".")[0]


def unknown(name: str) -> str:
    """Explains why there is no lens of that name; empty where there is one."""
    if name in names():
        return ""
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no lens {name!r}; {hint}there are {', '.join(names())}"


def sections(names: Iterable[str]) -> dict[str, type[BaseModel]]:
    """Returns the settings that lenses of other packages bring, by the name of their section."""
    theirs = [lens(name) for name in names if name in _registered() and name not in _LENSES]
    return {one.name: one.section for one in theirs if one.section}


def chosen(config: Audit, kept: bool = False) -> Iterator[Lens]:
    """Yields the lenses of an audit in the registry's order; with `kept` those that keep states."""
    for name in names():
        if name in config.lenses and (not kept or lens(name).states):
            yield lens(name)


def rates() -> list[str]:
    """Returns the measures of our lenses that a sweep may follow one by one."""
    return [name for one in every() for name in one.rates()]


def every() -> list[Lens]:
    """Returns all of ours; another package's is imported only where a configuration names it."""
    return [lens(name) for name in _LENSES]
