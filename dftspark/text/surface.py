"""Properties of a document other than its writing: encoding, case, spacing, lines, cuts, language.

Cost     words and signs are counted in all of the text, case, spacing and language in its first
         1,500 characters: some 150 microseconds for 400 words
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.text.language import LANGUAGES, language_of

VERSION = 1
_READ = 1_500  # characters searched for case, spacing and language
_LETTERS = 20  # with fewer letters, case is unknown
_SPACED = 2  # marks after a blank, from which on a text may be tokenized
BINS_AN_OCTAVE = 32
BINS = 24 * BINS_AN_OCTAVE

FLAGS = (
    "non_ascii",
    "mojibake",
    "quotes",
    "curly_quotes",
    "lower_cased",
    "tokenized_spacing",
    "single_line",
    "cut_off",
    *(f"language_{name}" for name in LANGUAGES),
)

# UTF-8 read as Windows-1252 or Latin-1 (whose control characters cleaning removes), characters that
# could not be decoded, and apostrophes that became question marks.
_MOJIBAKE = re.compile(
    "[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\u00c3\u0192|\u00ef\u00bb\u00bf|\ufffd"
    r"|\w\u00e2(?:s|re|ll|ve)\b|n\u00e2t\b"
)
_OF_MOJIBAKE = ("\u00c2", "\u00c3", "\u00e2", "\u00ef", "\ufffd")
_OF_QUESTIONED = ("n?t", "?s", "I?")
_QUESTIONED = re.compile(r"\b(?:[a-z]+n\?t|(?:it|he|she|that|there|what)\?s|I\?(?:m|ve|ll|d))\b")
_SPLIT_WORD = re.compile(r"\w (?:n't|'s|'re|'ve|'ll|'m|'d)\b")
_CURLY = re.compile("[\u2018\u2019\u201c\u201d]")
_CLOSERS = "\"'\u201d\u2019\u00bb)]}*_~`|>\u300d\u300f\uff09 \t\n"
_TERMINALS = frozenset(".!?\u2026:;\u3002\uff01\uff1f\uff0e\u061f\u06d4\u0964")


@dataclass(frozen=True, eq=False)
class Surfaces:
    """`B` documents, in any order and cut anywhere.

    flags     (B, F)  bool   which of FLAGS each document has
    words     (B,)    int64  words between white space
    newlines  (B,)    int64  line breaks
    blocks    (B,)    int64  0 .. 63
    """

    flags: NDArray[np.bool_]
    words: NDArray[np.int64]
    newlines: NDArray[np.int64]
    blocks: NDArray[np.int64]


def of(texts: Sequence[str], blocks: NDArray[np.int64]) -> Surfaces:
    """Returns the surfaces of texts, which have the blocks `(B,)`."""
    flags = np.zeros((len(texts), len(FLAGS)), bool)
    for row, text in zip(flags, texts, strict=True):
        found = _flags(text)
        row[: len(found)] = found
        language = language_of(text[:_READ])
        if language is not None:
            row[len(found) + LANGUAGES.index(language)] = True
    words = np.array([len(text.split()) for text in texts], np.int64)
    newlines = np.array([text.count("\n") for text in texts], np.int64)
    return Surfaces(flags, words, newlines, blocks)


def _flags(text: str) -> tuple[bool, ...]:
    """Returns all FLAGS except those of languages."""
    ascii_only, start = text.isascii(), text[:_READ]
    curly = not ascii_only and _CURLY.search(text) is not None
    return (
        not ascii_only,
        _is_garbled(text, start),
        curly or "'" in text or '"' in text,
        curly,
        _is_lower(start),
        _is_tokenized(start),
        "\n" not in text,
        _is_cut(text),
    )


def _is_garbled(text: str, start: str) -> bool:
    # A search for one of several beginnings is slow, and most texts have none of these signs.
    signs = not text.isascii() and any(sign in text for sign in _OF_MOJIBAKE)
    if signs and _MOJIBAKE.search(text) is not None:
        return True
    return any(sign in start for sign in _OF_QUESTIONED) and _QUESTIONED.search(start) is not None


def _is_lower(text: str) -> bool:
    """Returns whether there are letters that have case, and none is a capital."""
    return text == text.lower() and sum(map(str.islower, text)) >= _LETTERS


def _is_tokenized(text: str) -> bool:
    """Returns whether most commas and points stand after a blank, or contractions are split, as in
    treebanks. Before other marks French has a blank too.
    """
    if " ," not in text and " ." not in text and " n't" not in text and " '" not in text:
        return False
    line = " ".join(text.split()) + " "
    marks = line.count(", ") + line.count(". ")
    after_blank = line.count(" , ") + line.count(" . ")
    split = len(_SPLIT_WORD.findall(line))
    return after_blank + split >= _SPACED and after_blank + split > marks - after_blank


def _is_cut(text: str) -> bool:
    """Returns whether the text ends without a mark that ends a sentence, closing quotes aside."""
    body = text[-40:].rstrip(_CLOSERS)
    return bool(body) and body[-1] not in _TERMINALS


def bin_of(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the bin of lengths `(B,)`, BINS_AN_OCTAVE to a factor of two; 0 for 0 or 1 words."""
    bins = np.floor(BINS_AN_OCTAVE * np.log2(np.maximum(words, 1))).astype(np.int64)
    return np.asarray(bins.clip(0, BINS - 1), np.int64)


def words_at(place: float) -> float:
    """Returns the length in words at a place among the bins."""
    return math.exp2(place / BINS_AN_OCTAVE)
