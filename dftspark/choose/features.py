"""Features of a text for a choice: one long vector, whose mean over human texts a profile keeps.

    ngrams_N     the Count-Sketch of the rates of n-grams, c / N of each, as the n-gram lens sums it
    embeddings   random features of the vector, as the embedding lens sums them
    structure    counts of the structure lens, whether there are any, and means over the document
    lengths      documents, sentences, paragraphs and words by size

Every column is a sum over documents in the states of a profile, so the target needs no human text.
Features that `matched` leaves out (the highest order, and separate frequencies) are only observed:
they show whether what was not matched improved as well.

Cost     some 80 microseconds a text of 130 words, and 4 bytes a column
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.choose import documents
from dftspark.config import Tokens
from dftspark.lenses.embeddings import fourier
from dftspark.lenses.embeddings.fourier import ONE, Frequencies
from dftspark.lenses.ngrams.sketch import rates_of_documents
from dftspark.text.tokens import tokenizer

NGRAMS, EMBEDDINGS, STRUCTURE, LENGTHS = "ngrams", "embeddings", "structure", "lengths"
FAMILIES = (NGRAMS, EMBEDDINGS, STRUCTURE, LENGTHS)
_OTHER = "embeddings_other"  # frequencies that are only observed


@dataclass(frozen=True)
class FeatureBlock:
    """Columns `start:stop` of the vectors; `matched` says that the choice uses them."""

    name: str
    family: str
    start: int
    stop: int
    matched: bool

    @property
    def columns(self) -> slice:
        return slice(self.start, self.stop)


@dataclass(frozen=True, kw_only=True)
class Features:
    """orders       of n-grams; those of `matched` are matched
    buckets      of an order's sketch
    frequencies  of the random features; None without the embedding lens
    first        how many of them are matched; as many again are looked at alone
    structure    whether structure and lengths are taken
    """

    tokens: Tokens
    orders: tuple[int, ...]
    matched: tuple[int, ...]
    buckets: int
    frequencies: Frequencies | None = None
    first: int = 0
    structure: bool = True

    @cached_property
    def parts(self) -> tuple[FeatureBlock, ...]:
        """The parts of a vector, one after another."""
        widths = [(f"ngrams_{n}", NGRAMS, self.buckets, n in self.matched) for n in self.orders]
        if self.frequencies is not None:
            widths.append((EMBEDDINGS, EMBEDDINGS, 2 * len(self._taken[0]), True))
            if len(self._taken[1]):
                widths.append((_OTHER, EMBEDDINGS, 2 * len(self._taken[1]), False))
        if self.structure:
            widths.append((STRUCTURE, STRUCTURE, len(documents.structure_names()), True))
            widths.append((LENGTHS, LENGTHS, len(documents.length_names()), True))
        found, at = [], 0
        for name, family, width, matched in widths:
            found.append(FeatureBlock(name, family, at, at + width, matched))
            at += width
        return tuple(found)

    @property
    def width(self) -> int:
        return self.parts[-1].stop

    @cached_property
    def _taken(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The frequencies that are matched, and those that are only observed."""
        if self.frequencies is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        count = self.frequencies.count
        first = min(-(-self.first // self.frequencies.dim) * self.frequencies.dim, count)
        return np.arange(first), np.arange(first, min(2 * first, count))

    def of(self, texts: pa.Array, vectors: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Returns `(B, width)` for `texts` `(B,)` and their `vectors` `(B, dim)`, None without the
        lens."""
        out = np.empty((len(texts), self.width), np.float32)
        tokens = tokenizer(self.tokens).tokenize(texts)
        by_name = {part.name: part.columns for part in self.parts}
        for n in self.orders:
            out[:, by_name[f"ngrams_{n}"]] = rates_of_documents(
                tokens.hashes, tokens.offsets, n, width=self.buckets
            )
        if self.frequencies is not None and vectors is not None:
            self._embedded(out, vectors)
        if self.structure:
            structure, lengths = documents.of_texts(texts)
            out[:, by_name[STRUCTURE]], out[:, by_name[LENGTHS]] = structure, lengths
        return out

    def _embedded(self, out: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        assert self.frequencies is not None
        for start in range(0, len(vectors), _TILE):
            rows = slice(start, start + _TILE)
            found = fourier.features(self.frequencies, vectors[rows])
            for part, columns in self.of_frequencies():
                scale = ONE * np.sqrt(len(columns) / 2)
                out[rows, part.columns] = found[:, columns] * np.float32(1 / scale)

    def of_frequencies(self) -> list[tuple[FeatureBlock, NDArray[np.int64]]]:
        """Returns the parts that are embeddings, and the columns of all features `(2 D,)` in
        each."""
        own = [part for part in self.parts if part.family == EMBEDDINGS]
        if self.frequencies is None:
            return []
        count = self.frequencies.count
        return [
            (part, np.concatenate([taken, count + taken]))
            for part, taken in zip(own, self._taken, strict=False)
        ]

    def names(self, part: FeatureBlock) -> tuple[str, ...]:
        """Returns the names of the columns of structure and lengths; nothing for other parts."""
        if part.name == STRUCTURE:
            return documents.structure_names()
        return documents.length_names() if part.name == LENGTHS else ()


_TILE = 1_024
