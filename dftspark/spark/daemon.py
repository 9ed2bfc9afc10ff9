"""The process from which Python workers of a local run are forked, with what they need in memory.

A worker of Spark's standard daemon imports everything and loads its kernels anew, which takes
longer than most tasks, and each task ends with a garbage collection over all of it.

Cost     about a second at the session's first use of Python; compiling, if nothing is cached yet
"""

from __future__ import annotations

import gc

import numpy as np
import pyarrow as pa
import pyspark.worker  # noqa: F401  # for the workers
from pyspark import daemon

import dftspark.lenses.ngrams.spark_profile  # for the workers
import dftspark.lenses.structure.spark_profile  # noqa: F401  # for the workers
from dftspark.corpus.blocks import block_of
from dftspark.lenses.ngrams.statistic_counts import NgramCounts, NgramRows
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.lenses.structure import document_vectors
from dftspark.stats.protocol import Batch
from dftspark.text.tokens import Words


def load_kernels() -> None:
    """Calls the compiled counting kernels once."""
    texts = pa.array(["a b a", "a c"])
    tokens = Words().tokenize(texts)
    blocks = block_of(["first", "second"]).astype(np.int64)
    counts = NgramCounts(n=1)
    state = counts.observe(Batch(tokens.hashes, tokens.offsets, np.arange(3), blocks))
    again = NgramRows.decode(state.encode())
    NgramSketch(n=1).of_rows(counts.merge(state, again).counted)
    document_vectors.of(texts, pa.array(["first", "second"]))


if __name__ == "__main__":
    load_kernels()
    gc.collect()
    gc.freeze()
    daemon.manager()
