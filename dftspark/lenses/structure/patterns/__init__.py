"""The pattern set: constructions as data, read and compiled once a process."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from dftspark.errors import ConfigError
from dftspark.lenses.structure import pattern_program
from dftspark.text import stream

PER = ("words", "sentences", "lines")


@dataclass(frozen=True)
class Pattern:
    """One construction, counted per word, sentence or line."""

    id: str
    group: str
    version: int
    per: str
    definition: str
    sources: tuple[str, ...]
    match: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A string that changes with the version and with the text that is matched."""
        said = "\n".join((self.id, str(self.version), self.per, *self.match))
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class PatternSet:
    patterns: tuple[Pattern, ...]
    program: pattern_program.Program
    fingerprint: str


@cache
def bundled() -> PatternSet:
    """Returns the set that comes with the package."""
    folder = resources.files(__name__)
    return read(
        (folder / "patterns.toml").read_text(encoding="utf-8"),
        (folder / "lexicon.toml").read_text(encoding="utf-8"),
    )


def read(patterns: str, lexicon: str) -> PatternSet:
    """Reads a set from two TOML documents. Raises ConfigError with the pattern and the mistake."""
    try:
        documents = tomllib.loads(patterns), tomllib.loads(lexicon)
        classes = {name: frozenset(words.split()) for name, words in documents[1].items()}
        found = tuple(
            Pattern(
                id=name,
                **{**body, "match": tuple(body["match"]), "sources": tuple(body["sources"])},
            )
            for name, body in documents[0].items()
        )
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"a pattern set is two TOML documents as in patterns/: {error}"
        ) from error
    missing = [name for name in stream.BUILTIN if name not in classes]
    if missing:
        raise ConfigError(f"the lexicon lacks {missing}, which splitting into sentences needs")
    wrong = [pattern.id for pattern in found if pattern.per not in PER]
    if wrong:
        raise ConfigError(f"`per` is one of {PER}; it is not in {wrong}")
    # The hash covers content only: a remark in a file must not make another profile.
    said = hashlib.blake2b(json.dumps(documents).encode(), digest_size=8).hexdigest()
    program = pattern_program.compiled({p.id: p.match for p in found}, classes)
    return PatternSet(found, program, said)
