"""The documents that make the difference: the witness function of MMD without each one's own part.

The witness is f(x) = phi(x) . (mean of the model's phi - mean of the human's phi): positive where
the model writes more than humans do. A document, or a block of documents that belong together, is
also a part of the mean it is compared with, which would make it look like its side; each form below
takes that part out, as one estimate of MMD squared does, and with that estimate
    mean of f over model documents - mean of f over human documents = MMD squared

Cost     2 F operations a document; directions take 16 S F bytes
Source   Gretton et al. (2012), section 2.3, for the witness; the forms without a document's own
         part follow from the U-statistics by splitting their sums
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.errors import ShapeError

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

HUMAN, MODEL = 0, 1


@dataclass(frozen=True, eq=False)
class Witness:
    """f(x) = phi . directions[side, block] - offsets[side, block] - own[side] |phi|^2.

    directions  (2, S, F)  what documents of each side and block are compared with; (1, S, F)
                           where it is the same for both
    offsets     (2, S)     what centering takes off, or (1, S)
    own         (2,)       weight of the document itself, 0 where its whole block is left out
    """

    directions: Floats
    offsets: Floats
    own: Floats

    def score(self, phi: NDArray[np.floating[Any]], side: int, blocks: Integers) -> Floats:
        """Returns scores `(B,)` of documents of one side with features `(B, F)` in `blocks` `(B,)`.

        In units of the kernel; positive is like the model. The score of a document is the same bit
        for bit whatever else is in the batch. nan where a side has fewer than two documents, or two
        filled blocks. Raises ShapeError.
        """
        count, width = self.directions.shape[1:]
        if phi.ndim != 2 or phi.shape != (len(blocks), width):
            raise ShapeError(
                f"features have shape {phi.shape}; give one row of {width} for each of "
                f"{len(blocks)} block numbers"
            )
        within = np.asarray(blocks, np.int64) % count
        held = min(side, len(self.directions) - 1)
        return np.asarray(
            _scores(
                np.ascontiguousarray(phi),
                within,
                self.directions[held],
                self.offsets[held],
                self.own[side],
            )
        )


def without_document(human: Floats, model: Floats, n: int, m: int) -> Witness:
    """Returns the witness of the U-statistic over pairs of documents, from sums `(F,)` of n and m.

    Right where documents are independent; where a prompt, page or author has several, use the form
    without the block.
    """
    if human.shape != model.shape or human.ndim != 1:
        raise ShapeError(f"sums have shapes {human.shape} and {model.shape}; give (F,) twice")
    with np.errstate(divide="ignore", invalid="ignore"):
        directions = np.stack([model / m - human / (n - 1), model / (m - 1) - human / n])
        own = np.array([-1, 1]) / np.array([n - 1, m - 1], float)
    return Witness(directions[:, None], np.zeros((2, 1)), own)


def without_block(
    human: Floats,
    model: Floats,
    human_sizes: Floats,
    model_sizes: Floats,
    *,
    center: Floats | None = None,
) -> Witness:
    """Returns the witness of the U-statistic over block pairs, from sums `(S, F)`, sizes `(S,)`.

    A document of block j is compared with its side without block j, in the scale that all blocks
    share, n / (n^2 - sum n_j^2). So blocks hashed to unlike sizes are compared with means of unlike
    length; only centering, phi - center with center `(F,)` near both means, cancels that. Give the
    center of the estimate of MMD squared, or None for none.
    """
    sums, sizes, totals = _centered(human, model, human_sizes, model_sizes, center)
    means = sums.sum(axis=1) / totals[:, None]
    pairs = totals**2 - (sizes**2).sum(axis=1)
    scale = np.where(pairs > 0, totals / np.where(pairs > 0, pairs, 1), np.nan)
    others = (sums.sum(axis=1)[:, None] - sums) * scale[:, None, None]
    directions = np.stack([means[MODEL] - others[HUMAN], others[MODEL] - means[HUMAN]])
    return _witness(directions, center)


def without_block_difference(
    human: Floats,
    model: Floats,
    human_sizes: Floats,
    model_sizes: Floats,
    *,
    center: Floats | None = None,
) -> Witness:
    """Returns the witness of the paired U-statistic over blocks, for sides that share prompts.

    With B_j the difference of both sides' shares in block j, a document of either side in block j
    is compared with (sum of B - B_j) / (1 - sum s_j^2), s_j the mean share of documents in block j:
    neither side's answers to its prompt count. Arguments as `without_block`.
    """
    sums, sizes, totals = _centered(human, model, human_sizes, model_sizes, center)
    shares = sums / totals[:, None, None]
    differences = shares[MODEL] - shares[HUMAN]
    pairs = 1 - ((sizes / totals[:, None]).mean(axis=0) ** 2).sum()
    directions = (differences.sum(axis=0) - differences) / (pairs if pairs > 0 else np.nan)
    return _witness(directions[None], center)


def top(scores: Floats, doc_ids: NDArray[Any], count: int, *, largest: bool) -> NDArray[np.int64]:
    """Returns indices of the `count` documents of largest, or smallest, score `(B,)`, best first.

    Of equal scores the smaller doc_id wins. The top of all documents is the top of the tops of any
    parts of them. nan is in no list.
    """
    known = np.flatnonzero(~np.isnan(scores))
    keys = -scores[known] if largest else scores[known]
    if len(known) > count > 0:
        # Ties at the border stay in until their names are compared.
        border = np.partition(keys, count - 1)[count - 1]
        known, keys = known[keys <= border], keys[keys <= border]
    return np.asarray(known[np.lexsort((doc_ids[known], keys))[:count]], np.int64)


def _centered(
    human: Floats,
    model: Floats,
    human_sizes: Floats,
    model_sizes: Floats,
    center: Floats | None,
) -> tuple[Floats, Floats, Floats]:
    """Returns sums `(2, S, F)`, sizes `(2, S)` and totals `(2,)`, nan where a side is empty."""
    if human.ndim != 2 or human.shape != model.shape:
        raise ShapeError(
            f"block sums have shapes {human.shape} and {model.shape}; give (S, F) for each side"
        )
    if human_sizes.shape != (len(human),) or model_sizes.shape != (len(human),):
        raise ShapeError(
            f"block sizes have shapes {human_sizes.shape} and {model_sizes.shape}; give one "
            f"number of documents for each of {len(human)} blocks"
        )
    sums = np.stack([human, model]).astype(np.float64)
    sizes = np.stack([human_sizes, model_sizes]).astype(np.float64)
    if center is not None:
        sums -= sizes[:, :, None] * center
    totals = sizes.sum(axis=1)
    return sums, sizes, np.where(totals > 0, totals, np.nan)


def _witness(directions: Floats, center: Floats | None) -> Witness:
    offsets = np.zeros(directions.shape[:2]) if center is None else directions @ center
    return Witness(directions, offsets, np.zeros(2))


@compiled
def _scores(phi: Any, blocks: Any, directions: Any, offsets: Any, own: Any) -> Any:
    """Runs a plain loop: a matrix product would round a row depending on the rest of the batch."""
    out = np.empty(len(phi), np.float64)
    width = phi.shape[1]
    whole = width - width % 4
    for i in range(len(phi)):
        direction = directions[blocks[i]]
        # Four sums at once hide the latency of addition; their order is fixed.
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for f in range(0, whole, 4):
            a += np.float64(phi[i, f]) * direction[f]
            b += np.float64(phi[i, f + 1]) * direction[f + 1]
            c += np.float64(phi[i, f + 2]) * direction[f + 2]
            d += np.float64(phi[i, f + 3]) * direction[f + 3]
        for f in range(whole, width):
            a += np.float64(phi[i, f]) * direction[f]
        score = (a + b) + (c + d) - offsets[blocks[i]]
        if own != 0:
            square = 0.0
            for f in range(width):
                square += np.float64(phi[i, f]) ** 2
            score -= own * square
        out[i] = score
    return out
