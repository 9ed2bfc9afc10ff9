"""The budget of a run: requests, tokens and money, of which each task has a part.

Before a request is sent, the most that it can cost is set aside; when its answer arrives, the
actual cost is counted instead. So all tasks together never exceed the cap, except by what an
endpoint counts beyond the estimate of a single request's tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from dftspark.config import Endpoint
from dftspark.endpoints.journal import Heard


@dataclass(frozen=True)
class Limits:
    """The most that may be sent: requests, tokens read and written, and their price."""

    requests: int
    tokens: int
    cost: float

    def split(
        self, requests: Sequence[float], tokens: Sequence[float], costs: Sequence[float]
    ) -> list[Limits]:
        """Returns a part for each element, in proportion to it; together no more than the whole.

        Where nothing costs anything, each part has the whole of the cost.
        """
        numbers = [int(self.requests * share) for share in _shares(requests)]
        for i in range(min(self.requests - sum(numbers), len(numbers))):
            numbers[i] += 1
        parts = zip(numbers, _shares(tokens), _shares(costs), strict=True)
        free = not sum(costs)
        return [
            Limits(n, int(self.tokens * of), self.cost * (1.0 if free else cost))
            for n, of, cost in parts
        ]


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total if total else 0.0 for weight in weights]


class Budget:
    """A task's limits and what it has spent. Safe to use from many threads."""

    def __init__(self, limits: Limits, endpoint: Endpoint, heard: Heard) -> None:
        """`heard` is what an attempt of the same task, since killed, had sent already."""
        self._limits, self._endpoint = limits, endpoint
        self._lock = threading.Lock()
        self._held_tokens, self._held_cost = 0.0, 0.0
        answers = [entry.said for entry in heard.answered.values()]
        self.requests = heard.requests
        self.tokens_in = sum(answer.tokens_in for answer in answers)
        self.tokens_out = sum(answer.tokens_out for answer in answers)
        self.spent = False

    @property
    def cost(self) -> float:
        return price(self._endpoint, self.tokens_in, self.tokens_out)

    def take(self, tokens_in: int) -> bool:
        """Sets aside the most that one request can cost, or returns False if it would not fit."""
        with self._lock:
            tokens, cost = self._most(tokens_in)
            used = self.tokens_in + self.tokens_out
            fits = (
                self.requests < self._limits.requests
                and used + self._held_tokens + tokens <= self._limits.tokens
                and self.cost + self._held_cost + cost <= self._limits.cost
            )
            if not fits:
                self.spent = True
                return False
            self.requests += 1
            self._held_tokens += tokens
            self._held_cost += cost
            return True

    def settle(self, tokens_in: int, counted_in: int, counted_out: int, attempts: int) -> None:
        """Counts the actual cost of a request estimated at `tokens_in` and sent `attempts` times.

        The cost of a failed attempt is not known; only the request is counted for it.
        """
        with self._lock:
            tokens, cost = self._most(tokens_in)
            self._held_tokens = max(self._held_tokens - attempts * tokens, 0.0)
            self._held_cost = max(self._held_cost - attempts * cost, 0.0)
            self.tokens_in += counted_in
            self.tokens_out += counted_out

    def _most(self, tokens_in: int) -> tuple[float, float]:
        out = self._endpoint.most_tokens_out
        return tokens_in + out, price(self._endpoint, tokens_in, out)


def price(endpoint: Endpoint, tokens_in: float, tokens_out: float) -> float:
    """Returns the price in the currency of the endpoint."""
    return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1e6
