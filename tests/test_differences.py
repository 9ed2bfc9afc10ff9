"""Model against model: from the parts of a comparison, as the lens itself says it, and at level."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from dftspark import differences, schema
from dftspark.config import Inference
from dftspark.inference.halves import Splits
from dftspark.lenses import embeddings
from tests.normal_clouds import normal, state, statistic

OF = statistic(6, 12.0, 96)
SETTINGS = Inference(permutations=99, splits=20)
ABOUT = {
    "run_id": "r", "date": "", "human": "human", "stratum": "", "lens": "embeddings",
    "better": "lower",
}  # fmt: skip


def row(model: str, value: float, left_out: Any, blocks: int = 64, **more: Any) -> dict[str, Any]:
    return {
        **ABOUT, "model": model, "metric": "mmd_squared", "unit": "kernel", "value": value,
        "left_out": list(left_out), "blocks": blocks, **more,
    }  # fmt: skip


def test_as_the_embedding_lens_says_it() -> None:
    rng = np.random.default_rng(3)
    human = state(OF, normal(rng, 400, 6))
    models = [state(OF, normal(rng, 400, 6, shift)) for shift in (0.3, 0.8)]
    options: dict[str, Any] = {"paired": True, "settings": SETTINGS}
    rows = []
    for name, own in zip(("near", "far"), models, strict=True):
        for metric in embeddings.compared(human, own, OF, splits=Splits(2), **options):
            assert metric.parts is not None or metric.name == "mmd_squared_feature_error"
            left_out = () if metric.parts is None else metric.parts.left_out
            found = {**asdict(metric.inference), "metric": metric.name, "unit": metric.unit}
            rows.append(row(name, metric.value, left_out) | found)
    table = differences.table(rows, 0.95)
    assert table.schema.names == schema.DIFFERENCES.names
    found = {row["metric"]: row for row in table.to_pylist()}
    assert "mmd_squared_feature_error" not in found
    expected = embeddings.difference(human, models[1], models[0], OF, **options)
    own = found["mmd_squared"]
    assert (own["model"], own["other"], own["nearer"]) == ("far", "near", "near")
    assert own["difference"] == pytest.approx(expected.value, rel=1e-9)
    assert own["std_error"] == pytest.approx(expected.inference.std_error, rel=1e-9)
    assert own["ci_low"] == pytest.approx(expected.inference.ci_low, rel=1e-9)
    assert own["p_value"] == pytest.approx(expected.inference.p_value, rel=1e-9)


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
