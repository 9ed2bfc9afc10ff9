"""A profile that a run keeps, opened for another comparison and checked against manifest and
settings.

A comparison uses what was counted then, so every setting that decided what was counted must be the
same in the configuration; otherwise the numbers would carry the names of other settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dftspark.config import Audit
from dftspark.errors import ConfigError
from dftspark.lenses.lens import chosen
from dftspark.stages.profiling import Profile
from dftspark.store import publish
from dftspark.store.integrity import check_files
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The keys of a section on which no profile depends.
_FREE = {"cleaning": ("max_reject_share", "on_unreadable_file"), "tokens": ()}
_ABSENT = object()


def stored_profile(spark: SparkSession, config: Audit, profiled: Run) -> Profile:
    """Returns the profile that a run keeps, without its documents.

    Raises ConfigError if the run keeps none, or one that was made with other corpora, roles,
    orders, lenses or settings than those of `config`; InputError if one of its tables is damaged.
    """
    if "profile" not in profiled.tables:
        raise ConfigError(
            f"{profiled.path} keeps no profile; run `dftspark profile`, or an audit with "
            f"keep_profile = true"
        )
    _check_settings(config, profiled)
    kept = list(chosen(config, kept=True))
    check_files(profiled, [table for one in kept for table in one.states])
    found = Profile(
        {one.name: one.opened(spark, config, [profiled]) for one in kept},
        profiled.manifest["shared_clusters"],
    )
    said = [line for one in kept for line in one.unlike(config, found.states[one.name])]
    if said:
        raise _refused(profiled, said)
    return found


def _check_settings(config: Audit, profiled: Run) -> None:
    own, kept = (
        publish.plain(found, "config")  # a manifest has no secrets
        for found in (config.model_dump(mode="json"), profiled.manifest.get("config", {}))
    )
    said = [*_corpora(kept, own), *_orders(kept, own), *_lenses(config, profiled)]
    if (before := kept.get("prompts", "all")) != config.prompts:
        now = json.dumps(config.prompts)
        said.append(f"prompts: the profile {json.dumps(before)}, the configuration {now}")
    sections: dict[str, Sequence[str]] = dict(_FREE)
    for one in chosen(config, kept=True):
        sections |= one.settings
    for name, free in sections.items():
        bound = {key: value for key, value in own[name].items() if key not in free}
        said += _unlike(name, kept.get(name, {}), bound)
    if said:
        raise _refused(profiled, said)


def _corpora(kept: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """Yields differing names and roles first: with other ones, further differences mean nothing."""
    before, now = (
        {name: corpus["role"] for name, corpus in found.get("corpora", {}).items()}
        for found in (kept, own)
    )
    if before != now:
        yield f"corpora: the profile has {_listed(before)}, the configuration {_listed(now)}"
        return
    for name in own["corpora"]:
        yield from _unlike(
            f"corpora.{name}", *(_with_paths(found["corpora"][name]) for found in (kept, own))
        )


def _with_paths(corpus: Mapping[str, Any]) -> dict[str, Any]:
    path = corpus["path"]
    return {**corpus, "path": [path] if isinstance(path, str) else path}


def _listed(roles: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({role})" for name, role in sorted(roles.items())) or "none"


def _orders(kept: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    before, now = (found.get("ngrams", {}).get("orders", []) for found in (kept, own))
    lacking = [n for n in now if n not in before]
    if lacking:
        yield (
            f"ngrams.orders: the profile has {before}, the configuration {now}; nothing of order "
            f"{', '.join(map(str, lacking))} was counted"
        )


def _lenses(config: Audit, profiled: Run) -> Iterator[str]:
    for one in chosen(config, kept=True):
        if not set(one.states) <= set(profiled.tables):
            rest = [name for name in config.lenses if name != one.name]
            yield f"lenses: the profile has nothing of {one.name!r}; without it, lenses = {rest}"


def _unlike(place: str, kept: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """Yields settings of `own` that differ in `kept`, except those newer than the profile."""
    for key, value in own.items():
        before = kept.get(key, _ABSENT)
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _unlike(f"{place}.{key}", before, value)
        elif before is not _ABSENT and before != value:
            yield (
                f"{place}.{key}: the profile {json.dumps(before)}, the configuration "
                f"{json.dumps(value)}"
            )


def _refused(profiled: Run, said: list[str]) -> ConfigError:
    lines = "\n  ".join(said)
    return ConfigError(
        f"the profile {profiled.path} was made in another way than this configuration says, so "
        f"its numbers are none of this configuration's\n  {lines}\n"
        f"Give the settings that the profile was made with, which its manifest.json has under "
        f"`config`; or profile the documents again: dftspark profile CONF"
    )
