"""A source that fsspec reaches is read in Spark's tasks as on the driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dftspark.config import Audit
from tests.hub import serving

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
pytest.importorskip("aiohttp", reason="SOURCES ON THE WEB NOT TESTED: no aiohttp")


def test_documents_from_the_web(spark: SparkSession, tmp_path: Path) -> None:
    from dftspark.spark import documents

    for side in ("human", "model"):
        rows = [json.dumps({"text": f"{side} {i}", "doc_id": i}) + "\n" for i in range(3)]
        (tmp_path / f"{side}.jsonl").write_text("".join(rows))
    with serving(tmp_path) as address:
        sides = ("human", "model")
        corpora = {s: {"role": s, "path": f"{address}/{s}.jsonl?token=se/cret"} for s in sides}
        config = Audit.parse({"corpora": corpora}, "test")
        found = documents.read(spark, config, str(tmp_path / "staging"))
        kept = found.kept.select("corpus", "text", "file").toArrow().to_pylist()
    texts = sorted((row["corpus"], row["text"]) for row in kept)
    assert texts == [(side, f"{side} {i}") for side in ("human", "model") for i in range(3)]
    assert {row["file"] for row in kept} == {
        f"{address}/{side}.jsonl?token=***" for side in ("human", "model")
    }
