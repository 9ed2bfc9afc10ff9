"""Structure and lengths of single documents, in the columns that the profile's state sums up.

Cost     as of the structure lens, and one call of its kernels for 64 documents
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.lenses.structure import measures, pattern_match, patterns
from dftspark.lenses.structure.document_vectors import columns
from dftspark.lenses.structure.statistic import StructureSums
from dftspark.text import stream
from dftspark.text.hashing import BLOCKS


@cache
def structure_names() -> tuple[str, ...]:
    """Returns the names of the structure columns of `of_texts` and `of_sums`."""
    return (
        *columns(),
        *(f"has {name}" for name in columns()),
        *measures.MEANS,
        *(f"has {name}" for name in measures.MEANS),
    )


@cache
def length_names() -> tuple[str, ...]:
    """Returns the names of their length columns: documents, sentences, paragraphs and words by
    size."""
    return tuple(f"{of.id} {bin_}" for of in measures.HISTOGRAMS for bin_ in range(of.bins))


def of_texts(texts: pa.Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns structure `(B, S)` and lengths `(B, L)` of each document."""
    found = [_some(texts.slice(start, BLOCKS)) for start in range(0, len(texts), BLOCKS)]
    structure = [np.empty((0, len(structure_names())), np.float32), *(own for own, _ in found)]
    lengths = [np.empty((0, len(length_names())), np.float32), *(own for _, own in found)]
    return np.concatenate(structure), np.concatenate(lengths)


def _some(texts: pa.Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Does the same for up to 64 documents. Histograms are by block, so each document is a
    block."""
    known = patterns.bundled().program
    items = stream.read(texts, known.lexicon)
    own = np.arange(len(texts))
    counts, means, histograms = measures.measured(texts, items, known.lexicon.roles, own)
    counts = np.hstack([counts, pattern_match.counted(items, known)])
    has = means >= 0
    parts = (counts, counts > 0, np.where(has, means, 0) / measures.ONE, has)
    return np.hstack(parts).astype(np.float32), histograms[: len(texts)].astype(np.float32)


def of_sums(state: StructureSums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the sums of both by block, `(64, S)` and `(64, L)`, that a profile keeps."""
    parts = (state.counts, state.present, state.means / measures.ONE, state.defined)
    return np.hstack(parts).astype(np.float64), state.histograms.astype(np.float64)
