"""What is asked, under which key, in what order, by which task, and at what price."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pyarrow import fs

from dftspark.config import Judge
from dftspark.endpoints.journal import Entry, lost
from dftspark.endpoints.protocol import key_of
from dftspark.endpoints.store import AnswerStore
from dftspark.errors import ConfigError, InputError
from dftspark.judge import batch
from dftspark.judge.pairs import Pair, sampled
from dftspark.judge.plan import VerdictPlan
from dftspark.judge.prompts import Prompts
from dftspark.judge.requests import VerdictRequest, encoded, planned
from dftspark.judge.verdicts import KIND, Verdict
from dftspark.location import Location
from tests.audits import settings as audit
from tests.judge.test_pairs import documents

ENDPOINT: dict[str, Any] = {"name": "a", "url": "https://x/v1", "model": "m"}


def judge(**more: Any) -> Judge:
    return Judge.model_validate({"endpoints": [ENDPOINT], "controls": [], **more})


def requests(
    settings: Judge, prompts: int = 10
) -> tuple[list[Pair], Prompts, list[VerdictRequest]]:
    pairs = sampled(documents(prompts), "human", settings)
    texts = Prompts.load(settings.dimensions, settings.prompts)
    return pairs, texts, list(planned(pairs, texts, settings))


def test_every_pair_is_asked_in_both_orders_on_every_dimension_by_every_judge() -> None:
    settings = judge(endpoints=[ENDPOINT, {**ENDPOINT, "name": "b", "model": "other"}])
    _, _, found = requests(settings)
    assert len(found) == 10 * 2 * 6 * 2
    assert len({r.key for r in found}) == len(found)


@pytest.mark.parametrize(
    ("named", "asked"),
    [({}, {"clarity", "overall"}), ({"control_dimensions": ["overall"]}, {"overall"})],
)
def test_controls_are_asked_on_every_dimension_or_those_named(
    named: dict[str, Any], asked: set[str]
) -> None:
    settings = judge(controls=["broken"], dimensions=["clarity", "overall"], **named)
    pairs, _, found = requests(settings)
    broken = {p.pair_id for p in pairs if p.kind == "broken"}
    assert {r.dimension for r in found if r.pair_id in broken} == asked
    assert {r.dimension for r in found if r.pair_id not in broken} == {"clarity", "overall"}


def test_relevance_needs_the_prompt() -> None:
    bare = [replace(d, prompt=None) for d in documents(4)]
    settings = judge()
    pairs = sampled(bare, "human", settings)
    with pytest.raises(ConfigError, match="asks what the prompt wants"):
        list(planned(pairs, Prompts.load(settings.dimensions), settings))


BASE = judge(dimensions=["overall"])


@pytest.mark.parametrize(
    ("endpoint", "more"),
    [
        ({"model": "other"}, {}),
        ({"url": "https://y/v1"}, {}),
        ({"logprobs": True}, {}),
        ({"structured": "none"}, {}),
        ({"options": {"temperature": 1.0}}, {}),
        ({}, {"ties": False}),
        ({}, {"dimensions": ["depth"]}),
    ],
)
def test_whatever_shapes_a_verdict_is_in_its_key(
    endpoint: dict[str, Any], more: dict[str, Any]
) -> None:
    settings = judge(**{"dimensions": ["overall"], "endpoints": [{**ENDPOINT, **endpoint}], **more})
    keys = [{r.key for r in requests(s)[2]} for s in (BASE, settings)]
    assert not keys[0] & keys[1]


@pytest.mark.parametrize(
    "endpoint",
    [
        {"name": "z"},
        {"concurrency": 3},
        {"price_in": 9.0},
        {"key_env": "K"},
        {"timeout": 9.0},
        {"url": "https://x/v1/"},
    ],
)
def test_what_does_not_is_not(endpoint: dict[str, Any]) -> None:
    settings = judge(dimensions=["overall"], endpoints=[{**ENDPOINT, **endpoint}])
    assert {r.key for r in requests(settings)[2]} == {r.key for r in requests(BASE)[2]}


def test_the_body_is_what_the_protocol_wants() -> None:
    settings = judge(dimensions=["overall"], endpoints=[{**ENDPOINT, "logprobs": True}])
    pairs, prompts, _ = requests(settings)
    body = json.loads(encoded(settings.endpoints[0], prompts, pairs[0], "overall", True, False))
    assert body["model"] == "m"
    assert (body["temperature"], body["max_tokens"]) == (0.0, 256)
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["verdict"]["enum"] == ["A", "B"]
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    text = body["messages"][1]["content"]
    assert text.index(pairs[0].model_text) < text.index(pairs[0].against_text)


def test_only_what_is_not_known_is_asked_and_a_key_once() -> None:
    _, _, found = requests(BASE)
    known = {found[0].key: Entry(Verdict("A"), at="x"), found[1].key: lost(KIND)}
    plan = VerdictPlan.of([*found, *found], known, BASE)
    assert len(plan.missing) == 18
    assert len(VerdictPlan.of(found, known, BASE, again=True).missing) == 19
    (estimate,) = plan.estimates
    assert (estimate.requests, estimate.stored, estimate.lost, estimate.missing) == (20, 1, 1, 18)


def test_the_estimate_learns_from_what_was_answered() -> None:
    settings = judge(dimensions=["overall"], endpoints=[{**ENDPOINT, "price_in": 2.0}])
    _, _, found = requests(settings, 40)
    known = {
        r.key: Entry(Verdict("A", tokens_in=2 * r.tokens_in, tokens_out=100), at="x")
        for r in found[:40]
    }
    (estimate,) = VerdictPlan.of(found, known, settings).estimates
    expected = 2 * sum(r.tokens_in for r in found[40:])
    assert estimate.tokens_in == pytest.approx(expected, rel=0.02)
    assert estimate.tokens_out == 40 * 100
    assert estimate.cost == pytest.approx(2e-6 * expected, rel=0.02)


def test_parts_share_work_concurrency_and_caps() -> None:
    settings = judge(
        endpoints=[{**ENDPOINT, "concurrency": 5}, {**ENDPOINT, "name": "b", "model": "n"}],
        tasks=2,
        max_requests=101,
    )
    _, _, found = requests(settings)
    parts = VerdictPlan.of(found, {}, settings).parts(settings)
    assert [(p.endpoint.name, p.threads) for p in parts] == [("a", 3), ("a", 2), ("b", 8), ("b", 8)]
    assert sum(len(p.requests) for p in parts) == 101 < len(found)
    assert sum(p.limits.requests for p in parts) == 101
    owners = {r.pair_id: p.number for p in parts[:2] for r in p.requests}
    assert all(owners[r.pair_id] == p.number for p in parts[:2] for r in p.requests)


def test_what_is_asked_first_is_a_part_of_every_comparison() -> None:
    settings = judge(controls=["broken"], dimensions=["overall"], pairs=40, control_pairs=10)
    pairs, _, found = requests(settings, 40)
    kinds = {p.pair_id: p.kind for p in pairs}
    first = [kinds[r.pair_id] for r in VerdictPlan.of(found, {}, settings).missing[:50]]
    assert first.count("model") == 40
    assert first.count("broken") == 10


# --- batches -------------------------------------------------------------------------------------


def results(lines: list[dict[str, Any]], status: int = 200) -> list[str]:
    answer = {"choices": [{"message": {"content": '{"verdict":"B"}'}}]}
    return [
        json.dumps(
            {
                "id": "r",
                "custom_id": line["custom_id"],
                "error": None,
                "response": {"status_code": status, "body": answer},
            }
        )
        for line in lines
    ]


def test_a_batch_goes_out_and_its_results_come_in(tmp_path: Path) -> None:
    config = audit(out=str(tmp_path), judge=BASE.model_dump())
    pairs, prompts, found = requests(BASE)
    plan = VerdictPlan.of(found, {}, BASE)
    ((path, count),) = batch.export(plan, pairs, prompts, BASE, tmp_path / "b")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert count == len(lines) == 20
    assert {line["url"] for line in lines} == {"/v1/chat/completions"}
    for line in lines:
        body = json.dumps(line["body"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert key_of(BASE.endpoints[0], body.encode()).hex() == line["custom_id"]
    answers = tmp_path / "results.jsonl"
    bad = results(lines[10:12], status=500)
    answers.write_text("\n".join(reversed([*results(lines[:10]), *bad, '{"x": 1}', ""])))
    said = batch.ingest([answers], config)
    assert said.startswith("10 verdicts taken in, 0 were there already, 2 requests failed, 1 lines")
    assert batch.ingest([answers], config).startswith("0 verdicts taken in, 10 were there")
    known = AnswerStore.of(config.verdict_store, KIND).load({r.key for r in found})
    assert {entry.said.answer for entry in known.values()} == {"B"}
    assert len(VerdictPlan.of(found, known, BASE).missing) == 10


def test_a_batch_keeps_to_the_cap_and_overwrites_nothing(tmp_path: Path) -> None:
    settings = judge(dimensions=["overall"], max_requests=7)
    pairs, prompts, found = requests(settings)
    plan = VerdictPlan.of(found, {}, settings)
    assert [n for _, n in batch.export(plan, pairs, prompts, settings, tmp_path)] == [7]
    with pytest.raises(ConfigError, match="there already"):
        batch.export(plan, pairs, prompts, settings, tmp_path)


@pytest.mark.parametrize("text", ["", "{}\n", "not json\n", '{"custom_id": "zz"}\n'])
def test_files_that_are_no_results(tmp_path: Path, text: str) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(InputError, match="none of"):
        batch.ingest([tmp_path / "r"], audit(out=str(tmp_path), judge=BASE.model_dump()))
    with pytest.raises(InputError, match="cannot read"):
        batch.ingest([tmp_path / "none"], audit(out=str(tmp_path), judge=BASE.model_dump()))


def test_an_object_store_is_no_place_for_verdicts() -> None:
    memory = Location(fs._MockFileSystem(), "verdicts", before="mock://")
    with (
        patch.object(Location, "parse", return_value=memory),
        pytest.raises(ConfigError, match="file system with locks"),
    ):
        AnswerStore.of("mock://verdicts", KIND)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ({"url": "https://user:pw@x/v1"}, "no user, query or fragment"),
        ({"url": "https://x/v1?key=abc"}, "no user, query or fragment"),
        ({"url": "ftp://x"}, "https://"),
        ({"key_env": "sk-abc-123"}, "not the key itself"),
        ({"options": {"stream": True}}, "not for options to set"),
    ],
)
def test_endpoints_that_are_refused(endpoint: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        audit(judge={"endpoints": [{**ENDPOINT, **endpoint}]})
    assert words in str(caught.value)
    for secret in ("sk-abc-123", "pw@", "key=abc"):
        assert secret not in str(caught.value)


def test_judges_have_names_of_their_own_and_settings_are_found() -> None:
    with pytest.raises(ConfigError, match="a name of its own"):
        audit(judge={"endpoints": [ENDPOINT, ENDPOINT]})
    with pytest.raises(ConfigError, match=r"not among judge\.dimensions"):
        audit(judge={"endpoints": [ENDPOINT], "control_dimensions": ["humor"]})
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        audit(judge={"endpoints": [{**ENDPOINT, "modle": "x"}]})
    with pytest.raises(ConfigError, match="classifier that stands in"):
        audit(lenses=["ngrams", "judge"])
