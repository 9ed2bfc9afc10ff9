"""What the tuning benchmark prints: each seed's table and decisions, and all seeds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import _tuned
from dftspark.tuning.gate import GateDecision

HELD = ("choice 1 of 4", "control")  # what stands beside the settings
_COLUMNS = (*_tuned.MEASURES, *_tuned.AUCS)


@dataclass(frozen=True, eq=False)
class Outcome:
    """phases    of the SFT: rate, steps to the best validation loss, that loss
    searches  of each round: distance at scale 0 and at each scale tried
    losses    of each test window, nats a token, by model
    settings  names of the sampler settings; `larger` those of the larger model
    """

    seed: int
    phases: list[tuple[float, int, float]]
    searches: list[tuple[float, ...]]
    losses: Mapping[str, NDArray[np.float64]]
    judged: _tuned.Judged
    settings: tuple[str, ...]
    larger: tuple[str, ...]
    excerpts: Sequence[str]

    @property
    def cross_entropy(self) -> tuple[float, float]:
        """Of the tuned model, and of the model before."""
        return float(self.losses["tuned"].mean()), float(self.losses["SFT"].mean())

    def decision(self, candidates: tuple[str, ...], settings: tuple[str, ...]) -> GateDecision:
        return _tuned.gated(
            self.judged, "tuned", "control", candidates, settings, self.cross_entropy
        )


def told(found: Outcome) -> list[str]:
    """Returns the lines of one seed."""
    phases = "; ".join(
        f"rate {rate:g}: {steps} steps to {loss:.4f}" for rate, steps, loss in found.phases
    )
    said = [f"== seed {found.seed}", f"   SFT, validation loss: {phases}"]
    for number, search in enumerate(found.searches, 1):
        values = ", ".join(f"{value * 1e3:.2f}" for value in search)
        said.append(f"   round {number}, validation distance by scale: {values} x 1e-3")
    if int(np.argmin(found.searches[0])) == 0:
        said.append("   scale 0 won the first round: `tuned` is its LoRA at scale 1 all the same")
    said += _losses(found)
    said += ["", _head(), *(_row(found.judged, name) for name in found.judged.names)]
    said += ["", "   differences, +- 95% by leaving out documents in turn"]
    best = min(
        found.settings, key=lambda name: found.judged.whole[0, found.judged.names.index(name)]
    )
    for other in (found.settings[0], best, *HELD):
        said.append(_difference(found.judged, "tuned", other))
    said.append(_difference(found.judged, "control", found.settings[0]))
    said.append(_difference(found.judged, HELD[0], found.settings[0]))
    said += _decided("the gate", found.decision((*found.settings, *HELD), found.settings))
    if found.larger:
        decision = found.decision((*found.larger, "control"), found.larger)
        said += _decided("against the larger model's settings", decision)
    said += ["   the first texts of the tuned model:", *(f"     {t!r}" for t in found.excerpts)]
    return said


def together(outcomes: Sequence[Outcome]) -> list[str]:
    """Returns the lines of all seeds: means with half of their range, and differences."""
    names = outcomes[0].judged.names
    values = np.array([np.r_[o.judged.whole, o.judged.aucs[:, :, 0]] for o in outcomes])
    said = [
        f"== {len(outcomes)} seeds: mean +- half of the range",
        _head(),
    ]
    for k, name in enumerate(names):
        cells = [
            f"{column.mean():.3f}+-{np.ptp(column) / 2:.3f}"
            if m >= len(_tuned.MEASURES)
            else f"{column.mean():.2f}+-{np.ptp(column) / 2:.2f}"
            for m, column in enumerate(values[:, :, k].T)
        ]
        said.append(f"   {name:15s}" + "".join(f"{cell:>15s}" for cell in cells))
    said.append(
        "   differences: mean over seeds +- 95%, of one seed's size, since all judge by one corpus"
    )
    for first, second in (
        ("tuned", outcomes[0].settings[0]),
        ("tuned", "control"),
        ("tuned", "choice 1 of 4"),
        ("control", outcomes[0].settings[0]),
        ("choice 1 of 4", outcomes[0].settings[0]),
    ):
        pairs = [_tuned.differences(o.judged, first, second) for o in outcomes]
        means = np.mean([value for value, _ in pairs], axis=0)
        errors = np.mean([error for _, error in pairs], axis=0)
        said.append(_cells(f"{first} - {second}", means, errors))
    accepted = sum(o.decision((*o.settings, *HELD), o.settings).accepted for o in outcomes)
    said.append(f"   the gate accepts the tuned model in {accepted} of {len(outcomes)} seeds")
    return said


def _losses(found: Outcome) -> list[str]:
    values = ", ".join(f"{name} {loss.mean():.4f}" for name, loss in found.losses.items())
    said = [f"   cross-entropy on human test text, nats a token: {values}"]
    for name in ("control", "tuned"):
        apart = found.losses[name] - found.losses["SFT"]
        error = 1.96 * apart.std() / np.sqrt(len(apart))
        said.append(f"   {name} - SFT {apart.mean():+.4f} +- {error:.4f}")
    return said


def _head() -> str:
    names = [
        f"{name}{'*' if _tuned.MEASURES.get(name, (1, False))[1] else ''}" for name in _COLUMNS
    ]
    return f"   {'* trained on':15s}" + "".join(f"{name:>15s}" for name in names)


def _row(judged: _tuned.Judged, name: str) -> str:
    k = judged.names.index(name)
    errors = judged.left_out[:, k].std(axis=1) * np.sqrt(_tuned.GROUPS - 1)
    cells = [f"{v:.2f}+-{e:.2f}" for v, e in zip(judged.whole[:, k], errors, strict=True)]
    cells += [f"{value:.3f}+-{error:.3f}" for value, error in judged.aucs[:, k]]
    copies = f"  near copies {judged.copies[k]:.1%} (human {judged.copies[-1]:.1%})"
    return f"   {name:15s}" + "".join(f"{cell:>15s}" for cell in cells) + copies


def _difference(judged: _tuned.Judged, first: str, second: str) -> str:
    return _cells(f"{first} - {second}", *_tuned.differences(judged, first, second))


def _cells(name: str, values: NDArray[np.float64], errors: NDArray[np.float64]) -> str:
    cells = [
        f"{column} {value:+.{3 if column in _tuned.AUCS else 2}f} +- {1.96 * error:.2g}"
        for column, value, error in zip(_COLUMNS, values, errors, strict=True)
    ]
    return f"   {name}: " + ", ".join(cells)


def _decided(what: str, decision: GateDecision) -> list[str]:
    said = [f"   {what}: {decision.first_line}"]
    said += [f"     - {reason}" for reason in decision.reasons]
    for row in decision.rows:
        said.append(
            f"     {row.name:13s} less best {row.difference.value:+.3f} (q {row.q_value:.2g}), "
            f"less control {row.control.value:+.3f} (p {row.control.p_value:.2g}): {row.verdict}"
        )
    return said
