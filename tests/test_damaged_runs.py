"""One garbled manifest among many: what it costs, and what it must not."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli, history
from dftspark.config import Audit
from dftspark.errors import ConfigError, DamagedRun
from dftspark.nights import merging
from dftspark.nights.calendar import night_name, profile_name, reference_name, remove
from dftspark.nights.retention import doomed, prune
from dftspark.store.listing import open_run, runs
from dftspark.store.run import Run, load
from dftspark.store.writer import RunWriter
from tests.stores import garble, published, states
from tests.test_nights import DATES, index, night, profile

LATER = datetime.now(UTC) + timedelta(days=2)


def rewritten(run: Run, **values: Any) -> None:
    """The manifest with other values; None takes a key away."""
    document = {k: v for k, v in {**run.manifest, **values}.items() if v is not None}
    (Path(run.path) / "manifest.json").write_text(json.dumps(document))


GARBLED: list[dict[str, Any]] = [
    {"created_at": None},
    {"created_at": "yesterday"},
    {"created_at": "2026-11-22"},
    {"created_at": 7},
    {"run_id": "20261122T010000Z-other-1a2b3c"},
    {"tables": None},
    {"tables": []},
    {"tables": {"metrics": 3}},
    {"tables": {"metrics": {"rows": "many"}}},
    {"page": "report.html"},
    {"version": "2"},
    {"checks": [1]},
    {"checks": {"counts": [1]}},
    {"config": []},
    {"config": {"corpora": 7}},
    {"corpora": 3},
    {"format_version": "1"},
]


@pytest.mark.parametrize("values", GARBLED, ids=repr)
def test_no_garbled_manifest_makes_a_store_unlistable(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    whole, broken = published(tmp_path, "whole"), published(tmp_path, "broken")
    rewritten(broken, **values)
    assert {info.id: info.state for info in runs(str(tmp_path))} == {
        whole.id: "finished",
        broken.id: "damaged",
    }
    assert open_run(str(tmp_path)).id == whole.id
    with pytest.raises(DamagedRun, match="is not a run's manifest"):
        open_run(str(tmp_path), broken.id)
    assert [run.id for run in doomed(str(tmp_path), damaged=True, now=LATER)] == [broken.id]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, bytes(100)])
def test_nor_do_bytes_that_are_none(tmp_path: Path, data: bytes) -> None:
    published(tmp_path, "whole")
    (Path(published(tmp_path, "broken").path) / "manifest.json").write_bytes(data)
    (tmp_path / "99999999T999999Z-audit-1a2b3c").mkdir()  # an id of no time: somebody's folder
    assert sorted(states(tmp_path)) == ["damaged", "finished"]


def test_what_is_passed_over_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    published(tmp_path)
    broken = published(tmp_path, "broken")
    garble(broken)
    with caplog.at_level(logging.WARNING):
        open_run(str(tmp_path))
    assert f"passed over: {broken.path}/manifest.json is not a run's manifest" in caplog.text


def test_the_command_offers_damaged_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken, newer = (published(tmp_path, name) for name in ("a", "b", "c"))
    garble(broken)
    rewritten(newer, format_version=2)
    assert cli.main(["prune", str(tmp_path), "--damaged", "--hours", "0"]) == 0
    told = capsys.readouterr().out
    assert f"{broken.id}  damaged: {broken.path}/manifest.json" in told
    assert newer.id not in told  # another dftspark reads it
    assert cli.main(["prune", str(tmp_path), "--damaged", "--hours", "0", "--yes"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([whole.id, newer.id])


# --- nights --------------------------------------------------------------------------------------


def test_a_date_whose_profile_is_damaged_can_be_done_again(tmp_path: Path) -> None:
    first = profile(tmp_path, DATES[0])
    second = again(tmp_path, DATES[0])
    garble(second)
    name, nights = profile_name("night", DATES[0]), index(tmp_path)
    assert nights.profile(DATES[0]) is None, "an older version does not hold without a word"
    assert nights.damaged(name) == [second.id]
    third = again(tmp_path, DATES[0])
    assert third.manifest["version"] == 3
    assert third.manifest["numbered_above"] == sorted([first.id, second.id])
    found = index(tmp_path).profile(DATES[0])
    assert found is not None
    assert found.id == third.id
    assert index(tmp_path).damaged(name) == []
    assert again(tmp_path, DATES[0]).manifest["version"] == 4


def again(out: Path, date: str) -> Run:
    """A profile as days.profile_day publishes it."""
    name = profile_name("night", date)
    found = {"kind": "profile", "name": "night", "date": date, **index(out).numbered(name)}
    return RunWriter.create(str(out), name).publish(found)


def test_an_old_damaged_version_costs_nothing(tmp_path: Path) -> None:
    first, second = again(tmp_path, DATES[0]), again(tmp_path, DATES[0])
    garble(first)
    found = index(tmp_path).profile(DATES[0])
    assert found is not None
    assert found.id == second.id
    standing = {info.id: info.standing for info in runs(str(tmp_path))}
    assert standing == {first.id: "", second.id: "current"}


def test_documents_that_were_taken_out_do_not_come_back(tmp_path: Path) -> None:
    """Where the mark is damaged; and not by pruning it."""
    again(tmp_path, DATES[0])
    mark = remove(str(tmp_path), "night", DATES[0])
    garble(mark)
    assert index(tmp_path).profile(DATES[0]) is None
    assert doomed(str(tmp_path), damaged=True, superseded=True, now=LATER) == []
    assert [info.standing for info in runs(str(tmp_path))] == ["", ""]
    again_out = remove(str(tmp_path), "night", DATES[0])
    assert again_out.manifest["removed"] == mark.id
    assert index(tmp_path).is_removed(DATES[0])
    going = doomed(str(tmp_path), damaged=True, now=LATER)
    assert [run.id for run in going] == [mark.id]
    prune(str(tmp_path), going)
    assert index(tmp_path).is_removed(DATES[0])


def test_the_command_says_what_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again(tmp_path, DATES[0])
    garble(broken := again(tmp_path, DATES[0]))
    assert cli.main(["prune", str(tmp_path), "--damaged", "--hours", "0", "--yes"]) == 0
    assert f"{broken.id}  damaged, and stays until its date is done" in capsys.readouterr().out
    assert (tmp_path / broken.id).exists()


def audit(out: Path, **settings: Any) -> Audit:
    corpora = {"human": {"role": "human", "path": "h"}, "gpt": {"role": "model", "path": "{date}"}}
    document = {
        "name": "night",
        "out": str(out),
        "lenses": ["ngrams"],
        "corpora": corpora,
        "nightly": {"window": 3},
        **settings,
    }
    return Audit.parse(document, "the test")


def test_the_nights_around_a_damaged_date_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = audit(tmp_path)
    no_spark: Any = None
    prints = {"text": "words"}
    made = [profile(tmp_path, date, fingerprints=prints) for date in DATES[:3]]
    name = reference_name("night")
    human = RunWriter.create(str(tmp_path), name).publish(
        {"kind": "reference", "date": "", "fingerprints": prints, **index(tmp_path).numbered(name)}
    )
    garble(made[1])
    monkeypatch.setattr(merging, "check_files", lambda *_: None)
    monkeypatch.setattr(merging, "fingerprints", lambda *_: prints)
    nights = index(tmp_path)
    merging.check_window(no_spark, config, DATES[2], nights)
    found = merging.window(no_spark, config, DATES[2], human, nights)
    assert list(found.days) == [DATES[0], DATES[2]]
    assert (found.damaged, found.missing) == ((DATES[1],), ())
    assert found.manifest["damaged"] == [DATES[1]]


def test_a_damaged_reference_is_profiled_again(tmp_path: Path) -> None:
    name = reference_name("night")

    def reference() -> Run:
        found = {"kind": "reference", **index(tmp_path).numbered(name)}
        return RunWriter.create(str(tmp_path), name).publish(found)

    first = reference()
    garble(reference())
    assert index(tmp_path).reference is None
    kept = index(tmp_path).readable(name)
    assert kept is not None
    assert kept.id == first.id  # whose random features the new one keeps
    third = reference()
    assert third.manifest["version"] == 3
    assert index(tmp_path).reference == third


def test_history_passes_over_a_damaged_night(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    night(tmp_path, DATES[0], 1.0)
    night(tmp_path, DATES[1], 2.0)
    garble(broken := night(tmp_path, DATES[1], 3.0))
    found = history(str(tmp_path), "l2_1gram", model="gpt", columns=["date", "value"])
    assert found.to_pylist() == [{"date": DATES[0], "value": 1.0}]
    assert broken.id in caplog.text
    assert index(tmp_path).stale(DATES[1], 3) == [DATES[1]]


def test_history_names_a_damaged_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    night(tmp_path, DATES[0])
    broken = night(tmp_path, DATES[1])
    (Path(broken.path) / "metrics.parquet").unlink()
    assert cli.main(["history", "l2_1gram", str(tmp_path)]) == 4
    assert f"{broken.id}/metrics.parquet" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["k.2026-01-01", "k.2026-01-01.profile", "k.reference"])
def test_names_of_nights_are_no_names_of_audits(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"runs of the nightly audit NAME; take another name"):
        audit(tmp_path, name=name)
    for other in ("k.2026", "reference", "k-2026-01-01", "k.references", "2026-01-01"):
        assert audit(tmp_path, name=other).name == other


def test_audits_that_have_such_a_name_are_no_nights(tmp_path: Path) -> None:
    """As they may be in a store of before."""
    for name in (
        night_name("night", DATES[0]),
        profile_name("night", DATES[0]),
        reference_name("night"),
    ):
        RunWriter.create(str(tmp_path), name).publish({"kind": "audit", "name": name})
    nights = index(tmp_path)
    assert (nights.night(DATES[0]), nights.profile(DATES[0]), nights.reference) == (None,) * 3
    own = profile(tmp_path, DATES[0])
    assert own.manifest["version"] == 1
    assert load(nights.root / own.id).id == index(tmp_path).profile(DATES[0]).id  # type: ignore[union-attr]
