"""Which texts are embedded: whole clusters that corpora share, by the smallest keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from dftspark.config import Embedding
from dftspark.embedding.store import key_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def documents(spark: SparkSession) -> DataFrame:
    """human: 900 prompts, one text each; model: the same prompts, three each; small: 30 texts."""
    rows = [("human", f"p{i}", f"h{i}") for i in range(900)]
    rows += [("model", f"p{i}", f"m{i}-{k}") for i in range(900) for k in range(3)]
    rows += [("small", f"p{i}", f"s{i}") for i in range(30)]
    table = spark.createDataFrame(rows, "corpus string, cluster string, doc_id string")
    return table.selectExpr("*", "'' AS stratum", "doc_id AS text")


def members(documents: DataFrame, sample: int | str) -> dict[str, dict[str, list[str]]]:
    """Ids by corpus and cluster."""
    from dftspark.embedding.spark_sampling import sampled

    settings = Embedding.model_validate({"sample": sample})
    found: dict[str, dict[str, list[str]]] = {}
    for row in sampled(documents, settings).toArrow().to_pylist():
        assert row["key"] == key_of(row["doc_id"])
        found.setdefault(row["corpus"], {}).setdefault(row["cluster"], []).append(row["doc_id"])
    return found


def test_the_sample_is_whole_clusters_that_corpora_share(documents: DataFrame) -> None:
    found = members(documents, 300)
    sizes = {name: sum(map(len, own.values())) for name, own in found.items()}
    assert sizes == {"human": 300, "model": 300, "small": 30}
    assert {len(ids) for ids in found["model"].values()} == {3}
    assert found["model"].keys() <= found["human"].keys()
    larger = members(documents, 400)
    assert found["human"].keys() < larger["human"].keys()
    # 400 is not a multiple of three: one cluster is cut.
    assert sorted(map(len, larger["model"].values())) == [1] + [3] * 133
    everything = members(documents, "all")
    assert sum(map(len, everything["model"].values())) == 2_700


def test_the_sample_does_not_depend_on_partitions(documents: DataFrame) -> None:
    turned = documents.repartition(7, "doc_id").orderBy("text")
    left, right = members(documents, 200), members(turned, 200)
    for name in left:
        assert {c: sorted(ids) for c, ids in left[name].items()} == {
            c: sorted(ids) for c, ids in right[name].items()
        }


def test_the_sample_does_not_favor_blocks(documents: DataFrame) -> None:
    from dftspark.corpus.blocks import block_of

    chosen = list(members(documents, 450)["human"])
    counts = np.bincount(block_of(chosen), minlength=64)
    all_counts = np.bincount(block_of([f"p{i}" for i in range(900)]), minlength=64)
    # Half of each block, within five standard deviations of a draw without replacement.
    assert (np.abs(counts - all_counts / 2) < 5 * np.sqrt(all_counts / 4)).all()


@pytest.mark.parametrize("text", ["plain", "é ü 東京 🙂", "a\u0000b" * 3, "x" * 100_000])
def test_the_key_is_the_same_in_java(spark: SparkSession, text: str) -> None:
    from dftspark.embedding.spark_sampling import key_column

    texts = spark.createDataFrame([(text,)], "text string")
    (row,) = texts.select(key_column().alias("key")).collect()
    assert bytes(row["key"]) == key_of(text)
