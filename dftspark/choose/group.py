"""Chooses some prompts of a pool together: the work of one task.

Prompts and samples are taken in the order of a hash of their names, so the choice does not depend
on the order of the rows. Each group is chosen separately against the same target: the gap of their
union is the mean of their gaps, and never longer than the longest of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.choose import exchange
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.choose.sums import ChoiceSums, summed
from dftspark.text.hashing import digest64


@dataclass(frozen=True, eq=False)
class Chosen:
    """picked   (N,) whether each row was chosen, in the order the rows came
    gaps      of the first pass and each sweep
    before    sums of the pool: the mean over its samples of each prompt
    after     sums of what was chosen
    """

    picked: NDArray[np.bool_]
    gaps: tuple[float, ...]
    before: ChoiceSums
    after: ChoiceSums


def chosen(
    features: Features,
    scale: ColumnScale,
    rows: pa.Table,
    vectors: NDArray[np.float32] | None,
    *,
    sweeps: int,
    seed: int,
) -> Chosen:
    """Chooses from `rows` with key (of the prompt), corpus, doc_id, text and block; `vectors`
    `(N, dim)`."""
    order, starts = arranged(
        rows["key"].to_pylist(), rows["corpus"].to_pylist(), rows["doc_id"].to_pylist(), seed
    )
    raw = features.of(rows["text"].combine_chunks(), vectors)[order]
    blocks = rows["block"].to_numpy()[order]
    found = exchange.choose(scale.scaled(raw), starts, sweeps)
    picked = np.zeros(len(order), bool)
    picked[order[found.rows]] = True
    firsts = starts[:-1]
    counts = np.diff(starts)[:, None]
    means = np.add.reduceat(raw, firsts, axis=0, dtype=np.float64) / counts
    return Chosen(
        picked,
        found.gaps,
        summed(features, means, blocks[firsts]),
        summed(features, raw[found.rows], blocks[found.rows]),
    )


def arranged(
    keys: list[str], corpora: list[str], names: list[str], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns rows in order, samples of a prompt side by side, `(N,)`, and where prompts start,
    `(P + 1,)`."""
    purpose = f"dftspark choose v1 {seed}"
    places = {key: (digest64(key, purpose), key) for key in set(keys)}
    own = [digest64(f"{len(c)} {c} {n}", purpose) for c, n in zip(corpora, names, strict=True)]
    order = sorted(range(len(keys)), key=lambda i: (places[keys[i]], own[i], corpora[i], names[i]))
    starts = [i for i, row in enumerate(order) if not i or keys[row] != keys[order[i - 1]]]
    return np.array(order, np.int64), np.array([*starts, len(order)], np.int64)
