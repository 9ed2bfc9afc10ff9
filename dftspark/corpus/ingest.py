"""Turns one split, or rows of a table, into bounded Arrow batches of `schema.STAGED`: documents,
repairs and rejections.

Every source row ends as exactly one document (action null) or one row with action `rejected`.
State: only the batch being filled, at most 1,000 rows or about 16 MB. Cost: see `clean`; JSON lines
of 2 KB documents at 50 to 60 MB/s a core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from dftspark import schema
from dftspark.config import Cleaning, Corpus
from dftspark.corpus.arrow_rows import records
from dftspark.corpus.blocks import block_of
from dftspark.corpus.documents import Source, Staged, stage, staged_issue
from dftspark.corpus.files import Split, changed
from dftspark.corpus.losses import share_lost
from dftspark.corpus.mapping import Mapping
from dftspark.corpus.nested import opened
from dftspark.corpus.parquet import read_parquet
from dftspark.corpus.partitions import columns_of
from dftspark.corpus.readers import read_jsonl, read_text
from dftspark.corpus.rows import Damaged, Issue, Notes, SourceRow, excerpt
from dftspark.corpus.tables import read_csv
from dftspark.errors import InputError
from dftspark.location import redact

Reader = Callable[[Split, Corpus, Cleaning, Notes], Iterator[SourceRow | Issue]]

READERS: dict[str, Reader] = {
    "jsonl": read_jsonl,
    "text": read_text,
    "csv": read_csv,
    "parquet": read_parquet,
}
BATCH_ROWS, BATCH_BYTES = 1_000, 16 << 20
DIGEST = "digest "  # before the position of a table's row


def ingest(split: Split, name: str, corpus: Corpus, cleaning: Cleaning) -> Iterator[pa.RecordBatch]:
    """Yields batches of `schema.STAGED` from one split of the corpus that is configured as `name`.

    If a file cannot be read to its end, raises InputError if `cleaning.on_unreadable_file` is
    "fail"; otherwise such a file is one rejected row.
    """
    yield from _batches(_staged(split, name, corpus, cleaning))


def ingest_table(
    batches: Iterable[pa.RecordBatch], table: str, name: str, corpus: Corpus, cleaning: Cleaning
) -> Iterator[pa.RecordBatch]:
    """Yields batches of `schema.STAGED` from rows of a table, whatever order they come in.

    `table` stands for the file. A row has no number in a table: its position is a digest of the
    columns that are read, and so is its id if no column has one.
    """
    yield from _batches(_staged_of_table(batches, table, name, corpus, cleaning))


def _batches(found: Iterable[Staged]) -> Iterator[pa.RecordBatch]:
    rows: list[Staged] = []
    size = 0
    for staged in found:
        rows.append(staged)
        size += sum(len(value) for value in staged if type(value) is str)
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch_of(rows)
            rows, size = [], 0
    if rows:
        yield batch_of(rows)


def batch_of(rows: list[Staged]) -> pa.RecordBatch:
    """Returns the rows, at least one, as a batch of `schema.STAGED`."""
    columns = dict(zip(Staged._fields, zip(*rows, strict=True), strict=True))
    clusters = pa.array(columns["cluster"], pa.string())
    missing = clusters.is_null().to_numpy(zero_copy_only=False)
    blocks = pa.array(block_of(clusters.fill_null("")), mask=missing)
    arrays = [
        blocks if field.name == "block" else pa.array(columns[field.name], field.type)
        for field in schema.STAGED
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.STAGED)


def issue_row(name: str, corpus: Corpus, issue: Issue) -> dict[str, str | int | None]:
    """Returns an issue of `files.find` as a row of `schema.STAGED`."""
    row = staged_issue(issue, name, corpus.role)._asdict()
    return {field.name: row[field.name] for field in schema.STAGED}


def _staged(split: Split, name: str, corpus: Corpus, cleaning: Cleaning) -> Iterator[Staged]:
    mapping = Mapping.of(corpus)
    file = redact(split.path)
    source = _source(name, corpus, file, redact(split.name), cleaning)
    absent = set(mapping.explicit)
    notes: Notes = []
    rows = issues = others = 0
    read = _rows(split, name, corpus, cleaning, notes)
    for found in _with_folders(read, split, mapping, notes):
        if isinstance(found, SourceRow):
            found = opened(found, mapping)
            rows += 1
            if absent:
                absent.difference_update(found.values)
            others += _of_other_side(found, source)
            yield from stage(found, source)
        else:
            issues += 1
            yield staged_issue(found._replace(file=file), name, corpus.role)
    if not rows and not issues and split.start == 0:
        notes.append(("empty_file", "no rows"))
    # If a whole file of a model names none, nobody filled the column.
    unsaid = corpus.filter is None and mapping.model not in corpus.split_by
    if others and unsaid and (corpus.role == "human" or others < rows):
        notes.append(("other_side", mixed(others, rows, mapping.model, corpus.role)))
    for column in sorted(absent) if rows else ():
        detail = f"no row has {column!r}, which the configuration names; correct or remove it"
        notes.append(("column_missing", detail))
    for reason, detail in notes:
        note = Issue(file, "", "noted", reason, detail)
        yield staged_issue(note, name, corpus.role)


def _source(name: str, corpus: Corpus, file: str, file_name: str, cleaning: Cleaning) -> Source:
    asks = "text" in (corpus.filter or "").lower()
    return Source(name, corpus.role, file, file_name, Mapping.of(corpus), cleaning, asks)


def _staged_of_table(
    batches: Iterable[pa.RecordBatch], table: str, name: str, corpus: Corpus, cleaning: Cleaning
) -> Iterator[Staged]:
    source = _source(name, corpus, table, table, cleaning)
    for batch in batches:
        names = batch.schema.names
        for record in records(batch):
            values = dict(zip(names, record, strict=True))
            row = SourceRow(f"{DIGEST}{_digest(values)}", values)
            yield from stage(opened(row, source.mapping), source)


def _digest(values: dict[str, Any]) -> str:
    said = repr(sorted(values.items())).encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=8).hexdigest()


def _with_folders(
    found: Iterator[SourceRow | Issue], split: Split, mapping: Mapping, notes: Notes
) -> Iterator[SourceRow | Issue]:
    """Yields the rows with the columns that the file's folders give; values of the row itself win.

    A folder never gives the text: a file without texts would seem to have many equal ones.
    """
    given = columns_of(split.path)
    given = {name: given[name] for name in mapping.sources & given.keys() - {mapping.text}}
    if not given:
        yield from found
        return
    told = False
    for one in found:
        if isinstance(one, SourceRow):
            for column in [] if told else sorted(given.keys() & one.values.keys()):
                own, other = one.values[column], given[column]
                if str(own) != str(other):
                    detail = f"{column} is {excerpt(str(own))!r} at {one.position}, {other!r} by"
                    notes.append(("column_of_folder", f"{detail} the folder; the file's counts"))
                    told = True
            one = one._replace(values={**given, **one.values})
        yield one


def _of_other_side(row: SourceRow, source: Source) -> bool:
    """Returns whether the row's model says that the text is not of this role: null means human."""
    column = source.mapping.model
    if source.role == "model":
        return column in row.values and row.values[column] is None
    named = row.values.get(column)
    return isinstance(named, str) and named.strip().casefold() not in ("", "human")


def mixed(others: int, rows: int, column: str, role: str) -> str:
    """Returns what a note says of rows of the other side."""
    human = role == "human"
    found = f"name a {column}" if human else f"have {column} null, which means human"
    condition = "IS NULL" if human else "IS NOT NULL"
    return (
        f"{others} of {rows} rows {found}, in a corpus of role {role}, and are part of it; "
        f'filter = "model {condition}" leaves them out'
    )


def _rows(
    split: Split, name: str, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[SourceRow | Issue]:
    """Yields what the reader yields, and one rejection if the file cannot be read further or is no
    longer the one that was listed."""
    rows = 0
    damage = changed(split)
    try:
        for found in () if damage else READERS[split.format](split, corpus, cleaning, notes):
            rows += 1
            yield found
        damage = damage or changed(split)
    except Exception as error:  # a file that is being written can be wrong in any way
        damage = changed(split) or _damage(error)
        if damage is None:
            raise
        if damage is not error:
            damage.__cause__ = error
    if damage is None:
        return
    detail = f"{damage.detail}; {_read_before(damage, rows)}"
    if cleaning.on_unreadable_file == "fail":
        raise InputError(
            f"corpora.{name}: {redact(split.path)} cannot be read: {detail}; restore or "
            f'remove it, or set cleaning.on_unreadable_file = "reject"'
        ) from damage
    unread, lost = _lost(damage, rows, split, corpus)
    yield Issue(
        split.path,
        damage.position,
        "rejected",
        damage.reason,
        detail,
        excerpt(damage.rest),
        unread,
        lost,
    )


def _lost(damage: Damaged, rows: int, split: Split, corpus: Corpus) -> tuple[int, int | None]:
    """Returns bytes unread and the rows lost with them, None if nothing was read."""
    ranged = split.end >= 0 and split.format != "parquet"
    size = split.end - split.start if ranged else split.size
    if damage.total is not None:
        lost = damage.total - rows
        return size * lost // max(1, damage.total), lost
    unread = 0 if damage.cut else max(0, size - (damage.taken or 0))
    if split.format == "text" and corpus.document == "file":
        return unread, 1
    if damage.cut:
        return 0, max(1, rows)
    return unread, share_lost(rows, unread, damage.taken) if rows else None


def _damage(error: Exception) -> Damaged | None:
    if isinstance(error, OSError | pa.ArrowException):
        said = redact(str(error)) or type(error).__name__
        return Damaged("unreadable_file", excerpt(said, 300))
    return error if isinstance(error, Damaged) else None


def _read_before(damage: Damaged, rows: int) -> str:
    if not rows and not damage.size:
        return "nothing was read before that"
    of = "" if damage.total is None else f" of {damage.total:,}"
    size = "" if damage.size is None else f", {damage.size:,} bytes of text"
    return f"read before that: {rows:,}{of} rows{size}"
