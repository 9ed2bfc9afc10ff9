"""Two runs beside each other: what differs, by how much, and what may not be compared."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.errors import ConfigError
from dftspark.report.words.run_diff import diff, row_of
from dftspark.store.run import Run
from tests.report.page_runs import metrics, publish


def measure(value: float, error: float, **more: Any) -> dict[str, Any]:
    sizes = {"n_human": 1_000, "n_model": 1_000}
    return {
        "model": "gpt",
        "stratum": "",
        "lens": "ngrams",
        "metric": "js_1gram",
        "unit": "bits",
        "better": "lower",
        "fingerprint": "f",
        "value": value,
        "std_error": error,
        **sizes,
        **more,
    }


def test_a_difference_by_hand() -> None:
    """Errors of .03 and .04 make one of .05; .098 is 1.96 of them."""
    row = row_of(measure(0.1, 0.03), measure(0.198, 0.04))
    assert row["difference"] == pytest.approx(0.098)
    assert row["std_error"] == pytest.approx(0.05)
    assert row["p_value"] == pytest.approx(0.05, abs=1e-4)  # of 1.96, by the normal distribution
    assert row["why_not"] == ""


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"fingerprint": "g"}, "measured in another way"),
        ({"value": math.nan}, "no value"),
        ({"n_model": 2_000, "metric": "js_1gram"}, "sizes differ, on which it depends"),
    ],
)
def test_what_is_not_compared(other: dict[str, Any], why: str) -> None:
    row = row_of(measure(0.1, 0.03), {**measure(0.2, 0.04), **other})
    assert row["why_not"] == why
    assert math.isnan(row["difference"])
    assert math.isnan(row["p_value"])


def run(out: Path, model: str = "gpt", n: float = 100.0, **more: Any) -> Run:
    rows = metrics(model, n)
    for row in rows:
        row["std_error"] = row["value"] / 50
    return publish(out, {"metrics": rows}, kind="audit", **more)


def test_the_nearer_of_two_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(tmp_path / "a", n=50.0, config={"ngrams": {"orders": [1, 2]}})
    second = run(tmp_path / "b", n=100.0, config={"ngrams": {"orders": [1, 2, 3]}})
    found = diff(first, second)
    by_words = next(row for row in found.rows if row["metric"] == "js_1gram")
    assert by_words["verdict"] == "nearer"
    assert by_words["difference"] == pytest.approx(0.7 / 100 - 0.7 / 50)
    assert ("ngrams.orders", "[1, 2]", "[1, 2, 3]") in found.changed
    assert cli.main(["diff", first.path, str(tmp_path / "b")]) == 0
    told = capsys.readouterr().out
    assert "B is nearer to human by words and content and structure." in told
    assert "ngrams.orders" in told
    assert diff(second, first).rows[0]["verdict"] == "farther"


def test_a_run_beside_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = run(tmp_path)
    found = diff(one, one)
    assert found.changed == []
    assert {row["verdict"] for row in found.rows} == {""}
    assert cli.main(["diff", one.path, one.path]) == 0
    told = capsys.readouterr().out
    assert "B is told from A by no lens." in told
    assert "Settings, versions and sizes are the same." in told


def test_models_of_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run(tmp_path / "a", "step-100"), run(tmp_path / "b", "step-200")
    assert {(row["model"], row["other"]) for row in diff(first, second).rows} == {
        ("step-100", "step-200")
    }
    many = publish(tmp_path / "c", {"metrics": [*metrics("x"), *metrics("y")]}, kind="audit")
    with pytest.raises(ConfigError, match="no model is in both runs: the first has 'step-100'"):
        diff(first, many)
    with pytest.raises(ConfigError, match="--model: 'z' is not in both runs"):
        diff(many, many, "z")
    assert {row["model"] for row in diff(many, many, "y").rows} == {"y"}
    with pytest.raises(ConfigError, match="has no table metrics"):
        diff(first, publish(tmp_path / "d", {}, kind="profile"))
    assert cli.main(["diff", first.path, second.path, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["kind"] for line in lines} == {"measure"}


def test_compare_with_two_runs_points_to_diff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = run(tmp_path)
    for arguments in ([one.path, one.path], [one.path]):
        assert cli.main(["compare", *arguments]) == ConfigError.exit_code
        assert f"dftspark diff {one.path} " in capsys.readouterr().err
