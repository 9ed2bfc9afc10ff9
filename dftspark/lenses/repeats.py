"""Effects on every test of a corpus whose clusters repeat each other, and when to report them.

Every test takes clusters for independent, and nothing can repair its p afterwards. Repeats are
merged only on request: a model that writes the same thing again does not make its answers
dependent.
"""

from __future__ import annotations

from dftspark.corpus.parts import corpus_of
from dftspark.stats.copies_sketch import Copies

TOLD = 1.06  # of 25 sides of 8 corpora, those that repeat nothing are below it
WITHHELD = 1.5  # on the human side; above it no test is worth printing


def warning(corpus: str, role: str, found: Copies, documents: int) -> str:
    """Returns the warning on a corpus; empty where it hardly repeats itself, or is unknown."""
    if not found.effect > TOLD:
        return ""
    about = documents / found.effect
    said = (
        f"{found.share:.0%} of {corpus} repeat another cluster's text: p, q and intervals take "
        f"them for independent (about as if there were {about:,.0f} documents, not {documents:,}). "
        f"If they are stored twice, give them one cluster "
        f"(`corpora.{corpus_of(corpus)}.join_copies = true`, or "
        '`columns.cluster = "text"` for copies to the letter)'
    )
    if withholds_tests(role, found):
        return f"{said}. Until then no q and no verdict is given, only distances"
    return (
        said
        if role == "human"
        else (f"{said}; if the model really wrote the same thing again, nothing is wrong")
    )


def withholds_tests(role: str, found: Copies) -> bool:
    """Returns whether the human side repeats itself so much that only distances can be given."""
    return role == "human" and found.effect > WITHHELD
