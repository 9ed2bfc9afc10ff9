"""The compiled process behind `synthetic`: turns the number of a document into its UTF-8 bytes.

Every random number is a hash of (seed, purpose, index, step), so nothing depends on what was made
before. Source of the hash: Steele, Lea and Flood (2014), SplitMix64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled

COPIES = 0.05  # words that repeat an earlier word of the document
FOLLOWS = 0.6  # of the others, those that follow from the word before
FOLLOWERS = 64  # of a word, unlike in chance
OWN_TOPICS = 0.6  # content words from the prompt's topics; the others from any
LENGTH_SPREAD = 0.6  # standard deviation of the log of a document's length
SENTENCE, COMMA = 1 / 14, 1 / 16  # chances after a word; a sentence has at least FEWEST words
FEWEST = 4

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
SHORT, LONG, _DUPLICATE, _ORIGINAL, _PROMPT, _TEXT, _FOLLOWER = range(7)  # purposes of a hash


class Letters(NamedTuple):
    """Strings stored end to end: string j is letters[offsets[j]:offsets[j + 1]]."""

    letters: NDArray[np.uint8]
    offsets: NDArray[np.int64]


class Alias(NamedTuple):
    """Walker's tables: cell j is itself with chance keep[j], otherwise other[j]."""

    keep: NDArray[np.float64]
    other: NDArray[np.int64]


class SourceSide(NamedTuple):
    """One side of a source. Rates are per free word, a word outside planted phrases; `longest`
    bounds the bytes of a free word together with what follows it."""

    seed: np.uint64
    role: int
    documents_per_prompt: int
    common: int
    topics: int
    free_words: float
    tilt: float
    duplicates: float
    phrase_rates: NDArray[np.float64]
    longest: int


@numba.njit
def _mix(x: Any) -> Any:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit
def _key(seed: Any, purpose: Any, index: Any) -> Any:
    return _mix(_mix(seed + np.uint64(purpose + 1) * _GAMMA) + np.uint64(index) * _GAMMA)


@numba.njit
def _next(state: Any) -> Any:
    state[0] += _GAMMA
    return _mix(state[0])


@numba.njit
def _unit(bits: Any) -> Any:
    return (bits >> np.uint64(11)) * 2.0**-53


@numba.njit
def _below(bits: Any, n: Any) -> Any:
    return np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@compiled
def _keys(seed: Any, purpose: Any, n: Any) -> Any:
    out = np.empty(n, np.uint64)
    for j in range(n):
        out[j] = _key(seed, purpose, j)
    return out


def shuffled(seed: int, purpose: int, n: int) -> NDArray[np.int64]:
    """Returns the numbers 0 to n - 1 in an order set by the seed, whatever the version of NumPy."""
    return np.argsort(_keys(np.uint64(seed), purpose, n), kind="stable")


@compiled
def build_alias(weights: Any) -> Any:
    """Returns the `Alias` of weights `(V,)`, which need not sum to 1. Source: Vose (1991)."""
    n = len(weights)
    keep = weights * (n / weights.sum())
    other = np.arange(n)
    small = np.empty(n, np.int64)
    large = np.empty(n, np.int64)
    smalls = larges = 0
    for j in range(n):
        if keep[j] < 1:
            small[smalls] = j
            smalls += 1
        else:
            large[larges] = j
            larges += 1
    while smalls and larges:
        smalls -= 1
        poor, rich = small[smalls], large[larges - 1]
        other[poor] = rich
        keep[rich] -= 1 - keep[poor]
        if keep[rich] < 1:
            larges -= 1
            small[smalls] = rich
            smalls += 1
    return keep, other


@numba.njit
def _rank(bits: Any, alias: Any) -> Any:
    cell = _below(bits, len(alias.keep))
    chance = np.float64(bits & np.uint64(0xFFFFFFFF)) * 2.0**-32
    return cell if chance < alias.keep[cell] else alias.other[cell]


@numba.njit
def _any_topic(state: Any, side: Any) -> Any:
    # Two draws on either side, so that a prompt's other numbers are the same on both.
    topic = _below(_next(state), side.topics)
    tilted = _unit(_next(state)) < side.tilt
    return topic - side.topics // 2 if tilted and 2 * topic >= side.topics else topic


@compiled
def _original(i: Any, side: Any) -> Any:
    while i > 0 and _unit(_key(side.seed, _DUPLICATE, i)) < side.duplicates:
        i = _below(_key(side.seed, _ORIGINAL, i), i)
    return i


@compiled
def _length(state: Any, mean: Any) -> Any:
    radius = np.sqrt(-2 * np.log(1 - _unit(_next(state))))
    normal = radius * np.cos(2 * np.pi * _unit(_next(state)))
    log_mean = np.log(mean) - LENGTH_SPREAD**2 / 2
    return max(1, np.int64(np.rint(np.exp(log_mean + LENGTH_SPREAD * normal))))


@numba.njit
def _topic(state: Any, side: Any, own: Any, cuts: Any) -> Any:
    if _unit(_next(state)) >= OWN_TOPICS:
        return _any_topic(state, side)
    u = _unit(_next(state))
    return own[0] if u < cuts[0] else own[1] if u < cuts[1] else own[2]


@numba.njit
def _follower(bits: Any, before: Any, side: Any, alias: Any) -> Any:
    # Choice u ** 8: the first of the followers has a chance of 64 ** (-1/8) = .59.
    which = np.int64(_unit(bits) ** 8 * FOLLOWERS)
    return _rank(_key(side.seed, _FOLLOWER, before * FOLLOWERS + which), alias)


@compiled
def _draw_words(state: Any, prompt: Any, side: Any, alias: Any, words: Any) -> None:
    """Fills words with ranks. Every step keeps the expected share of each topic: copies and
    followers of content words carry a topic on, all others draw it from the prior."""
    about = np.array([_key(side.seed, _PROMPT, prompt)])
    own = (_any_topic(about, side), _any_topic(about, side), _any_topic(about, side))
    u, v = _unit(_next(about)), _unit(_next(about))
    cuts = (min(u, v), max(u, v))  # spacings of uniforms: Dirichlet(1, 1, 1)
    for t in range(len(words)):
        if t and _unit(_next(state)) < COPIES:
            words[t] = words[_below(_next(state), t)]
            continue
        before = words[t - 1] if t and _unit(_next(state)) < FOLLOWS else -1
        bits = _next(state)
        rank = _follower(bits, before, side, alias) if before >= 0 else _rank(bits, alias)
        if rank >= side.common:
            if before >= side.common:
                topic = (before - side.common) % side.topics
            else:
                topic = _topic(state, side, own, cuts)
            rank += topic - (rank - side.common) % side.topics
        words[t] = rank


@numba.njit
def _append(text: Any, at: Any, strings: Any, j: Any) -> Any:
    for k in range(strings.offsets[j], strings.offsets[j + 1]):
        text[at] = strings.letters[k]
        at += 1
    return at


@compiled
def _spell(
    state: Any, words: Any, side: Any, lexicon: Any, phrases: Any, text: Any, at: Any
) -> Any:
    """Writes the words and the phrases between them into text from `at` on; returns the new end."""
    last, run = len(words) - 1, 0
    for t in range(last + 1):
        first = at
        at = _append(text, at, lexicon, words[t])
        if run == 0:
            text[first] -= 32  # every synthetic word starts with an ASCII letter
        run += 1
        u = _unit(_next(state))
        for j in range(len(side.phrase_rates)):
            if 0 <= u < side.phrase_rates[j]:
                at = _append(text, at, phrases, j)
            u -= side.phrase_rates[j]
        stop = _unit(_next(state))
        if t == last or (run >= FEWEST and stop < SENTENCE):
            text[at] = 46  # .
            at += 1
            run = 0
        elif 1 - stop < COMMA:
            text[at] = 44  # ,
            at += 1
        if t < last:
            text[at] = 32  # space
            at += 1
    return at


@compiled
def generate(start: Any, n: Any, side: Any, alias: Any, lexicon: Any, phrases: Any) -> Any:
    """Returns text bytes, offsets `(n + 1,)`, and the documents `(n,)` whose text and prompt they
    have."""
    text = np.empty(1 << 16, np.uint8)
    offsets = np.zeros(n + 1, np.int64)
    originals = np.empty(n, np.int64)
    state = np.empty(1, np.uint64)
    for d in range(n):
        originals[d] = _original(start + d, side)
        state[0] = _key(side.seed, _TEXT, 2 * originals[d] + side.role)
        words = np.empty(_length(state, side.free_words), np.int64)
        _draw_words(state, originals[d] // side.documents_per_prompt, side, alias, words)
        at = offsets[d]
        longest = side.longest * len(words)
        if at + longest > len(text):
            shorter, text = text, np.empty(2 * len(text) + longest, np.uint8)
            for k in range(at):
                text[k] = shorter[k]
        offsets[d + 1] = _spell(state, words, side, lexicon, phrases, text, at)
    return text[: offsets[n]], offsets, originals
