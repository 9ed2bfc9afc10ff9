"""The structure profile through Spark: equal to NumPy, whatever the cut, the order, the batches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import config, schema
from dftspark.errors import IncomparableProfiles
from dftspark.lenses import lens as registry
from dftspark.lenses.structure import compared as lens
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.store.state_table import StateTable
from dftspark.testing import laws

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.spark.fold import Folded

pytestmark = pytest.mark.spark

AUDIT = config.Audit.parse(
    {
        "corpora": {
            "human": {"role": "human", "path": "h"},
            "model": {"role": "model", "path": "m"},
        },
        "inference": {"splits": 20, "permutations": 99},
    },
    "test",
)
SENTENCES = [
    "It's not a bug, it's a feature.",
    "Perhaps it rained — nobody knows.",
    "The result? A sense of relief.",
    'He said "go" and left, leaving a gap.',
    "We sold 14 of them in 1999.",
    "- one item\n- another item",
    "In conclusion, honest, kind, and patient people win.",
]


def documents(seed: int = 0) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    rows = []
    for corpus, number in (("human", 90), ("model/a", 70), ("model/b", 3)):
        for i in range(number):
            text = " ".join(rng.choice(SENTENCES, rng.integers(0, 9)))
            stratum = ("news", "essay")[i % 2] if corpus != "model/b" else ""
            rows.append(
                {
                    "corpus": corpus,
                    "stratum": stratum,
                    "cluster": f"p{i % 40}",
                    "doc_id": f"{corpus}-{i}",
                    "text": text,
                }
            )
    return rows


def frame(spark: SparkSession, partitions: int, seed: int = 0) -> DataFrame:
    rows = documents()
    order = np.random.default_rng(seed).permutation(len(rows))
    table = pa.Table.from_pylist([rows[i] for i in order])
    return spark.createDataFrame(table).repartition(partitions)


def expected(corpus: str, stratum: str | None = None) -> StructureSums:
    rows = [r for r in documents() if r["corpus"] == corpus and stratum in (None, r["stratum"])]
    texts, clusters = (pa.array([r[c] for r in rows]) for c in ("text", "cluster"))
    return Structure().observe(document_vectors.of(texts, clusters))


def profile(spark: SparkSession, partitions: int, seed: int = 0) -> Folded:
    from dftspark.spark.fold import fold

    of = registry.lens("structure").fold(AUDIT, 1, {})
    assert of is not None
    rows = frame(spark, partitions, seed)
    folder = tempfile.mkdtemp(prefix="dftspark-test-")
    return fold(rows, [of], folder, 3, {"model/a": 1}, sort=False)["structure"]


def stored(spark: SparkSession, partitions: int, seed: int = 0) -> list[dict[str, Any]]:
    rows = profile(spark, partitions, seed).collected().to_pylist()
    return sorted(rows, key=lambda r: (r["corpus"], r["stratum"]))


def test_profile_equals_numpy(spark: SparkSession) -> None:
    rows = stored(spark, 3)
    assert [(r["corpus"], r["stratum"]) for r in rows] == [
        ("human", "essay"),
        ("human", "news"),
        ("model/a", "essay"),
        ("model/a", "news"),
        ("model/b", ""),
    ]
    for row in rows:
        laws.same(StructureSums.decode(row["state"]), expected(row["corpus"], row["stratum"]))


@pytest.mark.parametrize(("partitions", "batch"), [(1, 10_000), (7, 2), (40, 10_000)])
def test_the_cut_does_not_matter(spark: SparkSession, partitions: int, batch: int) -> None:
    whole = stored(spark, 3)
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(key)
    spark.conf.set(key, str(batch))
    try:
        assert stored(spark, partitions, seed=partitions) == whole
    finally:
        spark.conf.set(key, before or "10000")


def test_compared_rows_are_those_of_the_lens(spark: SparkSession) -> None:
    from dftspark.lenses.structure import spark_profile as structure
    from dftspark.spark import pairs

    states = StateTable(tuple(profile(spark, 3).paths))
    comparison = structure.Comparison(states, {"model/a": 9}, AUDIT)
    compared = pairs.work(spark, ["model/a", "model/b"], {"structure": comparison})["structure"]
    rows = {(r["model"], r["stratum"]): r for r in compared}
    assert rows.keys() == {("model/a", s) for s in ("", "essay", "news")} | {("model/b", "")}
    found = lens.compared(
        expected("human"), expected("model/a"), paired=True, settings=AUDIT.inference
    )
    row = rows["model/a", ""]
    assert (row["n_human"], row["n_model"]) == (90, 70)
    assert [m["metric"] for m in row["metrics"]] == [m.name for m in found.metrics]
    for got, want in zip(row["patterns"], found.rows, strict=True):
        assert got["pattern"] == want.measure.id
        for name in ("ratio", "p_value", "q_value", "band", "share_model", "precision"):
            assert got[name] == pytest.approx(getattr(want, name), nan_ok=True), name
        assert (got["example_model"] is not None) == (
            want.measure.kind in ("pattern", "count")
            and want.count_model > 0
            and want.measure.numerator == want.measure.id
            and want.measure.group != "pacing"
            and got["example_model"] is not None
        )
    by_name = {r["pattern"]: r for r in row["patterns"]}
    assert "It's not a bug, it's" in by_name["contrast_not_x_it_is_y"]["example_human"]
    assert by_name["contrast_not_x_it_is_y"]["example_human_id"].startswith("human-")
    dash = by_name["em_dash"]
    for side, corpus in (("human", "human-"), ("model", "model/a-")):
        ids, excerpts = dash[f"examples_{side}_id"], dash[f"examples_{side}"]
        assert len(set(ids)) == len(excerpts) == 5
        assert all(doc_id.startswith(corpus) for doc_id in ids)
        assert all("\u2014" in excerpt for excerpt in excerpts)
        assert (ids[0], excerpts[0]) == (dash[f"example_{side}_id"], dash[f"example_{side}"])
    table = structure.patterns_table(compared, "human", "run", "2026-01-31")
    assert table.schema == schema.PATTERNS
    assert table.num_rows == 4 * len(found.rows)


def test_unlike_pattern_sets_are_not_compared(tmp_path: Path) -> None:
    from dftspark.lenses.structure import spark_profile as structure

    state = Structure().empty().encode()
    rows = [
        {"corpus": corpus, "stratum": "", "state": state, "examples": [], "fingerprint": made_by}
        for corpus, made_by in (("human", "old"), ("model", "new"))
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema.STRUCTURE_PROFILE), tmp_path / "s.parquet")
    states = StateTable((str(tmp_path / "s.parquet"),))
    with pytest.raises(IncomparableProfiles, match="old"):
        structure.check_comparable(states, "human")
