"""Where pages go, and the page over a store."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.errors import ConfigError, InputError
from dftspark.report.page.overview import overview
from dftspark.report.page.written import report
from dftspark.store.listing import runs, series
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter
from tests.report.page_runs import made, metrics, publish

TEXTS = ("tapestry", "delve")


def night(store: Path, day: int, n: float = 300.0, models: tuple[str, ...] = ("gpt",)) -> Run:
    rows = [row for i, model in enumerate(models) for row in metrics(model, n * (1 + i))]
    return publish(store, {"metrics": rows}, "nightly", date=f"2026-11-{day:02d}")


def test_a_page_stands_beside_its_run_which_does_not_change(tmp_path: Path) -> None:
    run = made(tmp_path, texts=TEXTS)
    before = sorted(Path(run.path).iterdir())
    path = report(run.path)
    assert path == f"{run.path}.html"
    assert "give gpt away by structure" in Path(path).read_text()
    assert sorted(Path(run.path).iterdir()) == before
    assert report(f"{tmp_path}/{run.id[:16]}") == path


def test_it_goes_where_it_is_sent(tmp_path: Path) -> None:
    run = made(tmp_path / "runs", models=["a", "b"], texts=TEXTS)
    target = tmp_path / "own.html"
    assert report(run.path, str(target), ["b"], False) == str(target)
    text = target.read_text()
    assert "axolotl" not in text
    assert text.count("<article") == 1


def test_history_is_of_the_nights_before(tmp_path: Path) -> None:
    nights = [night(tmp_path, day, 200.0 + 100 * day) for day in (1, 2, 3)]
    publish(tmp_path, {"metrics": metrics("gpt")}, "other", date="2026-11-02")
    assert 'id="time"' not in Path(report(nights[0].path)).read_text()
    text = Path(report(nights[2].path)).read_text()
    section = text.split('id="time"')[1].split('id="how"')[0]
    assert set(re.findall(r"2026-11-\d\d", section)) == {f"2026-11-0{day}" for day in (1, 2, 3)}
    assert ">500<" in section


def test_a_date_that_was_done_again_counts_once(tmp_path: Path) -> None:
    night(tmp_path, 1, 900.0)
    night(tmp_path, 1, 400.0)
    last = night(tmp_path, 2, 500.0)
    section = Path(report(last.path)).read_text().split('id="time"')[1]
    assert ">400<" in section
    assert ">900<" not in section


def test_the_store_has_models_by_measures_and_links(tmp_path: Path) -> None:
    night(tmp_path, 1)
    last = night(tmp_path, 2, 400.0, ("gpt", "claude"))
    made(tmp_path, texts=TEXTS)
    RunWriter.create(str(tmp_path), "stopped")
    text = Path(report(str(tmp_path))).read_text()
    assert "<h1>4 runs of 2 audits</h1>" in text
    rows = re.findall(r"<tr><th scope=\"row\">(gpt|claude)</th>(.*?)</tr>", text)
    assert [">400<" in cells for name, cells in rows if name == "gpt"].count(True) >= 1
    assert "unfinished" in text
    assert last.id in text


def test_links_lead_to_the_pages_of_the_runs(tmp_path: Path) -> None:
    from dftspark.report.page.run import page

    writer = RunWriter.create(str(tmp_path), "audit")
    import pyarrow as pa

    from dftspark import schema

    writer.write("metrics", pa.Table.from_pylist(metrics("gpt"), schema=schema.METRICS))
    run = writer.publish({"name": "audit", "headline": "gpt"}, page=page)
    links = re.findall(r'href="([^"#]+)"', Path(report(str(tmp_path))).read_text())
    assert set(links) == {f"{run.id}/report.html"}
    assert (tmp_path / links[0]).is_file()


def test_a_store_of_many_runs_stays_small(tmp_path: Path) -> None:
    nights = [night(tmp_path, 1 + i % 28) for i in range(6)]
    infos = runs(str(tmp_path)) * 200
    text = overview(str(tmp_path), infos, {})
    assert len(text.encode()) < 2_000_000
    assert nights[0].id in text


def test_a_drift_of_a_tenth_is_seen(tmp_path: Path) -> None:
    """Of two models one has moved by 12% on the last night, and the other by 5%."""
    for day in range(1, 8):
        steady, moving = (300.0, 500.0) if day < 7 else (285.0, 440.0)
        rows = [*metrics("steady", steady), *metrics("moving", moving)]
        checks: dict[str, Any] = {
            "outcome": "warn" if day == 7 else "pass",
            "counts": {"warn": 1},
            "said": [],
        }
        publish(tmp_path, {"metrics": rows}, "nightly", date=f"2026-11-{day:02d}", checks=checks)
    text = Path(report(str(tmp_path))).read_text()
    top = text[: text.index("<nav")]
    assert "1 of 2 models moved by 10% or more from their nights before." in top
    assert re.findall(r'whole( off)?">([^<]+ by \w+)<', top) == [
        (" off", "−12% by words"),
        ("", "−5% by words"),
    ]
    body = text[text.index('class="plain nights"') :]
    body = body[: body.index("</table>")]
    newest = re.findall(r"<tr><th[^>]*>2026-11-07</th>(.*?)</tr>", body)
    assert len(newest) == 2
    assert newest[0].count('class="n off">−12%') == 3, "by every lens"
    assert "to be looked at" in newest[0]
    assert body.count(" off") == 3
    assert text.count(": change by night") == 2 * 3, "a curve and its name, by lens"


def test_runs_of_one_audit_without_dates_are_in_order(tmp_path: Path) -> None:
    for hour, n in enumerate((300.0, 290.0, 200.0)):
        run = publish(tmp_path, {"metrics": metrics("gpt", n)}, "checkpoints", date="")
        manifest = Path(run.path) / "manifest.json"
        found = json.loads(manifest.read_text())
        found["created_at"] = f"2026-11-28T0{hour}:00:00+00:00"
        manifest.write_text(json.dumps(found))
    text = Path(report(str(tmp_path))).read_text()
    lines = re.findall(r"<td>gpt</td>.*?</tr>", text[text.index('class="plain nights"') :])
    assert [re.findall(r">(\d+)<", line)[0] for line in lines] == ["200", "290", "300"]


def test_models_are_for_runs(tmp_path: Path) -> None:
    made(tmp_path, texts=TEXTS)
    with pytest.raises(ConfigError, match="goes with a run"):
        report(str(tmp_path), models=["gpt"])


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        report(str(tmp_path / "nothing"))


def test_series_are_of_one_name_and_have_comparisons(tmp_path: Path) -> None:
    night(tmp_path, 1)
    publish(tmp_path, {"metrics": metrics("gpt")}, "nightly-2")
    publish(tmp_path, {}, "nightly")
    second = night(tmp_path, 2)
    found = series(str(tmp_path), "nightly", 5)
    assert [run.manifest["date"] for run in found] == ["2026-11-01", "2026-11-02"]
    assert [run.id for run in series(str(tmp_path), "nightly", 1)] == [second.id]
    assert series(str(tmp_path / "nothing"), "nightly", 5) == []


def test_the_command_prints_the_path_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path, texts=TEXTS)
    assert cli.main(["report", run.path, "--copy-swap"]) == 0
    path = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert path.is_file()
    assert "axolotl" in path.read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--model", "nobody"], 2), (["--out", "/nowhere/at/all.html"], 75)],
    ids=["model", "out"],
)
def test_mistakes_have_their_exit_code(
    tmp_path: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path, texts=TEXTS)
    assert cli.main(["report", run.path, *words]) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_the_terminal_names_the_page_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunWriter.create(str(tmp_path), "audit").publish({"name": "a"}, page=lambda _: "<p>")
    assert cli.main(["show", run.path]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == f"Page: {run.page}"


def test_the_terminal_says_why_there_is_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: Run) -> str:
        raise RuntimeError("no ink")

    run = RunWriter.create(str(tmp_path), "audit").publish({"name": "a"}, page=fails)
    assert cli.main(["show", run.path]) == 0
    assert "No page was made: RuntimeError: no ink" in capsys.readouterr().out
