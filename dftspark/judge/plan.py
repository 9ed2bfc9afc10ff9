"""The plan of a run: what the store lacks, cut into parts, with an estimate of its price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dftspark.config import Endpoint, Judge
from dftspark.endpoints.answers import LOST
from dftspark.endpoints.budget import Limits, price
from dftspark.endpoints.journal import Entry
from dftspark.judge.requests import Request

_TOKENS_OUT = 12  # of {"verdict": "A"}, until a judge has shown what it writes
_ENOUGH = 20  # verdicts of a judge from which its habits are learned


@dataclass(frozen=True)
class Estimate:
    """Of one judge. `cost` is about what it will be, `most` what it can be at its token limit."""

    judge: str
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
    """Requests of one task, in the order in which they are asked, and what it may spend."""

    number: int
    endpoint: Endpoint
    requests: Sequence[Request]
    threads: int
    limits: Limits


@dataclass(frozen=True)
class Plan:
    """Requests of a run. `known` are stored verdicts; `missing` is to be asked, in order."""

    requests: Sequence[Request]
    known: Mapping[bytes, Entry]
    missing: Sequence[Request]
    estimates: Sequence[Estimate] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        requests: Iterable[Request],
        known: Mapping[bytes, Entry],
        settings: Judge,
        again: bool = False,
    ) -> Plan:
        """Makes the plan. With `again`, requests that were sent without a word from the judge are
        repeated.
        """
        every = sorted(requests, key=lambda r: r.rank)
        seen = {key for key, entry in known.items() if not (again and entry.unheard)}
        missing = []
        for request in every:
            if request.key not in seen:
                seen.add(request.key)
                missing.append(request)
        estimates = [_estimate(e, every, missing, known) for e in settings.endpoints]
        return cls(every, known, missing, estimates)

    def parts(self, settings: Judge) -> list[Part]:
        """Cuts every judge's requests into `settings.tasks` parts, with about as many pairs each;
        no more requests than the cap allows.
        """
        missing = self.missing[: settings.max_requests]
        cut: list[tuple[Endpoint, list[Request]]] = []
        count = max(settings.tasks, 1)
        for endpoint in settings.endpoints:
            own = [request for request in missing if request.judge == endpoint.name]
            turn = {pair: i for i, pair in enumerate(dict.fromkeys(r.pair_id for r in own))}
            number = min(count, endpoint.concurrency, len(turn))
            cut += [
                (endpoint, [r for r in own if turn[r.pair_id] % number == i]) for i in range(number)
            ]
        limits = _split(settings, cut)
        shares: dict[str, int] = {}
        for endpoint, _ in cut:
            shares[endpoint.name] = shares.get(endpoint.name, 0) + 1
        place: dict[str, int] = {}
        parts = []
        for number, (endpoint, own) in enumerate(cut):
            i = place[endpoint.name] = place.get(endpoint.name, -1) + 1
            each, rest = divmod(endpoint.concurrency, shares[endpoint.name])
            parts.append(Part(number, endpoint, own, each + (i < rest), limits[number]))
        return parts


def _split(settings: Judge, cut: Sequence[tuple[Endpoint, Sequence[Request]]]) -> list[Limits]:
    whole = Limits(settings.max_requests, settings.max_tokens, settings.max_cost)
    tokens = [sum(r.tokens_in + e.most_tokens_out for r in own) for e, own in cut]
    costs = [sum(price(e, r.tokens_in, e.most_tokens_out) for r in own) for e, own in cut]
    return whole.split([len(own) for _, own in cut], tokens, costs)


def _estimate(
    endpoint: Endpoint,
    every: Sequence[Request],
    missing: Sequence[Request],
    known: Mapping[bytes, Entry],
) -> Estimate:
    own = {r.key: r for r in every if r.judge == endpoint.name}
    heard = [(r, known[k].said) for k, r in own.items() if k in known and known[k].at]
    counted = [(r.tokens_in, v.tokens_in, v.tokens_out) for r, v in heard if v.tokens_in]
    ratio, out = 1.0, float(min(_TOKENS_OUT, endpoint.most_tokens_out))
    if len(counted) >= _ENOUGH:
        ratio = sum(c for _, c, _ in counted) / max(sum(e for e, _, _ in counted), 1)
        out = sum(o for _, _, o in counted) / len(counted)
    left = [r for r in missing if r.judge == endpoint.name]
    tokens_in, tokens_out = ratio * sum(r.tokens_in for r in left), out * len(left)
    return Estimate(
        judge=endpoint.name,
        requests=len(own),
        stored=sum(k in known and not _lost(known[k]) for k in own),
        lost=sum(k in known and _lost(known[k]) for k in own),
        missing=len(left),
        tokens_in=round(tokens_in),
        tokens_out=round(tokens_out),
        cost=price(endpoint, tokens_in, tokens_out),
        most=price(endpoint, tokens_in, endpoint.most_tokens_out * len(left)),
    )


def _lost(entry: Entry) -> bool:
    return bool(entry.said.problem == LOST)
