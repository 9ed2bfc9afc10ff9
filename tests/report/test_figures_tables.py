"""Rules, model against model, variety and copies, as the page shows them."""

from __future__ import annotations

import re
from pathlib import Path

from dftspark.lenses.embeddings.examples import copies
from dftspark.lenses.variety.figures import variety
from dftspark.report.page.figures_tables import checks, differences
from dftspark.report.page.run import page
from tests.report.page_runs import made, metrics, publish, row

WORDS = ("tapestry", "delve", "a testament to", "and so on")
NAN = float("nan")


def said(figure: object) -> str:
    return " ".join(re.sub("<[^>]+>", " ", str(figure)).split())


def test_rules_that_speak_stand_first_and_all_are_folded(tmp_path: Path) -> None:
    rows = [
        row("checks", model="gpt", rule=f"rule {outcome}", outcome=outcome, detail=f"saw {outcome}")
        for outcome in ("pass", "unknown", "warn", "fail", "pass")
    ]
    drawn = checks(publish(tmp_path, {"checks": rows}))
    text = said(drawn)
    assert text.startswith("Rules: 1 failed , 1 to be looked at , 1 not known , 2 passed .")
    loud, every = str(drawn).split("<details>")
    assert re.findall("saw (\\w+)", loud) == ["fail", "warn"]
    assert re.findall("saw (\\w+)", every) == ["fail", "warn", "unknown", "pass", "pass"]


def test_a_rule_that_fails_for_several_models_has_one_line(tmp_path: Path) -> None:
    rows = [row("checks", model=m, rule="close", outcome="fail", detail=m) for m in ("a", "b")]
    loud, _ = str(checks(publish(tmp_path, {"checks": rows}))).split("<details>")
    assert "failed close a, b" in said(loud)
    assert loud.count("<li>") == 1


def test_without_rules_there_is_nothing(tmp_path: Path) -> None:
    empty = publish(tmp_path, {"checks": [], "metrics": metrics("gpt")})
    assert checks(empty) is None
    assert "Rules:" not in page(empty)


def difference(**values: object) -> dict[str, object]:
    own = {
        "model": "a",
        "other": "b",
        "metric": "l2_squared_corrected_1gram",
        "value": 0.01,
        "value_other": 0.04,
        "difference": -0.03,
        "ci_low": -0.034,
        "ci_high": -0.026,
        "nearer": "a",
        "unit": "rate",
    }
    return row("differences", **{**own, **values})


def test_each_model_sees_the_difference_from_its_own_side(tmp_path: Path) -> None:
    """Of squares the dot is the root, so that they stand on one axis with roots."""
    run = publish(tmp_path, {"differences": [difference()]})
    assert (
        "beside b Token frequencies, L2² without noise 0.50× −0.030 −0.034 to −0.026 nearer"
        in said(differences(run, "a"))
    )
    assert (
        "beside a Token frequencies, L2² without noise 2.0× +0.030 +0.026 to +0.034 farther"
        in said(differences(run, "b"))
    )
    assert differences(run, "c") is None


def test_a_tie_is_called_one_and_what_has_no_ratio_has_no_dot(tmp_path: Path) -> None:
    rows = [difference(metric="mmd_squared", value=-0.01, nearer=None, difference=-0.05)]
    drawn = differences(publish(tmp_path, {"differences": rows}), "a")
    assert said(drawn).count(" tied") == 1
    assert "×" not in said(drawn).split("beside b")[1], "a negative square has no distance"
    assert 'class="dot' not in str(drawn)


def test_measures_that_no_first_figure_has_are_left_to_the_table(tmp_path: Path) -> None:
    """And those that are larger on the smaller side, whatever the model."""
    rows = [difference(metric=name) for name in ("l2_docs_1gram", "js_1gram", "tv_1gram")]
    assert differences(publish(tmp_path, {"differences": rows}), "a") is None


def test_variety_stands_beside_the_human_value(tmp_path: Path) -> None:
    own = {"model": "gpt", "value": 0.6, "ci_low": 0.5, "ci_high": 0.7, "unit": "share of n-grams"}
    rows = [
        row(
            "variety", **own, metric="distinct_1", human_value=0.8, human_low=0.75, human_high=0.85
        ),
        row("variety", **own, metric="chrf", human_value=NAN, human_low=NAN, human_high=NAN),
        row("variety", **{**own, "value": NAN}, metric="bleu"),
    ]
    drawn = variety(publish(tmp_path, {"variety": rows}), "gpt")
    text = said(drawn)
    assert "Distinct words" in text
    assert "0.800 0.600 0.500–0.700" in text
    assert "there is no human value. – 0.600" in text
    assert "BLEU" not in text.replace("chrF", ""), "without a value there is no row"
    assert str(drawn).count('class="dot over"') == 1


def test_copies_tell_the_repeated_from_the_alike(tmp_path: Path) -> None:
    rows = [
        row(
            "copies",
            model="gpt",
            side="model",
            doc_id=f"m{i}",
            neighbor_id=f"h{i}",
            overlap=share,
            excerpt=f"own {i}",
            neighbor_excerpt=f"human {i}",
        )
        for i, share in enumerate((0.05, 0.9, 0.3))
    ]
    shares = [
        row("metrics", model="gpt", metric=name, value=value, lens="embeddings", better="lower")
        for name, value in (("near_duplicates", 0.25), ("near_duplicates_human", 0.02))
    ]
    found = copies(publish(tmp_path, {"copies": rows, "metrics": shares}), "gpt")
    assert found is not None
    assert [e.text for e in found.excerpts] == ["own 1", "human 1", "own 2", "human 2"]
    assert [e.side for e in found.excerpts] == ["model", "human"] * 2
    assert "25% of its texts" in found.about
    assert "of human texts 2.0%" in found.about
    assert "Of the 3 that the run lists, 2 share a fifth or more" in found.about


def test_no_copy_is_said_too(tmp_path: Path) -> None:
    found = copies(publish(tmp_path, {"copies": []}), "gpt")
    assert found is not None
    assert (found.excerpts, "No text" in found.about) == ([], True)
    assert copies(publish(tmp_path, {"metrics": metrics("gpt")}), "gpt") is None


def test_the_page_has_them_where_a_reader_looks(tmp_path: Path) -> None:
    text = page(made(tmp_path, models=["near", "far"], texts=WORDS))
    places = [
        text.index(mark)
        for mark in (
            "Rules:",
            "tell each model from human, by each lens",
            "How many documents, by every measure",
            "Which model is nearer to human?",
            "Where the two clouds lie",
            "Does it copy human texts?",
            "Do answers repeat each other",
        )
    ]
    assert places == sorted(places)
