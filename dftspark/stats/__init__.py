"""One file, one statistic. What is registered here obeys the laws of dftspark.stats.protocol."""

from __future__ import annotations

from dftspark.stats.copies_sketch import CopiesSketch
from dftspark.stats.feature_sums import FeatureSums
from dftspark.stats.moments import Moments
from dftspark.stats.ngram_counts import NgramCounts
from dftspark.stats.ngram_sketch import NgramSketch
from dftspark.stats.protocol import Statistic
from dftspark.stats.structure import Structure
from dftspark.stats.surface import Surface

STATISTICS: dict[str, type[Statistic]] = {  # type: ignore[type-arg]
    "copies_sketch": CopiesSketch,
    "feature_sums": FeatureSums,
    "moments": Moments,
    "ngram_counts": NgramCounts,
    "ngram_sketch": NgramSketch,
    "structure": Structure,
    "surface": Surface,
}
