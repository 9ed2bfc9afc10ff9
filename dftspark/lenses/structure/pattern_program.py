"""Patterns compiled to one automaton: a bit of a word for each place of each sequence.

All patterns run together and nothing is tried twice, so the cost is linear in the text.

Source   Navarro and Raffinot (2002), Flexible Pattern Matching in Strings, 4.2: extended Shift-And
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from dftspark.lenses.structure.pattern_language import Sequence, sequences
from dftspark.text import stream


@dataclass(frozen=True, eq=False)
class Program:
    """All patterns as one automaton of `W` words of 64 bits, a bit per place of a sequence.

    by_lex, by_form, by_flag  (., W) uint64  bits of the places that allow this lexicon id, ...
    first, last, optional     (W,) uint64    places that start or end a sequence, or may be missing
    before, until             (W,) uint64    the place before, and the last of, each optional run
    owner                     (W, 64) int32  the pattern of each last place, else -1
    start                     (W, 64) int32  the bit at which the sequence of that place starts
    """

    names: tuple[str, ...]
    lexicon: stream.Lexicon
    by_lex: NDArray[np.uint64]
    by_form: NDArray[np.uint64]
    by_flag: NDArray[np.uint64]
    first: NDArray[np.uint64]
    last: NDArray[np.uint64]
    optional: NDArray[np.uint64]
    before: NDArray[np.uint64]
    until: NDArray[np.uint64]
    owner: NDArray[np.int32]
    start: NDArray[np.int32]


def compiled(
    patterns: Mapping[str, Iterable[str]], classes: Mapping[str, frozenset[str]]
) -> Program:
    """Compiles `patterns`, lines by name."""
    parsed = {name: _all(lines, classes) for name, lines in patterns.items()}
    every = [place for found in parsed.values() for each in found for place in each]
    wanted = [classes[name] for name in stream.BUILTIN]
    groups = list(
        dict.fromkeys(
            [
                *wanted,
                *(p.words for p in every if p.words is not None),
                *(p.but for p in every if p.but),
            ]
        )
    )
    signature: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        for word in group:
            signature.setdefault(word, []).append(i)
    kinds = {key: i for i, key in enumerate(dict.fromkeys([(), *map(tuple, signature.values())]))}
    members = np.zeros((len(groups), len(kinds)), np.bool_)
    for key, i in kinds.items():
        members[list(key), i] = True
    index = {group: i for i, group in enumerate(groups)}
    ids = {
        spelled: kinds[tuple(own)]
        for word, own in signature.items()
        for spelled in _spellings(word)
    }
    roles = sum(
        members[index[classes[name]]].astype(np.uint8) << i for i, name in enumerate(stream.BUILTIN)
    )
    known = stream.lexicon(ids, np.asarray(roles, np.uint8))
    return _assembled(parsed, known, lambda group: members[index[group]], len(kinds))


def _all(lines: Iterable[str], classes: Mapping[str, frozenset[str]]) -> list[Sequence]:
    return list(dict.fromkeys(each for line in lines for each in sequences(line, classes)))


def _spellings(word: str) -> list[str]:
    return [word.replace("'", mark) for mark in "'’ʼ"] if "'" in word else [word]


def _assembled(
    parsed: Mapping[str, list[Sequence]],
    lexicon: stream.Lexicon,
    mask: Callable[[frozenset[str]], NDArray[np.bool_]],
    kinds: int,
) -> Program:
    placed, words = _placed(parsed)
    width = max(1, words)
    sizes = (kinds, stream.FORMS, 1 << len(stream.FLAGS))
    # A word at a time while they are filled, which is quick where its column is contiguous.
    tables = [np.zeros((width, n), np.uint64) for n in sizes]
    chosen = [cache(partial(_chosen, n)) for n in sizes[1:]]
    first, last, optional, before, until = (np.zeros(width, np.uint64) for _ in range(5))
    owner, start = np.full((width, 64), -1, np.int32), np.zeros((width, 64), np.int32)
    for word, bit, each, pattern in placed:
        for i, place in enumerate(each):
            one = np.uint64(1) << np.uint64(bit + i)
            allowed = np.ones(kinds, np.bool_) if place.words is None else mask(place.words)
            if place.but:
                allowed = allowed & ~mask(place.but)
            tables[0][word] |= allowed * one
            tables[1][word] |= chosen[0](place.forms) * one
            tables[2][word] |= chosen[1](place.flags) * one
            if place.optional:
                optional[word] |= one
                if not each[i - 1].optional:
                    before[word] |= one >> np.uint64(1)
                if not each[i + 1].optional:
                    until[word] |= one
        end = bit + len(each) - 1
        first[word] |= np.uint64(1) << np.uint64(bit)
        last[word] |= np.uint64(1) << np.uint64(end)
        owner[word, end], start[word, end] = pattern, bit
    by_lex, by_form, by_flag = (np.ascontiguousarray(table.T) for table in tables)
    return Program(
        tuple(parsed),
        lexicon,
        by_lex,
        by_form,
        by_flag,
        first,
        last,
        optional,
        before,
        until,
        owner,
        start,
    )


def _chosen(size: int, values: frozenset[int]) -> NDArray[np.bool_]:
    return np.isin(np.arange(size), list(values))


def _placed(
    parsed: Mapping[str, list[Sequence]],
) -> tuple[list[tuple[int, int, Sequence, int]], int]:
    """Returns (word, first bit, sequence, pattern) of every sequence, the longest first, and the
    number of words: each goes to the first word that has room.
    """
    free: list[int] = []
    placed = []
    every = [(each, i) for i, found in enumerate(parsed.values()) for each in found]
    for each, pattern in sorted(every, key=lambda pair: -len(pair[0])):
        word = next((w for w, used in enumerate(free) if used + len(each) <= 64), len(free))
        if word == len(free):
            free.append(0)
        placed.append((word, free[word], each, pattern))
        free[word] += len(each)
    return placed, len(free)
