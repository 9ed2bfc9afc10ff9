"""Settings of `dftspark write`: which models the page has, and what may be kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from dftspark.config.audit import parsed, read
from dftspark.config.frozen import Frozen
from dftspark.config.generate import LOCAL, Writer, check_sampler


class Write(Frozen):
    """The page on which a person states what they want and reads a text of a model, or one of each
    of two models without knowing which is whose."""

    models: tuple[Writer, ...] = Field(
        min_length=1,
        max_length=2,
        description="one model, or two that are compared blindly; a model with a path is loaded by "
        "this process",
    )
    sampler: dict[str, float | int] = Field(
        {"temperature": 1.0},
        description="sampler settings of every text; the page has no control for them",
    )
    template: str | None = Field(
        None, description="file of the template to use instead of the package's own"
    )
    human: str | None = Field(
        None,
        description="run with the table patterns, whose human side gives the human band of each "
        "construction",
        examples=["runs/20261122T010000Z-audit-1a2b3c"],
    )
    keep: bool = Field(
        False,
        description="let readers keep a pick between two texts, if they consent on the page; "
        "otherwise nothing is written to disk",
    )
    picks: str = Field("picks", description="folder of the kept picks, which `judge.picks` reads")

    @field_validator("sampler")
    @classmethod
    def _known(cls, value: dict[str, float | int]) -> dict[str, float | int]:
        for name in value:
            check_sampler(name)
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _that_go_together(self) -> Write:
        names = [one.name for one in self.models]
        if len(set(names)) < len(names) or "human" in names:
            raise ValueError(f"each model has a name of its own, and none is 'human'; got {names}")
        strange = [name for name in self.sampler if name not in LOCAL]
        if strange and any(one.local for one in self.models):
            raise ValueError(f"models with a path have {', '.join(LOCAL)}, and not {strange}")
        if self.keep and len(self.models) < 2:
            raise ValueError("keep is for picks between two texts; name two models, or leave it")
        return self


class WritePage(Frozen):
    """One TOML file of `dftspark write`."""

    write: Write

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads the file; raises ConfigError that lists every mistake."""
        return parsed(cls, read(Path(path)), str(path))

    @classmethod
    def of_folders(cls, folders: list[str]) -> Self:
        """Returns the page of models in these folders, named after them; raises ConfigError."""
        names = [_named(Path(folder)) for folder in folders]
        if len(set(names)) < len(names):  # such as runs/1/model and runs/2/model
            names = [f"{name}-{number}" for number, name in enumerate(names, 1)]
        models = [{"name": n, "path": folder} for n, folder in zip(names, folders, strict=True)]
        return parsed(cls, {"write": {"models": models}}, "the command line")


def _named(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._")[:60] or "model"
