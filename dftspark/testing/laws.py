"""The laws of dftspark.stats.protocol, stated once; equality is bit for bit."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import dftspark
from dftspark.state import State
from dftspark.stats.protocol import Statistic

Stat = Statistic[Any, Any]
PACKAGE = Path(dftspark.__file__).parent


def statistics() -> dict[str, type[Stat]]:
    """Returns every statistic of the package, by its name."""
    files = [*(PACKAGE / "stats").glob("*.py"), *(PACKAGE / "lenses").glob("*/statistic*.py")]
    for file in files:
        import_module(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts))
    return {kind.name: kind for kind in Statistic.__subclasses__()}


def same(left: State, right: State) -> None:
    for field in fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        assert a.dtype == b.dtype, field.name
        assert np.array_equal(a, b), f"{field.name} differs: {a} {b}"


def associative(stat: Stat, a: State, b: State, c: State) -> None:
    same(stat.merge(a, stat.merge(b, c)), stat.merge(stat.merge(a, b), c))


def commutative(stat: Stat, a: State, b: State) -> None:
    same(stat.merge(a, b), stat.merge(b, a))


def identity(stat: Stat, a: State) -> None:
    same(stat.merge(stat.empty(), a), a)
    same(stat.merge(a, stat.empty()), a)


def batching_never_matters(stat: Stat, whole: Any, parts: list[Any]) -> None:
    state = stat.empty()
    for part in parts:
        state = stat.merge(state, stat.observe(part))
    same(stat.observe(whole), state)


def files_never_matter(a: State) -> None:
    back = type(a).decode(a.encode())
    same(back, a)
    assert back.encode() == a.encode()


def merge_leaves_its_arguments_alone(stat: Stat, a: State, b: State) -> None:
    before = a.encode(), b.encode()
    stat.merge(a, b)
    assert (a.encode(), b.encode()) == before
    for state in (a, b):
        assert not any(getattr(state, field.name).flags.writeable for field in fields(state))
