"""Texts to the numbers of an audit, as the Spark jobs make them, in NumPy and in one key range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import config
from dftspark.corpus.blocks import block_of
from dftspark.lenses.metric import Metric
from dftspark.lenses.ngrams import compared as ngrams
from dftspark.lenses.ngrams import ranges as ngram_ranges
from dftspark.lenses.ngrams import side as ngram_side
from dftspark.lenses.ngrams.phrases import phrase_keys
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramCounts, NgramRows
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.stats.protocol import Batch
from dftspark.text.tokens import Words


def settings(**sections: Any) -> config.Audit:
    corpora = {"human": {"role": "human", "path": "h"}, "model": {"role": "model", "path": "m"}}
    return config.Audit.parse({"corpora": corpora, **sections}, "the test")


@dataclass(frozen=True, eq=False)
class Documents:
    """Tokenized documents `(D,)` with the names of their clusters `(D,)`."""

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    clusters: NDArray[np.object_]

    @classmethod
    def of(cls, texts: pa.Array[Any] | Sequence[str], clusters: Sequence[str]) -> Documents:
        tokens = Words().tokenize(texts if isinstance(texts, pa.Array) else pa.array(texts))
        return cls(tokens.hashes, tokens.offsets, np.array(clusters, object))

    @cached_property
    def tokens(self) -> list[NDArray[np.uint64]]:
        return np.split(self.hashes, self.offsets[1:-1])

    def profile(
        self, n: int, chosen: NDArray[np.int64] | None = None, domain: str | None = None
    ) -> NgramRows:
        """The state of the documents `chosen`, all by default; `domain` is another block hash."""
        which = np.arange(len(self.clusters)) if chosen is None else chosen
        which = which[np.argsort(self.clusters[which], kind="stable")]
        tokens, names = [self.tokens[i] for i in which], self.clusters[which]
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        own = {} if domain is None else {"domain": domain}
        batch = Batch(
            np.concatenate(tokens),
            np.r_[0, np.cumsum([len(t) for t in tokens])].astype(np.int64),
            np.r_[starts, len(which)].astype(np.int64),
            block_of(list(names[starts]), **own).astype(np.int64),
        )
        return NgramCounts(n=n).observe(batch)


def compared(
    sides: Iterable[NgramRows], n: int, audit: config.Audit, *, paired: bool = False
) -> ngrams.Finished:
    """The human state and the model's, compared at order n."""
    human, model = (_Side.of(state, n, audit) for state in sides)
    part = ngram_ranges.partial(human.side, model.side, human.totals, model.totals, n, audit.ngrams)
    return ngrams.finished([part], human.totals, model.totals, n, paired=paired, settings=audit)


class _Side(NamedTuple):
    side: ngram_side.GramSide
    totals: ngram_side.Totals

    @classmethod
    def of(cls, state: NgramRows, n: int, audit: config.Audit) -> _Side:
        totals = {name: getattr(state, name) for name in TOTALS}
        listable = phrase_keys(state.counted, audit.ngrams.phrases)
        sketch = NgramSketch(n=n, width=audit.ngrams.sketch_width).of_rows(state.counted)
        return cls(ngram_side.side(state.counted, listable, sketch, totals), totals)


def metrics(found: ngrams.Finished) -> dict[str, Metric]:
    """By name without the order."""
    return {metric.name.rsplit("_", 1)[0]: metric for metric in found.metrics}
