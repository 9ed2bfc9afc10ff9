"""Nights: what merges equals a recount, what is redone equals what was never wrong, and faults."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest

from dftspark import cli, history, runs, schema
from dftspark.checks.readings import JUNIT
from dftspark.errors import ConfigError, EnvironmentProblem, InputError, UnlikeProfiles
from dftspark.lenses.ngrams import stored_wholes as document_states
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.lenses.ngrams.statistic_counts import NgramCounts, NgramRows
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.nights import alerts, calendar
from dftspark.state import encode_arrays
from dftspark.store.listing import runs as listed
from dftspark.store.run import Run
from tests.spark import processes
from tests.spark.nights import DATES, Killed, KilledAt, audit, corpora, said, write
from tests.stores import vouch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

RULES = [
    {"name": "pairs", "metric": "l2_2gram", "above": 1e-9, "min_documents": 70},
    {"name": "far", "metric": "l2_1gram", "above": 1e9, "min_documents": 10},
    {
        "name": "worth",
        "phrase": "worth noting",
        "above": 1.0,
        "severity": "warn",
        "min_documents": 10,
    },
    {
        "name": "contrast",
        "pattern": "contrast_not_only",
        "above": 1e9,
        "nights": 2,
        "min_documents": 10,
    },
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def year(spark: SparkSession, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two nights. Tests that change it take a copy."""
    out = tmp_path_factory.mktemp("store")
    for date in DATES[:2]:
        runs.nightly(spark, audit(folder, out), date)
    return out


@pytest.fixture
def store(year: Path, tmp_path: Path) -> Path:
    """A copy of the store, at the same state."""
    shutil.copytree(year, tmp_path / "store")
    return tmp_path / "store"


def index(out: Path) -> calendar.Nights:
    return calendar.Nights.of(str(out), "night")


def profile(out: Path, date: str) -> Run:
    found = index(out).profile(date)
    assert found is not None
    return found


def night(out: Path, date: str) -> Run:
    found = index(out).night(date)
    assert found is not None
    return found


# --- exactness -----------------------------------------------------------------------------------


def merged(of: list[Run]) -> dict[tuple[Any, ...], list[bytes]]:
    """States of some runs, merged and encoded, by corpus and what else tells them apart."""
    grams: dict[tuple[Any, ...], list[NgramRows]] = {}
    sums: dict[tuple[Any, ...], StructureSums] = {}
    for run in of:
        for row in run.table("profile").to_pylist():
            key = tuple(row[name] for name in ("corpus", "stratum", "n", "part"))
            if row["n"] == schema.WHOLE:
                continue
            grams.setdefault(key, []).append(NgramRows.decode(row["state"]))
        for row in run.table("structure").to_pylist():
            key, state = (row["corpus"], row["stratum"]), StructureSums.decode(row["state"])
            sums[key] = Structure().merge(sums[key], state) if key in sums else state
    found = {
        key: [NgramCounts(n=key[2]).merge_all(states).encode()] for key, states in grams.items()
    }
    wholes = document_states.read(ProfileFiles(run.table_path("profile") for run in of))
    return {
        **found,
        **{key: [state.encode()] for key, state in sums.items()},
        **{
            (*key, "wholes"): [own.surface.encode(), own.sketch.encode()]
            for key, own in wholes.items()
        },
    }


def test_merged_days_equal_one_pass_over_their_documents(
    spark: SparkSession, folder: Path, year: Path, tmp_path: Path
) -> None:
    """Of gpt, whose prompts are each of one day: every state bit for bit."""
    whole = tmp_path / "texts" / DATES[0]
    whole.mkdir(parents=True)
    shutil.copy(folder / "human.jsonl", whole.parent)
    rows = [
        json.loads(line)
        for date in DATES[:2]
        for line in (folder / date / "gpt.jsonl").read_text().splitlines()
    ]
    text = "".join(json.dumps({**row, "id": str(i)}) + "\n" for i, row in enumerate(rows))
    (whole / "gpt.jsonl").write_text(text)
    write(whole / "llama.jsonl", 1, 0)
    config = audit(whole.parent, tmp_path / "out")
    runs.nightly(spark, config, DATES[0])
    recount = merged([profile(tmp_path / "out", DATES[0])])
    added = merged([profile(year, date) for date in DATES[:2]])
    own = [key for key in recount if key[0] == "gpt"]
    assert len(own) == 2 * 2 + 2  # orders x key ranges, structure, and documents as wholes
    assert all(added[key] == recount[key] for key in own)


def test_a_night_says_what_it_merged(year: Path) -> None:
    last = night(year, DATES[1])
    assert last.manifest["kind"] == "nightly"
    assert last.manifest["profiles"] == {date: profile(year, date).id for date in DATES[:2]}
    assert night(year, DATES[0]).manifest["missing"] == ["2026-10-31"]
    rows = {row["corpus"]: row for row in last.table("corpora").to_pylist()}
    assert [rows[name]["documents"] for name in ("gpt", "human", "llama")] == [80, 40, 60]
    assert [rows[name]["clusters"] for name in ("gpt", "human", "llama")] == [80, 40, 30]
    assert last.manifest["shared_clusters"] == {"llama": 30}
    assert last.manifest["returning"] == ["llama"]
    assert "returning" not in night(year, DATES[0]).manifest
    n_model = {row["model"]: row["n_model"] for row in last.table("metrics").to_pylist()}
    assert n_model == {"gpt": 80, "llama": 60}
    compared = {row["model"]: row["n_model"] for row in last.table("comparability").to_pylist()}
    assert compared == n_model
    assert all(row["copies_effect"] >= 1 for row in rows.values())
    assert last.manifest["copies"]["gpt"]["effect"] == rows["gpt"]["copies_effect"]
    stages = profile(year, DATES[1]).manifest["stages"]
    assert stages["read"]["rows_in"] == 70
    assert stages["count"]["bytes"] > 0
    assert all(stage["seconds"] >= 0 for stage in stages.values())


def test_every_listed_ngram_has_its_text(year: Path) -> None:
    rows = night(year, DATES[1]).table("ngrams").to_pylist()
    remainder = [row for row in rows if row["text"] is None]
    assert len(remainder) == 2 * 2  # one an order and model
    assert all(row["count_human"] is not None for row in rows)


def test_the_human_side_is_profiled_once(year: Path) -> None:
    kinds = [info.kind for info in listed(str(year))]
    assert (kinds.count("reference"), kinds.count("profile"), kinds.count("nightly")) == (1, 2, 2)


@pytest.mark.slow
def test_late_data_redone_and_a_day_taken_out_equal_a_store_that_never_knew(
    spark: SparkSession, folder: Path, store: Path, tmp_path: Path
) -> None:
    """A wrong day, its correction, its removal and its return, each to the last bit."""
    texts = tmp_path / "texts"
    shutil.copytree(folder, texts)
    late = texts / DATES[1] / "gpt.jsonl"
    right = late.read_text()
    config = audit(texts, store)
    runs.nightly(spark, config, DATES[2])
    # The day comes again with half of its documents: the nights that have it change.
    late.write_text("".join(right.splitlines(keepends=True)[::2]))
    before = {date: said(night(store, date)) for date in DATES[:3]}
    runs.nightly(spark, config, DATES[1])
    assert index(store).stale(DATES[1], 2) == [DATES[2]]
    runs.nightly(spark, config, DATES[2], read=False)
    assert index(store).stale(DATES[1], 2) == []
    assert said(night(store, DATES[2])) != before[DATES[2]]
    # And whole again.
    late.write_text(right)
    for date, read in ((DATES[1], True), (DATES[2], False)):
        runs.nightly(spark, config, date, read=read)
    assert {date: said(night(store, date)) for date in DATES[:3]} == before
    # Taken out: as in a store that never had it.
    calendar.remove(str(store), "night", DATES[1])
    without = runs.nightly(spark, config, DATES[2], read=False)
    assert without.manifest["removed"] == [DATES[1]]
    other = audit(texts, tmp_path / "never")
    kept = profile(store, DATES[2])
    shutil.copytree(Path(kept.path), tmp_path / "never" / kept.id)
    assert said(runs.nightly(spark, other, DATES[2], read=False)) == said(without)


# --- what does not merge -------------------------------------------------------------------------


def test_unlike_profiles_never_merge(spark: SparkSession, folder: Path, store: Path) -> None:
    before = listed(str(store))
    config = audit(folder, store, cleaning={"normalize": "none"})
    with pytest.raises(UnlikeProfiles) as caught:
        runs.nightly(spark, config, DATES[2])
    told = str(caught.value)
    assert "differ in text" in told
    assert told.count("strip_invisible=True") == 2  # both, whole
    assert "the difference: normalize=none | normalize=NFC" in told
    assert profile(store, DATES[1]).id in told
    assert listed(str(store)) == before  # nothing was read, nothing is left
    for settings in (
        {"nightly": {"window": 2, "key_ranges": 4}},
        {"ngrams": {"orders": [1], "sketch_width": 256}},
    ):
        with pytest.raises(UnlikeProfiles, match=r"differ in (key_ranges|orders)"):
            runs.nightly(spark, audit(folder, store, **settings), DATES[2])


def test_what_a_nightly_audit_must_say(spark: SparkSession, folder: Path, tmp_path: Path) -> None:
    sides = {"human": {"role": "human", "path": "h/{date}"}, "gpt": {"role": "model", "path": "m"}}
    config = audit(folder, tmp_path / "{date}", corpora=sides)
    with pytest.raises(ConfigError) as caught:
        runs.nightly(spark, config, DATES[0])
    for words in (
        "out: one store",
        "corpora.human: the human side",
        "corpora.gpt: which documents",
    ):
        assert words in str(caught.value)
    shared = str(folder / "human.jsonl")
    same: Any = {
        "human": {"role": "human", "path": shared},
        "gpt": {"role": "model", "path": shared, "columns": {"date": "day"}},
    }
    with pytest.raises(ConfigError, match=r"both read .*human\.jsonl"):
        runs.nightly(spark, audit(folder, tmp_path / "runs", corpora=same), DATES[0])


# --- dates ---------------------------------------------------------------------------------------


def made(out: Path) -> set[str]:
    """Finished runs of dates."""
    return {info.id for info in listed(str(out)) if info.date and info.state == "finished"}


@pytest.mark.slow
def test_missing_and_empty_dates(
    spark: SparkSession, folder: Path, store: Path, tmp_path: Path
) -> None:
    before = made(store)
    with pytest.raises(InputError, match=r"2026-12-25/gpt\.jsonl"):
        runs.nightly(spark, audit(folder, store), "2026-12-25")
    with pytest.raises(InputError, match="no profile of 'night' from 2026-12-24 to 2026-12-25"):
        runs.nightly(spark, audit(folder, store), "2026-12-25", read=False)
    texts = tmp_path / "texts"
    shutil.copytree(folder, texts)
    for name in ("gpt", "llama"):
        (texts / DATES[2] / f"{name}.jsonl").write_text("")
    with pytest.raises(InputError, match=r"no document is left of 0 rows(.|\n)*allow_empty"):
        runs.nightly(spark, audit(texts, store), DATES[2])
    assert made(store) == before
    allowed = audit(texts, store, nightly={"window": 2, "key_ranges": 2, "allow_empty": True})
    run = runs.nightly(spark, allowed, DATES[2])
    assert list(run.manifest["profiles"]) == DATES[1:3]
    n_model = {row["model"]: row["n_model"] for row in run.table("metrics").to_pylist()}
    assert n_model == {"gpt": 40, "llama": 30}  # the day before alone


@pytest.mark.slow
def test_documents_of_a_date_by_their_column(
    spark: SparkSession, folder: Path, year: Path, tmp_path: Path
) -> None:
    """One file that grows, of which a night takes its date: the same profile."""
    rows = [
        {**json.loads(line), "day": f"{date}T12:00:00Z"}
        for date in DATES[:2]
        for line in (folder / date / "gpt.jsonl").read_text().splitlines()
    ]
    grown = tmp_path / "gpt.jsonl"
    grown.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = audit(folder, tmp_path / "out").model_dump()
    config["corpora"]["gpt"] |= {"path": str(grown)}
    config["corpora"]["gpt"]["columns"] |= {"date": "day"}
    runs.nightly(spark, type(audit(folder, tmp_path)).parse(config, "x"), DATES[0])
    assert merged([profile(tmp_path / "out", DATES[0])]) == merged([profile(year, DATES[0])])


# --- faults --------------------------------------------------------------------------------------


def parts(run: Run, table: str) -> list[Path]:
    return sorted((Path(run.path) / f"{table}.parquet").glob("*.parquet"))


def cut_short(run: Run) -> None:
    (part, *_) = parts(run, "profile")
    part.write_bytes(part.read_bytes()[:-100])


def gone(run: Run) -> None:
    parts(run, "structure")[0].unlink()


def another_version(run: Run) -> None:
    (part, *_) = parts(run, "profile")
    pq.write_table(pq.read_table(part).drop_columns(["totals"]), part)
    vouch(run)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (cut_short, "table profile is damaged"),
        (gone, "table structure is damaged"),
        (another_version, "is of another version: no ['totals']"),
    ],
)
def test_a_broken_profile_is_named_with_its_remedy(
    spark: SparkSession, folder: Path, store: Path, break_it: Any, words: str
) -> None:
    broken = profile(store, DATES[0])
    break_it(broken)
    with pytest.raises(InputError) as caught:
        runs.nightly(spark, audit(folder, store), DATES[1], read=False)
    for part in (broken.id, words, f"dftspark nightly CONF --date {DATES[0]}"):
        assert part in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["page", "state"])
def test_a_bit_that_turned_is_not_another_number(
    spark: SparkSession, folder: Path, store: Path, where: str
) -> None:
    """On the disk, behind the file system's back; and in a state, as a faulty writer would."""
    broken = profile(store, DATES[0])
    (part, *_) = parts(broken, "profile")
    if where == "page":
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
        (part.parent / f".{part.name}.crc").unlink(missing_ok=True)
    else:
        table = pq.read_table(part)
        states = [b"DFTS1\n" + encode_arrays()[6:9]] * table.num_rows
        at = table.schema.get_field_index("state")
        pq.write_table(table.set_column(at, table.schema.field(at), [states]), part)
        vouch(broken)
    with pytest.raises(InputError) as caught:
        runs.nightly(spark, audit(folder, store), DATES[1], read=False)
    assert broken.id in str(caught.value)
    assert f"dftspark nightly CONF --date {DATES[0]}" in str(caught.value)


@pytest.mark.slow
def test_an_end_at_any_stage_leaves_nothing_that_looks_finished(
    spark: SparkSession, folder: Path, store: Path, tmp_path: Path
) -> None:
    """Every fourth border here; test_nightly_killed.py kills the process at each of them."""
    before = {info.id for info in listed(str(store)) if info.state == "finished"}
    config = audit(folder, store)
    borders = []
    for border in range(2, 99, 4):
        killed = KilledAt(border)
        try:
            runs.nightly(spark, config, DATES[2], killed)
        except Killed as end:
            borders.append(str(end))
            new = [
                info
                for info in listed(str(store))
                if info.state == "finished" and info.id not in before
            ]
            assert {info.kind for info in new} <= {"profile"}  # whole, and of no night yet
            assert index(store).night(DATES[2]) is None
        else:
            break
    assert "after read" in borders
    assert any("compare" in where or "merge" in where for where in borders)
    assert night(store, DATES[2]).manifest["profiles"][DATES[2]] == profile(store, DATES[2]).id


@pytest.mark.slow
def test_two_runs_of_one_date_at_once(spark: SparkSession, folder: Path, store: Path) -> None:
    config = audit(folder, store)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: runs.nightly(spark, config, DATES[2]), range(2)))
    assert said(both[0]) == said(both[1])
    current = night(store, DATES[2])
    assert current.id in {run.id for run in both}
    standing = [info.standing for info in listed(str(store)) if info.date == DATES[2]]
    assert sorted(standing) == ["current"] * 2 + ["superseded"] * 2
    found = history(str(store), "l2_1gram", model="gpt", since=DATES[2])
    assert found["run_id"].to_pylist() == [current.id]


@pytest.fixture
def small_disk(tmp_path: Path, year: Path) -> Iterator[Path]:
    """A file system with the store on it and little room beside."""
    size = sum(path.stat().st_size for path in year.rglob("*")) // 1024 + 500
    with processes.small_disk(tmp_path / "small", size) as folder:
        shutil.copytree(year, folder / "store")
        yield folder


@pytest.mark.slow
def test_a_full_disk(spark: SparkSession, folder: Path, small_disk: Path) -> None:
    out = small_disk / "store"
    before = {info.id for info in listed(str(out))}
    room = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(b"x" * max(room - 40_000, 0))
    with pytest.raises(EnvironmentProblem, match=r"No space left on device|cannot write"):
        runs.nightly(spark, audit(folder, out), DATES[2])
    assert {info.id for info in listed(str(out)) if info.state == "finished"} == before
    (small_disk / "ballast").unlink()


# --- checks --------------------------------------------------------------------------------------


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.got.append(json.loads(self.rfile.read(length)))  # type: ignore[attr-defined]
        self.send_response(self.server.codes.pop(0))  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    """A server that answers 503, then 200, and keeps what it was sent."""
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.got, server.codes = [], [503, 200, 200]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def toml(folder: Path, out: Path) -> Path:
    rules = "".join(
        "[[checks]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rule.items())
        for rule in RULES
    )
    sides = "".join(
        f'[corpora.{name}]\nrole = "{role}"\npath = "{folder}/{path}"\n'
        'columns = { doc_id = "id", prompt_id = "prompt" }\n'
        for name, role, path in (
            ("human", "human", "human.jsonl"),
            ("gpt", "model", "{date}/gpt.jsonl"),
            ("llama", "model", "{date}/llama.jsonl"),
        )
    )
    text = (
        f'name = "night"\nout = "{out}"\nlenses = ["ngrams", "structure"]\n{sides}'
        "[ngrams]\norders = [1, 2]\nsketch_width = 256\nphrases = 100\ntable_rows = 20\n"
        "[inference]\npermutations = 99\nsplits = 20\n[nightly]\nwindow = 2\nkey_ranges = 2\n"
        f"{rules}"
    )
    file = out.parent / "night.toml"
    file.write_text(text)
    return file


def pair_rate(folder: Path, pair: str) -> float:
    """Occurrences per million word pairs of gpt in both nights, counted from the texts."""
    found = total = 0
    for date in DATES[:2]:
        for line in (folder / date / "gpt.jsonl").read_text().splitlines():
            tokens = re.findall(r"\w+|\.", json.loads(line)["text"])
            pairs = [" ".join(both) for both in pairwise(tokens)]
            found, total = found + pairs.count(pair), total + len(pairs)
    return 1e6 * found / total


def test_the_command_with_rules(
    spark: SparkSession,
    folder: Path,
    store: Path,
    hook: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stored profiles, a breach, a warning: exit code 3, JUnit, a webhook that is tried again."""
    secret = f"http://127.0.0.1:{hook.server_port}/services/T0P-SECRET"
    monkeypatch.setenv("DFTSPARK_WEBHOOK", secret)
    monkeypatch.setenv("DFTSPARK_DEBUG", "")
    junit = tmp_path / "night.xml"
    first_time = night(store, DATES[1])
    arguments = ["--date", DATES[1], "--stored", "--junit", str(junit), "--log", "json"]
    assert cli.main(["nightly", str(toml(folder, store)), *arguments]) == 3
    told = capsys.readouterr()
    run = night(store, DATES[1])
    assert told.out.splitlines() == [run.path]
    same = said(first_time) | {"checks": said(run)["checks"]}
    assert said(run) == same  # merged again, to the last bit
    assert "T0P-SECRET" not in told.out + told.err + json.dumps(run.manifest)
    events = [json.loads(line) for line in told.err.splitlines()]
    assert f"checks failed; {run.path} is complete" in events[-1]["message"]
    others = [e for e in events if not e["event"].startswith("stage")]
    assert [e["event"] for e in others] == ["published", "error"]
    assert (others[1]["kind"], others[1]["exit_code"]) == ("CheckFailed", 3)
    assert {"merge days", "compare", "check"} <= {e.get("stage") for e in events}
    # The table, and what it says.
    rows = {(row["rule"], row["model"]): row for row in run.table("checks").to_pylist()}
    outcomes = {key: row["outcome"] for key, row in rows.items()}
    assert outcomes == {
        ("pairs", "gpt"): "fail",
        ("pairs", "llama"): "unknown",  # 80 and 60 documents
        ("far", "gpt"): "pass",
        ("far", "llama"): "pass",
        ("worth", "gpt"): "warn",
        ("worth", "llama"): "warn",
        ("contrast", "gpt"): "pass",
        ("contrast", "llama"): "pass",
    }
    assert rows["worth", "gpt"]["value"] == pytest.approx(pair_rate(folder, "worth noting"))
    suite = ET.fromstring(junit.read_text()).find("testsuite")
    assert suite is not None
    assert junit.read_bytes() == run.file(JUNIT)
    assert int(suite.attrib["tests"]) == len(rows) == len(suite.findall("testcase"))
    assert int(suite.attrib["failures"]) == sum(o == "fail" for o in outcomes.values())
    first, again = hook.got  # type: ignore[attr-defined]
    assert first == again
    assert first["outcome"] == "fail"
    assert first["run"] == run.id
    assert first["text"].startswith(f"dftspark night {DATES[1]}: fail")


def test_a_webhook_that_does_not_answer(
    year: Path, monkeypatch: pytest.MonkeyPatch, hook: HTTPServer
) -> None:
    run = night(year, DATES[0])
    failing = Run(
        run.id,
        {**run.manifest, "checks": {"outcome": "warn", "counts": {}, "said": []}},
        run._location,
    )
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/SECRET")
    said_of_it = alerts.tell(failing, "HOOK", pause=0.0)
    assert said_of_it.startswith("not told: 127.0.0.1")
    assert "SECRET" not in said_of_it
    monkeypatch.setenv("HOOK", "file:///etc/passwd")
    assert alerts.tell(failing, "HOOK") == "not told: HOOK is not an http or https URL"
    hook.codes = [404]  # type: ignore[attr-defined]
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{hook.server_port}/x")
    assert alerts.tell(failing, "HOOK", pause=0.0) == "not told: 127.0.0.1 answered 404"
    assert alerts.tell(run, "HOOK") == ""  # nothing failed: nothing is sent
    monkeypatch.delenv("HOOK")
    assert alerts.tell(failing, "HOOK") == ""
    assert len(hook.got) == 1  # type: ignore[attr-defined]


# --- embeddings ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_nights_share_the_random_features_of_the_reference(
    spark: SparkSession, folder: Path, tmp_path: Path
) -> None:
    """And a new reference keeps them, so that the days before it still merge."""
    pytest.importorskip("sentence_transformers")
    settings: dict[str, Any] = {
        "lenses": ["ngrams", "embeddings"],
        "embedding": {"embedder": "static"},
        "mmd": {"features": 64, "pilot": 20},
    }
    config = audit(folder, tmp_path / "out", **settings)
    first = runs.nightly(spark, config, DATES[0])
    both = runs.nightly(spark, config, DATES[1])
    found = {
        row["metric"]: row for row in both.table("metrics").to_pylist() if row["model"] == "gpt"
    }
    assert found["mmd_squared"]["n_model"] == 80
    frozen = first.manifest["embedding"]["features"]
    assert both.manifest["embedding"]["features"] == frozen
    again = runs.nightly(spark, config, DATES[1], read=False, reference=True)
    assert again.manifest["reference"] != both.manifest["reference"]
    assert said(again)["metrics"] == said(both)["metrics"]
    other = audit(folder, tmp_path / "out", **{**settings, "mmd": {"features": 128, "pilot": 20}})
    with pytest.raises(UnlikeProfiles, match="differ in features"):
        runs.nightly(spark, other, DATES[1], read=False)
