"""Every lens's measures on halves are those of corpora that have these blocks only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from dftspark.corpus.blocks import block_of
from dftspark.inference.halves import Splits, halves
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState
from dftspark.lenses.metric import Metric
from dftspark.lenses.structure import compared as structure
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.statistic import Structure, StructureSums
from tests import audits
from tests.normal_clouds import normal, statistic
from tests.normal_clouds import state as cloud_state

SPLITS = Splits(3, seed=0)
DOCUMENTS = 256
WORDS = np.array([f"w{i}" for i in range(150)])
SETTINGS = audits.settings(
    corpora={
        "human": {"role": "human", "path": "h"},
        "model": {"role": "model", "path": "m", "split_by": ["temperature"]},
    },
    inference={"permutations": 99, "splits": 20},
    sweep={"splits": SPLITS.count},
    ngrams={"sketch_width": 16_384},
)


def texts(seed: int, tilt: float) -> list[str]:
    rng = np.random.default_rng(seed)
    rates = (1 / np.arange(1, 151)) * np.exp(tilt * (np.arange(150) % 2))
    sentences = [
        " ".join(rng.choice(WORDS, rng.integers(4, 20), p=rates / rates.sum())).capitalize()
        for _ in range(3 * DOCUMENTS)
    ]
    return [
        f"{sentences[3 * i]}. {sentences[3 * i + 1]} \u2014 {sentences[3 * i + 2]}."
        for i in range(DOCUMENTS)
    ]


CLUSTERS = [f"c{i}" for i in range(DOCUMENTS)]
BLOCKS = block_of(CLUSTERS).astype(np.int64)
SIDES = texts(1, 0.0), texts(2, 0.7)


def kept(split: int, half: int) -> NDArray[np.bool_]:
    weights = halves(SPLITS)[split, half] > 0
    return np.asarray(weights[BLOCKS])


def on_half(metric: Metric, split: int, half: int) -> float:
    assert metric.parts is not None
    assert metric.parts.left_out.shape == (64,)
    return float(metric.parts.halves[split, half])


@pytest.mark.parametrize("n", [1, 2])
def test_ngrams(n: int) -> None:
    sides = [audits.Documents.of(side, CLUSTERS) for side in SIDES]
    whole = audits.metrics(audits.compared([s.profile(n) for s in sides], n, SETTINGS))
    for split, half in ((0, 0), (0, 1), (2, 1)):
        chosen = np.flatnonzero(kept(split, half))
        states = [side.profile(n, chosen) for side in sides]
        alone = audits.metrics(audits.compared(states, n, SETTINGS))
        for name, rel in (("l2", 0.03), ("l2_docs", 0.03), ("l2_squared_corrected", 0.12)):
            found = on_half(whole[name], split, half)
            assert found == pytest.approx(alone[name].value, rel=rel), name
        for name in ("js", "tv"):
            found = on_half(whole[name], split, half)  # from a sample of n-grams
            assert found == pytest.approx(alone[name].value, rel=0.06), name


def state(side: list[str], chosen: NDArray[np.bool_]) -> StructureSums:
    rows = np.flatnonzero(chosen)
    some = [pa.array([side[i] for i in rows]), pa.array([CLUSTERS[i] for i in rows])]
    return Structure().observe(document_vectors.of(*some))


def test_structure() -> None:
    everything = np.ones(DOCUMENTS, np.bool_)
    followed = ["em_dash", "sentence_length", "type_token_ratio"]
    options: dict[str, Any] = {"paired": True, "settings": SETTINGS.inference, "followed": followed}
    whole = structure.compared(
        *(state(side, everything) for side in SIDES), splits=SPLITS, **options
    )
    assert {metric.name for metric in whole.rates} == {f"rate_{name}" for name in followed}
    for split, half in ((0, 0), (1, 1)):
        alone = structure.compared(*(state(s, kept(split, half)) for s in SIDES), **options)
        assert all(metric.parts is None for metric in alone.metrics)
        values = {metric.name: metric.value for metric in [*alone.metrics, *alone.rates]}
        for metric in [*whole.metrics, *whole.rates]:
            if metric.name.startswith("wasserstein") and np.isfinite(metric.value):
                own = on_half(metric, split, half)
                assert own == pytest.approx(values[metric.name], rel=1e-9, nan_ok=True)
            elif metric.name.startswith("rate"):  # centered at the rates of all blocks
                own = on_half(metric, split, half)
                assert own == pytest.approx(values[metric.name], rel=0.2, abs=0.3)
    outside = next(m for m in whole.metrics if m.name == "structure_outside")
    assert outside.parts is not None
    assert ((outside.parts.halves >= 0) & (outside.parts.halves <= 1)).all()
    # Without one block in 64 hardly a measure changes sides.
    assert abs(outside.parts.left_out.mean() - outside.value) <= 0.1


def half_of(whole: FeatureState, kept: NDArray[np.int64]) -> FeatureState:
    return FeatureState(whole.clusters, whole.documents * kept, whole.sums * kept[:, None, None])


def test_embeddings() -> None:
    of = statistic(6, 12.0, 96)
    rng = np.random.default_rng(3)
    sides = (
        cloud_state(of, normal(rng, DOCUMENTS, 6)),
        cloud_state(of, normal(rng, DOCUMENTS, 6, 0.6)),
    )
    options: dict[str, Any] = {"paired": True, "settings": SETTINGS.inference}
    whole = embeddings.compared(*sides, of, splits=SPLITS, **options)
    weights = halves(SPLITS)[1, 0].astype(np.int64)
    some = (half_of(sides[0], weights), half_of(sides[1], weights))
    alone = {m.name: m.value for m in embeddings.compared(*some, of, **options)}
    for metric in whole:
        if metric.name in ("mmd_squared_feature_error", "mmd_fused"):
            assert metric.parts is None
        else:  # the whole is centered at the rates of all blocks, which the half has not
            assert on_half(metric, 1, 0) == pytest.approx(alone[metric.name], rel=0.05), metric.name


def test_a_corpus_without_a_sweep_pays_nothing() -> None:
    sides = [audits.Documents.of(side, CLUSTERS).profile(1) for side in SIDES]
    plain = audits.compared(sides, 1, audits.settings())
    assert all(metric.parts is None for metric in plain.metrics)
