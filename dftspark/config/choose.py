"""Settings of `dftspark choose`: what is chosen from, and what is matched."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from dftspark.config.frozen import Frozen

# Set on one corpus (five base models on 1,193 prompts) by splits that no benchmark uses.
WEIGHTS = {"ngrams": 1.0, "embeddings": 2.0, "structure": 0.2, "lengths": 0.1}


class Choose(Frozen):
    """`dftspark choose`: one of several samples of each prompt, so that the chosen texts together
    are where the human texts are."""

    pool: tuple[str, ...] = Field(
        (), description="model corpora whose samples are chosen from; without, all of them"
    )
    orders: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field(
        (1, 2, 3),
        min_length=1,
        description="values of n whose n-grams are matched, of ngrams.orders; what that has beyond "
        "is looked at and not matched",
    )
    buckets: int = Field(
        1024, description="buckets of an order's sketch, a power of two; at most sketch_width"
    )
    features: Annotated[int, Field(ge=64, le=65_536)] = Field(
        512,
        description="frequencies of the random features that are matched, at least; as many others "
        "are looked at and not matched",
    )
    weights: dict[str, float] = Field(
        WEIGHTS,
        description="what each family of features weighs: ngrams, embeddings, structure and "
        "lengths (of texts, sentences, paragraphs, words); 0: it is looked at and not matched",
    )
    sweeps: Annotated[int, Field(ge=0, le=100)] = Field(
        8, description="exchanges over all prompts, at most; it ends where they gain little"
    )
    candidates: Annotated[int, Field(ge=64, le=1_000_000)] = Field(
        8_192,
        description="samples that are chosen from together; a larger pool is cut into groups of "
        "whole prompts. It bounds a task's memory, at some 60 kB a sample",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the order of prompts and samples")

    @field_validator("orders")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @field_validator("weights")
    @classmethod
    def _known_families(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(value.keys() - WEIGHTS.keys())
        if unknown:
            raise ValueError(f"weights are of {list(WEIGHTS)}, got {unknown}")
        if not all(0 <= weight <= 1_000 for weight in value.values()) or not any(value.values()):
            raise ValueError(f"weights are from 0 to 1000, and one is above 0; got {value}")
        return {**dict.fromkeys(WEIGHTS, 0.0), **value}

    @field_validator("buckets")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value < 64 or value > 2**18 or value & (value - 1):
            raise ValueError(f"buckets is a power of two from 64 to 262144, got {value}")
        return value
