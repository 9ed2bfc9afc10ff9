"""Readers' picks as judgements of a judge named human, in an audit's numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dftspark import schema
from dftspark.config import Endpoint, Inference, Judge
from dftspark.errors import InputError
from dftspark.judge import picks
from dftspark.lenses.judge.compared import judged

RUN = {"run_id": "r", "date": "", "human": "web"}
SETTINGS = Inference(permutations=99, splits=20)


def pick(number: int, verdict: str, order: str = "model_first", **more: Any) -> dict[str, Any]:
    return {
        "pair_id": f"p{number}",
        "at": "2026-11-28T12:00:00+00:00",
        "prompt_id": f"brief {number}",
        "prompt": "A note on foxes",
        "model": "tuned",
        "against": "sft",
        "model_text": "Foxes sleep by day.",
        "against_text": "Foxes sleep.",
        "order": order,
        "verdict": verdict,
        **more,
    }


def kept(folder: Path, rows: list[dict[str, Any]]) -> str:
    folder.mkdir()
    for number, row in enumerate(rows):
        table = pa.Table.from_pylist([row], schema=schema.PICKS)
        pq.write_table(table, folder / f"{number:03}.parquet")
    return str(folder)


def test_each_pick_counts_once_and_a_tie_is_half(tmp_path: Path) -> None:
    orders = ["model_first", "model_second"]
    verdicts = ["model"] * 13 + ["against"] * 5 + ["tie"] * 2
    rows = [pick(i, verdict, orders[i % 2]) for i, verdict in enumerate(verdicts)]
    taken = picks.read(kept(tmp_path / "picks", rows), ["tuned", "sft"], RUN)
    assert taken.judgements.schema.equals(schema.JUDGEMENTS)
    assert taken.others == 0
    (row,) = judged(taken.judgements, SETTINGS).rates
    assert (row["kind"], row["judge"], row["model"], row["against"]) == (
        "models",
        "human",
        "tuned",
        "sft",
    )
    assert (row["pairs"], row["verdicts"], row["wins"], row["ties"]) == (20, 20, 13, 2)
    assert (row["errors"], row["not_asked"], row["jmq"]) == (0, 0, None)
    assert row["win_rate"] == pytest.approx((13 + 1) / 20)
    assert row["ci_low"] < row["win_rate"] < row["ci_high"]
    assert math.isnan(row["flip_rate"]), "nobody saw a pair in both orders"
    assert row["longer_rate"] == pytest.approx(row["win_rate"])
    first = [r["verdict"] == "model" for r in rows if r["order"] == "model_first"]
    second = [r["verdict"] == "against" for r in rows if r["order"] == "model_second"]
    ties = 0.5 * sum(r["verdict"] == "tie" for r in rows)
    assert row["first_rate"] == pytest.approx((sum(first) + sum(second) + ties) / 20)


def test_picks_about_other_models_are_left_out_and_named(tmp_path: Path) -> None:
    rows = [pick(0, "model"), pick(1, "model", against="base"), pick(2, "tie", model="new")]
    taken = picks.read(kept(tmp_path / "picks", rows), ["tuned", "sft"], RUN)
    assert len(taken.judgements) == 1
    assert (taken.others, taken.names) == (2, ("base", "new"))


def test_folders_without_picks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no picks; `dftspark write`"):
        picks.read(str(tmp_path), [], RUN)
    with pytest.raises(InputError, match="has the verdict 'better'"):
        picks.read(kept(tmp_path / "a", [pick(0, "better")]), [], RUN)
    (tmp_path / "b").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b" / "x.parquet")
    with pytest.raises(InputError, match="holds no pick: it lacks the columns"):
        picks.read(str(tmp_path / "b"), [], RUN)
    (tmp_path / "b" / "x.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(InputError, match=r"x\.parquet cannot be read"):
        picks.read(str(tmp_path / "b"), [], RUN)


def test_no_endpoint_is_named_human_beside_them() -> None:
    endpoint = Endpoint(name="human", url="http://127.0.0.1/v1", model="m")
    assert Judge(endpoints=(endpoint,)).picks is None
    with pytest.raises(ValidationError, match="'human' is that of their readers"):
        Judge(picks="picks", endpoints=(endpoint,))
