"""Briefs, the tasks for models to write from: one per row of a table."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pyarrow.parquet as pq

from dftspark.config.generate import BriefColumns
from dftspark.errors import InputError

_SHOWN = 5  # unusable rows that an error names


@dataclass(frozen=True)
class Brief:
    """One brief. `em_dashes` is None if the brief does not say."""

    prompt_id: str
    prompt: str
    outline: str = ""
    style: str = ""
    use_case: str = ""
    target_tokens: int | None = None
    em_dashes: bool | None = None
    stratum: str = ""


def read(path: str, columns: BriefColumns, most_bytes: int) -> list[Brief]:
    """Reads a file or a folder of Parquet, JSONL or CSV, in the file's order.

    Raises InputError that names the rows that cannot be used: no prompt, one that is too long, a
    repeated prompt_id. A brief is paid for many times over, so none is left out silently.
    """
    found: dict[str, Brief] = {}
    wrong: list[str] = []
    for number, row in enumerate(rows_of(Path(path), "generate.briefs"), 1):
        try:
            brief = _brief(row, columns)
        except (ValueError, TypeError) as error:
            wrong.append(f"row {number}: {error}")
            continue
        size = sum(len(str(value).encode("utf-8", "replace")) for value in vars(brief).values())
        if size > most_bytes:
            wrong.append(f"row {number}: it has {size:,} bytes, more than max_brief_bytes")
        elif brief.prompt_id in found:
            wrong.append(f"row {number}: prompt_id {brief.prompt_id!r:.60} came before")
        else:
            found[brief.prompt_id] = brief
    if wrong or not found:
        more = f"\n  and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        said = "\n  ".join(wrong[:_SHOWN]) or "there is no row"
        raise InputError(f"generate.briefs: {path} cannot be used:\n  {said}{more}")
    return list(found.values())


def rows_of(path: Path, setting: str) -> Iterator[dict[str, Any]]:
    """Yields rows of a file or a folder of files. Raises InputError, with the name of the setting,
    if one is missing or cannot be read."""
    try:
        if path.is_dir():
            for file in sorted(path.glob("*.*")):
                yield from rows_of(file, setting)
            return
        name = path.name.removesuffix(".gz")
        if name.endswith(".parquet"):
            yield from pq.read_table(path).to_pylist()
            return
        with _opened(path) as stream:
            if name.endswith(".csv"):
                yield from csv.DictReader(stream)
            else:
                yield from (json.loads(line) for line in stream if line.strip())
    except FileNotFoundError as error:
        raise InputError(f"{setting}: there is no {path}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{setting}: {path} cannot be read: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.name.endswith(".gz"):
        return io.TextIOWrapper(gzip.GzipFile(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _brief(row: Any, columns: BriefColumns) -> Brief:
    if not isinstance(row, dict):
        raise TypeError(f"it is no table row: {row!r:.60}")
    own = {field: row.get(column) for field, column in columns.model_dump().items()}
    texts = {
        name: _text(name, own[name])
        for name in ("prompt_id", "prompt", "outline", "style", "use_case", "stratum")
    }
    for name in ("prompt_id", "prompt"):
        if not texts[name]:
            raise ValueError(f"it has no {name}, which column {getattr(columns, name)!r} holds")
    tokens = own["target_tokens"]
    target = None if tokens in (None, "") else int(float(tokens))
    if target is not None and not 1 <= target <= 1_000_000:
        raise ValueError(f"target_tokens is {tokens!r}")
    return Brief(**texts, target_tokens=target, em_dashes=_flag(own["em_dashes"]))


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise TypeError(f"its {name} is no text: {value!r:.60}")
    return str(value).replace("\0", "").encode("utf-8", "replace").decode().strip()


def _flag(value: Any) -> bool | None:
    if value in (None, ""):
        return None
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(f"em_dashes is {value!r}, neither true nor false")
    return known[str(value).lower()]
