"""Puts the metrics table into words. Pure functions of its rows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pyarrow as pa

from dftspark.report.words import tell
from dftspark.report.words.lenses import lens, measure
from dftspark.report.words.rows import Row
from dftspark.report.words.tell import LEAST, ByLens, Size, Standing, farthest, nearest, ranked
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.store.run import Run

_NAMED = 3  # of the tied models, so many are named in a sentence
_LEAST_P = 1e-300


def headline(metrics: pa.Table) -> str:
    """States the outcome in one line; empty without a row."""
    models = ranked(metrics.to_pylist())
    return headline_of(models) if models else ""


def headline_of(models: Sequence[Standing]) -> str:
    """Writes one sentence on all models, as `ranked` returns them."""
    if len(models) == 1:
        return finding(models[0])
    if models[0].judged:
        return _preferred_of(models)
    known = [model for model in models if model.size is not None]
    if not known:
        return f"The {len(models)} models have no tell size: {models[0].reason}"
    near, far = nearest(known), farthest(known)
    if not any(model.told for model in known):
        least = min((model.size for model in known if model.size), key=lambda size: size.low)
        return (
            f"None of {len(known)} models is told apart: it would take more than "
            f"{documents(least.low)} {least.unit} a side"
        )
    if len(near) == len(known):
        alike = {_gives(model, named=False) for model in known}
        if len(alike) == 1 and near[0].told:
            each = alike.pop().replace(" give it away", " give each away")
            return f"{_names(known)} are tied: {each}"
        every = ", ".join(_gives(model, named=True) for model in known[:_NAMED])
        return f"{_names(known)} are tied: {every}"
    place = "is nearest to human" if len(near) == 1 else "are nearest to human, tied"
    said = f"{_names(near)} {place}: {_gives(near[0], named=len(near) > 1)}"
    if far[0] in near:
        return said
    place = "is farthest" if len(far) == 1 else "are farthest, tied"
    return f"{said}; {_names(far)} {place}: {_gives(far[0], named=len(far) > 1)}"


def verdicts(run: Run) -> dict[str, str]:
    """Returns a sentence for each model of a run, nearest to human first: how many documents of
    each side give it away, by what, and how sure that is."""
    models = tell.of_run(run)
    return {model.model: verdict(model, tell.fitted_below(run)) for model in models}


def verdict(model: Standing, fitted_below: float = 0.0) -> str:
    """Writes the finding with its evidence, as a sentence."""
    shown = evidence(model, fitted_below)
    return f"{finding(model)} ({shown})." if shown else f"{finding(model)}."


def finding(model: Standing) -> str:
    """Writes one sentence on one model, without its evidence and its full stop."""
    name = visible(model.model)
    if model.judged:
        won = real(model.main["value"]) / 2
        return f"A judge prefers {name} to the human text in {won:.0%} of the pairs; half is parity"
    if not model.lenses:
        return f"{name} has no tell size: {model.reason}"
    if not model.told:
        size = model.size
        least = f": it would take {more_than(size)} a side" if size else ""
        return f"{name} is not told apart{least}"
    lead, *others = [lens for lens in model.lenses if lens.told]
    if not lead.size.known:
        told = " and ".join(lens.name for lens in (lead, *others))
        return f"{name} is told from human by {told}; its tell size is not known"
    said = f"One answer can look fine; {_many(model, lead)} give {name} away by {lead.name}"
    said += "".join(
        f", {short(lens.size)} by {lens.name}" if lens.size.known else f", {lens.name} too"
        for lens in others
    )
    rest = [lens for lens in model.lenses if not lens.told and not math.isnan(lens.size.low)]
    return said + "".join(f"; by {lens.name} {more_than(lens.size)}" for lens in rest)


def evidence(model: Standing, fitted_below: float = 0.0) -> str:
    """Gives the p-value of the finding, or the main measure of a model without a tell size."""
    if model.lenses:
        least = model.p_value / len(model.lenses)
        return p_said(model.p_value, fitted=least < fitted_below)
    row = model.main
    shown, p = interval(row), real(row["p_value"])
    parts = [f"{spoken(row['metric'])} {number(real(row['value']))}"]
    parts += [f"95% CI {shown}"] if shown != MISSING else []
    parts += [p_said(p)] if not math.isnan(p) else []
    parts += [missing(row)] if missing(row) else []
    return "; ".join(parts)


def documents(n: float) -> str:
    """Writes a number of documents, to two digits above a hundred, never below what the tests
    need."""
    shown = max(n, LEAST)
    return f"{round(shown) if shown <= 100 else float(f'{shown:.1e}'):,.0f}"


def short(size: Size) -> str:
    """Writes 46, at most 16, about 1,200 if that is more than was read, more than 210, or `-`."""
    if not size.told:
        return MISSING if math.isnan(size.low) or size.at_most else f"more than {_least(size)}"
    if not size.known:
        return MISSING
    if size.at_most or size.n < LEAST:
        return f"at most {documents(size.n)}"
    return f"about {documents(size.n)}" if size.beyond else documents(size.n)


def span(size: Size) -> str:
    """Writes the interval of a tell size, `29 to 62` or `29 or more`, or `-` if there is none."""
    low, high = size.ends
    if not size.known or size.n < LEAST or math.isnan(low) or math.isnan(high):
        return MISSING
    return f"{documents(low)} " + ("or more" if math.isinf(high) else f"to {documents(high)}")


def more_than(size: Size) -> str:
    return f"more than {_least(size)} {size.unit}"


def p_said(p: float, fitted: bool = False) -> str:
    """Writes `p = 4e-7, fitted tail`: beyond what relabelings can count, a curve is fitted to
    them."""
    shown = f"p < {_LEAST_P:.0e}" if p < _LEAST_P else f"p = {plain_p(p)}"
    return f"{shown}{', fitted tail' if fitted else ''}"


def spoken(metric: str) -> str:
    """Says `l2_1gram` as `token L2`, `l2_3gram` as `3-gram L2`; others by their own name."""
    return visible(measure(metric).spoken)


def interval(row: Row) -> str:
    low, high = real(row["ci_low"]), real(row["ci_high"])
    if math.isnan(low) or math.isnan(high):
        return MISSING
    return f"{number(low)}{' to ' if low < 0 else '-'}{number(high)}"


def p_value(row: Row) -> str:
    return plain_p(real(row["p_value"]))


def missing(row: Row) -> str:
    """Says why numbers of the row are nan; empty if none is."""
    if math.isnan(real(row["value"])):
        return lens(row.get("lens", "")).no_value
    if math.isnan(real(row["ci_low"])):
        return f"no interval: too few clusters ({row['blocks'] or 0} blocks a side)"
    return ""


def plain_p(p: float) -> str:
    """Writes 0.04, 4e-7, and `-` for nan."""
    if math.isnan(p):
        return MISSING
    return re.sub(r"e-0(\d)$", r"e-\1", f"{p:.2g}")


def _least(size: Size) -> str:
    return documents(size.low)


def _many(model: Standing, lens: ByLens) -> str:
    """Writes `about 46 (29 to 62)`, and adds the unit if it is prompts."""
    size, shown = lens.size, span(lens.size)
    inside = [shown] if shown != MISSING else []
    if size.unit == "prompts" and not math.isnan(model.answers):
        inside.append(f"{_answers(model.answers)} each")
    of = f" {size.unit}" if size.unit != "documents" else ""
    if size.n < LEAST:
        return f"a handful ({'; '.join([f'at most {LEAST}{of}', *inside])})"
    return f"about {documents(size.n)}{of}" + (f" ({'; '.join(inside)})" if inside else "")


def _answers(number_of: float) -> str:
    whole = round(number_of)
    said = f"{whole}" if abs(number_of - whole) < 0.05 else f"about {number_of:.1f}"
    return f"{said} answer{'' if said == '1' else 's'}"


def _gives(model: Standing, named: bool) -> str:
    """Says what it takes to tell the model; `named` puts its name into the words."""
    name, size = visible(model.model), model.size
    if size is not None and not model.told:
        of = f"{name} is " if named else ""
        return f"{of}not told apart, it would take {more_than(size)} a side"
    lead = model.lenses[0]
    if not lead.size.known:
        return f"{name if named else 'it'} is told from human by {lead.name}"
    return f"{_many(model, lead)} give {name if named else 'it'} away by {lead.name}"


def _names(models: Sequence[Standing]) -> str:
    shown = [visible(model.model, 60) for model in models[:_NAMED]]
    more = len(models) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _preferred_of(models: Sequence[Standing]) -> str:
    near, far = models[0], models[-1]
    shares = [
        f"{real(model.main['value']) / 2:.0%} ({visible(model.model)})" for model in (near, far)
    ]
    return (
        f"A judge prefers the model to the human text in {shares[0]} to {shares[1]} of the pairs; "
        f"half is parity"
    )
