"""Model against model: which of two is nearer to human, by each measure, from one comparison.

Both were compared with the same human text, so the part that depends on it cancels: the error comes
from the jackknife of the difference, leaving out block j of all three. Two overlapping intervals
cannot show this.

Cost     microseconds a pair and measure
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from dftspark import schema
from dftspark.inference.intervals import jackknife
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.lenses.metric import comparable

Row = dict[str, Any]

MOST = 20  # models all of whose pairs are reported; with more, each against the nearest to human


def table(rows: Sequence[Row], confidence: float) -> pa.Table:
    """Returns schema.DIFFERENCES, from rows of the metrics table with `left_out` as in
    schema.COMPARED.

    It covers every measure that has `left_out` on both sides and for which smaller is nearer to
    human. Plug-in distances fall as documents are added, so by them only models of similar sizes
    are compared.
    """
    of: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.get("left_out") and row["better"] == "lower" and np.isfinite(row["value"]):
            of.setdefault((row["stratum"], row["metric"]), []).append(row)
    found = [
        _difference(first, second, confidence)
        for same in of.values()
        for first, second in _pairs(sorted(same, key=lambda row: str(row["model"])))
        if comparable(first["metric"], (first["n_model"], second["n_model"]))
    ]
    q_values = benjamini_hochberg(np.array([row["p_value"] for row in found], np.float64))
    for row, q_value in zip(found, q_values, strict=True):
        row["q_value"] = float(q_value)
        if q_value <= 1 - confidence:
            row["nearer"] = row["model"] if row["difference"] < 0 else row["other"]
    return pa.Table.from_pylist(found, schema=schema.DIFFERENCES)


def _pairs(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    if len(rows) <= MOST:
        yield from combinations(rows, 2)
        return
    nearest = min(rows, key=lambda row: float(row["value"]))
    yield from ((row, nearest) for row in rows if row is not nearest)


def _difference(first: Row, second: Row, confidence: float) -> Row:
    value = float(first["value"] - second["value"])
    left_out = np.subtract(first["left_out"], second["left_out"])
    error, _, _ = jackknife(left_out, value, confidence)
    freedom = min(first["blocks"], second["blocks"]) - 1
    known = error > 0 and freedom > 0
    reach = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error if known else np.nan
    p_value = 2 * float(special.stdtr(freedom, -abs(value) / error)) if known else np.nan
    kept = ("run_id", "date", "human", "model", "stratum", "lens", "metric", "unit")
    return {
        **{name: first[name] for name in kept},
        "other": second["model"],
        "value": first["value"],
        "value_other": second["value"],
        "difference": value,
        "std_error": error,
        "ci_low": value - reach,
        "ci_high": value + reach,
        "p_value": p_value,
        "nearer": None,
    }
