"""Nights, sampler settings and the judge, as figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dftspark import schema
from dftspark.lenses.judge.figures import judge
from dftspark.report.page.figures_lines import history
from dftspark.report.page.figures_sweep import best, samplers
from dftspark.report.page.run import page
from dftspark.store.run import Run
from tests.report.page_runs import aged, metrics, publish, row
from tests.report.test_notebooks import sweep_tables

NAMES = ["toy/0.7", "toy/0.9", "toy/1.0"]
needs = {
    table: pytest.mark.skipif(table not in schema.TABLES, reason=f"there is no table {table} yet")
    for table in ("samplers", "win_rates")
}


def rows_of(html: object) -> list[list[str]]:
    """Cells of the table behind a figure."""
    body = str(html).split("<details>")[1]
    found = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in found]
    return [[cell.strip() for cell in row] for row in cells if row][1:]


def night(out: Path, day: int, n: float, **more: Any) -> Run:
    return publish(out, {"metrics": metrics("gpt", n, **more)}, date=f"2026-11-{day:02d}")


def test_nights_are_in_order_with_their_tell_size_and_interval(tmp_path: Path) -> None:
    runs = [night(tmp_path, day, n) for day, n in ((3, 400.0), (1, 200.0))]
    runs.append(night(tmp_path, 2, 300.0, told=False))
    tokens, *others = history(runs)
    assert rows_of(tokens) == [
        ["gpt", "2026-11-01", "200", "150 – 260"],
        ["gpt", "2026-11-02", "more than 300", "–"],
        ["gpt", "2026-11-03", "400", "300 – 520"],
    ]
    assert len(others) == 2, "embeddings and structure"
    assert str(tokens).count('class="knot open"') == 1


def test_nights_before_there_were_tell_sizes_are_told_by_their_values(tmp_path: Path) -> None:
    drawn = [str(f) for f in history([aged(night(tmp_path, d, 200.0 * d)) for d in (1, 2)])]
    assert ["Token frequencies, L2 by night" in f for f in drawn] == [True, False, False]
    assert rows_of(drawn[0])[0] == ["gpt", "2026-11-01", "0.00350", "0.00325 – 0.00375"]
    assert "floor" not in drawn[0].replace('class="floor"', "")


def test_one_night_is_no_history(tmp_path: Path) -> None:
    assert history([night(tmp_path, 1, 2.0)]) == []


def test_a_higher_value_stands_higher(tmp_path: Path) -> None:
    tokens, *_ = history([night(tmp_path, 1, 200.0), night(tmp_path, 2, 800.0)])
    low, high = (
        float(y) for y in re.findall(r'class="knot" cx="[\d.]+%" cy="([\d.]+)%"', str(tokens))
    )
    assert high < low, "y of SVG points down"


def sweep(out: Path, **more: Any) -> Run:
    rows = [m for i, name in enumerate(NAMES) for m in metrics(name, 200.0 * (1 + i))]
    return publish(out, {"metrics": rows, **sweep_tables(NAMES), **more})


@needs["samplers"]
def test_settings_with_numbers_are_an_axis_and_the_best_is_marked(tmp_path: Path) -> None:
    tokens, factor = samplers(sweep(tmp_path))
    assert [row[1:3] for row in rows_of(tokens)] == [
        ["0.7", "3.0×"],
        ["0.9 (best)", "2.0×"],
        ["1.0 (may be best)", "2.5×"],
    ]
    assert "temperature →" in str(tokens)
    assert rows_of(factor)[0][1] == "0.7 (best)"


def test_settings_without_numbers_have_no_curve(tmp_path: Path) -> None:
    rows = [
        {**r, "settings": [("prompt", f"p{r['model']}")]} for r in sweep_tables(NAMES)["samplers"]
    ]
    assert samplers(sweep(tmp_path, samplers=rows)) == []


def test_the_best_by_each_measure_its_honest_value_and_what_it_costs(tmp_path: Path) -> None:
    rows = sweep_tables(NAMES)["super_baseline"]
    rows[0] |= {"may_be_best": ["toy/0.9", "toy/1.0"], "ci_low": 0.019, "ci_high": 0.023}
    rows[1] |= {"challenger": "dft", "challenger_value": 0.004, "verdict": "better"}
    pairs = [
        row(
            "tradeoffs",
            sweep="toy",
            metric="l2_1gram",
            other="structure_factor",
            differ=True,
            best="toy/0.9",
            best_other="toy/0.7",
            regret=0.0123,
            q_value=0.01,
        ),
        row("tradeoffs", sweep="toy", metric="", other="", p_value=0.0015),
    ]
    (drawn,) = best(sweep(tmp_path, super_baseline=rows, tradeoffs=pairs))
    said = " ".join(re.sub("<[^>]+>", " ", str(drawn)).split())
    assert "Token frequencies, L2 l2_1gram, 0.9 or 1.0 0.0200 0.0210 0.0190 to 0.0230" in said
    assert "0.00400 better" in said
    assert "No one setting is the best by all of these measures (p = 0.0015)" in said
    assert "differ beyond noise in 1 of 1 pairs" in said
    assert "0.9 0.7 0.0123" in said


@needs["samplers"]
def test_a_challenger_is_a_level(tmp_path: Path) -> None:
    rows = sweep_tables(NAMES)["samplers"]
    other = {**rows[0], "model": "dft", "settings": [], "challenger": True, "super_baseline": False}
    tokens, *_ = samplers(sweep(tmp_path, samplers=[*rows, other]))
    assert str(tokens).count('class="level"') == 1
    assert ["dft", "dft", "3.0×", "2.7× – 3.3×"] in rows_of(tokens)
    assert re.findall(r'<i class="(s\d)"></i>(\w+)', str(tokens)) == [("s0", "toy"), ("s1", "dft")]


@needs["samplers"]
def test_the_page_has_the_sweep(tmp_path: Path) -> None:
    text = page(sweep(tmp_path))
    first = text[: text.index("<nav")]
    assert first.count('<figure class="lines">') == 3, "tell sizes by lens lead"
    assert re.findall(r"<strong>(By \w+)", first) == ["By words", "By content", "By structure"]
    assert "the best of 3 settings by each measure" in first
    assert text.count('<figure class="lines">') == 5
    assert 'href="#settings"' in text


@needs["samplers"]
def test_checkpoints_are_numbers_on_an_axis(tmp_path: Path) -> None:
    rows = sweep_tables(NAMES)["samplers"]
    steps = dict(zip(NAMES, ("step-1000", "step-2000", "step-10000"), strict=True))
    series = [row | {"settings": [("checkpoint", steps[str(row["model"])])]} for row in rows]
    tokens, *_ = samplers(sweep(tmp_path, samplers=series))
    assert [cells[1].split(" ")[0] for cells in rows_of(tokens)] == [*steps.values()]


def verdicts(**values: Any) -> dict[str, Any]:
    own = {
        "model": "gpt",
        "kind": "model",
        "against": "web",
        "judge": "mini",
        "pairs": 400,
        "wins": 120,
        "ties": 10,
        "losses": 270,
        "win_rate": 0.31,
        "jmq": 0.62,
        "jmq_low": 0.53,
        "jmq_high": 0.71,
        "lc_win_rate": 0.29,
        "flip_rate": 0.1,
    }
    return row("win_rates", **{**own, **values})


@needs["win_rates"]
def test_the_judge_has_its_dimensions_and_controls(tmp_path: Path) -> None:
    nan = float("nan")
    rows = [verdicts(dimension=name) for name in ("depth", "overall", "clarity")]
    rows += [
        verdicts(
            kind="human",
            model="web",
            dimension="overall",
            jmq=nan,
            jmq_low=nan,
            jmq_high=nan,
            win_rate=0.5,
        )
    ]
    run = publish(tmp_path, {"metrics": metrics("gpt"), "win_rates": rows})
    drawn = str(judge(run, "gpt"))
    names = re.findall(r'scope="row">(\w+)', drawn)
    assert names == ["overall", "clarity", "depth", "human"]
    assert "0.620" in drawn
    assert 'href="#gpt/judge"' in page(run)
    assert "of human text against human text half should win" in page(run)


@needs["win_rates"]
def test_a_model_has_its_own_controls_and_what_to_be_wary_of(tmp_path: Path) -> None:
    rows = [verdicts(dimension="overall", model=model) for model in ("gpt", "claude")]
    for model, rate in (("gpt", 0.11), ("claude", 0.77)):
        rows.append(verdicts(kind="broken", model=model, dimension="overall", win_rate=rate))
    rows.append(verdicts(kind="models", model="claude", against="gpt", win_rate=0.66))
    told: dict[str, Any] = {"judge": {"warnings": ["judge mini: it <looks> away"]}}
    run = publish(tmp_path, {"metrics": metrics("gpt"), "win_rates": rows}, **told)
    drawn = str(judge(run, "gpt"))
    assert ">11%<" in drawn
    assert ">66%<" in drawn
    assert ">77%<" not in drawn
    assert "judge mini: it &lt;looks&gt; away" in drawn


def test_without_their_tables_there_is_no_figure(tmp_path: Path) -> None:
    run = publish(tmp_path, {"metrics": metrics("gpt")})
    assert judge(run, "gpt") is None
    assert samplers(run) == []


@needs["win_rates"]
@pytest.mark.parametrize("models", [("gpt",), ("gpt", "claude")])
def test_a_run_of_the_judge_alone_has_a_page(tmp_path: Path, models: tuple[str, ...]) -> None:
    rows = [
        row(
            "metrics",
            model=model,
            lens="judge",
            metric="jmq_overall:mini",
            value=0.62 + i / 5,
            ci_low=0.5,
            ci_high=0.9,
            better="parity",
            floor=float("nan"),
            ratio_to_floor=float("nan"),
            unit="2 x win rate",
        )
        for i, model in enumerate(models)
    ]
    others = ("bradley_terry_overall:mini", "jmq_depth:mini", "jmq_lc_overall:mini")
    rows += [{**found, "metric": name, "value": 0.1} for found in rows for name in others]
    rates = [verdicts(dimension="overall", model=model) for model in models]
    told: dict[str, Any] = {"judge": {"warnings": ["judge mini: it looks away"]}}
    text = page(publish(tmp_path, {"metrics": rows, "win_rates": rates}, **told))
    assert text.count("it looks away") == 1, "a warning stands once, however many models"
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", text)
    assert heading is not None
    assert heading[1].startswith("A judge prefers")
    assert "31%" in heading[1]
    assert text.count("What a judge prefers") == len(models)
