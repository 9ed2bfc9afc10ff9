"""Figures of a run for notebooks, as its page draws them: each shows itself at the end of a cell.

They are drawn from the run's tables, and nothing is computed here. They need the extra `report`.
"""

from __future__ import annotations

from dftspark.lenses.embeddings.figures import cloud, regions
from dftspark.lenses.ngrams.figures import giveaways, shift
from dftspark.lenses.structure.figures import structure
from dftspark.report.page.figures import ladder, measures
from dftspark.report.page.figures_lines import history
from dftspark.report.page.figures_sweep import best, samplers
from dftspark.report.page.figures_tables import checks, differences

__all__ = [
    "best",
    "checks",
    "cloud",
    "differences",
    "giveaways",
    "history",
    "ladder",
    "measures",
    "regions",
    "samplers",
    "shift",
    "structure",
]
