"""Real human and model text: exact against the definition, calibrated where both are human."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.lenses.metric import Metric
from dftspark.text.tokens import Words
from tests import reference
from tests.audits import Documents, compared, metrics, settings

pytestmark = pytest.mark.data

MODELS = {
    "outfox": ("gpt-3.5-turbo-0613", "flan-t5-xxl"),
    "fdg": ("gpt2-xl", "gpt-4"),
}
AUDIT = settings(
    inference={"permutations": 199, "splits": 40},
    ngrams={"phrases": 100, "table_rows": 10, "sketch_width": 1024},
)
SHARE = 0.6  # of the prompts on one side of a split


def read(data: Path, corpus: str, model: str | None) -> tuple[list[str], list[str]]:
    """Texts and prompts of one side."""
    path = data / f"{corpus}.parquet"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the reference corpora")
    rows = pq.read_table(path, columns=["model", "text", "prompt_id"]).to_pylist()
    own = [row for row in rows if row["model"] == model]
    return [row["text"] for row in own], [row["prompt_id"] for row in own]


def words_of(texts: list[str]) -> list[list[str]]:
    array = pa.array(texts)
    tokens = Words().tokenize(array, spans=True)
    words = Words().token_texts(array, tokens, 0, len(tokens.hashes))
    return [words[start:end] for start, end in pairwise(tokens.offsets)]


@pytest.mark.parametrize("corpus", list(MODELS))
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_l2_is_its_definition(data: Path, corpus: str, n: int, step: int) -> None:
    """Token-weighted to rounding; the rates of single documents are kept to 40 bits."""
    human, *models = (
        (texts[::step], prompts[::step])
        for texts, prompts in (read(data, corpus, model) for model in (None, *MODELS[corpus]))
    )
    rates = [reference.token_rates, reference.document_rates]
    words = words_of(human[0])
    expected = [of(words, n) for of in rates]
    state = Documents.of(*human).profile(n)
    for texts, prompts in models:
        sides = state, Documents.of(texts, prompts).profile(n)
        found = metrics(compared(sides, n, AUDIT, paired=True))
        words = words_of(texts)
        for name, of, own, error in zip(
            ("l2", "l2_docs"), rates, expected, (1e-12, 1e-9), strict=True
        ):
            distance = reference.l2(own, of(words, n))
            assert found[name].value == pytest.approx(distance, rel=error)


def below(share: float, runs: int) -> float:
    """Four binomial standard errors below a share."""
    return share - 4 * float(np.sqrt(share * (1 - share) / runs))


def split(documents: Documents, n: int, seed: int) -> dict[str, Metric]:
    """Some prompts, drawn at random, against the others.

    The tokens of each side are counted anew: that costs less than to take stored states apart,
    whose rows hold the sum of a block's clusters. The blocks of each split are of a hash of its
    own, so that splits are independent in all but the documents.
    """
    order = np.random.default_rng((n, seed)).permutation(len(documents.clusters))
    cut = round(SHARE * len(order))
    sides = [documents.profile(n, part, f"split {seed}") for part in (order[:cut], order[cut:])]
    return metrics(compared(sides, n, AUDIT))


@pytest.mark.parametrize("runs", [15, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("corpus", list(MODELS))
def test_human_against_human_is_as_the_level_says(
    data: Path, corpus: str, n: int, runs: int
) -> None:
    """A random split is a draw from the null hypothesis, whatever the documents are."""
    texts, prompts = read(data, corpus, None)
    assert len(set(prompts)) == len(prompts)  # so that a split of documents is one of prompts
    documents = Documents.of(texts, prompts)
    found = [split(documents, n, seed) for seed in range(runs)]
    for name in ("l2_squared_corrected", "l2_docs_squared_corrected"):
        own = [metric[name].inference for metric in found]
        covered = np.mean([i.ci_low <= 0 <= i.ci_high for i in own])
        rejected = np.mean([i.p_value <= 0.05 for i in own])
        values = np.array([metric[name].value for metric in found])
        print(f"{corpus} {name}_{n}gram: covered {covered:.3f}, rejected {rejected:.3f}")
        assert covered >= below(0.95, runs), name
        assert rejected <= 0.05 + 0.05 - below(0.05, runs), name
        assert abs(values.mean()) <= 4 * values.std() / np.sqrt(runs), name
    divergence = np.mean([metric["js"].inference.p_value <= 0.05 for metric in found])
    assert divergence <= 0.05 + 0.05 - below(0.05, runs)
