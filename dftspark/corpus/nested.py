"""Columns inside structs and arrays, `messages[-1].content`, and texts of chats.

A path begins with a source column; `.name` is a field of a struct, an object or a map, and `[n]` an
element of an array, from its end if n is negative. A source column that has the whole path for its
name comes first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from dftspark.corpus.rows import SourceRow

if TYPE_CHECKING:
    from dftspark.corpus.mapping import Mapping

_PATH = re.compile(r"([^.\[\]]+)((?:\.[^.\[\]]+|\[-?\d+\])+)")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(-?\d+)\]")


class ColumnPath(NamedTuple):
    """The way to a value: the source column, then names of fields and numbers of elements."""

    column: str
    steps: tuple[str | int, ...]


def path_of(name: str) -> ColumnPath | None:
    """Returns the path that `name` spells, None if it is the name of a column and nothing more."""
    found = _PATH.fullmatch(name)
    if found is None:
        return None
    steps = _STEP.findall(found[2])
    return ColumnPath(found[1], tuple(field or int(number) for field, number in steps))


def opened(row: SourceRow, mapping: Mapping) -> SourceRow:
    """Returns the row with the values that the mapping's paths lead to, and of a chat its text: the
    last message of the assistant, or for the prompt the last message of the user.

    A chat without a prompt's column has the prompt from the messages before the text.
    """
    values = row.values
    chats = [c for c in (mapping.text, mapping.prompt) if type(values.get(c)) is list]
    if not chats and not mapping.paths:
        return row
    more: dict[str, Any] = {}
    for name, path in mapping.paths:
        if name not in values and path.column in values:
            more[name] = _value(values[path.column], path.steps)
            if type(more[name]) is list and name in (mapping.text, mapping.prompt):
                chats.append(name)
    values = {**values, **more}
    for name in chats:
        if (messages := values[name]) and all(map(_is_message, messages)):
            more |= _of_chat(messages, name, mapping, values)
    return row._replace(values={**values, **more}) if more else row


def _value(value: Any, steps: tuple[str | int, ...]) -> Any:
    """Returns what the steps lead to; None if they lead nowhere."""
    for step in steps:
        if isinstance(step, int):
            inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if inside else None
        elif isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and all(isinstance(pair, tuple) for pair in value):
            value = dict(value).get(step)  # a map, as Arrow gives it
        else:
            return None
    return value


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and "content" in value


def _of_chat(
    messages: list[dict[str, Any]], name: str, mapping: Mapping, values: dict[str, Any]
) -> dict[str, Any]:
    asked, answered = _last(messages, "user"), _last(messages, "assistant")
    if name == mapping.prompt:
        return {name: None if asked is None else _text(messages[asked])}
    found = {name: None if answered is None else _text(messages[answered])}
    before = _last(messages[:answered], "user")
    if before is not None and mapping.prompt not in values:
        found[mapping.prompt] = _text(messages[before])
    return found


def _last(messages: list[dict[str, Any]], role: str) -> int | None:
    """Returns the number of the role's last message that has a text."""
    return next(
        (
            i
            for i in reversed(range(len(messages)))
            if messages[i]["role"] == role and _text(messages[i]) is not None
        ),
        None,
    )


def _text(message: dict[str, Any]) -> Any:
    """Returns the content, whose parts of the type text are joined by line feeds."""
    content = message["content"]
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    texts = [part for part in parts if isinstance(part, str)]
    return "\n".join(texts) if texts else None
