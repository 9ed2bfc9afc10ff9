"""The measures against values worked out on paper and against plain Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftspark.lenses.structure import document_vectors, measures, patterns
from dftspark.lenses.structure.document_vectors import DocumentVectors
from dftspark.text import stream


def vectors(*texts: str) -> DocumentVectors:
    return document_vectors.of(pa.array(list(texts)), pa.array(["c"] * len(texts)))


def count(text: str, name: str) -> int:
    return int(vectors(text).counts[0, document_vectors.columns().index(name)])


def mean(text: str, name: str) -> float:
    value = int(vectors(text).means[0, measures.MEANS.index(name)])
    return value / measures.ONE if value >= 0 else float("nan")


def histogram(name: str, *texts: str) -> list[int]:
    i = [h.id for h in measures.HISTOGRAMS].index(name)
    both = vectors(*texts).histograms.sum(axis=0)[measures.STARTS[i] : measures.STARTS[i + 1]]
    return [int(n) for n in both]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("One two. Three four five!", "words", 5),
        ("One two. Three four five!", "sentences", 2),
        ("A title\n\nIt ends here. So. It does.\n\n- item one.", "paragraphs", 1),
        ("It is. So it is.\n\nIt is not.\n\nHe is.", "alike_paragraphs", 1),
        ("It is. So it is.\n\nIt is not.\n\nHe is.", "paragraph_pairs", 2),
        ("The a. The b. The c. The d. No.", "alike_sentences", 4),
        ("The a. The b. No. The c.", "alike_sentences", 0),
        ("the a. The b. The c.", "alike_sentences", 3),
        ("We met Ann Lee in New York, and I left.", "names", 2),
        ("Ann met Bob. Carl slept.", "names", 1),
        ('He said "go on now" and left.', "quoted_words", 3),
        ("banana code table rhythm", "syllables", 3 + 1 + 2 + 1),
        ("a b c d a b c e", "repeated_trigrams", 1),
        ("a b c\n\na b c", "repeated_trigrams", 1),
        ("Nice 😀 work ✅!", "emoji", 2),
        ("Он ran дом.", "words_cyrillic", 2),
        ("Он ran дом.", "documents_not_latin", 1),
        ("He ran.", "documents_not_latin", 0),
        ("Short one. " + "Word " * 30 + "end.", "long_sentences", 1),
        ("Short one. " + "Word " * 30 + "end.", "short_sentences", 1),
    ],
)
def test_counts(text: str, name: str, value: int) -> None:
    assert count(text, name) == value


def test_an_empty_document_counts_as_one_without_words() -> None:
    found = vectors("", "a")
    assert found.counts[:, :2].tolist() == [[1, 0], [1, 1]]
    assert (found.means[0] == -1).all()
    assert found.histograms.sum() == 2  # one word, one document that has any


def test_sentence_lengths() -> None:
    found = histogram("sentence_words", "One two. Three four five. A heading", "Six.")
    assert found[:4] == [1, 1, 1, 0]
    assert histogram("sentence_step", "One two. Three four five. Six.")[:3] == [0, 1, 1]


def test_variation_of_sentence_lengths() -> None:
    lengths = [1, 2, 3, 4, 10]
    text = " ".join("Word" + " word" * (n - 1) + "." for n in lengths)
    expected = np.std(lengths, ddof=1) / np.mean(lengths)
    assert mean(text, "sentence_variation") == pytest.approx(expected, abs=1e-4)
    assert np.isnan(mean("One. Two.", "sentence_variation"))


def test_grade() -> None:
    text = "The cat sat. The dog ran. The hen lay."
    assert mean(text, "grade") == pytest.approx(max(0, 0.39 * 3 + 11.8 - 15.59), abs=1e-4)
    hard = "Extraordinary circumstances necessitate investigation. " * 3
    syllables = 5 + 4 + 4 + 5  # extraordinary counted as runs: e-ao-i-a-y
    expected = 0.39 * 4 + 11.8 * syllables / 4 - 15.59
    assert mean(hard, "grade") == pytest.approx(expected, abs=1e-3)


words = st.lists(st.sampled_from(list("abcdefgh")), min_size=1, max_size=160)


@given(words=words)
@settings(max_examples=60, deadline=None)
def test_type_token_ratio_and_trigrams(words: list[str]) -> None:
    text = " ".join(words)
    n, window = len(words), measures.WINDOW
    if n >= window:
        shares = [len(set(words[i : i + window])) / window for i in range(n - window + 1)]
        assert mean(text, "type_token_ratio") == pytest.approx(np.mean(shares), abs=1e-4)
    else:
        assert np.isnan(mean(text, "type_token_ratio"))
    grams = Counter(zip(words, words[1:], words[2:], strict=False))
    assert count(text, "trigrams") == sum(grams.values())
    assert count(text, "repeated_trigrams") == sum(grams.values()) - len(grams)


def slow_phrases(data: bytes) -> int:
    known: set[bytes] = set()
    phrases, start = 0, 0
    for end in range(1, len(data) + 1):
        if data[start:end] not in known:
            known.add(data[start:end])
            phrases, start = phrases + 1, end
    return phrases


@given(st.text(alphabet="abc d.", min_size=1000, max_size=1300))
@settings(max_examples=20, deadline=None)
def test_compressibility(text: str) -> None:
    expected = slow_phrases(text.encode()[: measures.SAMPLE_BYTES]) / measures.SAMPLE_BYTES
    assert mean(text, "compressibility") == pytest.approx(expected, abs=1e-4)


def test_repeated_text_compresses_more() -> None:
    rng = np.random.default_rng(0)
    varied = "".join(rng.choice(list("abcdefghij klm"), 1200))
    assert mean("the same again " * 80, "compressibility") < 0.5 * mean(varied, "compressibility")


def test_opener_variety() -> None:
    alike, unlike = "The cat sat. " * 10, " ".join(f"{c}at sat." for c in "BCFHMPRSVZ")
    assert mean(alike, "opener_variety") == pytest.approx(0.1, abs=1e-4)
    assert mean(unlike, "opener_variety") == pytest.approx(1.0, abs=1e-4)


TEXTS = [
    "It's not x, it's y. The end.\n\n- one\n- two",
    "",
    'He said "no". Why? Because.',
    "Он ran. 👍",
    "The a. The b. The c. " * 9,
]


def test_vectors_do_not_depend_on_the_batch() -> None:
    clusters = ["p", "q", "p", "r", "s"]
    whole = document_vectors.of(pa.array(TEXTS), pa.array(clusters))
    histograms = np.zeros_like(whole.histograms)
    for i in range(len(TEXTS)):
        alone = document_vectors.of(pa.array(TEXTS[i : i + 1]), pa.array(clusters[i : i + 1]))
        assert (alone.counts[0] == whole.counts[i]).all()
        assert (alone.means[0] == whole.means[i]).all()
        assert alone.clusters[0] == whole.clusters[i]
        histograms += alone.histograms
    assert (histograms == whole.histograms).all()
    assert whole.clusters[0] == whole.clusters[2] != whole.clusters[1]


def test_sliced_and_large_arrays_are_read_alike() -> None:
    whole = document_vectors.of(pa.array(TEXTS), pa.array(["c"] * 5))
    sliced = document_vectors.of(pa.array(["x", *TEXTS])[1:], pa.array(["c"] * 5))
    large = document_vectors.of(pa.array(TEXTS, pa.large_string()), pa.array(["c"] * 5))
    for other in (sliced, large):
        assert (other.counts == whole.counts).all()
        assert (other.means == whole.means).all()


def test_columns_name_every_count() -> None:
    names = document_vectors.columns()
    assert len(names) == len(set(names)) == vectors("a").counts.shape[1]
    assert names[: len(measures.COUNTS)] == measures.COUNTS
    assert stream.WORDS.lowercase
    assert patterns.bundled().program.names == names[len(measures.COUNTS) :]
