"""Bursty corpora for simulations: Dirichlet-multinomial documents of log-normal lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def zipf(types: int) -> Floats:
    rates = 1 / (np.arange(types) + 2.7)
    return np.asarray(rates / rates.sum())


def tilted(rates: Floats, by: float, seed: int = 5) -> Floats:
    """Rates of another source, `by` the standard deviation of the log ratio."""
    other = rates * np.exp(by * np.random.default_rng(seed).standard_normal(len(rates)))
    return np.asarray(other / other.sum())


def documents(
    rng: np.random.Generator,
    n: int,
    rates: Floats,
    *,
    concentration: float = 30.0,
    length: float = 100.0,
) -> Floats:
    """Counts `(n, types)`; `rates` is `(types,)` or `(n, types)`; smaller concentration, burstier.

    Every n-gram's variance in a document of N tokens is that of independent tokens times
    1 + (N - 1) / (concentration + 1).
    """
    lengths = np.maximum(1, np.rint(rng.lognormal(np.log(length) - 0.18, 0.6, n))).astype(int)
    topics = rng.standard_gamma(np.broadcast_to(concentration * rates, (n, rates.shape[-1])))
    topics += 1e-300  # no document without a token
    return rng.multinomial(lengths, topics / topics.sum(axis=1, keepdims=True)).astype(float)


@dataclass(frozen=True, eq=False)
class Blocked:
    """Block sums of both sides in the order that the functions take them."""

    human: Floats
    model: Floats
    human_sizes: Floats
    model_sizes: Floats

    @property
    def all(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.human, self.model, self.human_sizes, self.model_sizes

    @property
    def rates(self) -> tuple[Floats, Floats]:
        return (
            self.human.sum(axis=0) / self.human_sizes.sum(),
            self.model.sum(axis=0) / self.model_sizes.sum(),
        )


def block_sums(counts: Floats, block: NDArray[np.int64], blocks: int) -> Floats:
    out = np.zeros((blocks, counts.shape[1]))
    np.add.at(out, block, counts)
    return out


def blocked(
    rng: np.random.Generator,
    human: Floats,
    model: Floats,
    blocks: int,
    *,
    human_block: NDArray[np.int64] | None = None,
    model_block: NDArray[np.int64] | None = None,
) -> Blocked:
    """Documents in blocks of their own hash, or in the blocks given."""
    if human_block is None:
        human_block = rng.integers(0, blocks, len(human))
    if model_block is None:
        model_block = rng.integers(0, blocks, len(model))
    h, m = block_sums(human, human_block, blocks), block_sums(model, model_block, blocks)
    return Blocked(h, m, h.sum(axis=1), m.sum(axis=1))


def independent(
    rng: np.random.Generator, n: int, m: int, blocks: int, rates: Floats, other: Floats
) -> Blocked:
    return blocked(rng, documents(rng, n, rates), documents(rng, m, other), blocks)


def prompted(
    rng: np.random.Generator,
    prompts: int,
    each: int,
    blocks: int,
    rates: Floats,
    other: Floats,
    topic: float = 0.7,
) -> Blocked:
    """One human and `each` model documents a prompt, all with the prompt's topic.

    `topic` is the standard deviation over prompts of the log of a rate.
    """
    topics = np.exp(topic * rng.standard_normal((prompts, len(rates))))
    mine, others = topics * rates, topics * other
    block = rng.integers(0, blocks, prompts)
    return blocked(
        rng,
        documents(rng, prompts, mine / mine.sum(axis=1, keepdims=True)),
        documents(
            rng, prompts * each, np.repeat(others / others.sum(axis=1, keepdims=True), each, axis=0)
        ),
        blocks,
        human_block=block,
        model_block=np.repeat(block, each),
    )
