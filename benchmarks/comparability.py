"""Counts how often `comparability` names a difference between two parts of one human text.

    python benchmarks/comparability.py DATA [SPLITS]

Parts share no prompt. A part has 50 or 1,000 documents, or half of all; tokens that carry L2
squared are checked too. Nothing should be named, so the printed table should have zeros.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark.corpus.blocks import block_of
from dftspark.lenses import comparability
from dftspark.stats.surface import Surface, SurfaceSums
from dftspark.text import surface
from dftspark.text.surface import Surfaces
from dftspark.text.tokens import Words

CORPORA = ("biscope", "fdg", "outfox")
SIZES = ((0, 0), (50, 1_000), (1_000, 50))  # 0: half of all


class Human:
    """The human documents of a corpus, read once."""

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path, columns=["model", "text", "prompt_id"])
        table = table.filter(pc.is_null(table["model"]))
        texts = table["text"].combine_chunks()
        self.prompts = np.array(table["prompt_id"].to_pylist(), str)
        blocks = block_of(table["prompt_id"]).astype(np.int64)
        self.surfaces = surface.of(texts.to_pylist(), blocks)
        tokens = Words().tokenize(texts)
        self.kinds, kind = np.unique(tokens.hashes, return_inverse=True)
        document = np.repeat(np.arange(len(texts)), np.diff(tokens.offsets))
        pairs, self.counts = np.unique(np.stack([document, kind]), axis=1, return_counts=True)
        self.document, self.kind = pairs

    def sums(self, chosen: NDArray[np.int64]) -> SurfaceSums:
        part = {f.name: getattr(self.surfaces, f.name)[chosen] for f in fields(Surfaces)}
        return Surface().observe(replace(self.surfaces, **part))

    def tokens(self, chosen: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns rates of the tokens, and the number of documents that contain each."""
        own = np.isin(self.document, chosen)
        count = np.bincount(self.kind[own], self.counts[own], len(self.kinds))
        return count / count.sum(), np.bincount(self.kind[own], minlength=len(self.kinds))

    def parts(self, sizes: tuple[int, int], rng: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns documents of different prompts, about as many as asked for."""
        prompts, number = np.unique(self.prompts, return_inverse=True)
        place = rng.permutation(len(prompts))[number]
        order = np.argsort(place, kind="stable")
        first = min(sizes[0] or len(order) // 2, len(order) - 50)
        cut = int(np.searchsorted(place[order], place[order[first]]))
        end = min(len(order), cut + sizes[1]) if sizes[1] else len(order)
        return order[:cut], order[cut:end]


def named(human: Human, sizes: tuple[int, int], rng: Any) -> list[str]:
    sides = human.parts(sizes, rng)
    rows = comparability.rows(*(human.sums(side) for side in sides))
    (p, has_p), (q, has_q) = (human.tokens(side) for side in sides)
    square = (q - p) ** 2
    listed = [
        {
            "text": str(i),
            "share": square[i] / square.sum(),
            "contribution": q[i] - p[i],
            "docs_human": int(has_p[i]),
            "docs_model": int(has_q[i]),
        }
        for i in np.flatnonzero(square > 0.2 * square.sum())
    ]
    rows += comparability.token_rows(listed, (len(sides[0]), len(sides[1])))
    return [row.property.split()[0] for row in rows if row.differs]


def main(data: str, splits: str = "100") -> None:
    print(f"{'corpus':10}{'sizes':>14}{'splits':>8}{'with any':>10}  what")
    for name in CORPORA:
        human = Human(Path(data) / f"{name}.parquet")
        for sizes in SIZES:
            rng = np.random.default_rng(0)
            found = [named(human, sizes, rng) for _ in range(int(splits))]
            what = Counter(word for names in found for word in names)
            said = " v ".join(str(size or "half") for size in sizes)
            told = ", ".join(f"{word} {count}" for word, count in what.items())
            print(f"{name:10}{said:>14}{len(found):8}{sum(map(bool, found)):10}  {told}")


if __name__ == "__main__":
    main(*sys.argv[1:])
