"""Many small corpora of one sampler sweep: one pass, one comparison, bounded states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import config
from dftspark.lenses.ngrams.statistic_counts import TOTALS
from dftspark.testing.synthetic import Phrase, SyntheticSource
from dftspark.text.hashing import BLOCKS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.store.run import Run

pytestmark = pytest.mark.spark

HUMAN, EACH = 400, 24  # documents; 24 clusters are eight blocks
FEW, MANY = 5, 32  # corpora of a sweep; the few are the first of the many
ORDERS, WIDTH = [1, 2], 256
METRICS = {"l2", "l2_squared_corrected", "l2_corrected", "js", "tv"}
METRICS |= {"l2_docs", "l2_docs_squared_corrected", "l2_docs_corrected"}
PHRASE = "it is worth noting"


@dataclass(frozen=True)
class Swept:
    run: Run
    jobs: int
    stages: int


def name(i: int) -> str:
    return f"sweep/{temperature(i)}"


def temperature(i: int) -> str:
    return f"{i / 100:.2f}"


def times(i: int) -> float:
    """How often the corpus has the phrase, over the human rate: 0 to 8."""
    return 8 * i / (MANY - 1)


def write(folder: Path, corpora: int) -> None:
    """Human documents, and one file in which the documents of all corpora are mixed."""
    parts = []
    for i in range(corpora):
        phrase = Phrase(text=PHRASE, per_thousand=3, times=times(i))
        source = SyntheticSource(
            seed=1, vocabulary=2_000, topics=20, mean_tokens=60, phrases=(phrase,)
        )
        if i == 0:
            source.write(folder / "human.parquet", HUMAN)
        batch = source.documents(EACH, start=HUMAN + i * EACH, role="model")
        parts.append(batch.append_column("temperature", pa.array([temperature(i)] * EACH)))
    table = pa.Table.from_batches(parts)
    order = np.random.default_rng(0).permutation(table.num_rows)
    pq.write_table(table.take(pa.array(order)), folder / "sweep.parquet")


def audit(folder: Path, **settings: Any) -> config.Audit:
    sweep = {"path": str(folder / "sweep.parquet"), "split_by": ["temperature"]}
    return config.Audit.parse(
        {
            "out": str(folder / "runs"),
            "lenses": ["ngrams"],
            "corpora": {
                "human": {"role": "human", "path": str(folder / "human.parquet")},
                "sweep": {"role": "model", **sweep},
            },
            "ngrams": {"orders": ORDERS, "sketch_width": WIDTH, "phrases": 200, "table_rows": 50},
            "inference": {"permutations": 99, "splits": 20},
            **settings,
        },
        "the test",
    )


def swept(spark: SparkSession, folder: Path, corpora: int) -> Swept:
    from dftspark import runs

    write(folder, corpora)
    return counted(spark, lambda: runs.audit(spark, audit(folder)), f"sweep of {corpora}")


def counted(spark: SparkSession, made: Callable[[], Run], group: str) -> Swept:
    spark.sparkContext.setJobGroup(group, group)
    try:
        run = made()
    finally:
        spark.sparkContext.setJobGroup("", "")
    tracker = spark.sparkContext.statusTracker()
    jobs = tracker.getJobIdsForGroup(group)
    infos = [tracker.getJobInfo(job) for job in jobs]
    return Swept(run, len(jobs), sum(len(info.stageIds) for info in infos if info is not None))


@pytest.fixture(scope="module")
def few(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    return swept(spark, tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def many(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    return swept(spark, tmp_path_factory.mktemp("many"), MANY)


def test_jobs_do_not_grow_with_the_corpora(few: Swept, many: Swept) -> None:
    assert few.jobs > 2  # or nothing was counted
    # Spark may plan a join of larger tables with a job more or less; one a corpus would be 27.
    assert many.jobs <= few.jobs + 5
    assert many.stages <= few.stages + 10


def test_small_states_are_bounded_by_the_setting(many: Swept) -> None:
    rows = {row["corpus"]: row for row in many.run.table("corpora").to_pylist()}
    assert set(rows) == {"human", "sweep", *map(name, range(MANY))}
    totals = len(TOTALS) * BLOCKS * 8
    bound = len(ORDERS) * (BLOCKS * WIDTH * 16 + totals + 1_000)
    for corpus, row in rows.items():
        if corpus != "sweep":  # the rows that belong to none of its parts: none
            assert 0 < row["state_bytes"] <= bound
            assert row["documents"] == (HUMAN if corpus == "human" else EACH)
    # Sixteen times the documents: exact counts follow them, small states do not.
    human, model = rows["human"], rows[name(0)]
    assert human["keyed_bytes"] > 10 * model["keyed_bytes"]
    assert human["state_bytes"] < 10 * model["state_bytes"]


def metrics(swept: Swept) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [r for r in swept.run.table("metrics").to_pylist() if r["lens"] == "ngrams"]
    found = {(row["model"], row["metric"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_every_corpus_has_every_metric(many: Swept) -> None:
    found = metrics(many)
    wanted = {f"{metric}_{n}gram" for metric in METRICS for n in ORDERS}
    assert set(found) == {(name(i), metric) for i in range(MANY) for metric in wanted}
    for row in found.values():
        assert row["n_human"] == HUMAN
        assert row["n_model"] == EACH
        assert row["blocks"] == 8
        assert np.isfinite([row[key] for key in ("value", "ci_low", "ci_high", "p_value")]).all()


def test_the_company_of_a_corpus_does_not_matter(few: Swept, many: Swept) -> None:
    alone, among = metrics(few), metrics(many)
    assert len(alone) == FEW * len(METRICS) * len(ORDERS)
    for key, row in alone.items():
        for column in ("value", "ci_low", "ci_high", "p_value", "floor", "mde"):
            expected = pytest.approx(row[column], rel=1e-9, abs=1e-15, nan_ok=True)
            assert among[key][column] == expected, (key, column)


def test_every_setting_has_a_rank_by_every_metric(many: Swept) -> None:
    rows = many.run.table("samplers").to_pylist()
    of = metrics(many)
    assert len(rows) == len(of)
    for row in rows:
        assert row["sweep"] == "sweep"
        assert row["settings"] == [("temperature", row["model"].removeprefix("sweep/"))]
        assert row["value"] == of[row["model"], row["metric"]]["value"]
        assert len(row["first_half"]) == len(row["second_half"]) == 20
    for metric in {row["metric"] for row in rows}:
        own = [row for row in rows if row["metric"] == metric]
        values, ranks = ([row[key] for row in own] for key in ("value", "rank"))
        assert ranks == [1 + sum(other < value for other in values) for value in values]
        assert sum(row["chosen"] for row in own) == pytest.approx(1)
        (best,) = (row for row in own if row["super_baseline"])
        assert best["rank"] == 1


def test_the_best_setting_is_near_the_human_rate_and_luck_is_told(many: Swept) -> None:
    rows = {r["metric"]: r for r in many.run.table("super_baseline").to_pylist()}
    for metric in ("l2_squared_corrected_1gram", "l2_squared_corrected_2gram"):
        row = rows[metric]
        values = {m: r["value"] for (m, own), r in metrics(many).items() if own == metric}
        assert (row["settings"], row["naive"]) == (MANY, min(values.values()))
        assert row["best"] == min(values, key=lambda m: values[m])
        assert row["naive"] + row["optimism"] == pytest.approx(row["honest"])
        assert row["ci_low"] < row["honest"] < row["ci_high"]
        # Of many settings with nearly the human rate one is lucky; eight times the rate is not it.
        assert times(round(100 * float(row["best"].removeprefix("sweep/")))) < 4
        assert 0 < row["optimism"] < row["optimism_if_alike"]
        assert row["best"] in row["may_be_best"]


def test_more_splits_are_no_more_jobs_and_change_no_metric(spark: SparkSession, few: Swept) -> None:
    from dftspark import runs

    folder = Path(few.run.path).parent.parent  # a profile is compared under its own corpora
    found = []
    for splits in (2, 80):
        settings = audit(folder, sweep={"splits": splits, "challenger": name(0)})
        made = lambda settings=settings: runs.compare(spark, settings, few.run)  # noqa: E731
        found.append(counted(spark, made, f"{splits} splits"))
    assert found[0].jobs == found[1].jobs < few.jobs
    values = [{k: r["value"] for k, r in metrics(swept).items()} for swept in (few, *found)]
    assert values[0] == values[1] == values[2]
    rows = found[1].run.table("samplers").to_pylist()
    assert all(len(row["first_half"]) == 80 for row in rows)
    verdicts = [
        row["verdict"] for row in found[1].run.table("super_baseline").to_pylist() if row["judged"]
    ]
    assert set(verdicts) <= {"better", "worse", "not distinguishable"}
    assert len(verdicts) == 3  # of sweep.measures: two corrected L2 and Jensen-Shannon


def test_the_planted_rate_is_followed_along_the_sweep(many: Swept) -> None:
    listed = many.run.table("ngrams").to_pylist()
    rows = {row["model"]: row for row in listed if row["text"] == "worth noting"}
    half, quarter = MANY // 2, MANY // 4
    for part in (range(half, half + quarter), range(half + quarter, MANY)):
        own = [rows[name(i)] for i in part]  # from four times the rate on, all are listed
        count = sum(row["count_model"] for row in own)
        expected = sum(
            row["per_million_human"] * times(i) * row["count_model"] / row["per_million_model"]
            for i, row in zip(part, own, strict=True)
        )
        # Poisson counts: of these documents, and of the human ones behind the rate.
        error = np.sqrt(1 / count + 1 / own[0]["count_human"])
        assert abs(np.log(count / expected)) <= 4 * error
        assert all(row["log_odds"] > 0 for row in own)
