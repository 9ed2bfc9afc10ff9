"""The process that Python workers of a local run are forked from, with what they need in memory.

A worker of Spark's own daemon imports all of it anew, which takes longer than most tasks, and each
task ends with a collection of garbage over all that was imported.
"""

from __future__ import annotations

import gc

import pyspark.worker  # noqa: F401  # for the workers
from pyspark import daemon

import dftspark.spark.ngrams  # noqa: F401  # for the workers

if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    daemon.manager()
