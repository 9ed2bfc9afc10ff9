"""Anchors of a page: they go by names and not by ranks, so that a link leads to the same model in
tomorrow's page."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

_LONGEST = 60
_TAKEN = [
    *("main", "status", "places", "phrase", "phrase-model", "phrase-count", "telltales"),
    *("swapped", "search", "how", "models", "settings", "time", "strata", "runs"),
]


def anchors(names: Iterable[str]) -> dict[str, str]:
    """Maps each name to its letters, digits, points and hyphens.

    A name that would have the anchor of another one, or none, gets a hash of itself; so an anchor
    depends on the names and not on their order.
    """
    known = list(dict.fromkeys(names))
    plain = {name: re.sub(r"[^\w.]+", "-", name).strip("-")[:_LONGEST] for name in known}
    times = Counter(plain.values())
    times.update(_TAKEN)
    return {
        name: short if short and times[short] == 1 else f"{short or 'model'}-{_hash(name)}"
        for name, short in plain.items()
    }


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
