"""The card of a tuned model: what it was trained on, how, and what is not known of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dftspark import __version__
from dftspark.config.tune import Tuning

FILE = "README.md"
_HEAD = "| round | scale | distance | words | cross-entropy | tokens |\n|---|---|---|---|---|---|"


def card(config: Tuning, told: dict[str, Any], rows: Sequence[dict[str, Any]], system: str) -> str:
    """Returns the Markdown of a model folder; `system` is tuned or control."""
    tune, training = config.tune, config.tune.training
    own = [row for row in rows if row["system"] == system and (row["taken"] or system != "tuned")]
    if system == "tuned":
        what = (
            f"Tuned with dftspark {__version__} so that its texts as a whole lie where human texts "
            f"lie: in {len(own)} rounds it was trained on its own samples "
            f"({_WEIGHTS[tune.weights]}) and on human text (cross-entropy, weight "
            f"{training.anchor:g})."
        )
    else:
        what = (
            f"The control of a tuning with dftspark {__version__}: trained on human text alone, "
            f"for as many tokens as the tuned model beside it."
        )
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [dftspark]",
        "---",
        "",
        f"# {config.name}: {system}",
        "",
        what,
        "",
        f"- Model before: `{tune.model}`, SHA-256 `{told['model_sha256']}`. Its license holds.",
        (
            f"- Human texts: {told['human_texts']:,} of `{tune.human}`, on prompts of blocks 0 to "
            f"47 alone, SHA-256 `{told['human_sha256']}`."
        ),
        f"- Target: the human side of run `{told['profile']}`, blocks 0 to 47.",
        (
            f"- Prompts: {told['prompts']:,} of `{tune.briefs}`, {tune.samples} samples of each in "
            f"every round, sampler {_said(tune.sampler)}."
        ),
        (
            f"- LoRA: rank {training.rank}, alpha {training.alpha}, on "
            f"{', '.join(training.targets)}"
            f"{f', top {training.layers} layers' if training.layers else ''}; learning rate "
            f"{training.learning_rate:g}, seed {training.seed}; merged."
        ),
        "",
        _HEAD,
        *(_line(row) for row in own),
        "",
        (
            "Distances are those on validation prompts, by the features that were trained on. They "
            "do not say that the model is better: `dftspark gate` judges that, by measures and "
            "prompts that training never saw."
        ),
    ]
    return "\n".join(lines) + "\n"


_WEIGHTS = {"choice": "a matched choice of one a prompt", "tilt": "weighted by their reward"}


def _line(row: dict[str, Any]) -> str:
    return (
        f"| {row['round']} | {row['scale']:g} | {row['distance']:.4g} | {row['words']:,.0f} | "
        f"{row['cross_entropy']:.4g} | {row['tokens']:,} |"
    )


def _said(sampler: dict[str, Any]) -> str:
    return json.dumps(sampler)
