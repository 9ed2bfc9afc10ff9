"""One static page of a run: no network, no server, a bounded size.

Bounds  at most MODELS models in full, ROWS rows of a list and EXCERPT characters of a document,
        so that the size does not grow with the corpora; if it is still above LARGEST, fewer
        models are in full
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from dftspark import __version__
from dftspark.errors import ConfigError
from dftspark.report.page import (
    figures,
    figures_lines,
    figures_sweep,
    figures_tables,
)
from dftspark.report.page.figure import Figure, asset, environment, policy
from dftspark.report.page.loaded import loaded
from dftspark.report.words import losses, tell
from dftspark.report.words.lenses import lenses, measure
from dftspark.report.words.notes import notes
from dftspark.report.words.shown import Examples, Section
from dftspark.report.words.tell import Standing
from dftspark.report.words.text import MISSING, visible
from dftspark.report.words.verdict import (
    evidence,
    finding,
    headline_of,
    more_than,
    short,
    span,
    spoken,
)
from dftspark.store.run import Run

LARGEST = 2_000_000  # bytes
MODELS = 6
ROWS = 60
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
_SETTINGS = 20_000  # characters of the configuration


@dataclass(frozen=True)
class InFull:
    """A model shown in full; `key` begins the anchors of its sections."""

    key: str
    name: str
    finding: str
    missing: str
    answers: dict[str, Any]
    measures: Figure
    all_measures: Figure
    differences: Figure | None
    sections: list[Section]
    examples: list[Examples]


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
    run = loaded(run, [model.model for model in chosen])
    most = len(chosen)
    while True:
        html = _render(run, all_models, chosen[:most], history, _swaps(run, copy_swap))
        if len(html.encode()) <= LARGEST or most <= 1:
            return html
        most = most // 2


def _render(
    run: Run, models: list[Standing], chosen: list[Standing], history: Sequence[Run], swap: bool
) -> str:
    style, script = asset("style.css"), asset("copy.js") if swap else ""
    one = len(models) == 1
    parts = [_part(run, model, "" if one else f"m{i}-") for i, model in enumerate(chosen)]
    template = environment().get_template("run.html")
    return template.render(
        title=" ".join(_title(run)),
        kicker=" · ".join([*_title(run), run.id]),
        headline=headline_of(models),
        notes=notes(run),
        old=tell.old(run),
        checks=figures_tables.checks(run),
        damaged=losses.sentences(run.manifest.get("losses", {})),
        wary=[said for lens in lenses() for said in lens.warnings(run)],
        glossary=_GLOSSARY
        | {key: said for lens in lenses() for key, said in lens.glossary.items()},
        parts=parts,
        left_out=len(models) - len(chosen),
        ladder=None if one else figures.ladder(run),
        matrix=None if one else figures.matrix(run),
        strata=_strata(run, len(models)),
        best=figures_sweep.best(run),
        samplers=figures_sweep.samplers(run),
        history=figures_lines.history([*history, run]),
        how=_how(run),
        copy_swap=swap,
        style=style,
        script=script,
        policy=policy(style, script),
        version=__version__,
    )


def _swaps(run: Run, asked: bool | None) -> bool:
    configured = run.manifest.get("config", {}).get("report", {}).get("copy_swap", True)
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


def _part(run: Run, found: Standing, key: str) -> InFull:
    model, stratum = found.model, found.stratum
    sections = [lens.section(run, model, stratum) for lens in lenses()]
    return InFull(
        key=key,
        name=visible(model, 80),
        finding=finding(found),
        missing="" if found.lenses else found.reason,
        answers=_answers(run, found),
        measures=figures.measures(run, model, stratum),
        all_measures=figures.measures(run, model, stratum, every=True),
        differences=figures_tables.differences(run, model),
        sections=[section for section in sections if section is not None],
        examples=[shown for lens in lenses() for shown in lens.examples(run, model)],
    )


def _answers(run: Run, found: Standing) -> dict[str, Any]:
    """Returns what the first screen says of a model: how far, where, how sure."""
    chips = [
        shown
        for lens in lenses()
        for shown in lens.where(run, found.model, found.stratum, found.told)
        if shown.over or shown.under
    ]
    return {**_sure(run, found), "chips": chips}


def _sure(run: Run, found: Standing) -> dict[str, Any]:
    """Returns the numbers of the first screen in their printed form; empty strings for missing
    ones."""
    size, below = found.size, tell.fitted_below(run)
    lead = found.lenses[0].size if found.told else None
    return {
        "told": found.told,
        "lenses": [
            {"name": lens.name, "said": short(lens.size)}
            for lens in found.lenses
            if lens.told and lens.size.known
        ],
        "untold": [
            {"name": lens.name, "said": more_than(lens.size)}
            for lens in found.lenses
            if not lens.told and not math.isnan(lens.size.low)
        ],
        "more_than": more_than(size) if size and not found.told else "",
        "unit": size.unit if size else "documents",
        "span": span(lead) if lead and span(lead) != MISSING else "",
        "handful": bool(lead and lead.n < tell.LEAST),
        "beyond": bool(lead and lead.beyond),
        "p": evidence(found, below) if found.lenses else "",
        "several": len(found.lenses),
        "judged": found.judged,
        "measure": spoken(found.main["metric"]),
        "main": found.main,
    }


def _strata(run: Run, models: int) -> list[tuple[str, Figure]]:
    """Draws the models within each stratum, at most ROWS of them."""
    table = run.table("metrics", ["stratum"], pc.field("stratum") != "")
    found = sorted(table["stratum"].unique().to_pylist())
    most = max(1, ROWS // models)
    return [(visible(name, 80), figures.ladder(run, name)) for name in found[:most]]


def _how(run: Run) -> dict[str, Any]:
    manifest = run.manifest
    corpora = run.table("corpora").to_pylist() if "corpora" in run.tables else []
    corpora.sort(key=lambda row: (row["role"] != "human", row["corpus"]))
    names = run.table("metrics", ["metric"])["metric"].unique().to_pylist()
    settings = json.dumps(manifest.get("config", {}), indent=1, ensure_ascii=True)
    prints = run.table("metrics", ["fingerprint"])["fingerprint"].unique().to_pylist()
    return {
        "corpora": corpora[:ROWS],
        "more_corpora": len(corpora[ROWS:]),
        "facts": {
            "Run": run.id,
            "Made": manifest.get("created_at", ""),
            "dftspark": manifest.get("code_version", ""),
            "With": ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items()),
            "Seeds": _seeds(manifest.get("config", {})),
            "Settings": f"SHA-256 {manifest.get('config_sha256', '')}",
            "Seconds": ", ".join(f"{k} {v:.0f}" for k, v in manifest.get("seconds", {}).items()),
        },
        "fingerprints": [str(text) for text in prints][:ROWS],
        "measures": [(name, measure(name)) for name in names[: 2 * ROWS]],
        "settings": settings[:_SETTINGS] + ("\n…" if len(settings) > _SETTINGS else ""),
    }


def _seeds(config: dict[str, Any]) -> str:
    found = {
        part: value["seed"]
        for part, value in config.items()
        if isinstance(value, dict) and "seed" in value
    }
    return ", ".join(f"{part} {seed}" for part, seed in found.items())
