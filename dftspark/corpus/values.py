"""Converts single values of a source row to a document's strings: ids, sampler settings, days."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ].*)?", re.ASCII | re.DOTALL)

# Other settings, such as checkpoint, may hold any text.
_NUMERIC = frozenset(
    (
        *("temperature", "top_p", "top_k", "min_p", "typical_p"),
        *("repetition_penalty", "frequency_penalty", "presence_penalty"),
    )
)
# top_k = -1 switches it off in common servers; the penalties go both ways.
_SIGNED = frozenset(["top_k", "frequency_penalty", "presence_penalty"])


def scalar(value: object) -> str | None:
    """Returns the value as a string, a number in its shortest form (0.7, 1); None for null and nan.

    Raises TypeError if it is not a single value, UnicodeDecodeError for bytes that are not UTF-8.
    """
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return shortest(value)
    if isinstance(value, Decimal):
        return _decimal(value) if value.is_finite() else None
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _decimal(value: Decimal) -> str:
    """Returns all digits except redundant zeros: `normalize` would round to 28 digits and merge
    ids."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def shortest(number: int | float) -> str | None:
    """Returns `0.7`, `1`, `1e-08`; None for nan and infinities."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        return None
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return repr(number)


def sampler_value(setting: str, value: object) -> str | None:
    """Returns the setting as a string, None if it is not recorded.

    Raises ValueError for a nan, for half of a surrogate pair, which is not text, and for a numeric
    setting that is not a number or must not be negative.
    """
    if value is None or value == "":
        return None
    if setting not in _NUMERIC:
        text = scalar(value)
        if text is None:
            raise ValueError("not a number")
        text.encode("utf-8")
        return text
    if isinstance(value, bytes | str | Decimal):
        text = str(value, "utf-8") if isinstance(value, bytes) else str(value)
        if not _NUMBER.fullmatch(text):
            raise ValueError("not a number")
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    if value < 0 and setting not in _SIGNED:
        raise ValueError("negative")
    return shortest(value)


def day(value: object) -> str | None:
    """Returns YYYY-MM-DD for a date, a timestamp or either in ISO form; None for null.

    Raises ValueError for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not YYYY-MM-DD")
    return date.fromisoformat(found[1]).isoformat()
