"""Settings of the judge lens: what is asked, of whom, and what it may cost."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from dftspark.config.frozen import Frozen

_DEEP = 16  # tables and lists inside each other


class Endpoint(Frozen):
    """A judge: one model behind one address that speaks the chat-completions protocol."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="the judge's name in every table",
        examples=["mini"],
    )
    url: str = Field(
        description="its address, up to the version", examples=["https://api.openai.com/v1"]
    )
    model: str = Field(
        min_length=1, description="the model's name there", examples=["gpt-5.4-mini"]
    )
    key_env: str | None = Field(
        None,
        description="environment variable that holds the key, on the driver and on executors",
    )
    key_header: Literal["Authorization", "api-key"] = Field(
        "Authorization", description="header that carries the key; Azure wants api-key"
    )
    price_in: Annotated[float, Field(ge=0)] = Field(
        0.0, description="price of a million tokens that are read, in any currency"
    )
    price_out: Annotated[float, Field(ge=0)] = Field(
        0.0, description="price of a million tokens that are written, in the same currency"
    )
    concurrency: Annotated[int, Field(ge=1, le=1_000)] = Field(
        16, description="requests at once, of all tasks together"
    )
    timeout: Annotated[float, Field(gt=0, le=86_400)] = Field(
        120.0, description="seconds that one request may take, from connecting to its last byte"
    )
    structured: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema", description="how the form of the answer is enforced; see docs/judge.md"
    )
    logprobs: bool = Field(
        False, description="ask for log-probabilities too: a close call is told from a clear one"
    )
    options: dict[str, Any] = Field(
        default={"temperature": 0.0, "max_tokens": 256},
        description="sent with each request as they stand; a judge that reasons needs more tokens",
    )

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url begins with https:// or http:// and names a host")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(
                "url has no user, query or fragment: a key comes from the environment variable "
                "that key_env names"
            )
        return value.rstrip("/")

    @field_validator("key_env")
    @classmethod
    def _a_name(cls, value: str | None) -> str | None:
        # A message that showed the given value could show a key.
        if value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", value):
            raise ValueError(
                "key_env is the name of an environment variable, as OPENAI_API_KEY is, and not the "
                "key itself"
            )
        return value

    @field_validator("options")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        own = {"model", "messages", "response_format", "logprobs", "top_logprobs", "stream", "n"}
        if own & value.keys():
            raise ValueError(f"{sorted(own & value.keys())} are not for options to set")
        if not _is_json(value, _DEEP):
            raise ValueError(
                f"options are sent as JSON: texts, finite numbers, true and false, lists and "
                f"tables of them, {_DEEP} deep at most"
            )
        return value

    @property
    def most_tokens_out(self) -> int:
        """The largest cost of an answer in tokens."""
        asked = [self.options.get(name) for name in ("max_completion_tokens", "max_tokens")]
        return max([value for value in asked if isinstance(value, int)], default=1_024)


def _is_json(value: Any, deep: int) -> bool:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return deep > 0 and all(_is_json(each, deep - 1) for each in inner)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


DIMENSIONS = ("overall", "clarity", "coherence", "creativity", "depth", "relevance")


class Judge(Frozen):
    """The judge lens: which of two texts on one prompt a judge prefers. It costs money; each
    judge is a part [[judge.endpoints]] of this file."""

    pairs: Annotated[int, Field(ge=2, le=100_000)] = Field(
        400, description="prompts on which each model is compared with human, in both orders"
    )
    dimensions: tuple[str, ...] = Field(
        DIMENSIONS, min_length=1, description="what is asked; each is a file of the prompts"
    )
    controls: tuple[Literal["human", "broken", "models"], ...] = Field(
        ("human", "broken", "models"),
        description="human against human, human against model text with its words shuffled, and "
        "each model against the next one",
    )
    control_pairs: Annotated[int, Field(ge=2, le=100_000)] = Field(
        50, description="pairs of each control"
    )
    control_dimensions: tuple[str, ...] | None = Field(
        None,
        description="dimensions that controls are asked on, else all of them",
        examples=[["overall"]],
    )
    ties: bool = Field(True, description="whether a judge may answer that neither is better")
    prompts: str | None = Field(
        None, description="folder of prompts to use instead of the package's own"
    )
    max_characters: Annotated[int, Field(ge=200)] = Field(
        20_000, description="a longer text is cut to this for the judge, on both sides"
    )
    max_requests: Annotated[int, Field(ge=0)] = Field(
        20_000, description="cap of one run, retries included; then it ends cleanly, exit code 5"
    )
    max_tokens: Annotated[int, Field(ge=0)] = Field(
        50_000_000, description="the same of tokens read and written"
    )
    max_cost: Annotated[float, Field(ge=0)] = Field(
        25.0, description="the same of their price, in the currency of the endpoints' prices"
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        5, description="of a request, after 429, 5xx, a time-out or a lost connection"
    )
    tasks: Annotated[int, Field(ge=0, le=256)] = Field(
        2,
        description="Spark tasks of each judge, which share its concurrency; 0: the driver asks",
    )
    store: str | None = Field(
        None,
        description="folder that keeps verdicts for later runs, else `verdicts` in `out`; of a "
        "file system that driver and executors share",
    )
    picks: str | None = Field(
        None,
        description="folder of picks that readers of `dftspark write` consented to keep: "
        "judgements of a judge named human",
        examples=["picks"],
    )
    endpoints: tuple[Endpoint, ...] = Field((), description="the judges; without, none is asked")

    @field_validator("dimensions")
    @classmethod
    def _file_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
                raise ValueError(f"a dimension is a word in small letters, got {name!r}")
        return tuple(dict.fromkeys(value))

    @field_validator("control_dimensions")
    @classmethod
    def _asked_too(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        unknown = [name for name in value or () if name not in info.data.get("dimensions", ())]
        if unknown:
            raise ValueError(f"{unknown} are not among judge.dimensions")
        return value

    @field_validator("endpoints")
    @classmethod
    def _unlike_names(
        cls, value: tuple[Endpoint, ...], info: ValidationInfo
    ) -> tuple[Endpoint, ...]:
        names = [endpoint.name for endpoint in value]
        if len(set(names)) < len(names):
            raise ValueError(f"each judge has a name of its own, got {names}")
        if info.data.get("picks") is not None and "human" in names:
            raise ValueError("with judge.picks the name 'human' is that of their readers")
        return value
