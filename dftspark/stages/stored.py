"""A profile that a run keeps, opened for another comparison: held against manifest and settings.

What is compared is what was counted then, so whatever decides what was counted must be in the
configuration as it was: another one would put its own name to numbers that are not its.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dftspark.config import Audit
from dftspark.errors import ConfigError
from dftspark.stages.profiling import Clouds, Profile, frozen
from dftspark.stats.ngram_counts import NgramCounts
from dftspark.store import publish
from dftspark.store.run import Run
from dftspark.store.state_files import check_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TABLES = {"structure": "structure", "embeddings": "feature_sums"}  # by lens
# What of a section the profile does not hang on; of the n-grams what it hangs on is named, for
# orders may be fewer.
_FREE = {
    "embedding": ("device", "batch_tokens", "threads", "store", "download"),
    "mmd": ("weights", "exact"),
    "cleaning": ("max_reject_share", "on_unreadable_file"),
    "tokens": (),
}
_COUNTED = ("sketch_width", "phrases")
_ABSENT = object()


def stored_profile(spark: SparkSession, config: Audit, profiled: Run) -> Profile:
    """The profile that a run keeps, without its documents.

    Raises ConfigError where the run keeps none, or one that was made with other corpora, roles,
    orders, lenses or settings than those of `config`; InputError where a table of it is damaged.
    """
    if "profile" not in profiled.tables:
        raise ConfigError(
            f"{profiled.path} keeps no profile; run `dftspark profile`, or an audit with "
            f"keep_profile = true"
        )
    _check_settings(config, profiled)
    tables = [table for lens, table in _TABLES.items() if lens in config.lenses]
    check_files(profiled, ["profile", "phrases", *tables])
    found = Profile(
        stored=[profiled.table_path("profile")],
        phrases=profiled.spark(spark, "phrases"),
        structure=profiled.spark(spark, "structure") if "structure" in tables else None,
        clouds=_clouds(spark, profiled) if "feature_sums" in tables else None,
        shared_clusters=profiled.manifest["shared_clusters"],
        key_ranges=profiled.manifest["key_ranges"],
    )
    _check_fingerprints(config, profiled, found)
    return found


def _clouds(spark: SparkSession, profiled: Run) -> Clouds:
    sums = profiled.spark(spark, "feature_sums")
    return Clouds(frozen(profiled), sums, None, dict(profiled.manifest["embedding"]))


def _check_settings(config: Audit, profiled: Run) -> None:
    own, kept = (
        publish.plain(found, "config")  # a manifest has no secrets
        for found in (config.model_dump(mode="json"), profiled.manifest.get("config", {}))
    )
    said = [*_corpora(kept, own), *_orders(kept, own), *_lenses(profiled, own)]
    sections = [name for name in _FREE if name in ("cleaning", "tokens")
                or "embeddings" in own["lenses"]]  # fmt: skip
    for name in sections:
        bound = {key: value for key, value in own[name].items() if key not in _FREE[name]}
        said += _unlike(name, kept.get(name, {}), bound)
    said += _unlike("ngrams", kept.get("ngrams", {}), {key: own["ngrams"][key] for key in _COUNTED})
    if said:
        raise _refused(profiled, said)


def _corpora(kept: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """Names and roles first: with other ones, what else differs says nothing."""
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


def _lenses(profiled: Run, own: Mapping[str, Any]) -> Iterator[str]:
    for lens, table in _TABLES.items():
        if lens in own["lenses"] and table not in profiled.tables:
            rest = [name for name in own["lenses"] if name != lens]
            yield f"lenses: the profile has nothing of {lens!r}; without it, lenses = {rest}"


def _unlike(place: str, kept: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """Settings of `own` that are others in `kept`; one that is newer than the profile is none."""
    for key, value in own.items():
        before = kept.get(key, _ABSENT)
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _unlike(f"{place}.{key}", before, value)
        elif before is not _ABSENT and before != value:
            yield (
                f"{place}.{key}: the profile {json.dumps(before)}, the configuration "
                f"{json.dumps(value)}"
            )


def _check_fingerprints(config: Audit, profiled: Run, found: Profile) -> None:
    """Holds the rows themselves: settings alike may mean another thing to another version."""
    from dftspark.spark import ngrams, structure

    text = ngrams.fingerprint(config)
    wanted = {n: NgramCounts(n=n, text=text).fingerprint for n in config.ngrams.orders}
    made_by = {key: value for key, value in found.fingerprints.items() if key in wanted}
    said = [
        f"n-grams of order {n}: the profile {made_by.get(n, 'has none')}, this dftspark {value}"
        for n, value in wanted.items()
        if made_by.get(n) != value
    ]
    if found.structure is not None:
        own = structure.statistic(config).fingerprint
        rows = found.structure.select("fingerprint").distinct().toArrow()["fingerprint"]
        said += [f"structure: the profile {other}, this dftspark {own}"
                 for other in rows.to_pylist() if other != own]  # fmt: skip
    if said:
        raise _refused(profiled, said)


def _refused(profiled: Run, said: list[str]) -> ConfigError:
    lines = "\n  ".join(said)
    return ConfigError(
        f"the profile {profiled.path} was made in another way than this configuration says, so "
        f"its numbers are none of this configuration's\n  {lines}\n"
        f"Give the settings that the profile was made with, which its manifest.json has under "
        f"`config`; or profile the documents again: dftspark profile CONF"
    )
