"""Settings of what is measured: the lenses, inference, sweeps, the page."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from dftspark.config.frozen import Frozen


class Ngrams(Frozen):
    """The n-gram lens."""

    orders: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field(
        (1, 2, 3, 4), min_length=1, description="values of n, from 1 to 5"
    )
    sketch_width: int = Field(
        4096,
        description="buckets of each block's Count-Sketch, a power of two; 64 blocks x "
        "width x 16 bytes an order bound a corpus's small state",
    )
    phrases: Annotated[int, Field(ge=100)] = Field(
        5_000, description="n-grams of each order whose text and example a profile keeps"
    )
    table_rows: Annotated[int, Field(ge=10)] = Field(
        1_000, description="rows of the ngrams table per order and pair, before the remainder"
    )
    buffer_mb: Annotated[int, Field(ge=16)] = Field(
        512, description="memory a task may hold in counts before it flushes them, MiB"
    )
    inference_ngrams: Annotated[int, Field(ge=256)] = Field(
        4096, description="n-grams sampled for intervals of Jensen-Shannon and total variation"
    )

    @field_validator("orders")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @field_validator("sketch_width")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value < 256 or value > 2**18 or value & (value - 1):
            raise ValueError(f"sketch_width is a power of two from 256 to 262144, got {value}")
        return value


_ERROR = re.compile(r"([1-9]\d?(?:\.\d+)?)%")
_NUMBER_OR_WORD = {
    "sample": (100, "all"),
    "max_tokens": (16, "auto"),
    "batch_tokens": (256, "auto"),
    "threads": (1, "auto"),
}


class Embedding(Frozen):
    """How documents become vectors. What changes a vector is part of its fingerprint."""

    embedder: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="all-MiniLM-L6-v2 comes with the extra `embed`; 'static' is a table of token "
        "vectors distilled from it, for millions of documents on CPUs; else the folder of a "
        "sentence-transformers model, the same on every executor, or its name on the Hugging Face "
        "hub",
    )
    revision: str = Field("main", description="commit, tag or branch of a model of the hub")
    download: bool = Field(
        False, description="fetch a model of the hub that is not in the cache; needs the network"
    )
    sample: int | str = Field(
        2_000,
        description="documents of each corpus that are embedded, by whole clusters in the order of "
        "a hash, so that corpora share prompts; or 'all'; or the standard error of MMD squared "
        "that is asked for, as '10%': then as many as a pilot of 500 says, for all models",
    )
    long_documents: Literal["truncate", "windows"] = Field(
        "truncate", description="a longer document: its beginning, or the mean over its windows"
    )
    max_tokens: int | Literal["auto"] = Field(
        "auto", description="tokens that are read at once; auto: as many as the model says"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: the GPU that Spark gives a task, else the CPU"
    )
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto",
        description="auto: float32 on a CPU; on a GPU as published where that is half precision, "
        "else float16. Name one where CPU and GPU jobs share a store",
    )
    engine: Literal["torch", "openvino"] = Field(
        "torch",
        description="what computes a transformer: 'openvino', with the extra `openvino`, is faster "
        "on CPUs, from the same weights, converted at first use. Its vectors differ in the last "
        "digits and are stored apart, so it is never chosen by itself",
    )
    batch_tokens: int | Literal["auto"] = Field(
        "auto",
        description="tokens in a batch, padding included, halved where memory runs out; auto: "
        "65,536 on a GPU, 8,192 for a static table. On a CPU a transformer reads one text at a "
        "time, so that a vector depends on its text alone",
    )
    threads: int | Literal["auto"] = Field(
        "auto",
        description="of a task; auto: as many as spark.task.cpus, and all cores where a local run "
        "has few texts",
    )
    store: str | None = Field(
        None,
        description="folder or URI that keeps vectors for later runs, else `embeddings` in `out`",
    )

    @field_validator("sample", "max_tokens", "batch_tokens", "threads", mode="before")
    @classmethod
    def _number_or_word(cls, value: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name)
        least, word = _NUMBER_OR_WORD[name]
        counts = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if name == "sample" and isinstance(value, str) and _ERROR.fullmatch(value):
            return value
        if value != word and not counts:
            raise ValueError(f"{name} is a number from {least} on, or {word!r}, got {value!r}")
        return value

    @property
    def sample_error(self) -> float | None:
        """The relative standard error of MMD squared by which the sample is chosen, if it is."""
        share = _ERROR.fullmatch(str(self.sample))
        return float(share[1]) / 100 if share else None

    @model_validator(mode="after")
    def _of_the_engine(self) -> Embedding:
        if self.engine == "openvino" and self.embedder == "static":
            raise ValueError(
                "engine = 'openvino' is for transformers; the embedder 'static' is a table, which "
                "has nothing to compute: leave engine out"
            )
        if self.engine == "openvino" and self.device == "cuda":
            raise ValueError(
                "engine = 'openvino' computes on CPUs and device is 'cuda': leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _of_the_hub(self) -> Embedding:
        own = self.embedder in ("all-MiniLM-L6-v2", "static")
        if own and (self.revision != "main" or self.download):
            raise ValueError(
                f"revision and download go with a model of the hub; {self.embedder!r} comes with "
                f"the extra `embed`"
            )
        return self


class Inference(Frozen):
    """Intervals, tests and floors."""

    permutations: Annotated[int, Field(ge=99)] = Field(999, description="relabelings of a test")
    splits: Annotated[int, Field(ge=20)] = Field(
        200, description="groupings behind the floors of divergences"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="of intervals")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of relabelings and splits")


class Mmd(Frozen):
    """Distances of embeddings, by random features."""

    features: Annotated[int, Field(ge=64, le=65_536)] = Field(
        2048, description="frequencies, at least; the next multiple of the vectors' width is taken"
    )
    bandwidth: Annotated[float, Field(ge=0)] = Field(
        0.0, description="sigma; 0: the median distance of the pilot. Set it to compare runs"
    )
    pilot: Annotated[int, Field(ge=20, le=10_000)] = Field(
        1_000, description="documents of each corpus behind the median distance"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of frequencies and pilot")
    exact: Annotated[int, Field(ge=-1, le=20_000)] = Field(
        -1,
        description="documents of each side whose MMD is also taken by the kernel itself, as a "
        "check on the features; quadratic in their number, so 2000 is plenty; 0: none; -1: all, "
        "where both sides together have at most 4000",
    )
    weights: Literal["human", "uniform"] = Field(
        "human", description="what a stratum weighs where strata are compared one by one"
    )


class Report(Frozen):
    """The page that every audit leaves in its run, as report.html."""

    page: bool = Field(True, description="write it; it needs the extra `report`")
    copy_swap: bool = Field(
        False,
        description="copying an excerpt from the page swaps a few words for fruits and animals, so "
        "that no text of a model is pasted unread; a note says so and copies the text as it is",
    )
    history: Annotated[int, Field(ge=0, le=1_000)] = Field(
        90, description="earlier runs of the same name in the store that its curves show"
    )


class Sweep(Frozen):
    """Corpora of one model under many settings, side by side: their best by each measure.

    Every corpus with `split_by` is a sweep of its parts.
    """

    challenger: str | None = Field(
        None,
        description="a model corpus, or a part of one as corpus/value, that is held against the "
        "best settings of every sweep; it is no setting itself",
    )
    splits: Annotated[int, Field(ge=2, le=200)] = Field(
        20,
        description="random halves of the prompts: a setting is chosen on one, reported on "
        "the other",
    )
    measures: tuple[str, ...] = Field(
        (
            "l2_squared_corrected_*gram",
            "js_1gram",
            "mmd_squared",
            "structure_outside",
            "wasserstein_sentence_words",
            "rate_alike_sentences",
            "rate_em_dash",
            "rate_other_script",
            "rate_repeated_trigrams",
        ),
        min_length=1,
        description="measures, with * for any part of a name, by which the challenger is judged "
        "and whose best settings are held against each other",
    )
    rates: tuple[str, ...] = Field(
        (
            "alike_sentences",
            "contraction",
            "contrast_not_but",
            "em_dash",
            "list_item",
            "other_script",
            "participle_tail",
            "repeated_trigrams",
            "sentence_length",
            "triad_words",
            "type_token_ratio",
        ),
        description="measures of the structure lens that are followed one by one, as rate_NAME",
    )
