"""The copy check through Spark: planted copies found and listed, whatever the cut."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from dftspark import schema
from dftspark.errors import InputError
from dftspark.inference.proportions import ClusterSums
from dftspark.lenses.embeddings.cloud_files import Vectors
from dftspark.lenses.embeddings.copies import copy_metrics
from dftspark.store.state_table import StateTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


def documents(spark: SparkSession, partitions: int, seed: int) -> DataFrame:
    """120 human documents, the last 3 copies of others under other prompts; of 90 model ones 5
    copy a human one, one of them on its own prompt and in other words."""
    rng = np.random.default_rng(1)
    human, model = rng.standard_normal((120, 16)), rng.standard_normal((90, 16))
    human[117:] = human[:3]
    model[:5] = human[50:55] + 0.02
    rows = []
    for corpus, points in (("human", human), ("model/a", model)):
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
        for i, vector in enumerate(points):
            source = i % 117 if corpus == "human" else i + 50 if i < 5 else 1_000 + i
            cluster = "p50" if (corpus, i) == ("model/a", 0) else f"{corpus[0]}{i}"
            cluster = "p50" if (corpus, i) == ("human", 50) else cluster
            text = f"this is the whole of document {source}, word by word"
            text = "in words of its own" if (corpus, i) == ("model/a", 0) else text
            coordinates = vector.astype(np.float32).tobytes()
            rows.append((corpus, "", cluster, f"{corpus}-{i:03d}", coordinates, text))
    order = np.random.default_rng(seed).permutation(len(rows))
    columns = list(zip(*(rows[i] for i in order), strict=True))
    kinds = [pa.string()] * 4 + [pa.binary(), pa.string()]
    arrays = [pa.array(list(c), k) for c, k in zip(columns, kinds, strict=True)]
    names = ["corpus", "stratum", "cluster", "doc_id", "vector", "text"]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, names)).repartition(partitions)


def test_planted_copies(spark: SparkSession, tmp_path: Path) -> None:
    from dftspark.lenses.embeddings.copies_pass import (
        CopiesFold,
        cluster_sums,
        human_side,
        pairs,
    )
    from dftspark.spark.fold import fold

    seen = []
    for partitions, seed in ((1, 2), (7, 3)):
        own = documents(spark, partitions, seed)
        folder = str(tmp_path / f"{seed}")
        own.write.parquet(f"{folder}/vectors")
        vectors = Vectors(StateTable.of([f"{folder}/vectors"]))
        copies = CopiesFold(human_side(vectors, "human"), ["human", "model/a"])
        found = fold(own, [copies], folder, 2, {"model/a": 1}, sort=False)["copied"].collected()
        assert found.schema == schema.COPIED
        with pytest.raises(InputError, match="corpus 'nobody' has no document with a vector"):
            human_side(vectors, "nobody")
        seen.append((cluster_sums(found), pairs(found, vectors, "human", "run", "")))
    (sums, table), again = seen
    assert again[0] == sums
    assert again[1].equals(table)
    assert sums["model/a"] == ClusterSums(90, 90, 5, 5, 90, 5)
    share, floor = copy_metrics(sums["human"], sums["model/a"], confidence=0.95)
    assert share.value == pytest.approx(5 / 90)
    assert floor.value == pytest.approx(6 / 120)
    assert table.schema == schema.COPIES
    rows = table.to_pylist()
    assert [row["side"] for row in rows] == ["human"] * 6 + ["model"] * 5
    assert {row["doc_id"]: row["neighbor_id"] for row in rows if row["side"] == "human"} == {
        f"human-{a:03d}": f"human-{b:03d}"
        for a, b in ((0, 117), (1, 118), (2, 119), (117, 0), (118, 1), (119, 2))
    }
    assert all(row["overlap"] == 1 for row in rows if row["doc_id"] != "model/a-000")
    (paraphrase,) = [row for row in rows if row["doc_id"] == "model/a-000"]
    assert (paraphrase["overlap"], paraphrase["same_cluster"]) == (0, True)
    assert paraphrase["neighbor_id"] == "human-050"


def test_withheld_tests_leave_the_distances() -> None:
    from dftspark.making import _untested

    rows = {"text": "a", "z": 3.0, "q_value": 0.01, "contribution": 2.0, "outside": True}
    (row,) = _untested(pa.Table.from_pylist([rows])).to_pylist()
    assert row == {"text": "a", "z": None, "q_value": None, "contribution": 2.0, "outside": False}
