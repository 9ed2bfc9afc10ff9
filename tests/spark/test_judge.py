"""The judge lens through Spark, the command line and a real server on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from dftspark import cli, runs, schema
from dftspark.config import Audit
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.judge.pairs import Candidate, sampled
from dftspark.lenses.judge import spark_asking as judge
from dftspark.lenses.judge.lens import Asking
from dftspark.spark import documents as reading
from jobs import judge as job
from tests import judging
from tests.judging import Answer, Asked, Server, failure, said, serving, verdict
from tests.spark.processes import ROOT, dftspark, environment

pytestmark = pytest.mark.spark
WORDS = [
    "the",
    "river",
    "runs",
    "past",
    "a",
    "town",
    "where",
    "nobody",
    "has",
    "counted",
    "the",
    "bridges",
    "since",
    "the",
    "flood",
]


def write_corpora(folder: Path, prompts: int = 30, models: int = 2) -> dict[str, Any]:
    """Human text, twice on every prompt, and text of each model on the same prompts."""
    corpora: dict[str, Any] = {}
    for name in ("human", *(f"model{m}" for m in range(models))):
        lines = [
            {
                "doc_id": f"{name}-{i}-{n}",
                "prompt_id": f"p{i}",
                "prompt": f"Write about {i}.",
                "text": f"{name} {i} {n} "
                + " ".join(
                    WORDS[(i + k) % len(WORDS)]
                    for k in range(20 + (7 * i + 3 * len(name) + n) % 30)
                ),
                "stratum": "ab"[i % 2],
            }
            for i in range(prompts)
            for n in range(2 if name == "human" else 1)
        ]
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        role = "human" if name == "human" else "model"
        corpora[name] = {"role": role, "path": str(path)}
    return corpora


def audit(folder: Path, url: str | None, corpora: dict[str, Any], **judge: Any) -> Audit:
    endpoints = (
        [
            {
                "name": "stub",
                "url": url,
                "model": "m",
                "key_env": "STUB_KEY",
                "price_in": 1.0,
                "price_out": 2.0,
            }
        ]
        if url
        else []
    )
    settings = {"pairs": 20, "control_pairs": 10, "dimensions": ["overall", "depth"], **judge}
    return Audit.parse(
        {
            "out": str(folder / "runs"),
            "corpora": corpora,
            "lenses": ["ngrams"],
            "embedding": {"embedder": "static"},
            "judge": {"endpoints": endpoints, **settings},
        },
        "the test",
    )


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_KEY", "sk-this-is-secret")


def test_picks_of_readers_are_judgements_and_need_no_endpoint(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [
        {
            "pair_id": f"p{i}",
            "at": "2026-11-28T12:00:00+00:00",
            "prompt_id": f"brief {i}",
            "prompt": "Write.",
            "model": "model1" if i < 12 else "gone",
            "against": "model0",
            "model_text": "A text.",
            "against_text": "Another text.",
            "order": "model_second" if i % 2 else "model_first",
            "verdict": "model" if i < 9 else "against",
        }
        for i in range(14)
    ]
    (tmp_path / "picks").mkdir()
    for number, row in enumerate(rows):
        table = pa.Table.from_pylist([row], schema=schema.PICKS)
        pq.write_table(table, tmp_path / "picks" / f"{number}.parquet")
    own = audit(tmp_path, None, write_corpora(tmp_path, prompts=16), picks=str(tmp_path / "picks"))
    run = runs.audit(spark, own.model_copy(update={"lenses": ("ngrams", "judge")}))
    (rate,) = run.table("win_rates").to_pylist()
    assert (rate["judge"], rate["model"], rate["against"]) == ("human", "model1", "model0")
    assert (rate["pairs"], rate["win_rate"]) == (12, 0.75)
    assert run.table("judgements").num_rows == run.manifest["judge"]["picks"] == 12
    (said,) = run.manifest["judge"]["warnings"]
    assert said.startswith("2 picks in")
    assert said.endswith("this audit lacks: gone")
    page = run.file("report.html").decode()
    assert "models: model1 against model0" in page


EVERY = 2 * 2 * (2 * 20 + 2 * 10 + 10 + 10)  # two models, both dimensions and orders


def test_a_run_has_its_tables_and_the_next_one_costs_nothing(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora = write_corpora(tmp_path)
    with serving() as server:
        config = audit(tmp_path, server.url, corpora, tasks=0)  # the key: workers are older than it
        run = runs.judge(spark, config)
        assert len(server.requests) == EVERY
        assert {a.headers["authorization"] for a in server.requests} == {"Bearer sk-this-is-secret"}
        again = runs.judge(spark, config)
        assert len(server.requests) == EVERY, "everything was known"
        assert server.repeated == 0
    assert run.manifest["judge"]["sent"] == EVERY
    assert again.manifest["judge"]["sent"] == 0
    rates = again.table("win_rates").to_pylist()
    same = [{**r, "run_id": again.id} for r in run.table("win_rates").to_pylist()]
    assert str(rates) == str(same), "nan is nan there"
    main = [r for r in rates if r["kind"] == "model" and not r["stratum"]]
    assert [(r["model"], r["dimension"], r["jmq"], r["pairs"]) for r in main] == [
        (m, d, 1.0, 20) for m in ("model0", "model1") for d in ("depth", "overall")
    ]
    assert {r["kind"] for r in rates} == {"model", "human", "broken", "models"}
    table = run.table("judgements").to_pylist()
    assert len(table) == EVERY
    assert {r["verdict"] for r in table if r["order"] == "model_first"} == {"model"}
    assert {r["served"] for r in table} == {"stub-2026"}
    assert sum(r["cost"] for r in table) == pytest.approx(EVERY * (100 + 2 * 7) / 1e6)
    metrics = {r["metric"]: r for r in run.table("metrics").to_pylist()}
    assert metrics["jmq_overall:stub"]["better"] == "parity"
    assert metrics["jmq_overall:stub"]["lens"] == "judge"
    assert "bradley_terry_overall:stub" in metrics
    assert cli.main(["show", run.path]) == 0
    shown = capsys.readouterr().out
    assert "JMQ = 2 x" in shown
    assert "changes its mind with the order" in shown
    everything = b"".join(p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file())
    assert b"sk-this-is-secret" not in everything
    assert "sk-this" not in shown


def test_tasks_ask_and_what_goes_wrong_is_in_the_table(spark: SparkSession, tmp_path: Path) -> None:
    ways = [verdict("B"), said("who knows"), failure(400, "too long"), verdict("tie")]

    def some(asked: Asked) -> Answer:
        return ways[len(asked.texts[0]) % 4]

    with serving(some, latency=0.005) as server:
        config = audit(tmp_path, server.url, write_corpora(tmp_path), controls=[])
        own = config.judge.endpoints[0].model_copy(update={"key_env": None, "concurrency": 6})
        settings = config.judge.model_copy(update={"endpoints": (own,)})
        run = runs.judge(spark, config.model_copy(update={"judge": settings}))
    rows = run.table("judgements").to_pylist()
    assert server.most_at_once <= 6
    assert {r["error"] for r in rows} == {None, "unparsable", "status 400: too long"}
    assert {r["answer"] for r in rows if r["error"] == "unparsable"} == {"who knows"}
    assert all(r["verdict"] is None for r in rows if r["error"])
    told = run.manifest["judge"]
    assert told["unanswered"] == told["errors"]["status 400: too long"] > 0
    assert told["sent"] == len(server.requests) == len(rows)


def test_a_cap_ends_the_run_in_part_and_the_next_goes_on(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        corpora = write_corpora(tmp_path, models=1)
        conf = write_toml(tmp_path, server, corpora, "controls = []\ntasks = 0\nmax_requests = 50")
        assert cli.main(["judge", str(conf), "--dry-run"]) == 0
        assert server.requests == []
        assert list((tmp_path / "runs").glob("2*")) == [], "nothing is left of it"
        assert " 120 " in capsys.readouterr().out
        codes = [cli.main(["judge", str(conf)]) for _ in range(3)]
        assert codes == [5, 5, 0]
        assert job.main(["--conf", str(conf)]) == 0
        assert len(server.requests) == 120
        assert server.repeated == 0
    told = capsys.readouterr()
    assert "70 of 120 requests have no answer: judge.max_requests = 50 is reached" in told.err


def test_a_key_that_executors_lack_is_named(spark: SparkSession, tmp_path: Path) -> None:
    """Their Java machine is older than the variable."""
    with serving() as server:
        config = audit(tmp_path, server.url, write_corpora(tmp_path, models=1))
        with pytest.raises(EnvironmentProblem, match="STUB_KEY is not set on"):
            runs.judge(spark, config)
    assert server.requests == []


@pytest.mark.slow
def test_an_audit_has_the_judge_as_a_stage(spark: SparkSession, tmp_path: Path) -> None:
    with serving(judging.longer) as server:
        config = audit(
            tmp_path, server.url, write_corpora(tmp_path), tasks=0, pairs=10, control_pairs=5
        )
        config = config.model_copy(update={"lenses": ("ngrams", "judge")})
        asked: list[Any] = []
        run = runs.audit(spark, config, asking=Asking(announce=asked.extend))
    assert asked[0].missing == len(server.requests)
    assert {r["lens"] for r in run.table("metrics").to_pylist()} == {"ngrams", "judge"}
    assert run.manifest["judge"]["sent"] == len(server.requests)
    rates = run.table("win_rates").to_pylist()
    assert {r["longer_rate"] for r in rates if r["kind"] == "model"} == {1.0}, "only by length"
    assert "the human side repeats itself" in run.manifest["headline"]


@pytest.mark.slow
def test_without_a_judge_the_classifier_is_shown_under_its_own_name(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.judge(spark, audit(tmp_path, None, write_corpora(tmp_path, models=1)))
    names = {row["metric"] for row in run.table("metrics").to_pylist()}
    assert names == {"c2st_accuracy", "c2st_tv_bound", "c2st_auc"}
    assert "win_rates" not in run.tables
    assert cli.main(["show", run.path]) == 0
    shown = capsys.readouterr().out
    assert "No judge was asked" in shown
    assert "jmq" not in json.dumps(run.manifest["headline"]).lower()


def test_sides_without_a_shared_prompt_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    corpora = write_corpora(tmp_path, models=1)
    path = Path(corpora["model0"]["path"])
    path.write_text(path.read_text().replace('"prompt_id": "p', '"prompt_id": "q'))
    with serving() as server, pytest.raises(InputError, match="human 30, model0 30"):
        runs.judge(spark, audit(tmp_path, server.url, corpora, tasks=0))
    assert server.requests == []


def test_spark_finds_every_document_that_the_sample_takes(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = audit(tmp_path, "http://x/v1", write_corpora(tmp_path, 120), pairs=25, control_pairs=8)
    read = reading.read(spark, config, str(tmp_path / "staging"))
    found = judge.candidates(read.kept, config)
    columns = ["corpus", "stratum", "cluster", "prompt_id", "prompt", "doc_id", "text"]
    whole = [Candidate(*row.values()) for row in read.kept.select(columns).toArrow().to_pylist()]
    assert sampled(found, "human", config.judge) == sampled(whole, "human", config.judge)
    assert len(found) < 0.7 * len(whole)


def write_toml(folder: Path, server: Server, corpora: dict[str, Any], judge: str = "") -> Path:
    parts = [
        f'[corpora.{name}]\nrole = "{c["role"]}"\npath = "{c["path"]}"\n'
        for name, c in corpora.items()
    ]
    text = (
        f'out = "{folder / "runs"}"\n'
        + "\n".join(parts)
        + f'\n[judge]\npairs = 30\ndimensions = ["overall", "depth"]\n{judge}\n'
        + f'[[judge.endpoints]]\nname = "stub"\nurl = "{server.url}"\nmodel = "m"\n'
        + 'key_env = "STUB_KEY"\nconcurrency = 4\n'
    )
    path = folder / "judge.toml"
    path.write_text(text)
    return path


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        dftspark("judge", *arguments, "--master", "local[2]"),
        cwd=ROOT,
        text=True,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_killed_run_goes_on_without_one_request_twice(tmp_path: Path) -> None:
    """The whole process tree dies by kill -9 while tasks ask; keys come from the environment. The
    quick form, one task, is in tests/judge/test_asking.py."""
    with serving(latency=0.05) as server:
        conf = write_toml(tmp_path, server, write_corpora(tmp_path))
        first = command(tmp_path, str(conf))
        deadline = time.monotonic() + 240
        while len(server.requests) < 60:
            assert first.poll() is None, first.communicate()[0][-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        cut = len(server.requests)
        second = command(tmp_path, str(conf))
        out, _ = second.communicate(timeout=300)
        every = 2 * 2 * (2 * 30 + 2 * 30 + 30 + 30)
        assert cut < every, "it was killed in the middle"
        assert server.repeated == 0
        lost = int(re.search(r"lost ([\d,]+)|$", out)[1] or 0)  # type: ignore[index]
        assert len(server.requests) >= every - lost
        assert lost <= 4
        assert second.returncode == 0, out
        assert "sk-this-is-secret" not in out
        if lost:  # few, so the run counts as finished
            assert "--again" in out
            third = command(tmp_path, str(conf), "--again")
            third.communicate(timeout=300)
            assert third.returncode == 0
            assert len(server.requests) <= every + lost
