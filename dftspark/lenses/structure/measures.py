"""What is measured of a document beside patterns: lengths, pacing, variety, detail, readability.

`COUNTS` are integers of a document that add up; `MEANS` are one value of a document in fixed
point, with a count of the documents that have it; `HISTOGRAMS` are counts of sentences,
paragraphs, words or documents by size. All are sums, so a corpus's are the sums of its documents'.

A sentence is prose if it has an end mark or at least ten words; a paragraph is a line with prose
that is no list item. Words are tokens that are no marks.

Cost     one pass over the items, about 60 ns each; scratch of 24 bytes an item of the longest
         document
Source   Covington and McFall (2010), the moving-average type-token ratio; Ziv and Lempel (1978);
         Kincaid et al. (1975), with syllables counted as runs of vowels
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.text import stream, unicode
from dftspark.text.hashing import mix64
from dftspark.text.stream import Stream
from dftspark.text.tokens import _buffers, _decode

VERSION = 1
ONE = 1 << 16  # fixed point of MEANS
WINDOW = 50  # words of the moving type-token ratio
OPENERS = 10  # sentences whose first words are compared
SAMPLE_BYTES = 1000  # of a document's start, for its compressibility
SHORT, LONG = 5, 30  # words of a short and of a long sentence
ALIKE = 3  # sentences in a row with the same first word that make a run

SCRIPTS = ("latin", "greek", "cyrillic", "hebrew", "arabic", "indic", "east_asian", "other")
COUNTS = (
    "documents", "words", "sentences", "lines", "prose_sentences", "paragraphs",
    "paragraph_pairs", "trigrams", "short_sentences", "long_sentences", "alike_sentences",
    "alike_paragraphs", "names", "quoted_words", "syllables", "repeated_trigrams", "emoji",
    *(f"words_{script}" for script in SCRIPTS), *(f"documents_not_{script}" for script in SCRIPTS),
)  # fmt: skip
MEANS = (
    "type_token_ratio", "opener_variety", "sentence_variation", "paragraph_variation",
    "compressibility", "grade",
)  # fmt: skip
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
_DOCUMENTS, _WORD, _SENTENCES, _LINES, _PROSE, _PARAGRAPHS, _PAIRS, _TRIGRAMS = range(8)
_SHORT, _LONG, _ALIKE, _ALIKE_PARAGRAPHS, _NAMES, _QUOTED, _SYLLABLES, _REPEATED = range(8, 16)
_EMOJI, _SCRIPT = 16, 17
_NOT_SCRIPT = _SCRIPT + len(SCRIPTS)
_TTR, _OPENERS, _SENTENCE_CV, _PARAGRAPH_CV, _LZ, _GRADE = range(6)


def measured(
    texts: pa.Array, items: Stream, roles: NDArray[np.uint8], blocks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Counts `(B, COUNTS)`, means `(B, MEANS)` in fixed point, -1 where a document has none,
    and histograms by block `(64, STARTS[-1])` of the documents' `blocks` `(B,)`."""
    offsets, data = _buffers(texts)
    longest = int(np.diff(items.offsets).max(initial=0))
    # At most three entries an item, and a table at most three quarters full.
    size = 1 << max(4, (4 * longest).bit_length())
    found: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] = _measure(
        data, offsets, items.lex, items.form, items.flag, items.key, items.start, items.end,
        items.offsets, unicode.classes(), roles, blocks, size,
    )  # fmt: skip
    return found


@numba.njit
def _script(point: Any) -> Any:
    if point < 0x250 or 0x1E00 <= point < 0x1F00:
        return 0
    if 0x370 <= point < 0x400 or 0x1F00 <= point < 0x2000:
        return 1
    if 0x400 <= point < 0x530:
        return 2
    if 0x590 <= point < 0x600:
        return 3
    if 0x600 <= point < 0x780 or 0x8A0 <= point < 0x900:
        return 4
    if 0x900 <= point < 0xE00:
        return 5
    if 0x1100 <= point < 0x1200 or 0x2E80 <= point < 0xD7B0 or 0xF900 <= point < 0xFB00:
        return 6
    if 0xFF00 <= point < 0xFFF0 or 0x20000 <= point < 0x40000:
        return 6
    return 7


@numba.njit
def _syllables(data: Any, start: Any, end: Any) -> Any:
    runs, inside = 0, False
    for i in range(start, end):
        letter = data[i] | 32
        vowel = (
            letter == ord("a") or letter == ord("e") or letter == ord("i")
            or letter == ord("o") or letter == ord("u") or letter == ord("y")
        )  # fmt: skip
        if vowel and not inside:
            runs += 1
        inside = vowel
    if runs > 1 and data[end - 1] | 32 == ord("e") and data[end - 2] | 32 != ord("l"):
        runs -= 1
    return max(runs, 1)


@numba.njit
def _is_emoji(point: Any) -> Any:
    return (
        0x1F300 <= point < 0x1FB00 or 0x2600 <= point < 0x27C0 or 0x1F1E6 <= point < 0x1F200
        or point == 0x2B50 or point == 0x2B55
    )  # fmt: skip


@numba.njit
def _seen(keys: Any, stamps: Any, values: Any, key: Any, stamp: Any, value: Any) -> Any:
    """The value last put under `key` since `stamp` began, or -1; puts `value`."""
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
    """Coefficient of variation, standard deviation over mean."""
    return np.sqrt(max(0.0, (n * squares - total * total) / (n * (n - 1.0)))) / (total / n)


@compiled
def _phrases(data: Any, start: int, end: int, keys: Any, stamps: Any, values: Any, t: int) -> int:
    """Phrases of the Ziv-Lempel parse of the bytes; every prefix of a phrase is a phrase."""
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
def _measure(
    data: Any, text_offsets: Any, lex: Any, form: Any, flag: Any, key: Any, start: Any, end: Any,
    offsets: Any, classes: Any, roles: Any, blocks: Any, size: int,
) -> Any:  # fmt: skip
    n_docs = len(offsets) - 1
    counts = np.zeros((n_docs, _NOT_SCRIPT + len(SCRIPTS)), np.int64)
    means = np.full((n_docs, 6), -1, np.int64)
    histograms = np.zeros((64, STARTS[-1]), np.int64)
    keys, stamps = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    values = np.zeros(size, np.int64)
    lz_keys, lz_stamps = np.zeros(4096, np.uint64), np.full(4096, -1, np.int64)
    lz_values = np.zeros(4096, np.int64)
    stamp = 0
    for d in range(n_docs):
        own, bins = counts[d], histograms[blocks[d]]
        own[_DOCUMENTS] = 1
        words = sentences = prose = paragraphs = 0
        length = letters = 0
        ended = in_sentence = named = False
        first_word = last_first = last_paragraph = np.uint64(0)
        alike = 0
        last_length = 0
        total = squares = 0  # of prose sentence lengths
        paragraph_total = paragraph_squares = 0
        line_prose, line_list = 0, False
        line_first = np.uint64(0)
        one = two = np.uint64(0)  # the two words before, on this line
        window = 0
        openers = 0
        lowest, highest = offsets[d], offsets[d + 1]
        n_words = 0
        for i in range(lowest, highest):
            shape = form[i] >> 3
            n_words += shape != stream.MARK and shape != stream.BREAK
        stamp += 1
        for i in range(lowest, highest):
            shape, f = form[i] >> 3, flag[i]
            if f & stream.SENTENCE or shape == stream.BREAK:
                if in_sentence and length > 0 and (ended or length >= 10):
                    prose += 1
                    line_prose += 1
                    bins[_WORDS + min(length, 60) - 1] += 1
                    own[_SHORT] += length <= SHORT
                    own[_LONG] += length >= LONG
                    total += length
                    squares += length * length
                    if last_length:
                        bins[_STEP + min(abs(length - last_length), 59)] += 1
                    last_length = length
                in_sentence, length, ended = False, 0, False
            if f & stream.LINE:
                own[_LINES] += 1
                line_prose, line_first, one, two = 0, np.uint64(0), np.uint64(0), np.uint64(0)
                spaced = i + 1 < highest and flag[i + 1] & stream.SPACED != 0
                # A bullet, #, > or | that stands alone; or a number that no sentence starts with.
                line_list = (
                    shape == stream.MARK and spaced and roles[lex[i]] >> stream.QUOTE & 1 == 0
                ) or (shape == stream.NUMBER and f & stream.SENTENCE == 0)
            if shape == stream.BREAK:
                if line_prose and not line_list:
                    paragraphs += 1
                    bins[_PARAGRAPH + min(line_prose, 20) - 1] += 1
                    paragraph_total += line_prose
                    paragraph_squares += line_prose * line_prose
                    if paragraphs > 1:
                        own[_PAIRS] += 1
                        own[_ALIKE_PARAGRAPHS] += line_first == last_paragraph
                    last_paragraph = line_first
                named = False
                continue
            if f & stream.SENTENCE:
                sentences += 1
                in_sentence = True
                first_word = key[i]
                if line_first == 0:
                    line_first = first_word
                alike = alike + 1 if first_word == last_first else 1
                if alike == ALIKE:
                    own[_ALIKE] += ALIKE
                elif alike > ALIKE:
                    own[_ALIKE] += 1
                last_first = first_word
                if sentences <= OPENERS:
                    openers += _seen(keys, stamps, values, mix64(~first_word), stamp, 0) < 0
            if shape == stream.MARK:
                if roles[lex[i]] >> stream.END_MARK & 1:
                    ended = True
                point, _ = _decode(data, start[i])
                own[_EMOJI] += _is_emoji(point)
                named = False
                continue
            # A name is a run of capitalized words inside a sentence; I and I'm are none.
            capital = shape == stream.CAPITAL or shape == stream.CAPITALS
            size_ = end[i] - start[i]
            is_i = data[start[i]] == ord("I") and (size_ == 1 or data[start[i] + 1] > 0x7F
                                                   or data[start[i] + 1] == ord("'"))  # fmt: skip
            if capital and not f & stream.SENTENCE and in_sentence and not is_i:
                own[_NAMES] += not named
                named = True
            elif not f & stream.SENTENCE:
                named = False
            words += 1
            length += 1
            own[_QUOTED] += f & stream.QUOTED != 0
            point, _ = _decode(data, start[i])
            if shape != stream.NUMBER and shape != stream.YEAR:
                own[_SCRIPT + _script(point)] += 1
                own[_SYLLABLES] += _syllables(data, start[i], end[i])
                letters = 0
                for j in range(start[i], end[i]):
                    letters += data[j] & 0xC0 != 0x80
                bins[_LETTERS + min(letters, 20) - 1] += 1
            else:
                own[_SYLLABLES] += 1
            # Windows of WINDOW words in which this one is the first of its kind.
            at = words - 1
            before = _seen(keys, stamps, values, key[i], stamp, at)
            least = max(at - WINDOW + 1, 0, before + 1)
            most = min(at, n_words - WINDOW)
            if most >= least:
                window += most - least + 1
            if two:
                own[_TRIGRAMS] += 1
                gram = mix64(mix64(mix64(two) + one) + key[i])
                own[_REPEATED] += _seen(keys, stamps, values, gram, stamp, 0) >= 0
            two, one = one, key[i]
        own[_WORD], own[_SENTENCES], own[_PROSE] = words, sentences, prose
        own[_PARAGRAPHS] = paragraphs
        for script in range(len(SCRIPTS)):
            in_script = own[_SCRIPT + script]
            all_words = 0
            for other in range(len(SCRIPTS)):
                all_words += own[_SCRIPT + other]
            own[_NOT_SCRIPT + script] = all_words > in_script
        if words:
            bins[_DOCUMENT + min(int(4 * np.log2(words)), 63)] += 1
        if words >= WINDOW:
            windows = words - WINDOW + 1
            means[d, _TTR] = window * ONE // (windows * WINDOW)
        if sentences >= OPENERS:
            means[d, _OPENERS] = openers * ONE // OPENERS
        if prose >= 5:
            variation = _variation(prose, total, squares)
            means[d, _SENTENCE_CV] = int(variation * ONE)
            bins[_VARIATION + min(int(variation / 0.05), 39)] += 1
        if paragraphs >= 3:
            spread = _variation(paragraphs, paragraph_total, paragraph_squares)
            means[d, _PARAGRAPH_CV] = int(spread * ONE)
        low, high = text_offsets[d], text_offsets[d + 1]
        if high - low >= SAMPLE_BYTES:
            found = _phrases(data, low, low + SAMPLE_BYTES, lz_keys, lz_stamps, lz_values, d)
            means[d, _LZ] = found * ONE // SAMPLE_BYTES
        if prose >= 3:
            grade = 0.39 * words / sentences + 11.8 * own[_SYLLABLES] / words - 15.59
            means[d, _GRADE] = int(max(grade, 0.0) * ONE)
    return counts, means, histograms
