"""One static page of a run: no network, no server, a bounded size.

The first screen answers; chapters are closed, and have anchors that go by names.

Bounds  at most MODELS models in full, ROWS rows of a list and EXCERPT characters of a document,
        so that the size does not grow with the corpora; if it is still above LARGEST, the search
        has a quarter of its rows and excerpts, and then fewer models are in full
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from dftspark import __version__
from dftspark.errors import ConfigError
from dftspark.report.page import (
    figures,
    figures_lines,
    figures_models,
    figures_sweep,
    figures_tables,
    telltales,
)
from dftspark.report.page.anchors import anchors
from dftspark.report.page.chapters import InFull, in_full
from dftspark.report.page.figure import Figure, asset, environment, policy
from dftspark.report.page.how import ROWS, how
from dftspark.report.page.loaded import loaded
from dftspark.report.words import losses, summary, tell
from dftspark.report.words.lenses import lenses
from dftspark.report.words.notes import notes
from dftspark.report.words.tell import Standing
from dftspark.report.words.text import visible
from dftspark.report.words.verdict import headline_of
from dftspark.store.run import Run

LARGEST = 2_000_000  # bytes
MODELS = 6
_PANELS = 3  # curves of the first screen
_CHIPS = 5  # labels of a setting on the first screen
_GLOSSARY = {
    "tell size": "How many documents of each side it takes until this tool's test finds the model "
    "in four of five such samples, at the 5% level. It depends on the two sources and not on "
    "how much was read, and means the same by every lens. It is for new documents of the "
    "same mix and lengths; a better reader may need fewer.",
    "interval": "Other documents would have given a somewhat other number. Intervals made like "
    "this one hold the true one in 19 of 20 cases; where it has no upper end, the data do not "
    "bound it.",
    "p": "The chance of a difference at least this clear if both sides came from one source; of "
    "the clearest lens, times the number of lenses. A small one says that there is a "
    "difference, not that it is large. Far below what relabelings of the documents can "
    "count, a curve is fitted to them.",
}


def page(
    run: Run,
    history: Sequence[Run] = (),
    models: Sequence[str] = (),
    copy_swap: bool | None = None,
) -> str:
    """Returns HTML of the run. `history` are other runs of the same audit; `models` are shown in
    full.

    Raises ConfigError for a run without comparisons and for a model that it does not have.
    """
    if "metrics" not in run.tables:
        raise ConfigError(
            f"run {run.id} compares nothing ({run.manifest.get('kind', 'a run')}), so it has no "
            f"page; an audit or `dftspark compare` makes one that has"
        )
    all_models = tell.of_run(run)
    chosen = _in_full(all_models, models)
    half = summary.MODELS // 2
    beside = [*chosen, *all_models[:half], *all_models[-half:]]
    run = loaded(run, list(dict.fromkeys(model.model for model in beside)))
    most, part = len(chosen), 1.0
    while True:
        html = _render(run, all_models, chosen[:most], history, _swaps(run, copy_swap), part)
        if len(html.encode()) <= LARGEST or (most <= 1 and part < 1):
            return html
        most, part = (most, 0.25) if part == 1 else (max(most // 2, 1), part)


def _render(
    run: Run,
    models: list[Standing],
    chosen: list[Standing],
    history: Sequence[Run],
    swap: bool,
    part: float,
) -> str:
    style = asset("style.css")
    script = asset("page.js") + (asset("copy.js") + asset("copy_note.js") if swap else "")
    one = len(models) == 1
    places = anchors(model.model for model in models)
    parts = [in_full(run, at, model, places[model.model]) for at, model in enumerate(chosen)]
    glossary = _GLOSSARY | {k: said for lens in lenses() for k, said in lens.glossary.items()}
    template = environment().get_template("run.html")
    return template.render(
        title=" ".join(_title(run)),
        kicker=" · ".join([*_title(run), run.id]),
        headline=headline_of(models),
        notes=[_note(said) for said in notes(run)],
        old=tell.old(run),
        checks=figures_tables.checks(run),
        damaged=losses.sentences(run.manifest.get("losses", {})),
        sure=[] if one else summary.sure_of_all(models, tell.fitted_below(run)),
        wary=[said for lens in lenses() for said in lens.warnings(run)],
        glossary=glossary,
        parts=parts,
        left_out=len(models) - len(chosen),
        beside=None
        if one
        else figures_models.side_by_side(run, _links(parts), explains=glossary.keys()),
        ends=[] if one or "samplers" not in run.tables else _ends(run, _links(parts)),
        ladder=None if one else figures.ladder(run),
        matrix=None if one else figures.matrix(run),
        strata=_strata(run, len(models)),
        best=figures_sweep.best(run),
        best_in_short=figures_sweep.best(run, leading=True),
        samplers=(samplers := figures_sweep.samplers(run)),
        sizes=(figures_sweep.sizes(run) or samplers)[:_PANELS],
        history=figures_lines.history([*history, run]),
        panels=_PANELS,
        how=how(run),
        telltales=_telltales(run, parts, part),
        copy_swap=swap,
        style=style,
        script=script,
        policy=policy(style, script),
        version=__version__,
    )


def _links(parts: Sequence[InFull]) -> dict[str, str]:
    return {part.model: part.anchor for part in parts}


def _ends(run: Run, links: dict[str, str]) -> list[dict[str, Any]]:
    """Returns what gives the nearest and the farthest setting of a sweep away."""
    places = list(links)
    lines = summary.summary(run, most=2, chips=_CHIPS).lines
    return [
        {
            "at": places.index(line.model) if line.model in links else None,
            "name": visible(line.model, 60),
            "link": links.get(line.model, ""),
            "chips": line.chips,
        }
        for line in lines
    ]


def _telltales(run: Run, parts: Sequence[InFull], part: float) -> dict[str, Any] | None:
    """Returns the data that the script searches, and how many rows the page has of how many; `part`
    of what there is room for."""
    found = [one.telltales for one in parts]
    if not any(found):
        return None
    store = str(run.manifest.get("config", {}).get("out", "runs")).rstrip("/")
    shown = [own[: int(telltales.ROWS * part) // len(found)] for own in found]
    return {
        "block": telltales.block(
            [one.name for one in parts],
            shown,
            f"dftspark show {visible(store)}/{run.id}",
            int(telltales.PLACES * part),
        ),
        "rows": sum(map(len, shown)),
        "of": sum(map(len, found)),
    }


def _note(said: str) -> tuple[str, str]:
    """Cuts a note before its advice, or after its first sentence."""
    mark = "; " if "; " in said else ". "
    first, _, advice = said.partition(mark)
    return first.removesuffix("."), advice.removesuffix(".")


def _swaps(run: Run, asked: bool | None) -> bool:
    configured = run.manifest.get("config", {}).get("report", {}).get("copy_swap", False)
    return bool(configured) if asked is None else asked


def _title(run: Run) -> list[str]:
    named = (run.manifest.get("name", ""), run.manifest.get("date", ""))
    return [visible(str(text)) for text in named if text] or [run.id]


def _in_full(models: list[Standing], names: Sequence[str]) -> list[Standing]:
    unknown = sorted(set(names) - {model.model for model in models})
    if unknown:
        raise ConfigError(
            f"--model: the run does not compare {unknown}; it has {[m.model for m in models]}"
        )
    if names:
        return [model for model in models if model.model in names]
    if len(models) <= MODELS:
        return models
    return [*models[: MODELS // 2], *models[-(MODELS - MODELS // 2) :]]


def _strata(run: Run, models: int) -> list[tuple[str, Figure]]:
    """Draws the models within each stratum, at most ROWS of them."""
    table = run.table("metrics", ["stratum"], pc.field("stratum") != "")
    names = sorted(table["stratum"].unique().to_pylist())
    most = max(1, ROWS // models)
    return [(visible(name, 80), figures.ladder(run, name)) for name in names[:most]]
