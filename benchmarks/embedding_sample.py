"""Estimates how many texts must be embedded for an MMD of a given precision.

    python benchmarks/embedding_sample.py [--data FOLDER]

The standard error of MMD squared (Gaussian kernel, unbiased, static embedder) with n texts a side
has two parts: the error of a mean, of the witness function over either side, which falls as 1 /
sqrt(n), and the error of the pairs, which falls as 1 / n and is the only one between equal sources.
Both are estimated from up to 1,000 texts a side, compared with the scatter of random subsamples of
100, and give the documents a side for an error of 20, 10 and 5% of MMD squared, beside the tell
size.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Embedding

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedders import CORPORA, loaded, squared_distances, texts_of

SUBSAMPLE, DRAWS = 100, 300
WANTED = (0.2, 0.1, 0.05)


@dataclass(frozen=True)
class Error:
    """square   MMD squared
    linear   n times the variance that falls as 1 / n
    pairs    n² times the variance that falls as 1 / n²
    """

    square: float
    linear: float
    pairs: float

    def of(self, n: float, pool: float = np.inf) -> float:
        """Returns the relative standard error with n texts a side, drawn from `pool`."""
        left = 1 - n / pool
        return float(np.sqrt(left * self.linear / n + left**2 * self.pairs / n**2) / self.square)

    def documents(self, relative: float) -> float:
        """Returns the number of texts a side at which the error is `relative`."""
        target = (relative * self.square) ** 2
        return float((self.linear + np.sqrt(self.linear**2 + 4 * target * self.pairs)) / 2 / target)

    @property
    def tell(self) -> float:
        noise = float(np.sqrt(self.pairs))
        pooled = np.sqrt(noise**2 + self.square**2 / 2)
        return float((1.6449 * pooled + 0.8416 * noise) / self.square)


def kernel_of(human: NDArray[Any], model: NDArray[Any]) -> NDArray[np.float64]:
    both = np.concatenate([human, model]).astype(np.float64)
    distances = squared_distances(both, both)
    median = np.median(distances[np.triu_indices(len(both), 1)])
    found: NDArray[np.float64] = np.exp(-distances / (2 * median))
    return found


def square_of(kernel: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> float:
    def within(at: NDArray[Any]) -> float:
        own = kernel[np.ix_(at, at)]
        return float((own.sum() - np.trace(own)) / (len(at) * (len(at) - 1)))

    return within(x) + within(y) - 2 * float(kernel[np.ix_(x, y)].mean())


def error_of(kernel: NDArray[Any], humans: int) -> Error:
    x, y = np.arange(humans), np.arange(humans, len(kernel))
    witness = kernel[:, y].mean(axis=1) - kernel[:, x].mean(axis=1)
    linear = 4 * (witness[x].var(ddof=1) + witness[y].var(ddof=1))
    pairs = 0.0
    for own, other, weight in ((x, x, 2.0), (y, y, 2.0), (x, y, 4.0)):
        part = kernel[np.ix_(own, other)]
        centered = part - part.mean(axis=0) - part.mean(axis=1)[:, None] + part.mean()
        if own is other:
            np.fill_diagonal(centered, 0)
        pairs += weight * float((centered**2).mean())
    return Error(square_of(kernel, x, y), float(linear), pairs)


def scatter(kernel: NDArray[Any], humans: int, rng: np.random.Generator) -> float:
    models = len(kernel) - humans
    drawn = [
        square_of(
            kernel,
            rng.choice(humans, SUBSAMPLE, replace=False),
            humans + rng.choice(models, SUBSAMPLE, replace=False),
        )
        for _ in range(DRAWS)
    ]
    return float(np.std(drawn))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside)
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"the reference corpora are not in {args.data}; --data names their folder")
    embedder = loaded(Embedding(embedder="static"))
    rng = np.random.default_rng(0)
    print(
        f"{'':<32}{'tell':>6}{'at 100: drawn':>15}{'formula':>9}{'at 2,000':>10}"
        + "".join(f"{f'{wanted:.0%} with':>10}" for wanted in WANTED)
    )
    for corpus in CORPORA:
        texts = texts_of(args.data, corpus)
        human = embedder.encode(texts.pop("")).vectors
        for name, own in texts.items():
            model = embedder.encode(own).vectors
            kernel = kernel_of(human, model)
            error = error_of(kernel, len(human))
            drawn = scatter(kernel, len(human), rng) / error.square
            counts = "".join(f"{error.documents(wanted):>10,.0f}" for wanted in WANTED)
            pool = 2 / (1 / len(human) + 1 / len(model))
            print(
                f"{corpus + ' ' + name:<32}{error.tell:>6.0f}{drawn:>15.3f}"
                f"{error.of(SUBSAMPLE, pool):>9.3f}{error.of(2_000):>10.3f}{counts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
