"""Comparing again: the configuration is held against what the profile was made with, before Spark
is asked for anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import ConfigError, DamagedRun
from dftspark.lenses.ngrams import spark_profile as ngrams
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.stages.profiling import Profile
from dftspark.stages.stored import stored_profile
from dftspark.state import encode_arrays
from dftspark.store.integrity import naming_damage
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter
from tests.lenses.ngrams import test_profile_files

pytestmark = pytest.mark.spark

CORPORA: dict[str, dict[str, Any]] = {
    "human": {"role": "human", "path": "h.jsonl", "columns": {"doc_id": "id"}},
    "gpt": {"role": "model", "path": "s3a://KEY:se/cr+et@bucket/gpt"},
}


def config(**settings: Any) -> Audit:
    document = {"lenses": ["ngrams"], "corpora": CORPORA, "ngrams": {"orders": [1, 2]}, **settings}
    return Audit.parse(document, "the test")


def profiled(out: Path, made: Audit | None = None, by: Audit | None = None) -> Run:
    """A profile as `made` says, whose rows say that they were made `by`."""
    made = made or config()
    text = ngrams.fingerprint(by or made)
    writer = RunWriter.create(str(out), "profile")
    rows = [
        {
            **row,
            "corpus": corpus,
            "sketch": encode_arrays(),
            "fingerprint": NgramCounts(n=n, text=text).fingerprint,
        }
        for corpus, side in (("human", "human"), ("gpt", "model"))
        for n in made.ngrams.orders
        for row in test_profile_files.rows(side, n, 1)
    ]
    folder = Path(writer.table_path("profile").removeprefix("file:"))
    folder.mkdir()
    for part in range(2):
        own = pa.Table.from_pylist(rows[part::2], schema=schema.PROFILE)
        pq.write_table(own, folder / f"part-{part}.parquet", row_group_size=1)
    phrases = writer.table_path("phrases").removeprefix("file:")
    pq.write_table(schema.PHRASES.empty_table(), phrases)
    return writer.publish(
        {
            "kind": "profile",
            "name": "audit",
            "date": "",
            "config": made.model_dump(mode="json"),
            "shared_clusters": {},
            "key_ranges": test_profile_files.RANGES,
        }
    )


def opened(asked: Audit, run: Run) -> Profile:
    return stored_profile(MagicMock(), asked, run)


def test_the_configuration_of_the_profile_is_taken(tmp_path: Path) -> None:
    run = profiled(tmp_path)
    for asked in (
        config(),
        config().on("2026-11-22"),
        config(inference={"seed": 3}, report={"page": False}, out="elsewhere", name="other"),
        config(ngrams={"orders": [2], "table_rows": 20}),
        config(cleaning={"max_reject_share": 0.5}, embedding={"embedder": "static"}),
    ):
        found = opened(asked, run)
        assert set(found.ngrams.fingerprints) == {1, 2}
        assert found.ngrams.fingerprints[2].startswith("ngram_counts-v1(n=2, text='words-v1")


RENAMED = {"web": CORPORA["human"], "gpt": CORPORA["gpt"]}
EXCHANGED = {
    "human": {**CORPORA["human"], "role": "model"},
    "gpt": {**CORPORA["gpt"], "role": "human"},
}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"tokens": {"lowercase": True}},
            ["tokens.lowercase: the profile false, the configuration true"],
        ),
        (
            {"cleaning": {"normalize": "none"}},
            ['cleaning.normalize: the profile "NFC", the configuration "none"'],
        ),
        (
            {"ngrams": {"orders": [1, 2, 3, 5]}},
            ["the profile has [1, 2], the configuration [1, 2, 3, 5]; nothing of order 3, 5 was"],
        ),
        ({"ngrams": {"orders": [1, 2], "sketch_width": 256}}, ["ngrams.sketch_width: the profile"]),
        ({"ngrams": {"orders": [1, 2], "phrases": 9_000}}, ["ngrams.phrases: the profile 5000"]),
        (
            {"corpora": RENAMED},
            [
                "the profile has gpt (model), human (human)",
                "the configuration gpt (model), web (human)",
            ],
        ),
        (
            {"corpora": EXCHANGED},
            [
                "the profile has gpt (model), human (human)",
                "the configuration gpt (human), human (model)",
            ],
        ),
        ({"corpora": {**CORPORA, "more": {"role": "model", "path": "m"}}}, ["more (model)"]),
        (
            {"corpora": {**CORPORA, "gpt": {"role": "model", "path": "other.jsonl"}}},
            ['gpt.path: the profile ["s3a://***@bucket/gpt"], the configuration ["other.jsonl"]'],
        ),
        (
            {"corpora": {**CORPORA, "gpt": {**CORPORA["gpt"], "filter": "length(text) > 9"}}},
            ["corpora.gpt.filter: the profile null"],
        ),
        (
            {"lenses": ["ngrams", "structure"]},
            ["the profile has nothing of 'structure'; without it, lenses = ['ngrams']"],
        ),
    ],
)
def test_another_configuration_is_refused_with_its_values(
    tmp_path: Path, settings: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(config(**settings), profiled(tmp_path))
    for part in (*words, "manifest.json", "dftspark profile CONF"):
        assert part in str(caught.value)
    assert "se/cr" not in str(caught.value)


def test_rows_of_another_fingerprint_are_refused(tmp_path: Path) -> None:
    """As an older version leaves them, whatever the settings were called."""
    run = profiled(tmp_path, by=config(tokens={"lowercase": True}))
    with pytest.raises(ConfigError, match=r"n-grams of order 1: the profile ngram_counts-v1\("):
        opened(config(), run)


def test_a_profile_that_lost_a_part_is_not_compared(tmp_path: Path) -> None:
    run = profiled(tmp_path)
    (Path(run.path) / "profile.parquet" / "part-1.parquet").unlink()
    with pytest.raises(DamagedRun, match="table profile is damaged") as caught:
        opened(config(), run)
    assert "anew from the documents: dftspark profile CONF" in str(caught.value)


def test_a_task_reads_the_parts_that_were_checked_or_fails(tmp_path: Path) -> None:
    found = opened(config(), profiled(tmp_path))
    paths = found.ngrams.files.paths
    assert [Path(path).name for path in paths] == ["part-0.parquet", "part-1.parquet"]
    Path(paths[0]).unlink()
    with pytest.raises(FileNotFoundError, match="has no Parquet file"):
        type(found.ngrams.files)(paths)


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    run = profiled(tmp_path)
    with pytest.raises(ZeroDivisionError), naming_damage([run]):
        raise ZeroDivisionError  # the profile is whole: it is no matter of it
    broken = profiled(tmp_path / "broken")
    part = Path(broken.path) / "profile.parquet" / "part-0.parquet"
    rows = pq.read_table(part).to_pylist()
    totals = encode_arrays()[:-1]
    pq.write_table(
        pa.Table.from_pylist([{**row, "totals": totals} for row in rows], schema=schema.PROFILE),
        part,
    )
    with pytest.raises(DamagedRun, match=r"profile.*cannot be used"), naming_damage([broken]):
        raise ValueError("what Spark says")
