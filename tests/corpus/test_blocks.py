"""Blocks: the same on every machine and forever, even, and independent across domains."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest

from dftspark.corpus.blocks import BLOCKS, block_of
from dftspark.errors import ShapeError


def test_blocks_are_these_forever() -> None:
    names = ["", "prompt-1", "prompt-2", "日本語", "text-0123456789abcdef"]
    assert block_of(names).tolist() == [51, 47, 29, 2, 8]


def test_every_form_of_input_has_the_same_blocks() -> None:
    names = ["b", "a", "b", "c", "a", "b"]
    expected = [
        int.from_bytes(
            blake2b(n.encode(), digest_size=8, key=b"dftspark block v1").digest(), "little"
        )
        % 64
        for n in names
    ]
    chunked = pa.chunked_array([names[:2], names[2:]])
    for form in (names, pa.array(names), pa.array(names).dictionary_encode(), chunked):
        blocks = block_of(form)
        assert blocks.dtype == np.int32
        assert blocks.tolist() == expected
    assert block_of([]).shape == (0,)


def test_blocks_are_even() -> None:
    # Counts are binomial(n, 1/64): the chi-squared statistic has mean 63, variance 126.
    counts = np.bincount(block_of([f"p{i}" for i in range(20_001)]), minlength=BLOCKS)
    expected = 20_001 / BLOCKS
    assert abs(((counts - expected) ** 2 / expected).sum() - 63) < 5 * np.sqrt(126)


def test_domains_are_independent() -> None:
    # Two independent assignments agree with probability 1/64.
    names = [f"p{i}" for i in range(10_001)]
    agree = (block_of(names) == block_of(names, "another domain")).mean()
    assert abs(agree - 1 / 64) < 5 * np.sqrt(1 / 64 / 10_001)


def test_a_null_cluster_is_an_error() -> None:
    with pytest.raises(ShapeError, match="1 of 2 clusters are null"):
        block_of(pa.array(["a", None]))
