"""What a tuning reads, all of it checked before anything is written or trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dftspark.choose.splits import TARGET, VALIDATION, blocks_of
from dftspark.config import Cleaning
from dftspark.config.tune import Tune, Tuning
from dftspark.corpus.blocks import block_of
from dftspark.corpus.clean import clean
from dftspark.errors import ConfigError, InputError
from dftspark.generation.briefs import Brief, read, rows_of
from dftspark.generation.template import Template
from dftspark.generation.weights import digest
from dftspark.location import Location
from dftspark.store.listing import open_run
from dftspark.text.hashing import digest64
from dftspark.tuning import checkpoint, lora
from dftspark.tuning.encoding import SETTING, TrainingText, tokenizer
from dftspark.tuning.reward import WitnessReward
from dftspark.tuning.target import Target
from dftspark.tuning.validation import words

_FEWEST = 16  # prompts of a split
_COPIES = 5  # of the model, that lie beside each other while a round ends
_BRIEF_BYTES = 200_000
_VERSION = "dftspark tune v1"
# What decides where and how fast a tuning works, and where it reads what is hashed itself.
_MACHINE = {"tasks", "write_batch", "store", "rounds", "embedder"}
_READ = {"model", "profile", "corpus", "briefs", "columns", "template", "human", "sft"}


@dataclass(frozen=True, eq=False)
class Material:
    """briefs      that every round writes for, and those that scales are judged by
    human       texts on the target's prompts, and on those of validation
    target      of the target's blocks; `validation` of its own
    reward      whose features the rounds take
    folder      where the rounds work, named by everything that decides their result
    """

    settings: Tune
    template: Template
    briefs: tuple[Brief, ...]
    validation_briefs: tuple[Brief, ...]
    human: tuple[TrainingText, ...]
    validation_human: tuple[TrainingText, ...]
    target: Target
    validation: Target
    reward: WitnessReward
    folder: Path
    told: dict[str, Any]

    @property
    def human_words(self) -> float:
        """The mean number of words of a human text: on validation prompts, where there are any."""
        texts = self.validation_human or self.human
        return words([one.text for one in texts], self.target)

    @classmethod
    def of(cls, config: Tuning) -> Material:
        """Reads and checks everything. Raises ConfigError, InputError or EnvironmentProblem."""
        settings = config.tune
        store = Location.parse(config.store)
        if not store.local:
            raise ConfigError(
                f"tune.store: {store} is no folder that a model can be loaded from; name one on a "
                f"disk that the driver and all executors share"
            )
        tokenizer(settings.model, chat=settings.chat)
        lora.check(settings.model, settings.training)
        model = digest(settings.model, SETTING)
        run = open_run(settings.profile)
        target = Target.of(run, model=settings.corpus)
        validation = Target.of(run, model=settings.corpus, split=VALIDATION)
        reward = WitnessReward(target, embedder=settings.embedder)
        template = Template.load(settings.template)
        briefs = read(settings.briefs, settings.columns, _BRIEF_BYTES)
        sides = {name: _of_split(briefs, name) for name in (TARGET, VALIDATION)}
        human = {name: _human(settings, side, template) for name, side in sides.items()}
        if not human[TARGET]:
            raise InputError(
                f"tune.human: {settings.human} has no text for a brief of blocks 0 to 47; its "
                f"prompt_id must be that of {settings.briefs}"
            )
        check_leak(settings.sft, human[TARGET], target.cleaning)
        asked = {
            name: _some(sides[name], most, name)
            for name, most in (
                (TARGET, settings.prompts),
                (VALIDATION, settings.validation_prompts),
            )
        }
        key = _key(settings, model, (target, validation), template, asked, human)
        folder = Path(store.path) / f"{config.name}-{key[:12]}"
        needed = _COPIES * _size(Path(settings.model).expanduser()) - _size(folder)
        checkpoint.check_space(folder, needed, "the models and checkpoints of a tuning")
        return cls(
            settings,
            template,
            tuple(asked[TARGET]),
            tuple(asked[VALIDATION]),
            tuple(human[TARGET]),
            tuple(human[VALIDATION]),
            target,
            validation,
            reward,
            folder,
            {
                "model": settings.model,
                "model_sha256": model,
                "profile": run.id,
                "human": settings.human,
                "human_texts": len(human[TARGET]),
                "human_sha256": _digest(one.text for one in human[TARGET]),
                "prompts": len(asked[TARGET]),
                "validation_prompts": len(asked[VALIDATION]),
                "key": key,
            },
        )


def check_leak(paths: Sequence[str], human: Sequence[TrainingText], cleaning: Cleaning) -> None:
    """Raises ConfigError if a text of these files is one of `human`, whatever white space is
    between its words."""

    def digest_of(text: str) -> str:
        return _digest(clean(text, cleaning)[0].split())

    wanted = {digest_of(one.text) for one in human}
    for path in paths:
        leaked = rows = 0
        for rows, row in enumerate(rows_of(Path(path), "tune.sft"), 1):
            text = _text(row, path, rows, "tune.sft", ("text", "completion"))
            leaked += digest_of(text) in wanted
        if leaked:
            raise ConfigError(
                f"tune.sft: {leaked:,} of {rows:,} texts of {path} are human texts of the target. "
                f"The model has seen them, so being near to them says little; train it on others, "
                f"or make the target of human texts that it has not seen"
            )


def _of_split(briefs: Sequence[Brief], split: str) -> list[Brief]:
    blocks = block_of([brief.prompt_id for brief in briefs])
    wanted = blocks_of(split)
    return [brief for brief, block in zip(briefs, blocks, strict=True) if block in wanted]


def _some(briefs: Sequence[Brief], most: int, split: str) -> list[Brief]:
    blocks = blocks_of(split)
    if len(briefs) < _FEWEST:
        raise InputError(
            f"tune.briefs: {len(briefs)} briefs are in blocks {blocks.start} to {blocks.stop - 1}, "
            f"of {split}, and {_FEWEST} are needed; a brief's block is a hash of its prompt_id, so "
            f"give more of them"
        )
    return sorted(briefs, key=lambda b: (digest64(b.prompt_id, _VERSION), b.prompt_id))[:most]


def _human(settings: Tune, briefs: Sequence[Brief], template: Template) -> list[TrainingText]:
    prompts = {brief.prompt_id: brief for brief in briefs}
    texts = []
    for number, row in enumerate(rows_of(Path(settings.human), "tune.human"), 1):
        text = _text(row, settings.human, number, "tune.human", ("text",))
        brief = prompts.get(str(row.get(settings.columns.prompt_id)))
        if brief is not None and text.strip():
            texts.append(TrainingText(template.render(brief), text, ended=not settings.cut))
    return texts


def _text(row: Any, path: str, number: int, setting: str, columns: Sequence[str]) -> str:
    for column in columns:
        if isinstance(row, dict) and isinstance(row.get(column), str):
            return str(row[column])
    raise InputError(
        f"{setting}: row {number} of {path} has no text in a column {' or '.join(columns)}"
    )


def _key(
    settings: Tune,
    model: str,
    targets: Sequence[Target],
    template: Template,
    briefs: dict[str, list[Brief]],
    human: dict[str, list[TrainingText]],
) -> str:
    whole = hashlib.sha256(f"{_VERSION} {model} {template.fingerprint}\n".encode())
    whole.update(json.dumps(settings.model_dump(mode="json", exclude=_MACHINE | _READ)).encode())
    for target in targets:
        for part in (target.human, target.factor):
            whole.update(part.tobytes())
    for split in briefs:
        rows = [*map(asdict, briefs[split]), *map(asdict, human[split])]
        whole.update(json.dumps(rows).encode())
    return whole.hexdigest()


def _digest(texts: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for text in texts:
        whole.update(text.encode("utf-8", "replace") + b"\0")
    return whole.hexdigest()


def _size(folder: Path) -> int:
    """Returns the bytes of the weights in a folder and below it."""
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
