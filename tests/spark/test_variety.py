"""The sample and its measures through Spark are those of plain Python, whatever the cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from dftspark import config, schema
from dftspark.lenses.variety import compared as variety
from dftspark.lenses.variety.compared import PromptAnswer
from tests import extras

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, extras.variety]

AUDIT = config.Audit.parse(
    {
        "corpora": {
            "human": {"role": "human", "path": "h"},
            "model": {"role": "model", "path": "m"},
        }
    },
    "test",
)


def test_measures_are_those_of_plain_python(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dftspark.lenses.variety import spark_measures as on_spark

    monkeypatch.setattr(variety, "PROMPTS", 20)
    rng = np.random.default_rng(0)
    rows = [
        {
            "corpus": corpus,
            "cluster": f"p{p}",
            "doc_id": f"{corpus}-{p}-{i}",
            "text": " ".join(f"w{w}" for w in rng.integers(0, 30, 110)),
        }
        for corpus, samples in (("human", 1), ("model", 6))
        for p in range(30)
        for i in range(samples)
    ]
    own = {
        corpus: variety.sampled(
            [
                PromptAnswer(r["doc_id"], r["cluster"], r["text"])
                for r in rows
                if r["corpus"] == corpus
            ]
        )
        for corpus in ("human", "model")
    }
    frame = spark.createDataFrame(pa.Table.from_pylist(rows))
    for partitions in (1, 7):
        drawn = on_spark.sample(frame.repartition(partitions)).toArrow().to_pylist()
        assert {r["doc_id"] for r in drawn} == {
            d.doc_id for side in own.values() for ds in side.values() for d in ds
        }
    found = on_spark.measure(frame, AUDIT, "run", "2026-01-31").toArrow()
    assert found.schema.names == schema.VARIETY.names
    expected = {m.metric: m for m in variety.compared(own["human"], own["model"])}
    got = {row["metric"]: row for row in found.to_pylist()}
    assert got.keys() == expected.keys()
    for name, m in expected.items():
        row = got[name]
        assert (row["human"], row["model"]) == ("human", "model")
        assert row["value"] == pytest.approx(m.model.value), name
        assert row["n_human"] == m.human.n
