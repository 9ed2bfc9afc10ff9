"""Picks that readers of the writing page consented to keep, as judgements of a judge named `human`.

A reader saw each pair once, in random order, so a pair has one row; of an endpoint it has two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark import schema
from dftspark.errors import InputError

JUDGE = "human"
_DIMENSION = "overall"
_VERDICTS = {"model", "against", "tie"}


@dataclass(frozen=True)
class ReaderPicks:
    """Judgements of the models of an audit, and how many picks were about other models."""

    judgements: pa.Table
    others: int
    names: tuple[str, ...]  # of the other models


def read(folder: str, models: Collection[str], run: dict[str, Any]) -> ReaderPicks:
    """Returns schema.JUDGEMENTS of the picks in a folder; `run` has run_id, date and human.

    Raises InputError for a folder without picks, and for a file that is none.
    """
    files = sorted(Path(folder).expanduser().glob("*.parquet"))
    if not files:
        raise InputError(
            f"judge.picks: {folder} has no picks; `dftspark write` with write.keep = true makes "
            f"them, one file for each"
        )
    rows = [row for file in files for row in _rows(file)]
    wanted = [row for row in rows if {row["model"], row["against"]} <= set(models)]
    names = {row[side] for row in rows for side in ("model", "against")} - set(models)
    table = pa.Table.from_pylist([{**run, **_judgement(row)} for row in wanted], schema.JUDGEMENTS)
    return ReaderPicks(table, len(rows) - len(wanted), tuple(sorted(names)))


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"judge.picks: {file} cannot be read: {error}") from error
    if not set(schema.PICKS.names) <= set(table.column_names):
        missing = sorted(set(schema.PICKS.names) - set(table.column_names))
        raise InputError(f"judge.picks: {file} holds no pick: it lacks the columns {missing}")
    rows: list[dict[str, Any]] = table.select(schema.PICKS.names).to_pylist()
    wrong = [row["verdict"] for row in rows if row["verdict"] not in _VERDICTS]
    if wrong:
        raise InputError(
            f"judge.picks: {file} has the verdict {wrong[0]!r:.40}; it is one of "
            f"{', '.join(sorted(_VERDICTS))}"
        )
    return rows


def _judgement(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "stratum": "",
        "kind": "models",
        "against": row["against"],
        "pair_id": row["pair_id"],
        "cluster": row["prompt_id"],
        "model_id": f"{row['pair_id']}-model",
        "against_id": f"{row['pair_id']}-against",
        "model_characters": len(row["model_text"]),
        "against_characters": len(row["against_text"]),
        "judge": JUDGE,
        "served": "",
        "dimension": _DIMENSION,
        "order": row["order"],
        "verdict": row["verdict"],
        "odds": None,
        "error": None,
        "answer": "",
        "tokens_in": 0,
        "tokens_out": 0,
        "cost": 0.0,
        "seconds": 0.0,
        "attempts": 0,
        "at": row["at"],
        "key": "",
    }
