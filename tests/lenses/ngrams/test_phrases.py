"""Examples read back from text: the wanted n-grams, the document of the smallest hash."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.lenses.ngrams.phrases import Occurrences, find_phrases
from dftspark.text.tokens import Words

TEXTS = ["the cat sat on the mat", "é the cat", "a dog", "on the mat the cat sat"]
IDS, HASHES = list("abcd"), np.array([7, 3, 1, 5])


def found(order: list[int], cuts: list[int]) -> dict[str, tuple[str, str, list[str], str]]:
    """The example of every bigram, by its text, from batches of slices of one array."""
    texts = pa.array([TEXTS[i] for i in order])
    tokens = Words().tokenize(texts)
    keys = np.unique(ngram_keys(tokens.hashes, tokens.offsets, 2))
    best = Occurrences.none({2: keys[keys > 0]})
    for low, high in pairwise(cuts):
        ids = [IDS[i] for i in order[low:high]]
        find_phrases(best, Words(), texts.slice(low, high - low), ids, HASHES[order[low:high]])
    examples = [example for example in best.found[2] if example is not None]
    assert len(examples) == len(keys[keys > 0])
    return {example[1]: example for example in examples}


def test_the_example_is_the_document_of_the_smallest_hash_in_any_order_and_cut() -> None:
    whole = found([0, 1, 2, 3], [0, 4])
    assert {text: example[0] for text, example in whole.items()} == {
        "the cat": "b",
        "cat sat": "d",
        "sat on": "a",
        "on the": "d",
        "the mat": "d",
        "é the": "b",
        "a dog": "c",
        "mat the": "d",
    }
    assert whole["the cat"] == ("b", "the cat", ["the", "cat"], "é the cat")
    assert whole["sat on"] == ("a", "sat on", ["sat", "on"], TEXTS[0])
    assert found([3, 2, 1, 0], [0, 1, 3, 4]) == whole
    assert found([1, 0, 3, 2], [0, 2, 4]) == whole
