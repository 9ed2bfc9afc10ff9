"""Sweeps: the parts of one corpus, each with its settings, and a challenger."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dftspark.config import Audit, Corpus
from dftspark.corpus.parts import corpus_of, values_of
from dftspark.errors import ConfigError

RATE = "rate_"  # the beginning of the names of measures that are followed one by one


@dataclass(frozen=True)
class SweepCorpora:
    """A sweep. `settings` by corpus, in the order of their values; `challenger` is not one of
    them."""

    name: str
    settings: dict[str, dict[str, str]]
    challenger: str | None


def check(config: Audit, known: Sequence[str]) -> None:
    """Raises ConfigError for a measure under sweep.rates that is not in `known`, and for a
    challenger that cannot be a model corpus."""
    challenger = config.sweep.challenger
    models = [name for name, corpus in config.corpora.items() if corpus.role == "model"]
    if challenger is not None and corpus_of(challenger) not in models:
        raise ConfigError(
            f"sweep.challenger is a model corpus or a part of one as corpus/value, got "
            f"{challenger!r}; model corpora are {', '.join(models)}"
        )
    for name in config.sweep.rates:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"sweep.rates: there is no measure {name!r}; {hint}known: {', '.join(known)}"
            )


def found_in(config: Audit, models: Sequence[str]) -> list[SweepCorpora]:
    """Returns the sweeps that the corpora `models` make; a single setting does not make a sweep."""
    found = []
    for name, corpus in config.corpora.items():
        parts = [m for m in models if corpus.split_by and m != name and corpus_of(m) == name]
        settings = {m: _settings(corpus, m) for m in parts}
        challenger = config.sweep.challenger if config.sweep.challenger in models else None
        if challenger is not None:
            settings.pop(challenger, None)
        if len(settings) > 1:
            order = sorted(settings, key=lambda m: [_ordered(v) for v in settings[m].values()])
            found.append(SweepCorpora(name, {m: settings[m] for m in order}, challenger))
    return found


def judged(metric: str, config: Audit) -> bool:
    """Returns whether it is one of sweep.measures."""
    return any(fnmatchcase(metric, pattern) for pattern in config.sweep.measures)


def _settings(corpus: Corpus, part: str) -> dict[str, str]:
    """Returns values by sampler setting, or by column if the column is not a sampler setting."""
    named = {column: setting for setting, column in corpus.columns.sampler.items()}
    names = [named.get(column, column) for column in corpus.split_by]
    return dict(zip(names, values_of(part, len(names)), strict=True))


def _ordered(value: str) -> tuple[bool, float, str]:
    """Returns a sort key that puts numbers by size before words."""
    try:
        return (False, float(value), "")
    except ValueError:
        return (True, 0.0, value)
