"""A lens: one way to look at two bodies of text, from documents to stored states to numbers.

Stages loop over the lenses that a configuration names. The registry is the only list of them: ours,
and those that installed packages declare by the entry point `dftspark.lenses`, as `name =
"package.lens:Class"`. What it names is imported when it is first asked for, so that a command line
starts without it. How a lens is shown is in `shown.py` of the same package, as SHOWN.
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
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.config import Audit
    from dftspark.lenses.fold import Fold
    from dftspark.making import Making
    from dftspark.spark.fold import Folded
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

    documents: DataFrame
    corpora: list[dict[str, Any]]


@dataclass(frozen=True)
class Night:
    """Says that a profile is one side's, for a nightly audit to merge with others.

    What was frozen in `like` is taken from there, where the settings are the same.
    """

    like: Run | None


@dataclass(frozen=True)
class Pairing:
    """What the lenses are told of the corpora that they compare.

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
    """Rows of schema.MEASURED with a `fingerprint` each, and what the run's manifest says."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)


class Lens(Protocol):
    """What a stage asks of a lens. A lens inherits what it has nothing to say about.

    name      as in `lenses` of the configuration
    tables    result tables that no other lens writes
    schemas   the columns of these, of a lens from another package; ours are in dftspark.schema
    states    tables that a profile keeps; a lens without any needs documents, and no night has it
    section   the model of the section [NAME] of the configuration, of a lens from another package
              that has settings; `config.section(NAME, MODEL)` reads them
    settings  sections of the configuration that the states depend on, and in each the keys that
              they do not depend on
    """

    name: ClassVar[str]
    tables: ClassVar[Sequence[str]] = ()
    schemas: ClassVar[Mapping[str, pa.Schema]] = {}
    states: ClassVar[Sequence[str]] = ()
    section: ClassVar[type[BaseModel] | None] = None
    settings: ClassVar[Mapping[str, Sequence[str]]] = {}

    def check(self, spark: SparkSession, config: Audit, order: Any = None) -> None:
        """Raises before any work is done what would be raised in the middle of it.

        `order` is what the caller asks of this lens beside the configuration.
        """

    def rates(self) -> list[str]:
        """The names of measures that a sweep may follow one by one, as rate_NAME."""
        return []

    def fingerprints(self, spark: SparkSession, config: Audit) -> dict[str, str]:
        """What two profiles have in common when they merge."""
        return {}

    def frozen(self, state: Any) -> dict[str, str]:
        """More of that, which only the profile itself can tell."""
        return {}

    def fold(self, config: Audit, ranges: int) -> Fold | None:
        """What it adds up of the documents in the pass that lenses share, if it does.

        `ranges` is into how many parts a state is cut that may be large. Rows come by corpus,
        stratum and cluster, each cluster whole in one task, with doc_id and text.
        """
        return None

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: Folded | None
    ) -> Any:
        """Writes the tables of `states` and returns them as `opened` does; that of its fold is
        there already, and `folded` says what was told of it."""
        return None

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> Any:
        """The states that `runs` keep, together; of several the first is the reference."""
        return None

    def unlike(self, config: Audit, state: Any) -> list[str]:
        """Where the states were made in another way than this version would."""
        return []

    def manifest(self, state: Any) -> dict[str, Any]:
        """What the manifest of a profile says."""
        return {}

    def compare(self, making: Making, state: Any, pairing: Pairing) -> Compared:
        """Writes `tables` and returns what is measured of each pair."""
        return Compared()

    def better(self, metric: str) -> str:
        """Which values of a metric are good: lower, higher or parity."""
        return "lower"

    def told_in_prompts(self, metric: str, several: bool) -> bool:
        """Whether n_tell of a metric counts prompts; `several` of a side may share one."""
        return several


def ours() -> list[str]:
    """The names of the lenses of this package."""
    return list(_LENSES)


@cache
def _registered() -> dict[str, str]:
    """Where each lens is: ours in their order, then those of other packages by name."""
    theirs = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**_LENSES, **{name: theirs[name] for name in sorted(theirs.keys() - _LENSES.keys())}}


def names() -> list[str]:
    """The names of all lenses that are installed."""
    return list(_registered())


@cache
def lens(name: str) -> Lens:
    """The lens of that name.

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
    """The package that has the files of a lens."""
    return _registered()[name].partition(":")[0].rpartition(".")[0]


def unknown(name: str) -> str:
    """Why there is no lens of that name, or nothing where there is one."""
    if name in names():
        return ""
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no lens {name!r}; {hint}there are {', '.join(names())}"


def sections(names: Iterable[str]) -> dict[str, type[BaseModel]]:
    """The settings that lenses of other packages bring, by the name of their section."""
    theirs = [lens(name) for name in names if name in _registered() and name not in _LENSES]
    return {one.name: one.section for one in theirs if one.section}


def chosen(config: Audit, kept: bool = False) -> Iterator[Lens]:
    """The lenses of an audit in the registry's order; with `kept` those that keep states."""
    for name in names():
        if name in config.lenses and (not kept or lens(name).states):
            yield lens(name)


def rates() -> list[str]:
    """The measures of our lenses that a sweep may follow one by one."""
    return [name for one in every() for name in one.rates()]


def every() -> list[Lens]:
    """All of ours; another package's is imported only where a configuration names it."""
    return [lens(name) for name in _LENSES]
