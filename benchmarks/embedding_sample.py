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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Embedding
from dftspark.lenses.embeddings.sample_size import SquareError, error_of, kernel_of, square_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedders import CORPORA, loaded, texts_of

SUBSAMPLE, DRAWS = 100, 300
WANTED = (0.2, 0.1, 0.05)


def tell_size(error: SquareError) -> float:
    noise = float(np.sqrt(error.pairs))
    pooled = np.sqrt(noise**2 + error.square**2 / 2)
    return float((1.6449 * pooled + 0.8416 * noise) / error.square)


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
                f"{corpus + ' ' + name:<32}{tell_size(error):>6.0f}{drawn:>15.3f}"
                f"{error.of(SUBSAMPLE, pool):>9.3f}{error.of(2_000):>10.3f}{counts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
