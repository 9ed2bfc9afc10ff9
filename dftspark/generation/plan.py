"""Plans the requests of a run: those the store lacks, divided by address, with an estimated
price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dftspark.config import Endpoint
from dftspark.config.generate import Generate, Writer
from dftspark.endpoints.answers import LOST
from dftspark.endpoints.budget import Limits, price
from dftspark.endpoints.journal import Entry
from dftspark.generation.requests import Request

_TOKENS_A_TARGET = 1.1  # tokens of a text for each that its brief asks for
_TOKENS_OUT = 400  # of a text whose brief names no length
_ENOUGH = 20  # texts of a model from which its habits are learned


@dataclass(frozen=True)
class Estimate:
    """Estimate for one model: `cost` is the expected price, `most` the price at its token limit."""

    model: str
    requests: int
    stored: int
    lost: int
    missing: int
    tokens_in: int
    tokens_out: int
    cost: float
    most: float


@dataclass(frozen=True)
class Part:
    """Requests of one address, in the order in which they are asked, and what it may spend."""

    writer: Writer
    endpoint: Endpoint
    requests: Sequence[Request]
    limits: Limits


@dataclass(frozen=True)
class Plan:
    """`known` are the stored texts; `missing` are the requests to send, in order."""

    requests: Sequence[Request]
    known: Mapping[bytes, Entry]
    missing: Sequence[Request]
    estimates: Sequence[Estimate]

    @classmethod
    def of(
        cls,
        requests: Iterable[Request],
        known: Mapping[bytes, Entry],
        settings: Generate,
        again: bool = False,
    ) -> Plan:
        """Plans the requests. `again` repeats those that were sent but never answered."""
        every = list(requests)
        seen = {key for key, entry in known.items() if not (again and entry.unheard)}
        missing = [request for request in every if request.key not in seen]
        estimates = [_estimate(one, every, missing, known) for one in settings.models]
        return cls(every, known, missing, estimates)

    def local(self, settings: Generate) -> dict[str, list[Request]]:
        """Returns the requests for models that Spark's tasks load, by their names."""
        asked = self.missing[: settings.max_requests]
        own = {
            one.name: [r for r in asked if r.writer.name == one.name]
            for one in settings.models
            if one.local
        }
        return {name: requests for name, requests in own.items() if requests}

    def parts(self, settings: Generate) -> list[Part]:
        """Returns one part for each address; none for models that Spark's tasks load. It has no
        more requests than the cap allows, for the first prompts, so that every model has every
        setting of these."""
        asked = self.missing[: settings.max_requests]
        cut = []
        for writer in settings.models:
            if writer.local:
                continue
            for place, endpoint in enumerate(writer.endpoints()):
                own = [r for r in asked if r.writer.name == writer.name and r.place == place]
                if own:
                    cut.append((writer, endpoint, own))
        most_in = [[request.tokens_in for request in own] for *_, own in cut]
        outs = [endpoint.most_tokens_out for _, endpoint, _ in cut]
        costs = [
            sum(price(endpoint, size, endpoint.most_tokens_out) for size in sizes)
            for sizes, (_, endpoint, _) in zip(most_in, cut, strict=True)
        ]
        limits = Limits(settings.max_requests, settings.max_tokens, settings.max_cost).split(
            [len(own) for *_, own in cut],
            [sum(sizes) + len(sizes) * out for sizes, out in zip(most_in, outs, strict=True)],
            costs,
        )
        return [Part(*one, limit) for one, limit in zip(cut, limits, strict=True)]


def _estimate(
    writer: Writer,
    every: Sequence[Request],
    missing: Sequence[Request],
    known: Mapping[bytes, Entry],
) -> Estimate:
    endpoint = writer.endpoints()[0]
    own = [request for request in every if request.writer.name == writer.name]
    left = [request for request in missing if request.writer.name == writer.name]
    heard = [
        (r.tokens_in, _asked_for(r), known[r.key].said)
        for r in own
        if r.key in known and known[r.key].said.tokens_in
    ]
    ratio_in = ratio_out = 1.0
    if len(heard) >= _ENOUGH:
        ratio_in = sum(t.tokens_in for *_, t in heard) / max(sum(size for size, *_ in heard), 1)
        ratio_out = sum(t.tokens_out for *_, t in heard) / max(sum(o for _, o, _ in heard), 1)
    tokens_in = ratio_in * sum(request.tokens_in for request in left)
    tokens_out = ratio_out * sum(map(_asked_for, left))
    lost = sum(r.key in known and known[r.key].said.problem == LOST for r in own)
    return Estimate(
        model=writer.name,
        requests=len(own),
        stored=sum(r.key in known for r in own) - lost,
        lost=lost,
        missing=len(left),
        tokens_in=round(tokens_in),
        tokens_out=round(tokens_out),
        cost=price(endpoint, tokens_in, tokens_out),
        most=price(endpoint, tokens_in, endpoint.most_tokens_out * len(left)),
    )


def _asked_for(request: Request) -> int:
    target = request.brief.target_tokens
    wanted = _TOKENS_OUT if target is None else round(target * _TOKENS_A_TARGET)
    return min(wanted, request.writer.max_tokens)
