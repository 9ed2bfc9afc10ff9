"""Asking for texts over HTTP: never twice, within caps, whatever is killed; and what is made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.config import Audit
from dftspark.config.generate import Generation
from dftspark.errors import EnvironmentProblem
from dftspark.generation import run as generation
from dftspark.generation.texts import parse
from dftspark.store.run import Run
from tests.judging import PLAIN, Answer, Asked, Server, failure, said, serving

pytestmark = pytest.mark.program

ROOT = Path(__file__).resolve().parents[2]
BRIEFS, SETTINGS, SAMPLES = 12, 2, 2
EVERY = BRIEFS * SETTINGS * SAMPLES


def prompt_of(asked: Asked) -> str:
    return str(asked.body["messages"][0]["content"]).split("\n\n")[-1]


def story(asked: Asked) -> Answer:
    own = asked.body
    return said(f"{prompt_of(asked)} at {own['temperature']} by {own['seed']}")


def conf(
    folder: Path, server: Server, more: str = "", model: str = "", briefs: int = BRIEFS
) -> Path:
    rows = [{"prompt_id": f"p{i}", "prompt": f"Story {i}"} for i in range(briefs)]
    (folder / "briefs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "human.jsonl").write_text('{"prompt_id": "p0", "text": "Human."}\n')
    path = folder / "write.toml"
    path.write_text(
        f'name = "sweep"\nout = "{folder}/runs"\n[generate]\nbriefs = "{folder}/briefs.jsonl"\n'
        f"samples = {SAMPLES}\n{more}\n[generate.sampler]\ntemperature = [0.5, 1.0]\n"
        f'[generate.human]\nrole = "human"\npath = "{folder}/human.jsonl"\n'
        f'[[generate.models]]\nname = "sft"\nurls = ["{server.url}"]\nmodel = "stub-2026"\n'
        f"concurrency = 4\n{model}\n"
    )
    return path


def made(path: Path, **how: Any) -> Run:
    return generation.generate(Generation.load(path), **how)


def test_every_brief_has_every_setting_and_sample(tmp_path: Path) -> None:
    with serving(story) as server:
        path = conf(tmp_path, server)
        run = made(path)
        assert len(server.requests) == EVERY
        assert made(path).manifest["generate"]["stored_before"] == EVERY
        assert len(server.requests) == EVERY
    rows = run.table("texts").to_pylist()
    assert len(rows) == EVERY
    assert run.table("textless").num_rows == 0
    for row in rows:
        assert (
            row["text"]
            == f"{row['prompt']} at {dict(row['sampler'])['temperature']} by {row['seed']}"
        )
        assert row["setting"] == f"temperature={dict(row['sampler'])['temperature']:g}"
        assert row["finish_reason"] == "stop"
        assert (row["tokens_in"], row["tokens_out"]) == (100, 7)
        assert row["split"] in ("target", "validation", "referee")
    assert Counter((r["setting"], r["sample"]) for r in rows) == {
        (setting, sample): BRIEFS
        for setting in ("temperature=0.5", "temperature=1")
        for sample in range(SAMPLES)
    }
    told = run.manifest["generate"]
    assert (told["texts"], told["in_part"], told["warnings"]) == (EVERY, False, [])


def test_the_sweep_of_a_run_needs_no_hand(tmp_path: Path) -> None:
    with serving(story) as server:
        run = made(conf(tmp_path, server))
    path = tmp_path / "sweep.toml"
    path.write_bytes(run.file("sweep.toml"))
    found = Audit.load(path)
    assert found.human == "human"
    own = found.corpora["sft"]
    assert own.split_by == ("setting",)
    assert own.paths == (f"{run.path}/texts.parquet",)
    assert "length" in str(own.filter)


def test_a_new_setting_or_revision_asks_for_what_is_new(tmp_path: Path) -> None:
    with serving(story) as server:
        path = conf(tmp_path, server)
        made(path)
        path.write_text(path.read_text().replace("[0.5, 1.0]", "[0.5, 1.0, 1.2]"))
        made(path)
        assert len(server.requests) == EVERY * 3 // 2
        path.write_text(path.read_text().replace("concurrency", 'revision = "2"\nconcurrency'))
        made(path)
        assert len(server.requests) == EVERY * 3
        assert server.seen.total() - len(server.seen) == EVERY * 3 // 2  # the same bodies


def test_a_capped_run_has_every_setting_of_the_same_prompts(tmp_path: Path) -> None:
    with serving(story) as server:
        path = conf(tmp_path, server, "max_requests = 20")
        assert cli.main(["generate", str(path), "--quiet"]) == 5
        assert len(server.requests) == 20
        rows = made(path, ask=False).table("texts").to_pylist()
        prompts = Counter(row["prompt_id"] for row in rows)
        assert sorted(prompts.values()) == [4] * 5
        assert len(Counter(row["setting"] for row in rows)) == SETTINGS
        while made(path).manifest["generate"]["in_part"]:
            pass
        assert len(server.requests) == EVERY
        assert server.repeated == 0


def test_money_is_a_cap(tmp_path: Path) -> None:
    with serving(story) as server:
        path = conf(
            tmp_path,
            server,
            "max_cost = 0.0105",
            "price_out = 1000000.0\nmax_tokens = 7\nprice_in = 0.0".replace("1000000.0", "100.0"),
        )
        run = made(path)
    told = run.manifest["generate"]
    assert told["in_part"]
    assert told["cost"] <= 0.0105
    assert len(server.requests) == 15  # 7 tokens at 100 a million are 0.0007
    assert "limits are reached" in told["stopped"][0]


def test_several_addresses_share_the_work_and_move_freely(tmp_path: Path) -> None:
    with serving(story) as one, serving(story) as two:
        path = conf(tmp_path, one, model='revision = "1"')
        path.write_text(path.read_text().replace(f'["{one.url}"]', f'["{one.url}", "{two.url}"]'))
        made(path)
        assert len(one.requests) + len(two.requests) == EVERY
        assert min(len(one.requests), len(two.requests)) > EVERY / 5
        path.write_text(path.read_text().replace(f'"{one.url}", ', ""))
        made(path)
        assert len(one.requests) + len(two.requests) == EVERY


def test_two_runs_never_ask_for_one_store_at_once(tmp_path: Path) -> None:
    from dftspark.endpoints.store import AnswerStore
    from dftspark.generation.texts import KIND

    with serving(story) as server:
        path = conf(tmp_path, server)
        with (
            AnswerStore.of(f"{tmp_path}/runs/texts", KIND).held(),
            pytest.raises(EnvironmentProblem, match="another run asks models"),
        ):
            made(path)
        assert not server.requests


def test_what_is_odd_is_said(tmp_path: Path) -> None:
    def odd(asked: Asked) -> Answer:
        number = int(prompt_of(asked).removeprefix("Story "))
        if asked.body["temperature"] == 0.5:
            return said(f"Cut {number} {asked.body['seed']}", finish_reason="length")
        if number < 6:
            return said("I cannot help with that.")
        return said("  ") if number == 6 else story(asked)

    with serving(odd) as server:
        path = conf(tmp_path, server)
        path.write_text(path.read_text().replace("stub-2026", "ours"))
        run = made(path)
    said_of_it = "\n".join(run.manifest["generate"]["warnings"])
    assert "temperature=0.5: 100% of 24 texts were cut" in said_of_it
    assert "6 prompts have the same text" in said_of_it
    assert "asked for 'ours', and 'stub-2026' answered" in said_of_it
    assert "2 requests have no text: empty" in said_of_it
    assert {row["problem"] for row in run.table("textless").to_pylist()} == {"empty"}
    assert run.manifest["generate"]["in_part"] is False


def test_an_endpoint_that_ignores_the_sampler_is_told(tmp_path: Path) -> None:
    def deaf(asked: Asked) -> Answer:
        return said(f"Once {asked.body['seed']} {prompt_of(asked)}")

    for behavior, told in ((deaf, True), (story, False)):
        folder = tmp_path / behavior.__name__
        folder.mkdir()
        with serving(behavior) as server:
            warned = "\n".join(made(conf(folder, server)).manifest["generate"]["warnings"])
        assert ("the endpoint seems to ignore the sampler" in warned) == told, warned


def test_an_endpoint_that_refuses_a_setting_is_left_after_a_few(tmp_path: Path) -> None:
    def refuses(asked: Asked) -> Answer:
        return failure(400, "top_k is not supported")

    with serving(refuses) as server:
        path = conf(tmp_path, server)
        run = made(path)
        assert len(server.requests) < 20
    told = run.manifest["generate"]
    assert told["in_part"]
    assert "status 400: top_k is not supported" in told["stopped"][0]
    assert "top_k" in str(run.table("textless")["problem"].to_pylist())


def test_an_endpoint_that_is_gone_ends_the_run_in_part(tmp_path: Path) -> None:
    with serving(story) as server:
        path = conf(tmp_path, server, "retries = 0")
    assert cli.main(["generate", str(path), "--quiet"]) == 5


def test_a_plan_sends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(story) as server:
        path = conf(tmp_path, server, model="price_in = 1.0\nprice_out = 2.0")
        assert cli.main(["generate", str(path), "--dry-run"]) == 0
        assert not server.requests
    out = capsys.readouterr().out
    assert "sft" in out
    assert f"{EVERY}" in out
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("*sweep*"))


def test_batch_files_go_out_and_come_back(tmp_path: Path) -> None:
    with serving(story) as server:
        path = conf(tmp_path, server)
        assert cli.main(["generate", str(path), "--export-batch", str(tmp_path / "batch")]) == 0
        (file,) = (tmp_path / "batch").glob("*.jsonl")
        results = []
        for number, line in enumerate(file.read_text().splitlines()):
            sent = json.loads(line)
            answer = story(Asked(number, json.dumps(sent["body"]).encode(), {}, 1))
            results.append(
                json.dumps(
                    {
                        "custom_id": sent["custom_id"],
                        "response": {"status_code": 200, "body": json.loads(answer.body)},
                    }
                )
            )
        back = tmp_path / "results.jsonl"
        back.write_text("\n".join(reversed(results)))
        assert cli.main(["generate", str(path), "--ingest-batch", str(back), "--quiet"]) == 0
        assert not server.requests
        run = made(path)
        assert not server.requests
    assert run.table("texts").num_rows == EVERY


def test_the_key_is_in_no_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITER_KEY", "sk-this-is-secret-0123456789")

    def leaky(asked: Asked) -> Answer:
        heard = asked.headers.get("api-key", "none")
        return said(f"Your key is {heard}, {asked.body['seed']}")

    with serving(leaky) as server:
        path = conf(tmp_path, server, model='key_env = "WRITER_KEY"\nkey_header = "api-key"')
        made(path)
        assert server.requests[0].headers["api-key"] == "sk-this-is-secret-0123456789"
        assert "authorization" not in server.requests[0].headers
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"sk-this-is-secret" not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b'{"choices": []}', "malformed"),
        (said(None).body, "empty"),
        (said(" \n").body, "empty"),
        (said(None, message={"refusal": "No."}).body, "refused"),
        (said("x", finish_reason="content_filter").body, "refused"),
        (said("7").body.replace(b'"7"', b"7"), "malformed"),
    ],
)
def test_a_reply_without_a_text_says_why(reply: bytes, problem: str) -> None:
    found = parse(reply, PLAIN)
    assert (found.text, found.problem) == (None, problem)


def test_a_completion_is_a_text_too() -> None:
    reply = {"choices": [{"text": " Once \ud83d", "finish_reason": "length"}], "model": "m"}
    found = parse(json.dumps(reply).encode(), PLAIN)
    assert found.text == " Once ?"
    assert (found.finish_reason, found.served) == ("length", "m")


@pytest.mark.parametrize("after", [5, 17, 40])
def test_a_killed_run_goes_on_without_one_request_twice(tmp_path: Path, after: int) -> None:
    with serving(story, latency=0.05) as server:
        path = conf(tmp_path, server)
        first = subprocess.Popen(
            [sys.executable, "-m", "dftspark", "generate", str(path), "--quiet"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        deadline = time.monotonic() + 120
        while len(server.requests) < after:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        run = made(path)
        assert server.repeated == 0
        lost = run.table("textless").to_pylist()
        assert len(lost) <= 4
        assert {row["problem"] for row in lost} <= {"lost"}
        assert run.table("texts").num_rows == EVERY - len(lost)
        whole = made(path, again=True)
        assert len(server.requests) <= EVERY + len(lost)
        assert whole.table("texts").num_rows == EVERY
        columns = ["doc_id", "prompt_id", "setting", "sample", "seed", "text"]
        again = made(path)
        assert again.table("texts", columns).equals(whole.table("texts", columns))
