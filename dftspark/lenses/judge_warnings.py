"""What to be wary of in verdicts: a judge's controls, its taste for a source, a place or length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dftspark.lenses.judge_rates import MODEL, Row

_BROKEN_WINS = 0.25
_FLIPS = 0.3
_ERRORS = 0.05


def warnings(rates: Sequence[Row]) -> list[str]:
    whole = [row for row in rates if not row["stratum"]]
    said = []
    for judge in sorted({row["judge"] for row in whole}):
        own = [row for row in whole if row["judge"] == judge]
        main = [row for row in own if row["kind"] == MODEL]
        said += [f"judge {judge}: {text}" for text in (*_of_controls(own), *_of_judge(main))]
    return said


def _of_controls(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row["kind"] == "broken" and row["win_rate"] > _BROKEN_WINS:
            yield (
                f"prefers text of {row['model']} with its words shuffled to human text in "
                f"{row['win_rate']:.0%} of the pairs ({row['dimension']}): it prefers that source "
                f"whatever it says, or does not read, and its JMQ means nothing"
            )


def _of_judge(rows: Sequence[Row]) -> Iterator[str]:
    liked = [
        dimension for dimension, own in _by_dimension(rows)
        if len(own) > 1 and all((row["jmq_low"] or 0) > 1 for row in own)
    ]  # fmt: skip
    if liked:
        yield (
            f"prefers the text of every model to human text ({', '.join(liked)}): it may prefer "
            f"machine text whatever its source; JMQ above 1 is then the judge's taste"
        )
    for dimension, own in _by_dimension(rows):
        for row in own:
            asked = row["verdicts"] + row["errors"]
            if row["flip_rate"] > _FLIPS:
                yield (
                    f"changes its mind with the order in {row['flip_rate']:.0%} of the pairs of "
                    f"{row['model']} ({dimension}): what it prefers is mostly a place, and JMQ is "
                    f"drawn toward 1"
                )
            if asked and row["errors"] > _ERRORS * asked:
                yield (
                    f"{row['errors']:,} of {asked:,} requests about {row['model']} ({dimension}) "
                    f"have no verdict; the table judgements says why"
                )
            if _by_length(row):
                yield (
                    f"at equal lengths its preference about {row['model']} ({dimension}) is "
                    f"{2 * row['lc_win_rate']:.2f} and no longer {row['jmq']:.2f}: it is in good "
                    f"part one for {'longer' if row['length_effect'] > 0 else 'shorter'} text"
                )


def _by_dimension(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for dimension in dict.fromkeys(row["dimension"] for row in rows):
        yield dimension, [row for row in rows if row["dimension"] == dimension]


def _by_length(row: Row) -> bool:
    raw = (row["ci_low"] > 0.5) - (row["ci_high"] < 0.5)
    controlled = (row["lc_low"] > 0.5) - (row["lc_high"] < 0.5)
    return bool(raw and controlled != raw and math.isfinite(row["lc_win_rate"]))
