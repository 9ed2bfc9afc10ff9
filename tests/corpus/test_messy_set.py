"""Every file and every fault of the messy reference set, its outcome to the line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dftspark.config import Cleaning
from dftspark.errors import InputError

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
RAW = DATA / "raw"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not RAW.is_dir(), reason=f"the messy reference set is not at {RAW}"),
]

TEMPERATURE = {"sampler": {"temperature": "temperature"}}

# (action, reason) by line of mixed.jsonl, read as a model corpus whose model column is named.
MIXED = {
    5: ("rejected", "invalid_utf8"),
    10: ("rejected", "invalid_utf8"),
    15: ("repaired", "cp1252_bytes"),
    20: ("rejected", "text_empty"),
    25: ("rejected", "text_empty"),
    30: ("rejected", "text_null"),
    35: ("rejected", "text_missing"),
    40: ("rejected", "model_missing"),
    45: ("rejected", "text_not_string"),
    50: ("rejected", "text_not_string"),
    60: ("repaired", "sampler_invalid"),
    61: ("repaired", "cp1252_controls"),  # U+0091, which its source has
    65: ("repaired", "sampler_invalid"),
    85: ("repaired", "invisible_removed"),
    95: ("repaired", "normalized_nfc"),
    100: ("repaired", "invisible_removed"),
    110: ("rejected", "invalid_json"),
    115: ("rejected", "blank_line"),
    120: ("rejected", "not_an_object"),
    125: ("rejected", "invalid_json"),
    130: ("rejected", "duplicate_key"),
    150: ("repaired", "invisible_removed"),  # mojibake of curly quotes has C1 controls
    175: ("rejected", "model_empty"),
    180: ("rejected", "model_says_human"),
}


# With a filter it is the configuration's business whose rows these are.
BOTH_SIDES = {"filter": "true"}


@pytest.fixture
def mixed(read: Any) -> Any:
    columns = {"model": "model", **TEMPERATURE}
    return read(RAW / "mixed.jsonl", role="model", columns=columns, **BOTH_SIDES)


def test_every_fault_of_mixed_jsonl(mixed: Any) -> None:
    faults = json.loads((RAW / "MANIFEST.json").read_text())
    listed = next(f for f in faults if f["file"] == "mixed.jsonl")["faults"]
    kept_as_data = {55, 70, 75, 80, 90, 135, 140, 145, 155, 160, 165, 170, 185, 190, 195, 300}
    assert {fault["line"] for fault in listed} <= set(MIXED) | kept_as_data | {105}

    told: dict[int, list[tuple[str, str]]] = {}
    for position, action, reason in mixed.told:
        told.setdefault(int(position.removeprefix("line ")), []).append((action, reason))
    assert told.pop(105) == [("repaired", "invisible_removed"), ("repaired", "normalized_nfc")]
    assert told == {line: [outcome] for line, outcome in MIXED.items()}


def test_mixed_jsonl_reconciles(mixed: Any) -> None:
    rejected = {line for line, (action, _) in MIXED.items() if action == "rejected"}
    kept = [int(row["position"].removeprefix("line ")) for row in mixed.kept]
    assert kept == [line for line in range(1, 301) if line not in rejected]
    assert (len(kept), mixed.rejected) == (284, 16)


def test_what_the_repairs_left(mixed: Any) -> None:
    rows = {int(row["position"].removeprefix("line ")): row for row in mixed.kept}
    assert rows[15]["text"].startswith("“It’s a test”, he said.")
    assert rows[55]["sampler"] == [("temperature", "0.7")]
    assert rows[60]["sampler"] == rows[65]["sampler"] == []
    assert not set("\u200b\u2060\ufeff") & set(rows[85]["text"])
    assert "‘" in rows[61]["text"]
    assert "\u0430" in rows[90]["text"]
    assert rows[95]["text"].startswith("café naïve")
    assert rows[185]["prompt_id"] is None
    assert rows[185]["cluster"].startswith("text-")
    assert (rows[70]["doc_id"], rows[70]["text"]) == (rows[69]["doc_id"], rows[69]["text"])
    assert len(rows[195]["text"]) >= 1_000_000
    assert len(rows[170]["text"]) == 1


def test_a_missing_model_passes_where_nobody_asks_for_models(read: Any) -> None:
    found = read(RAW / "mixed.jsonl", role="model")
    assert ("line 40", "rejected", "model_missing") not in found.told
    assert len(found.kept) == 285


FILES = [
    ("bom_crlf.jsonl", 60, []),
    ("utf16.jsonl", 20, [("", "noted", "encoding")]),
    ("good.jsonl.gz", 250, []),
    ("truncated.jsonl.gz", 148, [("line 149", "rejected", "truncated_gzip")]),
    ("badcrc.jsonl.gz", 250, [("", "noted", "bad_crc")]),
    ("multimember.jsonl.gz", 100, []),
    ("notreally.jsonl.gz", 100, [("", "noted", "not_compressed")]),
    ("empty.jsonl", 0, [("", "noted", "empty_file")]),
    ("empty.jsonl.gz", 0, [("", "noted", "empty_file")]),
    ("unpaired.jsonl", 80, []),
    ("mixed_schema.jsonl", 30, [(f"line {i}", "rejected", "text_missing") for i in range(1, 31)]),
]


@pytest.mark.parametrize(("name", "kept", "told"), FILES)
def test_whole_files(read: Any, name: str, kept: int, told: list[tuple[str, str, str]]) -> None:
    found = read(RAW / name, **BOTH_SIDES)
    assert (len(found.kept), found.told) == (kept, told)
    assert not any("\r" in text or "\ufeff" in text for text in found.texts)


def test_the_damaged_copies_hold_the_rows_of_the_good_one(read: Any) -> None:
    good = read(RAW / "good.jsonl.gz").texts
    assert read(RAW / "badcrc.jsonl.gz").texts == good
    assert read(RAW / "truncated.jsonl.gz").texts == good[:148]


def test_a_truncated_file_ends_the_run_where_that_is_asked_for(read: Any) -> None:
    with pytest.raises(InputError, match=r"truncated\.jsonl\.gz cannot be read"):
        read(RAW / "truncated.jsonl.gz", cleaning=Cleaning(on_unreadable_file="fail"))


@pytest.mark.parametrize(
    ("name", "separated"),
    [("human_essays.txt", 40), ("model_essays_crlf.txt", 40), ("oneline.txt", 1)],
)
def test_essays(read: Any, name: str, separated: int) -> None:
    found = read(RAW / name, document="\n\n\n")
    assert (len(found.kept), found.issues) == (separated, [])
    assert not any("\r" in text or text != text.strip() for text in found.texts)
    assert len(read(RAW / name).kept) == 1


def test_latin_1_needs_to_be_said(read: Any) -> None:
    found = read(RAW / "latin1.txt", document="\n\n\n")
    assert Counter(row["reason"] for row in found.issues) == {"invalid_utf8": 8}
    assert 'encoding = "latin-1"' in found.issues[0]["detail"]
    said = read(RAW / "latin1.txt", document="\n\n\n", encoding="latin-1")
    assert (len(said.kept), said.rejected) == (10, 0)
    assert any("´" in text for text in said.texts)


def test_a_parquet_corpus(read: Any) -> None:
    path = DATA / "jhu_temp.parquet"
    rows = pq.read_metadata(path).num_rows
    columns = {"stratum": "domain", **TEMPERATURE}
    found = read(path, role="model", columns=columns, split_by=["model", "temperature"])
    assert len(found.kept) + found.rejected == rows
    unnamed = [row for row in found.kept if row["corpus"] is None]
    assert (len(unnamed), {row["model"] for row in unnamed}) == (349, {None})
    corpora = {row["corpus"] for row in found.kept} - {None}
    assert len(corpora) == 17 + 6 * 4
    assert {"c/gpt-3.5-turbo/0", "c/gpt-3.5-turbo/0.7", "c/gpt-4/1"} <= corpora
