"""What a model is tuned towards: mean features of human texts, read from a stored profile.

The features are those of `dftspark choose`. Their means over human texts and over the model's texts
come from the profile, so no document is read. A family is divided by its variance, which the sums
of the blocks tell as well as single documents would.

State    one Arrow file: three columns (human, model, factor) and a JSON header, below a megabyte
Cost     reading the profile, less than a second
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from dftspark.choose import target as profiled
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.choose.splits import REFEREE, TARGET, blocks_of
from dftspark.choose.sums import ONE, ChoiceSums
from dftspark.config import Audit, Cleaning, Embedding, Tokens
from dftspark.errors import ConfigError, EnvironmentProblem, InputError
from dftspark.lenses.embeddings.fourier import Frequencies
from dftspark.lenses.ngrams.profile_files import totals_of
from dftspark.store.run import Run
from dftspark.tuning import fingerprints

Floats = NDArray[np.float64]

# N-grams weigh as much as all others together: they are the cheapest guard against a hacked reward.
WEIGHTS = {"ngrams": 1.0, "embeddings": 0.7, "structure": 0.2, "lengths": 0.1}
ORDERS = (1, 2, 3)
FILE = "target.arrow"
_FORMAT = 1
_HEADER = b"dftspark_target"
_FEWEST = 16  # prompts on either side; a mean of fewer is no target


@dataclass(frozen=True, eq=False, kw_only=True)
class Target:
    """Mean features of human texts, and of a model's, on the prompts of one split.

    features      what is taken of a text, D columns
    cleaning      of a text, before
    embedding     how texts become vectors; None without the embedding lens
    source        run, human and model corpus, split, its blocks, documents of both sides
    fingerprints  what must be alike wherever texts are scored, by name
    lengths       mean number of n-grams in a human document, by order
    human         (D,) mean over human documents
    model         (D,) mean over the model's documents, which the reward moves away from
    factor        (D,) by which a column is multiplied; 0 for one that says nothing
    """

    features: Features
    cleaning: Cleaning
    embedding: Embedding | None
    source: Mapping[str, Any]
    fingerprints: Mapping[str, str]
    lengths: Mapping[int, float]
    human: Floats
    model: Floats
    factor: Floats

    @classmethod
    def of(cls, run: Run, *, model: str | None = None, split: str = TARGET) -> Self:
        """Reads it from the profile of `run`; `model` names one of several model corpora.

        Raises ConfigError for the referee's prompts, for an unknown or unnamed model, and for a
        run without n-grams; IncomparableProfiles for a profile of another version; InputError for
        fewer than 16 prompts on a side.
        """
        if split == REFEREE:
            raise ConfigError("the referee's prompts are never a target: they judge what was tuned")
        profiled.check_prompts(run)
        config = _config_of(run)
        human = profiled.human_of(run, config)
        chosen = _model_of(run, config, model)
        kept = run.manifest.get("embedding", {})
        for corpus in (human, chosen):
            profiled.check(run, corpus, config, kept)
        features = _features(run, config)
        blocks = blocks_of(split)
        sides = [_side(run, corpus, features, blocks) for corpus in (human, chosen)]
        means = [sums.mean(features, blocks) for sums in sides]
        scale = ColumnScale.of(features, _spread(sides[0], features, blocks), means[0], WEIGHTS)
        source = {
            "run": run.id,
            "human": human,
            "model": chosen,
            "split": split,
            "blocks": [blocks.start, blocks.stop - 1],
            "documents": [int(sums.documents[list(blocks), 0].sum()) for sums in sides],
        }
        return cls(
            features=features,
            cleaning=config.cleaning,
            embedding=config.embedding if features.frequencies else None,
            source=source,
            fingerprints=fingerprints.of(
                features,
                config.cleaning,
                f"{split}({blocks.start}-{blocks.stop - 1})",
                str(kept.get("fingerprint", "")),
            ),
            lengths=_lengths(run, human, features),
            human=means[0],
            model=means[1],
            factor=scale.factor,
        )

    def save(self, path: str | Path) -> None:
        """Writes the file, whole or not at all. Raises EnvironmentProblem if it cannot."""
        columns = {"human": self.human, "model": self.model, "factor": self.factor}
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        table = table.replace_schema_metadata({_HEADER: json.dumps(_header(self)).encode()})
        place = Path(path)
        partial = place.with_name(f".{place.name}.partial")
        try:
            with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
                out.write_table(table)
            partial.replace(place)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write {place}: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a file that `save` wrote. Raises ConfigError if there is none, InputError for
        another file."""
        try:
            with pa.OSFile(str(path), "rb") as file:
                table = pa.ipc.open_file(file).read_all()
            header = json.loads((table.schema.metadata or {})[_HEADER])
            if header["format"] != _FORMAT:
                raise InputError(
                    f"{path} is a target of format {header['format']}, and this version reads "
                    f"{_FORMAT}; write it again with `dftspark reward`"
                )
            return cls(**_parsed(header), **{n: table[n].to_numpy() for n in table.column_names})
        except FileNotFoundError as error:
            raise ConfigError(
                f"there is no target at {path}; `dftspark reward RUN` writes one"
            ) from error
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path} is no target: {str(error).splitlines()[0] if str(error) else error!r}; "
                f"`dftspark reward RUN` writes one"
            ) from error


def _config_of(run: Run) -> Audit:
    try:
        return Audit.model_validate(run.manifest.get("config"))
    except ValidationError as error:
        raise ConfigError(
            f"{run.path} has no configuration that this version reads, so it is no audit or was "
            f"made by another version; profile the corpora again with `dftspark audit`"
        ) from error


def _model_of(run: Run, config: Audit, model: str | None) -> str:
    """Returns the name of the model corpus. A corpus that `split_by` cuts has several."""
    import pyarrow.compute as pc

    if "profile" not in run.tables:
        raise ConfigError(
            f"{run.path} keeps no profile of n-grams; audit the corpora with the lens 'ngrams'"
        )
    humans = [name for name, corpus in config.corpora.items() if corpus.role == "human"]
    there = pc.unique(run.table("profile", ["corpus"])["corpus"]).to_pylist()
    models = sorted(name for name in there if name not in humans)
    if model in models:
        return str(model)
    if model is None and len(models) == 1:
        return str(models[0])
    said = f"has no model {model!r}" if model else f"has {len(models)} model corpora"
    raise ConfigError(
        f"{run.path} {said}; name the one to be tuned with --model: {', '.join(models) or 'none'}"
    )


def _features(run: Run, config: Audit) -> Features:
    orders = tuple(n for n in ORDERS if n in config.ngrams.orders)
    if not orders:
        raise ConfigError(f"{run.path} has counted none of the {ORDERS}-grams that a target uses")
    frequencies = profiled.frequencies(run) if "feature_sums" in run.tables else None
    return Features(
        tokens=config.tokens,
        orders=orders,
        matched=orders,
        buckets=config.ngrams.sketch_width,
        frequencies=frequencies,
        first=frequencies.count if frequencies else 0,
        structure="structure" in run.tables,
    )


def _side(run: Run, corpus: str, features: Features, blocks: range) -> ChoiceSums:
    sums, clusters = profiled.of_profile(run, corpus, features)
    prompts = int(clusters[blocks.start : blocks.stop].sum())
    if prompts < _FEWEST:
        raise InputError(
            f"{corpus!r} has {prompts} prompts in blocks {blocks.start} to {blocks.stop - 1} of "
            f"{run.path}, and a mean of fewer than {_FEWEST} is no target; profile more text"
        )
    return sums


def _spread(sums: ChoiceSums, features: Features, blocks: range) -> NDArray[np.float32]:
    """Returns a row for each block, `(S, D)`, whose variance is that of single documents.

    A block's mean over n documents varies n times less than one of them, so its distance from the
    mean of all is drawn out by the root of n.
    """
    rows = list(blocks)
    totals = sums.sums[rows] / ONE
    counts = np.repeat(
        sums.documents[rows], [part.stop - part.start for part in features.parts], axis=1
    )
    mean = totals.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    apart = (totals - counts * mean) / np.sqrt(np.maximum(counts, 1))
    return np.asarray(mean + apart * np.sqrt(len(rows) / (len(rows) - 1)), np.float32)


def _lengths(run: Run, corpus: str, features: Features) -> dict[int, float]:
    import pyarrow.dataset as ds

    columns = ["corpus", "stratum", "n", "totals"]
    totals = totals_of(run.table("profile", columns, where=ds.field("corpus") == corpus))
    return {
        n: sum(int(of["tokens"].sum()) for (_, _, order), of in totals.items() if order == n)
        / max(
            1, sum(int(of["documents"].sum()) for (_, _, order), of in totals.items() if order == n)
        )
        for n in features.orders
    }


def _header(target: Target) -> dict[str, Any]:
    features = target.features
    return {
        "format": _FORMAT,
        "source": dict(target.source),
        "fingerprints": dict(target.fingerprints),
        "lengths": {str(n): length for n, length in target.lengths.items()},
        "cleaning": target.cleaning.model_dump(mode="json"),
        "embedding": target.embedding and target.embedding.model_dump(mode="json"),
        "features": {
            "tokens": features.tokens.model_dump(mode="json"),
            "orders": list(features.orders),
            "buckets": features.buckets,
            "frequencies": features.frequencies and asdict(features.frequencies),
            "structure": features.structure,
        },
    }


def _parsed(header: dict[str, Any]) -> dict[str, Any]:
    kept = header["features"]
    frequencies = kept["frequencies"] and Frequencies(**kept["frequencies"])
    orders = tuple(kept["orders"])
    return {
        "features": Features(
            tokens=Tokens.model_validate(kept["tokens"]),
            orders=orders,
            matched=orders,
            buckets=kept["buckets"],
            frequencies=frequencies,
            first=frequencies.count if frequencies else 0,
            structure=kept["structure"],
        ),
        "cleaning": Cleaning.model_validate(header["cleaning"]),
        "embedding": header["embedding"] and Embedding.model_validate(header["embedding"]),
        "source": header["source"],
        "fingerprints": header["fingerprints"],
        "lengths": {int(n): length for n, length in header["lengths"].items()},
    }
