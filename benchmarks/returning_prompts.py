"""What z of single n-grams says where the same prompts are asked on every day of a window.

    python benchmarks/returning_prompts.py

A day's states have a prompt once: seven days are seven clusters. That is why a night takes blocks
of prompts for the units of z where prompts return. Here counts of n-grams
are drawn with a rate for each prompt, human and model alike, so that z should be standard normal
and |z| > 1.96 in 5% of the n-grams. `cv` is the coefficient of variation of the prompts' rates,
`icc` what part of a document's variance is its prompt's. Beside clusters of a day stand the
same counts with a prompt as one cluster, and days of new prompts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dftspark.distances.ngram_table import Counts, rate_z

NGRAMS, PROMPTS, DAYS, TOKENS, RATE = 4_000, 500, 7, 300, 2e-3

Counted = NDArray[np.int64]


def rates(rng: np.random.Generator, prompts: int, cv: float) -> NDArray[np.float64]:
    """Gamma rates `(prompts, NGRAMS)`."""
    if cv == 0:
        return np.full((prompts, NGRAMS), RATE)
    return RATE * rng.gamma(cv**-2, cv**2, (prompts, NGRAMS))


def counts(clusters: Counted, tokens: int) -> Counts:
    """Of clusters `(C, NGRAMS)` of so many tokens each."""
    number = len(clusters)
    return Counts(
        count=clusters.sum(axis=0),
        squares=(clusters**2).sum(axis=0),
        cross=clusters.sum(axis=0) * tokens,
        tokens=float(number * tokens),
        squared_tokens=float(number * tokens**2),
        clusters=number,
    )


def said(z: NDArray[Any]) -> str:
    return f"sd {z.std():.2f}, beyond 1.96 {np.mean(np.abs(z) > 1.96):.1%}"


def main() -> None:
    rng = np.random.default_rng(1)
    print(f"{NGRAMS} n-grams, {PROMPTS} prompts asked on {DAYS} days, {TOKENS} tokens an answer")
    for times in (1, 4):
        for cv in (0.0, 0.5, 1.0, 2.0):
            human = counts(rng.poisson(rates(rng, times * PROMPTS, cv) * TOKENS), TOKENS)
            of_prompt = rates(rng, PROMPTS, cv) * TOKENS
            days = [rng.poisson(of_prompt) for _ in range(DAYS)]
            new = [rng.poisson(rates(rng, PROMPTS, cv) * TOKENS) for _ in range(DAYS)]
            icc = RATE * TOKENS * cv**2 / (RATE * TOKENS * cv**2 + 1)
            print(
                f"human prompts {times * PROMPTS:4}  cv {cv:.1f}  icc {icc:.2f}   "
                f"a cluster a day: {said(rate_z(human, counts(np.concatenate(days), TOKENS)))}   "
                f"one cluster: {said(rate_z(human, counts(sum(days[1:], days[0]), DAYS * TOKENS)))}"
                f"   new prompts: {said(rate_z(human, counts(np.concatenate(new), TOKENS)))}"
            )


if __name__ == "__main__":
    main()
