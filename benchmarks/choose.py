"""Compares choosing one of K samples per prompt with every setting and other ways to choose.

    python benchmarks/choose.py [temperatures] [models] [--million]     results/choose.txt

temperatures   six settings of one model, four samples a prompt at T = 1 (jhu_temp, 496 prompts)
models         five base models, one sample each of 1,193 prompts (fdg): a pool of five "settings"

Everything is judged on blocks 48 to 63, whose human texts no choice has seen, by measures that no
choice uses; a star marks those of a kind that is matched, on other prompts. Blocks are drawn anew
for each of three seeds. Every way to choose takes the same samples, so it costs the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from benchmarks._choosing import chosen_by
from benchmarks._held_out import Measure, Rows, Texts, measures
from dftspark.choose import exchange
from dftspark.choose.features import Features
from dftspark.choose.group import arranged
from dftspark.choose.scales import ColumnScale
from dftspark.config import Embedding
from dftspark.config.choose import WEIGHTS
from dftspark.corpus.blocks import block_of
from dftspark.embedding import embedders
from dftspark.embedding import recipe as models
from dftspark.text.tokens import Words

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
SEEDS = (1, 2, 3)
TARGET = 48  # blocks below are the target's
BASE = ("gpt-j-6B", "gpt-neo-2.7B", "gpt-neox-20b", "gpt2-xl", "opt-2.7b")
HEATS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
GROUPS = 16  # of prompts, for the error of a difference
DRAWS = 5  # random samples of a prompt, if a setting or the pool has several
ONLY: dict[str, dict[str, float]] = {
    "n-grams alone": {"ngrams": 1.0},
    "embeddings alone": {"embeddings": 1.0},
    "structure, lengths alone": {"structure": 0.2, "lengths": 0.1},
}


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts of both sides; `setting` is empty for human ones, `pool` marks the candidates."""

    texts: pa.Array
    prompts: NDArray[Any]
    setting: NDArray[Any]
    pool: NDArray[np.bool_]

    @property
    def human(self) -> NDArray[np.bool_]:
        return np.asarray(self.setting == "")


def read(name: str) -> Corpus:
    return {"temperatures": temperatures, "models": base_models}[name]()


def temperatures() -> Corpus:
    table = pq.read_table(DATA / "jhu_temp.parquet")
    own = pc.fill_null(pc.equal(table["model"], "gpt-3.5-turbo"), False)
    heat = pc.is_in(table["temperature"], pa.array(HEATS))
    table = table.filter(pc.or_(pc.is_null(table["model"]), pc.and_(own, heat)))
    setting = np.array(
        ["" if t is None else f"T = {t:g}" for t in table["temperature"].to_pylist()], object
    )
    # For settings outside the pool one sample per prompt is enough.
    keep, seen = [], Counter[tuple[str, str]]()
    for row, key in enumerate(zip(table["prompt_id"].to_pylist(), setting, strict=True)):
        seen[key] += 1
        keep.append(row) if seen[key] == 1 or key[1] in ("", "T = 1") else None
    return _corpus(table.take(keep), setting[keep], setting[keep] == "T = 1")


def base_models() -> Corpus:
    table = pq.read_table(DATA / "fdg.parquet")
    rows = pc.or_(pc.is_null(table["model"]), pc.is_in(table["model"], pa.array(BASE)))
    long = pc.not_equal(table["domain"], "biomedical_qa")
    table = table.filter(pc.and_(rows, long))
    setting = np.array([model or "" for model in table["model"].to_pylist()], object)
    seen = Counter(p for p, s in zip(table["prompt_id"].to_pylist(), setting, strict=True) if s)
    whole = {prompt for prompt, count in seen.items() if count == len(BASE)}
    keep = np.array(
        [not s or p in whole for p, s in zip(table["prompt_id"].to_pylist(), setting, strict=True)]
    )
    return _corpus(table.filter(pa.array(keep)), setting[keep], setting[keep] != "")


def _corpus(table: pa.Table, setting: NDArray[Any], pool: NDArray[np.bool_]) -> Corpus:
    prompts = np.array(table["prompt_id"].to_pylist(), object)
    return Corpus(table["text"].combine_chunks(), prompts, setting, pool)


def vectors(name: str, texts: pa.Array, cache: Path) -> NDArray[np.float32]:
    if cache.exists():
        return np.asarray(np.load(cache))
    settings = Embedding(embedder=name)
    own = embedders.load(settings, models.recipe(settings, "cpu"), "cpu", 1)
    whole = texts.to_pylist()
    found = np.concatenate(
        [own.encode(whole[i : i + 256]).vectors for i in range(0, len(whole), 256)]
    )
    np.save(cache, found)
    return found


# --- ways to choose, each of the same samples -----------------------------------------------------


@dataclass(frozen=True, eq=False)
class Choosing:
    """The samples of the judged prompts, side by side, and the known human texts."""

    corpus: Corpus
    rows: Rows  # (N,) into the corpus
    starts: Rows
    features: NDArray[np.float32]  # of the whole corpus
    of: Features
    target: NDArray[np.bool_]  # human texts of the target
    known: NDArray[np.bool_]  # samples of the target's prompts

    def matched(self, weights: dict[str, float], samples: int | None = None) -> Rows:
        center = self.features[self.target].mean(axis=0, dtype=np.float64)
        pool = self.features[self.known]
        scale = ColumnScale.of(self.of, pool, center, {**dict.fromkeys(WEIGHTS, 0.0), **weights})
        rows, starts = self.rows, self.starts
        if samples is not None:
            place = np.arange(len(rows)) - np.repeat(starts[:-1], np.diff(starts))
            rows = rows[place < samples]
            starts = np.r_[0, np.cumsum(np.minimum(np.diff(starts), samples))]
        found = exchange.choose(scale.scaled(self.features[rows]), starts.astype(np.int64))
        return rows[found.rows]

    def highest(self, scores: NDArray[np.float64]) -> Rows:
        """Returns the sample with the highest score of each prompt."""
        return np.array(
            [
                self.rows[a + np.argmax(scores[self.rows[a:b]])]
                for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)
            ]
        )

    def classifier(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns how human a text looks to a classifier of human texts and samples of the
        target."""
        rows = np.r_[np.flatnonzero(self.target), np.flatnonzero(self.known)]
        columns = np.hstack([self.features[:, self.of.parts[0].columns] * 30, vectors * 3])
        fit = LogisticRegression(max_iter=300, class_weight="balanced")
        fit.fit(columns[rows], self.target[rows])
        return np.asarray(fit.decision_function(columns))

    def likelihood(self) -> NDArray[np.float64]:
        """Returns the mean log probability of a word, by bigrams of the target's human texts and of
        all."""
        tokens = Words(lowercase=True).tokenize(self.corpus.texts)
        texts = np.split(tokens.hashes.tolist(), tokens.offsets[1:-1])
        ones, twos, total = Counter[Any](), Counter[Any](), 0
        for row in np.flatnonzero(self.target):
            own = list(texts[row])
            ones.update(own)
            twos.update(pairwise(own))
            total += len(own)
        scores = np.zeros(len(texts))
        for row in self.rows:
            own = list(texts[row])
            if len(own) < 2:
                scores[row] = -np.inf
                continue
            each = [
                np.log(0.6 * twos[a, b] / max(ones[a], 1) + 0.4 * (ones[b] + 0.5) / (total + 1e5))
                for a, b in pairwise(own)
            ]
            scores[row] = np.mean(each)
        return scores


def choosing(corpus: Corpus, features: NDArray[np.float32], of: Features, seed: int) -> Choosing:
    blocks = block_of([str(prompt) for prompt in corpus.prompts], f"benchmark choose {seed}")
    judged = np.flatnonzero(corpus.pool & (blocks >= TARGET))
    names = [str(row) for row in judged]
    keys = [str(prompt) for prompt in corpus.prompts[judged]]
    order, starts = arranged(keys, ["pool"] * len(judged), names, seed)
    return Choosing(
        corpus,
        judged[order],
        starts,
        features,
        of,
        corpus.human & (blocks < TARGET),
        corpus.pool & (blocks < TARGET),
    )


Way = Callable[[np.random.Generator], Rows]


def _by_weights(own: Choosing, weights: Any, _: np.random.Generator) -> Rows:
    return own.matched(weights)


def ways(own: Choosing, static: NDArray[np.float32]) -> dict[str, tuple[Way, int]]:
    """Returns, by name, a function that draws the rows to be judged, and how often to draw."""
    corpus, most = own.corpus, int(np.diff(own.starts).max())
    prompts = set(corpus.prompts[own.rows])
    judged = np.array([prompt in prompts for prompt in corpus.prompts])

    def one_each(rows: Rows) -> Way:
        def draw(rng: np.random.Generator) -> Rows:
            shuffled = rng.permutation(rows)
            return np.sort(shuffled[np.unique(corpus.prompts[shuffled], return_index=True)[1]])

        return draw

    found: dict[str, tuple[Way, int]] = {}
    for setting in sorted(set(corpus.setting) - {""}):
        rows = np.flatnonzero((corpus.setting == setting) & judged)
        several = len(rows) > len(prompts) * 1.5
        found[f"setting {setting}"] = one_each(rows), DRAWS if several else 1
    found["pool, at random"] = one_each(own.rows), DRAWS
    scores = own.classifier(static), own.likelihood()
    found[f"1 of {most} by a human/model classifier"] = (lambda _: own.highest(scores[0])), 1
    found[f"1 of {most} by likelihood (bigrams)"] = (lambda _: own.highest(scores[1])), 1
    found["chosen: 1 of 2"] = (lambda _: own.matched(WEIGHTS, 2)), 1
    for name, weights in ONLY.items():
        found[f"1 of {most}, {name}"] = partial(_by_weights, own, weights), 1
    found[f"chosen: 1 of {most}"] = (lambda _: own.matched(WEIGHTS)), 1
    return found


# --- judging --------------------------------------------------------------------------------------


def judged(name: str, cache: Path) -> list[str]:
    corpus = read(name)
    static = vectors("static", corpus.texts, cache / f"{name}-static.npy")
    other = vectors(models.PACKAGED, corpus.texts, cache / f"{name}-minilm.npy")
    of = chosen_by(static)
    features = of.of(corpus.texts, static)
    prompts = [str(prompt) for prompt in corpus.prompts]
    pieces = str(models.packaged() / "tokenizer.json")
    texts = Texts.of(corpus.texts, prompts, other, pieces)
    each: dict[str, dict[str, list[float]]] = {}
    pairs: dict[str, list[tuple[float, float]]] = {}
    seconds, counts = [], []
    for seed in SEEDS:
        own = choosing(corpus, features, of, seed)
        blocks = block_of(prompts, f"benchmark choose {seed}")
        human = np.flatnonzero(corpus.human & (blocks >= TARGET))
        counts.append((len(own.starts) - 1, len(own.rows), len(human)))
        rng = np.random.default_rng(seed)
        drawn = {}
        for way, (draw, times) in ways(own, static).items():
            started = time.process_time()
            drawn[way] = [draw(rng) for _ in range(times)]
            if way.startswith("chosen: 1 of") and not way.endswith(" 2"):
                seconds.append(time.process_time() - started)
        drawn["human, of the target"] = [np.flatnonzero(own.target)]
        for measure, (take, unit) in measures(texts).items():
            for way, rows in drawn.items():
                values = [take(texts, human, one) / unit for one in rows]
                each.setdefault(way, {}).setdefault(measure, []).append(float(np.mean(values)))
        (chosen,) = (w for w in each if w.startswith("chosen: 1 of") and not w.endswith(" 2"))
        settings = [way for way in each if way.startswith("setting")]
        for measure, (take, unit) in measures(texts).items():
            best = min(settings, key=lambda way: each[way][measure][-1])
            step = each[chosen][measure][-1] - each[best][measure][-1]
            sides = human, drawn[chosen][0], drawn[best][0]
            pairs.setdefault(measure, []).append((step, jackknife(take, texts, sides) / unit))
    return told(name, each, pairs, seconds, counts)


def jackknife(take: Measure, texts: Texts, sides: tuple[Rows, Rows, Rows]) -> float:
    """Returns the standard error of chosen minus best setting, leaving out groups of prompts in
    turn."""
    found = []
    for group in range(GROUPS):
        human, chosen, best = (rows[texts.groups[rows] % GROUPS != group] for rows in sides)
        found.append(take(texts, human, chosen) - take(texts, human, best))
    return float(np.std(found) * np.sqrt(GROUPS - 1))


def told(
    name: str,
    each: dict[str, dict[str, list[float]]],
    pairs: dict[str, list[tuple[float, float]]],
    seconds: list[float],
    counts: list[tuple[int, int, int]],
) -> list[str]:
    names = list(next(iter(each.values())))
    said = [
        f"== {name}: prompts, samples and human texts that judge, by seed: {counts}",
        f"   choosing takes {np.mean(seconds):.1f} s of one core, scales included",
        "   mean over seeds +- half of their range; of the difference 95% by leaving out prompts",
        "   in turn, not divided by the number of seeds, whose prompts are of one corpus",
    ]
    for measure in names:
        said.append(f"\n{measure}")
        settings = [way for way in each if way.startswith("setting")]
        best = min(settings, key=lambda way: np.mean(each[way][measure]))
        for way, of in each.items():
            values = of[measure]
            mark = " <- best setting" if way == best else ""
            half = (max(values) - min(values)) / 2
            said.append(f"  {way:42s} {np.mean(values):10.3f} +- {half:.3f}{mark}")
        step, errors = np.array(pairs[measure]).T
        by_seed = ", ".join(f"{value:+.3f}" for value in step)
        ahead = sum(value < 0 for value in step)
        said.append(
            f"  chosen - best setting of each seed: {step.mean():+.3f} "
            f"+- {1.96 * errors.mean():.3f} ({by_seed}); ahead in {ahead} of {len(step)}"
        )
    return said


def million() -> list[str]:
    """Runs synthetic candidates in groups of 2,048 prompts: time against their number."""
    said = ["== synthetic: four candidates a prompt, 512 features, groups of 2,048 prompts"]
    for prompts in (10_000, 100_000, 1_000_000):
        rng = np.random.default_rng(0)
        spent, gaps, total, left = 0.0, [], np.zeros(512), prompts
        while left:
            count = min(2_048, left)
            rows = rng.standard_normal((4 * count, 512), np.float32) / np.float32(22.6) + 0.01
            starts = np.arange(0, 4 * count + 1, 4)
            started = time.process_time()
            found = exchange.choose(rows, starts)
            spent += time.process_time() - started
            gaps.append(found.gaps[-1])
            total += rows[found.rows].sum(axis=0, dtype=np.float64)
            left -= count
        square = float((total / prompts) @ (total / prompts))
        said.append(
            f"  {4 * prompts:>9,} candidates: {spent:7.1f} s of one core, "
            f"{spent / prompts * 1e6:.0f} microseconds a prompt; mean gap of a group "
            f"{np.mean(gaps):.2e}, of the union {square:.2e}, of a random choice "
            f"{512 * 0.01**2 + 1 / prompts:.2e}"
        )
    return said


def on_spark(prompts: int) -> list[str]:
    """Measures a whole run on two cores: four synthetic texts of 120 words per prompt, and as many
    human texts as prompts."""
    from dftspark import runs
    from dftspark.config import Audit
    from dftspark.spark.session import session
    from dftspark.testing.synthetic import Phrase, SyntheticSource

    source = SyntheticSource(
        mean_tokens=120,
        documents_per_prompt=4,
        topic_shift=0.1,
        phrases=(Phrase(text="it is worth noting", per_thousand=0.5, times=4.0),),
    )
    with tempfile.TemporaryDirectory() as folder:
        corpora = {}
        for role, count in (("human", prompts), ("model", 4 * prompts)):
            path = f"{folder}/{role}.parquet"
            source.write(path, count, role=role)  # type: ignore[arg-type]
            corpora[role] = {"role": role, "path": path}
        config = Audit.parse(
            {
                "out": f"{folder}/runs",
                "corpora": corpora,
                "embedding": {"embedder": "static"},
                "report": {"page": False},
            },
            "the benchmark",
        )
        started = time.monotonic()
        with session("benchmark", "local[2]") as spark:
            run = runs.choose(spark, config)
        seconds = time.monotonic() - started
    stages = ", ".join(
        f"{name} {one['seconds']:.0f}" for name, one in run.manifest["stages"].items()
    )
    return [
        f"== on Spark, local[2], static embedder: {4 * prompts:,} samples of {prompts:,} prompts",
        f"   {seconds:.0f} s, {seconds / prompts * 1e3:.2f} ms a prompt ({stages})",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("build"))
    parser.add_argument("--spark", type=int, nargs="*", default=[], metavar="PROMPTS")
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    for prompts in args.spark:
        print("\n".join(on_spark(prompts)), flush=True)
    only = args.million or args.spark
    for name in args.names or ([] if only else ["temperatures", "models"]):
        print("\n".join(judged(name, args.cache)), "\n", flush=True)
    if args.million:
        print("\n".join(million()), flush=True)


if __name__ == "__main__":
    main()
