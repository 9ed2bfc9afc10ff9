"""Which extras a file of tests needs."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def needs(module: str, why: str) -> pytest.MarkDecorator:
    """Skips where `module` is not installed. It is not imported: every process collects all tests,
    and torch alone would double what that takes."""
    return pytest.mark.skipif(find_spec(module) is None, reason=why)


embed = needs("sentence_transformers", "the extra `embed` is not installed")
variety = needs("sacrebleu", "chrF and BLEU need sacrebleu")
openvino = needs("openvino", "the extra `openvino` is not installed")
mlflow = needs("mlflow", "the extra `mlflow` is not installed")
wandb = needs("wandb", "the extra `wandb` is not installed")
trackio = needs("trackio", "the extra `trackio` is not installed")
tune = needs("peft", "the extra `tune` is not installed")
