"""Marks of lines that depend on the lines around them: list item, program code, apart from the line
above.

A dash that opens a line opens an item only where a line near it opens so too: a text that was cut
off before a dash, a signature and a footnote are not lists. "# " opens a heading in prose and a
comment in code. Neither can be seen from the line alone.

An item     opens with a mark or a number and a mark, then white space; within NEAR lines another
            opens with the same mark, or with the next or last number. Not in a code block or a
            comment of C, not where * or another mark closes the line too, and not in a run of
            dashes of which some ask and others answer: that is speech.
Apart       opens its document, or the line above ends with a mark other than comma or semicolon
Code        in a fenced block; a line with a call, an assignment, a comparison, a brace or a
            semicolon at its end, unless it ends as a sentence; a line of one # that touches such a
            line, and one of any number of # that goes on in lower case on the next line

Cost     three passes over the items, at most NEAR lines looked back upon
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from dftspark.compiled import compiled

NEAR = 6

_SHARP, _STAR, _DASH, _SLASH = (ord(c) for c in "#*-/")
_SENTENCE_ENDS = (ord("."), ord("?"), ord("!"))


@compiled
def mark(items: Any, offsets: Any, shapes: Any, bits: Any) -> None:
    """Sets three flags at first items of lines.

    `items` is (data, key, form, flag, start, end) of a Stream, whose flags change; `shapes` are the
    shapes of a number, a mark and a break, and `bits` the flags line, spaced, listed, code and
    apart.
    """
    first, stop, opens = _borders(items, offsets, shapes, bits)
    _mark_apart(items, first, stop, opens, shapes, bits)
    fenced = _mark_code(items, first, stop, opens, shapes, bits)
    sign, value = _openings(items, first, stop, opens, fenced, shapes, bits)
    _mark_lists(items, first, opens, sign, value, bits)
    _unmark_speech(items, first, stop, opens, sign, bits)


@numba.njit
def _borders(items: Any, offsets: Any, shapes: Any, bits: Any) -> Any:
    """Returns each line's first item and the one after its last, and whether a document opens."""
    form, flag = items[2], items[3]
    lines = 0
    for i in range(len(flag)):
        lines += flag[i] & bits[0] != 0
    first, stop = np.empty(lines, np.int64), np.empty(lines, np.int64)
    opens = np.zeros(lines, np.bool_)
    n = -1
    for d in range(len(offsets) - 1):
        new = True
        for i in range(offsets[d], offsets[d + 1]):
            if flag[i] & bits[0]:
                n += 1
                first[n], opens[n], new = i, new, False
            elif form[i] >> 3 == shapes[2] and n >= 0 and not new:
                stop[n] = i
    return first, stop, opens


@numba.njit
def _mark_apart(items: Any, first: Any, stop: Any, opens: Any, shapes: Any, bits: Any) -> None:
    data, _, form, flag, start, _ = items
    for n in range(len(first)):
        ended = opens[n]
        if not ended:
            last = stop[n - 1] - 1
            byte = data[start[last]]
            ended = form[last] >> 3 == shapes[1] and byte != ord(",") and byte != ord(";")
        if ended:
            flag[first[n]] |= bits[4]


@numba.njit
def _mark_code(items: Any, first: Any, stop: Any, opens: Any, shapes: Any, bits: Any) -> Any:
    """Marks lines of code, and returns which are in fences."""
    data, _, _, flag, start, end = items
    spaced, code = bits[1], bits[3]
    inside = np.zeros(len(first), np.bool_)
    fenced, above = False, False  # in a fence; the line above is code
    run = 0  # lines of one # right above
    for n in range(len(first)):
        i = first[n]
        if opens[n]:
            fenced, above, run = False, False, 0
        fence = _is_fence(items, i, stop[n])
        fenced = fenced != fence
        if fence or fenced:
            flag[i] |= code
            inside[n] = True
            above, run = False, 0
            continue
        sharp = data[start[i]] == _SHARP
        one = sharp and stop[n] - i > 1 and flag[i + 1] & spaced != 0
        found = sharp and _wraps(data, start[i], end[stop[n] - 1])
        if one or not sharp:
            found = found or _is_coded(items, i, stop[n], shapes[1], spaced)
        if found:
            for back in range(1, run + 1):
                flag[first[n - back]] |= code
        found = found or (one and above)
        if found:
            flag[i] |= code
        run = run + 1 if one and not found else 0
        above = found
    return inside


@numba.njit
def _is_fence(items: Any, i: Any, stop: Any) -> Any:
    """Returns whether the line opens with three backticks or tildes."""
    data, start = items[0], items[4]
    byte, at = data[start[i]], start[i]
    if (byte != ord("`") and byte != ord("~")) or stop - i < 3:
        return False
    return start[i + 2] == at + 2 and data[at + 1] == byte and data[at + 2] == byte


@numba.njit
def _wraps(data: Any, low: Any, high: Any) -> Any:
    feeds = 0
    for at in range(low, high):
        feeds += data[at] == 10
    return feeds > 0


@numba.njit
def _is_coded(items: Any, first: Any, stop: Any, mark: Any, spaced: Any) -> Any:
    """Finds a brace, a semicolon at the end, an assignment, a call, a comparison or an arrow."""
    data, _, form, flag, start, end = items
    last = data[end[stop - 1] - 1]
    if last in _SENTENCE_ENDS:
        return False
    if last == ord("{") or last == ord("}") or (last == ord(";") and stop - first > 1):
        return True
    for i in range(first + 1, stop):
        byte, before = data[start[i]], data[end[i - 1] - 1]
        apart = flag[i] & spaced != 0
        word = form[i - 1] >> 3 != mark
        if byte == ord("=") and apart and word and i + 1 < stop and flag[i + 1] & spaced != 0:
            return True
        if apart:
            continue
        if byte == ord("(") and word:
            return True
        if byte == ord("=") and (before == ord("=") or before == ord("!") or before == ord(":")):
            return True
        if byte == ord(">") and (before == ord("-") or before == ord("=")):
            return True
    return False


@numba.njit
def _openings(
    items: Any, first: Any, stop: Any, opens: Any, fenced: Any, shapes: Any, bits: Any
) -> Any:
    """Returns the hash of each line's mark that may open an item, else 0; its number, else -1."""
    data, key, _, _, start, _ = items
    sign, value = np.zeros(len(first), np.uint64), np.full(len(first), -1, np.int64)
    comment = False
    for n in range(len(first)):
        i = first[n]
        byte = data[start[i]]
        starts = byte == _SLASH and stop[n] - i > 1 and data[start[i + 1]] == _STAR
        comment = starts or (comment and byte == _STAR and not opens[n])
        if comment or fenced[n]:
            continue
        number = _number(items, i, stop[n], shapes, bits[1])
        if number >= 0:
            sign[n], value[n] = key[i + 1], number
        elif _is_mark(items, i, stop[n], shapes[1], bits[1]):
            sign[n] = key[i]
    return sign, value


@numba.njit
def _is_mark(items: Any, i: Any, stop: Any, mark: Any, spaced: Any) -> Any:
    """Returns whether a mark and white space open the line, and it is not closed as * text * is."""
    _, key, form, flag, _, _ = items
    if form[i] >> 3 != mark or stop - i < 2 or flag[i + 1] & spaced == 0:
        return False
    return not (stop - i > 2 and key[stop - 1] == key[i] and flag[stop - 1] & spaced != 0)


@numba.njit
def _number(items: Any, i: Any, stop: Any, shapes: Any, spaced: Any) -> Any:
    """Returns the number of up to three digits that opens the line before a mark and white space,
    or -1.
    """
    data, _, form, flag, start, end = items
    if form[i] >> 3 != shapes[0] or end[i] - start[i] > 3 or stop - i < 3:
        return -1
    if form[i + 1] >> 3 != shapes[1] or flag[i + 1] & spaced or flag[i + 2] & spaced == 0:
        return -1
    value = 0
    for at in range(start[i], end[i]):
        digit = np.int64(data[at]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = 10 * value + int(digit)
    return value


@numba.njit
def _mark_lists(items: Any, first: Any, opens: Any, sign: Any, value: Any, bits: Any) -> None:
    flag = items[3]
    begins = 0
    for n in range(len(first)):
        if opens[n]:
            begins = n
        if sign[n] == 0:
            continue
        for other in range(n - 1, max(begins, n - NEAR) - 1, -1):
            step = abs(value[n] - value[other])
            if sign[other] == sign[n] and step == (value[n] >= 0):
                flag[first[n]] |= bits[2]
                flag[first[other]] |= bits[2]
                break


@numba.njit
def _unmark_speech(items: Any, first: Any, stop: Any, opens: Any, sign: Any, bits: Any) -> None:
    """Unmarks runs of lines with dashes of which some ask and others do not."""
    data, _, _, flag, start, end = items
    run, asks = 0, 0  # lines so far, and those that end with a question mark
    for n in range(len(first) + 1):
        dash = n < len(first) and sign[n] != 0 and data[start[first[n]]] == _DASH
        if not dash or opens[n]:
            if 0 < asks < run:
                for back in range(1, run + 1):
                    flag[first[n - back]] &= ~bits[2]
            run, asks = 0, 0
        if dash:
            run += 1
            asks += data[end[stop[n] - 1] - 1] == ord("?")
