"""What a reader must know before any verdict."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dftspark import schema
from dftspark.report.words.notes import notes
from dftspark.store.listing import open_run
from dftspark.store.writer import RunWriter
from tests.report.page_runs import metrics, row


@pytest.mark.parametrize(("half_width", "told"), [(0.04, False), (0.06, True)])
def test_coarse_random_features_are_named(tmp_path: Path, half_width: float, told: bool) -> None:
    """Where they leave more than half a standard error of MMD squared open."""
    rows = metrics("gpt")
    for each in rows:
        each["std_error"] = 0.1
    rows.append(row("metrics", model="gpt", metric="mmd_squared_feature_error", value=half_width))
    writer = RunWriter.create(str(tmp_path), "night")
    writer.write("metrics", pa.Table.from_pylist(rows, schema=schema.METRICS))
    said = notes(open_run(str(tmp_path), writer.publish({"config": {}}).id))
    assert [("double mmd.features" in text) for text in said] == ([True] if told else [])
