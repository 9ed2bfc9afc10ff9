"""Settings of `dftspark generate`: briefs, models, sampler settings, and what it may cost."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from dftspark.config.audit import parsed, read
from dftspark.config.corpora import Corpus
from dftspark.config.frozen import Frozen
from dftspark.config.judge import Endpoint
from dftspark.location import below

# The brief, the model and the run decide the rest of the body.
_OURS = {"model", "messages", "prompt", "seed", "stream", "n", "max_tokens"}


# The sampler settings that the engine `local` can apply.
LOCAL = ("temperature", "top_p", "top_k", "min_p")


def check_sampler(name: str) -> None:
    """Raises ValueError for a name that is no sampler setting."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) or name in _OURS:
        raise ValueError(f"{name!r} is no sampler setting; temperature, top_p, top_k are")


class Writer(Frozen):
    """A model that writes: one name at one or more addresses that speak the OpenAI protocol, or the
    folder of its weights, which Spark's tasks load."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="the corpus that its texts are",
        examples=["sft"],
    )
    urls: tuple[str, ...] = Field(
        (),
        description="its addresses, up to the version; each has its share of the requests",
        examples=[["http://127.0.0.1:8000/v1"]],
    )
    model: str = Field("", description="the model's name there", examples=["ours-sft"])
    path: str | None = Field(
        None,
        description="instead of urls: folder of a transformers model in safetensors, the same on "
        "every executor; it is asked on Spark",
    )
    tasks: Annotated[int, Field(ge=1, le=4_096)] = Field(
        1, description="of Spark, each with the model of `path` in its memory"
    )
    batch: Annotated[int, Field(ge=1, le=4_096)] = Field(
        16, description="texts of the model of `path` that a task writes at once"
    )
    revision: str = Field(
        "", description="of the weights: a new checkpoint under an old name is another model"
    )
    key_env: str | None = Field(None, description="environment variable that holds the key")
    key_header: str = Field("Authorization", description="Authorization, or api-key as Azure")
    chat: bool = Field(True, description="false: /completions, for base models")
    seed: bool = Field(True, description="send a seed, the same one for all settings of a sample")
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2_048, description="of a text; a text that is cut there is no sample of the model"
    )
    price_in: Annotated[float, Field(ge=0)] = Field(0.0, description="of a million tokens read")
    price_out: Annotated[float, Field(ge=0)] = Field(0.0, description="of a million written")
    concurrency: Annotated[int, Field(ge=1, le=1_000)] = Field(
        16, description="requests at once, at each address"
    )
    timeout: Annotated[float, Field(gt=0, le=86_400)] = Field(600.0, description="seconds of one")

    @model_validator(mode="after")
    def _as_endpoints_are(self) -> Writer:
        if bool(self.urls) == (self.path is not None):
            raise ValueError("a model has either urls, or the path of its weights")
        if self.urls and not self.model:
            raise ValueError("a model at urls has the name that it has there: model = ...")
        self.endpoints()
        return self

    @property
    def local(self) -> bool:
        """True if Spark's tasks load it."""
        return self.path is not None

    def endpoints(self) -> list[Endpoint]:
        """Returns one endpoint for each address; raises ValidationError for an invalid one. For
        weights it returns one that is never asked, for its prices."""
        return [
            Endpoint(
                name=self.name,
                url=url,
                model=self.model or self.name,
                key_env=self.key_env,
                key_header=self.key_header,
                price_in=self.price_in,
                price_out=self.price_out,
                concurrency=self.concurrency,
                timeout=self.timeout,
                options={"max_tokens": self.max_tokens},
            )
            for url in self.urls or ("http://localhost",)
        ]


class BriefColumns(Frozen):
    """Which column of the briefs holds what; those that are not there are left empty."""

    prompt_id: str = Field("prompt_id", description="name of the brief; required")
    prompt: str = Field("prompt", description="what is to be written; required")
    outline: str = Field("outline", description="points, facts and quotes")
    style: str = Field("style", description="how it is to be written")
    use_case: str = Field("use_case", description="what it is for")
    target_tokens: str = Field("target_tokens", description="how long it is to be")
    em_dashes: str = Field("em_dashes", description="true or false: whether it may have any")
    stratum: str = Field("stratum", description="genre or other group")


class Generate(Frozen):
    """What is written: briefs x models x sampler settings x samples."""

    briefs: str = Field(description="Parquet, JSONL or CSV, a brief a row", examples=["briefs.csv"])
    columns: BriefColumns = BriefColumns()
    template: str | None = Field(
        None, description="file of the template to use instead of the package's own"
    )
    samples: Annotated[int, Field(ge=1, le=1_000)] = Field(
        1, description="of each brief and setting"
    )
    sampler: dict[str, tuple[float | int, ...]] = Field(
        {"temperature": (1.0,)},
        description="sampler setting to its values; every combination is a setting",
    )
    models: tuple[Writer, ...] = Field(min_length=1, description="who writes")
    human: Corpus | None = Field(
        None, description="the human side of the audit that the run leaves as sweep.toml"
    )
    max_brief_bytes: Annotated[int, Field(ge=100)] = Field(
        200_000, description="a longer brief is refused"
    )
    max_requests: Annotated[int, Field(ge=0)] = Field(
        100_000, description="cap of one run, retries included; then it ends cleanly, exit code 5"
    )
    max_tokens: Annotated[int, Field(ge=0)] = Field(
        200_000_000, description="the same of tokens read and written"
    )
    max_cost: Annotated[float, Field(ge=0)] = Field(25.0, description="the same of their price")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(5, description="of a request")
    store: str | None = Field(
        None, description="folder that keeps texts for later runs, else `texts` in `out`"
    )

    @field_validator("sampler")
    @classmethod
    def _a_grid(cls, value: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for name, values in value.items():
            check_sampler(name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"sampler.{name} is a list of unlike values, got {list(values)}")
        return dict(sorted(value.items()))

    @field_validator("models")
    @classmethod
    def _unlike_names(cls, value: tuple[Writer, ...]) -> tuple[Writer, ...]:
        names = [one.name for one in value]
        if len(set(names)) < len(names) or "human" in names:
            raise ValueError(f"each model has a name of its own, and none is 'human'; got {names}")
        return value

    @model_validator(mode="after")
    def _what_local_can(self) -> Generate:
        strange = [name for name in self.sampler if name not in LOCAL]
        if strange and any(one.local for one in self.models):
            raise ValueError(f"models with a path have {', '.join(LOCAL)}, and not {strange}")
        return self

    @property
    def settings(self) -> list[dict[str, float | int]]:
        """Every combination of sampler values, in order."""
        names = list(self.sampler)
        return [
            dict(zip(names, values, strict=True))
            for values in itertools.product(*self.sampler.values())
        ]


NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class Writing(Frozen):
    """One TOML file of a command that has models write."""

    name: str = Field(pattern=NAME)
    out: str = Field("runs", description="folder of the run store")

    @classmethod
    def load(cls, path: str | Path, out: str | None = None) -> Self:
        """Reads the file; raises ConfigError that lists every mistake."""
        document = read(Path(path))
        if out is not None:
            document["out"] = out
        return parsed(cls, document, str(path))

    def _texts(self, store: str | None) -> str:
        return store or below(self.out, "texts")


class Generation(Writing):
    """One TOML file of `dftspark generate`."""

    name: str = Field("sweep", pattern=NAME)
    generate: Generate

    @property
    def store(self) -> str:
        return self._texts(self.generate.store)
