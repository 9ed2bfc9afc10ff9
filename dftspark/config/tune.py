"""Settings of `dftspark tune`: from which model, towards which texts, in how many rounds."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dftspark.config.frozen import Frozen
from dftspark.config.generate import LOCAL, NAME, BriefColumns, Writing
from dftspark.location import below

# Linear layers of Llama and of most models that came after it.
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
MOST_SAMPLES = 50_000  # of a round


class Training(Frozen):
    """How a round is trained: one LoRA on own samples, weighted, and on human text."""

    rank: Annotated[int, Field(ge=1, le=1_024)] = Field(16, description="of the LoRA")
    alpha: Annotated[int, Field(ge=1)] = Field(
        32, description="of the LoRA: what it adds is multiplied by alpha / rank"
    )
    targets: tuple[str, ...] = Field(
        _TARGETS, min_length=1, description="names of the linear layers that get a LoRA"
    )
    layers: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="of the top layers only; nothing is computed backwards below them, which is "
        "faster. Without, of all layers",
        examples=[10],
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="at its highest; it then falls to 0 in a line"
    )
    warmup: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.05, description="share of the steps in which it rises"
    )
    epochs: Annotated[int, Field(ge=1, le=1_000)] = Field(1, description="over the own samples")
    batch: Annotated[int, Field(ge=1, le=65_536)] = Field(
        32, description="own samples of a step, over all processes"
    )
    human_batch: Annotated[int, Field(ge=1, le=65_536)] = Field(
        32, description="human texts of a step, beside them"
    )
    anchor: Annotated[float, Field(ge=0, le=100)] = Field(
        0.5,
        description="what cross-entropy on human text weighs beside that on own samples, both per "
        "token; 0 leaves the anchor out, which invites a hacked measure",
    )
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest norm of a gradient")
    max_tokens: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        1_024, description="of prompt and text; a longer text is cut there"
    )
    tokens_at_once: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        1_024,
        description="tokens of one pass, padding included: it bounds the memory, at some 12 bytes "
        "for each token and word of the vocabulary, and changes no result beyond rounding",
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of the frozen weights and the arithmetic; the LoRA itself is always float32. "
        "bfloat16 is faster on GPUs and on processors that have it",
    )
    checkpoint_steps: Annotated[int, Field(ge=1)] = Field(
        25, description="steps after which a checkpoint is written, from which a rerun goes on"
    )
    threads: Annotated[int, Field(ge=1, le=1_024)] = Field(
        1, description="of a process on a CPU; other numbers give other last bits"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        0, description="of the LoRA's first weights and of the order of texts"
    )


class Tune(Frozen):
    """What is tuned: a model in rounds, towards the human texts that an audit has profiled."""

    model: str = Field(
        description="folder of a transformers model in safetensors, the same on every executor; "
        "best one that is trained on human text to its optimum already",
        examples=["models/sft"],
    )
    profile: str = Field(
        description="run of an audit of human texts and of this model's",
        examples=["runs/20261122T010000Z-base-1a2b3c"],
    )
    corpus: str | None = Field(
        None, description="its model corpus, where it has several", examples=["base"]
    )
    briefs: str = Field(
        description="Parquet, JSONL or CSV, a brief a row, as for generating",
        examples=["briefs.csv"],
    )
    columns: BriefColumns = BriefColumns()
    template: str | None = Field(
        None, description="file of the template to use instead of the package's own"
    )
    human: str = Field(
        description="Parquet, JSONL or CSV with prompt_id and text: human texts on the briefs",
        examples=["human.jsonl"],
    )
    sft: tuple[str, ...] = Field(
        (),
        description="files with the texts that the model was trained on before; none of them may "
        "be a text of the target",
        examples=[["sft.jsonl"]],
    )
    rounds: Annotated[int, Field(ge=1, le=100)] = Field(3, description="at most")
    prompts: Annotated[int, Field(ge=16, le=1_000_000)] = Field(
        512, description="briefs of blocks 0 to 47 that a round writes for, at most"
    )
    samples: Annotated[int, Field(ge=2, le=1_000)] = Field(4, description="of each, to choose from")
    validation_prompts: Annotated[int, Field(ge=16, le=1_000_000)] = Field(
        256, description="briefs of blocks 48 to 55 that each scale writes for, at most"
    )
    sampler: dict[str, float | int] = Field(
        {"temperature": 1.0},
        description="how the model will be used: temperature, top_p, top_k, min_p",
    )
    weights: Literal["choice", "tilt"] = Field(
        "choice",
        description="choice: one sample of each prompt, so that the set as a whole matches; tilt: "
        "every sample, weighted by its reward at the budget `kl`",
    )
    kl: Annotated[float, Field(gt=0)] = Field(
        0.3, description="budget of the tilt, in nats a text; below log(samples)"
    )
    chat: bool = Field(True, description="false: the model has no chat template and needs none")
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        512, description="of a text that is written"
    )
    cut: bool = Field(
        False,
        description="whether texts cut at max_tokens are samples too; only where the human texts "
        "were cut at the same length",
    )
    tasks: Annotated[int, Field(ge=1, le=4_096)] = Field(
        1, description="of Spark that write, each with the model in its memory"
    )
    write_batch: Annotated[int, Field(ge=1, le=4_096)] = Field(
        16, description="texts that a task writes at once"
    )
    processes: Annotated[int, Field(ge=1, le=1_024)] = Field(
        1, description="that train together, each in a slot of Spark's"
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="cuda: a GPU for each process, which Spark assigns"
    )
    training: Training = Training()
    embedder: str | None = Field(
        None, description="copy of the profile's embedder, where this machine has it elsewhere"
    )
    store: str | None = Field(
        None,
        description="folder for samples, checkpoints and models, the same on every executor, else "
        "`tuning` in `out`",
    )

    @field_validator("sampler")
    @classmethod
    def _what_local_can(cls, value: dict[str, Any]) -> dict[str, Any]:
        strange = sorted(value.keys() - set(LOCAL))
        if strange:
            raise ValueError(f"sampler has {', '.join(LOCAL)}, and not {strange}")
        if value.get("temperature", 1.0) <= 0:
            raise ValueError("sampler.temperature is above 0: at 0 all samples are the same text")
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _a_budget_that_can_be_spent(self) -> Tune:
        most = math.log(self.samples)
        if self.weights == "tilt" and self.kl >= most:
            raise ValueError(f"kl is below log(samples) = {most:.3f}, got {self.kl:g}")
        if self.prompts * self.samples > MOST_SAMPLES:
            raise ValueError(
                f"prompts x samples are {MOST_SAMPLES:,} at most, since the driver holds their "
                f"features; got {self.prompts:,} x {self.samples:,}"
            )
        return self


class Tuning(Writing):
    """One TOML file of `dftspark tune`."""

    name: str = Field("tune", pattern=NAME)
    tune: Tune

    @property
    def store(self) -> str:
        return self.tune.store or below(self.out, "tuning")
