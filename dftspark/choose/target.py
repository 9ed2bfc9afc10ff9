"""The human side of a choice, from the states that a profile keeps; no human text is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.choose import documents
from dftspark.choose.features import EMBEDDINGS, LENGTHS, NGRAMS, STRUCTURE, FeatureBlock, Features
from dftspark.choose.sums import ONE, ChoiceSums, none
from dftspark.config import Audit
from dftspark.corpus import clean
from dftspark.errors import ConfigError, IncomparableProfiles
from dftspark.lenses.embeddings.fourier import DEFAULT, Frequencies
from dftspark.lenses.embeddings.fourier import ONE as FEATURE
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState
from dftspark.lenses.ngrams.keys import RATE_ONE
from dftspark.lenses.ngrams.profile_files import totals_of
from dftspark.lenses.ngrams.sketch import folded
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.lenses.ngrams.statistic_sketch import BlockSketch
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.store.run import Run
from dftspark.text.hashing import BLOCKS
from dftspark.text.tokens import tokenizer


def human_of(run: Run, config: Audit) -> str:
    """Returns the human corpus of a run. Raises ConfigError if it has none."""
    corpora = run.manifest.get("config", {}).get("corpora", {})
    found = [name for name, corpus in corpora.items() if corpus.get("role") == "human"]
    if not found:
        raise ConfigError(f"{run.path} is of no audit with a human corpus; give another profile")
    return config.human if config.human in found else found[0]


def check_prompts(run: Run) -> None:
    """Raises ConfigError for a run of one split, whose blocks are not those of the splits."""
    kept = run.manifest.get("config", {}).get("prompts", "all")
    if kept != "all":
        raise ConfigError(
            f"{run.path} has read the prompts of the {kept} alone (prompts = {kept!r}), and a "
            f"target is read from a profile of all prompts; profile without that setting"
        )


def frequencies(run: Run) -> Frequencies:
    """Returns the random features that a run with embeddings has frozen."""
    kept = run.manifest.get("embedding", {}).get("features")
    if not kept:
        raise ConfigError(
            f"{run.path} has no embeddings; profile the human corpus with that lens, or leave "
            f"'embeddings' out of lenses here"
        )
    return Frequencies(**{name: value for name, value in kept.items() if name != "count"})


def check(run: Run, corpus: str, config: Audit, embedding: Mapping[str, Any]) -> None:
    """Raises IncomparableProfiles if the profile was made from texts, tokens or vectors that this
    configuration would make differently."""
    cleaned = clean.fingerprint(config.cleaning)
    text = f"{tokenizer(config.tokens).fingerprint} {cleaned}"
    for row in _rows(run, "profile", corpus, ["n", "fingerprint"]):
        own = NgramCounts(n=row["n"], text=text).fingerprint
        if row["n"] and row["fingerprint"] != own:
            raise IncomparableProfiles("ngram_counts", row["fingerprint"], own)
    if "structure" in config.lenses:
        own = Structure(text=f"{document_vectors.fingerprint()} {cleaned}").fingerprint
        for row in _rows(run, "structure", corpus, ["fingerprint"]):
            if row["fingerprint"] != own:
                raise IncomparableProfiles("structure", row["fingerprint"], own)
    if embedding:
        kept = str(run.manifest.get("embedding", {}).get("fingerprint"))
        if kept != embedding["fingerprint"]:
            raise IncomparableProfiles("feature_sums", kept, embedding["fingerprint"])


def of_profile(run: Run, corpus: str, features: Features) -> tuple[ChoiceSums, NDArray[np.int64]]:
    """Returns the sums of `corpus`, all strata together, that a profile keeps, and the number of
    clusters of each block.

    Raises ConfigError if the profile lacks something that `features` use.
    """
    found = none(features)
    counts, sums = np.array(found.documents), np.zeros(found.sums.shape)
    number = {part.name: at for at, part in enumerate(features.parts)}
    texts, clusters = _texts(run, corpus)
    for part in features.parts:
        if part.family == NGRAMS:
            n = int(part.name.rpartition("_")[2])
            sums[:, part.columns] = _rates(run, corpus, n, features)
            # A text of two words has no trigram, so all its trigram rates are zero.
            counts[:, number[part.name]] = texts
    for part, own, total in _vectors(run, corpus, features):
        counts[:, number[part.name]], sums[:, part.columns] = own, total
    return ChoiceSums(counts, np.rint(sums * ONE).astype(np.int64)), clusters


def _texts(run: Run, corpus: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns documents and clusters by block, counting only documents that have a token."""
    rows = _rows(run, "profile", corpus, ["corpus", "stratum", "n", "totals"])
    least = min(row["n"] for row in rows if row["n"] != schema.WHOLE)
    totals = totals_of(pa.Table.from_pylist([row for row in rows if row["n"] == least]))
    found = list(totals.values())
    return _sum(one["documents"] for one in found), _sum(one["groups"] for one in found)


def _rates(run: Run, corpus: str, n: int, features: Features) -> NDArray[np.float64]:
    """Returns sums of the sketches of rates by block, `(64, buckets)`."""
    columns = ["n", "part", "parts", "sketch"]
    rows = [row for row in _rows(run, "profile", corpus, columns) if row["n"] == n]
    if not rows:
        raise ConfigError(
            f"{run.path} has counted no {n}-grams of {corpus!r}; leave {n} out of ngrams.orders, "
            f"or profile the corpus with it"
        )
    width = BlockSketch.decode(rows[0]["sketch"]).rates.shape[1] * rows[0]["parts"]
    if width < features.buckets:
        raise ConfigError(
            f"choose.buckets = {features.buckets:,} is more than the {width:,} that {run.path} "
            f"keeps; set it to that, or profile with a larger ngrams.sketch_width"
        )
    out = np.zeros((BLOCKS, width))
    for row in rows:
        rates = BlockSketch.decode(row["sketch"]).rates
        first = row["part"] * rates.shape[1]
        out[:, first : first + rates.shape[1]] += rates / RATE_ONE
    return folded(out, features.buckets)


def _vectors(
    run: Run, corpus: str, features: Features
) -> Iterator[tuple[FeatureBlock, NDArray[np.int64], NDArray[np.float64]]]:
    """Yields documents by block, and sums by block, of each part that is not n-grams."""
    if features.frequencies is not None:
        at = features.frequencies.kernels.index(DEFAULT)
        found = [
            FeatureState.decode(row["state"])
            for row in _rows(run, "feature_sums", corpus, ["state"])
        ]
        texts = _sum(one.documents for one in found)
        total = _sum(one.sums[:, at] for one in found)
        for part, columns in features.of_frequencies():
            yield part, texts, total[:, columns] / (FEATURE * np.sqrt(len(columns) / 2))
    if features.structure:
        kept = [
            StructureSums.decode(row["state"]) for row in _rows(run, "structure", corpus, ["state"])
        ]
        texts = _sum(one.counts[:, 0] for one in kept)
        both = [documents.of_sums(one) for one in kept]
        own = [part for part in features.parts if part.name in (STRUCTURE, LENGTHS)]
        for part, sums in zip(own, zip(*both, strict=True), strict=True):
            yield part, texts, np.sum(sums, axis=0)


def _sum(arrays: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.asarray(np.sum(list(arrays), axis=0))


def _rows(run: Run, table: str, corpus: str, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow.dataset as ds

    if table not in run.tables:
        lens = {"profile": "ngrams", "feature_sums": EMBEDDINGS, "structure": STRUCTURE}[table]
        raise ConfigError(
            f"{run.path} keeps no table {table!r}, the states of the lens {lens!r}: profile the "
            f"human corpus with that lens, or leave it out of lenses here"
        )
    assert table in schema.STATES
    found: list[dict[str, Any]]
    found = run.table(table, columns, where=ds.field("corpus") == corpus).to_pylist()
    if not found:
        raise ConfigError(f"{run.path}: its profile has no corpus {corpus!r}")
    return found
