"""Checks z of single n-grams if the same prompts are asked on every day of a window.

    python benchmarks/returning_prompts.py

A day's states have a prompt once, so seven days are seven clusters. That is why a night uses blocks
of prompts as the units of z if prompts return. Here counts of n-grams are drawn with a rate for
each prompt, human and model alike, so that z should be standard normal and |z| > 1.96 in 5% of the
n-grams. `cv` is the coefficient of variation of the prompts' rates, `icc` the part of a document's
variance that its prompt explains. Beside clusters of a day stand the same counts with a prompt as
one cluster, and days of new prompts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dftspark.inference.effective_counts import Squares, score

NGRAMS, PROMPTS, DAYS, TOKENS, RATE = 4_000, 500, 7, 300, 2e-3

Counted = NDArray[np.int64]


def rates(rng: np.random.Generator, prompts: int, cv: float) -> NDArray[np.float64]:
    """Returns Gamma rates `(prompts, NGRAMS)`."""
    if cv == 0:
        return np.full((prompts, NGRAMS), RATE)
    return RATE * rng.gamma(cv**-2, cv**2, (prompts, NGRAMS))


def z(human: Counted, model: Counted, tokens: tuple[int, int]) -> NDArray[np.float64]:
    """Returns scores of all n-grams, from clusters `(C, NGRAMS)` of so many tokens each."""
    sizes = len(human) * tokens[0], len(model) * tokens[1]
    rate = (human.sum(axis=0) + model.sum(axis=0)) / sum(sizes)
    present = (human > 0).sum(axis=0) + (model > 0).sum(axis=0)
    sides = [
        Squares(
            side.sum(axis=0), ((side - rate * each) ** 2).sum(axis=0), float(size), float(len(side))
        )
        for side, each, size in zip((human, model), tokens, sizes, strict=True)
    ]
    speaking = [present * size / sum(sizes) for size in sizes]
    return score(sides[0], sides[1], speaking[0], speaking[1]).z


def said(z: NDArray[Any]) -> str:
    return f"sd {z.std():.2f}, beyond 1.96 {np.mean(np.abs(z) > 1.96):.1%}"


def main() -> None:
    rng = np.random.default_rng(1)
    print(f"{NGRAMS} n-grams, {PROMPTS} prompts asked on {DAYS} days, {TOKENS} tokens an answer")
    for times in (1, 4):
        for cv in (0.0, 0.5, 1.0, 2.0):
            human = rng.poisson(rates(rng, times * PROMPTS, cv) * TOKENS)
            one, whole = (TOKENS, TOKENS), (TOKENS, DAYS * TOKENS)
            of_prompt = rates(rng, PROMPTS, cv) * TOKENS
            days = [rng.poisson(of_prompt) for _ in range(DAYS)]
            new = [rng.poisson(rates(rng, PROMPTS, cv) * TOKENS) for _ in range(DAYS)]
            icc = RATE * TOKENS * cv**2 / (RATE * TOKENS * cv**2 + 1)
            print(
                f"human prompts {times * PROMPTS:4}  cv {cv:.1f}  icc {icc:.2f}   "
                f"a cluster a day: {said(z(human, np.concatenate(days), one))}   "
                f"one cluster: {said(z(human, sum(days[1:], days[0]), whole))}"
                f"   new prompts: {said(z(human, np.concatenate(new), one))}"
            )


if __name__ == "__main__":
    main()
