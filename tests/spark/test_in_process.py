"""Small audits without Spark: the same tables as from Spark; what needs Spark is done on Spark."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dftspark
from dftspark import cli, config, runs
from dftspark.config import request
from dftspark.lenses.embeddings import sample_size
from dftspark.needs_spark import NeedsSpark
from dftspark.spark import in_process, reading
from dftspark.spark.rows import InProcess
from dftspark.text.xxhash64 import xxhash64
from tests import models
from tests.spark.agreement import ROUNDING
from tests.spark.processes import environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.config import Audit
    from dftspark.store.run import Run

pytestmark = pytest.mark.spark

WORDS = ("[UNK]", "red", "green", "blue", "delve", "tapestry", "vibrant", "\u00e9t\u00e9")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sides with strata, shared prompts, rows that are no texts and rows of no part."""
    folder, rng = tmp_path_factory.mktemp("small"), random.Random(7)
    models.static(folder / "model", {w: [rng.gauss(0, 1) for _ in range(6)] for w in WORDS})
    for side, more in (("human", "red"), ("gpt", "delve !"), ("llama", "\u2014 vibrant.")):
        rows: list[Any] = [
            {
                "text": " ".join(rng.choices([*WORDS, *3 * more.split()], k=rng.randrange(5, 40))),
                "doc_id": f"{side} {i}",
                "prompt_id": f"p{i % 37}",
                "kind": rng.choice(["essay", "story"]),
                "size": rng.choice(["s", "l", None]) if side == "llama" else "s",
            }
            for i in range(150)
        ]
        rows[3]["text"] = 5
        lines = [json.dumps(row) for row in rows]
        (folder / f"{side}.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    return folder


def audit_of(folder: Path, out: Path | str, **changes: Any) -> Audit:
    columns = {"doc_id": "doc_id", "prompt_id": "prompt_id", "stratum": "kind"}
    sides: dict[str, Any] = {
        name: {"path": str(folder / f"{name}.jsonl"), "role": role, "columns": columns}
        for name, role in (("human", "human"), ("gpt", "model"), ("llama", "model"))
    }
    sides["llama"]["split_by"] = ["size"]
    settings = {
        "out": str(out),
        "corpora": sides,
        "cleaning": {"max_reject_share": 0.6},
        "embedding": {"embedder": str(folder / "model"), "sample": 100},
        "mmd": {"pilot": 20, "features": 64},
    }
    return config.Audit.parse({**settings, **changes}, "the test")


def rows_of(run: Run, table: str) -> list[list[Any]]:
    """The rows in an order of their own, without what names the run."""
    found = run.table(table).to_pylist()
    kept = [[value for name, value in row.items() if name != "run_id"] for row in found]
    return sorted(kept, key=lambda row: repr([v for v in row if not isinstance(v, float)]))


def same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return mine == pytest.approx(theirs, rel=ROUNDING, abs=ROUNDING, nan_ok=True)
    if isinstance(mine, dict):
        return same(list(mine.items()), list(theirs.items()))
    if isinstance(mine, list | tuple):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return bool(mine == theirs)


def test_the_same_run_as_from_spark(spark: SparkSession, corpora: Path, tmp_path: Path) -> None:
    ours = runs.audit(InProcess(), audit_of(corpora, tmp_path / "here"))
    other = runs.audit(spark, audit_of(corpora, tmp_path / "spark"))
    reasons = {row["reason"] for row in ours.table("rejects").to_pylist()}
    assert {"split_by_missing", "invalid_json"} <= reasons
    assert len(ours.manifest["corpora"]) == 4
    assert sorted(ours.manifest["tables"]) == sorted(other.manifest["tables"])
    for table in ours.manifest["tables"]:
        here, there = rows_of(ours, table), rows_of(other, table)
        assert len(here) == len(there), table
        assert all(map(same, here, there)), table
    for told in ("headline", "shared_clusters", "copies", "warnings", "key_ranges"):
        assert ours.manifest.get(told) == other.manifest.get(told)


def test_one_file_of_all_sides(spark: SparkSession, corpora: Path, tmp_path: Path) -> None:
    names: list[Any] = ["", " Human", None, "gpt", "llama"]
    lines = [
        json.dumps({**json.loads(line), "doc_id": f"{i}", "by": names[i % 5]})
        for i, line in enumerate((corpora / "human.jsonl").read_text().splitlines()[:-1])
    ]
    (tmp_path / "all.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    columns = request.NamedColumns(model="by")
    path = [str(tmp_path / "all.jsonl")]
    found = request.audit(None, path, [], str(tmp_path / "out"), "", columns)
    audit = found.model_copy(
        update={
            "lenses": ("ngrams",),
            "cleaning": found.cleaning.model_copy(update={"max_reject_share": 0.5}),
        }
    )
    assert in_process.possible(audit, None, {}) == (spark.getActiveSession() is None)
    ours, other = (runs.audit(session, audit) for session in (InProcess(), spark))
    counted = {row["corpus"]: row["filtered"] for row in ours.table("corpora").to_pylist()}
    assert counted["human"] == 60
    for table in ("corpora", "rejects", "ngrams", "metrics"):
        assert all(map(same, rows_of(ours, table), rows_of(other, table))), table


def test_as_many_are_embedded_as_the_error_takes(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_size, "PILOT", 100)
    embedding = {"embedder": str(corpora / "model"), "sample": "1%"}
    run = runs.audit(InProcess(), audit_of(corpora, tmp_path, embedding=embedding))
    found = run.manifest["embedding"]
    assert 100 < found["sample"] <= sample_size.MOST
    assert found["documents"] == sum(
        min(row["documents"], found["sample"]) for row in run.table("corpora").to_pylist()
    )
    assert {"embed the pilot", "embed"} <= run.manifest["seconds"].keys()


def repeated(folder: Path) -> None:
    row = json.dumps({"text": "red green", "doc_id": "again", "prompt_id": "p1"}) + "\n"
    (folder / "gpt.jsonl").write_text(row + row.replace("red", "blue") + row.replace("p1", "p2"))


@pytest.mark.parametrize("why", ["ids", "rejects", "files", "text"])
def test_what_is_for_spark_leaves_nothing_behind(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    for file in corpora.glob("*.jsonl"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    changes: dict[str, Any] = {"embedding": {"embedder": str(corpora / "model")}}
    if why == "ids":
        repeated(tmp_path)
    elif why == "rejects":
        changes["cleaning"] = {"max_reject_share": 0.001}
    else:
        monkeypatch.setattr(reading, {"files": "MOST_FILES", "text": "MOST_BYTES"}[why], 1_000)
    with pytest.raises(NeedsSpark):
        runs.audit(InProcess(), audit_of(tmp_path, tmp_path / "out", **changes))
    assert not list((tmp_path / "out").iterdir())


def test_the_work_goes_on_where_spark_is(
    spark: SparkSession,
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in corpora.glob("*.jsonl"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    repeated(tmp_path)
    monkeypatch.setattr(in_process, "possible", lambda *_: True)
    monkeypatch.chdir(tmp_path)
    Path("few.toml").write_text(
        'out = "out"\nlenses = ["ngrams"]\ncleaning = {max_reject_share = 0.5}\n'
        '[corpora.human]\nrole = "human"\npath = "human.jsonl"\n'
        '[corpora.gpt]\nrole = "model"\npath = "gpt.jsonl"\ncolumns = {doc_id = "doc_id"}\n'
    )
    assert cli.main(["audit", "few.toml"]) == 0
    why = "begins again on Spark: an id of a document occurs more than once"
    assert why in capsys.readouterr().err
    (run,) = (path for path in Path("out").iterdir() if path.name.startswith("2"))
    rejects = json.loads((run / "manifest.json").read_text())["tables"]["rejects"]
    assert rejects["rows"] > 2


def test_an_audit_from_python_without_a_session(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    monkeypatch.setattr("dftspark.spark.session.session", pytest.fail)
    run = dftspark.audit(
        human=str(corpora / "human.jsonl"),
        models={"gpt": str(corpora / "gpt.jsonl")},
        lenses=["ngrams"],
        cleaning={"max_reject_share": 0.5},
        out=str(tmp_path),
    )
    assert run.manifest["corpora"] == ["gpt", "human"]


def test_a_table_in_memory_needs_no_spark(tmp_path: Path) -> None:
    script = (
        "import dftspark\n"
        "human = {'text': [f'We went to the river on day {i}, and slept.' for i in range(60)]}\n"
        "model = {'text': [f'It is a rich tapestry, {i}, of things.' for i in range(60)]}\n"
        "run = dftspark.audit(human=human, models={'m': model}, out='runs', lenses=['ngrams'])\n"
        "print(run.manifest['sources']['m']['rows'], run.page)\n"
        "print(*dftspark.verdicts(run).values())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**environment(), "JAVA_HOME": "/nowhere", "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, sentence = done.stdout.splitlines()
    assert told.startswith("60 ")
    assert Path(told.rpartition(" ")[2]).is_file()
    assert "the human side repeats itself" in sentence


def test_who_decides_for_spark(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    for name in in_process._ASKING:
        monkeypatch.delenv(name, raising=False)
    small = audit_of(corpora, corpora / "out")
    assert in_process.possible(small, None, {})
    assert not in_process.possible(small, "local[2]", {})
    assert not in_process.possible(small, None, {"spark.driver.memory": "2g"})
    filtered = small.model_dump(mode="json")
    filtered["corpora"]["gpt"]["filter"] = "length(text) > 3"
    for changed in (
        config.Audit.parse(filtered, "the test"),
        audit_of(corpora, corpora / "out", lenses=["ngrams", "variety"]),
        audit_of(corpora, corpora / "out", embedding={"device": "cuda"}),
        audit_of(corpora, corpora / "out", publish={"tables": "audits"}),
        audit_of(corpora, "s3://bucket/audits?region=us-east-1"),
    ):
        assert not in_process.possible(changed, None, {})
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "pyspark-shell")
    assert not in_process.possible(small, None, {})


def test_no_java_is_needed(corpora: Path, tmp_path: Path) -> None:
    lines = [
        'out = "out"',
        'lenses = ["ngrams", "structure"]',
        "cleaning = {max_reject_share = 0.5}",
        *(
            f'[corpora.{name}]\nrole = "{role}"\npath = "{corpora}/{name}.jsonl"'
            for name, role in (("human", "human"), ("gpt", "model"))
        ),
    ]
    (tmp_path / "audit.toml").write_text("\n".join(lines))
    without = environment(JAVA_HOME=str(tmp_path / "none"), PATH=str(Path(sys.executable).parent))
    done = subprocess.run(
        [sys.executable, "-m", "dftspark", "audit", "audit.toml", "--quiet"],
        cwd=tmp_path,
        env=without,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(tmp_path, done.stdout.strip(), "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("first", [[], ["dftspark"], ["a", 7], [-1], [1 << 40, "\u00e9"]], ids=repr)
def test_the_hash_is_that_of_spark(spark: SparkSession, first: list[Any]) -> None:
    from pyspark.sql import functions as F

    values = ["", "a", "\u00e9t\u00e9", "prompt 17", "x" * 31, "x" * 32, "y" * 1000]
    frame = spark.createDataFrame([(value,) for value in values], "value string")
    hashed = frame.select(
        F.xxhash64(*map(F.lit, first), "value"), F.xxhash64(F.encode("value", "utf-8"))
    )
    there = [tuple(row) for row in hashed.collect()]
    assert xxhash64(first, values).tolist() == [row[0] for row in there]
    data = [value.encode() for value in values]
    assert xxhash64([], data).tolist() == [row[1] for row in there]
