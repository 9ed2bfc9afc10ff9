"""What a run will ask: what the store lacks, what its parts may spend, an estimate of its price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dftspark.config import Endpoint
from dftspark.endpoints.answers import LOST
from dftspark.endpoints.budget import Limits, price
from dftspark.endpoints.journal import Entry

_ENOUGH = 20  # answers from which the habits of a model are learned


class Request(Protocol):
    """A body with a key of its content, and an estimate of the tokens that it is read as."""

    @property
    def key(self) -> bytes: ...

    @property
    def tokens_in(self) -> int: ...


R = TypeVar("R", bound=Request)


class Caps(Protocol):
    """The settings that bound what a run may spend."""

    @property
    def max_requests(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def max_cost(self) -> float: ...


@dataclass(frozen=True)
class SpendEstimate:
    """What is left to ask of one model. `cost` is about what it will be, `most` what it can be at
    the model's token limit."""

    model: str
    requests: int
    stored: int
    lost: int
    missing: int
    tokens_in: int
    tokens_out: int
    cost: float
    most: float


def lacking(requests: Iterable[R], known: Mapping[bytes, Entry], again: bool) -> list[R]:
    """Returns the requests without an answer, each once, in their order.

    With `again` what was sent without hearing of it is asked once more.
    """
    seen = {key for key, entry in known.items() if not (again and entry.unheard)}
    found = []
    for request in requests:
        if request.key not in seen:
            seen.add(request.key)
            found.append(request)
    return found


def shares(caps: Caps, cut: Sequence[tuple[Endpoint, Sequence[Request]]]) -> list[Limits]:
    """Splits the caps of a run over its parts, by the most that each can spend."""
    whole = Limits(caps.max_requests, caps.max_tokens, caps.max_cost)
    tokens = [sum(r.tokens_in + e.most_tokens_out for r in own) for e, own in cut]
    costs = [sum(price(e, r.tokens_in, e.most_tokens_out) for r in own) for e, own in cut]
    return whole.split([len(own) for _, own in cut], tokens, costs)


def estimated(
    endpoint: Endpoint,
    every: Sequence[R],
    missing: Sequence[R],
    known: Mapping[bytes, Entry],
    expected: Callable[[R], float],
) -> SpendEstimate:
    """Estimates what the `missing` of a model's requests will cost.

    `expected` is how many tokens an answer has, until enough answers have shown what it has.
    """
    own = {request.key: request for request in every}
    stored = [(request, known[key].said) for key, request in own.items() if key in known]
    lost = sum(said.problem == LOST for _, said in stored)
    heard = [(request, said) for request, said in stored if said.tokens_in]
    read = write = 1.0
    if missing and len(heard) >= _ENOUGH:
        read = sum(s.tokens_in for _, s in heard) / max(sum(r.tokens_in for r, _ in heard), 1)
        write = sum(s.tokens_out for _, s in heard) / max(sum(expected(r) for r, _ in heard), 1)
    tokens_in = read * sum(request.tokens_in for request in missing)
    tokens_out = write * sum(map(expected, missing))
    return SpendEstimate(
        model=endpoint.name,
        requests=len(own),
        stored=len(stored) - lost,
        lost=lost,
        missing=len(missing),
        tokens_in=round(tokens_in),
        tokens_out=round(tokens_out),
        cost=price(endpoint, tokens_in, tokens_out),
        most=price(endpoint, tokens_in, endpoint.most_tokens_out * len(missing)),
    )
