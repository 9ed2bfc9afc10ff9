"""Model against model: from the parts of a comparison, as the lens itself says it, and at level."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from dftspark import differences, schema
from dftspark.config import Inference
from dftspark.inference.halves import Splits
from dftspark.inference.intervals import jackknife
from dftspark.lenses.embeddings import compared as embeddings
from tests.normal_clouds import normal, state, statistic

OF = statistic(6, 12.0, 96)
SETTINGS = Inference(permutations=99, splits=20)
ABOUT = {
    "run_id": "r",
    "date": "",
    "human": "human",
    "stratum": "",
    "lens": "embeddings",
    "better": "lower",
    "n_model": 400,
}


def row(model: str, value: float, left_out: Any, blocks: int = 64, **more: Any) -> dict[str, Any]:
    return {
        **ABOUT,
        "metric": "mmd_squared",
        "model": model,
        "unit": "kernel",
        "value": value,
        "left_out": list(left_out),
        "blocks": blocks,
        **more,
    }


def test_the_error_of_a_difference_is_that_of_what_is_not_shared() -> None:
    rng = np.random.default_rng(3)
    human = state(OF, normal(rng, 400, 6))
    models = [state(OF, normal(rng, 400, 6, shift)) for shift in (0.3, 0.8)]
    rows, parts = [], []
    for name, own in zip(("near", "far"), models, strict=True):
        for metric in embeddings.compared(
            human, own, OF, splits=Splits(2), paired=True, settings=SETTINGS
        ):
            left_out = () if metric.parts is None else metric.parts.left_out
            found = {**asdict(metric.inference), "metric": metric.name, "unit": metric.unit}
            rows.append(row(name, metric.value, left_out) | found)
            if metric.name == "mmd_squared":
                parts.append((metric.value, left_out))
    table = differences.table(rows, 0.95)
    assert table.schema.names == schema.DIFFERENCES.names
    found = {row["metric"]: row for row in table.to_pylist()}
    assert not found.keys() & {"mmd_squared_feature_error", "mmd_fused"}
    own = found["mmd_squared"]
    assert (own["model"], own["other"], own["nearer"]) == ("far", "near", "near")
    (near, near_left), (far, far_left) = parts
    expected = jackknife(np.subtract(far_left, near_left), far - near, 0.95)
    assert own["difference"] == pytest.approx(far - near, rel=1e-9)
    assert (own["std_error"], own["ci_low"]) == pytest.approx(expected[:2], rel=1e-9)


def test_plug_in_distances_of_unlike_sizes_name_no_nearer_model() -> None:
    """The larger half of one model was nearer to human in 100 of 100 runs."""
    rng = np.random.default_rng(4)
    for sizes, told in (((100, 1000), False), ((1000, 1000), True)):
        rows = [
            row(name, value, value + rng.standard_normal(64) / 1e4)
            | {"metric": metric, "n_model": n}
            for metric in ("l2_1gram", "l2_squared_corrected_1gram")
            for name, value, n in zip("ab", (0.2, 0.1), sizes, strict=True)
        ]
        found = {r["metric"]: r["nearer"] for r in differences.table(rows, 0.95).to_pylist()}
        assert found.pop("l2_squared_corrected_1gram") == "b"
        assert found == ({"l2_1gram": "b"} if told else {})


@pytest.mark.simulation
def test_level_where_both_are_equally_far() -> None:
    """Means of 64 blocks that share the human side's noise: it cancels, and so must its error."""
    rng = np.random.default_rng(0)
    rejected, widths = 0, []
    for _ in range(600):
        shared = 10 * rng.standard_normal(64)
        sides = []
        for name in ("a", "b"):
            blocks = shared + rng.standard_normal(64)
            sides.append(row(name, blocks.mean(), (blocks.sum() - blocks) / 63))
        (found,) = differences.table(sides, 0.95).to_pylist()
        rejected += found["p_value"] <= 0.05
        widths.append(found["ci_high"] - found["ci_low"])
    assert 0.03 <= rejected / 600 <= 0.07
    assert np.mean(widths) == pytest.approx(2 * 2.0 * np.sqrt(2 / 64), rel=0.1)


def test_of_many_models_each_against_the_nearest() -> None:
    rng = np.random.default_rng(1)
    rows = [row(f"m{i:02}", float(i), i + rng.standard_normal(64) / 64) for i in range(25)]
    found = differences.table(rows, 0.95).to_pylist()
    assert len(found) == 24
    assert {r["other"] for r in found} == {"m00"}
    assert {r["nearer"] for r in found} == {"m00"}


def test_what_cannot_be_told() -> None:
    same = [row(name, 1.0, [1.0] * 64) for name in "ab"]
    (found,) = differences.table(same, 0.95).to_pylist()
    assert found["difference"] == 0
    assert np.isnan(found["p_value"])
    assert found["nearer"] is None
    assert differences.table([row("a", 1.0, [])], 0.95).num_rows == 0
    higher = [row(name, 1.0, [1.0] * 64, better="higher") for name in "ab"]
    assert differences.table(higher, 0.95).num_rows == 0
