"""The table `samplers`: every measure of every setting, ranked."""

from __future__ import annotations

from dftspark.inference.super_baseline import SuperBaseline
from dftspark.sweeps.measure import Row, SweptMeasure, best_of, ranks_of
from dftspark.sweeps.settings import SweepCorpora


def sampler_rows(
    sweep: SweepCorpora, measure: SweptMeasure, found: SuperBaseline | None, inside: set[str]
) -> list[Row]:
    """Returns one row per corpus of the measure; `inside` are the settings of the front."""
    ranks = ranks_of(measure, sweep)
    number = {c: i for i, c in enumerate(measure.corpora)}
    best = best_of(measure, ranks, found)
    out = []
    for corpus, row in measure.rows.items():
        own = corpus == sweep.challenger
        i = None if own else number.get(corpus)
        halves = row.get("halves")
        out.append(
            {
                **row,
                "sweep": sweep.name,
                "settings": list(sweep.settings.get(corpus, {}).items()),
                "challenger": own,
                "rank": ranks.get(corpus),
                "super_baseline": corpus == best,
                "chosen": None if i is None or found is None else float(found.chosen[i]),
                "p_best": None if i is None else float(measure.p_best[i]),
                "front": corpus in inside,
                "first_half": halves and halves[::2],
                "second_half": halves and halves[1::2],
            }
        )
    return out
