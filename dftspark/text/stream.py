"""Text as a stream of classified tokens with its lines and sentences marked, for patterns to read.

Each token of the `words` tokenizer is an item; before the first token of a document and after the
last of every line there is one more item, a break. A line feed ends a line unless it wraps a
sentence: the next line starts with a lower-case letter and this one ends without an end mark. So a
paragraph, a heading and a list item are lines, and blank lines are not.

A sentence ends with its line, and with a run of . ! ? or an ellipsis and the closing quotes after
it where white space follows and the next token is not lower case; not after an abbreviation, a lone
capital letter (J. Smith), a number that opens a line (1. First) or inside a token (3.14).

Cost     one pass over the tokens, about 30 ns each; 16 bytes an item
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.text import line_marks, unicode
from dftspark.text.tokens import Tokenized, Words, _buffers, _decode

VERSION = 2
WORDS = Words(lowercase=True)

# Shapes of an item; a lone capital letter is capitals.
LOWER, CAPITAL, CAPITALS, NUMBER, YEAR, MARK, OTHER, BREAK = range(8)
SHAPES = ("lower", "capital", "capitals", "number", "year", "mark", "other", "break")
# Endings of a word, by its last letters.
PLAIN, ING, ED, LY, NOUN, ADJECTIVE, S = range(7)
FORMS = len(SHAPES) * 8  # a form is shape * 8 + ending

# Flags of an item.
SENTENCE, LINE, SPACED, QUOTED, LISTED, CODE, APART = 1, 2, 4, 8, 16, 32, 64
FLAGS = ("sentence", "line", "spaced", "quoted", "listed", "code", "apart")

# Classes of the lexicon that splitting itself needs, in this order.
ABBREVIATION, END_MARK, OPENER, CLOSER, QUOTE = range(5)
BUILTIN = ("abbreviation", "end_mark", "opener", "closer", "quote")


@dataclass(frozen=True, eq=False)
class Stream:
    """Items `(N,)` of some documents; `offsets` `(B+1,)` says which are whose.

    lex     int16  which classes of the lexicon the token is in: an id of the lexicon, 0 for none
    form    uint8  shape * 8 + ending
    flag    uint8  SENTENCE: first word of a sentence; LINE: first item of a line; SPACED: white
                   space before it; QUOTED: inside double quotes of its line; LISTED: first item
                   of a line that opens with a bullet or number as a line near it does; CODE:
                   of a line of program code; APART: of a line with no sentence left open above
                   (text/line_marks.py)
    key     uint64 the token's hash, 0 for a break
    start   int64  byte offsets of the token in the texts' buffer
    end     int64
    """

    lex: NDArray[np.int16]
    form: NDArray[np.uint8]
    flag: NDArray[np.uint8]
    key: NDArray[np.uint64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    offsets: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Maps token hash to lexicon id, by open addressing, and id to the splitter's classes.

    keys    (H,) uint64  H a power of two, 0 where empty
    ids     (H,) int16
    roles   (L,) uint8   bit BUILTIN.index(name) is set where the id is in that class
    """

    keys: NDArray[np.uint64]
    ids: NDArray[np.int16]
    roles: NDArray[np.uint8]


def token_hashes(words: list[str]) -> NDArray[np.uint64]:
    """Returns the hash of each word `(len(words),)`. Raises ValueError unless each is one token."""
    batch = WORDS.tokenize(pa.array(words, pa.string()))
    single = np.diff(batch.offsets) == 1
    if not single.all():
        wrong = [word for word, ok in zip(words, single, strict=True) if not ok]
        raise ValueError(f"a word of the lexicon is one token; these are not: {wrong}")
    return batch.hashes


def lexicon(ids: dict[str, int], roles: NDArray[np.uint8]) -> Lexicon:
    """Makes a lexicon; `ids` maps each word to its id, from 1 on; `roles` is indexed by id."""
    size = 1 << max(4, (2 * len(ids)).bit_length())
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int16)
    words = sorted(ids)
    _insert(keys, values, token_hashes(words), np.array([ids[w] for w in words], np.int16))
    return Lexicon(keys, values, roles)


def read(texts: pa.Array, known: Lexicon) -> Stream:
    """Returns the items of string array `texts` `(B,)`; nulls have none."""
    return of_tokens(Tokenized(texts), known)


def of_tokens(tokens: Tokenized, known: Lexicon) -> Stream:
    """Does the same as `read` for texts whose tokens others ask for too."""
    batch = tokens.by(WORDS)
    offsets, data = _buffers(tokens.texts)
    lex, form = _words(
        data,
        batch.hashes,
        (batch.starts, batch.ends),
        (unicode.classes(), unicode.lowercase()),
        (known.keys, known.ids),
    )
    spans = batch.starts, batch.ends, batch.offsets, offsets
    flag = _flags(data, form, known.roles[lex], spans)
    columns = lex, form, flag, batch.hashes, batch.starts, batch.ends
    found = Stream(*_with_breaks(columns, spans))
    line_marks.mark(
        (data, found.key, found.form, found.flag, found.start, found.end),
        found.offsets,
        (NUMBER, MARK, BREAK),
        (LINE, SPACED, LISTED, CODE, APART),
    )
    return found


@compiled
def _insert(keys: Any, values: Any, new: Any, ids: Any) -> None:
    mask = np.uint64(len(keys) - 1)
    for k in range(len(new)):
        at = new[k] & mask
        while keys[at] != 0 and keys[at] != new[k]:
            at = (at + np.uint64(1)) & mask
        keys[at] = new[k]
        values[at] = ids[k]


@numba.njit
def _lookup(keys: Any, values: Any, key: Any) -> Any:
    mask = np.uint64(len(keys) - 1)
    at = key & mask
    while keys[at] != 0:
        if keys[at] == key:
            return values[at]
        at = (at + np.uint64(1)) & mask
    return np.int16(0)


@numba.njit
def _ending(data: Any, start: Any, end: Any) -> Any:
    """Returns the ending of an ASCII word of at least four letters; capitals do not count."""
    size = end - start
    if size < 4:
        return PLAIN
    last = data[end - 1]
    before = data[end - 2]
    third = data[end - 3]
    if last == ord("g") and before == ord("n") and third == ord("i") and size > 4:
        return ING
    if last == ord("d") and before == ord("e"):
        return ED
    if last == ord("y") and before == ord("l"):
        return LY
    if size > 5:
        if last == ord("n") and before == ord("o") and third == ord("i"):
            return NOUN  # -tion, -sion
        fourth = data[end - 4]
        if last == ord("t") and before == ord("n") and third == ord("e") and fourth == ord("m"):
            return NOUN
        if last == ord("s") and before == ord("s") and third == ord("e"):
            if fourth == ord("n"):
                return NOUN
            if fourth == ord("l"):
                return ADJECTIVE
        if last == ord("s") and before == ord("u") and third == ord("o"):
            return ADJECTIVE
        if last == ord("l"):
            if before == ord("u") and third == ord("f"):
                return ADJECTIVE
            if before == ord("a") and (third == ord("i") or third == ord("u") or third == ord("c")):
                return ADJECTIVE  # -ial, -ual, -ical
        if last == ord("e"):
            if before == ord("v") and third == ord("i"):
                return ADJECTIVE
            if before == ord("l") and third == ord("b"):
                return ADJECTIVE  # -able, -ible
        if last == ord("y") and before == ord("t") and third == ord("i"):
            return NOUN
        if last == ord("e") and before == ord("c") and third == ord("n"):
            return NOUN  # -ance, -ence
        if last == ord("p") and before == ord("i") and third == ord("h"):
            return NOUN
        if last == ord("m") and before == ord("s") and third == ord("i"):
            return NOUN
    if last == ord("s") and before != ord("s"):
        return S
    return PLAIN


@numba.njit
def _shape(data: Any, start: Any, end: Any, classes: Any, lower: Any) -> Any:
    if ord("a") <= data[start] <= ord("z"):  # as most words begin
        return LOWER
    point, size = _decode(data, start)
    kind = classes[point]
    if kind == unicode.DIGIT:
        if end - start == 4:
            value = 0
            for i in range(start, end):
                digit = np.int64(data[i]) - 48
                if digit < 0 or digit > 9:
                    return NUMBER
                value = value * 10 + int(digit)
            if 1500 <= value <= 2099:
                return YEAR
        return NUMBER
    if kind == unicode.IDEOGRAPH:
        return OTHER
    if kind != unicode.WORD:
        return MARK
    if lower[point] == point:
        return LOWER
    i = start + size
    while i < end:
        point, size = _decode(data, i)
        if classes[point] == unicode.WORD and lower[point] == point:
            return CAPITAL
        i += size
    return CAPITALS


@compiled
def _words(data: Any, hashes: Any, spans: Any, tables: Any, known: Any) -> Any:
    """Returns lexicon id and form of each token, whatever stands around it."""
    lex, form = np.zeros(len(hashes), np.int16), np.empty(len(hashes), np.uint8)
    # Unpacked here, once: Numba counts references where a tuple is read.
    (starts, ends), (classes, lower), (keys, ids) = spans, tables, known
    for t in range(len(hashes)):
        lex[t] = _lookup(keys, ids, hashes[t])
        shape = _shape(data, starts[t], ends[t], classes, lower)
        ending = PLAIN
        if shape in (LOWER, CAPITAL):
            ending = _ending(data, starts[t], ends[t])
        form[t] = shape * 8 + ending
    return lex, form


@compiled
def _flags(data: Any, form: Any, roles: Any, spans: Any) -> Any:
    """Returns where lines and sentences begin, what is quoted, and what stands apart, by token."""
    starts, ends, tokens, text_offsets = spans
    found = np.zeros(len(form), np.uint8)
    for d in range(len(tokens) - 1):
        ended = False  # nothing but closing marks since an end mark
        waiting = True  # the sentence has no word yet
        quoted = False
        numbered = False  # the line opens with a number that only counts
        on_line = 0  # tokens of the line so far
        role, shape, size = 0, BREAK, 0  # of the token before
        word_shape = BREAK  # of the last token other than a mark
        before = text_offsets[d]
        for t in range(tokens[d], tokens[d + 1]):
            s, e = starts[t], ends[t]
            line = t == tokens[d]
            spaced = line or s > before
            last_role, last_shape, last_size = role, shape, size
            role, shape, size = roles[t], form[t] >> 3, e - s
            line = line or _breaks(data, before, s, ended or shape != LOWER)
            before = e
            closes = (role >> CLOSER | role >> END_MARK | role >> QUOTE) & 1 != 0
            if line:
                ended, waiting, quoted, numbered, on_line = False, True, False, False, 0
            elif ended and not (closes and not spaced):
                if spaced or (last_role >> CLOSER | last_role >> QUOTE) & 1 != 0:
                    waiting = waiting or shape != LOWER
                else:  # "end.Next", but not "example.com" or "Ph.D"
                    waiting = waiting or (word_shape == LOWER and shape == CAPITAL)
                ended = False
            found[t] = LINE * line | SPACED * (spaced or line)
            if on_line == 0 and shape == NUMBER and t + 1 < tokens[d + 1] and starts[t + 1] == e:
                numbered = data[e] == ord(".") or data[e] == ord(")")
            if waiting and shape != MARK and not (numbered and on_line == 0):
                found[t] |= SENTENCE
                waiting = False
            if role >> QUOTE & 1:
                # A straight quote toggles; a curly one says which it is.
                quoted = not quoted if data[s] == ord('"') else role >> OPENER & 1 != 0
            elif quoted:
                found[t] |= QUOTED
            if role >> END_MARK & 1:
                initial = last_shape == CAPITALS and last_size == 1
                counts = numbered and on_line == 1
                abbreviated = initial or counts or last_role >> ABBREVIATION & 1 != 0
                ended = ended or not (data[s] == ord(".") and abbreviated)
            if shape != MARK:
                word_shape = shape
            on_line += 1
    return found


@numba.njit
def _breaks(data: Any, start: Any, end: Any, apart: Any) -> Any:
    """Returns whether the text between two tokens ends a line: two line feeds, or one where the
    second token is `apart` from the first.
    """
    feeds = 0
    for i in range(start, end):
        feeds += data[i] == 10
    return feeds > 1 or (feeds == 1 and apart)


@compiled
def _with_breaks(columns: Any, spans: Any) -> Any:
    """Returns tokens with a BREAK before each line, and one after each document with tokens."""
    lex, form, flag, key, starts, ends = columns
    _, _, tokens, text_offsets = spans
    most = 2 * len(lex) + len(tokens)
    lexes, forms = np.empty(most, np.int16), np.empty(most, np.uint8)
    flags, keys = np.empty(most, np.uint8), np.empty(most, np.uint64)
    begins, closes = np.empty(most, np.int64), np.empty(most, np.int64)
    offsets = np.zeros(len(tokens), np.int64)
    n = 0
    for d in range(len(tokens) - 1):
        before = text_offsets[d]
        for t in range(tokens[d], tokens[d + 1] + 1):
            ends_document = t == tokens[d + 1]
            if ends_document and t == tokens[d]:
                break
            if ends_document or flag[t] & LINE:
                lexes[n], forms[n], flags[n], keys[n] = 0, BREAK * 8, 0, 0
                begins[n] = closes[n] = before
                n += 1
            if ends_document:
                break
            lexes[n], forms[n], flags[n], keys[n] = lex[t], form[t], flag[t], key[t]
            begins[n], closes[n] = starts[t], ends[t]
            before = ends[t]
            n += 1
        offsets[d + 1] = n
    return lexes[:n], forms[:n], flags[:n], keys[:n], begins[:n], closes[:n], offsets
