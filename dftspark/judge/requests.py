"""Requests to judges: one for each pair, order, dimension and judge, named by its content.

The key of a request is a hash of the address and of every byte of its body: model, options, frame,
question, both texts in their order, and the form of the answer. Nothing else shapes a verdict, so a
verdict under that key never needs to be asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dftspark.config import Endpoint, Judge
from dftspark.endpoints.protocol import key_of, tokens
from dftspark.errors import ConfigError
from dftspark.judge.pairs import Pair
from dftspark.judge.prompts import Prompts

_NEEDS_PROMPT = "relevance"


@dataclass(frozen=True)
class VerdictRequest:
    """A request on `pair_id`, with the model's text shown as A where `model_first`, else as B.

    rank       place in the order of the run; requests of a pair are neighbors
    tokens_in  estimate
    """

    key: bytes
    pair_id: str
    judge: str
    dimension: str
    model_first: bool
    rank: float
    tokens_in: int


def planned(pairs: Sequence[Pair], prompts: Prompts, settings: Judge) -> Iterator[VerdictRequest]:
    """Yields every request of a run, those that share a key too.

    Controls are asked on their own dimensions; relevance only where the prompt is shown. Raises
    ConfigError where that leaves a dimension without any.
    """
    asked: set[str] = set()
    for pair in pairs:
        for dimension in _dimensions(pair, settings):
            asked.add(dimension)
            for endpoint in settings.endpoints:
                for model_first in (False, True):
                    body = encoded(endpoint, prompts, pair, dimension, model_first, settings.ties)
                    yield VerdictRequest(
                        key_of(endpoint, body),
                        pair.pair_id,
                        endpoint.name,
                        dimension,
                        model_first,
                        pair.rank,
                        tokens(body),
                    )
    if set(settings.dimensions) - asked and pairs:
        raise ConfigError(
            "judge.dimensions has 'relevance', which asks what the prompt wants, and no pair has "
            "the prompt's text: name its column (columns.prompt), or leave 'relevance' out"
        )


def _dimensions(pair: Pair, settings: Judge) -> list[str]:
    wanted = settings.dimensions
    if pair.kind != "model" and settings.control_dimensions is not None:
        wanted = settings.control_dimensions
    return [d for d in wanted if pair.prompt is not None or d != _NEEDS_PROMPT]


def encoded(
    endpoint: Endpoint, prompts: Prompts, pair: Pair, dimension: str, model_first: bool, ties: bool
) -> bytes:
    """Returns the body of a request, the same bytes every time."""
    texts = (pair.model_text, pair.against_text)
    first, second = texts if model_first else texts[::-1]
    body: dict[str, Any] = {
        **endpoint.options,
        "model": endpoint.model,
        "messages": prompts.messages(dimension, pair.prompt, first, second, ties),
    }
    if endpoint.structured == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif endpoint.structured == "json_schema":
        body["response_format"] = {"type": "json_schema", "json_schema": _schema(ties)}
    if endpoint.logprobs:
        body |= {"logprobs": True, "top_logprobs": 20}
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _schema(ties: bool) -> dict[str, Any]:
    allowed = ["A", "B", "tie"] if ties else ["A", "B"]
    return {
        "name": "verdict",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"verdict": {"type": "string", "enum": allowed}},
            "required": ["verdict"],
            "additionalProperties": False,
        },
    }
