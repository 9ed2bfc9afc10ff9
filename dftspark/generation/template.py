"""Turns a brief into the text for a model: paragraphs of a text file that have placeholders.

A paragraph whose placeholder is empty is left out with its heading. Placeholders are replaced once,
so braces, marks and placeholders in a brief stay text.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from dftspark.errors import ConfigError
from dftspark.generation.briefs import Brief

_PLACE = re.compile(r"<<([a-z_]+)>>")
_PLACES = ("words", "em_dashes", "use_case", "style", "prompt", "outline")
_WORDS_A_TOKEN = 0.75
_EM_DASHES = {True: "Em-dashes are welcome.", False: "Use no em-dashes."}


@dataclass(frozen=True)
class Template:
    text: str

    @classmethod
    def load(cls, path: str | None = None) -> Template:
        """Loads the package's template, or a file's. Raises ConfigError for one that lacks the
        placeholder of the prompt, or has one that nothing fills."""
        try:
            if path is None:
                folder = resources.files("dftspark.generation") / "prompts"
                text = (folder / "write.txt").read_text(encoding="utf-8")
            else:
                text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigError(f"generate.template: {path} cannot be read: {error}") from error
        places = set(_PLACE.findall(text))
        if "prompt" not in places or places - set(_PLACES):
            raise ConfigError(
                f"generate.template: a template has the place <<prompt>> and others of "
                f"{', '.join(f'<<{name}>>' for name in _PLACES)}; got {sorted(places)}"
            )
        return cls(text.strip())

    @property
    def fingerprint(self) -> str:
        """A hash that changes with every byte of the template."""
        return f"template-v1({hashlib.sha256(self.text.encode()).hexdigest()[:16]})"

    def render(self, brief: Brief) -> str:
        """Returns the text that a model is sent for the brief."""
        values = {
            "words": "" if brief.target_tokens is None else _words(brief.target_tokens),
            "em_dashes": "" if brief.em_dashes is None else _EM_DASHES[brief.em_dashes],
            "use_case": brief.use_case,
            "style": brief.style,
            "prompt": brief.prompt,
            "outline": brief.outline,
        }
        paragraphs = [
            _PLACE.sub(lambda place: values[place[1]], paragraph)
            for paragraph, names in self._paragraphs
            if all(values[name] for name in names)
        ]
        return "\n\n".join(paragraphs)

    @cached_property
    def _paragraphs(self) -> list[tuple[str, list[str]]]:
        """Paragraphs with the names of their places."""
        cut = re.split(r"\n\s*\n", self.text)
        return [(paragraph, _PLACE.findall(paragraph)) for paragraph in cut]


def _words(tokens: int) -> str:
    count = tokens * _WORDS_A_TOKEN
    step = 10 if count >= 40 else 1
    return str(max(round(count / step) * step, 1))
