"""Every occurrence of every pattern in one pass over a stream's items.

Occurrences of one pattern do not overlap. If several end at an item, the shortest counts, and an
occurrence that ends first takes precedence over any that shares an item with it.

Cost     W words of 64 bits an item, a few nanoseconds each; looks back on at most 63 items, and
         only where occurrences of one pattern are closer than that
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.lenses.structure.pattern_language import MOST
from dftspark.lenses.structure.pattern_program import Program
from dftspark.text.stream import Stream


def counted(items: Stream, program: Program) -> NDArray[np.int64]:
    """Counts the occurrences of each pattern in each document, `(B, P)`."""
    found: NDArray[np.int64] = _run(items, program, 0)[0]
    return found


def located(items: Stream, program: Program) -> NDArray[np.int64]:
    """Returns every occurrence `(H, 4)`: document, pattern, first item, last item; by last item."""
    total = int(counted(items, program).sum())
    found: NDArray[np.int64] = _run(items, program, total)[1]
    return found


def _run(items: Stream, program: Program, capacity: int) -> Any:
    return _match(
        (items.lex, items.form, items.flag),
        items.offsets,
        (program.by_lex, program.by_form, program.by_flag),
        (program.first, program.last, program.optional, program.before, program.until),
        (program.owner, program.start),
        len(program.names),
        capacity,
    )


@compiled
def _match(
    items: Any, offsets: Any, masks: Any, words: Any, places: Any, patterns: int, capacity: int
) -> Any:
    lex, form, flag = items
    by_lex, by_form, by_flag = masks
    first, last, optional, before, until = words
    owner, start = places
    width = len(first)
    counts = np.zeros((len(offsets) - 1, patterns), np.int64)
    hits = np.empty((capacity, 4), np.int64)
    found = 0
    active = np.zeros(width, np.uint64)
    one = np.uint64(1)
    ended = np.full(patterns, -MOST - 1, np.int64)  # last item of each pattern's last occurrence
    for d in range(len(offsets) - 1):
        active[:] = 0
        for i in range(offsets[d], offsets[d + 1]):
            a, b, c = by_lex[lex[i]], by_form[form[i]], by_flag[flag[i]]
            finished = np.uint64(0)
            for w in range(width):
                now = ((active[w] << one) | first[w]) & a[w] & b[w] & c[w]
                reach = now | until[w]
                now |= optional[w] & (~(reach - before[w]) ^ reach)
                active[w] = now
                finished |= now & last[w]
            if finished == 0:
                continue
            for w in range(width):
                done = active[w] & last[w]
                bit = 0
                while done:
                    while done & one == 0:
                        done >>= one
                        bit += 1
                    pattern = owner[w, bit]
                    begin = i
                    if capacity or i - ended[pattern] <= MOST:
                        begin = _begin(
                            (i, w, bit), start[w, bit], offsets[d], items, masks, optional[w]
                        )
                    if begin > ended[pattern]:
                        ended[pattern] = i
                        counts[d, pattern] += 1
                        if capacity:
                            hits[found, 0], hits[found, 1] = d, pattern
                            hits[found, 2], hits[found, 3] = begin, i
                            found += 1
                    done >>= one
                    bit += 1
    return counts, hits[:found]


@compiled
def _begin(place: Any, start: int, lowest: int, items: Any, masks: Any, optional: Any) -> Any:
    """Returns the first item of the shortest match that ends at item i in place `bit` of word w."""
    i, w, bit = place
    lex, form, flag = items
    by_lex, by_form, by_flag = masks
    one = np.uint64(1)
    goal = one << np.uint64(start)
    own = ((one << np.uint64(bit)) | ((one << np.uint64(bit)) - one)) & ~(goal - one)
    at = one << np.uint64(bit)
    while at & goal == 0 and i > lowest:
        at = (at >> one) & own
        missing = at & optional
        while missing:
            missing = (missing >> one) & own & ~at
            at |= missing
            missing &= optional
        i -= 1
        at &= by_lex[lex[i], w] & by_form[form[i], w] & by_flag[flag[i], w]
    return i
