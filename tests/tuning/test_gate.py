"""The gate rejects what must be rejected, and lets luck through as often as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from dftspark.inference.gram import between_blocks, gram
from dftspark.inference.halves import Splits, parts
from dftspark.inference.super_baseline import Grid
from dftspark.lenses.embeddings.distance_copies import NEAR, nearest
from dftspark.tuning.gate import GateDecision, GatedMeasure, Guards, decide
from tests.tuning import made

Floats = NDArray[np.float64]

BLOCKS = 8  # of the referee
SETTINGS = ("sft 1/1", "sft .9/.95", "choice", "control")  # then the challenger
GOOD = Guards((0.70, 0.70), (0.01, 0.02), (3.33, 3.31), (640, 640))
TRAINED = ("l2_squared_corrected_1gram", "structure_omnibus")
UNSEEN = ("mmd_squared", "structure_outside", "l2_squared_corrected_4gram")
PRIMARY = ("mmd_squared", "structure_outside")


def measure(name: str, challenger: float, control: float = 4.0) -> GatedMeasure:
    """Values in units of an error of about .3 a setting: of three settings at 4, and these two."""
    rng = np.random.default_rng(sum(map(ord, name)))
    means = np.array([4.0, 4.0, 4.0, control, challenger])
    by_block = means[:, None] + 0.8 * rng.standard_normal((5, BLOCKS))
    chosen = np.array([rng.permutation(BLOCKS) < BLOCKS / 2 for _ in range(20)], float)
    halves = np.stack([chosen, 1 - chosen], axis=1)
    grid = Grid(
        values=by_block.mean(axis=1),
        left_out=(by_block.sum(axis=1, keepdims=True) - by_block) / (BLOCKS - 1),
        halves=np.einsum("kb,shb->ksh", by_block, halves) / (BLOCKS / 2),
        blocks=np.full(5, BLOCKS),
        candidates=np.arange(5) < 4,
    )
    return GatedMeasure(name, name in TRAINED, name in PRIMARY, grid, 4, 3)


def table(control: float = 4.0, **values: float) -> list[GatedMeasure]:
    """Every measure at 4 like the settings, but for those named."""
    return [measure(name, values.get(name, 4.0), control) for name in (*TRAINED, *UNSEEN)]


def decided(guards: Guards = GOOD, control: float = 4.0, **values: float) -> GateDecision:
    return decide(table(control, **values), guards)


def test_one_that_is_better_by_what_it_never_saw_is_accepted() -> None:
    decision = decided(mmd_squared=1.0, l2_squared_corrected_1gram=1.0)
    assert decision.accepted
    assert decision.reasons == ()
    assert decision.first_line.startswith("accepted: nearer to human")
    assert "mmd_squared (q =" in decision.first_line
    verdicts = {row.name: row.verdict for row in decision.rows}
    assert verdicts["mmd_squared"] == verdicts["l2_squared_corrected_1gram"] == "better"


def test_one_like_the_settings_is_not() -> None:
    decision = decided()
    assert not decision.accepted
    assert "by no primary measure that judges (mmd_squared, structure_outside)" in (
        decision.first_line
    )


def test_a_hacked_metric_says_so_in_the_first_line() -> None:
    """Ten times the learning rate, without an anchor: the trained measure falls fifty times, the
    classifier's AUC goes from .70 to .95."""
    hacked = replace(GOOD, auc=(0.946, 0.701), cross_entropy=(3.587, 3.407))
    decision = decided(hacked, l2_squared_corrected_1gram=0.08, mmd_squared=4.0)
    assert not decision.accepted
    assert decision.first_line.startswith(
        "not accepted: it wins only on what it was trained on (l2_squared_corrected_1gram)"
    )
    assert any("AUC of 0.946" in reason for reason in decision.reasons)
    assert any("cross-entropy" in reason for reason in decision.reasons)


def test_a_leaked_reader_is_rejected() -> None:
    """Trained against a reader of the reference: near in what it reads, worse in all words."""
    leaked = replace(GOOD, auc=(0.870, 0.701), cross_entropy=(3.463, 3.407))
    decision = decided(leaked, structure_omnibus=0.2, l2_squared_corrected_1gram=9.0)
    assert not decision.accepted
    assert any("worse than the best setting by l2" in reason for reason in decision.reasons)


def test_a_copier_is_rejected_though_all_distances_fall() -> None:
    near = [measure(name, 0.5) for name in (*TRAINED, *UNSEEN)]
    assert decide(near, GOOD).accepted
    decision = decide(near, replace(GOOD, copies=(0.31, 0.02)))
    assert not decision.accepted
    assert "31.0% of its texts nearly repeat a human one" in decision.first_line


def test_a_length_hack_is_rejected_by_a_measure_that_was_trained_on_too() -> None:
    decision = decided(mmd_squared=1.0, structure_omnibus=9.0)
    assert not decision.accepted
    assert "worse than the best setting by structure_omnibus" in decision.first_line


def test_a_gain_that_more_human_text_gives_as_well_is_none() -> None:
    decision = decided(control=1.0, mmd_squared=1.0)
    assert not decision.accepted


@pytest.mark.parametrize(
    "guards",
    [
        replace(GOOD, auc=(0.73, 0.70)),
        replace(GOOD, auc=(np.nan, 0.70)),
        replace(GOOD, copies=(np.nan, np.nan)),
        replace(GOOD, cross_entropy=(3.37, 3.31)),
        replace(GOOD, cross_entropy=(np.nan, 3.31)),
        replace(GOOD, calls=(640, 639)),
    ],
)
def test_each_guard_alone_rejects_and_what_is_unknown_does_not_hold(guards: Guards) -> None:
    decision = decided(guards, mmd_squared=1.0)
    assert not decision.accepted
    assert len(decision.reasons) == 1
    assert decided(replace(GOOD, calls=None), mmd_squared=1.0).accepted


def test_without_an_unseen_primary_measure_nothing_is_accepted() -> None:
    rows = [replace(one, trained=True) for one in table(mmd_squared=1.0)]
    decision = decide(rows, GOOD)
    assert not decision.accepted
    assert "it wins only on what it was trained on (mmd_squared)" in decision.first_line
    assert "no primary measure is left that training did not see" in decision.first_line


# --- with the package's own measures of made corpora --------------------------------------------

PROMPTS = 160


def population(rng: np.random.Generator, shift: float) -> Floats:
    """Features of one text for each prompt, off human by `shift` in one direction."""
    rows = rng.standard_normal((PROMPTS, 24))
    rows[:, 0] += shift
    return rows


def squared_mmd(human: Floats, corpora: list[Floats], blocks: NDArray[np.int64]) -> Grid:
    """The unbiased squared MMD of block sums with its parts, as the embedding lens makes it."""

    def sums(rows: Floats) -> Floats:
        out = np.zeros((64, rows.shape[1]))
        np.add.at(out, blocks, rows)
        return out

    sizes = np.bincount(blocks, minlength=64).astype(np.float64)
    values, left_out, halves = [], [], []
    for rows in corpora:
        products = gram(sums(human), sums(rows), sizes, sizes)

        def measured(first: Floats, second: Floats, of: object = products) -> Floats:
            return np.asarray(between_blocks(of, first, second, paired=False))  # type: ignore[arg-type]

        whole_and_parts = parts(measured, Splits(20, seed=1))
        assert whole_and_parts is not None
        whole = np.ones((1, 64))
        none = np.zeros((1, 64))
        values.append(measured(np.hstack([whole, none]), np.hstack([none, whole]))[0])
        left_out.append(whole_and_parts.left_out)
        halves.append(whole_and_parts.halves)
    return Grid(
        np.array(values),
        np.array(left_out),
        np.array(halves),
        np.full(len(corpora), 64),
        np.arange(len(corpora)) < len(corpora) - 1,
    )


def judged(rng: np.random.Generator, shift: float) -> GateDecision:
    """Four settings that are off by 1, and a challenger that is off by `shift`."""
    blocks = rng.integers(0, 64, PROMPTS)
    measures = []
    for name in (*TRAINED, *UNSEEN):
        human = population(rng, 0.0)
        corpora = [population(rng, by) for by in (1.0, 1.0, 1.0, 1.0, shift)]
        grid = squared_mmd(human, corpora, blocks)
        measures.append(GatedMeasure(name, name in TRAINED, name in PRIMARY, grid, 4, 3))
    return decide(measures, GOOD)


@pytest.mark.simulation
def test_of_twenty_challengers_of_another_seed_at_most_one_passes() -> None:
    rng = np.random.default_rng(0)
    passed = sum(judged(rng, 1.0).accepted for _ in range(20))
    assert passed <= 1
    # The same gate is not merely closed.
    assert sum(judged(rng, 0.0).accepted for _ in range(5)) >= 3


def test_on_made_texts_a_length_hack_and_a_copier_are_rejected() -> None:
    """Both have the words of human texts; one writes them at a third of the length, and one writes
    the human texts themselves."""
    rng = np.random.default_rng(7)
    words, tilted = np.full(10, 0.1), np.arange(1, 11) / 55
    human = made.texts(rng, PROMPTS, words)
    settings = [made.texts(rng, PROMPTS, tilted) for _ in SETTINGS]
    blocks = rng.integers(0, 64, PROMPTS)
    features = made.target(human, human).features
    length, rates = (
        next(p.columns for p in features.parts if p.name == name)
        for name in ("lengths", "ngrams_1")
    )

    def rows(texts: list[str]) -> Floats:
        return features.of(pa.array(texts), None).astype(np.float64)

    def judged_texts(challenger: list[str]) -> GateDecision:
        corpora = [rows(texts) for texts in (*settings, challenger)]
        grids = {
            "mmd_squared": squared_mmd(
                rows(human)[:, rates], [r[:, rates] for r in corpora], blocks
            ),
            "wasserstein_document_words": squared_mmd(
                rows(human)[:, length], [r[:, length] for r in corpora], blocks
            ),
        }
        unit = [r / np.linalg.norm(r, axis=1, keepdims=True) for r in (corpora[-1], rows(human))]
        longer = np.array([len(text.split()) > 8 for text in challenger])
        copies = (nearest(*unit)[1][longer] >= NEAR).mean() if longer.any() else 0.0
        measures = [
            GatedMeasure(name, False, name in PRIMARY, grid, 4, 3) for name, grid in grids.items()
        ]
        return decide(measures, replace(GOOD, copies=(float(copies), 0.02)))

    cut = [" ".join(text.split()[:5]) for text in made.texts(rng, PROMPTS, words)]
    hacked = judged_texts(cut)
    assert not hacked.accepted
    assert {row.name: row.verdict for row in hacked.rows} == {
        "mmd_squared": "better",
        "wasserstein_document_words": "worse",
    }
    copied = judged_texts(human)
    assert not copied.accepted
    assert "nearly repeat a human one" in copied.first_line
    assert judged_texts(made.texts(rng, PROMPTS, words)).rows[0].verdict == "better"
