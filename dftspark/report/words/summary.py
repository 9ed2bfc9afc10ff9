"""A run in short, for a first screen, a card and a pull request: each model's tell sizes, what
gives it away, how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dftspark.report.words import tell
from dftspark.report.words.lenses import leads, lenses
from dftspark.report.words.notes import notes
from dftspark.report.words.shown import Chip, Fact
from dftspark.report.words.tell import Size, Standing
from dftspark.report.words.text import count, real, visible
from dftspark.report.words.verdict import evidence, headline_of
from dftspark.store.run import Run

MODELS = 12  # beside each other: half of them the nearest, half the farthest
_CHIPS = 3  # labels of a model among several


@dataclass(frozen=True)
class ModelLine:
    """One of several models: `sizes` by lens, None where a lens has none; `chips` are what it has
    more of; `tied` with the one before it."""

    model: str
    sizes: tuple[Size | None, ...]
    facts: tuple[Fact, ...]
    chips: tuple[Chip, ...]
    tied: bool
    reason: str


@dataclass(frozen=True)
class Summary:
    """title   name and date of the run    words  the lenses of `lines`, by what a model is told
    heads   of the facts of `lines`       between  models that stand between the two halves of them
    """

    title: str
    headline: str
    words: tuple[str, ...]
    heads: tuple[str, ...]
    lines: tuple[ModelLine, ...]
    between: int
    sure: tuple[str, ...]
    wary: tuple[str, ...]
    checks: str


def summary(run: Run, most: int = MODELS, chips: int = _CHIPS) -> Summary:
    """Returns the run in short, with at most `most` models and `chips` labels of each."""
    models = tell.of_run(run)
    half = max(most // 2, 1)
    chosen = models if len(models) <= most else [*models[: most - half], *models[-half:]]
    before = dict(zip([m.model for m in models[1:]], models, strict=False))
    words = tuple(w for w in leads().values() if any(size_by(model, w) for model in chosen))
    lines = tuple(
        ModelLine(
            model.model,
            tuple(size_by(model, word) for word in words),
            tuple(facts_of(run, model)),
            tuple(chips_of(run, model, chips)),
            model.model in before and tell.tied(before[model.model], model),
            "" if model.lenses or model.judged else model.reason,
        )
        for model in chosen
    )
    named = (run.manifest.get("name", ""), run.manifest.get("date", ""))
    return Summary(
        " ".join(visible(str(text)) for text in named if text) or run.id,
        headline_of(models),
        words,
        tuple(dict.fromkeys(fact.head for line in lines for fact in line.facts)),
        lines,
        len(models) - len(chosen),
        tuple(sure_of_all(models, tell.fitted_below(run))),
        (*(said for lens in lenses() for said in lens.warnings(run)), *notes(run)),
        _checks(run),
    )


def size_by(model: Standing, word: str) -> Size | None:
    """Returns the tell size by the lens that is called so; None without a number or a bound."""
    size = next((lens.size for lens in model.lenses if lens.name == word), None)
    return size if size and (size.known or not math.isnan(size.low)) else None


def facts_of(run: Run, model: Standing) -> list[Fact]:
    return [fact for lens in lenses() for fact in lens.facts(run, model.model, model.stratum)]


def chips_of(run: Run, model: Standing, most: int) -> list[Chip]:
    """Returns the first labels of what the model has more of, over all lenses in turn."""
    over = [
        shown.over
        for lens in lenses()
        for shown in lens.where(run, model.model, model.stratum, model.told)
        if shown.over
    ]
    longest = max(map(len, over), default=0)
    turns = [own[i] for i in range(longest) for own in over if i < len(own)]
    return [one if isinstance(one, Chip) else Chip(one) for one in turns[:most]]


def sure_of_all(models: Sequence[Standing], fitted_below: float) -> list[str]:
    """Says how clear the differences of the models are, and on how many documents."""
    told = [model for model in models if model.told]
    said = []
    if told:
        worst = max(told, key=lambda model: model.p_value)
        of = "" if len(models) == 1 else f" of {len(told)} of {len(models)} models"
        most = "" if len(told) == 1 else "at most "
        said.append(
            f"The difference{of} is hardly chance: {most}{evidence(worst, fitted_below)}, the "
            f"least of the lenses times their number."
        )
    if len(told) < len(models) and any(model.lenses for model in models):
        left = len(models) - len(told)
        are = "is" if left == 1 else "are"
        said.append(f"{left} of {len(models)} models {are} not told apart.")
    ends = [
        dict.fromkeys(count(end(real(m.main[side]) for m in models)) for end in (min, max))
        for side in ("n_human", "n_model")
    ]
    human, model = (" to ".join(own) for own in ends)
    tie = " Models whose 95% intervals overlap are tied." if len(models) > 1 else ""
    of = "of each model" if len(models) > 1 else "of the model"
    return [*said, f"{human} human documents, {model} {of}.{tie}"]


def _checks(run: Run) -> str:
    counts = (run.manifest.get("checks") or {}).get("counts", {})
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)
