"""The plan of a run: what the store lacks, cut into parts, with an estimate of its price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dftspark.config import Endpoint, Judge
from dftspark.endpoints.budget import Limits
from dftspark.endpoints.journal import Entry
from dftspark.endpoints.plan import SpendEstimate, estimated, lacking, shares
from dftspark.judge.requests import VerdictRequest

_TOKENS_OUT = 12  # of {"verdict": "A"}, until a judge has shown what it writes


@dataclass(frozen=True)
class TaskShare:
    """Requests of one task, in the order in which they are asked, and what it may spend."""

    number: int
    endpoint: Endpoint
    requests: Sequence[VerdictRequest]
    threads: int
    limits: Limits


@dataclass(frozen=True)
class VerdictPlan:
    """Requests of a run. `known` are stored verdicts; `missing` is to be asked, in order."""

    requests: Sequence[VerdictRequest]
    known: Mapping[bytes, Entry]
    missing: Sequence[VerdictRequest]
    estimates: Sequence[SpendEstimate] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        requests: Iterable[VerdictRequest],
        known: Mapping[bytes, Entry],
        settings: Judge,
        again: bool = False,
    ) -> VerdictPlan:
        """Makes the plan. With `again`, requests that were sent without a word from the judge are
        repeated.
        """
        every = sorted(requests, key=lambda r: r.rank)
        missing = lacking(every, known, again)
        estimates = [
            estimated(
                endpoint,
                [request for request in every if request.judge == endpoint.name],
                [request for request in missing if request.judge == endpoint.name],
                known,
                partial(_expected, endpoint),
            )
            for endpoint in settings.endpoints
        ]
        return cls(every, known, missing, estimates)

    def parts(self, settings: Judge) -> list[TaskShare]:
        """Cuts every judge's requests into `settings.tasks` parts, with about as many pairs each;
        no more requests than the cap allows.
        """
        missing = self.missing[: settings.max_requests]
        cut: list[tuple[Endpoint, list[VerdictRequest]]] = []
        count = max(settings.tasks, 1)
        for endpoint in settings.endpoints:
            own = [request for request in missing if request.judge == endpoint.name]
            turn = {pair: i for i, pair in enumerate(dict.fromkeys(r.pair_id for r in own))}
            number = min(count, endpoint.concurrency, len(turn))
            cut += [
                (endpoint, [r for r in own if turn[r.pair_id] % number == i]) for i in range(number)
            ]
        limits = shares(settings, cut)
        tasks = Counter(endpoint.name for endpoint, _ in cut)
        place: dict[str, int] = {}
        parts = []
        for number, (endpoint, own) in enumerate(cut):
            i = place[endpoint.name] = place.get(endpoint.name, -1) + 1
            each, rest = divmod(endpoint.concurrency, tasks[endpoint.name])
            parts.append(TaskShare(number, endpoint, own, each + (i < rest), limits[number]))
        return parts


def _expected(endpoint: Endpoint, _: VerdictRequest) -> float:
    return float(min(_TOKENS_OUT, endpoint.most_tokens_out))
