"""Measures of a chosen set that no choice used, from texts as hashed tokens and vectors.

Each takes human rows and model rows of one table of texts, and is lower if the two are nearer.
Squares are unbiased: below zero is as near as two samples of one source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from dftspark.choose import documents
from dftspark.lenses.embeddings.distance_mmd import median_distance
from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.lenses.ngrams.sketch import rates_of_documents
from dftspark.text.hf_tokens import HuggingFaceTokens
from dftspark.text.tokens import Tokenizer, Words

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]
BUCKETS, SEED = 1 << 13, 77  # of sketches whose signs differ from the choice's
FOLDS = 5
COPIED, MANY = 8, 4_000  # words of a phrase that is a copy; tokens in which phrases are counted


@dataclass(frozen=True, eq=False)
class Texts:
    """The columns of one table that the measures below use."""

    groups: NDArray[np.int64]  # of the prompt, for folds
    words: Matrix  # 1- and 2-grams for the classifier, sparse
    vectors: Matrix  # of an embedder that no choice used
    rates: dict[str, Matrix]
    structure: Matrix
    phrases: list[NDArray[np.uint64]]
    fours: list[NDArray[np.uint64]]

    @classmethod
    def of(cls, texts: pa.Array, prompts: list[str], vectors: Matrix, other: str) -> Texts:
        own, pieces = Words(), HuggingFaceTokens.load(other)
        rates = {f"words {n}": _rates(own, texts, n) for n in (1, 2, 4)}
        rates |= {f"pieces {n}": _rates(pieces, texts, n) for n in (1, 2)}
        structure = documents.of_texts(texts)[0]
        hashed = HashingVectorizer(n_features=1 << 16, ngram_range=(1, 2), lowercase=False)
        return cls(
            np.unique(prompts, return_inverse=True)[1],
            hashed.transform(texts.to_pylist()),
            vectors,
            rates,
            structure,
            _keys(texts, COPIED),
            _keys(texts, 4),
        )


def _rates(tokenizer: Tokenizer, texts: pa.Array, n: int) -> Matrix:
    tokens = tokenizer.tokenize(texts)
    return rates_of_documents(tokens.hashes, tokens.offsets, n, width=BUCKETS, seed=SEED)


def _keys(texts: pa.Array, n: int) -> list[NDArray[np.uint64]]:
    tokens = Words(lowercase=True).tokenize(texts)
    keys = ngram_keys(tokens.hashes, tokens.offsets, n)
    return [
        keys[first : max(first, last - n + 1)]
        for first, last in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
    ]


def _of_rates(name: str, texts: Texts, human: Rows, model: Rows) -> float:
    return squared(texts.rates[name][human], texts.rates[name][model])


def squared(human: Matrix, model: Matrix) -> float:
    """Returns the unbiased |mean - mean|^2."""
    parts = []
    for rows in (human, model):
        total = rows.sum(axis=0, dtype=np.float64)
        own = float((rows.astype(np.float64) ** 2).sum())
        parts.append((total @ total - own) / (len(rows) * (len(rows) - 1)))
    cross = human.mean(axis=0, dtype=np.float64) @ model.mean(axis=0, dtype=np.float64)
    return float(sum(parts) - 2 * cross)


def mmd(human: Matrix, model: Matrix, sigma: float) -> float:
    """Returns the unbiased MMD^2 of the Gaussian kernel, exactly."""

    def kernel(first: Matrix, second: Matrix) -> NDArray[np.float64]:
        lengths = (first**2).sum(1)[:, None] + (second**2).sum(1)
        squares = (lengths - 2 * first @ second.T).astype(np.float64)
        return np.asarray(np.exp(-squares / (2 * sigma**2)))

    found = 0.0
    for rows in (human, model):
        own = kernel(rows, rows)
        found += (own.sum() - np.trace(own)) / (len(rows) * (len(rows) - 1))
    return float(found - 2 * kernel(human, model).mean())


def auc(texts: Texts, features: Matrix, human: Rows, model: Rows) -> float:
    """Returns |AUC - 1/2| + 1/2 of a logistic regression on prompts that it has not seen."""
    rows = np.r_[human, model]
    sides = np.r_[np.zeros(len(human)), np.ones(len(model))]
    fold = np.random.default_rng(0).permutation(texts.groups.max() + 1)[texts.groups[rows]] % FOLDS
    scores = np.zeros(len(rows))
    for k in range(FOLDS):
        fit = LogisticRegression(C=10.0, max_iter=300)
        fit.fit(features[rows[fold != k]], sides[fold != k])
        scores[fold == k] = fit.decision_function(features[rows[fold == k]])
    return float(0.5 + abs(roc_auc_score(sides, scores) - 0.5))


def copies(keys: list[NDArray[np.uint64]], rows: Rows) -> float:
    """Returns the share of a set's phrases that another text of the set has too; it grows with the
    set."""
    own = [np.unique(keys[row]) for row in rows]
    names, counts = np.unique(np.concatenate(own), return_counts=True)
    again = names[counts > 1]
    return float(np.mean([np.isin(one, again).mean() if len(one) else 0.0 for one in own]))


def distinct(keys: list[NDArray[np.uint64]], rows: Rows) -> float:
    """Returns distinct 4-grams of the first `MANY` in the set, as a share."""
    found = np.concatenate([keys[row] for row in rows])[:MANY]
    return len(np.unique(found)) / max(len(found), 1)


Measure = Callable[[Texts, Rows, Rows], float]


def measures(texts: Texts) -> dict[str, tuple[Measure, float]]:
    """Returns, by name, the measure and the unit in which its values are reported."""
    sigma = median_distance(texts.vectors[:: max(1, len(texts.vectors) // 1_500)])
    spread = texts.structure.std(axis=0)
    kept = spread > 0
    structure = (texts.structure[:, kept] / spread[kept] / np.sqrt(kept.sum())).astype(np.float32)
    found: dict[str, tuple[Measure, float]] = {
        "MMD^2, other embedder": (lambda t, h, m: mmd(t.vectors[h], t.vectors[m], sigma), 1e-3),
        "AUC, other embedder": (lambda t, h, m: auc(t, t.vectors, h, m), 1.0),
        "AUC, words": (lambda t, h, m: auc(t, t.words, h, m), 1.0),
        "structure *": (lambda t, h, m: squared(structure[h], structure[m]), 1e-3),
        "copies, off human": (
            lambda t, h, m: abs(copies(t.phrases, m[: len(h)]) - copies(t.phrases, h[: len(m)])),
            1e-3,
        ),
        "distinct-4, off human": (
            lambda t, h, m: abs(distinct(t.fours, m) - distinct(t.fours, h)),
            1e-3,
        ),
    }
    for name in texts.rates:
        star = " *" if name in ("words 1", "words 2") else ""
        found[f"L2^2 {name}-grams{star}"] = partial(_of_rates, name), 1e-6
    return found
