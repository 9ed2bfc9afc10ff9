"""From judgements to numbers: judges that go by place or length, controls, agreement, warnings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dftspark import schema
from dftspark.config import Inference
from dftspark.lenses.judge.compared import Judged, judged
from dftspark.report.words.lenses import measure

Judge = Callable[[np.random.Generator, bool, float], float]  # model first, longer by: score
SETTINGS = Inference(permutations=99, splits=20)


def rows(
    judge: Judge,
    pairs: int = 200,
    model: str = "m",
    kind: str = "model",
    against: str = "human",
    name: str = "j",
    dimension: str = "overall",
    seed: int = 0,
    stratum: str = "",
) -> list[dict[str, Any]]:
    """Both orders of each pair; the model's text is 200 characters longer on average."""
    rng = np.random.default_rng(seed)
    lengths = rng.normal([1200, 1000], 400, (pairs, 2)).clip(100).astype(int).tolist()
    found = []
    for i, (own, other) in enumerate(lengths):
        for first in (True, False):
            score = judge(rng, first, own - other)
            word = {1.0: "model", 0.5: "tie", 0.0: "against"}.get(score)
            found.append(
                {
                    "run_id": "r",
                    "date": "",
                    "human": "human",
                    "model": model,
                    "stratum": stratum,
                    "kind": kind,
                    "against": against,
                    "pair_id": f"{kind}{model}{i}",
                    "cluster": f"c{i}",
                    "model_id": f"m{i}",
                    "against_id": f"h{i}",
                    "model_characters": own,
                    "against_characters": other,
                    "judge": name,
                    "dimension": dimension,
                    "order": "model_first" if first else "model_second",
                    "verdict": word,
                    "error": None if word else "unparsable",
                    "at": "x",
                    "key": "k",
                }
            )
    return found


def found(*parts: list[dict[str, Any]]) -> Judged:
    whole = [row for part in parts for row in part]
    return judged(pa.Table.from_pylist(whole, schema=schema.JUDGEMENTS), SETTINGS)


def rate(of: Judged, **where: str) -> dict[str, Any]:
    (row,) = [r for r in of.rates if all(r[k] == v for k, v in {"stratum": "", **where}.items())]
    return row


def metric(of: Judged, name: str, model: str = "m", stratum: str = "") -> float:
    (own,) = [m for m in of.metrics if (m.model, m.stratum) == (model, stratum)]
    return next(m.value for m in own.metrics if m.name == name)


def always_a(rng: np.random.Generator, first: bool, longer: float) -> float:
    return float(first)


def by_length(rng: np.random.Generator, first: bool, longer: float) -> float:
    return float(rng.random() < 1 / (1 + math.exp(-longer / 150)))


def fair(p: float = 0.5) -> Judge:
    return lambda rng, first, longer: float(rng.random() < p)


def test_a_judge_that_always_says_a_gives_parity_and_is_told() -> None:
    of = found(rows(always_a))
    row = rate(of)
    assert (row["jmq"], row["win_rate"], row["first_rate"], row["flip_rate"]) == (1, 0.5, 1, 1)
    assert row["jmq_low"] < 1 < row["jmq_high"]
    assert row["lc_win_rate"] == pytest.approx(0.5, abs=1e-6)
    assert any("changes its mind with the order in 100%" in w for w in of.warnings)


def test_a_judge_of_length_is_at_parity_at_equal_lengths_and_is_told() -> None:
    of = found(rows(by_length, 400))
    row = rate(of)
    assert row["jmq_low"] > 1
    assert row["longer_rate"] > 0.8
    assert row["lc_low"] < 0.5 < row["lc_high"]
    assert row["length_effect"] > 1
    assert any("good part one for longer text" in w for w in of.warnings)
    assert metric(of, "jmq_lc_overall:j") == pytest.approx(2 * row["lc_win_rate"])


def test_jmq_is_twice_the_win_rate_and_its_interval_too() -> None:
    of = found(rows(fair(0.3), 400))
    row = rate(of)
    assert row["jmq"] == 2 * row["win_rate"] == pytest.approx(0.6, abs=0.1)
    assert (row["jmq_low"], row["jmq_high"]) == (2 * row["ci_low"], 2 * row["ci_high"])
    assert metric(of, "jmq_overall:j") == row["jmq"]
    assert row["wins"] + row["ties"] + row["losses"] == row["verdicts"] == 800
    assert of.warnings == [w for w in of.warnings if "order" in w], "a coin flips with the order"


def test_an_error_takes_its_pair_out_of_the_rate_and_not_its_other_verdict() -> None:
    calls = iter(range(400))

    def sometimes(rng: np.random.Generator, first: bool, longer: float) -> float:
        return math.nan if next(calls) % 10 == 0 else 1.0

    of = found(rows(sometimes))
    row = rate(of)
    assert (row["pairs"], row["verdicts"], row["errors"]) == (160, 360, 40)
    assert row["win_rate"] == 1
    assert any("40 of 400 (overall) requests" in w for w in of.warnings)


def test_what_was_never_asked_is_no_error() -> None:
    table = rows(lambda rng, first, longer: math.nan if first else 1.0)
    of = found([row | {"error": "not asked" if row["verdict"] is None else None} for row in table])
    row = rate(of)
    assert (row["verdicts"], row["errors"], row["not_asked"]) == (200, 0, 200)
    assert any("200 (overall) requests about" in w and "not asked" in w for w in of.warnings)
    assert not any("no verdict" in w for w in of.warnings)


def test_nothing_of_a_control_is_jmq() -> None:
    of = found(
        rows(fair()), rows(fair(0.02), kind="broken"), rows(fair(), kind="human", model="human")
    )
    assert rate(of, kind="broken")["jmq"] is None
    assert rate(of, kind="human")["jmq"] is None
    assert {(m.model, m.stratum) for m in of.metrics} == {("m", "")}
    assert not [w for w in of.warnings if "shuffled" in w]


def test_a_judge_that_prefers_broken_text_of_a_model_is_told() -> None:
    of = found(rows(fair(0.7)), rows(fair(0.6), kind="broken"))
    assert any("prefers that source whatever it says" in w for w in of.warnings)


def test_it_is_told_on_each_dimension_that_is_reported() -> None:
    parts = [rows(fair(0.7), dimension=d) for d in ("overall", "depth")]
    taste = {"overall": 0.05, "depth": 0.6}
    controls = [rows(fair(p), kind="broken", dimension=d) for d, p in taste.items()]
    warned = [w for w in found(*parts, *controls).warnings if "that source whatever" in w]
    assert len(warned) == 1
    assert "(depth)" in warned[0]
    assert "(overall)" not in warned[0]


def test_one_line_tells_of_all_dimensions_of_a_model() -> None:
    of = found(*(rows(always_a, dimension=d) for d in ("overall", "depth")))
    (said,) = of.warnings
    assert "100% (depth), 100% (overall) of the pairs of m" in said


def test_a_judge_that_prefers_every_model_is_told() -> None:
    every = found(rows(fair(0.7)), rows(fair(0.8), model="n"))
    assert any("prefers the text of every model" in w for w in every.warnings)
    one = found(rows(fair(0.7)), rows(fair(0.3), model="n"))
    assert not any("prefers the text of every model" in w for w in one.warnings)


def test_several_models_have_strengths_and_several_judges_an_agreement() -> None:
    of = found(
        rows(fair(0.7)),
        rows(fair(0.3), model="n", seed=1),
        rows(fair(0.85), kind="models", against="n", seed=2),
        rows(fair(0.7), name="k"),
        rows(fair(0.3), model="n", name="k", seed=1),
    )
    assert metric(of, "bradley_terry_overall:j") == pytest.approx(math.log(0.7 / 0.3), abs=0.25)
    assert metric(of, "bradley_terry_overall:j", "n") < -0.5
    assert metric(of, "judge_agreement_overall") == pytest.approx(1), "k draws what j drew"
    assert [k["kappa"] for k in of.kappas] == [pytest.approx(1)] * 2
    names = {m.name for own in of.metrics for m in own.metrics}
    assert {"jmq_overall:j", "jmq_overall:k"} <= names
    assert not {name for name in names if measure(name).title == name}, "each has a plain label"
    title = "Judge at equal length, human likeness (org/j)"
    assert measure("jmq_lc_human_likeness:org/j").title == title


def test_strata_with_enough_pairs_have_rows_of_their_own() -> None:
    some = rows(fair(), 30, stratum="a")
    for i, row in enumerate(rows(fair(), 10, stratum="b")):
        some.append({**row, "pair_id": f"b{i // 2}", "cluster": f"b{i // 2}"})
    of = found(some)
    assert sorted(r["stratum"] for r in of.rates) == ["", "a"]
    assert metric(of, "jmq_overall:j", stratum="a") >= 0


def test_odds_give_a_rate_without_the_position_effect() -> None:
    told = rows(always_a)
    for row in told:
        row["odds"] = 0.4 + (2.0 if row["order"] == "model_first" else -2.0)
    of = found(told)
    row = rate(of)
    assert row["odds_pairs"] == 200
    assert row["odds_win_rate"] == pytest.approx(1 / (1 + math.exp(-0.4)))
    assert metric(of, "jmq_odds_overall:j") == pytest.approx(2 * row["odds_win_rate"])


def test_every_row_is_one_of_the_schema() -> None:
    of = found(rows(fair()), rows(fair(), kind="broken"))
    run = {"run_id": "r", "date": "", "human": "human"}
    table = pa.Table.from_pylist([{**run, **r} for r in of.rates], schema=schema.WIN_RATES)
    for row in of.rates:
        assert set(row) | set(run) == set(schema.WIN_RATES.names)
    assert table.num_rows == 2
