"""Words that tell a region from the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dftspark.distances.ngram_table import shrunken_log_odds

Counts = NDArray[np.int64] | NDArray[np.float64]

FEWEST_CLUSTERS = 3
SHARE = 0.2


def label_terms(
    counts: Counts, support: Counts, tokens: Sequence[str], terms: int
) -> list[list[str]]:
    """The `terms` most distinctive tokens of each region, at most, best first.

    `counts` `(k, V)` are the documents of each region that contain the token, `support` `(k, V)`
    its clusters. A token is listed where at least 3 clusters and a fifth of as many as the most
    widespread token of the region have it, by falling shrunken log odds against all other
    regions, if above 0; ties by token.
    """
    total = counts.sum(axis=0)
    sizes = counts.sum(axis=1)
    names = np.array(tokens, object)
    labels = []
    for own, clusters, size in zip(counts, support, sizes, strict=True):
        rest = total - own
        odds = shrunken_log_odds(
            rest.astype(float), own.astype(float), float(sizes.sum() - size), float(size)
        )
        enough = max(FEWEST_CLUSTERS, SHARE * float(clusters.max(initial=0)))
        listed = np.flatnonzero((clusters >= enough) & (odds > 0))
        order = np.lexsort((names[listed], -odds[listed]))[:terms]
        labels.append([str(name) for name in names[listed[order]]])
    return labels
