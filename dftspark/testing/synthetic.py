"""Seeded synthetic corpora that behave like text, with known mismatches planted on the model side.

A document is a stream of words. A word is, in this order of trial, an earlier word of the same
document again (burstiness), a fixed successor of the previous word (phrases), or a fresh word.
Fresh words are Zipf-Mandelbrot by rank: the most common belong to no topic, the others to one topic
each. A fresh content word is moved to the same place in the list of another topic: mostly one of
the prompt's three topics, otherwise any. Human and model documents of the same prompt number share
its topics. Document i depends only on the source, the role and i, so any slice can be made
anywhere, in any order, and equals that part of the whole.

Cost     about 120 ns a word; four times the text of one batch in memory
Source   Simon (1955), the copying process; Mandelbrot (1953), the rank frequencies
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark import schema
from dftspark.errors import ConfigError
from dftspark.testing import synthetic_kernel as kernel

Role = Literal["human", "model"]

SCHEMA = pa.schema([schema.DOCUMENTS.field(name) for name in ("doc_id", "prompt_id", "text")])
COMMON_WORDS = 128  # at least so many of the most common words belong to no topic
MANDELBROT = 2.7  # flattens the first ranks: the most common word is 4% of the text, not 11%
ONSETS = [*"bcdfghlmnprstv", "br", "cl", "dr", "fl", "gr", "pl", "sh", "st", "th", "tr"]
NUCLEI = [*"aeiou", "ea", "ou"]
CODAS = ["", *"lmnrst", "nd", "rk", "st"]
LONGEST = 2 * 4 + 2 + 2  # bytes: two syllables, a coda, a mark and a space


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A phrase planted inside sentences: its rate per 1,000 words of human text (marks are not
    words), and the factor for model text. Its words consist of a to z; at least one starts with a
    vowel, as no synthetic word does, so that only planted occurrences occur."""

    text: str
    per_thousand: float
    times: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(?=(.* )?[aeiou])[a-z]+( [a-z]+)*", self.text):
            raise ConfigError(
                f"a planted phrase is words of a to z and single spaces, one word at least starts "
                f"with a vowel, got {self.text!r}; try 'it is worth noting'"
            )
        if not (self.per_thousand >= 0 and self.times >= 0):
            raise ConfigError(f"a planted phrase has rates of 0 or more, got {self}")

    def rate(self, role: Role) -> float:
        """Returns the expected occurrences per 1,000 words."""
        return self.per_thousand * (self.times if role == "model" else 1.0)


@dataclass(frozen=True, kw_only=True)
class SyntheticSource:
    """Both sides of an audit whose true mismatch is known. With nothing planted the sides have the
    same distribution, and prompts with the same number agree in topics.

    vocabulary             words that can occur
    exponent               of the rank frequencies (rank + 2.7) ** -exponent
    topics                 even; each has a prior weight, see `topic_weights`
    mean_tokens            expected words a document; lengths are lognormal
    documents_per_prompt   documents i // documents_per_prompt share a prompt, so its topics
    phrases                planted in both sides, at the rates that they name
    topic_shift            in [0, 0.5]: total variation between the topic weights of the sides
    duplicates             share of model documents that repeat an earlier one's text and prompt
    """

    seed: int = 0
    vocabulary: int = 50_000
    exponent: float = 1.05
    topics: int = 100
    mean_tokens: float = 300.0
    documents_per_prompt: int = 1
    phrases: tuple[Phrase, ...] = ()
    topic_shift: float = 0.0
    duplicates: float = 0.0

    def __post_init__(self) -> None:
        mistakes = [
            text
            for wrong, text in (
                (not 0 <= self.seed < 2**63, "seed is from 0 to 2**63 - 1"),
                (not 0 < self.exponent <= 3, "exponent is above 0 and at most 3"),
                (self.topics < 2 or self.topics % 2, "topics is even and at least 2"),
                (
                    not COMMON_WORDS + self.topics <= self.vocabulary <= 250_000,
                    f"vocabulary is from {COMMON_WORDS} + topics to 250,000",
                ),
                (not 20 <= self.mean_tokens <= 100_000, "mean_tokens is from 20 to 100,000"),
                (self.documents_per_prompt < 1, "documents_per_prompt is at least 1"),
                (not 0 <= self.topic_shift <= 0.5, "topic_shift is from 0 to 0.5"),
                (not 0 <= self.duplicates < 1, "duplicates is from 0 to below 1"),
                (
                    any(not self._planted_share(role) <= 0.5 for role in get_args(Role)),
                    "planted phrases are at most half of the words of a side",
                ),
            )
            if wrong
        ]
        if mistakes:
            raise ConfigError(f"{self}\n  " + "\n  ".join(mistakes))

    @property
    def common_words(self) -> int:
        """Number of the most common words, which belong to no topic; the rest fills the topics
        evenly."""
        return self.vocabulary - (self.vocabulary - COMMON_WORDS) // self.topics * self.topics

    @property
    def words(self) -> list[str]:
        """The vocabulary by rank. Word j >= common_words belongs to topic (j - common_words) %
        topics."""
        return list(_words(self.seed, self.vocabulary))

    def topic_weights(self, role: Role) -> NDArray[np.float64]:
        """Returns the expected shares of the topics in the words that have one, `(topics,)`,
        summing to 1.

        They are uniform on the human side. On the model side the first half of the topics has 1 + 2
        topic_shift times that, the second half 1 - 2 topic_shift times.
        """
        tilt = 2 * self.topic_shift if role == "model" else 0.0
        half = np.ones(self.topics // 2)
        return np.concatenate([half * (1 + tilt), half * (1 - tilt)]) / self.topics

    def documents(self, n: int, *, start: int = 0, role: Role = "human") -> pa.RecordBatch:
        """Returns documents start to start + n - 1 of a side, columns SCHEMA.

        Raises ConfigError if they might exceed 2 GiB of text; `batches` has no such limit.
        """
        if role not in get_args(Role) or n < 0 or start < 0:
            raise ConfigError(
                f"role is 'human' or 'model', n and start are 0 or more, "
                f"got {role!r}, {n} and {start}"
            )
        if n * self.mean_tokens * self._side(role).longest >= 2**31:
            raise ConfigError(
                f"{n} documents of {self.mean_tokens} words may be more text than the 2 GiB that a "
                f"batch can hold; take them from Source.batches()"
            )
        text, offsets, originals = kernel.generate(
            start,
            n,
            self._side(role),
            _alias(self.vocabulary, self.exponent),
            _lexicon(self.seed, self.vocabulary),
            _letters([f" {phrase.text}" for phrase in self.phrases]),
        )
        buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(text.copy())]
        return pa.RecordBatch.from_arrays(
            [
                _names(role, np.arange(start, start + n)),
                _names("prompt", originals // self.documents_per_prompt),
                pa.Array.from_buffers(pa.string(), n, buffers),
            ],
            schema=SCHEMA,
        )

    def batches(
        self, n: int, *, start: int = 0, role: Role = "human", rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """Yields the same documents, up to `rows` at a time, which bounds the memory."""
        for first in range(start, start + n, rows):
            yield self.documents(min(rows, start + n - first), start=first, role=role)

    def write(self, path: str | Path, n: int, *, start: int = 0, role: Role = "human") -> None:
        """Writes the same documents as one Parquet file, a row group per batch."""
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            for batch in self.batches(n, start=start, role=role):
                writer.write_batch(batch)

    def _planted_share(self, role: Role) -> float:
        """Returns the expected share of words that are in planted phrases."""
        # A float even if nothing is planted: another type would be compiled again.
        return sum((len(p.text.split()) * p.rate(role) / 1000 for p in self.phrases), 0.0)

    def _side(self, role: Role) -> kernel.SourceSide:
        # A phrase comes after a free word with chance r / (1 - share). A document of L (1 - share)
        # free words then has L words expected, and r L of these phrases among them.
        free = 1 - self._planted_share(role)
        model = role == "model"
        return kernel.SourceSide(
            seed=np.uint64(self.seed),
            role=int(model),
            documents_per_prompt=self.documents_per_prompt,
            common=self.common_words,
            topics=self.topics,
            free_words=self.mean_tokens * free,
            tilt=2 * self.topic_shift if model else 0.0,
            duplicates=float(self.duplicates) if model else 0.0,
            phrase_rates=np.array([p.rate(role) / 1000 / free for p in self.phrases], np.float64),
            longest=LONGEST + max((len(p.text) + 1 for p in self.phrases), default=0),
        )


def _names(prefix: str, numbers: NDArray[np.int64]) -> pa.Array[Any]:
    digits = pc.cast(pa.array(numbers), pa.string())
    return pc.replace_substring_regex(digits, "^", f"{prefix}-", max_replacements=1)


def _letters(strings: list[str]) -> kernel.Letters:
    lengths = np.array([len(string) for string in strings], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return kernel.Letters(np.frombuffer("".join(strings).encode(), np.uint8), offsets)


@lru_cache(maxsize=4)
def _words(seed: int, vocabulary: int) -> tuple[str, ...]:
    """Returns distinct pronounceable words by rank, the short ones first.

    A word is one or two syllables of onset and nucleus, and a coda. The parts can be read off its
    runs of vowels and consonants, so different parts make different words.
    """
    syllables = [onset + nucleus for onset, nucleus in product(ONSETS, NUCLEI)]
    endings = [syllable + coda for syllable, coda in product(syllables, CODAS)]
    short = kernel.shuffled(seed, kernel.SHORT, len(endings))
    long = kernel.shuffled(seed, kernel.LONG, len(syllables) * len(endings))
    words = [endings[j] for j in short[:vocabulary].tolist()]
    halves = np.divmod(long[: vocabulary - len(words)], len(endings))
    pairs = zip(*(half.tolist() for half in halves), strict=True)
    return (*words, *(syllables[first] + endings[last] for first, last in pairs))


@lru_cache(maxsize=4)
def _lexicon(seed: int, vocabulary: int) -> kernel.Letters:
    return _letters(list(_words(seed, vocabulary)))


@lru_cache(maxsize=4)
def _alias(vocabulary: int, exponent: float) -> kernel.Alias:
    return kernel.Alias(*kernel.build_alias((np.arange(vocabulary) + 1 + MANDELBROT) ** -exponent))
