"""Addresses without their secrets, in whatever is told, logged or stored."""

from __future__ import annotations

import pytest

from dftspark.errors import IncomparableProfiles, InputError
from dftspark.location import Location
from dftspark.redaction import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://user:pa@ss@host/x", "http://***@host/x"),
        ("a s3://k:v@b and hdfs://h:8020/p@1", "a s3://***@b and hdfs://h:8020/p@1"),
        ("s3a://AKIA:12345/ab+c/d=@bucket/x", "s3a://***@bucket/x"),  # no port, though digits
        ("https://ghp_token@host/x", "https://***@host/x"),
        ("S3://TOKEN@bucket/x", "S3://***@bucket/x"),
        ("abfs://box@account.dfs.core.windows.net/x", "abfs://box@account.dfs.core.windows.net/x"),
        ("abfs://box:a/b@account/x", "abfs://***@account/x"),
        (
            "s3://b/a b/?access_key=A&secret_key=a/b+c%3D=&region=eu-west-1&unknown=1",
            "s3://b/a b/?access_key=***&secret_key=***&region=eu-west-1&unknown=***",
        ),
        (
            "s3://b?endpoint_override=localhost:9000&scheme=http",
            "s3://b?endpoint_override=localhost:9000&scheme=http",
        ),
        ("s3://b?endpoint_override=http%3A%2F%2Fu%3Ap%40h", "s3://b?endpoint_override=***"),
        (
            "'https://a.blob.core.windows.net/c/x?sv=2022&sig=a%2Fb%3D': 403",
            "'https://a.blob.core.windows.net/c/x?sv=***&sig=***': 403",
        ),
        ("https://host/x?abcdef", "https://host/x?***"),
        ("gs://b/x#access_token=abc", "gs://b/x#access_token=***"),
        ("denied: X-Amz-Signature=abc, sig=d/e", "denied: X-Amz-Signature=***, sig=***"),
        ("fs.s3a.secret.key=abc", "fs.s3a.secret.key=***"),
        ("fs.azure.account.key.a.dfs.net=ab==", "fs.azure.account.key.a.dfs.net=***"),
        ("AccountName=a;AccountKey=ab==;x=y", "AccountName=a;AccountKey=***;x=y"),
        ("AWS_SESSION_TOKEN=abc", "AWS_SESSION_TOKEN=***"),
        ("Authorization: Bearer abcdefghij0123456789", "Authorization: Bearer ***"),
    ],
)
def test_secrets_are_blotted_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "s3://b/part-?.jsonl",
        "s3://b/checkpoint=ckpt1/x@y.jsonl",
        "hdfs://h:8020/x/date=2026-01-01",
        "data/who?a=b.jsonl",
        "judge.max_tokens=256 is reached; tokens = 5",
        "filter: password == 5",
        "file:///a/b@c",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_an_error_has_no_secret_whoever_prints_it() -> None:
    """Spark logs what a task raises, and nobody redacts it there."""
    assert str(InputError("no s3a://KEY:se/cr@b/x")) == "no s3a://***@b/x"
    assert "sig=***" in str(IncomparableProfiles("x", "https://a/b?sig=SECRET", "m"))


def test_a_place_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Location.locate("x")
    object.__setattr__(place, "before", "s3://KEY:se/cr@b")
    object.__setattr__(place, "after", "?secret_key=SECRET")
    for told in (str(place), repr(place)):
        assert "se/cr" not in told
        assert "SECRET" not in told
        assert "***" in told
