"""Which texts meet: the same pairs from any order of documents, controls, and clear refusals."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from dftspark.config import Judge
from dftspark.errors import InputError
from dftspark.judge.pairs import CLUSTERS, Candidate, Pair, place, sampled


def documents(
    prompts: int, models: Sequence[str] = ("m",), humans: int = 1, stratum: str = ""
) -> list[Candidate]:
    names = ["human"] * humans + list(models)
    return [
        Candidate(
            corpus,
            stratum,
            f"c{i}",
            f"p{i}",
            f"prompt {i}",
            f"{corpus}-{i}-{n}",
            f"{corpus} text {n} on {i}",
        )
        for i in range(prompts)
        for n, corpus in enumerate(names)
    ]


def made(found: list[Candidate], **settings: object) -> list[Pair]:
    return sampled(found, "human", Judge.model_validate(settings))


def of(pairs: list[Pair], kind: str) -> list[Pair]:
    return [pair for pair in pairs if pair.kind == kind]


def test_pairs_are_of_one_prompt_with_the_model_as_the_side_that_counts() -> None:
    pairs = of(made(documents(50)), "model")
    assert len(pairs) == 50
    for pair in pairs:
        assert (pair.model, pair.against) == ("m", "human")
        assert pair.model_text.split(" on ")[1] == pair.against_text.split(" on ")[1]
        assert pair.prompt == f"prompt {pair.cluster[1:]}"


def test_any_order_of_documents_gives_the_same_pairs() -> None:
    whole = documents(60, ("m", "n"), humans=3)
    shuffled = whole.copy()
    random.Random(0).shuffle(shuffled)
    assert made(whole, pairs=20, control_pairs=10) == made(shuffled, pairs=20, control_pairs=10)


def test_the_sample_is_of_the_smallest_hashes_and_the_same_for_every_model() -> None:
    pairs = of(made(documents(200, ("m", "n")), pairs=30), "model")
    smallest = sorted((f"c{i}" for i in range(200)), key=lambda c: place(CLUSTERS, c))[:30]
    for model in ("m", "n"):
        assert [p.cluster for p in pairs if p.model == model] == smallest


def test_ranks_go_from_zero_to_below_one() -> None:
    pairs = of(made(documents(40)), "model")
    assert [p.rank for p in pairs] == [i / 40 for i in range(40)]


def test_the_human_control_takes_two_texts_on_a_prompt_where_there_are_two() -> None:
    control = of(made(documents(30, humans=2)), "human")
    assert len(control) == 30
    for pair in control:
        assert pair.model == pair.against == "human"
        assert pair.model_text != pair.against_text
        assert pair.prompt is not None


def test_else_texts_on_two_prompts_of_a_stratum_without_the_prompts() -> None:
    found = documents(20, stratum="a") + [
        Candidate(
            **{
                **d.__dict__,
                "stratum": "b",
                "key": f"b{d.key}",
                "cluster": f"b{d.cluster}",
                "doc_id": f"b{d.doc_id}",
                "text": f"b{d.text}",
            }
        )
        for d in documents(20)
    ]
    control = of(made(found), "human_unprompted")
    assert not of(made(found), "human")
    assert len(control) == 20
    for pair in control:
        assert pair.prompt is None
        assert pair.model_text.startswith("b") == pair.against_text.startswith("b")
    used = [name for pair in control for name in (pair.model_id, pair.against_id)]
    assert len(set(used)) == 40, "no text twice"


def test_copies_of_one_human_text_are_no_control() -> None:
    same = [Candidate(**{**d.__dict__, "text": "the same"}) for d in documents(30, humans=2)]
    assert not of(made(same), "human")


def test_the_broken_text_has_the_same_words_in_another_order() -> None:
    pairs = made(documents(20))
    whole, broken = of(pairs, "model"), of(pairs, "broken")
    assert len(broken) == 20
    for one, other in zip(whole, broken, strict=True):
        assert sorted(one.model_text.split()) == sorted(other.model_text.split())
        assert one.against_text == other.against_text
        assert one.pair_id != other.pair_id
    assert any(a.model_text != b.model_text for a, b in zip(whole, broken, strict=True))


@pytest.mark.parametrize(
    ("models", "meet"),
    [("m", []), ("mn", ["mn"]), ("abc", ["ab", "bc", "ca"]), ("abcd", ["ab", "bc", "cd", "da"])],
)
def test_models_meet_their_neighbors(models: str, meet: list[str]) -> None:
    found = of(made(documents(5, tuple(models)), control_pairs=3), "models")
    assert list(dict.fromkeys(p.model + p.against for p in found)) == meet
    assert len(found) == 3 * len(meet)


def test_controls_can_be_left_out() -> None:
    assert {p.kind for p in made(documents(30, ("m", "n"), humans=2), controls=[])} == {"model"}


def test_corpora_without_shared_prompts_are_refused_with_the_counts() -> None:
    found = [d for d in documents(9) if (d.corpus == "human") == (int(d.key[1:]) < 4)]
    with pytest.raises(InputError, match=r"no model has a text .* human 4, m 5"):
        made(found)
    with pytest.raises(InputError, match="human 9, no model any"):
        made([d for d in documents(9) if d.corpus == "human"])
