"""The count of a phrase from stored states, whether or not a table lists it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from dftspark.config import Audit
from dftspark.lenses.ngrams.counting import gram_counts
from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.lenses.ngrams.statistic_counts import NgramRows
from dftspark.text.tokens import tokenizer

Gram = tuple[int, int]  # n, key with zero block bits


def gram_of(phrase: str, config: Audit) -> Gram:
    """Returns order and key of a phrase, as it stands inside a text."""
    # The tokenizer of a model has one token for the beginning of a word after a space, and another
    # at the start of a text.
    text = phrase if config.tokens.tokenizer == "words" else f" {phrase}"
    tokens = tokenizer(config.tokens).tokenize(pa.array([text]))
    n = len(tokens.hashes)
    keys = ngram_keys(tokens.hashes, tokens.offsets, n) if n else np.zeros(1, np.uint64)
    return n, int(keys[0])


def occurrences(stored: ProfileFiles, gram: Gram, ranges: int) -> Counter[tuple[str, str]]:
    """Counts the phrase by corpus and stratum, in all stored states together; `ranges` is the
    number of key ranges of an order.
    """
    n, key = gram
    bits = ranges.bit_length() - 1
    rows = stored.rows((n, key >> (64 - bits) if bits else 0), ["corpus", "stratum", "state"])
    found: Counter[tuple[str, str]] = Counter()
    for corpus, stratum, state in zip(*rows.columns, strict=True):
        keys, counts = gram_counts(NgramRows.decode_counted(state.as_buffer()))
        at = int(np.searchsorted(keys, np.uint64(key)))
        if at < len(keys) and int(keys[at]) == key:
            found[corpus.as_py(), stratum.as_py()] += int(counts[at])
    return found
