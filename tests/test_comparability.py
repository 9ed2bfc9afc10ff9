"""Where sides differ in what is not writing: each artefact is named, and equal sides are not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from dftspark.corpus.blocks import block_of
from dftspark.inference.block_shares import difference_p
from dftspark.lenses.comparability import PropertyRow, rows, token_rows
from dftspark.stats.surface import Surface, SurfaceSums
from dftspark.text import surface

_SENTENCES = (
    "Nobody knew why the old committee had agreed to it, but it was done.",
    "She didn't say much; the caf\u00e9 was closed and so they walked home.",
    "\u201cWe can't wait,\u201d he told them, and that was the end of the matter.",
    "There were three of them in the room, and not one had read the report.",
    "It was late when the letters came. Most of them were for you.",
)


@cache
def texts(n: int, seed: int = 0) -> tuple[str, ...]:
    """Documents of 3 to 8 lines of two sentences."""
    rng = np.random.default_rng(seed)
    lines = [f"{one} {other}" for one in _SENTENCES for other in _SENTENCES]
    return tuple("\n".join(rng.choice(lines, k)) for k in rng.integers(3, 9, n))


def sums(own: Sequence[str], clusters: Sequence[str] | None = None) -> SurfaceSums:
    names = [f"p{i}" for i in range(len(own))] if clusters is None else clusters
    return Surface().observe(surface.of(own, block_of(names).astype(np.int64)))


def named(human: SurfaceSums, model: SurfaceSums) -> set[str]:
    return {row.property for row in rows(human, model) if row.differs}


def ascii_only(text: str) -> str:
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


def tokenized(text: str) -> str:
    return re.sub(r"([,.;])(?=\s|$)", r" \1", text).replace("n't", " n't")


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (str.lower, {"lower_cased"}),
        (ascii_only, {"non_ascii", "curly_quotes"}),
        (tokenized, {"tokenized_spacing"}),
        (lambda text: text.replace("\n", " "), {"single_line", "newlines"}),
        (lambda text: text.replace(" ", "\n"), {"newlines"}),
        (
            lambda text: " ".join(text.split()[:60]),
            {"single_line", "newlines", "cut_off", "one_length", "median_words"},
        ),
        (lambda text: text + " " + text, {"median_words"}),
        (lambda text: text.encode().decode("cp1252", "ignore"), {"mojibake", "curly_quotes"}),
        (lambda text: text.replace("\u201c", '"').replace("\u201d", '"'), {"curly_quotes"}),
        (
            lambda text: "Le chat est dans la maison, et il ne veut pas en sortir.\n" * 30,
            {"language_en", "language_fr"},
        ),
    ],
    ids=[
        "lower",
        "ascii",
        "tokenized",
        "one line",
        "wrapped",
        "cut",
        "doubled",
        "mojibake",
        "straight quotes",
        "French",
    ],
)
@pytest.mark.parametrize("sizes", [(150, 150), (50, 400), (400, 50)])
def test_each_artefact_is_named(
    harm: Callable[[str], str], expected: set[str], sizes: tuple[int, int]
) -> None:
    human = sums(texts(sizes[0], 1))
    model = sums([harm(text) for text in texts(sizes[1], 2)])
    assert expected <= named(human, model)
    assert named(human, sums(texts(sizes[1], 2))) == set()


def test_a_row_says_what_to_do_on_the_side_that_has_it() -> None:
    plain, lower = sums(texts(200, 1)), sums([text.lower() for text in texts(200, 2)])
    of_model = next(r for r in rows(plain, lower) if r.property == "lower_cased")
    of_human = next(r for r in rows(lower, plain) if r.property == "lower_cased")
    assert (of_model.value_human, of_model.value_model) == (0, 1)
    assert of_model.advice.startswith("get the model side with its capitals")
    assert of_human.advice.startswith("get the human side with its capitals")
    for row in rows(plain, plain):
        assert (row.differs, row.advice, row.p_value) == (False, "", 1.0)


def test_a_large_corpus_does_not_cry_wolf() -> None:
    """Shares of 0 and .09 among 100,000 documents each: certain, and too little to be named."""
    some = sums(texts(200))
    many = SurfaceSums(*(500 * getattr(some, field.name) for field in fields(SurfaceSums)))
    flags = many.flags.copy()
    at = surface.FLAGS.index("lower_cased")
    flags[:, at] = many.documents * 9 // 100
    model = SurfaceSums(many.documents, flags, many.sums, many.lengths)
    row = next(row for row in rows(many, model) if row.property == "lower_cased")
    assert row.p_value < 1e-9
    assert not row.differs


def test_a_few_prompts_with_many_answers_are_few() -> None:
    """Three prompts a side, all answers of a prompt alike: documents alone would be certain."""
    human = [text.lower() if i % 3 == 0 else text for i, text in enumerate(texts(300, 1))]
    model = [text.lower() if i % 3 else text for i, text in enumerate(texts(300, 2))]
    few = [f"p{i % 3}" for i in range(300)]
    assert "lower_cased" in named(sums(human), sums(model))
    assert named(sums(human, few), sums(model, few)) == set()


@pytest.mark.parametrize("sizes", [(100, 100), (50, 1_000), (1_000, 50), (300, 3_000)])
def test_parts_of_one_source_have_one_share(sizes: tuple[int, int]) -> None:
    """Documents in clusters of one to three alike; p <= .05 in about .05, and below .001 hardly."""
    rng = np.random.default_rng(sum(sizes))
    found = []
    for _ in range(400):
        human, model = (_clustered(rng, n) for n in sizes)
        found.append(difference_p(human, model, share=True))
    assert 0.005 <= np.mean(np.array(found) <= 0.05) <= 0.08
    assert np.mean(np.array(found) < 0.001) <= 0.0075


def _clustered(rng: np.random.Generator, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    size = rng.integers(1, 4, n)
    size = size[np.cumsum(size) <= n]
    has = (rng.random(len(size)) < 0.2) * size
    blocks = rng.integers(0, 64, len(size))
    top, cases = (np.bincount(blocks, weights, 64).astype(np.int64) for weights in (has, size))
    return top, cases


@pytest.mark.parametrize("sides", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_side_is_not_compared(sides: tuple[int, int]) -> None:
    assert rows(sums(texts(sides[0])), sums(texts(sides[1]))) == []


def listed(text: str, share: float, docs: tuple[int, int], sign: int = 1) -> dict[str, object]:
    return {
        "text": text,
        "share": share,
        "contribution": sign * 1e-6,
        "docs_human": docs[0],
        "docs_model": docs[1],
    }


def test_a_token_of_a_handful_of_documents() -> None:
    found = token_rows(
        [
            listed("loop", 0.3, (0, 4)),
            listed("common", 0.3, (0, 40)),  # many documents have it: that is style
            listed("small", 0.1, (0, 1)),
            listed("of human", 0.21, (3, 0), -1),
            listed("", 0.9, (0, 1)) | {"text": None},
        ],
        (500, 400),
    )
    assert [row.property for row in found] == ["token loop", "token of human"]
    assert (found[0].value_human, found[0].value_model) == (0, 0.01)
    assert "few documents of the model side" in found[0].advice
    assert "few documents of the human side" in found[1].advice
    assert token_rows([listed("loop", 0.3, (0, 1))], (500, 60)) == []  # of so few one is much


# --- real texts ----------------------------------------------------------------------------------


def real(data: Path, corpus: str, model: str | None) -> list[str]:
    table = pq.read_table(data / f"{corpus}.parquet", columns=["model", "text"])
    own = pc.is_null(table["model"]) if model is None else pc.equal(table["model"], model)
    found: list[str] = table.filter(own)["text"].to_pylist()
    return found[:: max(1, len(found) // 400)]  # of all domains


def found_in(data: Path, corpus: str, model: str) -> dict[str, PropertyRow]:
    human, other = sums(real(data, corpus, None)), sums(real(data, corpus, model))
    return {row.property: row for row in rows(human, other) if row.differs}


def test_sides_that_were_cleaned_alike_are_quiet_about_it(data: Path) -> None:
    """fdg: both cut at about 200 tokens, white space collapsed on both sides."""
    found = found_in(data, "fdg", "gpt2-xl")
    assert not found.keys() & {
        "non_ascii",
        "lower_cased",
        "tokenized_spacing",
        "single_line",
        "newlines",
        "cut_off",
        "one_length",
        "median_words",
        "language_en",
    }


def test_line_structure_of_chat_answers(data: Path) -> None:
    for corpus, model in (("jhu_temp", "gpt-4"), ("self_instruct", "davinci")):
        found = found_in(data, corpus, model)
        assert {"single_line", "newlines", "cut_off"} <= found.keys()
        assert found["newlines"].value_model > 3 * found["newlines"].value_human


@pytest.mark.parametrize("corpus", ["biscope", "fdg", "outfox"])
def test_human_text_against_itself(data: Path, corpus: str) -> None:
    """A few splits of what benchmarks/comparability.py does a hundred times."""
    own = real(data, corpus, None)
    rng = np.random.default_rng(0)
    for first in (200, 40, 360):
        order = rng.permutation(len(own))
        sides = [[own[i] for i in part] for part in (order[:first], order[first:])]
        assert named(sums(sides[0]), sums(sides[1])) == set()
