"""Sums of random features through Spark: equal to NumPy's, whatever the cut, bit for bit."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import schema
from dftspark.config import Mmd
from dftspark.corpus.blocks import block_of
from dftspark.errors import IncomparableProfiles, InputError, ShapeError
from dftspark.lenses.embeddings.distance_mmd import median_distance
from dftspark.lenses.embeddings.fourier import Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.fold import GroupRows
from dftspark.stats.protocol import VectorBatch
from dftspark.store.state_table import StateTable
from dftspark.text.hashing import digest64

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


def table(own: list[dict[str, Any]]) -> pa.Table:
    names = ("corpus", "stratum", "cluster", "doc_id")
    columns = [pa.array([r[name] for r in own]) for name in names]
    columns.append(pa.array([r["vector"].tobytes() for r in own]))
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
    ("seed", "partitions", "together", "batch"),
    [(1, 1, 8, 10_000), (2, 7, 8, 3), (3, 40, 2, 1024)],
)
def test_states_are_those_of_numpy_for_any_cut(
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    partitions: int,
    together: int,
    batch: int,
) -> None:
    """The last is gathered first, since it has more groups than a task holds."""
    from dftspark.lenses.embeddings import spark_clouds as clouds

    monkeypatch.setattr(clouds, "_OPEN", together)
    own = rows()
    known = expected(own)
    np.random.default_rng(seed).shuffle(own)
    vectors = spark.createDataFrame(table(own)).repartition(partitions)
    size = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(size) or "1024"
    spark.conf.set(size, str(batch))
    try:
        groups = Counter((r["corpus"], r["stratum"]) for r in own)
        found = clouds.summed(vectors, groups, {"sums": OF}, tempfile.mkdtemp())
        stored = found["sums"].collected().to_pylist()
    finally:
        spark.conf.set(size, before)
    assert {(r["corpus"], r["stratum"]): r["state"] for r in stored} == known
    assert {r["fingerprint"] for r in stored} == {OF.fingerprint}
    assert {(r["corpus"], r["stratum"]): r["documents"] for r in stored} == groups


@pytest.mark.parametrize(("buffer", "together", "most"), [(5, 8, 5), (10_000, 8, 5), (5, 1, 409)])
def test_a_task_holds_few_states(
    monkeypatch: pytest.MonkeyPatch, buffer: int, together: int, most: int
) -> None:
    from dftspark.lenses.embeddings import spark_clouds as clouds
    from dftspark.spark.fold import by_group

    monkeypatch.setattr(clouds, "_BUFFER", buffer)
    monkeypatch.setattr(clouds, "_OPEN", together)
    own = rows()
    known = expected(own)
    np.random.default_rng(4).shuffle(own)
    batches = table(own).select(["corpus", "stratum", "cluster", "vector"]).to_batches(7)
    found: dict[tuple[str, str], list[Any]] = {}
    observer = clouds.SumsFold("sums", OF).observer()
    left = [
        item for group, batch in by_group(batches) for item in observer.add(GroupRows(group, batch))
    ]
    for key, encoded in [*left, *observer.end()]:
        found.setdefault(key[:2], []).append(FeatureState.decode(encoded))
    assert {group: reduce(OF.merge, parts).encode() for group, parts in found.items()} == known
    assert len(known) <= sum(map(len, found.values())) <= most
    assert (sum(map(len, found.values())) > len(known)) == (together < len(known))
    assert list(clouds.SumsFold("sums", OF).observer().end()) == []


def test_the_pilot_is_one_document_of_each_of_the_first_clusters(spark: SparkSession) -> None:
    from dftspark.lenses.embeddings import spark_clouds as clouds

    own, found = rows(), []
    for partitions in (1, 13):
        vectors = spark.createDataFrame(table(own)).repartition(partitions)
        found.append(clouds.pilot(vectors, Mmd(pilot=30), 3).vectors)
    assert np.array_equal(found[0], found[1])
    assert found[0].shape == (30 + 30 + 9, DIM)
    by_vector = {r["vector"].tobytes(): r for r in own}
    chosen = [by_vector[row.tobytes()] for row in found[0]]
    clusters = [(r["corpus"], r["cluster"]) for r in chosen]
    assert len(set(clusters)) == len(clusters)
    other = clouds.pilot(spark.createDataFrame(table(own)), Mmd(pilot=30, seed=1), 3).vectors
    assert not np.array_equal(found[0], other)


def test_what_is_frozen(spark: SparkSession) -> None:
    from dftspark.lenses.embeddings import spark_clouds as clouds

    vectors = spark.createDataFrame(table(rows()))
    sample = clouds.pilot(vectors, Mmd(pilot=50, seed=3), 3)
    of = clouds.statistic(sample, Mmd(features=64, pilot=50, seed=3), "embedder")
    frozen = Frequencies(dim=DIM, sigma=median_distance(sample.vectors), least=64, seed=3)
    assert of == FeatureSums(frequencies=frozen, vectors="embedder")
    fixed = clouds.statistic(sample, Mmd(bandwidth=0.5))
    assert fixed.frequencies == Frequencies(dim=DIM, sigma=0.5)


def test_states_of_another_statistic_are_not_read(tmp_path: Path) -> None:
    from dftspark.lenses.embeddings.cloud_files import check_comparable, states

    rows_of = [
        {
            "corpus": corpus,
            "stratum": stratum,
            "fingerprint": OF.fingerprint,
            "documents": 1,
            "state": state,
        }
        for (corpus, stratum), state in expected(rows()).items()
    ]
    file = tmp_path / "sums.parquet"
    pq.write_table(pa.Table.from_pylist(rows_of, schema.FEATURE_SUMS), file)
    # A second day adds up: here the same one again.
    stored, twice = StateTable((str(file),)), StateTable((str(file), str(file)))
    check_comparable(stored, OF)
    for corpus in ("human", "model/a", "model/b"):
        found = states(stored, OF, corpus)
        assert {(corpus, s): own.encode() for s, own in found.items()} == {
            key: state for key, state in expected(rows()).items() if key[0] == corpus
        }
        for stratum, own in states(twice, OF, corpus).items():
            assert own.encode() == OF.merge(found[stratum], found[stratum]).encode()
    other = FeatureSums(frequencies=OF.frequencies, vectors="another embedder")
    with pytest.raises(IncomparableProfiles, match="another embedder"):
        check_comparable(stored, other)


def test_what_is_no_matrix(spark: SparkSession) -> None:
    from dftspark.embedding.spark_vectors import column, matrix
    from dftspark.lenses.embeddings import spark_clouds as clouds

    three = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    whole = column(three)
    assert matrix(whole[1:]).tolist() == [[3, 4], [5, 6]]
    assert matrix(pa.chunked_array([whole[1:], whole[:0], whole[:1]])).tolist() == [
        [3, 4],
        [5, 6],
        [1, 2],
    ]
    assert column(three[::2]).to_pylist() == [three[0].tobytes(), three[2].tobytes()]
    assert matrix(whole[:0], 3).shape == (0, 3)
    assert matrix(pa.chunked_array([], pa.binary()), 3).shape == (0, 3)
    with pytest.raises(InputError, match="1 of 2 vectors are null"):
        matrix(pa.array([three[0].tobytes(), None]))
    with pytest.raises(ShapeError, match="expected 2 in all"):
        matrix(pa.array([bytes(8), bytes(12)]))
    with pytest.raises(ShapeError, match="another model"):
        matrix(whole, 3)
    empty = spark.createDataFrame(table(rows()[:1])).where("corpus = 'none'")
    with pytest.raises(InputError, match="no document has a vector"):
        clouds.pilot(empty, Mmd(), 0)
