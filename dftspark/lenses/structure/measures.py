"""Measures of a document beside patterns: lengths, pacing, variety, detail, readability.

`COUNTS` are integers of a document that add up; `MEANS` are one value of a document in fixed point,
with a count of the documents that have it; `HISTOGRAMS` are counts of sentences, paragraphs, words
or documents by size. All are sums, so a corpus's are the sums of its documents'.

A sentence is prose if it has an end mark or at least ten words; a paragraph is a line with prose
that is not a list item. Words are tokens other than marks.

Cost     one pass over the items, about 60 ns each; scratch of 24 bytes an item of the longest
         document
Source   Covington and McFall (2010), the moving-average type-token ratio; Ziv and Lempel (1978);
         Kincaid et al. (1975)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.lenses.structure import letters
from dftspark.text import stream
from dftspark.text.hashing import mix64
from dftspark.text.stream import Stream
from dftspark.text.tokens import _buffers, _decode

VERSION = 1
ONE = 1 << 16  # fixed point of MEANS
WINDOW = 50  # words of the moving type-token ratio
OPENERS = 10  # sentences whose first words are compared
SAMPLE_BYTES = 1000  # bytes of a document's start, for its compressibility
SHORT, LONG = 5, 30  # words of a short and of a long sentence
ALIKE = 3  # sentences in a row with the same first word that make a run

SCRIPTS = ("latin", "greek", "cyrillic", "hebrew", "arabic", "indic", "east_asian", "other")
COUNTS = (
    "documents",
    "words",
    "sentences",
    "lines",
    "prose_sentences",
    "paragraphs",
    "paragraph_pairs",
    "trigrams",
    "short_sentences",
    "long_sentences",
    "alike_sentences",
    "alike_paragraphs",
    "names",
    "quoted_words",
    "syllables",
    "repeated_trigrams",
    "emoji",
    *(f"words_{script}" for script in SCRIPTS),
    *(f"documents_not_{script}" for script in SCRIPTS),
)
MEANS = (
    "type_token_ratio",
    "opener_variety",
    "sentence_variation",
    "paragraph_variation",
    "compressibility",
    "grade",
)
C = {name: i for i, name in enumerate(COUNTS)}


@dataclass(frozen=True)
class Histogram:
    """`bins` of width `width`, the last open; sizes start at `first`."""

    id: str
    bins: int
    first: float
    width: float
    unit: str


HISTOGRAMS = (
    Histogram("sentence_words", 60, 1, 1, "words"),
    Histogram("sentence_step", 60, 0, 1, "words"),
    Histogram("paragraph_sentences", 20, 1, 1, "sentences"),
    Histogram("document_words", 64, 0, 0.25, "doublings"),
    Histogram("word_letters", 20, 1, 1, "letters"),
    Histogram("sentence_variation_by_document", 40, 0, 0.05, "ratio"),
)
STARTS = tuple(int(n) for n in np.r_[0, np.cumsum([h.bins for h in HISTOGRAMS])])
_WORDS, _STEP, _PARAGRAPH, _DOCUMENT, _LETTERS, _VARIATION = STARTS[:-1]
_DOCUMENTS, _WORD, _SENTENCES, _LINES = (
    C[name] for name in ("documents", "words", "sentences", "lines")
)
_PROSE, _PARAGRAPHS, _PAIRS = C["prose_sentences"], C["paragraphs"], C["paragraph_pairs"]
_SHORT, _LONG, _TRIGRAMS = C["short_sentences"], C["long_sentences"], C["trigrams"]
_ALIKE, _ALIKE_PARAGRAPHS, _NAMES = C["alike_sentences"], C["alike_paragraphs"], C["names"]
_QUOTED, _SYLLABLES, _REPEATED = C["quoted_words"], C["syllables"], C["repeated_trigrams"]
_EMOJI, _SCRIPT = C["emoji"], C[f"words_{SCRIPTS[0]}"]
_NOT_SCRIPT = _SCRIPT + len(SCRIPTS)
_TTR, _OPENERS, _SENTENCE_CV, _PARAGRAPH_CV, _LZ, _GRADE = range(len(MEANS))


def measured(
    texts: pa.Array, items: Stream, roles: NDArray[np.uint8], blocks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns counts `(B, COUNTS)`, means `(B, MEANS)` in fixed point, -1 where a document has
    none, and histograms by block `(64, STARTS[-1])` of the documents' `blocks` `(B,)`.
    """
    offsets, data = _buffers(texts)
    longest = int(np.diff(items.offsets).max(initial=0))
    # At most three entries an item, and a table at most three quarters full.
    size = 1 << max(4, (4 * longest).bit_length())
    found: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] = _measure(
        (data, offsets),
        (items.lex, items.form, items.flag, items.key, items.start, items.end),
        items.offsets,
        roles,
        blocks,
        size,
    )
    return found


@numba.njit
def _seen(keys: Any, stamps: Any, values: Any, key: Any, stamp: Any, value: Any) -> Any:
    """Returns the value last put under `key` since `stamp` began, or -1; puts `value`."""
    mask = np.uint64(len(keys) - 1)
    at = mix64(key) & mask
    while stamps[at] == stamp:
        if keys[at] == key:
            old = values[at]
            values[at] = value
            return old
        at = (at + np.uint64(1)) & mask
    keys[at], stamps[at], values[at] = key, stamp, value
    return -1


@numba.njit
def _variation(n: Any, total: Any, squares: Any) -> Any:
    """Returns the coefficient of variation, standard deviation over mean."""
    return np.sqrt(max(0.0, (n * squares - total * total) / (n * (n - 1.0)))) / (total / n)


@compiled
def _phrases(data: Any, start: int, end: int, keys: Any, stamps: Any, values: Any, t: int) -> int:
    """Counts phrases of the Ziv-Lempel parse of the bytes; every prefix of a phrase is a phrase."""
    phrases, node = 0, np.uint64(0)
    for i in range(start, end):
        child = mix64(node * np.uint64(257) + np.uint64(data[i]) + np.uint64(1))
        if _seen(keys, stamps, values, child, t, 0) >= 0:
            node = child
        else:
            phrases += 1
            node = np.uint64(0)
    return phrases


@compiled
def _measure(texts: Any, items: Any, offsets: Any, roles: Any, blocks: Any, size: int) -> Any:
    n_docs = len(offsets) - 1
    counts = np.zeros((n_docs, len(COUNTS)), np.int64)
    means = np.full((n_docs, len(MEANS)), -1, np.int64)
    histograms = np.zeros((64, STARTS[-1]), np.int64)
    known = np.zeros(size, np.uint64), np.full(size, -1, np.int64), np.zeros(size, np.int64)
    parsed = np.zeros(4096, np.uint64), np.full(4096, -1, np.int64), np.zeros(4096, np.int64)
    data, text_offsets = texts
    for d in range(n_docs):
        own, bins, mean = counts[d], histograms[blocks[d]], means[d]
        low, high = offsets[d], offsets[d + 1]
        own[_DOCUMENTS] = 1
        _pacing(items, roles, low, high, own, bins, mean)
        _openers(items, low, high, own, mean, known, d)
        _words(data, items, low, high, own, bins)
        _variety(items, low, high, own, mean, known, d)
        _scripts(own)
        words = own[_WORD]
        if words:
            bins[_DOCUMENT + min(int(4 * np.log2(words)), 63)] += 1
        start, end = text_offsets[d], text_offsets[d + 1]
        if end - start >= SAMPLE_BYTES:
            phrases = _phrases(data, start, start + SAMPLE_BYTES, *parsed, d)
            mean[_LZ] = phrases * ONE // SAMPLE_BYTES
        if own[_PROSE] >= 3:
            grade = 0.39 * words / own[_SENTENCES] + 11.8 * own[_SYLLABLES] / words - 15.59
            mean[_GRADE] = int(max(grade, 0.0) * ONE)
    return counts, means, histograms


@numba.njit
def _pacing(items: Any, roles: Any, low: Any, high: Any, own: Any, bins: Any, mean: Any) -> None:
    """Measures lengths of prose sentences and of paragraphs, and their variation."""
    lex, form, flag, key, _, _ = items
    prose = paragraphs = length = last_length = on_line = 0
    total = squares = paragraph_total = paragraph_squares = 0
    ended = in_sentence = listed = False
    first = last_first = np.uint64(0)  # words that lines begin with
    for i in range(low, high):
        shape, f = form[i] >> 3, flag[i]
        if f & stream.SENTENCE or shape == stream.BREAK:
            if in_sentence and length > 0 and (ended or length >= 10):
                prose += 1
                on_line += 1
                total += length
                squares += length * length
                _sentence(length, last_length, own, bins)
                last_length = length
            in_sentence, length, ended = False, 0, False
        if f & stream.LINE:
            own[_LINES] += 1
            on_line, first = 0, np.uint64(0)
            listed = _listed(shape, f, roles[lex[i]], i + 1 < high and flag[i + 1])
        if shape == stream.BREAK:
            if on_line and not listed:
                paragraphs += 1
                paragraph_total += on_line
                paragraph_squares += on_line * on_line
                bins[_PARAGRAPH + min(on_line, 20) - 1] += 1
                own[_ALIKE_PARAGRAPHS] += paragraphs > 1 and first == last_first
                last_first = first
            continue
        if f & stream.SENTENCE:
            in_sentence = True
            if first == 0:
                first = key[i]
        if shape == stream.MARK:
            ended = ended or roles[lex[i]] >> stream.END_MARK & 1 != 0
        else:
            length += 1
    own[_PROSE], own[_PARAGRAPHS], own[_PAIRS] = prose, paragraphs, max(paragraphs - 1, 0)
    if prose >= 5:
        variation = _variation(prose, total, squares)
        mean[_SENTENCE_CV] = int(variation * ONE)
        bins[_VARIATION + min(int(variation / 0.05), 39)] += 1
    if paragraphs >= 3:
        mean[_PARAGRAPH_CV] = int(_variation(paragraphs, paragraph_total, paragraph_squares) * ONE)


@numba.njit
def _sentence(length: Any, before: Any, own: Any, bins: Any) -> None:
    bins[_WORDS + min(length, 60) - 1] += 1
    own[_SHORT] += length <= SHORT
    own[_LONG] += length >= LONG
    if before:
        bins[_STEP + min(abs(length - before), 59)] += 1


@numba.njit
def _listed(shape: Any, flag: Any, role: Any, following: Any) -> Any:
    """Returns whether a line with this beginning is a list item: a bullet, #, > or | that stands
    alone, or a number that does not start a sentence.
    """
    if shape == stream.MARK:
        return following & stream.SPACED != 0 and role >> stream.QUOTE & 1 == 0
    return shape == stream.NUMBER and flag & stream.SENTENCE == 0


@numba.njit
def _openers(items: Any, low: Any, high: Any, own: Any, mean: Any, known: Any, stamp: Any) -> None:
    """Measures sentences by their first words."""
    _, form, flag, key, _, _ = items
    keys, stamps, values = known
    sentences = alike = different = 0
    before = np.uint64(0)
    for i in range(low, high):
        if not flag[i] & stream.SENTENCE or form[i] >> 3 == stream.BREAK:
            continue
        sentences += 1
        alike = alike + 1 if key[i] == before else 1
        if alike == ALIKE:
            own[_ALIKE] += ALIKE
        elif alike > ALIKE:
            own[_ALIKE] += 1
        before = key[i]
        if sentences <= OPENERS:
            different += _seen(keys, stamps, values, mix64(~key[i]), stamp, 0) < 0
    own[_SENTENCES] = sentences
    if sentences >= OPENERS:
        mean[_OPENERS] = different * ONE // OPENERS


@numba.njit
def _words(data: Any, items: Any, low: Any, high: Any, own: Any, bins: Any) -> None:
    """Counts words with their letters, syllables and scripts, names, and emoji."""
    _, form, flag, _, start, end = items
    in_sentence = named = False
    for i in range(low, high):
        shape, f = form[i] >> 3, flag[i]
        opens = f & stream.SENTENCE != 0
        if shape == stream.BREAK:
            in_sentence = named = False
            continue
        in_sentence = in_sentence or opens
        point, _ = _decode(data, start[i])
        if shape == stream.MARK:
            own[_EMOJI] += letters.is_emoji(point)
            named = False
            continue
        # A name is a run of capitalized words inside a sentence; I and I'm are not names.
        capital = shape == stream.CAPITAL or shape == stream.CAPITALS
        if capital and not opens and in_sentence and not _is_i(data, start[i], end[i]):
            own[_NAMES] += not named
            named = True
        elif not opens:
            named = False
        own[_WORD] += 1
        own[_QUOTED] += f & stream.QUOTED != 0
        if shape == stream.NUMBER or shape == stream.YEAR:
            own[_SYLLABLES] += 1
            continue
        own[_SCRIPT + letters.script(point)] += 1
        own[_SYLLABLES] += letters.syllables(data, start[i], end[i])
        size = 0
        for j in range(start[i], end[i]):
            size += data[j] & 0xC0 != 0x80
        bins[_LETTERS + min(size, 20) - 1] += 1


@numba.njit
def _is_i(data: Any, start: Any, end: Any) -> Any:
    after = data[start + 1] if end - start > 1 else 0
    return data[start] == ord("I") and (end - start == 1 or after > 0x7F or after == ord("'"))


@numba.njit
def _variety(items: Any, low: Any, high: Any, own: Any, mean: Any, known: Any, stamp: Any) -> None:
    """Measures the repetition of words and of runs of three words."""
    _, form, flag, key, _, _ = items
    keys, stamps, values = known
    words = own[_WORD]
    first = at = 0  # windows in which a word is the first of its kind, summed over words
    one = two = np.uint64(0)  # the two words before, on this line
    for i in range(low, high):
        shape = form[i] >> 3
        if flag[i] & stream.LINE:
            one = two = np.uint64(0)
        if shape == stream.BREAK or shape == stream.MARK:
            continue
        before = _seen(keys, stamps, values, key[i], stamp, at)
        least = max(at - WINDOW + 1, 0, before + 1)
        most = min(at, words - WINDOW)
        if most >= least:
            first += most - least + 1
        if two:
            own[_TRIGRAMS] += 1
            gram = mix64(mix64(mix64(two) + one) + key[i])
            own[_REPEATED] += _seen(keys, stamps, values, gram, stamp, 0) >= 0
        two, one = one, key[i]
        at += 1
    if words >= WINDOW:
        mean[_TTR] = first * ONE // ((words - WINDOW + 1) * WINDOW)


@numba.njit
def _scripts(own: Any) -> None:
    total = 0
    for script in range(len(SCRIPTS)):
        total += own[_SCRIPT + script]
    for script in range(len(SCRIPTS)):
        own[_NOT_SCRIPT + script] = total > own[_SCRIPT + script]
