"""Prompts of a judge: a frame, a task with both texts between marks, and a question a dimension.

They are files, the package's own beside this module or a user's in a folder: `frame.txt`,
`task.txt`, `task_without_assignment.txt`, and one file for each dimension, named after it. The
first line of a file states its version, and the bytes of all of them are a part of every verdict's
key: another word, another verdict.

The mark that delimits the texts is a hash of the texts themselves. The author of one of the texts
cannot put it there without knowing the other, and finding a text that holds its own hash.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dftspark.errors import ConfigError

OWN = Path(__file__).with_name("prompts")
FRAME, TASK, BARE = "frame", "task", "task_without_assignment"
ANSWERS = {True: '"A", "B" or "tie"', False: '"A" or "B"'}

_VERSION = re.compile(r"version = (\d{1,6})\n\n?")
_SLOT = re.compile(r"\{\{(\w{1,16})\}\}")
_SLOTS = {
    FRAME: {"answers"},
    TASK: {"mark", "prompt", "first", "second", "question", "answers"},
    BARE: {"mark", "first", "second", "question", "answers"},
}
_LARGEST = 20_000  # characters of a file


@dataclass(frozen=True)
class Prompts:
    """The texts by file name, and the version that each states."""

    texts: dict[str, str]
    versions: dict[str, int]

    @classmethod
    def load(cls, dimensions: tuple[str, ...], folder: str | None = None) -> Prompts:
        """Reads prompts from `folder`, or the package's own.

        Raises ConfigError for a file that is not there, has no version or lacks a place for a text.
        """
        texts, versions = {}, {}
        for name in (FRAME, TASK, BARE, *dimensions):
            path = (Path(folder) if folder else OWN) / f"{name}.txt"
            texts[name], versions[name] = _read(path, name)
        return cls(texts, versions)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every byte of them."""
        whole = "\0".join(f"{name}\0{text}" for name, text in sorted(self.texts.items()))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def messages(
        self, dimension: str, prompt: str | None, first: str, second: str, ties: bool
    ) -> list[dict[str, str]]:
        """Returns the system's message and the user's, with `first` as text A, `second` as B."""
        values = {
            "mark": mark(prompt or "", first, second),
            "prompt": prompt or "",
            "first": first,
            "second": second,
            "question": self.texts[dimension],
            "answers": ANSWERS[ties],
        }
        task = self.texts[BARE if prompt is None else TASK]
        return [
            {"role": "system", "content": _filled(self.texts[FRAME], values)},
            {"role": "user", "content": _filled(task, values)},
        ]


def mark(*texts: str) -> str:
    """Returns sixteen hexadecimal digits that the texts hold only by a chance of 2^-64."""
    sizes = "".join(f"{len(text)}," for text in texts)
    return hashlib.sha256(f"mark v1 {sizes}{''.join(texts)}".encode()).hexdigest()[:16]


def _filled(text: str, values: dict[str, str]) -> str:
    # In one pass, so that a slot inside a document stays what it is.
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), text)


def _read(path: Path, name: str) -> tuple[str, int]:
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except FileNotFoundError as error:
        known = sorted(p.stem for p in OWN.glob("*.txt") if p.stem not in _SLOTS)
        raise ConfigError(
            f"judge: there is no prompt {path}; the package's own dimensions are "
            f"{', '.join(known)}. For another write that file into the folder judge.prompts, with "
            f"copies of the other files of {OWN}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"judge: cannot read the prompt {path}: {error}") from error
    head = _VERSION.match(text)
    if head is None or len(text) > _LARGEST:
        raise ConfigError(
            f"judge: {path} does not begin with a line such as `version = 1`, or is longer than "
            f"{_LARGEST:,} characters"
        )
    body = text[head.end() :].strip()
    missing = _SLOTS.get(name, set()) - set(_SLOT.findall(body))
    if missing:
        raise ConfigError(
            f"judge: {path} has no place for {', '.join(f'{{{{{m}}}}}' for m in sorted(missing))}"
        )
    return body, int(head[1])
