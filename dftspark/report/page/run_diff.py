"""One static page of two runs: what moved, by which measures, and which phrases came and went.

Bounds  the first MODELS models have phrases; ROWS rows of a list
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from dftspark import __version__
from dftspark.inference.proportions import NORMAL_95
from dftspark.redaction import redact
from dftspark.report.page.figure import asset, environment, policy, times, typeset
from dftspark.report.page.figures_models import point, sized
from dftspark.report.page.run import LARGEST
from dftspark.report.page.scale import counts
from dftspark.report.words import tell
from dftspark.report.words.lenses import leads, lenses, measure, place
from dftspark.report.words.notes import notes
from dftspark.report.words.phrase_diff import PhraseDiff, factor, phrase_diff
from dftspark.report.words.rows import Row
from dftspark.report.words.run_diff import RunDiff, verdict
from dftspark.report.words.shown import Telltale, chosen
from dftspark.report.words.summary import size_by
from dftspark.report.words.tell import Standing
from dftspark.report.words.text import MISSING, count, number, real, visible
from dftspark.report.words.verdict import plain_p
from dftspark.store.run import Run

MODELS = 6
ROWS = 400
_CHIPS = 6  # of one kind on the first screen
_BRIEF = 4  # measures of a pair without tell sizes
_MOVES = {
    "came": "came",
    "went": "went",
    "more": "clearly more",
    "less": "clearly less",
    "same": "not told from before",
}


def page(first: Run, second: Run, found: RunDiff) -> str:
    """Returns HTML of two runs that `run_diff.diff` has compared; A is the first, B the second."""
    sides = [{m.model: m for m in tell.of_run(run)} for run in (first, second)]
    order = sorted(found.rows, key=lambda row: (row["model"], row["stratum"]))
    every = [(name, list(rows)) for name, rows in groupby(order, key=lambda row: row["model"])]
    most, rows = MODELS, ROWS
    while True:
        pairs = [
            _pair((first, second), sides, name, own, rows if at < most else 0)
            for at, (name, own) in enumerate(every)
        ]
        html = _render(first, second, found, pairs)
        if len(html.encode()) <= LARGEST or rows <= 1:
            return html
        most, rows = max(most // 2, 1), rows // 2


def _render(first: Run, second: Run, found: RunDiff, pairs: Sequence[dict[str, Any]]) -> str:
    style, script = asset("style.css"), asset("page.js")
    template = environment().get_template("diff.html")
    return template.render(
        runs=[
            {"letter": letter, "id": visible(run.id), "date": _date(run)}
            for letter, run in (("A", first), ("B", second))
        ],
        headline=_headline(pairs),
        pairs=pairs,
        wary=_wary(first, second, found),
        changed=[tuple(visible(redact(part), 200) for part in row) for row in found.changed[:ROWS]],
        more=len(found.changed[ROWS:]),
        moves=_MOVES,
        style=style,
        script=script,
        policy=policy(style, script),
        version=__version__,
    )


def _headline(pairs: Sequence[dict[str, Any]]) -> str:
    """States what B is beside A; of several models, how many are which."""
    if len(pairs) == 1:
        return f"{pairs[0]['name']}: {pairs[0]['verdict']}"
    alike: dict[str, list[str]] = {}
    for pair in pairs:
        alike.setdefault(pair["verdict"], []).append(pair["name"])
    return " ".join(
        f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: {said}"
        for said, names in alike.items()
    )


def _pair(
    runs: tuple[Run, Run],
    sides: Sequence[dict[str, Standing]],
    name: str,
    rows: list[Row],
    most: int,
) -> dict[str, Any]:
    """Returns what the page says of a model; with at most `most` phrases."""
    overall = [row for row in rows if not row["stratum"]]
    new = rows[0]["other"]
    standings = sides[0].get(name), sides[1].get(new)
    phrases = phrase_diff(*runs, name, new) if most else []
    led = _by_lens(overall, standings)
    sizes = [size for row in led for size in row["sizes"] if size]
    every = sorted(rows, key=lambda row: (row["stratum"], place(row["lens"])))
    return {
        "name": visible(name if name == new else f"{name} (A), {new} (B)", 80),
        "verdict": verdict(overall),
        "lenses": led,
        "axis": counts(v for size in sizes for v in (point(size), *size.ends)) if sizes else None,
        "brief": [] if led else [_measured(row) for row in _brief(overall)],
        "chips": _chips(phrases),
        "phrases": [_phrase(one) for one in phrases[:most]],
        "of": len(phrases),
        "moved": sum(one.move != "same" for one in phrases),
        "rows": [_measured(row) for row in every[:ROWS]],
        "told": sum(bool(row["verdict"]) for row in rows),
        "tested": sum(not math.isnan(row["p_adjusted"]) for row in rows),
        "read": [
            f"{count(real(m.main['n_human']))} human and {count(real(m.main['n_model']))} model "
            f"documents"
            if m
            else ""
            for m in standings
        ],
    }


def _by_lens(rows: Sequence[Row], standings: Sequence[Standing | None]) -> list[dict[str, Any]]:
    """Returns the tell sizes of both runs for each lens that has one in either."""
    own = {row["metric"]: row for row in rows}
    lines = []
    for metric, word in leads().items():
        sizes = [size_by(model, word) if model else None for model in standings]
        if any(sizes) and metric in own:
            lines.append({"word": word, "sizes": sizes, "said": [*map(sized, sizes)]})
            lines[-1] |= _measured(own[metric])
    return lines


def _brief(rows: Sequence[Row]) -> list[Row]:
    shown = [row for lens in lenses() for row in chosen(rows, lens.brief)] or list(rows)
    return shown[:_BRIEF]


def _measured(row: Row) -> dict[str, Any]:
    by, error = row["difference"], row["std_error"]
    known = not math.isnan(error)
    ends = (by - NORMAL_95 * error, by + NORMAL_95 * error)
    return {
        "title": measure(row["metric"]).title,
        "metric": row["metric"],
        "unit": row["unit"],
        "stratum": row["stratum"],
        "first": row["first"],
        "second": row["second"],
        "by": by,
        "inside": " to ".join(typeset(number(end, 2)) for end in ends) if known else "",
        "p": plain_p(row["p_adjusted"]),
        "verdict": row["verdict"],
        "why_not": row["why_not"],
    }


def _chips(phrases: Sequence[PhraseDiff]) -> list[dict[str, Any]]:
    """Returns what the model has more of than human text, by what became of it."""
    return [
        {"move": move, "labels": labels, "of": len(own)}
        for move in ("came", "went", "more", "less")
        if (own := [one for one in phrases if one.move == move and one.over])
        and (labels := [_label(one) for one in own[:_CHIPS]])
    ]


def _label(one: PhraseDiff) -> str:
    text = f"“{one.told.text}”" if one.told.kind == "construction" else one.told.text
    both = [side for side in (one.first, one.second) if side]
    return f"{text} {' → '.join(_factor(side) for side in both)}"


def _phrase(one: PhraseDiff) -> dict[str, Any]:
    return {
        "text": one.told.text,
        "kind": one.told.kind,
        "about": one.told.about,
        "move": one.move,
        "sides": [
            {
                "factor": _factor(side) if side else MISSING,
                "inside": _inside(side) if side else "",
                "rates": f"{number(side.human)} → {number(side.model)} {side.unit}" if side else "",
            }
            for side in (one.first, one.second)
        ],
    }


def _factor(told: Telltale) -> str:
    ratio = factor(told)
    return "only the model" if math.isinf(ratio) else times(ratio)


def _inside(told: Telltale) -> str:
    if math.isnan(told.low) or math.isnan(told.high):
        return ""
    return f"{times(told.low)} to {times(told.high)}"


def _wary(first: Run, second: Run, found: RunDiff) -> list[str]:
    """Says what else differs than the model, and what either run warns of."""
    said = []
    if found.changed:
        names = ", ".join(visible(name, 60) for name, *_ in found.changed[:4])
        more = f" and {len(found.changed) - 4} more" if len(found.changed) > 4 else ""
        said.append(f"Not only the model differs between the runs: {names}{more}.")
    unlike = sum(row["why_not"] == "measured in another way" for row in found.rows)
    if unlike:
        said.append(f"{unlike} measures were made in another way, so they have no difference.")
    for letter, run in (("A", first), ("B", second)):
        warned = [text for lens in lenses() for text in lens.warnings(run)]
        said += [f"{letter}: {visible(text, 300)}" for text in [*warned, *notes(run)]]
    return said


def _date(run: Run) -> str:
    return visible(str(run.manifest.get("date") or run.manifest.get("created_at", ""))[:10])
