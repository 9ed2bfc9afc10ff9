"""Metrics of many corpora to the tables of a sweep: settings, ranks, verdicts, trade-offs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dftspark import schema, sweeps
from dftspark.config import Audit
from dftspark.errors import ConfigError
from dftspark.inference.halves import Splits, halves
from dftspark.lenses.lens import rates

SPLITS = halves(Splits(20, seed=0))
TEMPERATURES = ["0.2", "0.9", "1", "1.5", "10"]
NEAR_ONE = dict(zip(TEMPERATURES, [9.0, 4.0, 1.0, 4.0, 9.0], strict=True))
NEAR_LOW = dict(zip(TEMPERATURES, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))


def audit(**sweep: Any) -> Audit:
    return Audit.parse(
        {
            "corpora": {
                "human": {"role": "human", "path": "h"},
                "m": {
                    "role": "model",
                    "path": "m",
                    "split_by": ["temp"],
                    "columns": {"sampler": {"temperature": "temp"}},
                },
                "dft": {"role": "model", "path": "d"},
            },
            "sweep": {"measures": ["mmd_squared", "l2_*"], **sweep},
        },
        "the test",
    )


def row(model: str, metric: str, value: float, seed: int, noise: float = 0.2) -> dict[str, Any]:
    """A measure whose error is a mean over blocks, with a standard deviation of `noise`."""
    by_block = value + 8 * noise * np.random.default_rng(seed).standard_normal(64)
    by_block += value - by_block.mean()
    on_halves = np.einsum("b,shb->sh", by_block, SPLITS) / 32
    return {
        "run_id": "r",
        "date": "",
        "human": "human",
        "model": model,
        "stratum": "",
        "lens": "ngrams",
        "metric": metric,
        "value": value,
        "unit": "u",
        "std_error": noise,
        "ci_low": value - 2 * noise,
        "ci_high": value + 2 * noise,
        "p_value": 0.01,
        "floor": 0.5,
        "ratio_to_floor": value / 0.5,
        "mde": 0.1,
        "blocks": 64,
        "n_human": 640,
        "n_model": 640,
        "better": "lower",
        "fingerprint": "f",
        "left_out": ((by_block.sum() - by_block) / 63).tolist(),
        "halves": on_halves.ravel().tolist(),
    }


def rows(challenger: float = 0.2, noise: float = 0.2) -> list[dict[str, Any]]:
    found = [row("dft", "mmd_squared", challenger, 50, noise), row("dft", "l2_1gram", 3.0, 51)]
    for i, temperature in enumerate(TEMPERATURES):
        name = f"m/{temperature}"
        found.append(row(name, "mmd_squared", NEAR_ONE[temperature], i, noise))
        found.append(row(name, "l2_1gram", NEAR_LOW[temperature], 10 + i))
        plain = row(name, "c2st_auc", 1 - i / 10, 0)
        found.append({**plain, "left_out": None, "halves": None})
        found.append(row(name, "mmd_squared_feature_error", 1.0, 0))
    return found


def by(table: Any, *keys: str) -> dict[Any, dict[str, Any]]:
    found = table.to_pylist()
    named = {tuple(r[k] for k in keys): r for r in found}
    assert len(named) == len(found)
    return named


def test_settings_are_read_off_the_corpora_and_stand_in_order() -> None:
    names = ["m/10", "m/0.2", "m/1.5", "m/1", "m/0.9", "dft"]
    (found,) = sweeps.found_in(audit(), names)
    assert list(found.settings) == [f"m/{t}" for t in TEMPERATURES]
    assert found.settings["m/1.5"] == {"temperature": "1.5"}
    assert found.challenger is None
    (found,) = sweeps.found_in(audit(challenger="m/1"), names)
    assert "m/1" not in found.settings
    assert found.challenger == "m/1"
    assert sweeps.found_in(audit(), ["m/1", "dft"]) == []


def test_several_columns_and_values_with_a_slash() -> None:
    corpora = {
        "human": {"role": "human", "path": "h"},
        "m": {"role": "model", "path": "m", "split_by": ["model", "top_p"]},
        "n": {"role": "model", "path": "m", "split_by": ["model"]},
    }
    config = Audit.parse({"corpora": corpora}, "the test")
    found = sweeps.found_in(config, ["m/a/0.9", "m/b/0.8", "m/org%2Fb/0.8", "n/org/b", "n/c"])
    assert found[0].settings == {
        "m/a/0.9": {"model": "a", "top_p": "0.9"},
        "m/b/0.8": {"model": "b", "top_p": "0.8"},
        "m/org%2Fb/0.8": {"model": "org/b", "top_p": "0.8"},
    }
    assert found[1].settings == {"n/c": {"model": "c"}, "n/org/b": {"model": "org/b"}}


def test_samplers_rank_every_measure() -> None:
    config = audit(challenger="dft")
    table = sweeps.tables(rows(), config)["samplers"]
    assert table.schema == schema.SAMPLERS
    found = by(table, "model", "metric")
    assert {metric for _, metric in found} == {"mmd_squared", "l2_1gram", "c2st_auc"}
    ranks = [found[f"m/{t}", "mmd_squared"]["rank"] for t in TEMPERATURES]
    assert ranks == [4, 2, 1, 2, 4]
    assert [found[f"m/{t}", "c2st_auc"]["rank"] for t in TEMPERATURES] == [5, 4, 3, 2, 1]
    best = {(m, k) for (m, k), r in found.items() if r["super_baseline"]}
    assert best == {("m/1", "mmd_squared"), ("m/0.2", "l2_1gram"), ("m/10", "c2st_auc")}
    middle = found["m/1", "mmd_squared"]
    assert middle["settings"] == [("temperature", "1")]
    assert (middle["chosen"], middle["p_best"]) == (1.0, 1.0)
    assert found["m/0.9", "mmd_squared"]["p_best"] < 0.001
    assert len(middle["first_half"]) == len(middle["second_half"]) == 20
    assert np.mean(middle["first_half"] + middle["second_half"]) == pytest.approx(1.0)
    own = found["dft", "mmd_squared"]
    assert own["challenger"]
    assert (own["rank"], own["chosen"], own["p_best"], own["super_baseline"]) == (
        None,
        None,
        None,
        False,
    )


def test_the_super_baseline_and_its_challenger() -> None:
    table = sweeps.tables(rows(), audit(challenger="dft"))["super_baseline"]
    assert table.schema == schema.SUPER_BASELINE
    found = by(table, "metric")
    mmd, l2, c2st = (found[(m,)] for m in ("mmd_squared", "l2_1gram", "c2st_auc"))
    assert (mmd["best"], mmd["naive"], mmd["settings"]) == ("m/1", 1.0, 5)
    assert mmd["honest"] == pytest.approx(1.0)
    assert mmd["may_be_best"] == ["m/1"]
    assert mmd["optimism_if_alike"] == pytest.approx(0.2 * 1.163, rel=0.2)
    assert mmd["difference"] == pytest.approx(-0.8, abs=0.01)
    assert (mmd["verdict"], l2["verdict"], c2st["verdict"]) == ("better", "worse", None)
    assert l2["difference_low"] < l2["difference"] < l2["difference_high"]
    assert c2st["best"] == "m/10"
    assert c2st["honest"] is None


def test_a_challenger_within_noise_is_not_told_apart() -> None:
    table = sweeps.tables(rows(challenger=0.9, noise=0.5), audit(challenger="dft"))
    found = by(table["super_baseline"], "metric")
    assert found["mmd_squared",]["verdict"] == "not distinguishable"


def test_trade_offs_are_found_where_the_best_settings_differ() -> None:
    tables = sweeps.tables(rows(), audit())
    assert tables["tradeoffs"].schema == schema.TRADEOFFS
    found = by(tables["tradeoffs"], "metric", "other")
    assert set(found) == {("", ""), ("mmd_squared", "l2_1gram")}
    pair = found["mmd_squared", "l2_1gram"]
    assert (pair["best"], pair["best_other"]) == ("m/1", "m/0.2")
    assert pair["regret"] == pytest.approx(8)
    assert pair["regret_other"] == pytest.approx(2)
    assert pair["differ"]
    assert pair["q_value"] < 0.01
    assert pair["front"] == ["m/1", "m/0.9", "m/0.2"]
    assert found["", ""]["differ"]
    fronts = {r["model"] for r in tables["samplers"].to_pylist() if r["front"]}
    assert fronts == {"m/1", "m/0.9", "m/0.2"}


def test_noise_hides_a_trade_off() -> None:
    loud = [
        row(f"m/{t}", metric, value / 100, 20 * k + i)
        for k, (metric, values) in enumerate((("mmd_squared", NEAR_ONE), ("l2_1gram", NEAR_LOW)))
        for i, (t, value) in enumerate(values.items())
    ]
    found = by(sweeps.tables(loud, audit())["tradeoffs"], "metric", "other")
    assert not found["mmd_squared", "l2_1gram"]["differ"]
    assert not found["", ""]["differ"]


def test_settings_too_small_for_halves_are_ranked_and_not_chosen() -> None:
    some = rows()
    small = next(r for r in some if (r["model"], r["metric"]) == ("m/1", "mmd_squared"))
    small |= {"left_out": None, "halves": None, "blocks": 0}
    tables = sweeps.tables(some, audit())
    samplers = by(tables["samplers"], "model", "metric")
    assert samplers["m/1", "mmd_squared"]["rank"] == 1
    assert not samplers["m/1", "mmd_squared"]["super_baseline"]
    best = by(tables["super_baseline"], "metric")["mmd_squared",]
    assert best["best"] == "m/0.9"
    assert best["settings"] == 4


def test_without_a_sweep_there_are_no_rows() -> None:
    tables = sweeps.tables([r for r in rows() if r["model"] == "dft"], audit())
    assert {name: table.num_rows for name, table in tables.items()} == dict.fromkeys(
        schema.SWEEP_TABLES, 0
    )


def test_a_measure_that_is_not_there_is_told_with_the_nearest() -> None:
    sweeps.check(audit(), rates())
    with pytest.raises(ConfigError, match="did you mean 'em_dash'"):
        sweeps.check(audit(rates=["em_dahs"]), rates())
    with pytest.raises(ConfigError, match=r"sweep\.challenger is a model corpus"):
        sweeps.check(audit(challenger="nobody"), rates())
