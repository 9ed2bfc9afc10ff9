"""Text to tokens: 64-bit token hashes straight from Arrow's UTF-8 buffers.

The `words` tokenizer: a run of letters, digits, marks and connectors is one token, with an
apostrophe between letters inside it (don't) and a point or comma between digits (3.14, 1,000); an
ideograph or kana is one token; any other character except white space is one token, with the marks,
selectors and joined emoji that follow it. White space is not a token.

Cost     one pass over the bytes; 24 bytes a token
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import config
from dftspark.compiled import compiled
from dftspark.text import unicode
from dftspark.text.hashing import mix64


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Tokens of some documents, `T` in all.

    hashes  (T,)    uint64  one hash a token; equal exactly when the tokens are equal
    starts  (T,)    int64   byte offset of the token in the texts' buffer; empty without spans
    ends    (T,)    int64   byte offset of its end
    offsets (B+1,)  int64   document d has the tokens offsets[d]:offsets[d+1]
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]


class Tokenizer(Protocol):
    """Turns texts into 64-bit hashes of tokens, and places of tokens back into text."""

    @property
    def fingerprint(self) -> str:
        """A string, equal exactly when two tokenizers give the same tokens for every text."""
        ...

    def tokenize(self, texts: pa.Array, spans: bool = False) -> TokenBatch: ...

    def token_texts(self, texts: pa.Array, batch: TokenBatch, first: int, n: int) -> list[str]:
        """Returns the n tokens from token `first` on, as strings; the batch has spans."""
        ...

    def examples(
        self, texts: pa.Array, batch: TokenBatch, firsts: NDArray[np.int64], n: int, width: int
    ) -> Iterator[tuple[int, str, list[str], str]]:
        """Yields for the n-gram at each of the tokens `firsts` its document; the n-gram as it
        stands there, on one line; its tokens; and up to about `width` characters of the document,
        the n-gram in the middle. The batch has spans.
        """
        ...


@dataclass(frozen=True)
class Words:
    """The `words` tokenizer."""

    lowercase: bool = False

    @property
    def fingerprint(self) -> str:
        return f"words-v1(lowercase={self.lowercase}, unicode={unicode.VERSION})"

    def tokenize(self, texts: pa.Array, spans: bool = False) -> TokenBatch:
        cased, folded, *places = _read(texts, spans, not self.lowercase, self.lowercase)
        return TokenBatch(folded if self.lowercase else cased, *places)

    def token_texts(self, texts: pa.Array, batch: TokenBatch, first: int, n: int) -> list[str]:
        data = _buffers(texts)[1]
        starts, ends = (of[first : first + n].tolist() for of in (batch.starts, batch.ends))
        spans = zip(starts, ends, strict=True)
        return [self._folded(data[start:end].tobytes().decode()) for start, end in spans]

    def examples(
        self, texts: pa.Array, batch: TokenBatch, firsts: NDArray[np.int64], n: int, width: int
    ) -> Iterator[tuple[int, str, list[str], str]]:
        offsets, data = _buffers(texts)
        document = np.searchsorted(batch.offsets, firsts, side="right") - 1
        tokens = firsts[:, None] + np.arange(n)
        starts, ends = batch.starts[tokens], batch.ends[tokens]
        reach = np.maximum(0, width - (ends[:, -1] - starts[:, 0])) // 2
        low = np.maximum(offsets[document], starts[:, 0] - reach)
        high = np.minimum(offsets[document + 1], ends[:, -1] + reach)
        view = data.data
        columns = (column.tolist() for column in (document, starts, ends, low, high))
        for at, begin, end, left, right in zip(*columns, strict=True):
            own = [str(view[i:j], "utf-8") for i, j in zip(begin, end, strict=True)]
            text = str(view[begin[0] : end[-1]], "utf-8")
            # A cut inside a character leaves bytes that decode to nothing.
            around = str(view[left:right], "utf-8", "ignore")
            yield at, one_line(self._folded(text)), [self._folded(one) for one in own], around

    def _folded(self, text: str) -> str:
        if not self.lowercase:
            return text
        if text.isascii():
            return text.lower()
        table = unicode.lowercase()
        return "".join(chr(table[ord(char)]) for char in text)


class Tokenized:
    """Tokens of `texts`, made once for all who ask for them, with their places.

    Of the `words` tokenizer both forms, cased and folded, come from one pass over the bytes.
    """

    def __init__(self, texts: pa.Array) -> None:
        self.texts = texts
        self.made: dict[str, TokenBatch] = {}

    def by(self, words: Tokenizer) -> TokenBatch:
        if words.fingerprint not in self.made:
            if isinstance(words, Words):
                cased, folded, *places = _read(self.texts, spans=True, cased=True, folded=True)
                self.made[Words(False).fingerprint] = TokenBatch(cased, *places)
                self.made[Words(True).fingerprint] = TokenBatch(folded, *places)
            else:
                self.made[words.fingerprint] = words.tokenize(self.texts, spans=True)
        return self.made[words.fingerprint]


def tokenizer(settings: config.Tokens) -> Tokenizer:
    """Returns the tokenizer of the settings. Raises what HuggingFaceTokens.load raises."""
    if settings.tokenizer == "words":
        return Words(settings.lowercase)
    from dftspark.text.hf_tokens import HuggingFaceTokens

    return HuggingFaceTokens.load(settings.tokenizer.removeprefix("hf:"))


def one_line(text: str) -> str:
    """Replaces inner runs of white space by one space; a lone white-space token stays itself."""
    return " ".join(text.split()) or text


def _read(texts: pa.Array, spans: bool, cased: bool, folded: bool) -> tuple[NDArray[Any], ...]:
    """Returns hashes as written, hashes with case folded, starts, ends and offsets; what is not
    asked for is empty."""
    offsets, data = _buffers(texts)
    tables = unicode.classes(), unicode.lowercase()
    found: tuple[NDArray[Any], ...] = _words(
        data, offsets.astype(np.int64), *tables, spans, cased, folded
    )
    return found


def _buffers(texts: pa.Array) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Returns offsets `(B+1,)` and bytes of a string array, without copying either."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if texts.null_count:
        texts = texts.fill_null("")
    wide = pa.types.is_large_string(texts.type)
    _, offset_buffer, data_buffer = texts.buffers()
    if not len(texts) or data_buffer is None:
        return np.zeros(len(texts) + 1, np.int64), _read_only(np.empty(0, np.uint8))
    raw = _read_only(np.frombuffer(offset_buffer, np.int64 if wide else np.int32))
    data = _read_only(np.frombuffer(data_buffer, np.uint8))
    return raw[texts.offset : texts.offset + len(texts) + 1], data


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Makes the array read-only: Arrow's own memory can be written, memory from a file cannot, and
    kernels would otherwise be compiled for both.
    """
    array.flags.writeable = False
    return array


@numba.njit
def _decode(data: Any, i: int) -> Any:
    """Returns (code point, bytes) of the UTF-8 sequence at i; Arrow strings are valid UTF-8."""
    b = data[i]
    if b < 0x80:
        return np.int32(b), 1
    if b < 0xE0:
        return (np.int32(b & 0x1F) << 6) | np.int32(data[i + 1] & 0x3F), 2
    if b < 0xF0:
        low = (np.int32(data[i + 1] & 0x3F) << 6) | np.int32(data[i + 2] & 0x3F)
        return (np.int32(b & 0x0F) << 12) | low, 3
    high = (np.int32(b & 0x07) << 18) | (np.int32(data[i + 1] & 0x3F) << 12)
    return high | (np.int32(data[i + 2] & 0x3F) << 6) | np.int32(data[i + 3] & 0x3F), 4


@numba.njit
def _added(h: Any, point: Any) -> Any:
    h = (h ^ np.uint64(point)) * np.uint64(0xD6E8FEB86659FD93)
    return h ^ h >> np.uint64(32)


@compiled
def _words(
    data: Any, doc_offsets: Any, classes: Any, lower: Any, spans: bool, cased: bool, folded: bool
) -> Any:
    # A token has at least one byte. Pages of these arrays that are never written cost nothing,
    # while growing them inside the loop makes it three times slower.
    capacity = doc_offsets[-1] - doc_offsets[0]
    hashes = np.empty(capacity if cased else 0, np.uint64)
    folds = np.empty(capacity if folded else 0, np.uint64)
    starts = np.empty(capacity if spans else 0, np.int64)
    ends = np.empty(capacity if spans else 0, np.int64)
    offsets = np.zeros(len(doc_offsets), np.int64)
    count = 0
    for d in range(len(doc_offsets) - 1):
        i, end = doc_offsets[d], doc_offsets[d + 1]
        while i < end:
            point, size = _decode(data, i)
            kind = classes[point]
            if kind == unicode.SPACE:
                i += size
                continue
            start = i
            is_word = kind == unicode.WORD or kind == unicode.DIGIT
            last = kind  # class of the last character other than a mark
            h = g = np.uint64(0x9E3779B97F4A7C15)
            while True:
                if cased:
                    h = _added(h, point)
                if folded:
                    g = _added(g, lower[point])
                i += size
                if i >= end:
                    break
                joined = kind == unicode.JOINER
                point, size = _decode(data, i)
                kind = classes[point]
                if is_word and (kind == unicode.WORD or kind == unicode.DIGIT):
                    last = kind
                elif kind == unicode.EXTEND or kind == unicode.JOINER:
                    continue
                elif is_word:
                    inner = (kind == unicode.APOSTROPHE and last == unicode.WORD) or (
                        kind == unicode.POINT and last == unicode.DIGIT
                    )
                    if not inner or i + size >= end:
                        break
                    if classes[_decode(data, i + size)[0]] != last:
                        break
                    last = unicode.SPACE  # one inner mark at a time
                elif not (joined and kind == unicode.SYMBOL):
                    break
            if cased:
                hashes[count] = mix64(h)
            if folded:
                folds[count] = mix64(g)
            if spans:
                starts[count] = start
                ends[count] = i
            count += 1
        offsets[d + 1] = count
    return hashes[:count], folds[:count], starts[:count], ends[:count], offsets
