"""Answers are read to the letter: what is not a verdict is kept with its reason, never guessed."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from dftspark.judge.verdicts import KEPT, parse
from tests.judging import PLAIN


def reply(content: Any, **more: Any) -> bytes:
    message = {"content": content, **more.pop("message", {})}
    document = {
        "model": "m",
        "choices": [{"message": message, **more}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize("answer", ["A", "B", "tie"])
def test_a_verdict(answer: str) -> None:
    found = parse(reply(f' {{"verdict": "{answer}"}}\n'), True, PLAIN)
    assert (found.answer, found.problem, found.raw) == (answer, None, "")
    assert (found.served, found.tokens_in, found.tokens_out) == ("m", 9, 2)


@pytest.mark.parametrize(
    "content",
    [
        "A",
        "",
        "null",
        '"A"',
        '{"verdict": "a"}',
        '{"verdict": "C"}',
        '{"verdict": ["A"]}',
        '{"verdict": "A", "why": "x"}',
        '{"verdict": "A", "verdict": "B"}',
        '[["verdict", "A"]]',
        '```json\n{"verdict": "A"}\n```',
        'I choose {"verdict": "A"}',
        '{"verdict": "A"',
        "[" * 9999,
        '{"Verdict": "A"}',
    ],
)
def test_anything_else_is_unparsable(content: str) -> None:
    found = parse(reply(content), True, PLAIN)
    assert (found.answer, found.problem) == (None, "unparsable")
    assert found.raw == content[:KEPT]
    assert found.tokens_in == 9, "it was paid for"


def test_a_tie_that_is_not_allowed_is_no_verdict() -> None:
    assert parse(reply('{"verdict": "tie"}'), False, PLAIN).problem == "unparsable"


def test_refusals_and_answers_that_are_cut() -> None:
    refused = parse(reply(None, message={"refusal": "I cannot."}), True, PLAIN)
    assert (refused.problem, refused.raw) == ("refused", "I cannot.")
    assert parse(reply("", finish_reason="content_filter"), True, PLAIN).problem == "refused"
    assert parse(reply('{"verd', finish_reason="length"), True, PLAIN).problem == "cut"
    assert parse(reply('{"verdict": "B"}', finish_reason="length"), True, PLAIN).answer == "B"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b"<html>",
        b"[" * 100_000,
        b"3",
    ],
)
def test_what_is_not_the_protocol_is_malformed(body: bytes) -> None:
    found = parse(body, True, PLAIN)
    assert (found.answer, found.problem) == (None, "malformed")


def logprobs(*top: tuple[str, float], token: str = "A") -> dict[str, Any]:
    frame = [{"token": '{"verdict":"', "logprob": 0.0, "top_logprobs": []}]
    letter = {
        "token": token,
        "logprob": -0.1,
        "top_logprobs": [{"token": t, "logprob": value} for t, value in top],
    }
    return {"content": [*frame, letter, {"token": '"}', "logprob": 0.0, "top_logprobs": []}]}


def odds(told: Any, answer: str = "A") -> float:
    return parse(reply(f'{{"verdict":"{answer}"}}', logprobs=told), True, PLAIN).odds


def test_odds_are_those_of_the_letters_token() -> None:
    told = logprobs(("A", math.log(0.6)), ("B", math.log(0.2)), (' "A', math.log(0.1)))
    assert odds(told) == pytest.approx(math.log(0.7 / 0.2))


def test_a_letter_that_is_not_told_has_the_least_probability_told() -> None:
    assert odds(logprobs(("A", -0.001), ("x", -9.0))) == pytest.approx(-0.001 + 9.0)


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"content": None},
        {"content": [3]},
        logprobs(token="x"),
        logprobs(),
        logprobs(("A", math.nan)),
        logprobs(("A", "x")),  # type: ignore[arg-type]
    ],
)
def test_without_them_there_are_no_odds(told: Any) -> None:
    assert math.isnan(odds(told))


def test_a_tie_has_no_odds() -> None:
    assert math.isnan(odds(logprobs(("A", -1.0), ("B", -2.0), token="tie"), "tie"))


@pytest.mark.parametrize("value", [-math.inf, math.inf, -(10**400), True])
def test_a_log_that_is_no_number_to_count_with_is_as_if_it_were_not_told(value: float) -> None:
    assert odds(logprobs(("A", -0.5), ("B", value), ("x", -3.0))) == pytest.approx(2.5)


def test_half_a_character_and_a_huge_count_can_be_stored() -> None:
    body = (
        b'{"choices":[{"message":{"content":"\\ud800 hm"}}],"model":"\\udfff",'
        b'"usage":{"prompt_tokens":1000000000000000000000000,"completion_tokens":3}}'
    )
    found = parse(body, True, PLAIN)
    assert (found.problem, found.raw, found.served) == ("unparsable", "? hm", "?")
    assert (found.tokens_in, found.tokens_out) == (0, 3)


def test_whatever_goes_wrong_in_reading_is_a_reply_that_is_malformed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(text: bytes) -> Any:
        raise OverflowError

    monkeypatch.setattr(json, "loads", broken)
    found = parse(b"x", True, PLAIN)
    assert (found.problem, found.raw) == ("malformed", "x")
