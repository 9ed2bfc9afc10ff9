"""Decides whether the input is good enough to go on, and if not, says why."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql import functions as F

from dftspark.config import Audit, Corpus
from dftspark.corpus.parts import corpus_of
from dftspark.corpus.rows import excerpt
from dftspark.errors import InputError
from dftspark.needs_spark import NeedsSpark
from dftspark.spark.rows import Rows

_REASONS = 3
_MANY = 20  # documents; one cluster of so many is not an accident
_SUMMED = ("read", "documents", "rejected", "filtered", "damaged", "unread_bytes", "lost")


def check(
    counted: list[dict[str, Any]],
    config: Audit,
    rejects: Rows,
    run: str,
    *,
    nightly: bool = False,
) -> None:
    """Raises InputError for too many rejects, and for a corpus without documents, which a night may
    have if `nightly.allow_empty` allows it.

    A damaged file weighs as many rows as are lost with it. The error names the most frequent
    reasons in `rejects`, each with an example; `run` is the folder that `dftspark show` opens.
    """
    for name, corpus in config.corpora.items():
        own = [row for row in counted if corpus_of(row["corpus"]) == name]
        total = {column: sum(row[column] for row in own) for column in _SUMMED}
        where = corpus.where
        allowed = nightly and config.nightly.allow_empty
        if not total["documents"] and not (allowed and not total["rejected"]):
            hint = "; with nightly.allow_empty = true such a date is no error" if nightly else ""
            raise InputError(
                f"corpora.{name}: no document is left of {total['read']} rows in {where}: "
                f"{total['rejected']} rejected, {total['filtered']} filtered out. An audit needs "
                f"both sides; check its source, columns and filter{hint}"
                f"{_why(rejects, name, run, total['rejected'])}"
            )
        if total["documents"] and (not nightly or corpus.role == "human"):
            _check_clusters(name, corpus, own)  # a date of a model may have one prompt
        share = share_rejected(total)
        if total["documents"] and share > config.cleaning.max_reject_share:
            raise InputError(
                f"corpora.{name}: {total['rejected']} of {total['read'] - total['filtered']} rows "
                f"in {where} were rejected{_lost(total)}, {share:.1%}, more than "
                f"cleaning.max_reject_share = {config.cleaning.max_reject_share:.1%}. Mend them or "
                f"corpora.{name}.columns, or raise max_reject_share"
                f"{_why(rejects, name, run, total['rejected'])}"
            )


def _check_clusters(name: str, corpus: Corpus, parts: list[dict[str, Any]]) -> None:
    """Raises InputError if a column makes one cluster of all documents."""
    columns = corpus.columns
    column = columns.cluster or columns.prompt_id or "prompt_id"
    whole = [row for row in parts if row["documents"]]
    if column in corpus.split_by or not any(row["documents"] >= _MANY for row in whole):
        return
    if all(row["clusters"] == 1 for row in whole):
        documents = sum(row["documents"] for row in whole)
        raise InputError(
            f"corpora.{name}: all {documents} documents are in one cluster, since {column} has one "
            f"value in all of them or all texts are the same; no interval, p or floor can be "
            f"taken of one cluster. Name a column that tells prompts or pages apart with "
            f"corpora.{name}.columns.cluster, or, where every document stands for itself, write "
            f'corpora.{name}.columns.cluster = "{columns.text}"'
        )


def share_rejected(total: dict[str, int]) -> float:
    """Returns the rejected share of the corpus's rows, counting those lost with damaged files.

    A filter is assumed to leave out the same share of the lost rows as of those that were read.
    """
    own = total["read"] - total["filtered"]
    lost = max(total["lost"], total["damaged"]) * own / max(1, total["read"])
    more = max(0.0, lost - total["damaged"])  # each file is one of the rejected rows already
    return (total["rejected"] + more) / max(1.0, own + more)


def _lost(total: dict[str, int]) -> str:
    if not total["damaged"]:
        return ""
    return (
        f", and about {total['lost']:,} rows are lost in {total['damaged']} damaged file(s), "
        f"{total['unread_bytes']:,} bytes unread"
    )


def _why(rejects: Rows, corpus: str, run: str, rejected: int) -> str:
    if not rejected:
        return ""
    if isinstance(rejects, pa.Table):
        raise NeedsSpark("too many rows are rejected, or a corpus is empty")
    example = F.struct("file", F.length("position"), "position", "detail")
    found = (
        rejects.where((F.col("corpus") == corpus) & (F.col("action") == "rejected"))
        .groupBy("reason")
        .agg(F.count("*").alias("rows"), F.min(example).alias("example"))
        .orderBy(F.desc("rows"), "reason")
        .limit(_REASONS)
        .toArrow()
        .to_pylist()
    )
    told = [_told(row["reason"], row["rows"], row["example"]) for row in found]
    return "\n  ".join(["", *told, f"`dftspark show {run} rejects` lists them all"])


def _told(reason: str, rows: int, example: dict[str, Any]) -> str:
    place = " ".join(part for part in (example["file"][-80:], example["position"]) if part)
    return f"{rows} {reason}, as in {place}: {excerpt(example['detail'], 120)}"
