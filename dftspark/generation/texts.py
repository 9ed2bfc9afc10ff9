"""Reads a text, or the reason why there is none, from an endpoint's reply. It is kept as it
came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dftspark import schema
from dftspark.endpoints.answers import MALFORMED, Hide, Kind, count, storable

KEPT = 400  # characters of a reply that has no text
_NAMED = 200  # of the model that answered, and of a finish reason
REFUSED, EMPTY = "refused", "empty"


@dataclass(frozen=True)
class Text:
    """A text; it is None if `problem` says why:

    refused     the endpoint says that the model would not answer
    empty       the model wrote nothing, or only white space
    malformed   the reply is not one of the protocol
    lost        sent by a run that was killed before it heard the answer
    """

    text: str | None = None
    problem: str | None = None
    finish_reason: str = ""
    raw: str = ""
    served: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


KIND = Kind("texts", Text, schema.TEXT_STORE, asked="models", setting="generate.store")


def parse(reply: bytes, hide: Hide) -> Text:
    """Reads the body of a reply with status 200; `hide` takes keys out of what is kept of it."""
    try:
        return _parsed(json.loads(reply), hide)
    except Exception:  # anything else that a server sends is a reply that breaks the protocol
        return Text(problem=MALFORMED, raw=hide(reply.decode("utf-8", "replace"), KEPT))


def _parsed(document: Any, hide: Hide) -> Text:
    choice = document["choices"][0]
    message = choice.get("message", {})
    content = message["content"] if "content" in message else choice["text"]
    refusal = message.get("refusal")
    if not isinstance(content, str | None):
        raise TypeError("content is no text")
    usage = document.get("usage")
    finish = hide(storable(choice.get("finish_reason")), _NAMED)
    told: dict[str, Any] = {
        "finish_reason": finish,
        "served": hide(storable(document.get("model")), _NAMED),
        "tokens_in": count(usage, "prompt_tokens"),
        "tokens_out": count(usage, "completion_tokens"),
    }
    if refusal or finish == "content_filter":
        return Text(problem=REFUSED, raw=hide(storable(refusal or content), KEPT), **told)
    text = storable(content)
    if not text.strip():
        return Text(problem=EMPTY, **told)
    return Text(hide(text, len(text)), **told)
