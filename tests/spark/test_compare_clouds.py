"""Stored feature sums to measures through Spark: the lens's own numbers, stratum by stratum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import config, schema
from dftspark.errors import IncomparableProfiles
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings.cloud_files import check_comparable
from dftspark.lenses.embeddings.cloud_pairs import CloudPairs
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.metric import Metric
from dftspark.store.state_table import StateTable
from tests.normal_clouds import normal, state, statistic

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
OF = statistic(6, 12.0, 24)
AUDIT = config.Audit.parse(
    {
        "corpora": {
            "human": {"role": "human", "path": "h"},
            "model": {"role": "model", "path": "m", "split_by": ["temperature"]},
        },
        "inference": {"permutations": 99, "splits": 20},
    },
    "test",
)


def states() -> dict[tuple[str, str], FeatureState]:
    rng, found = np.random.default_rng(1), {}
    for i, (corpus, shift) in enumerate((("human", 0.0), ("model/a", 0.5), ("model/b", 0.1))):
        for j, stratum in enumerate(("essay", "news", "only human")):
            if corpus == "human" or stratum != "only human":
                names = np.arange(80) + 1000 * (1 if corpus == "model/b" else i + 1) + 100 * j
                found[corpus, stratum] = state(OF, normal(rng, 80, 6, shift), names)
    found["human", ""] = state(OF, normal(rng, 20, 6), np.arange(20))
    return found


def stored(folder: Path, of: FeatureSums = OF) -> StateTable:
    rows = [
        {
            "corpus": corpus,
            "stratum": stratum,
            "fingerprint": of.fingerprint,
            "documents": int(own.documents.sum()),
            "state": own.encode(),
        }
        for (corpus, stratum), own in states().items()
    ]
    table = pa.Table.from_pylist(rows, schema=schema.FEATURE_SUMS)
    pq.write_table(table, folder / "sums.parquet", row_group_size=2)
    return StateTable.of([str(folder / "sums.parquet")])


def told(metrics: list[Metric]) -> list[tuple[Any, ...]]:
    return [(m.name, m.value, m.inference.p_value, m.inference.floor) for m in metrics]


def test_rows_are_those_of_the_lens(spark: SparkSession, tmp_path: Path) -> None:
    from dftspark.spark import pairs

    work = {"clouds": CloudPairs(stored(tmp_path), OF, {"model/b": 160}, AUDIT)}
    found = pairs.work(spark, ["model/a", "model/b"], work)["clouds"]
    rows = {(r["model"], r["stratum"]): r for r in found}
    assert sorted(rows) == [
        (model, stratum) for model in ("model/a", "model/b") for stratum in ("", "essay", "news")
    ]
    own = states()
    for model, paired in (("model/a", False), ("model/b", True)):
        human, other = (
            {stratum: s for (name, stratum), s in own.items() if name == corpus}
            for corpus in ("human", model)
        )
        both = []
        for side in (human, other):
            merged = OF.empty()
            for one in side.values():
                merged = OF.merge(merged, one)
            both.append(merged)
        for stratum in ("", "essay", "news"):
            pair = (both[0], both[1]) if stratum == "" else (human[stratum], other[stratum])
            expected = embeddings.compared(*pair, OF, paired=paired, settings=AUDIT.inference)
            if stratum == "":
                expected += embeddings.stratified(
                    human, other, OF, paired=paired, settings=AUDIT.inference
                )
                assert len(expected) == 14
            row = rows[model, stratum]
            got = [(m["metric"], m["value"], m["p_value"], m["floor"]) for m in row["metrics"]]
            assert str(got) == str(told(expected))  # nan is not nan
            sizes = [int(side.documents.sum()) for side in pair]
            assert [row["n_human"], row["n_model"]] == sizes


def test_another_statistic_is_an_error(tmp_path: Path) -> None:
    other = FeatureSums(frequencies=OF.frequencies, vectors="another embedder")
    with pytest.raises(IncomparableProfiles, match="another embedder"):
        check_comparable(stored(tmp_path, other), OF)
