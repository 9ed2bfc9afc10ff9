"""The bundled sample audited on Spark: what is published, and that the cut of the work is not."""

from __future__ import annotations

import gzip
import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import runs, sample, schema
from dftspark.choose.splits import TARGET, blocks_of
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.errors import ConfigError
from dftspark.lenses.lens import lens
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from dftspark.tuning.reward import WitnessReward
from dftspark.tuning.target import Target
from tests.spark.agreement import assert_same

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

OTHERS = {
    *schema.SWEEP_TABLES,
    *schema.TEXT_TABLES,
    "differences",
    *(table for name in ("embeddings", "variety", "judge") for table in lens(name).tables),
}
TABLES = [name for name in schema.TABLES if name not in OTHERS]
DOCUMENTS = 150  # of each side of the sample
STATISTICS = ["l2", "l2_corrected", "l2_docs", "l2_docs_corrected", "js", "tv"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    audit = sample.audit(str(tmp_path_factory.mktemp("audit")))
    corpora = {"human": audit.corpora["human"], "model": audit.corpora["polished"]}
    return audit.model_copy(update={"corpora": corpora, "lenses": ("ngrams", "structure")})


@pytest.fixture(scope="module")
def audited(spark: SparkSession, config: Audit) -> Run:
    return runs.audit(spark, config, "2026-01-31")


@pytest.fixture(scope="module")
def scattered(config: Audit, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The same documents shuffled over JSONL, gzipped JSONL and Parquet files of unequal sizes."""
    folder = tmp_path_factory.mktemp("scattered")
    corpora = {}
    for name, corpus in config.corpora.items():
        rows = _read(corpus.paths[0])
        random.Random(name).shuffle(rows)
        path = str(_scatter(rows, folder / name))
        corpora[name] = corpus.model_copy(update={"path": path})
    return config.model_copy(update={"corpora": corpora, "out": str(folder / "runs")})


def test_the_run_is_complete(audited: Run, config: Audit) -> None:
    manifest = audited.manifest
    assert audited.tables == sorted([*TABLES, "profile", "phrases", "structure"])
    assert {path.name for path in Path(audited.path).iterdir()} == {
        "manifest.json",
        "report.html",
        *(f"{name}.parquet" for name in audited.tables),
    }
    assert (manifest["kind"], manifest["status"], manifest["name"]) == ("audit", "complete", "demo")
    assert (manifest["date"], manifest["seed"]) == ("2026-01-31", config.inference.seed)
    assert Audit.parse(manifest["config"], "manifest") == config
    assert manifest["config_sha256"] == config.sha256
    assert manifest["shared_clusters"] == {"model": DOCUMENTS}
    assert {"python", "pyspark", "pyarrow", "numpy"} <= set(manifest["versions"])
    assert manifest["seconds"]
    assert min(manifest["seconds"].values()) > 0
    for name in audited.tables:
        assert manifest["tables"][name]["rows"] == audited.table(name).num_rows


def test_a_target_is_read_from_what_the_run_keeps(audited: Run, config: Audit) -> None:
    target = Target.of(audited)
    lines = Path(config.corpora["human"].paths[0]).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    blocks = block_of([row["prompt_id"] for row in rows])
    texts = [
        row["text"] for row, block in zip(rows, blocks, strict=True) if block in blocks_of(TARGET)
    ]
    assert target.source["documents"][0] == len(texts)
    features = WitnessReward(target).features(texts)
    assert np.abs(features.mean(axis=0) - target.human).max() < 1e-4
    assert np.abs(target.human - target.model).max() > 0.01


@pytest.mark.parametrize("name", TABLES)
def test_every_reader_sees_the_columns_of_the_schema(
    audited: Run, config: Audit, name: str
) -> None:
    run = open_run(config.out, audited.id)
    wanted, found = schema.TABLES[name], run.table(name).schema
    assert (found.names, found.types) == (wanted.names, wanted.types)
    rows = run.table(name).num_rows
    assert (list(run.pandas(name).columns), len(run.pandas(name))) == (wanted.names, rows)
    assert (run.polars(name).columns, run.polars(name).height) == (wanted.names, rows)
    selected = run.duckdb().sql(f"SELECT * FROM {name}")
    assert (selected.columns, len(selected.fetchall())) == (wanted.names, rows)
    assert set(run.table(name, ["run_id"])["run_id"].to_pylist()) <= {run.id}
    assert set(run.table(name, ["date"])["date"].to_pylist()) <= {"2026-01-31"}


def test_corpora_reconcile(audited: Run) -> None:
    rows = {row["corpus"]: row for row in audited.table("corpora").to_pylist()}
    assert {name: row["role"] for name, row in rows.items()} == {"human": "human", "model": "model"}
    for row in rows.values():
        parts = row["documents"], row["rejected"], row["duplicates"], row["filtered"]
        assert (row["read"], parts) == (DOCUMENTS, (DOCUMENTS, 0, 0, 0))
        assert row["clusters"] == DOCUMENTS
        assert 0 < row["tokens"] < row["bytes"]
        assert row["state_bytes"] > 0
        assert row["keyed_bytes"] > 0


def test_every_metric_has_its_interval_test_and_floor(audited: Run) -> None:
    rows = {row["metric"]: row for row in audited.table("metrics").to_pylist()}
    assert set(rows) >= {f"{name}_{n}gram" for name in STATISTICS for n in (1, 2, 3)}
    assert set(rows) >= {
        "structure_omnibus",
        "structure_outside",
        "structure_factor",
        "wasserstein_sentence_words",
    }
    for name, row in rows.items():
        numbers = ("value", "std_error", "ci_low", "ci_high", "p_value", "floor", "ratio_to_floor")
        assert all(math.isfinite(row[column]) for column in numbers), (name, row)
        assert (row["value"] > row["floor"]) == (row["p_value"] < 0.05), name
        has_mde = name.startswith("l2")
        assert math.isfinite(row["mde"]) == (has_mde or name == "structure_omnibus"), name
        told = has_mde or name.startswith(("js", "tv")) or name == "structure_omnibus"
        assert (row["n_tell_unit"] == "documents") == told, name
        assert math.isnan(row["n_tell"]) != told, name
        assert row["ci_low"] <= row["value"] <= row["ci_high"], name
        assert row["std_error"] > 0, name
        assert 0 < row["p_value"] <= 1, name
        assert row["floor"] > 0, name
        assert row["ratio_to_floor"] == row["value"] / row["floor"], name
        assert (row["human"], row["model"], row["stratum"]) == ("human", "model", "")
        assert (row["n_human"], row["n_model"]) == (DOCUMENTS, DOCUMENTS)
        assert "words-v1" in row["fingerprint"]
    for n in (1, 2, 3):
        assert 0 < rows[f"js_{n}gram"]["value"] < 1
        assert 0 < rows[f"tv_{n}gram"]["value"] < 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_contributions_sum_to_l2_squared(audited: Run, n: int) -> None:
    metrics = {row["metric"]: row["value"] for row in audited.table("metrics").to_pylist()}
    rows = [row for row in audited.table("ngrams").to_pylist() if row["n"] == n]
    squared = metrics[f"l2_{n}gram"] ** 2
    assert math.fsum(abs(row["contribution"]) for row in rows) == pytest.approx(squared, rel=1e-9)
    assert math.fsum(row["share"] for row in rows) == pytest.approx(1, rel=1e-9)
    listed = [row for row in rows if row["text"] is not None]
    assert (len(rows) - len(listed), len(listed)) == (1, 1000)
    (rest,) = (row for row in rows if row["text"] is None)
    assert rest["contribution"] == pytest.approx(
        squared - math.fsum(abs(row["contribution"]) for row in listed), abs=1e-9 * squared
    )
    for side in ("human", "model"):
        total = sum(row[f"count_{side}"] for row in rows)
        rates = math.fsum(row[f"per_million_{side}"] for row in rows)
        assert rates == pytest.approx(1e6, rel=1e-9)
        assert all(
            row[f"per_million_{side}"] == pytest.approx(row[f"count_{side}"] * 1e6 / total)
            for row in rows
        )


def test_listed_ngrams_have_text_and_examples_from_the_documents(
    audited: Run, config: Audit
) -> None:
    texts = {
        name: {row["prompt_id"]: row["text"] for row in _read(corpus.paths[0])}
        for name, corpus in config.corpora.items()
    }
    examples = 0
    for row in audited.table("ngrams").to_pylist():
        if row["text"] is None:
            assert row["tokens"] is None
            continue
        assert len(row["tokens"]) == row["n"]
        for side in ("human", "model"):
            excerpt, document = row[f"example_{side}"], row[f"example_{side}_id"]
            assert (excerpt is None) == (document is None)
            assert excerpt is None or row[f"count_{side}"] > 0
            if excerpt is not None:
                examples += 1
                assert excerpt in texts[side][document]
                assert all(token in excerpt for token in row["tokens"])
        assert row["example_human"] or row["example_model"]
    assert examples > 3000


def test_document_ratios_count_documents(audited: Run, config: Audit) -> None:
    rows = audited.table("document_ratios").to_pylist()
    human, model = (
        [row["text"] for row in _read(config.corpora[side].paths[0])] for side in ("human", "model")
    )
    assert len(rows) > 500
    for row in rows:
        assert row["token"] is not None
        assert row["docs_model"] >= 0.02 * DOCUMENTS
        assert row["docs_human"] <= sum(row["token"] in text for text in human)
        assert row["docs_model"] <= sum(row["token"] in text for text in model)
        assert row["share_model"] == row["docs_model"] / DOCUMENTS
        expected = (row["docs_model"] + 0.5) / (row["docs_human"] + 0.5)
        assert row["ratio"] == pytest.approx(expected)
        assert row["q_value"] is None or math.isnan(row["q_value"]) or 0 <= row["q_value"] <= 1


def test_a_stored_profile_of_the_same_documents_elsewhere_compares_alike(
    spark: SparkSession, audited: Run, scattered: Audit
) -> None:
    """In another order, over other files and formats, in two steps: the numbers of the audit."""
    profiled = runs.profile(spark, scattered, "2026-01-31")
    assert profiled.tables == ["corpora", "phrases", "profile", "rejects", "structure"]
    assert_same(profiled, audited, "corpora")
    compared = runs.compare(spark, scattered, profiled)
    told = ["comparability", "document_ratios", "metrics", "ngrams", "patterns"]
    assert compared.tables == told
    assert (compared.manifest["profiled"], compared.manifest["date"]) == (profiled.id, "2026-01-31")
    assert_same(compared, audited, *told)
    assert compared.manifest["copies"] == audited.manifest["copies"]
    rows = compared.table("metrics", ["lens", "fingerprint"]).to_pylist()
    written = {row["fingerprint"] for row in rows if row["lens"] == "ngrams"}
    stored = profiled.table("profile", ["n", "fingerprint"]).to_pylist()
    assert written == {row["fingerprint"] for row in stored if row["n"] > 0}


def test_results_do_not_hang_on_the_cut_of_the_work(
    spark: SparkSession, audited: Run, scattered: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 32 key ranges; which side's example is kept beside a listed n-gram may differ there."""
    from dftspark.spark import fold

    config = scattered.model_copy(update={"keep_profile": False})
    monkeypatch.setattr(fold, "RANGE_BYTES", 1 << 12)
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    assert partitions is not None
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    try:
        run = runs.audit(spark, config, "2026-01-31")
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
    assert (run.manifest["key_ranges"], audited.manifest["key_ranges"]) == (32, 1)
    assert_same(run, audited, "metrics", "document_ratios", "patterns")
    assert_same(run, audited, "ngrams", but=("example_",))
    assert_same(run, audited, "corpora", but=("state_bytes", "keyed_bytes"))
    # It also ran with keep_profile = false.
    assert run.tables == sorted(TABLES)
    assert not {"profile.parquet", "phrases.parquet"} & {p.name for p in Path(run.path).iterdir()}
    with pytest.raises(ConfigError, match="keeps no profile"):
        runs.compare(spark, config, run)


def _read(path: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def _scatter(rows: list[dict[str, str]], folder: Path) -> Path:
    folder.mkdir()
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    (folder / "a.jsonl").write_bytes(b"".join(lines[:11]))
    (folder / "b.jsonl").write_bytes(b"".join(lines[11:12]))
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[12:40])))
    pq.write_table(pa.Table.from_pylist(rows[40:]), folder / "d.parquet")
    return folder
