"""The stages of a choice: reading, embedding, target, scales, choice, report of the match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.choose import audits, matched, target
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.choose.splits import SPLITS, TARGET, blocks_of
from dftspark.choose.sums import ChoiceSums
from dftspark.config import Audit
from dftspark.errors import ConfigError, InputError
from dftspark.making import Making
from dftspark.stages import profiling
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KIND = "choose"
_FEWEST = 16  # human clusters of the target; below this a mean says nothing


@dataclass(frozen=True)
class _Read:
    """Documents of the pool and of the human side (None with a stored profile), and vectors of
    both."""

    pool: DataFrame
    human: DataFrame | None
    vectors: DataFrame | None
    embedding: dict[str, Any]


def read_config(config: Audit, profiled: Run | None) -> Audit:
    """Returns the corpora that a choice reads: the pool, and without a profile the human side.

    Raises ConfigError for a pool that is not in this configuration, or for orders that it does not
    count.
    """
    models = [name for name, corpus in config.corpora.items() if corpus.role == "model"]
    wanted = config.choose.pool or tuple(models)
    strange = [name for name in wanted if name not in models]
    if strange:
        raise ConfigError(f"choose.pool: {strange} are no model corpora; there are {models}")
    if config.prompts != "all":
        raise ConfigError(
            f"prompts = {config.prompts!r}: a choice is made by the target and judged by the "
            f"referee, so it reads all prompts; take the setting out, or give it to the audit"
        )
    lacking = [n for n in config.choose.orders if n not in config.ngrams.orders]
    if lacking:
        raise ConfigError(
            f"choose.orders: {lacking} are not among ngrams.orders = {list(config.ngrams.orders)}"
        )
    if config.choose.buckets > config.ngrams.sketch_width:
        raise ConfigError(
            f"choose.buckets = {config.choose.buckets:,} is more than ngrams.sketch_width = "
            f"{config.ngrams.sketch_width:,}"
        )
    if profiled:
        target.check_prompts(profiled)
    human = [] if profiled else [config.human]
    corpora = {name: config.corpora[name] for name in (*human, *wanted)}
    embedding = config.embedding.model_copy(update={"sample": "all"})
    return config.model_copy(update={"corpora": corpora, "embedding": embedding})


def choose(making: Making, profiled: Run | None) -> dict[str, Any]:
    """Chooses, writes the tables and their audit, and returns the manifest's entry."""
    from dftspark.choose import spark_pool
    from dftspark.spark import tables

    whole = making.config
    making.config = read_config(whole, profiled)
    found = _read(making)
    with making.stage("gather samples"):
        staged = making.staging("candidates")
        tables.write(spark_pool.candidates(found.pool, found.vectors), staged)
        pool = tables.read(making.spark, staged, schema.CANDIDATES)
        sizes = spark_pool.sizes(pool)
    _check_pool(sizes, whole)
    features, human = _target(making, found, profiled, whole)
    settings = whole.choose
    with making.stage("choose"):
        center = human[0].mean(features, blocks_of(TARGET))
        sample = spark_pool.sample(pool, features, settings.seed)
        scale = ColumnScale.of(features, sample, center, settings.weights)
        staged = making.staging("choices")
        made = spark_pool.choices(
            pool,
            features,
            scale,
            sizes,
            settings.candidates,
            sweeps=settings.sweeps,
            seed=settings.seed,
        )
        tables.write(made, staged)
        choices = tables.read(making.spark, staged, schema.CHOICES)
        before, after, gaps = spark_pool.merged(choices, features)
    told = _write_numbers(making, whole, features, scale, human, before, after, found)
    settings_of_pool = _write_texts(making, whole, found, pool, choices)
    making.config = whole
    return {
        **found.embedding,
        "choose": {
            "pool": settings_of_pool,
            "profile": profiled.path if profiled else None,
            "splits": dict(zip(SPLITS, sizes, strict=True)),
            "groups": len(gaps),
            "gaps": [min(gaps), max(gaps)],
            "audit": audits.FILE,
            **told,
        },
    }


def _read(making: Making) -> _Read:
    from dftspark.choose import spark_pool
    from dftspark.embedding import spark_files as embed
    from dftspark.lenses.embeddings.lens import embedded
    from dftspark.lenses.lens import Texts

    config = making.config
    documents, counted = profiling.read(making)
    profiling.write_corpora(making, counted, {})
    kept = documents.kept
    humans = [name for name, corpus in config.corpora.items() if corpus.role == "human"]
    pool, human = spark_pool.sides(kept, humans)
    vectors, manifest = None, {}
    if "embeddings" in config.lenses:
        plan, told = embedded(making, Texts(kept, counted))
        vectors, manifest = embed.vectors(plan), {"embedding": told}
    return _Read(pool, human if humans else None, vectors, manifest)


def _check_pool(sizes: list[dict[str, int]], config: Audit) -> None:
    prompts = sum(own["prompts"] for own in sizes)
    samples = sum(own["samples"] for own in sizes)
    if not prompts:
        raise InputError(
            "no sample of the pool has a prompt, so there is nothing to choose from; name the "
            "column with corpora.NAME.columns.prompt_id"
        )
    if samples == prompts:
        raise InputError(
            f"each of the pool's {prompts:,} prompts has one sample, so there is nothing to "
            f"choose; make several of each, with other seeds or settings, and give all of them "
            f"the prompt_id of their prompt"
        )
    if config.choose.candidates * 2 < samples / prompts:
        raise ConfigError(
            f"choose.candidates = {config.choose.candidates:,} is less than the samples of a "
            f"prompt, about {samples / prompts:,.0f}"
        )


def _target(
    making: Making, found: _Read, profiled: Run | None, whole: Audit
) -> tuple[Features, tuple[ChoiceSums, NDArray[np.int64]]]:
    from dftspark.choose import spark_pool

    with making.stage("human target"):
        features = _features(making, found, profiled)
        if profiled is not None:
            corpus = target.human_of(profiled, whole)
            target.check(profiled, corpus, whole, found.embedding.get("embedding", {}))
            human = target.of_profile(profiled, corpus, features)
        else:
            assert found.human is not None
            human = spark_pool.human_sums(found.human, found.vectors, features)
    blocks = blocks_of(TARGET)
    clusters = int(human[1][blocks.start : blocks.stop].sum())
    if clusters < _FEWEST:
        raise InputError(
            f"the human side has {clusters} prompts in the blocks of the target, and a mean of "
            f"fewer than {_FEWEST} is no target; give more human text"
        )
    return features, human


def _features(making: Making, found: _Read, profiled: Run | None) -> Features:
    from dftspark.lenses.embeddings import spark_clouds as clouds

    config = making.config
    frequencies = None
    if profiled is not None and found.vectors is not None:
        frequencies = target.frequencies(profiled)
    elif found.vectors is not None:
        corpora = found.vectors.select("corpus").distinct().count()
        sample = clouds.pilot(found.vectors, config.mmd, corpora)
        frequencies = clouds.statistic(sample, config.mmd).frequencies
    return Features(
        tokens=config.tokens,
        orders=config.ngrams.orders,
        matched=config.choose.orders,
        buckets=config.choose.buckets,
        frequencies=frequencies,
        first=config.choose.features,
        structure="structure" in config.lenses,
    )


def _write_numbers(
    making: Making,
    config: Audit,
    features: Features,
    scale: ColumnScale,
    human: tuple[ChoiceSums, NDArray[np.int64]],
    before: ChoiceSums,
    after: ChoiceSums,
    found: _Read,
) -> dict[str, Any]:
    run = {"run_id": making.writer.id, "date": making.date, "human": config.human}
    with making.stage("what was matched"):
        paired = found.human is not None and _shared(found.pool, found.human)
        table = [
            {**run, **row}
            for row in matched.rows(
                features, scale, human, before, after, paired=paired, settings=config.inference
            )
        ]
        rates = [{**run, **row} for row in matched.rates(features, scale, human[0], before, after)]
        making.writer.write("matched", pa.Table.from_pylist(table, schema=schema.MATCHED))
        making.writer.write(
            "matched_rates", pa.Table.from_pylist(rates, schema=schema.MATCHED_RATES)
        )
    return {"paired": paired, "said": matched.said(table)}


def _shared(pool: DataFrame, human: DataFrame) -> bool:
    """Returns whether any cluster is on both sides."""
    own = pool.select("cluster").distinct().join(human.select("cluster"), "cluster", "left_semi")
    return bool(own.limit(1).count())


def _write_texts(
    making: Making, config: Audit, found: _Read, pool: DataFrame, choices: DataFrame
) -> list[str]:
    from dftspark.choose import spark_pool

    run = {"run_id": making.writer.id, "date": making.date}
    with making.stage("write texts"):
        chosen, unchosen = spark_pool.texts(found.pool, pool, choices, run)
        making.write("chosen", chosen)
        making.write("unchosen", unchosen)
        if found.human is not None:
            making.write("reference", spark_pool.reference(found.human, run))
        names = sorted(pool.select("corpus").distinct().toArrow()["corpus"].to_pylist())
        text = audits.toml(
            config, making.writer.path, reference=found.human is not None, settings=len(names)
        )
        making.writer.write_file(audits.FILE, text.encode())
    return names
