"""One static page of a run: no network, no server, a bounded size.

Bounds  at most MODELS models in full, ROWS rows of a list and EXCERPT characters of a document,
        so that the size does not grow with the corpora; where it is still above LARGEST, fewer
        models are in full
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from dftspark import __version__
from dftspark.errors import ConfigError
from dftspark.report import (
    figures,
    figures_cloud,
    figures_lines,
    figures_sweep,
    figures_tables,
    losses,
)
from dftspark.report.excerpts import Examples, copies, examples
from dftspark.report.figure import Figure, asset, environment
from dftspark.report.figures import Row, of_pair
from dftspark.report.loaded import loaded
from dftspark.report.measures import measure
from dftspark.report.text import visible
from dftspark.report.verdict import (
    LEADS,
    beside,
    finding,
    headline_of,
    leading,
    missing,
    ranked,
    real,
    spoken,
    times_floor,
)
from dftspark.store.run import Run

LARGEST = 2_000_000  # bytes
MODELS = 6
ROWS = 60
_MAIN = [
    "model", "stratum", "metric", "value", "ci_low", "ci_high", "p_value", "floor",
    "ratio_to_floor", "blocks", "n_human", "n_model",
]  # fmt: skip
_TELLING = 1.1  # factor between rates, from which the first screen names what differs
_SETTINGS = 20_000  # characters of the configuration


@dataclass(frozen=True)
class Part:
    """A model in full; `key` begins the anchors of its sections."""

    key: str
    name: str
    main: Row
    finding: str
    missing: str
    answers: dict[str, Any]
    measures: Figure
    all_measures: Figure
    differences: Figure | None
    shifts: list[Figure]
    giveaways: Figure
    cloud: Figure | None
    regions: Figure | None
    copies: Examples | None
    structure: Figure | None
    all_structure: Figure | None
    variety: Figure | None
    judge: Figure | None
    examples: list[Examples] = field(default_factory=list)


def page(
    run: Run,
    history: Sequence[Run] = (),
    models: Sequence[str] = (),
    copy_swap: bool | None = None,
) -> str:
    """HTML of the run. `history` are other runs of the same audit; `models` those in full.

    ConfigError for a run without comparisons and for a model that it does not have.
    """
    if "metrics" not in run.tables:
        raise ConfigError(
            f"run {run.id} compares nothing ({run.manifest.get('kind', 'a run')}), so it has no "
            f"page; an audit or `dftspark compare` makes one that has"
        )
    mains = ranked(run.table("metrics", _MAIN).to_pylist())
    chosen = _in_full(mains, models)
    run = loaded(run, [row["model"] for row in chosen])
    most = len(chosen)
    while True:
        html = _render(run, mains, chosen[:most], history, _swaps(run, copy_swap))
        if len(html.encode()) <= LARGEST or most <= 1:
            return html
        most = most // 2


def _render(
    run: Run, mains: list[Row], chosen: list[Row], history: Sequence[Run], swap: bool
) -> str:
    style, script = asset("style.css"), asset("copy.js") if swap else ""
    one = len(mains) == 1
    parts = [_part(run, main, "" if one else f"m{i}-") for i, main in enumerate(chosen)]
    template = environment().get_template("run.html")
    return template.render(
        title=" ".join(_title(run)),
        kicker=" · ".join([*_title(run), run.id]),
        headline=parts[0].finding if one else headline_of(mains, _of_lenses(run)),
        spans=[] if one else _spans(run),
        checks=figures_tables.checks(run),
        damaged=losses.sentences(run.manifest.get("damaged", {})),
        wary=[] if one else run.manifest.get("judge", {}).get("warnings", []),
        parts=parts,
        left_out=[row["model"] for row in mains if row not in chosen],
        ladder=None if one else figures.ladder(run),
        matrix=None if one else figures.matrix(run),
        strata=_strata(run, mains),
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


def policy(style: str, script: str) -> str:
    """Content-Security-Policy: nothing but this style and this script, and no request at all."""
    scripts = f"; script-src {_digest(script)}" if script else ""
    return (
        f"default-src 'none'; style-src {_digest(style)}{scripts}; base-uri 'none'; "
        f"form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _swaps(run: Run, asked: bool | None) -> bool:
    configured = run.manifest.get("config", {}).get("report", {}).get("copy_swap", True)
    return bool(configured) if asked is None else asked


def _title(run: Run) -> list[str]:
    named = (run.manifest.get("name", ""), run.manifest.get("date", ""))
    return [visible(str(text)) for text in named if text] or [run.id]


def _in_full(mains: list[Row], models: Sequence[str]) -> list[Row]:
    unknown = sorted(set(models) - {row["model"] for row in mains})
    if unknown:
        raise ConfigError(
            f"--model: the run does not compare {unknown}; it has {[r['model'] for r in mains]}"
        )
    if models:
        return [row for row in mains if row["model"] in models]
    if len(mains) <= MODELS:
        return mains
    return [*mains[: MODELS // 2], *mains[-(MODELS - MODELS // 2) :]]


def _part(run: Run, main: Row, key: str) -> Part:
    model, stratum = main["model"], main["stratum"]
    others = beside(of_pair(run, "metrics", model, stratum), main)
    orders = sorted(
        {row["n"] for row in of_pair(run, "ngrams", model, stratum, ["model", "stratum", "n"])}
    )
    has_patterns = "patterns" in run.tables
    return Part(
        key=key,
        name=visible(model, 80),
        main=main,
        finding=finding(main, others),
        missing=missing(leading(main, others)[0]),
        answers=_answers(run, main, others),
        measures=figures.measures(run, model, stratum),
        all_measures=figures.measures(run, model, stratum, every=True),
        differences=figures_tables.differences(run, model),
        shifts=[figures.shift(run, model, n, stratum, 24 if n == 1 else 16) for n in orders],
        giveaways=figures.giveaways(run, model, stratum),
        cloud=figures_cloud.cloud(run, model),
        regions=figures_cloud.regions(run, model),
        copies=copies(run, model),
        structure=figures.structure(run, model, stratum) if has_patterns else None,
        all_structure=figures.structure(run, model, stratum, every=True) if has_patterns else None,
        variety=figures_tables.variety(run, model, stratum),
        judge=figures_lines.judge(run, model, warned=not key),
        examples=examples(run, model),
    )


def _answers(run: Run, main: Row, others: list[Row]) -> dict[str, Any]:
    """How far, where, how sure: what the first screen says of a model."""
    model, stratum = main["model"], main["stratum"]
    words = [
        row for row in of_pair(run, "document_ratios", model, stratum)
        if real(row["ratio"]) > real(row["ratio_floor"]) and any(map(str.isalpha, row["token"]))
    ]  # fmt: skip
    words.sort(key=lambda row: (-row["ratio"], row["token"]))
    under = [
        row for row in of_pair(run, "ngrams", model, stratum)
        if row["n"] == 1 and row["text"] and any(map(str.isalpha, row["text"]))
        and real(row["q_value"]) <= 0.05 and real(row["contribution"]) < 0
        and real(row["per_million_model"]) * _TELLING <= real(row["per_million_human"])
    ]  # fmt: skip
    under.sort(key=lambda row: (-row["share"], row["text"]))
    outside = [
        row for row in of_pair(run, "patterns", model, stratum)
        if row["outside"] and real(row["ratio"]) > 0
        and abs(math.log(row["ratio"])) >= math.log(_TELLING)
    ]  # fmt: skip
    lenses = leading(main, others)
    lead = lenses[0]
    floor, ratio = real(lead["floor"]), times_floor(lead)
    known = floor > 0 and ratio == ratio
    ends = [real(lead[end]) / floor for end in ("ci_low", "ci_high")] if known else [math.nan] * 2
    return {
        "lead": lead,
        "known": known,
        "measure": spoken(lead["metric"]),
        "lenses": [
            {"name": LEADS.get(row["metric"], ""), "times": times_floor(row)} for row in lenses
        ],
        "low": ends[0],
        "high": ends[1],
        "confidence": figures.confidence_of(run),
        "over": [row["token"] for row in words[:6]],
        "under": [row["text"] for row in under[:6]],
        "structure": [
            {"name": row["pattern"].replace("_", " "), "times": row["ratio"]}
            for row in figures.farthest(outside, 6)
        ],
        "p_value": real(lead["p_value"]),
    }


def _spans(run: Run) -> list[tuple[str, float, float]]:
    """What each lens says of all models: from the least to the most times as far."""
    rows, found = _of_lenses(run), []
    for metric, lens in LEADS.items():
        times = [times_floor(row) for row in rows if row["metric"] == metric]
        known = [value for value in times if not math.isnan(value)]
        found += [(lens, min(known), max(known))] if known else []
    return sorted(found, key=lambda span: -span[2])


def _of_lenses(run: Run) -> list[Row]:
    """The rows that stand for a lens, of all models."""
    where = pc.field("metric").isin(list(LEADS)) & (pc.field("stratum") == "")
    found: list[Row] = run.table("metrics", _MAIN, where).to_pylist()
    return found


def _strata(run: Run, mains: list[Row]) -> list[tuple[str, Figure]]:
    """The models within each stratum, of at most ROWS of them."""
    names = {row["metric"] for row in mains}
    table = run.table("metrics", ["stratum", "metric"], pc.field("stratum") != "")
    found = sorted({row["stratum"] for row in table.to_pylist() if row["metric"] in names})
    most = max(1, ROWS // len(mains))
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
    found = {part: value["seed"] for part, value in config.items()
             if isinstance(value, dict) and "seed" in value}  # fmt: skip
    return ", ".join(f"{part} {seed}" for part, seed in found.items())
