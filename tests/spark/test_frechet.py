"""The Frechet distance through Spark: of all documents, equal to NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from dftspark.config import Inference
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import column
from dftspark.lenses.embeddings.moments import MomentSide, RootSide, frechet_metrics
from dftspark.lenses.embeddings.statistic_moments import Moments, moment_sums
from dftspark.store.state_table import StateTable
from tests.clouds import Floats

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.lenses.metric import Metric

pytestmark = pytest.mark.spark
DIM = 5
SIZES = {"human": 6_000, "model/a": 5_500, "model/b": 90}


def cloud(corpus: str) -> Floats:
    rng = np.random.default_rng(len(corpus))
    x = rng.standard_normal((SIZES[corpus], DIM)) + (0.4 if corpus != "human" else 0.0)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float64)


def clusters_of(corpus: str) -> list[str]:
    return [f"p{i % 700}" for i in range(SIZES[corpus])]


def expected(model: str, settings: Inference) -> list[Metric]:
    human, own = (
        moment_sums(cloud(corpus).astype(np.float32), block_of(clusters_of(corpus)))
        for corpus in ("human", model)
    )
    sides = RootSide(human), MomentSide(own)
    clusters = min(128, SIZES[model])
    return frechet_metrics(*sides, clusters, confidence=settings.confidence, seed=settings.seed)


def test_all_documents_count(spark: SparkSession, tmp_path: Path) -> None:
    from dftspark.lenses.embeddings import spark_clouds as clouds
    from dftspark.lenses.embeddings.frechet_pairs import FrechetPairs
    from dftspark.spark import pairs

    parts = [
        pa.table(
            {
                "corpus": [corpus] * size,
                "stratum": [("news", "essay")[i % 2] for i in range(size)],
                "cluster": clusters_of(corpus),
                "vector": column(cloud(corpus).astype(np.float32)),
            }
        )
        for corpus, size in SIZES.items()
    ]
    documents = spark.createDataFrame(pa.concat_tables(parts)).repartition(3)
    settings = Inference()
    clusters = {corpus: min(128, size) for corpus, size in SIZES.items()}
    of = Moments(dim=DIM)
    groups = [(corpus, stratum) for corpus in SIZES for stratum in ("news", "essay")]
    summed = clouds.summed(documents, groups, {"moments": of}, str(tmp_path))["moments"]
    stored = StateTable(tuple(summed.paths))
    work = FrechetPairs(stored, of, "human", SIZES, clusters, settings)
    found = pairs.work(spark, ["model/a", "model/b"], {"frechet": work})["frechet"]
    assert sorted(row["model"] for row in found) == ["model/a", "model/b"]
    for row in found:
        known = [metric.record() for metric in expected(row["model"], settings)]
        assert [m["metric"] for m in row["metrics"]] == ["frechet", "frechet_corrected"]
        for metric, other in zip(row["metrics"], known, strict=True):
            for name in ("value", "std_error", "ci_low", "ci_high"):
                # Eigenvalues from another process, which may use other threads.
                np.testing.assert_allclose(metric[name], other[name], rtol=1e-8)
                assert np.isfinite(metric[name])
            assert metric["blocks"] == other["blocks"] == 16
