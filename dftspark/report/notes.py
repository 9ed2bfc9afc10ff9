"""What a reader must know beside the verdict, on the page and in the terminal alike."""

from __future__ import annotations

from dftspark.report.tell import old
from dftspark.store.run import Run

_OLD = (
    "This run was made before there were tell sizes. Its floors are of halves of the human text, "
    "and p-values, q-values and lists of words may claim too much where the sides are of unlike "
    "sizes. Audit again for numbers that hold."
)


def notes(run: Run) -> list[str]:
    """Sentences that stand under the verdict, the gravest first; they may hold names of a run."""
    return [_OLD] if old(run) else []
