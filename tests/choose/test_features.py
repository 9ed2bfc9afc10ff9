"""What a choice looks at in a text has the mean that a profile keeps, column by column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dftspark.choose import documents, group
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.choose.splits import REFEREE, SPLITS, TARGET, VALIDATION, blocks_of, split_of
from dftspark.choose.sums import ONE, ChoiceSums, none, summed
from dftspark.config import Tokens
from dftspark.config.choose import WEIGHTS
from dftspark.corpus.blocks import block_of
from dftspark.errors import InputError
from dftspark.lenses.embeddings.fourier import DEFAULT, Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums
from dftspark.lenses.ngrams.keys import RATE_ONE
from dftspark.lenses.ngrams.sketch import folded, rates_of_documents
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.statistic import Structure
from dftspark.stats.protocol import Batch, VectorBatch
from dftspark.text.tokens import Words

WORDS = ["the", "a", "cat", "dog", "ran", "not", "but", "only", ".", ",", ";", "don't", "42"]


def texts(count: int, seed: int = 0) -> pa.Array:
    rng = np.random.default_rng(seed)
    made = [" ".join(rng.choice(WORDS, rng.integers(0, 60))) for _ in range(count)]
    return pa.array([text.capitalize() + ".\n\nIt ended." * (i % 3) for i, text in enumerate(made)])


def clusters(count: int) -> list[str]:
    return [f"prompt {i // 2}" for i in range(count)]


def features(**more: object) -> Features:
    own = {"orders": (1, 2, 4), "matched": (1, 2), "buckets": 256, **more}
    return Features(tokens=Tokens(), **own)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("width", [256, 4096])
def test_rates_of_documents_add_up_to_the_sketch_of_the_profile(n: int, width: int) -> None:
    own = texts(60)
    tokens = Words().tokenize(own)
    blocks = block_of(clusters(60)).astype(np.int64)
    rows = rates_of_documents(tokens.hashes, tokens.offsets, n, width=width)
    starts = np.arange(0, 61, 2)
    batch = Batch(tokens.hashes, tokens.offsets, starts, blocks[::2])
    kept = folded(NgramSketch(n=n).observe(batch).rates / RATE_ONE, width)
    sums = np.zeros((64, width))
    np.add.at(sums, blocks, rows)
    assert np.abs(sums - kept).max() < 1e-6


def test_structure_and_lengths_add_up_to_the_state_of_the_profile() -> None:
    own, names = texts(150), clusters(150)
    found = documents.of_texts(own)
    state = Structure().observe(document_vectors.of(own, pa.array(names)))
    blocks = block_of(names)
    for rows, kept in zip(found, documents.of_sums(state), strict=True):
        sums = np.zeros(kept.shape)
        np.add.at(sums, blocks, rows)
        assert np.abs(sums - kept).max() < 1e-3
    assert len(documents.structure_names()) == found[0].shape[1]
    assert len(documents.length_names()) == found[1].shape[1]


def test_random_features_add_up_to_the_state_of_the_profile() -> None:
    frequencies = Frequencies(dim=3, sigma=0.7, least=64)
    vectors = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    blocks = block_of(clusters(40)).astype(np.int64)
    of = FeatureSums(frequencies=frequencies)
    state = of.observe(VectorBatch(vectors, np.arange(40, dtype=np.uint64), blocks))
    own = features(frequencies=frequencies, first=20, structure=False)
    found = own.of(texts(40), vectors)
    kernel = frequencies.kernels.index(DEFAULT)
    for part, columns in own.of_frequencies():
        sums = np.zeros((64, len(columns)))
        np.add.at(sums, blocks, found[:, part.columns])
        kept = state.sums[:, kernel][:, columns] / (1 << 20) / np.sqrt(len(columns) / 2)
        assert np.abs(sums - kept).max() < 1e-5
        assert np.linalg.norm(found[:, part.columns], axis=1) == pytest.approx(1, abs=1e-5)
    assert [part.name for part in own.parts[-2:]] == ["embeddings", "embeddings_other"]
    first, other = (set(columns.tolist()) for _, columns in own.of_frequencies())
    assert not first & other


def test_a_text_has_the_same_features_in_any_company() -> None:
    own, of = texts(130), features()
    whole = of.of(own, None)
    assert (of.of(own.slice(64, 7), None) == whole[64:71]).all()
    assert of.of(pa.array([], pa.string()), None).shape == (0, of.width)


def test_sums_are_the_same_for_any_order_and_cut() -> None:
    own, of = texts(50), features()
    rows, blocks = of.of(own, None), block_of(clusters(50))
    whole = summed(of, rows, blocks)
    order = np.random.default_rng(1).permutation(50)
    parts = none(of)
    for rows_of in np.array_split(order, 4):
        parts += summed(of, rows[rows_of], blocks[rows_of])
    for name in ("documents", "sums"):
        assert (getattr(parts, name) == getattr(whole, name)).all()
    back = ChoiceSums.decode(whole.encode())
    assert (back.sums == whole.sums).all()
    assert back.mean(of, range(64)) == pytest.approx(rows.mean(axis=0), abs=2 / ONE)


def test_a_text_without_a_vector_counts_for_all_but_embeddings() -> None:
    frequencies = Frequencies(dim=3, sigma=0.7, least=6)
    of = features(frequencies=frequencies, first=3)
    vectors = np.ones((4, 3), np.float32)
    has = np.array([True, False, True, True])
    found = summed(of, of.of(texts(4), vectors), np.zeros(4, np.int64), has)
    counted = {part.name: int(found.documents[0, i]) for i, part in enumerate(of.parts)}
    assert counted == {
        "ngrams_1": 4,
        "ngrams_2": 4,
        "ngrams_4": 4,
        "embeddings": 3,
        "embeddings_other": 3,
        "structure": 4,
        "lengths": 4,
    }


def test_the_splits_are_all_blocks_and_none_twice() -> None:
    of = split_of(np.arange(64))
    assert [list(blocks_of(split)) for split in SPLITS] == [
        np.flatnonzero(of == place).tolist() for place in range(3)
    ]
    sizes = [len(blocks_of(split)) for split in (TARGET, VALIDATION, REFEREE)]
    assert sizes == [48, 8, 8]


def scale(of: Features, rows: np.ndarray, **weights: float) -> ColumnScale:
    return ColumnScale.of(of, rows, np.zeros(of.width), {**WEIGHTS, **weights})


def test_a_part_is_as_wide_as_its_weight() -> None:
    of = features()
    rows = of.of(texts(300), None)
    found = scale(of, rows, ngrams=2.0, structure=0.5)
    variance = rows.var(axis=0, dtype=np.float64) * found.factor**2
    widths = {part.name: variance[part.columns].sum() for part in of.parts}
    assert widths["ngrams_1"] == pytest.approx(1.0)  # two orders share a weight of 2
    assert widths["structure"] == pytest.approx(0.5)
    assert widths["lengths"] == pytest.approx(0.1)
    assert widths["ngrams_4"] == pytest.approx(1.0)  # looked at alone
    looked_at = {part.name for part in of.parts if not found.matched[part.columns].any()}
    assert looked_at == {"ngrams_4"}


def test_a_family_without_weight_is_looked_at_alone() -> None:
    of = features()
    found = scale(of, of.of(texts(300), None), structure=0.0)
    (part,) = (part for part in of.parts if part.name == "structure")
    assert not found.matched[part.columns].any()
    assert found.factor[part.columns].any()


def test_a_pool_of_equal_texts_is_refused() -> None:
    of = features()
    rows = of.of(pa.array(["The same."] * 5), None)
    with pytest.raises(InputError, match="temperature 0"):
        scale(of, rows)


def pool(count: int = 120, samples: int = 4) -> pa.Table:
    names = [f"p{i // samples}" for i in range(count)]
    return pa.table(
        {
            "key": names,
            "corpus": ["c"] * count,
            "doc_id": [f"d{i}" for i in range(count)],
            "text": texts(count, seed=4),
            "block": block_of(names),
        }
    )


def test_the_same_is_chosen_whatever_the_order_of_rows() -> None:
    of, rows = features(), pool()
    on = scale(of, of.of(rows["text"].combine_chunks(), None))
    first = group.chosen(of, on, rows, None, sweeps=4, seed=0)
    assert first.picked.sum() == 30
    names = set(rows.filter(pa.array(first.picked))["doc_id"].to_pylist())
    shuffled = rows.take(np.random.default_rng(2).permutation(len(rows)))
    again = group.chosen(of, on, shuffled, None, sweeps=4, seed=0)
    assert set(shuffled.filter(pa.array(again.picked))["doc_id"].to_pylist()) == names
    assert again.gaps == first.gaps
    for name in ("before", "after"):
        assert (getattr(again, name).sums == getattr(first, name).sums).all()


def test_another_seed_is_another_choice_of_the_same_worth() -> None:
    of, rows = features(), pool(400)
    on = scale(of, of.of(rows["text"].combine_chunks(), None))
    found = [group.chosen(of, on, rows, None, sweeps=8, seed=seed) for seed in range(3)]
    assert any((one.picked != found[0].picked).any() for one in found[1:])
    worth = [one.gaps[-1] for one in found]
    assert max(worth) < 1.5 * min(worth)


def test_the_pool_weighs_each_prompt_alike() -> None:
    of = features(structure=False)
    rows = pa.table(
        {
            "key": ["a", "a", "a", "b"],
            "corpus": ["c"] * 4,
            "doc_id": list("1234"),
            "text": ["cat cat", "cat cat", "cat cat", "dog dog"],
            "block": block_of(["a"] * 4),
        }
    )
    on = scale(of, of.of(texts(50), None))
    found = group.chosen(of, on, rows, None, sweeps=4, seed=0)
    assert (found.before.sums == found.after.sums).all()
    assert found.before.documents.max() == 2
