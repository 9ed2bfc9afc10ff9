"""Which of the rows that this process has read are documents: as on Spark, without it."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dftspark import schema
from dftspark.config import Audit, filters
from dftspark.corpus.losses import Listed
from dftspark.needs_spark import NeedsSpark
from dftspark.spark import reading, sources
from dftspark.spark.documents import ISSUE, NAMES, NO_VALUE, Documents, is_document, tallied
from dftspark.spark.rows import InProcess


def read(here: InProcess, config: Audit, frames: sources.Frames) -> Documents:
    """Returns what `documents.read` does, of files and of tables in memory."""
    row_sources = sources.opened(here, config, frames)
    staged, listed = reading.read_here(config, row_sources)
    told, notes = sources.told(staged, config, row_sources)
    if notes:
        staged = pa.concat_tables([staged, pa.Table.from_pylist(notes, schema=schema.STAGED)])
    return replace(settle(staged, listed, config), sources=told)


def settle(staged: pa.Table, listed: dict[str, Listed], config: Audit) -> Documents:
    """Returns what `settle` does for rows that this process has; of filters it knows those of
    --model-column.

    Raises NeedsSpark where an id occurs twice.
    """
    of_file = pc.and_(pc.is_valid(staged["action"]), pc.is_null(staged["doc_id"]))
    ours = pc.or_(_passes_here(staged, config), of_file)
    others = staged.filter(pc.invert(ours))
    staged = staged.filter(ours)
    few = staged.select(NAMES)
    tally = [*tallied(few), *({**row, "ours": False} for row in tallied(others.select(NAMES)))]
    if any(row["ids"] != row["rows"] for row in tally if is_document(row)):
        raise NeedsSpark("an id of a document occurs more than once")
    named, read = pc.is_valid(staged["corpus"]), pc.is_null(staged["action"])
    kept = staged.filter(pc.and_(read, named))
    at = kept.column_names.index("stratum")
    kept = kept.set_column(at, "stratum", pc.fill_null(kept["stratum"], ""))
    issues = staged.filter(pc.invert(read))
    unnamed = staged.filter(pc.and_(read, pc.invert(named)))
    said = {"action": "rejected", "reason": "split_by_missing", "detail": NO_VALUE}
    for name, value in said.items():
        column = pa.array([value] * len(unnamed), pa.string())
        unnamed = unnamed.set_column(unnamed.column_names.index(name), name, column)
    excerpts = pc.utf8_slice_codeunits(unnamed["text"], 0, 80)
    unnamed = unnamed.set_column(unnamed.column_names.index("excerpt"), "excerpt", excerpts)
    issues = pa.concat_tables([issues, unnamed.cast(issues.schema)])
    issues = issues.set_column(issues.column_names.index("corpus"), "corpus", issues["source"])
    return Documents(kept, issues.select(ISSUE), tally, None, listed, few=few)


def _passes_here(rows: pa.Table, config: Audit) -> pa.ChunkedArray:
    nobody = pc.is_in(
        pc.utf8_lower(pc.utf8_trim(pc.fill_null(rows["model"], ""), " ")),
        value_set=pa.array(["", "human"]),
    )
    passing = {filters.OF_NO_MODEL: nobody, filters.OF_MODELS: pc.invert(nobody)}
    passes = pc.is_valid(rows["source"])
    for name, corpus in config.corpora.items():
        if corpus.filter is not None:
            own = pc.equal(rows["source"], name)
            passes = pc.if_else(own, passing[corpus.filter], passes)
    return passes
