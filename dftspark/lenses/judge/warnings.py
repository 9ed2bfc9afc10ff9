"""Warnings about verdicts: a judge's controls, its taste for a source, a place or a length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dftspark.lenses.judge.rates import MODEL, Row

_BROKEN_WINS = 0.25
_FLIPS = 0.3
_ERRORS = 0.05


def warnings(rates: Sequence[Row]) -> list[str]:
    """Returns the objections of rows of schema.WIN_RATES to each judge, in sentences; empty if
    none.
    """
    whole = [row for row in rates if not row["stratum"]]
    said = []
    for judge in sorted({row["judge"] for row in whole}):
        own = [row for row in whole if row["judge"] == judge]
        main = [row for row in own if row["kind"] == MODEL]
        said += [f"judge {judge}: {text}" for text in (*_of_controls(own), *_of_judge(main))]
    return said


def _of_controls(rows: Sequence[Row]) -> Iterator[str]:
    for model, own in _by("model", [row for row in rows if row["kind"] == "broken"]):
        if preferred := [row for row in own if row["win_rate"] > _BROKEN_WINS]:
            yield (
                f"prefers text of {model} with its words shuffled to human text in "
                f"{_shares(preferred, 'win_rate')} of the pairs: it prefers that source "
                f"whatever it says, or does not read, and its JMQ means nothing"
            )


def _of_judge(rows: Sequence[Row]) -> Iterator[str]:
    liked = [
        dimension
        for dimension, own in _by("dimension", rows)
        if len(own) > 1 and all((row["jmq_low"] or 0) > 1 for row in own)
    ]
    if liked:
        yield (
            f"prefers the text of every model to human text ({', '.join(liked)}): it may prefer "
            f"machine text whatever its source; JMQ above 1 is then the judge's taste"
        )
    for model, own in _by("model", rows):
        if flipped := [row for row in own if row["flip_rate"] > _FLIPS]:
            yield (
                f"changes its mind with the order in {_shares(flipped, 'flip_rate')} of the pairs "
                f"of {model}: what it prefers is mostly a place, and JMQ is drawn toward 1"
            )
        if silent := [row for row in own if row["errors"] > _ERRORS * _asked(row)]:
            counts = [f"{r['errors']:,} of {_asked(r):,} ({r['dimension']})" for r in silent]
            yield (
                f"{', '.join(counts)} requests about {model} have no verdict; the table "
                f"judgements says why"
            )
        if unasked := [row for row in own if row["not_asked"]]:
            counts = [f"{r['not_asked']:,} ({r['dimension']})" for r in unasked]
            yield (
                f"{', '.join(counts)} requests about {model} were not asked: the numbers stand on "
                f"the others"
            )
        for row in filter(_by_length, own):
            yield (
                f"at equal lengths its preference about {model} ({row['dimension']}) is "
                f"{2 * row['lc_win_rate']:.2f} and no longer {row['jmq']:.2f}: it is in good "
                f"part one for {'longer' if row['length_effect'] > 0 else 'shorter'} text"
            )


def _asked(row: Row) -> int:
    return int(row["verdicts"] + row["errors"])


def _shares(rows: Sequence[Row], name: str) -> str:
    return ", ".join(f"{row[name]:.0%} ({row['dimension']})" for row in rows)


def _by(name: str, rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for value in dict.fromkeys(row[name] for row in rows):
        yield value, [row for row in rows if row[name] == value]


def _by_length(row: Row) -> bool:
    raw = (row["ci_low"] > 0.5) - (row["ci_high"] < 0.5)
    controlled = (row["lc_low"] > 0.5) - (row["lc_high"] < 0.5)
    return bool(raw and controlled != raw and math.isfinite(row["lc_win_rate"]))
