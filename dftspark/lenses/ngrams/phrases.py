"""Text of n-grams, found again by their hashes: those that a table may list, with one example
each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.compiled import compiled
from dftspark.lenses.ngrams.counting import Counted, gram_counts
from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.text.tokens import Tokenizer

_EXCERPT = 160  # characters of an example, the n-gram in the middle
_OFTEN = 1024  # counts from which on they are no longer tallied one by one
_UNSEEN = np.int64(2**63 - 1)


def phrase_keys(rows: Counted, quota: int) -> NDArray[np.uint64]:
    """Returns keys of a key range's `quota` most frequent n-grams, sorted; ties by smaller key."""
    keys, count = gram_counts(rows)
    if len(keys) <= quota:
        return keys
    least = _largest(count, quota)
    above = np.flatnonzero(count > least)
    ties = np.flatnonzero(count == least)[: quota - len(above)]
    return np.asarray(keys[np.sort(np.r_[above, ties])], np.uint64)


def _largest(values: NDArray[np.int64], k: int) -> int:
    """Returns the k-th largest of positive, mostly small integers; a tally beats a sort."""
    tally = np.bincount(np.minimum(values, _OFTEN), minlength=_OFTEN + 1)
    at_least = tally[::-1].cumsum()[::-1]
    if at_least[_OFTEN] >= k:
        return int(np.partition(values[values >= _OFTEN], -k)[-k])
    return int(np.flatnonzero(at_least >= k)[-1])


@dataclass
class Occurrences:
    """The best occurrence so far of each wanted n-gram of a corpus, by order.

    keys   (K,) uint64, sorted   index  where keys with each leading 16 bits start
    hash   (K,) int64, of the example's doc_id, smallest wins
    found  (doc_id, text, tokens, excerpt) of the example, None before any
    """

    keys: dict[int, NDArray[np.uint64]]
    index: dict[int, NDArray[np.int64]]
    hash: dict[int, NDArray[np.int64]]
    found: dict[int, list[tuple[str, str, list[str], str] | None]]

    @classmethod
    def none(cls, keys: dict[int, NDArray[np.uint64]]) -> Occurrences:
        return cls(
            keys,
            {n: _index(k) for n, k in keys.items()},
            {n: np.full(len(k), _UNSEEN) for n, k in keys.items()},
            {n: [None] * len(k) for n, k in keys.items()},
        )

    def batches(self, corpus: str) -> Iterator[pa.RecordBatch]:
        """Yields rows of schema.PHRASES."""
        for n, keys in self.keys.items():
            seen = [i for i, example in enumerate(self.found[n]) if example is not None]
            for start in range(0, len(seen), 2048):
                part = seen[start : start + 2048]
                ids, texts, tokens, excerpts = zip(*(self.found[n][i] for i in part), strict=True)
                columns = [
                    [corpus] * len(part),
                    [n] * len(part),
                    keys[part].view(np.int64),
                    self.hash[n][part],
                    ids,
                    texts,
                    tokens,
                    excerpts,
                ]
                arrays = [pa.array(c, f.type) for c, f in zip(columns, schema.PHRASES, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema.PHRASES)


def find_phrases(
    best: Occurrences,
    words: Tokenizer,
    texts: pa.Array,
    doc_ids: list[str],
    doc_hashes: NDArray[np.int64],
) -> None:
    """Searches some documents for the wanted n-grams and keeps the better examples in `best`."""
    tokens = words.tokenize(texts, spans=True)
    for n, keys in best.keys.items():
        here = ngram_keys(tokens.hashes, tokens.offsets, n)
        where = np.full(len(keys), -1, np.int64)
        _scan(here, tokens.offsets, keys, best.index[n], best.hash[n], doc_hashes, where)
        which = np.flatnonzero(where >= 0)
        examples = words.examples(texts, tokens, where[which], n, _EXCERPT)
        for i, (document, text, own, around) in zip(which.tolist(), examples, strict=True):
            best.found[n][i] = doc_ids[document], text, own, around


def _index(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Returns the index `(2**16 + 1,)`; almost every lookup ends there."""
    leading = (keys >> np.uint64(48)).astype(np.int64)
    return np.searchsorted(leading, np.arange((1 << 16) + 1)).astype(np.int64)


@compiled
def _scan(
    here: Any, offsets: Any, keys: Any, index: Any, best: Any, doc_hashes: Any, where: Any
) -> None:
    """Writes the first token of each improved example to `where` `(K,)`, and lowers `best`."""
    for d in range(len(offsets) - 1):
        for i in range(offsets[d], offsets[d + 1]):
            key = here[i]
            lead = np.int64(key >> np.uint64(48))
            for k in range(index[lead], index[lead + 1]):
                if keys[k] == key:
                    if doc_hashes[d] < best[k]:
                        best[k] = doc_hashes[d]
                        where[k] = i
                    break
