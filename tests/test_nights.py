"""Nights of a store, without Spark: which profile is current, what is stale, history, pruning."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import cli, history, logs, schema
from dftspark import runs as making_runs
from dftspark.config import Audit
from dftspark.config.nightly import Nightly
from dftspark.errors import ConfigError, EnvironmentProblem, InputError
from dftspark.nights import days, merging, shift
from dftspark.nights.calendar import Nights, days_after, night_name, profile_name, remove, window_of
from dftspark.nights.retention import doomed, prune
from dftspark.progress import Events, Lines
from dftspark.stages import profiling
from dftspark.store.listing import named_runs, runs
from dftspark.store.run import Run, load
from dftspark.store.writer import RunWriter
from tests.stores import vouch

DATES = [f"2026-11-{d:02}" for d in range(1, 21)]


def index(out: Path) -> Nights:
    return Nights.of(str(out), "night")


def profile(out: Path, date: str, **manifest: Any) -> Run:
    name = profile_name("night", date)
    found = {"kind": "profile", "name": "night", "date": date, **manifest}
    return RunWriter.create(str(out), name).publish(
        {"version": index(out).next_version(name), **found}
    )


def metrics(date: str, values: dict[str, float]) -> pa.Table:
    rows = [
        {
            "run_id": "r",
            "date": date,
            "human": "human",
            "model": model,
            "stratum": "",
            "lens": "ngrams",
            "metric": metric,
            "value": value,
            "n_model": 10,
        }
        for model in ("gpt", "llama")
        for metric, value in values.items()
    ]
    return pa.Table.from_pylist(rows, schema=schema.METRICS)


def night(out: Path, date: str, value: float = 1.0, window: int = 3) -> Run:
    """Tables of a date, from the profiles that are current now."""
    name, nights = night_name("night", date), index(out)
    days = {day: run.id for day in window_of(date, window) if (run := nights.profile(day))}
    writer = RunWriter.create(str(out), name)
    writer.write("metrics", metrics(date, {"l2_1gram": value, "l2_2gram": value / 2}))
    return writer.publish(
        {
            "kind": "nightly",
            "name": "night",
            "date": date,
            "profiles": days,
            "version": nights.next_version(name),
            "config": {"nightly": {"window": window}},
        }
    )


def test_windows() -> None:
    assert window_of("2026-03-01", 3) == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert days_after("2026-02-27", 3) == ["2026-02-27", "2026-02-28", "2026-03-01"]


def test_yesterday_is_that_of_the_zone() -> None:
    now = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
    assert Nightly().yesterday(now) == "2026-11-23"
    assert Nightly(time_zone="America/Los_Angeles").yesterday(now) == "2026-11-22"
    assert Nightly(time_zone="Pacific/Auckland").yesterday(now) == "2026-11-23"
    elsewhere = now.astimezone(tz=None)  # whatever zone this machine is in
    assert Nightly(time_zone="Asia/Tokyo").yesterday(elsewhere) == "2026-11-23"
    with pytest.raises(ValueError, match="time_zone is a name such as"):
        Nightly(time_zone="Mars/Olympus")


def test_the_newest_version_of_a_date_is_current(tmp_path: Path) -> None:
    assert index(tmp_path / "none").profile(DATES[0]) is None
    first = profile(tmp_path, DATES[0])
    other = profile(tmp_path, DATES[1])
    second = profile(tmp_path, DATES[0])
    nights = index(tmp_path)
    assert [nights.profile(d).id for d in DATES[:2]] == [second.id, other.id]  # type: ignore[union-attr]
    assert nights.profile(DATES[2]) is None
    assert nights.profiled == DATES[:2]
    assert (first.manifest["version"], second.manifest["version"]) == (1, 2)
    assert load(nights.root / first.id).manifest == first.manifest  # older versions stay readable
    standing = {info.id: info.standing for info in runs(str(tmp_path))}
    assert standing == {first.id: "superseded", second.id: "current", other.id: "current"}


def test_a_clock_that_is_wrong_does_not_make_an_old_version_current(tmp_path: Path) -> None:
    """Ids begin with the time of the machine; versions count."""
    first = profile(tmp_path, DATES[0])
    ahead = f"20991231T000000Z-{first.id.split('-', 1)[1]}"
    (tmp_path / first.id).rename(tmp_path / ahead)
    text = (tmp_path / ahead / "manifest.json").read_text().replace(first.id, ahead)
    (tmp_path / ahead / "manifest.json").write_text(text)
    second = profile(tmp_path, DATES[0])
    found = index(tmp_path).profile(DATES[0])
    assert found is not None
    assert found.id == second.id < ahead


def test_a_run_that_did_not_finish_is_never_current(tmp_path: Path) -> None:
    first = profile(tmp_path, DATES[0])
    RunWriter.create(str(tmp_path), profile_name("night", DATES[0]))
    found = index(tmp_path).profile(DATES[0])
    assert found is not None
    assert found.id == first.id
    assert index(tmp_path).next_version(profile_name("night", DATES[0])) == 2


def test_two_writers_of_one_date(tmp_path: Path) -> None:
    """Both began before either was published: one of them is current, whole, for every reader."""
    name = profile_name("night", DATES[0])
    writers = [RunWriter.create(str(tmp_path), name) for _ in range(2)]
    version = index(tmp_path).next_version(name)
    both = [
        writer.publish({"kind": "profile", "name": "night", "date": DATES[0], "version": version})
        for writer in writers
    ]
    ids = {run.id for _ in range(5) if (run := index(tmp_path).profile(DATES[0]))}
    assert len(ids) == 1
    assert ids < {run.id for run in both}
    assert [info.standing for info in runs(str(tmp_path))].count("current") == 1
    assert profile(tmp_path, DATES[0]).manifest["version"] == 2


def test_taking_a_date_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2026-11-01 of 'night' cannot be taken out: it has no"):
        remove(str(tmp_path), "night", DATES[0])
    first = profile(tmp_path, DATES[0])
    mark = remove(str(tmp_path), "night", DATES[0], "a request")
    assert (mark.manifest["removed"], mark.manifest["version"]) == (first.id, 2)
    assert index(tmp_path).profile(DATES[0]) is None
    assert index(tmp_path).is_removed(DATES[0])
    with pytest.raises(InputError, match="taken out already"):
        remove(str(tmp_path), "night", DATES[0])
    again = profile(tmp_path, DATES[0])
    assert index(tmp_path).profile(DATES[0]).id == again.id  # type: ignore[union-attr]
    assert not index(tmp_path).is_removed(DATES[0])


def test_nights_that_had_another_profile_are_stale(tmp_path: Path) -> None:
    for date in DATES[:6]:
        profile(tmp_path, date)
        night(tmp_path, date)
    nights = index(tmp_path)
    assert nights.dates == DATES[:6]
    assert nights.stale(DATES[2], 3) == []
    profile(tmp_path, DATES[2])
    assert index(tmp_path).stale(DATES[2], 3) == DATES[2:5]
    night(tmp_path, DATES[3])
    assert index(tmp_path).stale(DATES[2], 3) == [DATES[2], DATES[4]]
    remove(str(tmp_path), "night", DATES[4])
    assert index(tmp_path).stale(DATES[4], 3) == DATES[4:6]


def test_looking_up_a_date_reads_its_manifests_alone(tmp_path: Path) -> None:
    """History is listed, never read: what is broken in it is somebody else's business."""
    profile(tmp_path, DATES[0])
    broken = profile(tmp_path, DATES[1])
    (tmp_path / broken.id / "manifest.json").write_text("{")
    nights = index(tmp_path)
    assert nights.profile(DATES[0]) is not None
    assert nights.damaged(profile_name("night", DATES[0])) == []
    assert nights.profile(DATES[1]) is None
    assert nights.damaged(profile_name("night", DATES[1])) == [broken.id]


def test_a_profile_of_an_older_format(tmp_path: Path) -> None:
    run = profile(tmp_path, DATES[0])
    path = tmp_path / run.id / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 0}))
    with pytest.raises(InputError, match="has format version 0; this dftspark reads 1"):
        index(tmp_path).profile(DATES[0])


# --- history -------------------------------------------------------------------------------------


def test_the_history_of_a_metric(tmp_path: Path) -> None:
    for i, date in enumerate(DATES):
        night(tmp_path, date, float(i))
    night(tmp_path, DATES[4], 100.0)  # a rerun
    out = str(tmp_path)
    columns = ["date", "value"]
    found = history(out, "l2_1gram", model="gpt", columns=columns)
    assert found.column_names == columns
    values = [100.0 if i == 4 else float(i) for i in range(20)]
    assert found.to_pylist() == [
        {"date": date, "value": value} for date, value in zip(DATES, values, strict=True)
    ]
    assert history(out, "l2_2gram", since=DATES[3], until=DATES[4]).num_rows == 4
    assert history(out).num_rows == 20 * 4
    assert history(out, "l2_1gram", name="night").num_rows == 40


def test_history_of_nights_of_an_older_schema(tmp_path: Path) -> None:
    """A column that came later is null in the nights before."""
    night(tmp_path, DATES[0])
    old = night(tmp_path, DATES[1])
    file = tmp_path / old.id / "metrics.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["mde"]), file)
    vouch(old)
    found = history(str(tmp_path), "l2_1gram", model="gpt")
    assert found.schema.names == schema.METRICS.names
    assert found["mde"].to_pylist() == [None, None]
    assert found["value"].to_pylist() == [1.0, 1.0]


def test_a_store_of_several_audits_is_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no night and no audit is there"):
        history(str(tmp_path), "l2_1gram")
    night(tmp_path, DATES[0])
    other = RunWriter.create(str(tmp_path), night_name("other", DATES[0]))
    other.publish({"version": 1, "kind": "nightly"})
    with pytest.raises(ConfigError, match="several audits, \\['night', 'other'\\]"):
        history(str(tmp_path), "l2_1gram")
    with pytest.raises(ConfigError, match="there is no table 'metric'"):
        history(str(tmp_path), "l2_1gram", table="metric", name="night")


# --- pruning -------------------------------------------------------------------------------------


@pytest.fixture
def year(tmp_path: Path) -> Path:
    """Ten nights, one of them again, a killed run and an audit of another kind."""
    for date in DATES[:10]:
        profile(tmp_path, date)
        night(tmp_path, date)
    profile(tmp_path, DATES[9])
    night(tmp_path, DATES[9])
    RunWriter.create(str(tmp_path), profile_name("night", DATES[9]))
    RunWriter.create(str(tmp_path), "night").publish({"kind": "audit"})
    return tmp_path


def names(out: Path, ids: list[str]) -> list[str]:
    named = dict(named_runs(index(out).root))
    return sorted(named[run_id] for run_id in ids)


LATER = datetime.now(UTC) + timedelta(days=2)


def test_what_may_go(year: Path) -> None:
    out = str(year)
    assert doomed(out) == []
    old = doomed(out, keep_days=4, now=LATER)
    assert names(year, [run.id for run in old]) == [profile_name("night", d) for d in DATES[:6]]
    (night_before, profile_before) = sorted(
        names(year, [run.id for run in doomed(out, superseded=True, now=LATER)])
    )
    assert (night_before, profile_before) == (
        night_name("night", DATES[9]),
        profile_name("night", DATES[9]),
    )
    (killed,) = doomed(out, unfinished=True, now=LATER)
    assert killed.why == "never finished"
    assert doomed(out, keep_days=4, superseded=True, unfinished=True) == []  # all of it is new


def test_what_the_next_night_needs_stays(year: Path) -> None:
    with pytest.raises(ConfigError, match="merges 3 days"):
        doomed(str(year), keep_days=2)
    before = {info.id for info in runs(str(year))}
    going = doomed(str(year), keep_days=3, superseded=True, unfinished=True, now=LATER)
    prune(str(year), going)
    left = {info.id for info in runs(str(year))}
    assert left == before - {run.id for run in going}
    nights = index(year)
    assert [date for date in DATES if nights.profile(date)] == DATES[7:10]
    assert history(str(year), "l2_1gram", model="gpt").num_rows == 10  # the results stay
    assert all(info.standing in ("current", "") for info in runs(str(year)))


def test_an_old_date_goes_with_all_its_versions(tmp_path: Path) -> None:
    """Else what a later version put right would hold again."""
    for date in [DATES[0], *DATES[:5]]:
        profile(tmp_path, date)
        night(tmp_path, date)
    going = doomed(str(tmp_path), keep_days=4, now=LATER)
    assert names(tmp_path, [run.id for run in going]) == [profile_name("night", DATES[0])] * 2
    first, second = index(tmp_path).ids[profile_name("night", DATES[0])]
    current = index(tmp_path).profile(DATES[0])
    assert current is not None
    assert going[-1].id == ({first, second} - {current.id}).pop()  # the last of these goes first
    prune(str(tmp_path), going)
    assert index(tmp_path).profile(DATES[0]) is None


def test_half_a_deletion_leaves_nothing_that_looks_whole(
    year: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = doomed(str(year), keep_days=3, now=LATER)[:1]
    (year / going[0].id / "manifest.json").unlink()  # where a kill would leave it
    assert {info.id: info.state for info in runs(str(year))}[going[0].id] == "unfinished"
    prune(str(year), going)
    assert not (year / going[0].id).exists()


# --- the command line ----------------------------------------------------------------------------


def test_commands_that_need_no_spark(year: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(year)
    assert cli.main(["history", "l2_1gram", out, "--model", "gpt", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["date"] for row in rows] == DATES[:10]
    assert cli.main(["history", "l2_9gram", out]) == 2
    assert "no night" in capsys.readouterr().err
    assert cli.main(["runs", out]) == 0
    told = capsys.readouterr().out
    assert told.count("superseded, version 1") == 2
    assert "current, version 2" in told
    assert cli.main(["prune", out]) == 2
    assert "say what may go" in capsys.readouterr().err
    for hours in ("1e308", "1e8", "nan", "inf"):
        assert cli.main(["prune", out, "--superseded", "--hours", hours]) == 2
        assert "--hours" in capsys.readouterr().err
    before = sorted(path.name for path in year.iterdir())
    assert cli.main(["prune", out, "--superseded", "--hours", "0"]) == 0
    assert "2 runs, 0.0 MiB would go; --yes deletes" in capsys.readouterr().out
    assert sorted(path.name for path in year.iterdir()) == before
    assert cli.main(["prune", out, "--superseded", "--hours", "0", "--yes"]) == 0
    assert len(list(year.iterdir())) == len(before) - 2


def test_taking_out_by_command(year: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No Spark is started for it; the nights that had the date are named."""
    conf = year / "night.toml"
    conf.write_text(
        f'name = "night"\nout = "{year}"\n[nightly]\nwindow = 3\n'
        '[corpora.human]\nrole = "human"\npath = "h"\n'
        '[corpora.gpt]\nrole = "model"\npath = "{date}"\n'
    )
    command = ["nightly", str(conf), "--date", DATES[4], "--remove", "--log", "json"]
    assert cli.main(command) == 0
    told = capsys.readouterr()
    assert Path(told.out.strip()).parent == year
    (event,) = (json.loads(line) for line in told.err.splitlines())
    assert (event["event"], event["nights"]) == ("stale", DATES[4:7])
    assert cli.main(command) == 4
    told = capsys.readouterr()
    (event,) = (json.loads(line) for line in told.err.splitlines())
    assert (event["event"], event["kind"], event["exit_code"]) == ("error", "InputError", 4)
    for wrong in ("soon", "2023-02-29", "20240229", "0001-01-01", "9999-12-31", "../up"):
        assert cli.main(["nightly", str(conf), "--date", wrong, "--remove"]) == 2
        assert f"a day as YYYY-MM-DD, got '{wrong}'" in capsys.readouterr().err


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Events()
    with logs.configured(logs.LogKind.JSON):
        with shown.stage("read", 10, "texts") as stage:
            stage.advance(4)
        with pytest.raises(InputError), shown.stage("compare"):
            raise InputError("no")
        shown.say("published", run="x\n")
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == [
        "stage_started",
        "stage_done",
        "stage_started",
        "stage_failed",
        "published",
    ]
    assert (events[1]["stage"], events[1]["done"], events[1]["total"]) == ("read", 4, 10)
    assert datetime.fromisoformat(events[0]["time"]).tzinfo == UTC


class Stop(Exception):
    """The merge has begun."""


def test_a_date_that_is_taken_out_while_another_is_profiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(tmp_path, DATES[0])
    seen: list[bool] = []
    no_spark: Any = None

    def window(*given: Any) -> None:
        seen.append(given[4].is_removed(DATES[0]))
        raise Stop

    for module, name in ((days, "reference"), (profiling, "check"), (merging, "check_window")):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
    monkeypatch.setattr(days, "profile_day", lambda *_: remove(str(tmp_path), "night", DATES[0]))
    monkeypatch.setattr(merging, "window", window)
    with pytest.raises(Stop):
        making_runs.nightly(no_spark, nightly_audit(tmp_path), DATES[1])
    assert seen == [True]


# --- what is said of a night ---------------------------------------------------------------------


def nightly_audit(out: Path) -> Audit:
    return Audit.parse(
        {
            "name": "night",
            "out": str(out),
            "corpora": {
                "human": {"role": "human", "path": "h"},
                "gpt": {"role": "model", "path": "{date}"},
            },
        },
        "the test",
    )


def told(
    out: Path, junit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> list[str]:
    """What the webhook was asked to tell of a night whose checks are written to `junit` too."""
    config = nightly_audit(out)
    checks = {"outcome": "pass", "counts": {}, "said": []}
    run = RunWriter.create(str(out), night_name("night", DATES[0])).publish(
        {"date": DATES[0], "checks": checks, "missing": DATES[1:2], "removed": []}
    )
    heard: list[str] = []
    monkeypatch.setattr(making_runs, "nightly", lambda *_, **__: run)

    def tell(told_of: Run, _: str) -> str:
        heard.append(told_of.id)
        return ""

    monkeypatch.setattr(shift, "tell", tell)
    order = shift.Order(DATES[0], junit=junit)
    with caplog.at_level("INFO", "dftspark.progress"), suppress(EnvironmentProblem):
        shift._one(None, config, order, DATES[0], True, Events(), [])
    (record,) = caplog.records
    assert vars(record)["values"]["missing"] == DATES[1:2]
    return [run_id for run_id in heard if run_id == run.id]


def test_a_night_without_rules_writes_an_empty_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    junit = tmp_path / "night.xml"
    assert told(tmp_path / "runs", junit, monkeypatch, caplog)
    assert 'tests="0"' in junit.read_text()


def test_the_webhook_hears_of_a_night_whose_junit_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(tmp_path / "runs", tmp_path / "none" / "night.xml", monkeypatch, caplog)


def test_what_a_person_reads_of_a_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = {"outcome": "warn", "counts": {"warn": 1}, "said": ["far, gpt: 3, at most 2: outside"]}
    run = RunWriter.create(str(tmp_path), night_name("night", DATES[0])).publish(
        {
            "name": "night",
            "date": DATES[0],
            "checks": checks,
            "missing": DATES[1:3],
            "headline": "about 46 give gpt away by words",
        }
    )
    monkeypatch.setattr(making_runs, "nightly", lambda *_, **__: run)
    monkeypatch.setenv("DFTSPARK_ALERTS", "strange://address")
    shift._one(None, nightly_audit(tmp_path), shift.Order(DATES[0]), DATES[0], True, Lines(), [])
    said = capsys.readouterr()
    assert said.out == f"{run.path}\n"
    assert said.err.splitlines() == [
        f"night {DATES[0]}: about 46 give gpt away by words",
        "rules: warn; far, gpt: 3, at most 2: outside",
        f"days of the window without a profile: {DATES[1]}, {DATES[2]}",
        "alerts: not told: address 1 of DFTSPARK_ALERTS is none that Apprise knows",
        f"to look at it: dftspark show {run.path}",
    ]
