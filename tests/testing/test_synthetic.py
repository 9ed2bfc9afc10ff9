"""Synthetic corpora: any slice is the whole's, planted rates are true, and text behaves as text."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from dftspark.errors import ConfigError
from dftspark.testing.synthetic import SCHEMA, Phrase, Role, SyntheticSource

WORTH = Phrase(text="it is worth noting", per_thousand=0.5, times=4)
DELVE = Phrase(text="delve into", per_thousand=2.0, times=0.5)
PLANTED = SyntheticSource(
    seed=11, documents_per_prompt=3, phrases=(WORTH, DELVE), topic_shift=0.2, duplicates=0.1
)


def texts(source: SyntheticSource, n: int, role: Role = "human", start: int = 0) -> list[str]:
    return [str(t) for t in source.documents(n, start=start, role=role)["text"].to_pylist()]


def words_of(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> tuple[float, float]:
    """sum(part) / sum(whole) over documents, and its standard error by linearization."""
    value = part.sum() / whole.sum()
    residuals = part - value * whole
    return float(value), float(np.sqrt(len(part)) * residuals.std(ddof=1) / whole.sum())


@pytest.mark.parametrize("role", ["human", "model"])
def test_any_slices_in_any_order_are_the_whole(role: Role) -> None:
    whole = PLANTED.documents(500, role=role)
    cuts = [0, 1, 2, 131, 131, 400, 500]
    parts = {
        a: PLANTED.documents(b - a, start=a, role=role)
        for a, b in reversed(list(itertools.pairwise(cuts)))
        if a < b
    }
    assert pa.Table.from_batches([parts[a] for a in sorted(parts)]).combine_chunks() == (
        pa.Table.from_batches([whole]).combine_chunks()
    )
    streamed = list(PLANTED.batches(370, start=130, role=role, rows=97))
    assert [batch.num_rows for batch in streamed] == [97, 97, 97, 79]
    assert pa.Table.from_batches(streamed).equals(pa.Table.from_batches([whole.slice(130)]))


def test_the_same_source_makes_the_same_text_for_ever() -> None:
    # Written down once: a change of it changes the numbers of everybody's benchmarks.
    first = texts(SyntheticSource(seed=3), 1)[0]
    assert first.startswith("Clacom lobreark, gearal, teamal grothond lem feat. Lufoust lost")
    assert texts(SyntheticSource(seed=3), 40) == texts(SyntheticSource(seed=3), 40)
    assert not set(texts(SyntheticSource(seed=3), 40)) & set(texts(SyntheticSource(seed=4), 40))
    assert not set(texts(SyntheticSource(seed=3), 40)) & set(
        texts(SyntheticSource(seed=3), 40, "model")
    )


def test_columns() -> None:
    batch = PLANTED.documents(7, start=5, role="model")
    assert batch.schema == SCHEMA
    assert batch["doc_id"].to_pylist() == [f"model-{i}" for i in range(5, 12)]
    human = PLANTED.documents(7, start=5)
    assert human["doc_id"][0].as_py() == "human-5"
    assert human["prompt_id"].to_pylist() == [f"prompt-{i // 3}" for i in range(5, 12)]
    assert PLANTED.documents(0).num_rows == 0


def test_text_is_sentences_of_made_up_words() -> None:
    sentence = r"[A-Z][a-z]*(,? [a-z]+)*\."
    for text in texts(PLANTED, 60, "model"):
        assert re.fullmatch(rf"{sentence}( {sentence})*", text)


@pytest.mark.parametrize(("vocabulary", "topics"), [(50_000, 100), (2_001, 12), (130, 2)])
def test_the_vocabulary(vocabulary: int, topics: int) -> None:
    source = SyntheticSource(seed=5, vocabulary=vocabulary, topics=topics)
    assert len(set(source.words)) == len(source.words) == vocabulary
    assert not any(word[0] in "aeiou" for word in source.words)
    assert (vocabulary - source.common_words) % topics == 0
    assert 128 <= source.common_words < 128 + topics
    assert {word for text in texts(source, 50) for word in words_of(text)} <= set(source.words)


@pytest.mark.parametrize(("role", "n", "start"), [("human", 4_000, 0), ("model", 2_500, 700)])
def test_planted_phrases_come_at_their_rates(role: Role, n: int, start: int) -> None:
    source = SyntheticSource(seed=12, mean_tokens=200, phrases=(WORTH, DELVE))
    sample = texts(source, n, role, start)
    lengths = np.array([len(words_of(text)) for text in sample], float)
    for phrase in source.phrases:
        counts = np.array([text.count(f" {phrase.text}") for text in sample], float)
        rate, error = ratio(1000 * counts, lengths)
        assert error < 0.2 * phrase.rate(role)  # far below the factors of 4 and of 1/2
        assert rate == pytest.approx(phrase.rate(role), abs=4 * error)
    assert lengths.mean() == pytest.approx(200, abs=4 * lengths.std() / np.sqrt(n))


def test_rates_are_exact_where_planting_is_dense() -> None:
    # A fifth of human and two fifths of model words: a rate per free word would be 25% or 67% off.
    source = SyntheticSource(
        seed=13, phrases=(Phrase(text="on and on and", per_thousand=50, times=2),)
    )
    for role, n, expected in (("human", 900, 50), ("model", 600, 100)):
        sample = texts(source, n, "model" if role == "model" else "human")
        counts = np.array([text.count(" on and on and") for text in sample], float)
        lengths = np.array([len(words_of(text)) for text in sample], float)
        rate, error = ratio(1000 * counts, lengths)
        assert rate == pytest.approx(expected, abs=4 * error)
        # What is planted lengthens nothing: both sides keep the mean that was asked for.
        assert lengths.mean() == pytest.approx(300, abs=4 * lengths.std() / np.sqrt(n))


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_topic_weights_and_their_total_variation(shift: float) -> None:
    source = SyntheticSource(seed=14, topics=4, mean_tokens=120, topic_shift=shift)
    topic = {
        word: (j - source.common_words) % 4
        for j, word in enumerate(source.words)
        if j >= source.common_words
    }
    sides: tuple[tuple[Role, int], ...] = (("human", 2_000), ("model", 1_500))
    for role, n in sides:
        counts = np.zeros((n, 4))
        # Other prompts for each side: those of one number share topics, which ties the sides.
        for i, text in enumerate(texts(source, n, role, 0 if role == "human" else 2_000)):
            for word in words_of(text):
                if word in topic:
                    counts[i, topic[word]] += 1
        weights = source.topic_weights(role)
        assert weights.sum() == pytest.approx(1)
        for t in range(4):
            share, error = ratio(counts[:, t], counts.sum(axis=1))
            assert error < 0.01
            assert share == pytest.approx(weights[t], abs=4 * error)
    apart = source.topic_weights("model") - source.topic_weights("human")
    assert np.abs(apart).sum() / 2 == pytest.approx(shift)


def test_duplicates_have_their_share_and_new_names() -> None:
    source = SyntheticSource(seed=15, documents_per_prompt=2, mean_tokens=40, duplicates=0.15)
    rows = source.documents(6_000, role="model").to_pylist()
    assert len({row["doc_id"] for row in rows}) == 6_000
    first: dict[str, str] = {}
    repeats = 0
    for row in rows:
        repeats += row["text"] in first
        assert first.setdefault(row["text"], row["prompt_id"]) == row["prompt_id"]
    assert repeats / 6_000 == pytest.approx(0.15, abs=4 * np.sqrt(0.15 * 0.85 / 6_000))
    assert len(set(texts(source, 2_000))) == 2_000  # the human side has none


def test_documents_of_a_prompt_share_topics_within_and_between_sides() -> None:
    source = SyntheticSource(seed=16, topics=50, documents_per_prompt=2)
    topic = {
        word: (j - source.common_words) % 50
        for j, word in enumerate(source.words)
        if j >= source.common_words
    }

    def profile(text: str) -> NDArray[np.float64]:
        counts = np.bincount([topic[w] for w in words_of(text) if w in topic], minlength=50)
        return np.asarray(counts / np.linalg.norm(counts))

    human = np.array([profile(text) for text in texts(source, 400)])
    model = np.array([profile(text) for text in texts(source, 300, "model")])
    within = (human[0::2] * human[1::2]).sum(axis=1)
    between = (human[:300] * model).sum(axis=1)
    strangers = (human[:300] * np.roll(model, 40, axis=0)).sum(axis=1)
    error = np.hypot(within.std() / np.sqrt(200), strangers.std() / np.sqrt(300))
    assert within.mean() - strangers.mean() > 10 * error
    assert between.mean() == pytest.approx(within.mean(), abs=4 * error)


def test_words_are_zipfian_and_bursty_and_four_grams_mostly_distinct() -> None:
    source = SyntheticSource(seed=17)
    documents = [words_of(text) for text in texts(source, 500)]
    counts = Counter(word for words in documents for word in words)
    ranked = np.array(sorted(counts.values(), reverse=True), float)
    ranks = np.arange(10, 1_001)
    slope = np.polyfit(np.log(ranks + 2.7), np.log(ranked[ranks - 1]), 1)[0]
    # Followers hash the frequencies of the lists on to other words: 1.05 holds roughly.
    assert slope == pytest.approx(-1.05, abs=0.2)

    # Variance over mean of a word's count in a document, against the same words dealt anew to
    # documents of the same lengths, for which it is 1: 400 words, 500 documents.
    frequent = [word for word, _ in counts.most_common(500)[100:]]
    dealt = np.random.default_rng(1).permutation([w for words in documents for w in words])
    cuts = np.cumsum([len(words) for words in documents])[:-1]
    assert dispersion([list(part) for part in np.split(dealt, cuts)], frequent) < 1.05
    assert dispersion(documents, frequent) > 1.5

    grams = Counter(
        g for words in documents for g in zip(*(words[k:] for k in range(4)), strict=False)
    )
    assert 0.7 < len(grams) / grams.total() < 1
    half = len({word for words in documents[:250] for word in words})
    assert 1.15 < len(counts) / half < 1.8  # Heaps: still growing, ever more slowly


def dispersion(documents: list[list[str]], chosen: list[str]) -> float:
    """Mean over words of sum (count - expected)^2 / sum expected; 1 for Poisson counts."""
    place = {word: j for j, word in enumerate(chosen)}
    table = np.zeros((len(documents), len(chosen)))
    for i, words in enumerate(documents):
        for word in words:
            if word in place:
                table[i, place[word]] += 1
    lengths = np.array([len(words) for words in documents], float)
    expected = np.outer(lengths / lengths.sum(), table.sum(axis=0))
    return float((((table - expected) ** 2).sum(axis=0) / expected.sum(axis=0)).mean())


def test_written_files_hold_the_documents(tmp_path: Path) -> None:
    path = tmp_path / "model.parquet"
    source = SyntheticSource(seed=18, mean_tokens=20, duplicates=0.1)
    source.write(path, 5_000, start=100, role="model")
    file = pq.ParquetFile(path)
    assert file.num_row_groups == 2  # streamed
    whole = source.documents(5_000, start=100, role="model")
    assert file.read().equals(pa.Table.from_batches([whole]))


@pytest.mark.parametrize("text", ["", "worth noting", "It is", "it  is", "it is.", "élan", " is"])
def test_a_phrase_must_be_words_that_are_not_made_up(text: str) -> None:
    with pytest.raises(ConfigError, match="try 'it is worth noting'"):
        Phrase(text=text, per_thousand=1)


def test_sources_that_cannot_be_say_everything_that_is_wrong() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        Phrase(text="it is", per_thousand=-1)
    with pytest.raises(ConfigError) as error:
        SyntheticSource(seed=-1, vocabulary=100, topics=7, mean_tokens=1, documents_per_prompt=0)
    for name in ("seed", "vocabulary", "topics", "mean_tokens", "documents_per_prompt"):
        assert f"\n  {name} is" in str(error.value)
    with pytest.raises(ConfigError, match=r"exponent is .*\n.*topic_shift is .*\n.*duplicates is"):
        SyntheticSource(exponent=0, topic_shift=0.6, duplicates=1)
    with pytest.raises(ConfigError, match="at most half of the words"):
        SyntheticSource(phrases=(Phrase(text="it is", per_thousand=100, times=3),))
    with pytest.raises(ConfigError, match="role is 'human' or 'model'"):
        SyntheticSource().documents(3, role="machine")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"Source.batches\(\)"):
        SyntheticSource().documents(10**6)
