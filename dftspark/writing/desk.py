"""The writing of one text, or of two to be compared, for the page's one reader: one at a time."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from dftspark.errors import DftsparkError
from dftspark.generation.briefs import Brief
from dftspark.generation.template import Template
from dftspark.writing.arrival import arriving
from dftspark.writing.engines import Draft, Engine
from dftspark.writing.fields import EMPTY

_SEEDS = 2**31
LABELS = ("A", "B")


@dataclass(frozen=True)
class WrittenText:
    """A text as far as it came. `problem` says why it is not whole; empty if it is."""

    engine: str
    text: str
    problem: str = ""

    @property
    def cut(self) -> bool:
        return bool(self.problem)


@dataclass(frozen=True)
class BlindPair:
    """Two whole texts on one brief, in the order in which the reader saw them."""

    id: str
    fields: Mapping[str, str]
    prompt: str
    texts: tuple[WrittenText, WrittenText]


@dataclass
class Desk:
    """What the page remembers, in memory alone: the form's fields, and the two texts that wait for
    a pick."""

    engines: list[Engine]
    template: Template
    fields: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    pair: BlindPair | None = None
    _claim: object | None = None
    _draft: Draft | None = None
    _stopped: bool = False

    @property
    def busy(self) -> bool:
        """True while a text is written."""
        return self._claim is not None

    def claim(self) -> Callable[[], None] | None:
        """Takes the desk for a text; returns what gives it back, or None if it is taken."""
        if self.busy:
            return None
        claim = self._claim = object()
        self._stopped, self.pair = False, None

        def free() -> None:
            if self._claim is claim:  # else it was given back, and others have it
                self._claim = self._draft = None

        return free

    def stop(self) -> None:
        """Stops the text that is being written, and the one that would follow it."""
        self._stopped = True
        if self._draft is not None:
            self._draft.cancel()

    def prompt(self, brief: Brief) -> str:
        return self.template.render(brief)

    def order(self) -> list[Engine]:
        """Returns the engines in random order."""
        order = list(self.engines)
        secrets.SystemRandom().shuffle(order)
        return order

    async def write(self, engine: Engine, prompt: str) -> AsyncGenerator[str | WrittenText, None]:
        """Yields the pieces of a text as they come, and at last the whole text, or what came of it
        with the reason."""
        parts: list[str] = []
        problem = finish = ""
        try:
            if not self._stopped:
                self._draft = engine.draft(prompt, secrets.randbelow(_SEEDS))
                async with aclosing(arriving(self._draft)) as pieces:
                    async for delta in pieces:
                        finish = delta.finish_reason or finish
                        text = delta.text if parts else delta.text.lstrip()
                        if text:
                            parts.append(text)
                            yield text
        except DftsparkError as error:
            problem = str(error)
        except Exception as error:
            problem = f"the model failed: {type(error).__name__}"
        if self._stopped:
            problem = "Stopped."
        elif not problem:
            problem = _unlike_whole(parts, finish)
        yield WrittenText(engine.name, "".join(parts).rstrip(), problem)


def _unlike_whole(parts: list[str], finish: str) -> str:
    if finish == "content_filter":
        return "The endpoint withheld the rest."
    if not "".join(parts).strip():
        return "The model wrote nothing."
    if not finish:
        return "The endpoint broke off before the end."
    return "" if finish != "length" else "Cut at the model's limit of tokens (max_tokens)."
