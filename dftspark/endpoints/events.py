"""Reads a text from a reply that comes piece by piece: server-sent events of the OpenAI protocol.

Only what the protocol needs is read: lines that begin with `data:`, each one JSON document, until
`[DONE]`. An endpoint that knows no streaming sends one document instead, whose text is then the
only piece.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dftspark.endpoints.answers import Hide, storable
from dftspark.errors import EnvironmentProblem

_DATA, _DONE = b"data:", b"[DONE]"
_TOLD = 200  # characters kept of a message or a finish reason


@dataclass(frozen=True)
class Delta:
    """What an event adds to a text; `finish_reason` is empty until the text has ended, and stays so
    for a reply that broke off."""

    text: str = ""
    finish_reason: str = ""


def deltas(lines: Iterable[bytes], hide: Hide) -> Iterator[Delta]:
    """Yields what each event adds. Raises EnvironmentProblem for an event that reports an error,
    that is not of the protocol, and for a reply without any."""
    whole: list[bytes] = []
    events, ended = 0, False
    for line in lines:
        if not line.startswith(_DATA):
            whole.append(line)
            continue
        data = line.removeprefix(_DATA).strip()
        if data == _DONE:
            if not ended:
                yield Delta(finish_reason="stop")
            return
        events += 1
        delta = _delta(data, "delta", hide)
        ended = ended or bool(delta.finish_reason)
        yield delta
    if not events:
        yield _delta(b"\n".join(whole), "message", hide)


def _delta(data: bytes, part: str, hide: Hide) -> Delta:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("choices"), list):
        choices = document["choices"]
        # The last event of some servers has the usage, and no choice.
        return _of_choice(choices[0], part, hide) if choices else Delta()
    error = document.get("error") if isinstance(document, dict) else None
    if error:
        said = error.get("message", "") if isinstance(error, dict) else error
        raise EnvironmentProblem(f"the endpoint ended the text: {_told(said, hide)}")
    raise EnvironmentProblem(
        f"the endpoint's reply is not of the OpenAI protocol: "
        f"{_told(data.decode('utf-8', 'replace'), hide)!r}"
    )


def _of_choice(choice: Any, part: str, hide: Hide) -> Delta:
    if not isinstance(choice, dict):
        return Delta()
    message = choice.get(part)
    content = message.get("content") if isinstance(message, dict) else choice.get("text")
    finish = _told(choice.get("finish_reason"), hide)
    text = storable(content) if isinstance(content, str) else ""
    return Delta(hide(text, len(text)), finish)


def _told(said: Any, hide: Hide) -> str:
    return " ".join(hide(storable(said), _TOLD).split())
