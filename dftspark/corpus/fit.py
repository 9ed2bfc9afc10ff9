"""Checks, before anything is read in earnest, that a source has the columns that are named.

Cost: the footer of a Parquet file, else the first rows, of at most three files of a corpus.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files, ingest
from dftspark.corpus.files import Split
from dftspark.corpus.mapping import Mapping as Sources
from dftspark.corpus.nested import path_of
from dftspark.corpus.partitions import columns_of
from dftspark.corpus.paths import is_local
from dftspark.corpus.rows import Damaged, SourceRow
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location, redact

_FILES = 3
_ROWS = 100
_SHOWN = 40  # columns in an error
_LETTER_WITHIN = 1_000  # characters of a string
# Names that sources of texts often have, the likeliest first.
_USUAL = {
    "text": (
        *("text", "content", "completion", "response", "output", "answer", "generation"),
        *("generated_text", "body", "document", "story", "article", "messages", "conversations"),
    ),
    "prompt": ("prompt", "question", "instruction", "input", "query", "title"),
    "prompt_id": ("prompt_id", "prompt", "question_id", "question", "topic", "id"),
    "model": ("model", "model_name", "model_id", "generator", "source", "label"),
}


def check(corpora: Mapping[str, Corpus]) -> None:
    """Raises what `files.check` raises, and ConfigError if no local file of a corpus has a column
    that it needs, with the columns that are there and the likely one."""
    files.check(corpora)
    for name, corpus in corpora.items():
        if corpus.paths and all(map(is_local, corpus.paths)):
            check_files(name, corpus, files.find(corpus, name)[0])


def check_files(name: str, corpus: Corpus, splits: Iterable[Split]) -> None:
    """Raises ConfigError as `check` does, for the files of one corpus."""
    of = {split.path: split for split in splits if split.format != "text"}
    looked = list(of.values())[:_FILES]
    columns = [_columns(split, corpus) for split in looked]
    if not all(columns) or not columns:
        return  # the run says what is wrong with a file
    seen: dict[str, float] = {}
    for found in columns:
        seen |= {column: max(length, seen.get(column, 0.0)) for column, length in found.items()}
    given = dict.fromkeys(column for split in looked for column in columns_of(split.path))
    alike = len(of) == len(looked) or all([*found] == [*columns[0]] for found in columns)
    whole = alike and all(split.format != "jsonl" for split in looked)
    check_columns(name, corpus, redact(looked[0].path), seen, given, whole, seen)


def check_columns(
    name: str,
    corpus: Corpus,
    where: str,
    seen: Iterable[str],
    given: Iterable[str] = (),
    whole: bool = True,
    lengths: Mapping[str, float] | None = None,
) -> None:
    """Raises ConfigError if a column that corpus `name` needs is neither in `seen` nor, unless it
    is the text, `given` by folders.

    Unless `seen` is the `whole` schema, only the text, the model and columns of split_by are
    needed: others may be in later rows. `lengths` are the mean lengths of strings by column, as far
    as they are known, by which a text is looked for if no name is like one.
    """
    mapping = Sources.of(corpus)
    needed = {"text": mapping.text}
    if mapping.needs_model:
        needed["model"] = mapping.model
    there = dict.fromkeys(seen)
    settings = corpus.columns.model_dump(exclude={"text", "model", "sampler"})
    if whole:
        needed |= {setting: column for setting, column in settings.items() if column}
        needed |= {f"sampler.{setting}": column for setting, column in mapping.sampler}
    taken = {*settings.values(), *dict(mapping.sampler).values(), *corpus.split_by, mapping.model}
    for setting, column in needed.items():
        known = there if setting == "text" else there | dict.fromkeys(given)
        if not _has(known, column):
            likely, why = _likely(setting, column, list(known)), ""
            if likely is None and setting == "text":
                free = {one: own for one, own in (lengths or {}).items() if one not in taken}
                likely, why = _longest(free), ", whose strings are the longest"
            hint = f'; perhaps columns.{setting} = "{likely}"{why}' if likely else ""
            option = setting.replace("_id", "")
            if likely and corpus.paths and option in ("text", "prompt", "model"):
                hint += f", on the command line --{option}-column {likely}"
            raise ConfigError(_said(f"{name}.columns.{setting}", column, where, known) + hint)
    for column in corpus.split_by:
        if not _has(there | dict.fromkeys(given), column):
            raise ConfigError(_said(f"{name}.split_by", column, where, [*there, *given]))


def _said(setting: str, column: str, where: str, columns: Iterable[str]) -> str:
    names = list(columns)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"corpora.{setting}: there is no column {column!r} in {where}, which has "
        f"{', '.join(names[:_SHOWN]) or 'none'}{more}"
    )


def _has(columns: Iterable[str], column: str) -> bool:
    path = path_of(column)
    return column in columns or (path is not None and path.column in columns)


def _likely(setting: str, column: str, there: list[str]) -> str | None:
    """Returns the column that was probably meant: spelled alike, or of a usual name."""
    lower = {name.lower(): name for name in reversed(there)}
    path = path_of(column)
    if path is not None:
        near = difflib.get_close_matches(path.column.lower(), lower, n=1, cutoff=0.7)
        return lower[near[0]] + column.removeprefix(path.column) if near else None
    near = difflib.get_close_matches(column.lower(), lower, n=1, cutoff=0.75)
    usual = [name for name in _USUAL.get(setting, ()) if name in lower]
    return next((lower[name] for name in [*near, *usual]), None)


def _longest(lengths: Mapping[str, float]) -> str | None:
    """Returns the column with the longest strings; None if none has strings."""
    longest = max(lengths, key=lengths.__getitem__, default=None)
    return longest if longest is not None and lengths[longest] > 0 else None


def _columns(split: Split, corpus: Corpus) -> dict[str, float]:
    """Returns the columns of a file, as far as its first rows tell, with the mean length of their
    strings, 0 for other values; none if it cannot be read."""
    with suppress(OSError, pa.ArrowException, UnicodeDecodeError, Damaged, InputError):
        if split.format == "parquet":
            place = Location.locate(split.path)
            with place.filesystem.open_input_file(place.path) as file:
                return _in_footer(pq.ParquetFile(file))
        rows = ingest.READERS[split.format](split, corpus, Cleaning(), [])
        found: dict[str, list[int]] = {}
        for row in islice(rows, _ROWS):
            if isinstance(row, SourceRow):
                for name, value in row.values.items():
                    found.setdefault(name, []).append(_characters(value))
        return {name: sum(lengths) / len(lengths) for name, lengths in found.items()}
    return {}


def _characters(value: object) -> int:
    """Returns the length of a string that has a letter, which numbers of a CSV file have not."""
    if isinstance(value, str) and any(map(str.isalpha, value[:_LETTER_WITHIN])):
        return len(value)
    return 0


def _in_footer(file: pq.ParquetFile) -> dict[str, float]:
    """Returns the columns of a Parquet file, with the bytes that a string takes in its first row
    group."""
    found = dict.fromkeys(file.schema_arrow.names, 0.0)
    strings = {field.name for field in file.schema_arrow if _is_string(field.type)}
    if file.num_row_groups:
        group = file.metadata.row_group(0)
        chunks = (group.column(at) for at in range(group.num_columns))
        for chunk in chunks:
            name = chunk.path_in_schema
            if name in strings:
                found[name] = chunk.total_uncompressed_size / max(chunk.num_values, 1)
    return found


def _is_string(of: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(of) for is_kind in kinds)
