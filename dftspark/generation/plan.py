"""Plans the requests of a run: those the store lacks, divided by address, with an estimated
price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dftspark.config import Endpoint
from dftspark.config.generate import Generate, Writer
from dftspark.endpoints.budget import Limits
from dftspark.endpoints.journal import Entry
from dftspark.endpoints.plan import SpendEstimate, estimated, lacking, shares
from dftspark.generation.requests import TextRequest

_TOKENS_A_TARGET = 1.1  # tokens of a text for each that its brief asks for
_TOKENS_OUT = 400  # of a text whose brief names no length


@dataclass(frozen=True)
class WriterShare:
    """Requests of one address, in the order in which they are asked, and what it may spend."""

    writer: Writer
    endpoint: Endpoint
    requests: Sequence[TextRequest]
    limits: Limits


@dataclass(frozen=True)
class TextPlan:
    """`known` are the stored texts; `missing` are the requests to send, in order."""

    requests: Sequence[TextRequest]
    known: Mapping[bytes, Entry]
    missing: Sequence[TextRequest]
    estimates: Sequence[SpendEstimate]

    @classmethod
    def of(
        cls,
        requests: Iterable[TextRequest],
        known: Mapping[bytes, Entry],
        settings: Generate,
        again: bool = False,
    ) -> TextPlan:
        """Plans the requests. `again` repeats those that were sent but never answered."""
        every = list(requests)
        missing = lacking(every, known, again)
        estimates = [
            estimated(
                writer.endpoints()[0],
                [request for request in every if request.writer.name == writer.name],
                [request for request in missing if request.writer.name == writer.name],
                known,
                _asked_for,
            )
            for writer in settings.models
        ]
        return cls(every, known, missing, estimates)

    def local(self, settings: Generate) -> dict[str, list[TextRequest]]:
        """Returns the requests for models that Spark's tasks load, by their names."""
        asked = self.missing[: settings.max_requests]
        own = {
            one.name: [r for r in asked if r.writer.name == one.name]
            for one in settings.models
            if one.local
        }
        return {name: requests for name, requests in own.items() if requests}

    def parts(self, settings: Generate) -> list[WriterShare]:
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
        limits = shares(settings, [(endpoint, own) for _, endpoint, own in cut])
        return [WriterShare(*one, limit) for one, limit in zip(cut, limits, strict=True)]


def _asked_for(request: TextRequest) -> int:
    target = request.brief.target_tokens
    wanted = _TOKENS_OUT if target is None else round(target * _TOKENS_A_TARGET)
    return min(wanted, request.writer.max_tokens)
