"""Reference and variety measures on answers whose likeness is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dftspark.lenses.variety import compared as variety
from dftspark.lenses.variety.compared import Measured, PromptAnswer, compared, sampled
from tests import extras

pytestmark = extras.variety

WORDS = [f"{a}{b}" for a in "bcdfghklmn" for b in ("a", "e", "i", "o", "u", "an", "en", "in")]


def text(rng: np.random.Generator, vocabulary: int = 80, words: int = 120) -> str:
    return " ".join(rng.choice(WORDS[:vocabulary], words))


def answers(seed: int, prompts: int, samples: int = 1, vocabulary: int = 80) -> list[PromptAnswer]:
    rng = np.random.default_rng(seed)
    return [
        PromptAnswer(f"{seed}-{p}-{i}", f"p{p}", text(rng, vocabulary))
        for p in range(prompts)
        for i in range(samples)
    ]


def measured(human: list[PromptAnswer], model: list[PromptAnswer]) -> dict[str, Measured]:
    return {m.metric: m for m in compared(sampled(human), sampled(model))}


def test_the_same_answers_have_the_best_scores() -> None:
    human = answers(1, 25)
    found = measured(human, [PromptAnswer(f"m{d.doc_id}", d.cluster, d.text) for d in human])
    assert found["chrf"].model.value == pytest.approx(100)
    assert found["bleu"].model.value == pytest.approx(100)
    assert found["chrf"].model.n == 25
    assert math.isnan(found["chrf"].human.value)  # one human answer a prompt
    for name in ("self_bleu", "distinct_1", "distinct_2"):
        assert found[name].model.value == pytest.approx(found[name].human.value)


@pytest.mark.simulation
def test_likeness_falls_with_the_share_of_other_words() -> None:
    human, rng = answers(1, 25), np.random.default_rng(5)
    scores = []
    for share in (0.0, 0.3, 0.8):
        model = []
        for d in human:
            words = np.array(d.text.split(), object)
            swap = rng.random(len(words)) < share
            words[swap] = rng.choice(WORDS, swap.sum())
            model.append(PromptAnswer(f"m{d.doc_id}", d.cluster, " ".join(words)))
        found = measured(human, model)
        scores.append((found["chrf"].model.value, found["bleu"].model.value))
        assert found["bleu"].model.ci_low <= found["bleu"].model.value
        assert found["bleu"].model.ci_high >= found["bleu"].model.value
    assert scores == sorted(scores, reverse=True)


def test_several_human_answers_give_the_human_value() -> None:
    found = measured(answers(1, 20, samples=3), answers(2, 20))
    gap = abs(found["chrf"].human.value - found["chrf"].model.value)
    assert found["chrf"].human.n == 20
    assert gap < 6  # both are unrelated texts of one vocabulary; two references against three


@pytest.mark.simulation
def test_a_small_vocabulary_is_less_varied() -> None:
    found = measured(answers(1, 60), answers(2, 60, vocabulary=12))
    assert found["self_bleu"].model.ci_low > found["self_bleu"].human.ci_high
    for n in (1, 2, 3):
        assert found[f"distinct_{n}"].model.ci_high < found[f"distinct_{n}"].human.ci_low
    assert found["distinct_1"].human.n == 60 // variety.GROUP


def test_distinct_on_paper() -> None:
    assert variety._distinct([["a", "b", "a"], ["a", "b", "c"]], 1) == 3 / 6
    assert variety._distinct([["a", "b", "a"], ["a", "b", "c"]], 2) == 3 / 4


@pytest.mark.parametrize(
    ("texts", "kinds"),
    [
        (["a b c d e", "a b c d e", "a b c d e", "A B C D E"], 1),
        (["a b c d e", "f g h i j", "k l m n o", "p q r s t"], 4),
        (["a b c d e f", "a b c d e x", "f g h i j", "f g h i j"], 2),
        (["", "", "", "a"], 2),
        (["yes", "no", "yes", "no"], 2),
    ],
)
def test_kinds_of_answers(texts: list[str], kinds: int) -> None:
    assert variety._kinds([PromptAnswer(str(i), "p", t) for i, t in enumerate(texts)]) == kinds


@pytest.mark.simulation
def test_collapsed_answers_are_seen_within_prompts() -> None:
    model = answers(2, 20, samples=4)
    same = [
        PromptAnswer(d.doc_id, d.cluster, model[4 * (i // 4)].text) for i, d in enumerate(model)
    ]
    assert measured(answers(1, 20), model)["prompt_variety"].model.value == 4
    found = measured(answers(1, 20, samples=4), same)["prompt_variety"]
    assert (found.human.value, found.model.value, found.model.n) == (4, 1, 20)


def test_the_sample_is_a_rule() -> None:
    documents = answers(1, 700, samples=6)
    chosen = sampled(documents)
    assert len(chosen) == variety.PROMPTS
    assert {len(ds) for ds in chosen.values()} == {variety.SAMPLES}
    assert sampled(documents[::-1]) == chosen
    other = sampled(answers(2, 700))
    assert list(other) == list(chosen)  # the same prompts on both sides


def test_nothing_in_common_is_nan() -> None:
    human = [PromptAnswer(f"h{i}", f"h{i}", "a b") for i in range(5)]
    model = [PromptAnswer(f"m{i}", f"m{i}", "a b") for i in range(5)]
    found = measured(human, model)
    for name in ("chrf", "bleu", "self_bleu", "distinct_1", "prompt_variety"):
        assert math.isnan(found[name].model.value)
        assert found[name].model.n == 0


@pytest.mark.simulation
def test_intervals_over_groups_cover() -> None:
    """Groups share no document, so a t interval over them covers as it says."""
    found = [distinct(seed) for seed in range(60)]
    truth = np.mean([e.value for e in found])
    covered = [e.ci_low <= truth <= e.ci_high for e in found]
    assert np.mean(covered) >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / 60)


def distinct(seed: int) -> variety.PromptMean:
    groups = variety._groups(sampled(answers(seed, 100)))
    return variety._mean([variety._distinct(group, 2) for group in groups], 0.95)
