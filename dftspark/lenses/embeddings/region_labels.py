"""Words that tell a region from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.inference.log_odds import shrunken_log_odds

Counts = NDArray[np.int64] | NDArray[np.float64]

FEWEST_CLUSTERS = 3
SHARE = 0.1


def label_terms(
    counts: Counts, support: Counts, tokens: Sequence[str], terms: int
) -> list[list[str]]:
    """Returns the most distinctive tokens of each region, at most `terms`, best first.

    `counts` `(k, V)` are the documents of each region that contain the token, `support` `(k, V)`
    its clusters. A token is listed if it is in at least 3 clusters and in a tenth of as many as the
    region's most widespread token, by falling shrunken log odds against all other regions, if above
    0; ties by token.
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


def token_counts(
    texts: Sequence[str], clusters: Sequence[str], regions: NDArray[np.integer[Any]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Computes `counts`, `support` and `tokens` of `label_terms` from documents `(B,)`, by region.

    Tokens are runs of two or more letters with inner apostrophes, case folded, in sorted order.
    """
    documents: Counter[tuple[int, str]] = Counter()
    seen: set[tuple[int, str, str]] = set()
    for text, cluster, region in zip(texts, clusters, regions.tolist(), strict=True):
        for token in _tokens(text):
            documents[region, token] += 1
            seen.add((region, token, cluster))
    tokens = sorted({token for _, token in documents})
    place = {token: i for i, token in enumerate(tokens)}
    counts, support = (np.zeros((count, len(tokens)), np.int64) for _ in range(2))
    for (region, token), number in documents.items():
        counts[region, place[token]] = number
    for region, token, _ in seen:
        support[region, place[token]] += 1
    return counts, support, tokens


def _tokens(text: str) -> set[str]:
    letters = "".join(c if c.isalpha() or c in "'\u2019" else " " for c in text.casefold())
    words = (word.strip("'\u2019").replace("\u2019", "'") for word in letters.split())
    return {word for word in words if len(word) > 1}
