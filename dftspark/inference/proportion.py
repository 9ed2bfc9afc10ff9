"""Intervals of a share of labeled cases.

Source   Wilson (1927)
"""

from __future__ import annotations

from scipy import stats


def wilson(right: int, labeled: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval `(low, high)` in [0, 1] of the share right / labeled; nan without cases."""
    if not labeled:
        return float("nan"), float("nan")
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share = right / labeled
    center = share + z * z / (2 * labeled)
    reach = z * (share * (1 - share) / labeled + z * z / (4 * labeled**2)) ** 0.5
    scale = 1 + z * z / labeled
    return max(0.0, (center - reach) / scale), min(1.0, (center + reach) / scale)
