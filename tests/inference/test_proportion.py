from __future__ import annotations

import math

import pytest

from dftspark.inference.proportion import wilson


@pytest.mark.parametrize(
    ("right", "labeled", "low", "high"),
    [(45, 60, 0.62768, 0.84224), (0, 20, 0.0, 0.16113), (200, 400, 0.45123, 0.54877)],
)
def test_golden_values(right: int, labeled: int, low: float, high: float) -> None:
    """statistics.md 8."""
    assert wilson(right, labeled) == pytest.approx((low, high), abs=5e-5)


def test_without_labels_nothing_is_known() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))
