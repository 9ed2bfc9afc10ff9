"""Which files the tables of a query have, with a stamp that another content changes.

A query's files come from its optimized plan, so that a partition which it does not read has no part
in the stamp. Spark lists them itself: they may lie where only its executors reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

_GLOB = re.compile(r"([\\*?\[\]{}])")

ListedFile = tuple[str, int, int]  # path, bytes, microseconds of the last change


def stamps(
    spark: SparkSession, frame: DataFrame, locations: Mapping[str, str | None]
) -> dict[str, dict[str, Any] | None]:
    """Returns, for each table that `frame` reads, the number of its files, their bytes and a digest
    of paths, sizes and times; None for a table without files.

    `locations` are the folders of the tables as Spark describes them, None for views. Raises
    AnalysisException for a file that is listed and is not there.
    """
    rows = _listed(spark, frame.inputFiles()) if locations else []
    found: dict[str, dict[str, Any] | None] = {}
    for table, location in locations.items():
        below = [row for row in rows if location and row[0].startswith(f"{location}/")]
        if not below:  # a view, or a table that is read by a subquery, whose files no plan tells
            whole = _listed(spark, spark.table(table).inputFiles())
            below = sorted(set(whole).intersection(rows)) or whole
        found[table] = _stamp(below)
    return found


def said(described: Mapping[str, Any]) -> str:
    """Returns a few words on the state of a table: its version, else its files."""
    if described["version"] is not None:
        return f"version {described['version']}"
    files = described["files"]
    if not files:
        return "no files"
    return f"{files['files']:,} file{'s' * (files['files'] != 1)} of {files['bytes']:,} bytes"


def _listed(spark: SparkSession, uris: Iterable[str]) -> list[ListedFile]:
    """Returns the files at `uris`, or below them, sorted. No content is read."""
    paths = sorted({_GLOB.sub(r"\\\1", unquote(uri)) for uri in uris})
    if not paths:
        return []
    # Without partitions, because folders of several tables make no partitioned whole.
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    columns = "path", "length", F.unix_micros("modificationTime").alias("changed")
    listed: Sequence[dict[str, Any]] = reader.load(paths).select(*columns).toArrow().to_pylist()
    return sorted((row["path"], row["length"], row["changed"]) for row in listed)


def _stamp(rows: Sequence[ListedFile]) -> dict[str, Any] | None:
    if not rows:
        return None
    digest = blake2b(repr(rows).encode(), digest_size=8).hexdigest()
    return {"files": len(rows), "bytes": sum(size for _, size, _ in rows), "stamp": digest}
