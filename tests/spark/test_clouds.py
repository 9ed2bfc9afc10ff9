"""Sums of random features through Spark: equal to NumPy's, whatever the cut, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from dftspark.config import Mmd
from dftspark.corpus.blocks import block_of
from dftspark.distances.mmd import median_distance
from dftspark.errors import IncomparableProfiles, InputError, ShapeError
from dftspark.features.fourier import Frequencies
from dftspark.features.hashing import digest64
from dftspark.stats.feature_sums import FeatureSums
from dftspark.stats.protocol import VectorBatch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
DIM = 12
OF = FeatureSums(frequencies=Frequencies(dim=DIM, sigma=1.2, least=24), vectors="test")


def rows(seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    found = []
    for corpus, count in (("human", 260), ("model/a", 140), ("model/b", 9)):
        x = rng.standard_normal((count, DIM)) + 0.5
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        found += [
            {
                "corpus": corpus,
                "stratum": ("news", "essay")[i % 2] if corpus != "model/b" else "",
                "cluster": f"p{i % 97}",
                "doc_id": f"{corpus}-{i}",
                "vector": row.astype(np.float32),
            }
            for i, row in enumerate(x)
        ]
    return found


def table(own: list[dict[str, Any]], fixed: bool = False) -> pa.Table:
    kind = pa.list_(pa.float32(), DIM) if fixed else pa.list_(pa.float32())
    names = ("corpus", "stratum", "cluster", "doc_id")
    columns = [pa.array([r[name] for r in own]) for name in names]
    columns.append(pa.array([r["vector"].tolist() for r in own], kind))
    return pa.Table.from_arrays(columns, [*names, "vector"])


def expected(own: list[dict[str, Any]]) -> dict[tuple[str, str], bytes]:
    out = {}
    for group in sorted({(r["corpus"], r["stratum"]) for r in own}):
        part = [r for r in own if (r["corpus"], r["stratum"]) == group]
        names = [r["cluster"] for r in part]
        hashes = [digest64(name, "dftspark cluster v1") for name in names]
        vectors = np.stack([r["vector"] for r in part])
        batch = VectorBatch(vectors, np.array(hashes, np.uint64), block_of(names).astype(np.int64))
        out[group] = OF.observe(batch).encode()
    return out


@pytest.mark.parametrize(
    ("seed", "partitions", "per_task", "batch", "fixed"),
    [(1, 1, 10_000, 10_000, False), (2, 7, 50, 3, True), (3, 40, 10, 1024, False)],
)
def test_states_are_those_of_numpy_for_any_cut(
    spark: SparkSession, seed: int, partitions: int, per_task: int, batch: int, fixed: bool
) -> None:
    from dftspark.spark import clouds

    own = rows()
    known = expected(own)
    np.random.default_rng(seed).shuffle(own)
    vectors = spark.createDataFrame(table(own, fixed)).repartition(partitions)
    sizes = clouds.counts(vectors)
    assert sum(sizes.values()) == len(own)
    layout = clouds.Layout.of(sizes, per_task)
    assert layout.total > (len(own) // per_task) / 2
    size = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(size) or "1024"
    spark.conf.set(size, str(batch))
    try:
        stored = clouds.fold(vectors, OF, layout).toArrow().to_pylist()
    finally:
        spark.conf.set(size, before)
    assert {(r["corpus"], r["stratum"]): r["state"] for r in stored} == known
    assert {r["fingerprint"] for r in stored} == {OF.fingerprint}
    assert {(r["corpus"], r["stratum"]): r["documents"] for r in stored} == sizes


def test_buffers_and_late_groups_change_nothing(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dftspark.spark import clouds

    own = rows()
    known = expected(own)
    monkeypatch.setattr(clouds, "_BUFFER", 5)
    own.sort(key=lambda r: (r["corpus"], r["stratum"]))
    batches = table(own).select(["corpus", "stratum", "cluster", "vector"]).to_batches(7)
    found = [r for b in clouds._folding(OF)(batches) for r in b.to_pylist()]
    assert {(r["corpus"], r["stratum"]): r["state"] for r in found} == known
    assert list(clouds._folding(OF)([])) == []
    layout = clouds.Layout({("human", "news"): (0, 2)}, 2)
    stored = clouds.fold(spark.createDataFrame(table(own)), OF, layout).toArrow().to_pylist()
    assert {(r["corpus"], r["stratum"]): r["state"] for r in stored} == known


def test_the_pilot_is_one_document_of_each_of_the_first_clusters(spark: SparkSession) -> None:
    from dftspark.spark import clouds

    own, found = rows(), []
    for partitions in (1, 13):
        vectors = spark.createDataFrame(table(own)).repartition(partitions)
        found.append(clouds.pilot(vectors, Mmd(pilot=30)).vectors)
    assert np.array_equal(found[0], found[1])
    assert found[0].shape == (30 + 30 + 9, DIM)
    by_vector = {r["vector"].tobytes(): r for r in own}
    chosen = [by_vector[row.tobytes()] for row in found[0]]
    clusters = [(r["corpus"], r["cluster"]) for r in chosen]
    assert len(set(clusters)) == len(clusters)
    other = clouds.pilot(spark.createDataFrame(table(own)), Mmd(pilot=30, seed=1)).vectors
    assert not np.array_equal(found[0], other)


def test_what_is_frozen(spark: SparkSession) -> None:
    from dftspark.spark import clouds

    vectors = spark.createDataFrame(table(rows()))
    of = clouds.statistic(vectors, Mmd(features=64, pilot=50, seed=3), "embedder")
    sample = clouds.pilot(vectors, Mmd(pilot=50, seed=3)).vectors
    frozen = Frequencies(dim=DIM, sigma=median_distance(sample), least=64, seed=3)
    assert of == FeatureSums(frequencies=frozen, vectors="embedder")
    fixed = clouds.statistic(vectors, Mmd(bandwidth=0.5))
    assert fixed.frequencies == Frequencies(dim=DIM, sigma=0.5)


def test_states_of_another_statistic_are_not_read(spark: SparkSession) -> None:
    from dftspark.spark import clouds

    vectors = spark.createDataFrame(table(rows()))
    stored = clouds.fold(vectors, OF, clouds.Layout.of(clouds.counts(vectors))).cache()
    assert {group: state.encode() for group, state in clouds.states(stored, OF)} == expected(rows())
    other = FeatureSums(frequencies=OF.frequencies, vectors="another embedder")
    with pytest.raises(IncomparableProfiles, match="another embedder"):
        list(clouds.states(stored, other))


def test_what_is_no_matrix(spark: SparkSession) -> None:
    from dftspark.spark import clouds

    floats = pa.list_(pa.float32())
    assert clouds.matrix(pa.array([[1, 2], [3, 4], [5, 6]], floats)[1:]).tolist() == [
        [3, 4],
        [5, 6],
    ]
    assert clouds.matrix(pa.array([], floats), 3).shape == (0, 3)
    with pytest.raises(InputError, match="1 of 2 vectors are null"):
        clouds.matrix(pa.array([[1, 2], None], floats))
    with pytest.raises(ShapeError, match="expected 2 in all"):
        clouds.matrix(pa.array([[1, 2], [1, 2, 3]], floats))
    with pytest.raises(ShapeError, match="another model"):
        clouds.matrix(pa.array([[1, 2]], floats), 3)
    empty = spark.createDataFrame(table(rows()[:1])).where("corpus = 'none'")
    with pytest.raises(InputError, match="no document has a vector"):
        clouds.pilot(empty, Mmd())


def test_layouts_cut_large_groups_and_join_small_ones() -> None:
    from dftspark.spark.clouds import Layout

    sizes = {("h", ""): 1000, **{("m", f"s{i}"): 10 for i in range(50)}, ("z", ""): 10**9}
    layout = Layout.of(sizes, 100)
    assert layout.tasks["h", ""] == (0, 10)
    small = {layout.tasks["m", f"s{i}"] for i in range(50)}
    assert all(width == 1 and first >= 10 for first, width in small)
    assert len(small) in (5, 6)
    first, width = layout.tasks["z", ""]
    assert width == 128
    assert first + width <= layout.total
