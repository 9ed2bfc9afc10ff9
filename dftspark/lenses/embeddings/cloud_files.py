"""Files of the embedding lens: states of a corpus, and documents with their vectors.

Tasks of one worker compare one model after another, so the worker keeps the human side.

Cost     a state of feature sums is 8 MB, one of moments 9.5 MB, for each stratum
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dftspark.errors import IncomparableProfiles
from dftspark.lenses.fold import Group
from dftspark.stats.protocol import Statistic
from dftspark.store.state_table import StateTable

States = dict[str, Any]  # by stratum

_NAMES = ("turn", "cluster", "doc_id")


def check_comparable(stored: StateTable, of: Statistic[Any, Any]) -> None:
    """Raises IncomparableProfiles for states of another statistic than `of`: with other
    frequencies, bandwidth, seed or embedder.
    """
    for (made_by,) in stored.distinct("fingerprint"):
        if made_by != of.fingerprint:
            raise IncomparableProfiles(of.name, of.fingerprint, made_by)


def states(stored: StateTable, of: Statistic[Any, Any], corpus: str) -> States:
    """Returns the states of a corpus by stratum; those of several days are merged."""
    found: States = {}
    for row in stored.rows(("stratum", "state"), corpus):
        own, stratum = of.state.decode(row["state"]), row["stratum"]
        found[stratum] = of.merge(found[stratum], own) if stratum in found else own
    return {stratum: found[stratum] for stratum in sorted(found)}


kept_states = lru_cache(maxsize=2)(states)


def together(of: Statistic[Any, Any], found: States) -> Any:
    """Merges all strata into one."""
    return reduce(of.merge, found.values(), of.empty())


@dataclass(frozen=True)
class Vectors:
    """Documents with their vectors and texts, and with `turn`, a hash of their cluster."""

    stored: StateTable

    @cached_property
    def groups(self) -> dict[Group, int]:
        """The number of documents by corpus and stratum."""
        found: Counter[Group] = Counter()
        for table in self.stored.tables(("corpus", "stratum")):
            counted = table.group_by(["corpus", "stratum"]).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                found[row["corpus"], row["stratum"]] += row["count_all"]
        return dict(found)

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of documents by corpus."""
        found: Counter[str] = Counter()
        for (corpus, _), count in sorted(self.groups.items()):
            found[corpus] += count
        return dict(found)

    def side(self, corpus: str, most: int) -> pa.Table:
        """Returns up to `most` documents of a corpus with vectors, by the hash of their cluster."""
        names = pa.concat_tables(self.stored.tables(_NAMES, corpus))
        wanted = None
        if len(names) > most:
            chosen = names.sort_by([(name, "ascending") for name in _NAMES])
            wanted = chosen["doc_id"].slice(0, most).combine_chunks()
        tables = self.stored.tables(("corpus", "cluster", "doc_id", "vector"), corpus)
        return pa.concat_tables(
            table if wanted is None else table.filter(pc.is_in(table["doc_id"], value_set=wanted))
            for table in tables
        )


@lru_cache(maxsize=2)
def kept_side(vectors: Vectors, corpus: str, most: int) -> pa.Table:
    return vectors.side(corpus, most)
