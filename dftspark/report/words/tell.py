"""Tell sizes in words: how many documents give a model away, and which of several models is nearer.

One rule ranks models everywhere: in sentences, ladders, navigation, order of sections, the listing
and the manifest. Models that no lens tells apart are the nearest; the others follow by decreasing
tell size of their leading lens. Neighbors whose intervals overlap are tied.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dftspark.report.words.lenses import leads, measure, stand_in
from dftspark.report.words.rows import LEVEL, Row
from dftspark.report.words.text import real
from dftspark.store.run import Run

LEAST = 16  # clusters a side that the tests need; a smaller tell size is shown as "at most"
_COLUMNS = (
    "human model stratum lens metric value ci_low ci_high p_value n_tell n_tell_low n_tell_high "
    "n_tell_unit blocks n_human n_model better unit"
)
_PERMUTATIONS = 999


@dataclass(frozen=True)
class Size:
    """Documents of each side (prompts, if several answers share one) at which the test of one
    measure detects the model with 80% power at the 5% level.

    n        the estimate; nan if there is none, inf if the test finds no difference
    low      lower end of its 95% interval; for a measure that does not tell, all that is known
    told     whether the p-value of the measure is below 5%
    at_most  whether n is known to be too high, as for longer n-grams
    beyond   whether n is more than was read, which makes it an extrapolation
    """

    n: float
    low: float
    high: float
    unit: str
    told: bool
    at_most: bool = False
    beyond: bool = False

    @property
    def known(self) -> bool:
        """True if there is a point to show."""
        return self.told and math.isfinite(self.n)

    @property
    def ends(self) -> tuple[float, float]:
        """The interval as it is shown; open above if nothing is told, nan if unknown."""
        high = self.high if self.told else math.inf
        return (math.nan, math.nan) if math.isnan(self.low) else (_shown(self.low), _shown(high))


@dataclass(frozen=True)
class ByLens:
    """The result of one lens for a model; `p_value` is Holm-adjusted over the lenses that have
    one."""

    name: str
    row: Row
    size: Size
    p_value: float

    @property
    def told(self) -> bool:
        return self.p_value < LEVEL


@dataclass(frozen=True)
class Standing:
    """The result of a run for one model.

    main     the row that represents it if no tell size does
    lenses   those that tell it apart, smallest tell size first, then the others
    p_value  least p of the lenses times their number, at most 1; nan without a lens
    answers  of the model to a prompt, if several share one and that is known; else nan
    reason   why no lens has a result; empty if one has
    """

    model: str
    stratum: str
    main: Row
    lenses: tuple[ByLens, ...]
    p_value: float
    answers: float
    reason: str

    @property
    def told(self) -> bool:
        return self.p_value < LEVEL

    @property
    def size(self) -> Size | None:
        """The tell size of the leading lens; for a model not told apart, its lower bound."""
        if not self.lenses or self.told:
            return self.lenses[0].size if self.lenses else None
        low = [lens.size for lens in self.lenses if not math.isnan(lens.size.low)]
        if not low:
            return None
        least = min(low, key=lambda size: size.low)
        return Size(math.inf, least.low, math.inf, least.unit, False)

    @property
    def judged(self) -> bool:
        """True if only a judge was asked."""
        return not self.lenses and measure(self.main["metric"]).parity


def size_of(row: Row, clusters: Mapping[str, int] | None = None) -> Size:
    """Returns the tell size of a row of the table metrics; rows of older runs have none.

    `clusters` has the number of prompts (or texts) of each corpus.
    """
    n, low, high = (real(row.get(f"n_tell{end}")) for end in ("", "_low", "_high"))
    unit = row.get("n_tell_unit") or "documents"
    read = [row.get("n_human"), row.get("n_model")]
    if unit == "prompts":
        read = [(clusters or {}).get(row.get(side, "")) for side in ("human", "model")]
    return Size(
        n,
        low,
        high,
        unit,
        told=real(row["p_value"]) < LEVEL,
        at_most=measure(row["metric"]).at_most,
        beyond=math.isfinite(n) and any(size is not None and size < n for size in read),
    )


def of_run(run: Run, stratum: str | None = None) -> list[Standing]:
    """Ranks the models of a run, nearest to human first; within a stratum, or by all documents."""
    if "metrics" not in run.tables:
        return []
    have = run.columns("metrics")
    rows = run.table("metrics", [name for name in _COLUMNS.split() if name in have]).to_pylist()
    if stratum is not None:
        rows = [row for row in rows if row["stratum"] == stratum]
    return ranked(rows, clusters_of(run))


def clusters_of(run: Run) -> dict[str, int]:
    """Returns the number of prompts (or texts) of each corpus; empty if the run does not say."""
    if "corpora" not in run.tables:
        return {}
    rows = run.table("corpora", ["corpus", "clusters"]).to_pylist()
    return {row["corpus"]: row["clusters"] for row in rows if row["clusters"]}


def old(run: Run) -> bool:
    """Returns whether the run was made before there were tell sizes."""
    return "metrics" in run.tables and "n_tell" not in run.columns("metrics")


def fitted_below(run: Run) -> float:
    """Returns the p below which relabelings are too few to count, so that it comes from a fitted
    tail."""
    settings = run.manifest.get("config", {}).get("inference", {})
    return 10 / (int(settings.get("permutations", _PERMUTATIONS)) + 1)


def ranked(rows: Iterable[Row], clusters: Mapping[str, int] | None = None) -> list[Standing]:
    """Ranks every model in `rows` of the table metrics, nearest to human first.

    Models for which nothing can be said come last, by the value of their main measure; a run with
    only a judge is ranked by the judge.
    """
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_model[row["model"]].append(row)
    return sorted((standing(own, clusters) for own in by_model.values()), key=_place)


def standing(rows: Sequence[Row], clusters: Mapping[str, int] | None = None) -> Standing:
    """Sums up the rows of one model; rows over all documents count before rows of a stratum."""
    main = min(rows, key=_first)
    own = {row["metric"]: row for row in rows if row["stratum"] == main["stratum"]}
    tested = [
        own[metric]
        for metric in leads()
        if metric in own
        and "n_tell" in own[metric]
        and not math.isnan(real(own[metric]["p_value"]))
    ]
    lenses = [
        ByLens(leads()[row["metric"]], row, size_of(row, clusters), p)
        for row, p in zip(tested, holm([real(row["p_value"]) for row in tested]), strict=True)
    ]
    lenses.sort(key=lambda lens: (not lens.told, _finite(lens.size.n)))
    number = (clusters or {}).get(main["model"], 0)
    grouped = any(lens.size.unit == "prompts" for lens in lenses)
    return Standing(
        main["model"],
        main["stratum"],
        main,
        tuple(lenses),
        min((lens.p_value for lens in lenses), default=math.nan),
        real(main.get("n_model")) / number if grouped and number else math.nan,
        "" if lenses else _reason(own, main),
    )


def tied(first: Standing, second: Standing) -> bool:
    """Returns whether the intervals of both tell sizes overlap, so that neither is nearer to
    human."""
    sizes = first.size, second.size
    if sizes[0] is None or sizes[1] is None:
        return False
    (low, high), (other_low, other_high) = sizes[0].ends, sizes[1].ends
    return not (high < other_low or other_high < low)  # an unknown end separates nothing


def nearest(models: Sequence[Standing]) -> list[Standing]:
    """Returns the first of `ranked`, and those after it that are tied with it."""
    return _together(list(models))


def farthest(models: Sequence[Standing]) -> list[Standing]:
    """Returns the last of `ranked` with a tell size, and those before it that are tied with it."""
    return _together([model for model in models if model.size is not None][::-1])


def _together(models: list[Standing]) -> list[Standing]:
    found = models[:1]
    for other in models[1:]:
        if not tied(models[0], other):
            break
        found.append(other)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number, in the same order."""
    adjusted, most = [0.0] * len(p_values), 0.0
    for turn, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        most = max(most, min(1.0, (len(p_values) - turn) * p_values[at]))
        adjusted[at] = most
    return adjusted


def _shown(n: float) -> float:
    return max(n, float(LEAST))


def _finite(n: float) -> float:
    return n if math.isfinite(n) else math.inf


def _place(found: Standing) -> tuple[int, float, str]:
    size = found.size
    if size is None:
        value = real(found.main["value"])
        return (3, 0.0, found.model) if math.isnan(value) else (2, value, found.model)
    if not found.told:
        return 0, -size.low, found.model
    return 1, -_finite(size.n), found.model


def _first(row: Row) -> tuple[bool, int, str, str]:
    """Sorts all documents before a stratum, then by what stands for a model without a tell size."""
    return row["stratum"] != "", stand_in(row["metric"]), row["metric"], row["stratum"]


def _reason(own: Mapping[str, Row], main: Row) -> str:
    if "n_tell" not in main:
        return "the run was made before there were tell sizes; audit again for one"
    if not any(metric in own for metric in leads()):
        return f"none of {', '.join(leads())} was measured"
    if math.isnan(real(main["p_value"])) and not math.isnan(real(main["ci_low"])):
        return "no test is given, since the human side repeats itself"
    return f"fewer than {LEAST} documents or prompts a side"
