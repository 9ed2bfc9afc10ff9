"""The states of documents as wholes that a profile keeps, by corpus and stratum, merged over days.

Cost     per corpus, stratum and day some 10 kB for properties that are not writing, and up to 64 kB
         for copies
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dftspark import schema
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.stats.copies_sketch import Copies, CopiesSketch, CopiesState, copies
from dftspark.stats.surface import Surface, SurfaceSums

_COLUMNS = ["corpus", "stratum", "state", "sketch", "fingerprint"]


@dataclass(frozen=True)
class StoredWholes:
    """States of one corpus and stratum; `fingerprints` of statistics, several if they differ."""

    surface: SurfaceSums
    sketch: CopiesState
    fingerprints: frozenset[str]

    @property
    def copies(self) -> Copies:
        return copies(self.sketch)

    def __add__(self, other: StoredWholes) -> StoredWholes:
        return StoredWholes(
            self.surface + other.surface,
            CopiesSketch().merge(self.sketch, other.sketch),
            self.fingerprints | other.fingerprints,
        )


def read(files: ProfileFiles) -> dict[tuple[str, str], StoredWholes]:
    """Reads the states by corpus and stratum; empty where the profiles are older than them."""
    found: dict[tuple[str, str], StoredWholes] = {}
    for row in files.rows((schema.WHOLE, 0), _COLUMNS).to_pylist():
        sums, sketch = SurfaceSums.decode(row["state"]), CopiesState.decode(row["sketch"])
        own = StoredWholes(sums, sketch, frozenset([row["fingerprint"]]))
        group = row["corpus"], row["stratum"]
        found[group] = found[group] + own if group in found else own
    return found


def merged(found: Iterable[StoredWholes]) -> StoredWholes:
    """Merges the states of several strata or days."""
    total = StoredWholes(Surface().empty(), CopiesSketch().empty(), frozenset())
    for own in found:
        total += own
    return total


def by_corpus(found: dict[tuple[str, str], StoredWholes]) -> dict[str, StoredWholes]:
    """Merges all strata of each corpus."""
    names = dict.fromkeys(corpus for corpus, _ in found)
    return {name: merged(v for (corpus, _), v in found.items() if corpus == name) for name in names}


def copies_columns(files: ProfileFiles) -> dict[str, dict[str, float]]:
    """Returns by corpus the columns of the table corpora on copies."""
    return {
        name: {"copies_effect": own.copies.effect, "copies_share": own.copies.share}
        for name, own in by_corpus(read(files)).items()
    }
