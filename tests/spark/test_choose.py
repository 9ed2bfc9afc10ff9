"""A choice on Spark: from documents or a stored profile to texts, numbers and the audit of them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from dftspark import runs
from dftspark.choose import spark_pool, stage, target
from dftspark.choose.splits import SPLITS, split_of
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.corpus.files import find_all
from dftspark.errors import ConfigError, IncomparableProfiles, InputError
from dftspark.making import Making
from dftspark.store.run import Run
from tests import models

pytestmark = pytest.mark.spark

PROMPTS, SAMPLES = 160, 4
COLORS = ("red", "green", "blue")


def text(rng: np.random.Generator, shares: tuple[float, ...]) -> str:
    words = rng.choice(COLORS, rng.integers(8, 24), p=shares)
    return " ".join(words).capitalize() + "."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Human texts, and samples of three settings of which none has the human shares of words."""
    folder = tmp_path_factory.mktemp("choose")
    rng = np.random.default_rng(0)
    human = [
        {"id": f"h{p}", "prompt_id": f"p{p}", "text": text(rng, (0.5, 0.3, 0.2))}
        for p in range(PROMPTS)
    ]
    settings = {"0.5": (0.8, 0.1, 0.1), "0.8": (0.6, 0.3, 0.1), "1.5": (0.2, 0.3, 0.5)}
    pool = [
        {
            "id": f"{p} {heat} {k}",
            "prompt_id": f"p{p}",
            "prompt": f"Prompt {p}",
            "temp": heat,
            "text": text(rng, shares),
        }
        for p in range(PROMPTS)
        for heat, shares in settings.items()
        for k in range(SAMPLES)
    ]
    pool.append({"id": "stray", "temp": "0.8", "text": "Nobody asked for it."})
    for name, rows in (("human", human), ("pool", pool)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(lines + "\n")
    models.static(folder / "model", models.ROWS)
    return folder


def config(folder: Path, **more: Any) -> Audit:
    document: dict[str, Any] = {
        "name": "colors",
        "out": str(folder / "runs"),
        "lenses": ["ngrams", "structure"],
        "ngrams": {"orders": [1, 2, 3], "sketch_width": 256},
        "choose": {"orders": [1, 2], "buckets": 256},
        "report": {"page": False},
        "corpora": {
            "human": {
                "role": "human",
                "path": str(folder / "human.jsonl"),
                "columns": {"doc_id": "id"},
            },
            "base": {
                "role": "model",
                "path": str(folder / "pool.jsonl"),
                "split_by": ["temp"],
                "columns": {"doc_id": "id", "sampler": {"temperature": "temp"}},
            },
        },
        **more,
    }
    return Audit.parse(document, "the test")


def embedding(folder: Path) -> dict[str, Any]:
    return {
        "lenses": ["ngrams", "embeddings", "structure"],
        "embedding": {"embedder": str(folder / "model"), "sample": "all"},
        "mmd": {"features": 200},
        "choose": {"orders": [1, 2], "buckets": 256, "features": 64},
    }


@pytest.fixture(scope="module")
def chosen(spark: SparkSession, folder: Path) -> Run:
    return runs.choose(spark, config(folder, **embedding(folder)))


def test_every_prompt_has_one_text_and_no_sample_is_lost(chosen: Run) -> None:
    texts = chosen.table("chosen").to_pylist()
    rest = chosen.table("unchosen").to_pylist()
    assert sorted(row["prompt_id"] for row in texts) == sorted(f"p{p}" for p in range(PROMPTS))
    ids = Counter((row["corpus"], row["doc_id"]) for row in [*texts, *rest])
    assert len(ids) == len(texts) + len(rest) == PROMPTS * 3 * SAMPLES
    assert {row["samples"] for row in texts} == {3 * SAMPLES}
    assert {row["model"] for row in texts} == {"base"}
    heats = {row["corpus"]: dict(row["sampler"]) for row in rest}
    assert heats == {f"base/{t}": {"temperature": t} for t in ("0.5", "0.8", "1.5")}
    for row in texts:
        assert row["prompt"] == f"Prompt {row['prompt_id'][1:]}"
        block = block_of([row["cluster"]])
        assert row["split"] == SPLITS[split_of(block)[0]]
    human = chosen.table("reference").to_pylist()
    assert 0 < len(human) < PROMPTS / 3
    assert {row["prompt_id"] for row in human} == {
        row["prompt_id"] for row in texts if row["split"] == "referee"
    }


def test_the_chosen_texts_are_where_the_human_texts_are(chosen: Run) -> None:
    rows = {(r["split"], r["part"]): r for r in chosen.table("matched").to_pylist()}
    assert len(rows) == 3 * 7
    for part in ("ngrams_1", "ngrams_2", "embeddings", "structure", "lengths"):
        row = rows["target", part]
        assert row["matched"]
        assert row["chosen"] < row["pool"] / 2, part
    for split in ("target", "referee"):
        row = rows[split, "ngrams_1"]
        assert row["closed"] > 0.8
        assert row["closed"] == pytest.approx(1 - row["chosen"] / row["pool"])
    assert not rows["referee", "ngrams_3"]["matched"]
    assert not rows["target", "embeddings_other"]["matched"]
    assert rows["target", "embeddings_other"]["closed"] > 0.5  # it came along
    said = chosen.manifest["choose"]
    assert {part for parts in said["said"].values() for part in parts} == {p for _, p in rows}
    assert said["paired"] is True
    assert sum(own["prompts"] for own in said["splits"].values()) == PROMPTS
    rates = {(r["split"], r["name"]): r for r in chosen.table("matched_rates").to_pylist()}
    words = rates.get(("target", "words"))
    if words:
        assert abs(words["apart_chosen"]) <= abs(words["apart_pool"]) + 0.05


def test_the_run_says_how_it_is_audited(chosen: Run, folder: Path) -> None:
    path = folder / "audit.toml"
    path.write_bytes(chosen.file(chosen.manifest["choose"]["audit"]))
    found = Audit.load(path)
    assert found.human == "human"
    assert set(found.corpora) == {"human", "chosen", "pool", "setting"}
    assert found.sweep.challenger == "chosen"
    assert found.embedding.embedder != str(folder / "model")
    assert found.mmd.seed == 1
    assert found.ngrams.orders == (1, 2, 3)
    every = find_all(found.corpora)
    assert all(splits for splits, _ in every.values())


@pytest.mark.slow
def test_the_audit_of_a_choice_runs_as_it_stands(
    spark: SparkSession, chosen: Run, folder: Path
) -> None:
    path = folder / "audit.toml"
    path.write_bytes(chosen.file(chosen.manifest["choose"]["audit"]))
    found = Audit.load(path)
    plain = found.model_copy(
        update={"lenses": ("ngrams", "structure"), "report": config(folder).report}
    )
    run = runs.audit(spark, plain)
    rows = {(r["model"], r["metric"]): r["value"] for r in run.table("metrics").to_pylist()}
    own = rows["chosen", "l2_squared_corrected_1gram"]
    for heat in ("0.5", "0.8", "1.5"):
        assert own < rows[f"setting/base/{heat}", "l2_squared_corrected_1gram"]
    assert "super_baseline" in run.tables


def names(run: Run) -> list[str]:
    return sorted(run.table("chosen", ["doc_id"])["doc_id"].to_pylist())


def test_how_spark_cuts_the_work_changes_nothing(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"orders": [1, 2], "buckets": 256, "candidates": 512}
    small = config(folder, lenses=["ngrams"], choose=own)
    first = runs.choose(spark, small)
    assert first.manifest["choose"]["groups"] > 4
    assert first.table("chosen").num_rows == PROMPTS
    rows = {(r["split"], r["part"]): r for r in first.table("matched").to_pylist()}
    assert rows["target", "ngrams_1"]["closed"] > 0.8
    whole = spark_pool.candidates

    def shuffled(*given: Any) -> Any:
        return whole(*given).repartition(7, "text")

    monkeypatch.setattr(spark_pool, "candidates", shuffled)
    monkeypatch.setattr(spark_pool, "_AT_ONCE", 16)
    again = runs.choose(spark, small)
    assert names(again) == names(first)
    columns = ["part", "pool", "chosen"]
    assert again.table("matched", columns).equals(first.table("matched", columns))


def target_of(spark: SparkSession, own: Audit, profiled: Run | None) -> Any:
    making = Making.begin(spark, own, "", None)
    try:
        making.config = stage.read_config(own, profiled)
        found = stage._read(making)
        return stage._target(making, found, profiled, own)
    finally:
        making.abandon()


@pytest.mark.slow
def test_a_stored_profile_is_the_same_target_as_its_documents(
    spark: SparkSession, folder: Path
) -> None:
    own = config(folder, **embedding(folder))
    profiled = runs.profile(spark, own)
    features, stored = target_of(spark, own, profiled)
    _, read = target_of(
        spark,
        own.model_copy(
            update={"mmd": own.mmd.model_copy(update={"bandwidth": features.frequencies.sigma})}
        ),
        None,
    )
    assert (stored[0].documents == read[0].documents).all()
    assert (stored[1] == read[1]).all()
    for part in features.parts:
        both = (side[0].sums[:, part.columns] / (1 << 20) for side in (stored, read))
        kept, counted = both
        assert np.abs(kept - counted).max() < 2e-4, part.name
    without = config(folder, **embedding(folder))
    corpora = {
        **without.corpora,
        "human": without.corpora["human"].model_copy(
            update={"path": str(folder / "nowhere.jsonl")}
        ),
    }
    run = runs.choose(spark, without.model_copy(update={"corpora": corpora}), profiled=profiled)
    assert "reference" not in run.tables
    assert run.table("chosen").num_rows == PROMPTS
    assert b"nowhere.jsonl" in run.file("audit.toml")
    other = config(folder, tokens={"lowercase": True})
    with pytest.raises(IncomparableProfiles, match="ngram_counts"):
        target.check(profiled, "human", other, {})
    with pytest.raises(IncomparableProfiles, match="feature_sums"):
        target.check(profiled, "human", own, {"fingerprint": "another embedder"})


def test_a_profile_that_lacks_what_is_matched_is_refused(spark: SparkSession, folder: Path) -> None:
    own = config(folder, lenses=["ngrams"], choose={"orders": [1], "buckets": 256})
    profiled = runs.profile(spark, own)
    with pytest.raises(ConfigError, match=r"'structure'.*leave it out"):
        runs.choose(spark, config(folder), profiled=profiled)
    features, _ = target_of(spark, own, profiled)
    for change, message in (
        ({"orders": (1, 5)}, "counted no 5-grams"),
        ({"buckets": 512}, "choose.buckets = 512"),
    ):
        wanted = dataclasses.replace(features, **change)
        with pytest.raises(ConfigError, match=message):
            target.of_profile(profiled, "human", wanted)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"choose": {"pool": ["other"]}}, "no model corpora"),
        ({"choose": {"orders": [5]}}, "not among ngrams.orders"),
        ({"choose": {"buckets": 1024}}, "more than ngrams.sketch_width"),
    ],
)
def test_what_cannot_be_chosen_is_told_before_anything_is_read(
    spark: SparkSession, folder: Path, more: dict[str, Any], message: str
) -> None:
    before = len(list((folder / "runs").glob("*")))
    with pytest.raises(ConfigError, match=message):
        runs.choose(spark, config(folder, **more))
    assert len(list((folder / "runs").glob("*"))) == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "red green"}, "no sample of the pool has a prompt"),
        ({"prompt_id": "{i}", "text": "red green"}, "has one sample"),
    ],
)
def test_a_pool_that_offers_no_choice_is_refused(
    spark: SparkSession, folder: Path, tmp_path: Path, row: dict[str, str], message: str
) -> None:
    lines = [json.dumps({k: v.format(i=i) + " blue" * i for k, v in row.items()}) for i in range(9)]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    own = config(folder)
    corpora = {
        **own.corpora,
        "base": own.corpora["base"].model_copy(
            update={"path": str(tmp_path / "pool.jsonl"), "split_by": ()}
        ),
    }
    with pytest.raises(InputError, match=message):
        runs.choose(spark, own.model_copy(update={"corpora": corpora}))


@pytest.mark.slow
@pytest.mark.program
def test_what_was_generated_is_chosen_from_as_it_stands(
    spark: SparkSession, folder: Path, tmp_path: Path
) -> None:
    """Briefs to texts to a choice: no file is edited in between."""
    from dftspark.config.generate import Generation
    from dftspark.generation import run as generation
    from tests.judging import Answer, Asked, said, serving

    def writer(asked: Asked) -> Answer:
        heat = float(asked.body["temperature"])
        rng = np.random.default_rng([int(asked.body["seed"]), int(10 * heat)])
        return said(text(rng, (0.9 - heat / 2, 0.05 + heat / 4, 0.05 + heat / 4)))

    rows = [{"prompt_id": f"p{p}", "prompt": f"Color {p}"} for p in range(PROMPTS)]
    (tmp_path / "briefs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with serving(writer) as server:
        own = Generation.model_validate(
            {
                "name": "colors",
                "out": str(tmp_path / "runs"),
                "generate": {
                    "briefs": str(tmp_path / "briefs.jsonl"),
                    "samples": 2,
                    "sampler": {"temperature": [0.2, 0.9, 1.4]},
                    "human": {
                        "role": "human",
                        "path": str(folder / "human.jsonl"),
                        "columns": {"doc_id": "id"},
                    },
                    "models": [{"name": "base", "urls": [server.url], "model": "stub-2026"}],
                },
            }
        )
        texts = generation.generate(own)
    path = tmp_path / "sweep.toml"
    path.write_bytes(texts.file("sweep.toml"))
    sweep = Audit.load(path).model_copy(update={"lenses": ("ngrams", "structure")})
    run = runs.choose(spark, sweep)
    assert run.table("chosen").num_rows == PROMPTS
    assert len(run.manifest["choose"]["pool"]) == 3
    assert {row["model"] for row in run.table("chosen").to_pylist()} == {"base"}
    rows_of = {(r["split"], r["part"]): r for r in run.table("matched").to_pylist()}
    assert rows_of["target", "ngrams_1"]["closed"] > 0.8
