"""Judges systems that wrote texts for the same prompts: measures with errors, and the gate's rule.

The unit of error is the document that a prompt is of, in groups. A measure is marked as trained on
if the choice that trains goes by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from benchmarks import _group_sums
from benchmarks._group_sums import GroupSums
from benchmarks._held_out import Texts
from dftspark.config import Embedding
from dftspark.embedding import embedders, recipe
from dftspark.inference.super_baseline import Grid
from dftspark.lenses.embeddings.distance_copies import NEAR, nearest
from dftspark.lenses.embeddings.distance_mmd import median_distance
from dftspark.tuning.gate import GateDecision, GatedMeasure, Guards, decide

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
GROUPS, SPLITS, FOLDS = 32, 20, 5
MMD = "mmd_squared"
# By name: unit, whether training sees it.
MEASURES = {
    MMD: (1e-3, False),
    "structure": (1e-3, False),
    "pieces_1gram": (1e-6, False),
    "pieces_2gram": (1e-6, False),
    "words_4gram": (1e-6, False),
    "words_1gram": (1e-6, True),
    "words_2gram": (1e-6, True),
    "mmd_static": (1e-3, True),
}
AUCS = ("auc_vectors", "auc_words")


@dataclass(frozen=True, eq=False)
class Sides:
    """Rows of the human test texts and of each system's, in one table of texts.

    vectors  of the embedder that no choice used; `static` of the one that training sees
    """

    texts: Texts
    static: NDArray[np.float32]
    groups: Rows  # of every text, below GROUPS
    human: Rows
    systems: Mapping[str, Rows]
    trained_on: Rows  # human texts that training saw

    @classmethod
    def of(
        cls,
        human: Sequence[str],
        systems: Mapping[str, Sequence[str]],
        trained_on: Sequence[str],
        documents: Rows,
    ) -> Sides:
        """Makes them of texts. `documents` are those of the human texts, and the systems' texts are
        on the first of these prompts."""
        parts = [human, *systems.values(), trained_on]
        own = [documents[: len(part)] for part in parts[:-1]]
        every = np.concatenate([*own, np.zeros(len(trained_on), np.int64)])
        _, numbers = np.unique(every, return_inverse=True)
        groups = np.random.default_rng(0).permutation(numbers.max() + 1)[numbers] % GROUPS
        ends = np.cumsum([len(part) for part in parts])
        rows = [np.arange(end - len(part), end) for part, end in zip(parts, ends, strict=True)]
        texts = [text for part in parts for text in part]
        pieces = str(recipe.packaged() / "tokenizer.json")
        names = [str(number) for number in numbers]
        table = Texts.of(pa.array(texts), names, embed(recipe.PACKAGED, texts), pieces)
        named = dict(zip(systems, rows[1:-1], strict=True))
        return cls(table, embed("static", texts), groups, rows[0], named, rows[-1])


@dataclass(frozen=True, eq=False)
class Judged:
    """Values of the systems, in units of MEASURES: `whole` `(M, K)`, without each group
    `(M, K, G)`, on halves `(M, K, S, 2)`; AUCs with their errors `(2, K, 2)`; shares of near copies
    `(K + 1,)`, of which the last is that of human texts."""

    names: tuple[str, ...]
    whole: Floats
    left_out: Floats
    halves: Floats
    aucs: Floats
    copies: Floats


def embed(name: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Returns unit vectors `(N, d)` by the embedder of that name."""
    settings = Embedding(embedder=name)
    embedder = embedders.load(settings, recipe.recipe(settings, "cpu"), "cpu", 1)
    parts = [
        embedder.encode(list(texts[start : start + 256])).vectors
        for start in range(0, len(texts), 256)
    ]
    return np.concatenate(parts)


def judged(sides: Sides) -> Judged:
    """Measures every system."""
    values = [
        [_parts(_sums(name, sides, rows)) for rows in sides.systems.values()] for name in MEASURES
    ]
    units = np.array([unit for unit, _ in MEASURES.values()])
    whole, left_out, halves = (
        np.array([[parts[at] for parts in row] for row in values]) for at in range(3)
    )
    aucs = [
        [_auc(columns, sides, rows) for rows in sides.systems.values()]
        for columns in (sides.texts.vectors, sides.texts.words)
    ]
    every = [*sides.systems.values(), sides.human]
    return Judged(
        tuple(sides.systems),
        whole / units[:, None],
        left_out / units[:, None, None],
        halves / units[:, None, None, None],
        np.array(aucs),
        np.array([_copied(sides, rows) for rows in every]),
    )


def differences(found: Judged, first: str, second: str) -> tuple[Floats, Floats]:
    """Returns `first` less `second` by measure and by AUC, and the standard errors."""
    a, b = found.names.index(first), found.names.index(second)
    apart = found.left_out[:, a] - found.left_out[:, b]
    errors = apart.std(axis=1) * np.sqrt(GROUPS - 1)
    auc = found.aucs[:, a, 0] - found.aucs[:, b, 0]
    # The classifiers' errors are taken as independent, so this one is too wide rather than narrow.
    both = np.hypot(found.aucs[:, a, 1], found.aucs[:, b, 1])
    return np.r_[found.whole[:, a] - found.whole[:, b], auc], np.r_[errors, both]


def gated(
    found: Judged,
    challenger: str,
    control: str,
    candidates: Sequence[str],
    settings: Sequence[str],
    cross_entropy: tuple[float, float],
) -> GateDecision:
    """Applies the gate. `candidates` are what the challenger is held against, `settings` those of
    them that are sampler settings; `cross_entropy` is of the challenger and of the model before."""
    names = [*candidates, challenger]
    at = [found.names.index(name) for name in names]
    measures = [
        GatedMeasure(
            name,
            trained,
            name == MMD,
            Grid(
                found.whole[m, at],
                found.left_out[m, at],
                found.halves[m, at],
                np.full(len(at), GROUPS, np.int64),
                np.arange(len(at)) < len(candidates),
            ),
            len(candidates),
            names.index(control),
        )
        for m, (name, (_, trained)) in enumerate(MEASURES.items())
    ]
    own = found.names.index(challenger)
    best = min(found.aucs[0, found.names.index(name), 0] for name in settings)
    copies = (float(found.copies[own]), float(found.copies[-1]))
    auc = (float(found.aucs[0, own, 0]), float(best))
    return decide(measures, Guards(auc, copies, cross_entropy))


def _sums(name: str, sides: Sides, rows: Rows) -> GroupSums:
    columns = {
        MMD: sides.texts.vectors,
        "mmd_static": sides.static,
        "structure": _standard(sides.texts.structure),
    }.get(name)
    if columns is None:
        kind, _, order = name.partition("_")
        columns = sides.texts.rates[f"{kind} {order[0]}"]
    human, model = ((columns[own], sides.groups[own]) for own in (sides.human, rows))
    if not name.startswith("mmd"):
        return _group_sums.of_rows(human, model, GROUPS)
    sigma = median_distance(columns[:: max(1, len(columns) // 1_500)])
    return _group_sums.of_vectors(human, model, GROUPS, sigma)


def _standard(structure: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = structure.std(axis=0)
    kept = spread > 0
    return np.asarray(structure[:, kept] / spread[kept] / np.sqrt(kept.sum()), np.float32)


def _parts(sums: GroupSums) -> tuple[float, list[float], list[list[float]]]:
    whole = np.ones(GROUPS, bool)
    left_out = [sums.squared(np.arange(GROUPS) != group) for group in range(GROUPS)]
    rng = np.random.default_rng(1)
    halves = []
    for _ in range(SPLITS):
        first = rng.permutation(GROUPS) < GROUPS // 2
        halves.append([sums.squared(first), sums.squared(~first)])
    return sums.squared(whole), left_out, halves


def _auc(columns: NDArray[np.float32], sides: Sides, model: Rows) -> tuple[float, float]:
    """Returns |AUC - 1/2| + 1/2 of a cross-fitted logistic regression, and a standard error from
    its scores without each group in turn."""
    rows = np.r_[sides.human, model]
    model_side = np.r_[np.zeros(len(sides.human)), np.ones(len(model))]
    groups = sides.groups[rows]
    scores = np.zeros(len(rows))
    for fold in range(FOLDS):
        held = groups % FOLDS == fold
        fit = LogisticRegression(C=10.0, max_iter=300, class_weight="balanced")
        fit.fit(columns[rows[~held]], model_side[~held])
        scores[held] = fit.decision_function(columns[rows[held]])

    def area(kept: NDArray[np.bool_]) -> float:
        return float(0.5 + abs(roc_auc_score(model_side[kept], scores[kept]) - 0.5))

    apart = [area(groups != group) for group in range(GROUPS)]
    return area(np.ones(len(rows), bool)), float(np.std(apart) * np.sqrt(GROUPS - 1))


def _copied(sides: Sides, rows: Rows) -> float:
    """Returns the share of texts that nearly repeat one that training saw."""
    vectors = sides.texts.vectors
    return float((nearest(vectors[rows], vectors[sides.trained_on])[1] >= NEAR).mean())
