"""The audit that judges a choice, as the TOML that its run leaves: on the referee's prompts.

The chosen texts are compared with every sampler setting of the pool, and with the pool itself, by
another embedder and other frequencies than the choice used.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from dftspark.choose.splits import REFEREE
from dftspark.config import Audit
from dftspark.config.template import toml_key, toml_value
from dftspark.location import below

# Measured as in the configuration; `embedding` and `mmd` differ from it on purpose.
_SAME = ("tokens", "ngrams", "inference")
_MACHINE = ("device", "threads", "batch_tokens")
_STATIC, _MINILM = "static", "all-MiniLM-L6-v2"
_LONGEST = 100  # characters of the name
FILE = "audit.toml"


def toml(config: Audit, run: str, *, reference: bool, settings: int) -> str:
    """Returns the audit of the run at `run`. `reference` says that the run has human texts of the
    referee's prompts, and `settings` how many corpora the pool has."""
    other = _MINILM if config.embedding.embedder == _STATIC else _STATIC
    lines = [
        "# Judges the texts chosen in this run on prompts that nothing was chosen by:",
        "# human texts, chosen texts, the whole pool, and each of its settings.",
        "# The embedder and the seed of the random features are others than the choice went by.",
        *_pairs(
            {
                "name": f"{config.name[:_LONGEST]}-chosen",
                "out": config.out,
                "lenses": _lenses(config),
            }
        ),
        *_human(config, run, reference),
        *_model("chosen", [below(run, "chosen.parquet")]),
    ]
    both = [below(run, "chosen.parquet"), below(run, "unchosen.parquet")]
    lines += _model("pool", both)
    if settings > 1:
        lines += _model("setting", both, {"split_by": ["corpus"]})
        lines += ["", "[sweep]", *_pairs({"challenger": "chosen"})]
    for name in _SAME:
        lines += _section(name, getattr(config, name))
    own = {name: value for name, value in _changed(config.embedding).items() if name in _MACHINE}
    store = {"embedder": other, "sample": "all", "store": config.embedding_store}
    lines += ["", "[embedding]", *_pairs(store | own)]
    lines += ["", "[mmd]", *_pairs({"seed": config.mmd.seed + 1})]
    # The texts are clean already: cleaning them again changes nothing.
    lines += _section("cleaning", config.cleaning)
    return "\n".join(lines) + "\n"


def _lenses(config: Audit) -> list[str]:
    return [name for name in config.lenses if name != "judge"]


def _human(config: Audit, run: str, reference: bool) -> list[str]:
    head = ["", "[corpora.human]"]
    if reference:
        return [*head, *_pairs({"role": "human", "path": below(run, "reference.parquet")})]
    own = config.corpora[config.human]
    note = "# The target was a stored profile, so these are human texts of all prompts, also of the"
    return [
        *head,
        note,
        "# target's: of the distances below only their order tells something.",
        *_pairs({k: v for k, v in _changed(own).items() if k != "columns"}),
        *_table("corpora.human.columns", _changed(own.columns)),
    ]


def _model(name: str, paths: list[str], more: dict[str, Any] | None = None) -> list[str]:
    only = f"fields['split'] = '{REFEREE}'"
    own = {"role": "model", "path": paths, "filter": only, **(more or {})}
    return ["", f"[corpora.{name}]", *_pairs(own)]


def _section(name: str, of: BaseModel) -> list[str]:
    return _table(name, _changed(of))


def _table(head: str, values: dict[str, Any]) -> list[str]:
    return ["", f"[{head}]", *_pairs(values)] if values else []


def _changed(of: BaseModel) -> dict[str, Any]:
    found = of.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in found.items() if value is not None}


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{toml_key(name)} = {toml_value(value)}" for name, value in values.items()]
