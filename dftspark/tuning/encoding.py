"""Texts as tokens of the model that is trained, and what a model folder must have for that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dftspark.errors import ConfigError, EnvironmentProblem, InputError
from dftspark.generation.local import prompt_ids
from dftspark.generation.weights import digest

SETTING = "tune.model"


@dataclass(frozen=True)
class TrainingText:
    """A text that is trained on, behind its prompt.

    weight  of an own sample, beside the others
    ended   whether the model is to learn that the text ends there; not, if it was cut
    """

    prompt: str
    text: str
    weight: float = 1.0
    ended: bool = True


@dataclass(frozen=True)
class EncodedText:
    """ids    of prompt and text
    start  of the text's first token, at least 1
    """

    ids: tuple[int, ...]
    start: int

    @property
    def tokens(self) -> int:
        """How many tokens are predicted."""
        return len(self.ids) - self.start


def tokenizer(folder: str | Path, *, chat: bool) -> Any:
    """Returns the tokenizer of a model folder.

    Raises ConfigError for a folder without one, for a tokenizer without an end, for a missing chat
    template, and for weights or code that are never read; EnvironmentProblem without transformers.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise missing(error) from error
    place = Path(folder).expanduser()
    digest(str(folder), SETTING)
    try:
        tokens: Any = AutoTokenizer.from_pretrained(
            str(place), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{SETTING}: the tokenizer of {folder} cannot be read: "
            f"{str(error).splitlines()[0]}; save it there with save_pretrained"
        ) from error
    if end_of(place, tokens) is None:
        raise ConfigError(
            f"{SETTING}: the tokenizer of {folder} has no eos_token, nor has its "
            f"generation_config.json, so the model cannot learn where a text ends; set one in "
            f"tokenizer_config.json"
        )
    if chat and not tokens.chat_template:
        raise ConfigError(
            f"{SETTING}: the tokenizer of {folder} has no chat template; set tune.chat = false if "
            f"the model goes on from the plain prompt, or save the template with the tokenizer"
        )
    return tokens


def end_of(folder: Path, tokens: Any) -> int | None:
    """Returns the token that ends a text when the model writes, or None."""
    file = folder / "generation_config.json"
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    ends = said.get("eos_token_id")
    if tokens.eos_token_id is not None and (
        ends is None or tokens.eos_token_id in (ends if isinstance(ends, list) else [ends])
    ):
        return int(tokens.eos_token_id)
    if isinstance(ends, list):
        return int(ends[0]) if ends else None
    return None if ends is None else int(ends)


def context(folder: Path) -> int:
    """Returns how many tokens the model can take."""
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = ("max_position_embeddings", "n_positions", "max_seq_len")
    return min((int(said[name]) for name in names if said.get(name)), default=1 << 20)


def encoded(
    texts: Sequence[TrainingText], tokens: Any, end: int, *, chat: bool, most: int, what: str
) -> list[EncodedText]:
    """Returns the texts as tokens, cut at `most`. Raises InputError, naming the first prompt, where
    a prompt leaves no room for its text."""
    out = []
    for one in texts:
        before = prompt_ids(tokens, one.prompt, chat)
        after = list(tokens(one.text, add_special_tokens=False)["input_ids"])
        if one.ended:
            after.append(end)
        ids = (before + after)[:most]
        start = max(len(before), 1)
        if len(ids) <= start:
            raise InputError(
                f"{what}: the prompt {one.prompt!r:.60} has {len(before):,} tokens, and with its "
                f"text there are {len(before) + len(after):,} of at most {most:,}; raise "
                f"training.max_tokens, or shorten the prompt"
            )
        out.append(EncodedText(tuple(ids), start))
    return out


def missing(error: ImportError) -> EnvironmentProblem:
    return EnvironmentProblem(f"{error.name} is not installed: pip install 'dftspark[tune]'")
