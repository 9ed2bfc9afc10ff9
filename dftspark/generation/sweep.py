"""The audit of a run's texts, as TOML: one corpus for each sampler setting of each model."""

from __future__ import annotations

from dftspark.config.generate import Generation
from dftspark.config.template import toml_key, toml_value
from dftspark.location import below

FILE = "sweep.toml"


def toml(config: Generation, run: str) -> str:
    """Returns the audit of the run at `run`; without a human side in the configuration it says
    where to name one."""
    lines = [
        "# Texts that were cut at max_tokens are left out: their lengths are not the model's.",
        f"name = {toml_value(config.name)}",
        f"out = {toml_value(config.out)}",
        "",
        "[corpora.human]",
    ]
    human = config.generate.human
    if human is None:
        lines += [
            "# generate.human was not set, so this is to be written here, once.",
            'role = "human"',
            'path = "HUMAN TEXTS"',
        ]
    else:
        own = human.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
        columns = own.pop("columns", {})
        lines += [f"{toml_key(name)} = {toml_value(value)}" for name, value in own.items()]
        if columns:
            lines += ["", "[corpora.human.columns]"]
            lines += [f"{toml_key(name)} = {toml_value(value)}" for name, value in columns.items()]
    for writer in config.generate.models:
        only = f"model = '{writer.name}' AND fields['finish_reason'] != 'length'"
        lines += [
            "",
            f"[corpora.{toml_key(writer.name)}]",
            'role = "model"',
            f"path = {toml_value(below(run, 'texts.parquet'))}",
            f"filter = {toml_value(only)}",
            'split_by = ["setting"]',
        ]
    return "\n".join(lines) + "\n"
