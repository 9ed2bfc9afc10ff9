"""Tests whether the tool finds nothing between human text and human text, at any two sizes.

    python benchmarks/calibration.py --splits 200        results/calibration.txt
    python benchmarks/calibration.py --power             results/calibration_power.txt
    python benchmarks/calibration.py --only biscope 300 300 --first 200 --splits 300    other splits

Levels: disjoint random parts of the human side of a corpus are compared with the tool's lenses; how
often is each p at most .05, how often is any row's q below .05, how often does the headline report
something? Power: at each model's tell size, how often does the test find it? Every document is the
only one of its prompt on a side; the sides of a pair share no prompt.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark import config
from dftspark.corpus.blocks import block_of
from dftspark.embedding import embedders
from dftspark.embedding import recipe as models
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings.fourier import Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.metric import Metric
from dftspark.lenses.ngrams import compared as ngrams
from dftspark.lenses.ngrams import ranges as ngram_ranges
from dftspark.lenses.ngrams import side as ngram_side
from dftspark.lenses.ngrams.phrases import phrase_keys
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramCounts
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.lenses.structure import compared as structure
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.stats.protocol import Batch, VectorBatch
from dftspark.text.hashing import digest64
from dftspark.text.tokens import Words

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
CELLS = (
    ("biscope", 300, 300),
    ("biscope", 50, 1000),
    ("biscope", 1000, 50),
    ("biscope", 300, 3000),
    ("biscope", 3000, 300),
    ("fdg", 100, 100),
    ("fdg", 300, 300),
    ("fdg", 50, 1000),
    ("fdg", 1000, 50),
    ("fdg", 300, 1200),
    ("outfox", 100, 100),
    ("outfox", 300, 300),
    ("outfox", 50, 900),
    ("outfox", 900, 50),
)
LEADS = ("js_1gram", "mmd_squared", "structure_omnibus")
SHOWN = (
    "l2_1gram",
    "js_1gram",
    "l2_2gram",
    "mmd_squared",
    "mmd_fused",
    "energy_distance",
    "structure_omnibus",
    "structure_outside",
    "wasserstein_sentence_words",
    "wasserstein_document_words",
)
SETTINGS = config.Audit.parse(
    {
        "corpora": {"human": {"role": "human", "path": "h"}, "m": {"role": "model", "path": "m"}},
        "inference": {"permutations": 499, "splits": 100},
    },
    "calibration",
)
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Documents:
    """Everything that the lenses take of some documents, one per cluster."""

    texts: pa.Array
    prompts: NDArray[np.str_]
    blocks: Integers
    vectors: NDArray[np.float32]
    clusters: NDArray[np.uint64]


@cache
def corpus(name: str) -> dict[str, Documents]:
    """Returns documents of each model, '' being human; one document per prompt."""
    table = pq.read_table(DATA / f"{name}.parquet", columns=["prompt_id", "text", "model"])
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for row in table.to_pylist():
        rows[row["model"] or ""].setdefault(row["prompt_id"], row["text"])
    settings = config.Embedding(embedder="static")
    recipe = models.recipe(settings, "cpu")
    embedder = embedders.load(settings, recipe, "cpu", 1)
    found = {}
    for model, texts in rows.items():
        prompts = list(texts)
        own = pa.array(list(texts.values()))
        hashes = [digest64(name, "dftspark cluster v1") for name in prompts]
        found[model] = Documents(
            own,
            np.array(prompts),
            block_of(prompts).astype(np.int64),
            embedder.encode(list(texts.values())).vectors,
            np.array(hashes, np.uint64),
        )
    return found


def compared(
    human: Documents, some: Integers, model: Documents, others: Integers, of: FeatureSums
) -> tuple[list[Metric], dict[str, bool]]:
    """Returns metrics of all lenses, and whether any row of each table is a finding."""
    metrics, told = by_words(human, some, model, others, (1, 2))
    metrics += by_content(human, some, model, others, of)
    rates = by_structure(human, some, model, others)
    told["patterns"] = any(row.q_value < 0.05 for row in rates.rows)
    return metrics + rates.metrics, told


def by_words(
    human: Documents, some: Integers, model: Documents, others: Integers, orders: tuple[int, ...]
) -> tuple[list[Metric], dict[str, bool]]:
    told: dict[str, bool] = {}
    metrics: list[Metric] = []
    for n in orders:
        sides = [_counted(human, some, n), _counted(model, others, n)]
        part = ngram_ranges.partial(
            sides[0][0], sides[1][0], sides[0][1], sides[1][1], n, SETTINGS.ngrams
        )
        found = ngrams.finished(
            [part], sides[0][1], sides[1][1], n, paired=False, settings=SETTINGS
        )
        metrics += found.metrics
        told[f"ngrams {n}"] = bool((found.listed["q_value"] < 0.05).any())
        if n == 1:
            told["ratios"] = bool((found.common["q_value"] < 0.05).any())
    return metrics, told


def by_content(
    human: Documents, some: Integers, model: Documents, others: Integers, of: FeatureSums
) -> list[Metric]:
    sides = _features(human, some, of), _features(model, others, of)
    return embeddings.compared(*sides, of, paired=False, settings=SETTINGS.inference)


def by_structure(
    human: Documents, some: Integers, model: Documents, others: Integers
) -> structure.StructureCompared:
    sides = _structure(human, some), _structure(model, others)
    return structure.compared(*sides, paired=False, settings=SETTINGS.inference)


def _counted(
    of: Documents, chosen: Integers, n: int
) -> tuple[ngram_side.GramSide, ngram_side.Totals]:
    tokens = Words().tokenize(of.texts.take(pa.array(chosen)))
    batch = Batch(tokens.hashes, tokens.offsets, np.arange(len(chosen) + 1), of.blocks[chosen])
    rows = next(iter(NgramCounts(n=n).observe_ranges(batch, 1)))
    totals = {name: np.asarray(getattr(rows, name)) for name in TOTALS}
    sketch = NgramSketch(n=n).of_rows(rows.counted, 0, 1)
    keys = phrase_keys(rows.counted, 20_000)
    return ngram_side.side(rows.counted, keys, sketch, totals), totals


def _features(of: Documents, chosen: Integers, statistic: FeatureSums) -> FeatureState:
    clusters = of.clusters[chosen]
    return statistic.observe(VectorBatch(of.vectors[chosen], clusters, of.blocks[chosen]))


def _structure(of: Documents, chosen: Integers) -> StructureSums:
    """Counts anew, because histograms are kept only by block."""
    names = pa.array(of.prompts[chosen].tolist())
    return Structure().observe(document_vectors.of(of.texts.take(pa.array(chosen)), names))


def statistic(name: str) -> FeatureSums:
    vectors = corpus(name)[""].vectors[:1000]
    squares = ((vectors[:500, None] - vectors[None, 500:]) ** 2).sum(axis=-1)
    sigma = float(np.sqrt(np.median(squares)))
    return FeatureSums(frequencies=Frequencies(dim=vectors.shape[1], sigma=sigma))


def _split(job: tuple[str, int, int, int]) -> tuple[dict[str, float], dict[str, bool], int]:
    name, n, m, seed = job
    human = corpus(name)[""]
    order = np.random.default_rng([seed, n, m]).permutation(len(human.texts))
    metrics, told = compared(human, order[:n], human, order[n : n + m], _statistic(name))
    p = {metric.name: metric.inference.p_value for metric in metrics}
    # A value is above its floor exactly where p < .05.
    odd = sum(
        (metric.value > metric.inference.floor) != (metric.inference.p_value < 0.05)
        for metric in metrics
        if np.isfinite(metric.inference.floor) and np.isfinite(metric.inference.p_value)
    )
    return p, told, odd


_statistic = cache(statistic)


def levels(
    splits: int, jobs: int, first: int = 0, cells: Iterable[tuple[str, int, int]] = CELLS
) -> Iterator[str]:
    relabelings = SETTINGS.inference.permutations
    yield f"{splits} splits a cell, {relabelings} relabelings; share of p <= .05"
    yield ""
    heads = [name.replace("wasserstein", "W").replace("structure", "s") for name in SHOWN]
    yield (
        f"{'corpus':8} {'human':>5} {'model':>5} "
        + " ".join(f"{h[:12]:>12}" for h in heads)
        + ("  headline  ngrams1 ngrams2 ratios patterns (any q < .05)  floor and p apart")
    )
    for name, n, m in cells:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            seeds = range(first, first + splits)
            found = pool.map(_split, [(name, n, m, seed) for seed in seeds], chunksize=4)
        p = {k: np.array([f[0].get(k, np.nan) for f in found]) for k in (*SHOWN, *LEADS)}
        headline = np.minimum(1, 3 * np.nanmin([p[k] for k in LEADS], axis=0))
        rows = [
            np.mean([f[1][k] for f in found])
            for k in ("ngrams 1", "ngrams 2", "ratios", "patterns")
        ]
        yield (
            f"{name:8} {n:5} {m:5} "
            + " ".join(f"{np.nanmean(p[k] <= 0.05):12.3f}" for k in SHOWN)
            + f"  {np.mean(headline <= 0.05):8.3f}  "
            + " ".join(f"{r:7.3f}" for r in rows)
            + f"  {sum(f[2] for f in found):5}"
        )


def _drawn(job: tuple[str, str, int, int, tuple[str, ...]]) -> dict[str, tuple[float, float]]:
    name, model, size, seed, leads = job
    human, other = corpus(name)[""], corpus(name)[model]
    rng = np.random.default_rng([seed, size])
    some = rng.permutation(len(human.texts))
    some = some[: size or len(some) // 2]  # 0: all data, prompts apart
    rest = np.flatnonzero(~np.isin(other.prompts, human.prompts[some]))
    mine = rng.permutation(rest)[: len(some)]
    metrics: list[Metric] = []
    if {"js_1gram", "l2_1gram"} & set(leads):
        metrics += by_words(human, some, other, mine, (1,))[0]
    if "mmd_squared" in leads:
        metrics += by_content(human, some, other, mine, _statistic(name))
    if "structure_omnibus" in leads:
        metrics += by_structure(human, some, other, mine).metrics
    return {m.name: (m.inference.n_tell, m.inference.p_value) for m in metrics}


def power(draws: int, jobs: int) -> Iterator[str]:
    yield f"n_tell: median of 12 halves by prompt; power of the test there in {draws} draws"
    yield ""
    for name in ("biscope", "fdg", "outfox"):
        for model in sorted(corpus(name).keys() - {""}):
            with multiprocessing.get_context("fork").Pool(jobs) as pool:
                leads = (*LEADS, "l2_1gram")
                found = pool.map(_drawn, [(name, model, 0, seed, leads) for seed in range(12)])
                said = []
                for lead in leads:
                    size = float(np.median([f[lead][0] for f in found]))
                    at = round(max(size, 16))
                    if not np.isfinite(size) or 2 * at > len(corpus(name)[""].texts):
                        said.append(f"{lead} {size:.0f}: -")
                        continue
                    asked = [(name, model, at, 100 + s, (lead,)) for s in range(draws)]
                    tried = pool.map(_drawn, asked)
                    found_it = np.mean([t[lead][1] <= 0.05 for t in tried])
                    said.append(f"{lead} {size:.0f}: {found_it:.2f}")
            yield f"{name:8} {model:22} " + ", ".join(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first split")
    parser.add_argument(
        "--only", nargs=3, metavar=("CORPUS", "HUMAN", "MODEL"), help="one cell; nothing is kept"
    )
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    for name in ("biscope", "fdg", "outfox"):
        corpus(name)
    cells = [(asked.only[0], int(asked.only[1]), int(asked.only[2]))] if asked.only else CELLS
    made = (
        power(asked.draws, asked.jobs)
        if asked.power
        else levels(asked.splits, asked.jobs, asked.first, cells)
    )
    lines = []
    for line in made:
        print(line, flush=True)
        lines.append(line)
    if asked.only:
        return 0
    target = "calibration_power.txt" if asked.power else "calibration.txt"
    (HERE / "results" / target).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
