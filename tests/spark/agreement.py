"""When two runs say the same: every row found in both, counts exactly, estimates to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from dftspark.store.run import Run

ROUNDING = 1e-12
_KEYS = {
    "comparability": ["model", "stratum", "property"],
    "corpora": ["corpus"],
    "metrics": ["model", "stratum", "metric"],
    "ngrams": ["model", "stratum", "n", "tokens"],
    "document_ratios": ["model", "stratum", "token"],
    "patterns": ["model", "stratum", "pattern"],
}


def assert_same(run: Run, other: Run, *names: str, but: tuple[str, ...] = ()) -> None:
    """The named tables have the same rows, in whatever order; `but` begin columns left out.

    Sums may be taken in another order, so floating point agrees to ROUNDING and no closer.
    """
    for name in names:
        left, right = (_by_key(one.table(name), _KEYS[name]) for one in (run, other))
        assert left.keys() == right.keys(), (name, left.keys() ^ right.keys())
        for key, row in left.items():
            for column, value in row.items():
                if column.startswith(("run_id", *but)):
                    continue
                assert _same(value, right[key][column]), (name, key, column, value, right[key])


def _by_key(table: pa.Table, columns: list[str]) -> dict[str, dict[str, Any]]:
    rows = table.to_pylist()
    found = {repr([row[column] for column in columns]): row for row in rows}
    assert len(found) == len(rows) > 0
    return found


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return bool(np.isclose(left, right, rtol=ROUNDING, atol=ROUNDING, equal_nan=True))
    return bool(left == right)
