"""The words tokenizer against a regular expression, and by hand where that ends."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftspark import config
from dftspark.errors import ConfigError
from dftspark.text.tokens import Tokenized, Words, tokenizer
from dftspark.text.unicode import SPACE, classes
from tests.reference import simple_words


def tokens(text: str, lowercase: bool = False) -> list[str]:
    words, texts = Words(lowercase), pa.array(["before", text, "after"])
    batch = words.tokenize(texts, spans=True)
    first, last = int(batch.offsets[1]), int(batch.offsets[2])
    assert batch.offsets.tolist() == [0, 1, last, last + 1]
    return words.token_texts(texts, batch, first, last - first)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop.", ["Don't", "stop", "."]),
        ("it\u2019s rock'n'roll", ["it\u2019s", "rock'n'roll"]),
        ("'quoted' dogs' ''", ["'", "quoted", "'", "dogs", "'", "'", "'"]),
        ("3.14, 1,000. v2.0 2,", ["3.14", ",", "1,000", ".", "v2.0", "2", ","]),
        ("well-known \u2014 x_1", ["well", "-", "known", "\u2014", "x_1"]),
        ("naive cafe\u0301!", ["naive", "cafe\u0301", "!"]),
        ("\u6f22\u5b57\u304b\u306aABC", ["\u6f22", "\u5b57", "\u304b", "\u306a", "ABC"]),
        ("\ud55c\uad6d\uc5b4 \u0440\u0443\u0441", ["\ud55c\uad6d\uc5b4", "\u0440\u0443\u0441"]),
        (
            "\U0001f469\u200d\U0001f4bb\U0001f44d\U0001f3fd!",
            ["\U0001f469\u200d\U0001f4bb", "\U0001f44d\U0001f3fd", "!"],
        ),
        ("a\u00a0b\u3000c\td\n\ne", ["a", "b", "c", "d", "e"]),
        ("e.g. U.S.", ["e", ".", "g", ".", "U", ".", "S", "."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_by_hand(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_case_is_kept_unless_asked() -> None:
    assert tokens("The \u00c9t\u00e9 \u0130") == ["The", "\u00c9t\u00e9", "\u0130"]
    assert tokens("The \u00c9t\u00e9", lowercase=True) == ["the", "\u00e9t\u00e9"]
    upper, lower = (Words(True).tokenize(pa.array([t])).hashes for t in ("THE", "the"))
    assert upper.tolist() == lower.tolist()
    assert Words().tokenize(pa.array(["THE"])).hashes.tolist() != lower.tolist()


_PLAIN = st.text(alphabet="abzAZ\u00e9\u00df\u0436019 .,;!?()\u2014\"'\u2019\n\t$%", max_size=60)


@given(_PLAIN)
@settings(max_examples=400, deadline=None)
def test_equals_a_regular_expression(text: str) -> None:
    assert tokens(text) == simple_words(text)


_ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(_ANY, max_size=8))
@settings(max_examples=200, deadline=None)
def test_tokens_are_the_text_without_white_space(texts: list[str]) -> None:
    array = pa.array(texts, pa.string())
    batch = Words().tokenize(array, spans=True)
    kinds = classes()
    for text, first, last in zip(texts, batch.offsets[:-1], batch.offsets[1:], strict=True):
        joined = "".join(Words().token_texts(array, batch, int(first), int(last - first)))
        assert joined == "".join(c for c in text if kinds[ord(c)] != SPACE)


def test_equal_tokens_have_equal_hashes_and_batches_do_not_matter() -> None:
    texts = ["the cat, the dog", "dog the", "the"]
    whole = Words().tokenize(pa.array(texts)).hashes.tolist()
    parts = [h for t in texts for h in Words().tokenize(pa.array([t])).hashes.tolist()]
    assert whole == parts
    assert whole[0] == whole[3] == whole[6] == whole[7]
    assert len(set(whole)) == 4


@given(st.lists(st.text(max_size=40), max_size=4))
def test_both_forms_at_once_are_those_of_each_alone(texts: list[str]) -> None:
    array = pa.array(texts, pa.string())
    shared = Tokenized(array)
    for words in (Words(lowercase=True), Words(lowercase=False)):
        alone, batch = words.tokenize(array, spans=True), shared.by(words)
        for name in ("hashes", "starts", "ends", "offsets"):
            assert getattr(batch, name).tolist() == getattr(alone, name).tolist()
    assert len(shared.made) == 2


def test_slices_and_nulls() -> None:
    array = pa.array(["one", None, "two three", "four"])
    batch = Words().tokenize(array.slice(1, 2), spans=True)
    assert batch.offsets.tolist() == [0, 0, 2]
    assert Words().token_texts(array.slice(1, 2), batch, 0, 2) == ["two", "three"]


def test_an_unreadable_tokenizer_file_says_which(tmp_path: pytest.TempPathFactory) -> None:
    path = f"{tmp_path}/tokenizer.json"
    with pytest.raises(ConfigError, match=r"tokenizer\.json.*give the path"):
        tokenizer(config.Tokens(tokenizer=f"hf:{path}"))


def test_hugging_face_tokens(tmp_path: pytest.TempPathFactory) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    encoder = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
    encoder.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=320, special_tokens=["[UNK]"])
    encoder.train_from_iterator(["the cat and the dog and the bird"] * 5, trainer)
    path = f"{tmp_path}/tokenizer.json"
    encoder.save(path)
    ours = tokenizer(config.Tokens(tokenizer=f"hf:{path}"))
    texts = pa.array(["the cat", "a dog and the cat", ""])
    batch, fast = ours.tokenize(texts, spans=True), ours.tokenize(texts)
    expected = [len(encoder.encode(t).ids) for t in texts.to_pylist()]
    assert (batch.offsets[1:] - batch.offsets[:-1]).tolist() == expected
    assert fast.hashes.tolist() == batch.hashes.tolist()
    assert "".join(ours.token_texts(texts, batch, 0, expected[0])) == "the cat"
    assert ours.fingerprint.startswith("hf-v1(sha256=")
