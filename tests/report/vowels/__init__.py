"""A lens from elsewhere, as a package that is installed declares it."""

from __future__ import annotations

from pathlib import Path

from dftspark import schema
from dftspark.lenses import lens as registry
from dftspark.report.words import lenses


def installed(folder: Path) -> Path:
    """A folder for sys.path that has the package's entry point."""
    declared = folder / "site" / "vowels-1.0.dist-info"
    declared.mkdir(parents=True)
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: vowels\nVersion: 1.0\n")
    (declared / "entry_points.txt").write_text(
        "[dftspark.lenses]\nvowels = tests.report.vowels.lens:VowelsLens\n"
    )
    return declared.parent


def forget() -> None:
    """Looks anew for what is installed; a lens adds its tables once more when it is loaded."""
    for tables in (schema.TABLES, schema.STATES):
        for name in ("vowels", "vowel_sums"):
            tables.pop(name, None)
    for known in (
        registry._registered,
        registry.lens,
        lenses.lenses,
        lenses.leads,
        lenses.tables,
        lenses.measure,
    ):
        known.cache_clear()
