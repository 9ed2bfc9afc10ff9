"""What is planted is found, in its size; where nothing is planted nothing is found.

From made-up text through tokens, counts and comparison. Simulations take seconds each; their long
forms are slow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.inference.log_odds import PRIOR_SHARE
from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.testing.synthetic import Phrase, SyntheticSource
from tests.audits import Documents, compared, metrics, settings

Floats = NDArray[np.float64]
Listed = dict[str, NDArray[Any]]

OVERUSED = Phrase(text="it is worth noting", per_thousand=0.5, times=4)
AS_MUCH = Phrase(text="as ever in all", per_thousand=1.0)
ELSEWHERE = 10_000_000  # prompts from here on are none of the human side's
PLUG_INS = ("l2", "l2_docs", "js", "tv")
SQUARES = ("l2_squared_corrected", "l2_docs_squared_corrected")


def drawn(
    source: SyntheticSource, n: int, role: str = "human", start: int = 0, by: str = "prompt_id"
) -> Documents:
    batch = source.documents(n, start=start, role=role)  # type: ignore[arg-type]
    return Documents.of(batch["text"], batch[by].to_pylist())


def keys_of(documents: Documents, n: int) -> NDArray[np.uint64]:
    return np.asarray(ngram_keys(documents.hashes, documents.offsets, n))


# --- phrases ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted() -> tuple[Documents, Documents]:
    source = SyntheticSource(
        seed=3, vocabulary=4_000, topics=20, mean_tokens=150, phrases=(OVERUSED, AS_MUCH)
    )
    return drawn(source, 900), drawn(source, 600, "model", ELSEWHERE)


@pytest.fixture(scope="module")
def tables(planted: tuple[Documents, Documents]) -> dict[int, Listed]:
    """The listed n-grams of each order."""
    return {n: compared((side.profile(n) for side in planted), n, AUDIT).listed for n in (1, 2, 3)}


AUDIT = settings(
    inference={"permutations": 99, "splits": 20}, ngrams={"phrases": 100_000, "table_rows": 100_000}
)


def rows_of(listed: Listed, phrase: Phrase, n: int) -> NDArray[np.int64]:
    """Where the n-grams inside a phrase are listed."""
    own = keys_of(Documents.of([phrase.text], ["phrase"]), n)
    own = own[own != 0]
    at = np.flatnonzero(np.isin(listed["key"], own))
    assert len(at) == len(own)
    return at


@pytest.mark.simulation
@pytest.mark.parametrize("n", [2, 3])
def test_a_phrase_is_found_in_its_size(
    planted: tuple[Documents, Documents], tables: dict[int, Listed], n: int
) -> None:
    listed = tables[n]
    tokens = [int((keys_of(side, n) != 0).sum()) for side in planted]
    for phrase in (OVERUSED, AS_MUCH):
        at = rows_of(listed, phrase, n)
        human, model = (listed[name][at].astype(float) for name in ("count_human", "count_model"))
        # Occurrences are independent trials, so counts are Poisson but for the mean.
        error = np.sqrt(1 / human + 1 / model)
        ratio = (model / tokens[1]) / (human / tokens[0])
        assert (np.abs(np.log(ratio / phrase.times)) <= 4 * error).all()
        assert (4 * error < np.log(4)).all()  # or 1 and 4 are not told apart

        rate = human.sum() + model.sum()
        rate /= len(at) * (tokens[0] + phrase.times * tokens[1])
        expected = np.array([rate * tokens[0], phrase.times * rate * tokens[1]])
        prior = PRIOR_SHARE * expected.sum()
        sizes = np.array(tokens) + PRIOR_SHARE * sum(tokens)
        odds = np.log((expected + prior) / (sizes - expected - prior))
        spread = np.sqrt((expected / (expected + prior) ** 2).sum())
        assert (np.abs(listed["log_odds"][at] - (odds[1] - odds[0])) <= 4 * spread).all()
        assert odds[1] - odds[0] <= np.log(phrase.times) + 0.01  # shrunken; odds are not rates
    assert (listed["q_value"][rows_of(listed, OVERUSED, n)] < 0.05).all()
    assert (np.abs(listed["z"][rows_of(listed, AS_MUCH, n)]) < 4).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_phrase_leads_the_list_and_little_else_is_found(
    planted: tuple[Documents, Documents], tables: dict[int, Listed], n: int
) -> None:
    listed = tables[n]
    tested = np.isfinite(listed["q_value"])
    significant = listed["q_value"] < 0.05
    overused = np.flatnonzero(significant & (listed["contribution"] > 0))
    inside = rows_of(listed, OVERUSED, n)
    assert set(overused[: len(inside)]) == set(inside)
    # N-grams with a word of the phrase differ in truth. False findings are, on average, at most
    # 5% of all; that many and four standard deviations of a Poisson count.
    words = Documents.of([OVERUSED.text], ["phrase"]).hashes
    touched: set[int] = set()
    for side in planted:
        keys, is_word = keys_of(side, n), np.isin(side.hashes, words)
        near = np.convolve(is_word, np.ones(n))[n - 1 :] > 0
        touched |= set(keys[near].tolist())
    false = [key for key in listed["key"][significant].tolist() if key not in touched]
    assert tested.sum() > 10 * significant.sum()  # or there is little to be wrong about
    rate = 0.05 * significant.sum()
    assert len(false) <= rate + 4 * np.sqrt(rate)


# --- topics -------------------------------------------------------------------------------------


@pytest.mark.simulation
def test_distances_rise_with_the_shift_of_topics() -> None:
    shifts = (0.0, 0.12, 0.24, 0.48)
    found = []
    for shift in shifts:
        source = SyntheticSource(
            seed=4, vocabulary=4_000, topics=20, mean_tokens=150, topic_shift=shift
        )
        sides = drawn(source, 1_800), drawn(source, 1_200, "model", ELSEWHERE)
        found.append(metrics(compared((side.profile(1) for side in sides), 1, AUDIT)))
    for name in ("tv", "js", *SQUARES):
        values = [metric[name].value for metric in found]
        assert values == sorted(values), name
        errors = [metric[name].inference.std_error for metric in found]
        steps = np.diff(values)[1:] / np.hypot(errors[1:-1], errors[2:])
        assert (steps > 2).all(), name
    for name in SQUARES:
        none, most = found[0][name].inference, found[-1][name].inference
        assert none.ci_low <= 0 <= none.ci_high
        assert none.p_value > 0.05
        assert most.ci_low > 0
        assert most.p_value < 0.05
        # Rates are linear in the shift, so the square of a shift twice as large is four times it.
        half, whole = found[2][name], found[3][name]
        error = np.hypot(4 * half.inference.std_error, whole.inference.std_error)
        assert abs(whole.value - 4 * half.value) <= 4 * error
        assert 4 * error < 2 * whole.value


# --- nothing planted ----------------------------------------------------------------------------


NULL = settings(
    inference={"permutations": 199, "splits": 40},
    ngrams={"phrases": 100, "table_rows": 10, "sketch_width": 1024},
)


def below(share: float, runs: int) -> float:
    """Four binomial standard errors below a share."""
    return share - 4 * float(np.sqrt(share * (1 - share) / runs))


@pytest.mark.simulation
@pytest.mark.parametrize("runs", [40, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n", [1, 2])
def test_one_source_gives_honest_p_values_and_intervals_about_zero(n: int, runs: int) -> None:
    """Acceptance tests A6 and A13 on text, with sides of 300 and 180 documents."""
    from scipy import stats  # takes a second to import

    source = SyntheticSource(seed=7, vocabulary=4_000, topics=20, mean_tokens=80)
    found = []
    for i in range(runs):
        human = drawn(source, 300, start=300 * i)
        model = drawn(source, 180, "model", ELSEWHERE + 180 * i)
        found.append(metrics(compared((human.profile(n), model.profile(n)), n, NULL)))
    for name in ("l2", "l2_docs", "js"):
        p_values = np.array([metric[name].inference.p_value for metric in found])
        # The larger of two p-values may be too large, and must not be too small.
        assert stats.kstest(p_values, "uniform", alternative="greater").pvalue > 1e-3, name
        assert (p_values <= 0.05).mean() <= 0.07 + 0.07 - below(0.07, runs), name
    for name in SQUARES:
        values = np.array([metric[name].value for metric in found])
        low, high = (
            np.array([getattr(metric[name].inference, end) for metric in found])
            for end in ("ci_low", "ci_high")
        )
        assert ((low <= 0) & (high >= 0)).mean() >= below(0.95, runs), name
        assert abs(values.mean()) <= 4 * values.std() / np.sqrt(runs), name
    for name in PLUG_INS:
        ratios = [metric[name].value / metric[name].inference.floor for metric in found]
        assert 0.5 < np.median(ratios) < 1, name
        assert max(ratios) < 1.5, name


def rejected(by: str, runs: int) -> float:
    """Share of p-values of at most .05 where half of the model's documents are copies."""
    p_values = []
    for i in range(runs):
        source = SyntheticSource(
            seed=100 + i, vocabulary=1_000, topics=20, mean_tokens=60, duplicates=0.5
        )
        human = drawn(source, 200, start=ELSEWHERE, by=by)
        model = drawn(source, 300, "model", by=by)
        found = metrics(compared((human.profile(1), model.profile(1)), 1, NULL))
        p_values.append(found["l2"].inference.p_value)
    return float((np.array(p_values) <= 0.05).mean())


@pytest.mark.simulation
@pytest.mark.parametrize("runs", [25, pytest.param(300, marks=pytest.mark.slow)])
def test_copies_count_once_where_the_prompt_is_the_cluster(runs: int) -> None:
    """Acceptance test A7 on text, and that rows as clusters would fail here."""
    assert rejected("prompt_id", runs) <= 0.08 + 0.08 - below(0.08, runs)
    assert rejected("doc_id", runs) > 0.5
