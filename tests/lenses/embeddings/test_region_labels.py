"""Label terms of regions."""

from __future__ import annotations

import numpy as np

from dftspark.lenses.embeddings.region_labels import label_terms

TOKENS = ["the", "goal", "match", "vote", "once", "copied"]


def test_distinctive_and_supported() -> None:
    """Common words are in all regions, rare ones in too few documents, copies in one cluster."""
    counts = np.array([[90, 40, 30, 1, 2, 60], [95, 2, 1, 50, 0, 0]])
    support = np.array([[90, 40, 30, 1, 2, 1], [95, 2, 1, 50, 0, 0]])
    assert label_terms(counts, support, TOKENS, 9) == [["match", "goal"], ["vote", "the"]]
    assert label_terms(counts, support, TOKENS, 1) == [["match"], ["vote"]]
    assert label_terms(counts, counts, TOKENS, 1)[0] == ["copied"]


def test_a_region_without_documents_has_no_label() -> None:
    counts = np.array([[5, 4], [0, 0]])
    assert label_terms(counts, counts, ["a", "b"], 3)[1] == []
