"""The bundled sample through both lenses: what the embedding lens publishes hangs together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dftspark import runs, sample, schema
from dftspark.config import Audit
from dftspark.lenses.lens import lens
from dftspark.store.run import Run
from tests import extras

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, extras.embed]

DOCUMENTS = 80  # of each side


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Of a part of the sample, so that every document is in a list of fifty."""
    found = sample.audit(str(tmp_path_factory.mktemp("both")))
    for corpus in found.corpora.values():
        file = Path(corpus.paths[0])
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(lines[:DOCUMENTS]), encoding="utf-8")
    corpora = {"human": found.corpora["human"], "model": found.corpora["polished"]}
    more = {"corpora": corpora, "mmd": found.mmd.model_copy(update={"exact": 100})}
    return found.model_copy(update={**more, "lenses": (*found.lenses, "variety")})


@pytest.fixture(scope="module")
def audited(spark: SparkSession, config: Audit) -> Run:
    return runs.audit(spark, config, "2026-01-31")


def metrics(run: Run) -> dict[str, dict[str, Any]]:
    rows = run.table("metrics").to_pylist()
    return {row["metric"]: row for row in rows if row["lens"] == "embeddings"}


def test_the_run_has_the_tables_and_the_manifest_what_was_embedded(
    audited: Run, config: Audit
) -> None:
    stored = ["profile", "phrases", "feature_sums", "structure"]
    others = {*lens("judge").tables, *schema.SWEEP_TABLES, *schema.TEXT_TABLES, "differences"}
    assert audited.tables == sorted({*schema.TABLES, *stored} - others)
    found = audited.manifest["embedding"]
    assert (found["model"], found["documents"]) == (config.embedding.embedder, 2 * DOCUMENTS)
    assert found["embedded"] == found["texts"] == 2 * DOCUMENTS
    assert found["features"]["sigma"] > 0


def test_the_metrics(audited: Run) -> None:
    found = metrics(audited)
    wanted = {
        "mmd",
        "mmd_squared",
        "mmd_squared_laplace",
        "energy_distance",
        "frontier",
        "frechet_corrected",
        "c2st_auc",
        "near_duplicates",
    }
    assert wanted <= found.keys()
    squared = found["mmd_squared"]
    # What people wrote against polished answers to the same prompts: far apart, by any of them.
    assert squared["value"] > 3 * squared["floor"] > 0
    assert squared["ci_low"] < squared["value"] < squared["ci_high"]
    assert squared["p_value"] < 0.001
    assert found["mmd"]["value"] == pytest.approx(np.sqrt(squared["value"]))
    assert found["c2st_auc"]["value"] > 0.9
    assert (squared["n_human"], squared["n_model"]) == (DOCUMENTS, DOCUMENTS)


def test_the_exact_check_is_of_the_same_documents(audited: Run) -> None:
    """100 of each side are asked for and there are 80, so its features are the audit's own."""
    found = metrics(audited)
    exact, features, main = (found[f"mmd_squared{name}"] for name in ("_exact", "_on_exact", ""))
    for part in ("value", "ci_low", "ci_high", "floor"):
        assert features[part] == pytest.approx(main[part], abs=1e-9)
    error = found["mmd_squared_feature_error"]["value"]
    assert exact["value"] == pytest.approx(main["value"], abs=4 * error)
    assert exact["value"] != main["value"]


def test_regions_sum_to_mmd_squared_and_shares_to_one(audited: Run) -> None:
    rows = audited.table("regions").to_pylist()
    total = sum(row["mass"] + row["within"] for row in rows)
    assert total == pytest.approx(metrics(audited)["mmd_squared"]["value"], abs=1e-11)
    for side in ("human", "model"):
        assert sum(row[f"share_{side}"] for row in rows) == pytest.approx(1)
        assert sum(row[f"documents_{side}"] for row in rows) == DOCUMENTS


def test_witness_scores_average_to_mmd_squared(audited: Run) -> None:
    """All 80 documents of a side are in its two lists of fifty."""
    scores: dict[str, dict[str, float]] = {"human": {}, "model": {}}
    for row in audited.table("witness").to_pylist():
        scores[row["side"]][row["doc_id"]] = row["score"]
    means = {side: np.mean(list(own.values())) for side, own in scores.items()}
    assert {len(own) for own in scores.values()} == {DOCUMENTS}
    difference = means["model"] - means["human"]
    assert difference == pytest.approx(metrics(audited)["mmd_squared"]["value"], abs=1e-9)


def test_variety_has_both_sides(audited: Run) -> None:
    found = {row["metric"]: row for row in audited.table("variety").to_pylist()}
    assert {"chrf", "bleu", "self_bleu", "distinct_1", "prompt_variety"} <= found.keys()
    # One human answer to a prompt: nothing human to compare with it, but a corpus of them.
    assert np.isnan(found["chrf"]["human_value"])
    assert 0 < found["chrf"]["ci_low"] < found["chrf"]["value"] < 100
    assert found["distinct_1"]["human_value"] > 0


def test_comparing_again_gives_the_same_and_embeds_nothing(
    spark: SparkSession, config: Audit, audited: Run
) -> None:
    compared = metrics(runs.compare(spark, config, audited))
    assert {"mmd", "mmd_squared", "energy_distance"} <= compared.keys()
    assert "frontier" not in compared  # its documents are not read
    whole = metrics(audited)
    for name, row in compared.items():
        for column in ("value", "std_error", "ci_low", "p_value", "floor"):
            np.testing.assert_equal(row[column], whole[name][column], name)


def test_embedding_again_finds_every_text(spark: SparkSession, config: Audit, audited: Run) -> None:
    again = runs.embed(spark, config, "2026-01-31")
    assert again.manifest["embedding"]["embedded"] == 0
    assert again.manifest["embedding"]["texts"] == audited.manifest["embedding"]["texts"]


@pytest.mark.slow
def test_what_else_the_store_held_changes_nothing(
    spark: SparkSession, config: Audit, audited: Run, tmp_path: Path
) -> None:
    """With vectors of some texts there before, the others are embedded among other neighbors."""
    own = config.model_copy(update={"out": str(tmp_path / "runs")})
    some = {}
    for name, corpus in config.corpora.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(Path(corpus.paths[0]).read_text().splitlines(True)[::2]))
        some[name] = corpus.model_copy(update={"path": str(path)})
    runs.embed(spark, own.model_copy(update={"corpora": some}), "2026-01-31")
    again = runs.audit(spark, own, "2026-01-31")
    assert 0 < again.manifest["embedding"]["embedded"] < again.manifest["embedding"]["texts"]
    assert metrics_said(again) == metrics_said(audited)


def metrics_said(run: Run) -> list[str]:
    rows = run.table("metrics").drop_columns("run_id").to_pylist()
    return [repr(row) for row in rows]


def test_the_map_has_every_document_in_its_region(audited: Run) -> None:
    rows = audited.table("cloud_map").to_pylist()
    regions = {row["region"]: row for row in audited.table("regions").to_pylist()}
    for side in ("human", "model"):
        own = [row for row in rows if row["role"] == side]
        assert {row["corpus"] for row in own} == {side}
        assert sum(row["documents"] for row in own) == DOCUMENTS
        for region, found in regions.items():
            counted = sum(row["documents"] for row in own if row["region"] == region)
            assert counted == found[f"documents_{side}"]
    about = audited.manifest["embedding"]["map"]
    assert all(0 <= row[axis] < about["cells"] for row in rows for axis in ("x", "y"))
    assert 0 < about["explained"][1] <= about["explained"][0] < 1


def test_the_page_is_in_the_run_with_all_its_parts(audited: Run) -> None:
    text = Path(audited.page).read_text(encoding="utf-8")
    assert audited.manifest["page"] == {"file": "report.html"}
    for section in ("measures", "words", "clouds", "structure", "examples", "how"):
        assert re.search(rf'class="body" id="([^"/]+/)?{section}"', text), section
    assert "Both clouds." in text
    assert len(text.encode()) < 2_000_000
