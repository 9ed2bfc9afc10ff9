"""Turns a source row into staged rows: the document and its repairs, or its rejection."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from dftspark.config import Cleaning
from dftspark.corpus.clean import clean, decode, is_visible
from dftspark.corpus.mapping import Mapping
from dftspark.corpus.parts import part_name
from dftspark.corpus.readers import kind_of, undecodable
from dftspark.corpus.rows import Issue, SourceRow, excerpt
from dftspark.corpus.values import day, sampler_value, scalar

Pairs = list[tuple[str, str]]


class Staged(NamedTuple):
    """One row of `schema.STAGED`, every column by its name."""

    source: str
    role: str
    file: str
    position: str
    doc_id: str | None = None
    corpus: str | None = None
    cluster: str | None = None
    stratum: str | None = None
    text: str | None = None
    prompt_id: str | None = None
    prompt: str | None = None
    model: str | None = None
    sampler: Pairs | None = None
    date: str | None = None
    fields: Pairs | None = None
    action: str | None = None
    reason: str | None = None
    detail: str | None = None
    excerpt: str | None = None
    unread_bytes: int | None = None
    lost_rows: int | None = None
    block: int | None = None  # of the cluster, found for a whole batch


@dataclass(frozen=True)
class Source:
    """The origin of rows: the corpus as configured, one of its files."""

    corpus: str
    role: str
    file: str
    file_name: str
    mapping: Mapping
    cleaning: Cleaning
    filter_reads_text: bool


class Rejected(ValueError):
    """Raised for a row that cannot be used: reason, detail."""


@dataclass(slots=True)
class _About:
    """The other columns of a row besides its text, the first problem with it, and its repairs."""

    optional: frozenset[str] = frozenset()
    doc_id: str | None = None
    prompt_id: str | None = None
    prompt: str | None = None
    stratum: str | None = None
    cluster: str | None = None
    model: str | None = None
    date: str | None = None
    sampler: Pairs = field(default_factory=list)
    fields: Pairs = field(default_factory=list)
    corpus: str | None = None
    problem: tuple[str, str] | None = None
    repairs: Pairs = field(default_factory=list)


def stage(row: SourceRow, source: Source) -> list[Staged]:
    """Returns the document and one row per repair, or one rejection.

    A document whose corpus cannot be named, because a column of split_by has no value, has a null
    corpus, since only the filter can say whether it belongs. For the same reason rejections and
    repairs have the document's columns except its text; repairs have the text too if the filter may
    ask for it.
    """
    about = _about(row.values, source)
    try:
        text, repairs = text_of(row.values, source)
        if about.problem is not None:
            raise Rejected(*about.problem)
    except Rejected as error:
        reason, detail = error.args
        shown = excerpt(_shown(row.values, source.mapping.text))
        return [_staged(row, source, about, None, "rejected", reason, detail, shown)]
    document = _staged(row, source, about, text)
    found = dict.fromkeys((*row.repairs, *repairs, *about.repairs))
    if not found:
        return [document]
    shown, asked = excerpt(text), text if source.filter_reads_text else None
    return [document] + [
        _staged(row, source, about, asked, "repaired", reason, detail, shown)
        for reason, detail in found
    ]


def staged_issue(issue: Issue, corpus: str, role: str) -> Staged:
    return Staged(source=corpus, role=role, corpus=corpus, **issue._asdict())


def text_of(values: Any, source: Source) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Returns the cleaned text and its repairs. Raises Rejected."""
    column = source.mapping.text
    if column not in values:
        keys = excerpt(", ".join(map(str, values)), 300)
        raise Rejected("text_missing", f"no column {column!r}; the row has: {keys or 'none'}")
    text: Any = values[column]
    repairs: tuple[tuple[str, str], ...] = ()
    if isinstance(text, bytes):
        try:
            text, repairs = decode(text)
        except UnicodeDecodeError as error:
            raise Rejected(*undecodable(error, "utf-8")) from error
    if text is None or (isinstance(text, float) and not math.isfinite(text)):
        raise Rejected("text_null", f"{column} is null")
    if not isinstance(text, str):
        raise Rejected("text_not_string", f"{column} is {kind_of(text)}, not a string")
    try:
        size = len(text) if text.isascii() else len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise Rejected("lone_surrogate", _surrogate(column, error)) from error
    if size > source.cleaning.max_document_bytes:
        limit = source.cleaning.max_document_bytes
        raise Rejected("text_too_long", f"{size:,} bytes; cleaning.max_document_bytes is {limit:,}")
    if not is_visible(text):
        raise Rejected("text_empty", f"{len(text)} characters, none of them visible")
    text, more = clean(text, source.cleaning)
    return text, repairs + more


def _about(values: Any, source: Source) -> _About:
    mapping = source.mapping
    about = _About(mapping.optional)
    about.doc_id = _single(values, mapping.doc_id, about) or None
    about.prompt_id = _single(values, mapping.prompt_id, about) or None
    about.prompt = _single(values, mapping.prompt, about) or None
    about.stratum = _single(values, mapping.stratum, about) or None
    if mapping.cluster is not None:
        about.cluster = _single(values, mapping.cluster, about) or None
    about.model = _model(values, source, about)
    about.date = _date(values, mapping.date, about)
    settings = {}
    for setting, column in mapping.sampler:
        settings[column] = _add_setting(values, setting, column, about)
    parts = []
    for column in mapping.split_by:
        value = settings[column] if column in settings else _single(values, column, about)
        if not value:
            break
        parts.append(value)
    else:
        about.corpus = part_name(source.corpus, parts)
    for column in mapping.fields:
        value = values.get(column)
        if not isinstance(value, list | dict):
            found = _single(values, column, about)
            about.fields += [(column, found)] if found is not None else []
    return about


def _single(values: Any, column: str, about: _About) -> str | None:
    """Returns the column as a string; a problem is kept in `about`."""
    value = values.get(column)
    if value is None or (type(value) is str and value.isascii()):
        return value
    try:
        text = scalar(value)
        if text is None:
            about.repairs.append(("value_invalid", f"{column} is {value}; taken as null"))
        elif not text.isascii():
            text.encode("utf-8")
        return text
    except TypeError:
        problem = "column_not_scalar", f"{column} is {kind_of(value)}, not one value"
        if column in about.optional:
            about.repairs.append((problem[0], f"{problem[1]}; taken as null"))
            return None
    except UnicodeDecodeError as error:
        problem = "invalid_utf8", f"{column}: {undecodable(error, 'utf-8')[1]}"
    except UnicodeEncodeError as error:
        problem = "lone_surrogate", _surrogate(column, error)
    about.problem = about.problem or problem
    return None


def _model(values: Any, source: Source, about: _About) -> str | None:
    column = source.mapping.model
    if column not in values:
        if source.mapping.needs_model:
            problem = "model_missing", f"no column {column!r}; null, not absence, means human"
            about.problem = about.problem or problem
        return None
    model = _single(values, column, about)
    if model is None:
        return None
    if not model.strip():
        about.problem = about.problem or ("model_empty", f"{column} is empty; null means human")
    elif source.role == "model" and model.strip().casefold() == "human":
        detail = f'{column} is {model!r} in a corpus with role = "model"; filter such rows out'
        about.problem = about.problem or ("model_says_human", detail)
    return model


def _date(values: Any, column: str, about: _About) -> str | None:
    value = values.get(column)
    try:
        return day(value)
    except ValueError as error:
        detail = f"{column} is {_told(value)}: {error}; taken as null"
        about.repairs.append(("date_invalid", detail))
        return None


def _add_setting(values: Any, setting: str, column: str, about: _About) -> str | None:
    value = values.get(column)
    try:
        text = sampler_value(setting, value)
    except (TypeError, ValueError) as error:
        detail = f"{column} is {_told(value)}: {error}; taken as not recorded"
        about.repairs.append(("sampler_invalid", detail))
        return None
    if text is not None:
        about.sampler.append((setting, text))
    return text


def _staged(row: SourceRow, source: Source, about: _About, text: str | None, *issue: str) -> Staged:
    doc_id = about.doc_id or _own_id(source.file_name, row.position)
    cluster = about.cluster or about.prompt_id
    if cluster is None and text is not None:
        cluster = f"text-{blake2b(text.encode('utf-8'), digest_size=8).hexdigest()}"
    staged = Staged(
        source.corpus,
        source.role,
        source.file,
        row.position,
        doc_id,
        source.corpus if issue else about.corpus,
        cluster,
        about.stratum,
        text,
        about.prompt_id,
        about.prompt,
        about.model,
        about.sampler,
        about.date,
        about.fields,
    )
    if not issue:
        return staged
    action, reason, detail, shown = issue
    return staged._replace(action=action, reason=reason, detail=detail, excerpt=shown)


def _own_id(file_name: str, position: str) -> str:
    """Returns `notes.jsonl#12`, `notes.jsonl#b4096` for a byte, or the file's name for a whole
    file."""
    number = position.replace("byte ", "b").rpartition(" ")[2]
    return f"{file_name}#{number}" if number else file_name


def _told(value: object) -> str:
    if isinstance(value, str | bytes):
        return repr(excerpt(value))
    return kind_of(value) if isinstance(value, list | dict) else excerpt(str(value))


def _shown(values: Any, column: str) -> str | bytes:
    value = values.get(column)
    if isinstance(value, str | bytes):
        return value
    return ", ".join(f"{k}: {excerpt(v)}" for k, v in values.items() if isinstance(v, str))


def _surrogate(column: str, error: UnicodeEncodeError) -> str:
    code = ord(error.object[error.start])
    return f"{column} has U+{code:04X}, half of a surrogate pair, at character {error.start}"
