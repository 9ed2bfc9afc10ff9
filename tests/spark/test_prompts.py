"""An audit of the prompts of one split: what is read, what the run says of it, what it refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.dataset as ds
import pytest

from dftspark import runs
from dftspark.choose.splits import REFEREE, TARGET, blocks_of
from dftspark.choose.stage import read_config
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.errors import ConfigError
from dftspark.lenses.ngrams.profile_files import totals_of
from dftspark.nights.days import check_config
from dftspark.report.words.notes import notes
from dftspark.spark import documents
from dftspark.store.run import Run
from dftspark.tuning.target import Target

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

PROMPTS = 160


@dataclass(frozen=True)
class Sides:
    """Two corpora on the same prompts. The human one also has texts without a prompt, whose cluster
    is the text, and a row without a text."""

    folder: Path

    def config(self, **more: Any) -> Audit:
        corpora = {
            role: {"role": role, "path": str(self.folder / f"{role}.jsonl")}
            for role in ("human", "model")
        }
        document = {
            "out": str(self.folder / "runs"),
            "lenses": ["ngrams"],
            "ngrams": {"orders": [1], "sketch_width": 256},
            "cleaning": {"max_reject_share": 0.5},
            "corpora": corpora,
            "report": {"page": False},
        }
        return Audit.parse({**document, **more}, "the test")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    folder = tmp_path_factory.mktemp("prompts")
    for role in ("human", "model"):
        rows: list[dict[str, Any]] = [
            {"prompt_id": f"p{p}", "text": f"{role} text {p} is here."} for p in range(PROMPTS)
        ]
        if role == "human":
            rows += [{"text": f"A text without a prompt, number {i}."} for i in range(40)]
            rows += [{"prompt_id": "p1", "text": None}]
        (folder / f"{role}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return Sides(folder)


@pytest.fixture(scope="module")
def referees(spark: SparkSession, sides: Sides) -> Run:
    return runs.profile(spark, sides.config(prompts=REFEREE))


def inside(names: list[str], split: str) -> set[str]:
    kept = np.isin(block_of(names), list(blocks_of(split)))
    return {name for name, own in zip(names, kept, strict=True) if own}


def test_a_filter_and_the_prompts_both_hold(
    spark: SparkSession, sides: Sides, tmp_path: Path
) -> None:
    config = sides.config(prompts=TARGET)
    model = config.corpora["model"].model_copy(update={"filter": "text LIKE '%1%'"})
    both = config.model_copy(update={"corpora": {**config.corpora, "model": model}})
    read = documents.read(spark, both, str(tmp_path / "both"))
    kept = read.kept.select("corpus", "prompt_id", "cluster").toArrow().to_pylist()
    wanted = inside([f"p{p}" for p in range(PROMPTS)], TARGET)
    assert {row["prompt_id"] for row in kept if row["corpus"] == "model"} == {
        name for name in wanted if "1" in name
    }
    human = [row for row in kept if row["corpus"] == "human"]
    assert {row["prompt_id"] for row in human} == wanted | {None}
    names = [row["cluster"].removesuffix(" (target)") for row in human]
    assert set(block_of(names).tolist()) <= set(blocks_of(TARGET))
    assert "block" not in read.kept.columns


def test_what_is_left_out_counts_as_filtered(referees: Run) -> None:
    wanted = inside([f"p{p}" for p in range(PROMPTS)], REFEREE)
    counted = {row["corpus"]: row for row in referees.table("corpora").to_pylist()}
    assert counted["model"]["documents"] == len(wanted)
    assert counted["model"]["filtered"] == PROMPTS - len(wanted)
    # p1 is another split's, and so is its row without a text.
    assert "p1" not in wanted
    assert counted["human"]["documents"] + counted["human"]["filtered"] == PROMPTS + 41
    # The sides still share prompts, whose blocks are drawn anew: eight are too few for errors.
    assert counted["model"]["clusters"] == referees.manifest["shared_clusters"]["model"]
    (of,) = totals_of(referees.table("profile", where=ds.field("corpus") == "model")).values()
    assert (of["documents"] > 0).sum() > 8
    assert counted["human"]["rejected"] == 0


def test_the_run_says_which_prompts_it_has_read(referees: Run) -> None:
    assert referees.manifest["config"]["prompts"] == REFEREE
    assert notes(referees)[0].startswith(
        "Only documents on the prompts of the referee, blocks 56 to 63 of 64, are in this run."
    )


def test_what_needs_other_prompts_refuses_the_run(
    spark: SparkSession, sides: Sides, referees: Run
) -> None:
    with pytest.raises(ConfigError, match="read from a profile of all prompts"):
        Target.of(referees)
    with pytest.raises(ConfigError, match="read from a profile of all prompts"):
        read_config(sides.config(choose={"orders": [1], "buckets": 256}), referees)
    with pytest.raises(
        ConfigError, match='prompts: the profile "referee", the configuration "all"'
    ):
        runs.compare(spark, sides.config(), referees)


def test_settings_that_contradict_are_refused(sides: Sides) -> None:
    config = sides.config(prompts=REFEREE)
    with pytest.raises(ConfigError, match="so it reads all prompts"):
        read_config(config, None)
    with pytest.raises(ConfigError, match="prompts: nights are of all prompts"):
        check_config(config)
    corpora = config.model_dump(mode="json")["corpora"]
    corpora["human"]["join_copies"] = True
    with pytest.raises(ConfigError, match=r"join_copies of corpora\.human gives documents"):
        sides.config(prompts=REFEREE, corpora=corpora)
    with pytest.raises(ConfigError, match="prompts"):
        sides.config(prompts="judge")
