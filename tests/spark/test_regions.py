"""The second pass through Spark: equal to NumPy, and the same bits whatever the cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from dftspark import schema
from dftspark.corpus.blocks import block_of
from dftspark.lenses.embeddings import witness
from dftspark.lenses.embeddings.centroids import Regions
from dftspark.lenses.embeddings.distance_regions import region_parts
from dftspark.lenses.embeddings.region_sums import SCORE_ONE, region_sums
from dftspark.testing import laws
from tests.clouds import Floats, block_sums, frequencies

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
DIM = 6
COUNTS = {"human": 300, "model/a": 220, "model/b": 40, "stranger": 9}


class Features:
    """Fourier features one row at a time: slow, and the same in any batch."""

    def __init__(self) -> None:
        self.omega = frequencies(np.random.default_rng(9), DIM, 12, 1.5)

    def __call__(self, vectors: Any) -> Floats:
        angles = np.stack([(row[:, None] * self.omega).sum(axis=0) for row in vectors])
        return np.asarray(np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(len(angles[0])))


def corpora() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(1)
    found = {}
    for number, (corpus, count) in enumerate(COUNTS.items()):
        x = rng.standard_normal((count, DIM)) + 0.4 * number
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        x[1] = x[0]  # a tie
        found[corpus] = {
            "vector": x.astype(np.float32),
            "cluster": [f"p{i % 61}" for i in range(count)],
            "doc_id": [f"{corpus}-{(i * 7919) % 10_007:05d}" for i in range(count)],
            "text": [f"Words of  region{int(10 * x[i, 0])}\nand {i}" for i in range(count)],
        }
    return found


def table(of: dict[str, dict[str, Any]], order: np.ndarray[Any, Any]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        n: [] for n in ("corpus", "cluster", "doc_id", "vector", "text")
    }
    for corpus, own in of.items():
        columns["corpus"] += [corpus] * len(own["doc_id"])
        for name in ("cluster", "doc_id", "text"):
            columns[name] += own[name]
        columns["vector"] += [row.tobytes() for row in own["vector"]]
    kinds = {"vector": pa.binary()}
    arrays = [pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()]
    return pa.Table.from_arrays(arrays, list(columns)).take(pa.array(order))


def witness_of(human: dict[str, Any], model: dict[str, Any], features: Features) -> witness.Witness:
    sums, sizes = [], []
    for side in (human, model):
        phi, blocks = features(side["vector"]), block_of(side["cluster"]).astype(np.int64)
        sums.append(block_sums(phi, blocks))
        sizes.append(block_sums(np.ones(len(blocks)), blocks))
    center = sum(s.sum(axis=0) / n.sum() for s, n in zip(sums, sizes, strict=True)) / 2
    return witness.without_block_difference(*sums, *sizes, center=center)


@pytest.fixture(scope="module")
def passes(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The plan, the corpora, and what three cuts of shuffled documents find."""
    from pyspark.sql import functions as F

    from dftspark.lenses.embeddings.second_pass import RegionFold, SecondPass, collect
    from dftspark.spark.fold import fold

    own, features = corpora(), Features()
    centroids = np.concatenate([own["human"]["vector"][5:9], own["model/a"]["vector"][2:4]])
    plan = SecondPass(
        human="human",
        features=features,
        regions=Regions(centroids, 0, "pilot"),
        witnesses={m: witness_of(own["human"], own[m], features) for m in ("model/a", "model/b")},
        listed=7,
        exemplars=2,
        sampled=5,
    )
    total, found = sum(COUNTS.values()), []
    for partitions, seed in ((1, None), (5, 2), (31, 3)):
        rows = np.arange(total)
        order = rows if seed is None else np.random.default_rng(seed).permutation(rows)
        frame = spark.createDataFrame(table(own, order)).repartition(partitions)
        frame = frame.withColumn("stratum", F.lit(""))
        folder = str(tmp_path_factory.mktemp("regions"))
        passed = fold(frame, [RegionFold(plan)], folder, 2, {"human": 1}, sort=False)
        found.append(collect(passed["region_pass"].collected().to_pylist()))
    return plan, own, found


def test_no_result_hangs_on_the_cut(passes: Any) -> None:
    _, _, (one, five, many) = passes
    for other in (five, many):
        assert other.sums.keys() == one.sums.keys()
        for key in one.sums:
            laws.same(one.sums[key], other.sums[key])
        assert other.lists == one.lists


def test_sums_equal_numpy(passes: Any) -> None:
    plan, own, (found, *_) = passes
    assert set(found.sums) == {
        ("human", "model/a"),
        ("human", "model/b"),
        ("model/a", "model/a"),
        ("model/b", "model/b"),
    }
    for corpus, model in found.sums:
        side = witness.HUMAN if corpus == "human" else witness.MODEL
        blocks = block_of(own[corpus]["cluster"]).astype(np.int64)
        phi = plan.features(own[corpus]["vector"])
        scores = plan.witnesses[model].score(phi, side, blocks)
        cells, _ = plan.regions.assign(own[corpus]["vector"])
        laws.same(found.sums[corpus, model], region_sums(blocks, cells, scores, 6))
        ids = np.array(own[corpus]["doc_id"])
        for end, largest in (("model_like", True), ("human_like", False)):
            expected = ids[witness.top(scores, ids, 7, largest=largest)]
            assert [r["doc_id"] for r in found.lists[corpus, model, end]] == list(expected)


@pytest.mark.parametrize("of", [schema.REGIONS, schema.WITNESS, schema.COPIES])
def test_every_column_says_what_it_is(of: pa.Schema) -> None:
    assert all((field.metadata or {}).get(b"doc") for field in of)


def test_tables(passes: Any) -> None:
    from dftspark.lenses.embeddings import second_pass as regions

    plan, own, (found, *_) = passes
    table = regions.regions(found, plan, {"model/a": 16, "model/b": 0}, "run", "2026-01-01")
    assert table.schema == schema.REGIONS
    rows = [row for row in table.to_pylist() if row["model"] == "model/a"]
    assert [row["region"] for row in rows] == list(range(6))
    assert sum(row["share_human"] for row in rows) == pytest.approx(1)
    assert sum(row["documents_model"] for row in rows) == COUNTS["model/a"]
    columns = []
    for corpus in ("human", "model/a"):
        state = found.sums[corpus, "model/a"]
        columns += [state.count.sum(axis=0), state.score.sum(axis=0) / SCORE_ONE]
    total = float(region_parts(*columns).total.sum())
    assert sum(row["mass"] + row["within"] for row in rows) == pytest.approx(total, abs=1e-12)
    assert all(len(row["exemplars_human"]) <= 2 for row in rows)
    cells, margins = plan.regions.assign(own["human"]["vector"])
    clearest = np.where(cells == 0, margins, -1).argmax()
    assert own["human"]["doc_id"][clearest] == rows[0]["exemplars_human_id"][0]
    assert "\n" not in rows[0]["exemplars_human"][0]
    listed = regions.witness(found, plan, "run", "2026-01-01")
    assert listed.schema == schema.WITNESS
    assert listed.num_rows == 2 * 2 * 2 * 7
    ends = {(r["side"], r["end"]): r["score"] for r in listed.to_pylist() if r["rank"] == 1}
    assert ends["model", "model_like"] > ends["model", "human_like"]
