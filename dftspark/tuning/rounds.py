"""Tunes in rounds: write, weigh, train, search the scale, merge; a control beside every round.

A round ends in a file of the tuning's folder. A tuning that is started again reads the rounds that
have ended, and goes on in the one that has not: texts come from the store, a training from its last
checkpoint.

Source   mirror descent on the squared MMD: each round moves along the witness of the last model
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import InputError, LossNotFinite
from dftspark.generation.briefs import Brief
from dftspark.tuning import weights
from dftspark.tuning.encoding import TrainingText
from dftspark.tuning.lora import merge
from dftspark.tuning.material import Material
from dftspark.tuning.trainer import TrainedAdapter, token_losses
from dftspark.tuning.validation import SCALES, ScaleOutcome, best, distance, tripped, words

TUNED, CONTROL = "tuned", "control"
_FEWEST = 16  # prompts with a sample, of a round
_OUTCOME = "outcome.json"
Row = dict[str, Any]


@dataclass(frozen=True)
class OwnSample:
    """A text that the model wrote for a brief; `cut` if max_tokens ended it."""

    brief: Brief
    prompt: str
    text: str
    cut: bool


class Train(Protocol):
    def __call__(
        self,
        model: Path,
        samples: Sequence[TrainingText],
        human: Sequence[TrainingText],
        folder: Path,
        control: Sequence[int] | None = None,
    ) -> TrainedAdapter: ...


@dataclass(frozen=True)
class Workers:
    """Who does the heavy parts: on Spark, or in this process.

    write  texts of a model folder for briefs, the samples of these numbers of each; in the order of
           briefs and samples, without those that have no text
    train  a LoRA
    """

    write: Callable[[Path, Sequence[Brief], range], list[OwnSample]]
    train: Train


@dataclass(frozen=True)
class TunedModel:
    """model    folder of the tuned model; None if scale 0 won in the first round
    control  folder of the model trained on human text alone, for the same tokens
    rows     of the table rounds
    stopped  why it ended
    """

    model: Path | None
    control: Path
    rows: list[Row]
    stopped: str


def tune(material: Material, rounds: int, workers: Workers) -> TunedModel:
    """Goes through `rounds` at most. Raises what the workers raise, and LossNotFinite if the first
    round ran away; a later one ends the tuning with what the rounds before it made."""
    model = control = Path(material.settings.model).expanduser()
    rows: list[Row] = []
    taken, stopped = 0, f"all {rounds} rounds are done"
    for number in range(rounds):
        folder = material.folder / f"round-{number}"
        ended = folder / _OUTCOME
        if not ended.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                made = _round(material, number, model, control, folder, workers)
            except LossNotFinite as error:
                if not number:
                    raise
                stopped = f"round {number}: {error}"
                break
            partial = folder / f".{_OUTCOME}"
            partial.write_text(json.dumps(made))
            partial.replace(ended)
        made = json.loads(ended.read_text(encoding="utf-8"))
        rows += made
        control = folder / CONTROL if not number or not _reason(made) else control
        if _reason(made):
            stopped = f"round {number}: {_reason(made)}"
            break
        model, taken = folder / TUNED, taken + 1
        _forget(material.folder / f"round-{number - 1}")
    return TunedModel(model if taken else None, control, rows, stopped)


def _round(
    material: Material, number: int, model: Path, control: Path, folder: Path, workers: Workers
) -> list[Row]:
    """Returns the rows of a round; leaves its control, and its model if that is taken."""
    started = time.monotonic()
    settings = material.settings
    samples = range(number * settings.samples, (number + 1) * settings.samples)
    pool = usable(workers.write(model, material.briefs, samples), settings.cut)
    trained_on, apart = weighed(material, pool)
    adapter = workers.train(model, trained_on, material.human, folder / "lora")
    seen, texts = _search(material, model, adapter, folder, workers)
    won, before = best(seen), seen[0]
    reason = "scale 0 won" if not won.scale else ""
    if won.scale:
        reason = tripped(won, before, material.human_words, cut=settings.cut)
    beside = workers.train(
        control, (), material.human, folder / "control-lora", control=adapter.budgets
    )
    merge(control, beside.folder, 1.0, folder / CONTROL)
    common = {
        "round": number,
        "human_words": material.human_words,
        "prompts": len({one.brief.prompt_id for one in pool}),
        "samples": len(pool),
        "pool_kl": apart,
        "stopped": reason,
    }
    kl = cross = before_cross = math.nan
    if won.scale and not reason:
        merge(model, adapter.folder, won.scale, folder / TUNED)
        kl = _divergence(material, model, folder / TUNED, texts[won.scale])
        cross = _cross_entropy(material, folder / TUNED)
    before_cross = _cross_entropy(material, model)
    measured, _ = _measured(material, folder / CONTROL, 1.0, workers)
    spent = time.monotonic() - started
    rows = [
        {
            **common,
            **asdict(one),
            "system": TUNED,
            "taken": one is won and not reason,
            "kl": kl if one is won else 0.0 if not one.scale else math.nan,
            "cross_entropy": cross if one is won and one.scale else math.nan,
            **_of_training(adapter, spent),
        }
        for one in seen
    ]
    rows[0]["cross_entropy"] = before_cross
    beside_row = {
        **common,
        **asdict(measured),
        "system": CONTROL,
        "taken": False,
        "kl": math.nan,
        "cross_entropy": _cross_entropy(material, folder / CONTROL),
        **_of_training(beside, spent),
    }
    return [*rows, beside_row]


def usable(pool: Sequence[OwnSample], cut: bool) -> list[OwnSample]:
    """Returns the samples that may be used. Raises InputError if too few prompts have any."""
    kept = [one for one in pool if cut or not one.cut]
    prompts = len({one.brief.prompt_id for one in kept})
    if prompts < _FEWEST:
        raise InputError(
            f"{prompts} prompts have a text that can be used, and {_FEWEST} are needed: of "
            f"{len(pool):,} texts {sum(one.cut for one in pool):,} were cut at tune.max_tokens. "
            f"Raise it; or set tune.cut = true if the human texts were cut at that length too"
        )
    return kept


def weighed(material: Material, pool: Sequence[OwnSample]) -> tuple[list[TrainingText], float]:
    """Returns the samples with their weights, and their divergence from equal weights in nats.

    The witness is frozen at the mean of the pool, where each prompt weighs one.
    """
    settings, target = material.settings, material.target
    groups = [list(own) for _, own in groupby(pool, key=lambda one: one.brief.prompt_id)]
    starts = np.cumsum([0, *map(len, groups)]).astype(np.int64)
    texts = [one.text for one in pool]
    weights.check_unlike(texts, starts)
    features = material.reward.features(texts)
    if settings.weights == "choice":
        at = target.factor > 0
        scaled = ((features - target.human) * target.factor)[:, at].astype(np.float32)
        weight = weights.chosen(scaled, starts)
    else:
        counts = np.diff(starts)
        mean = (np.add.reduceat(features, starts[:-1]) / counts[:, None]).mean(axis=0)
        witness = replace(target, model=mean)
        direction = 2 * witness.factor**2 * (witness.human - witness.model)
        weight = weights.tilted((features - mean) @ direction, starts, settings.kl)
    out = [
        TrainingText(one.prompt, one.text, float(each), not one.cut)
        for one, each in zip(pool, weight, strict=True)
    ]
    return out, _apart(weight, starts)


def _apart(weight: NDArray[np.float64], starts: NDArray[np.int64]) -> float:
    totals = np.add.reduceat(weight, starts[:-1])
    counts = np.diff(starts)
    shares = weight / np.repeat(totals, counts)
    logs = np.log(np.maximum(shares * np.repeat(counts, counts), 1e-300))
    return float(np.add.reduceat(shares * logs, starts[:-1]).mean())


def _search(
    material: Material, model: Path, adapter: TrainedAdapter, folder: Path, workers: Workers
) -> tuple[list[ScaleOutcome], dict[float, list[OwnSample]]]:
    """Measures every scale on the validation prompts, by texts of the same seeds."""
    seen, texts = [], {}
    for scale in SCALES:
        place = model
        if scale:
            place = merge(model, adapter.folder, scale, folder / f"scale-{scale:g}")
        one, texts[scale] = _measured(material, place, scale, workers)
        seen.append(one)
        if scale:
            shutil.rmtree(place)
    return seen, texts


def _measured(
    material: Material, model: Path, scale: float, workers: Workers
) -> tuple[ScaleOutcome, list[OwnSample]]:
    """Returns what a model's texts say of it; of too few texts the distance is infinite, unless
    they are those of scale 0, which is an InputError."""
    every = workers.write(model, material.validation_briefs, range(1))
    cut = sum(one.cut for one in every) / max(len(every), 1)
    kept = [one for one in every if material.settings.cut or not one.cut]
    if not scale:
        kept = usable(every, material.settings.cut)
    elif len(kept) < _FEWEST:
        return ScaleOutcome(scale, math.inf, math.nan, cut, len(kept)), kept
    texts = [one.text for one in kept]
    apart = distance(
        material.reward.features(texts), material.validation.human, material.target.factor
    )
    return ScaleOutcome(scale, apart, words(texts, material.target), cut, len(texts)), kept


def _divergence(
    material: Material, before: Path, after: Path, written: Sequence[OwnSample]
) -> float:
    """Returns the KL divergence of a model from the one before, in nats a text, as its own texts
    tell it."""
    texts = [TrainingText(one.prompt, one.text, 1.0, not one.cut) for one in written]
    old, new = (_losses(material, place, texts)[:, 0] for place in (before, after))
    return float((old - new).mean())


def _cross_entropy(material: Material, model: Path) -> float:
    if not material.validation_human:
        return math.nan
    found = _losses(material, model, material.validation_human).sum(axis=0)
    return float(found[0] / found[1])


def _losses(material: Material, model: Path, texts: Sequence[TrainingText]) -> Any:
    settings = material.settings
    return token_losses(model, texts, settings.training, chat=settings.chat)


def _of_training(made: TrainedAdapter, seconds: float) -> Row:
    own, human = made.losses()
    return {
        "loss_samples": own,
        "loss_human": human,
        "tokens": made.tokens,
        "steps": len(made.budgets),
        "training_seconds": made.seconds,
        "seconds": seconds,
    }


def _reason(rows: Sequence[Row]) -> str:
    return str(rows[0]["stopped"])


def _forget(folder: Path) -> None:
    """Removes the models of a round that later ones have taken the place of."""
    for name in (TUNED, CONTROL):
        shutil.rmtree(folder / name, ignore_errors=True)
