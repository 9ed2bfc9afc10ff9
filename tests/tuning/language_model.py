"""A language model so small that every expectation is a sum: its gradients are exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, product
from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EnumerableModel:
    """A bigram model of strings of `length` tokens: `logits` `(V + 1, V)` behind each token, the
    first row at the beginning."""

    logits: Floats
    length: int = 3

    @cached_property
    def strings(self) -> NDArray[np.int64]:
        return np.array(list(product(range(self.logits.shape[1]), repeat=self.length)))

    @cached_property
    def steps(self) -> Floats:
        """log q of each token, `(strings, length)`."""
        exact = self.logits - np.log(np.exp(self.logits).sum(axis=1, keepdims=True))
        before = np.hstack([np.zeros((len(self.strings), 1), int), self.strings[:, :-1] + 1])
        return np.asarray(exact[before, self.strings])

    @property
    def probabilities(self) -> Floats:
        return np.asarray(np.exp(self.steps.sum(axis=1)))

    @cached_property
    def step_gradients(self) -> Floats:
        """The gradient of log q of each token by the logits, `(strings, length, parameters)`."""
        shares = np.exp(self.logits) / np.exp(self.logits).sum(axis=1, keepdims=True)
        out = np.zeros((*self.strings.shape, *self.logits.shape))
        for s, string in enumerate(self.strings):
            before = 0
            for t, token in enumerate(string):
                out[s, t, before] = -shares[before]
                out[s, t, before, token] += 1
                before = token + 1
        return out.reshape(*self.strings.shape, -1)

    @property
    def gradients(self) -> Floats:
        return np.asarray(self.step_gradients.sum(axis=1))

    def samples(self, n: int) -> tuple[NDArray[np.int64], Floats]:
        """All sets of n draws, as rows of strings, and their probabilities."""
        sets = np.array(list(combinations_with_replacement(range(len(self.strings)), n)))
        ways = np.array([_ways(row) for row in sets.tolist()], np.float64)
        return sets, ways * self.probabilities[sets].prod(axis=1)


def _ways(row: list[int]) -> int:
    out = factorial(len(row))
    for value in set(row):
        out //= factorial(row.count(value))
    return out
