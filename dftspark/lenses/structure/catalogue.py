"""The measures of the structure lens: numerator, denominator, unit, and meaning."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from dftspark.lenses.structure import measures, patterns
from dftspark.lenses.structure.patterns import Pattern

Kind = Literal["pattern", "count", "mean", "distribution"]


@dataclass(frozen=True)
class StructureMeasure:
    """value = scale x sum of `numerator` / sum of `denominator`.

    pattern        occurrences of a pattern of patterns.toml; it has a precision
    count          occurrences of what sentences, lines and words give without a pattern
    mean           the mean over documents of one value each
    distribution   a histogram, compared by Wasserstein distance; its value is its mean
    """

    id: str
    group: str
    kind: Kind
    numerator: str
    denominator: str
    scale: float
    unit: str
    definition: str
    version: int = 1
    sources: tuple[str, ...] = ()


_PER = {
    "words": (1000.0, "per 1,000 words"),
    "sentences": (100.0, "per 100 sentences"),
    "lines": (100.0, "per 100 lines"),
}
OTHER_SCRIPT = "other_script"  # its columns depend on the human side
_COUNTED = (
    # id, group, numerator, denominator, scale, unit, definition
    ("document_length", "length", "words", "documents", 1, "words", "words of a document"),
    ("sentence_length", "length", "words", "sentences", 1, "words", "words over sentences"),
    ("paragraph_length", "length", "prose_sentences", "paragraphs", 1, "sentences",
     "sentences of a paragraph"),
    ("short_sentences", "pacing", "short_sentences", "prose_sentences", 100, "per 100 sentences",
     f"sentences of at most {measures.SHORT} words"),
    ("long_sentences", "pacing", "long_sentences", "prose_sentences", 100, "per 100 sentences",
     f"sentences of at least {measures.LONG} words"),
    ("alike_sentences", "opener", "alike_sentences", "sentences", 100, "per 100 sentences",
     f"sentences in a run of {measures.ALIKE} or more that start with the same word"),
    ("alike_paragraphs", "opener", "alike_paragraphs", "paragraph_pairs", 100,
     "per 100 paragraphs", "paragraphs that start with the same word as the one before"),
    ("names", "detail", "names", "words", 1000, "per 1,000 words",
     "runs of capitalized words inside sentences"),
    ("quoted_words", "detail", "quoted_words", "words", 100, "per 100 words",
     "words inside double quotation marks"),
    ("repeated_trigrams", "variety", "repeated_trigrams", "trigrams", 100, "per 100 trigrams",
     "runs of three words on a line that the document had before"),
    ("emoji", "mark", "emoji", "words", 1000, "per 1,000 words", "emoji and dingbats"),
    ("syllables", "readability", "syllables", "words", 1, "syllables",
     "syllables of a word, as runs of vowels"),
    (OTHER_SCRIPT, "script", "", "words", 1000, "per 1,000 words",
     "words in another script than most of the human side's"),
)  # fmt: skip
_MEANS = (
    ("type_token_ratio", "variety", "ratio",
     f"distinct words in windows of {measures.WINDOW}, as a share; documents as long as that"),
    ("opener_variety", "opener", "ratio",
     f"distinct first words of the first {measures.OPENERS} sentences, as a share"),
    ("sentence_variation", "pacing", "ratio",
     "standard deviation over mean of a document's sentence lengths; 5 sentences or more"),
    ("paragraph_variation", "pacing", "ratio",
     "standard deviation over mean of a document's paragraph lengths; 3 paragraphs or more"),
    ("compressibility", "variety", "phrases per byte",
     f"Ziv-Lempel phrases of the first {measures.SAMPLE_BYTES} bytes; lower is more repetitive"),
    ("grade", "readability", "school years", "Flesch-Kincaid grade; 3 sentences or more"),
)  # fmt: skip
_DISTRIBUTIONS = {
    "sentence_words": ("length", "words of a sentence"),
    "sentence_step": ("pacing", "difference in words between a sentence and the next"),
    "paragraph_sentences": ("length", "sentences of a paragraph"),
    "document_words": ("length", "words of a document, as doublings of one word"),
    "word_letters": ("readability", "letters of a word"),
    "sentence_variation_by_document": ("pacing", "sentence_variation, document by document"),
}


@cache
def all_measures() -> tuple[StructureMeasure, ...]:
    """Returns patterns, counts, means and distributions, in the order of every table of them."""
    every = [_of_pattern(pattern) for pattern in patterns.bundled().patterns]
    for id, group, numerator, denominator, scale, unit, definition in _COUNTED:
        every.append(
            StructureMeasure(id, group, "count", numerator, denominator, scale, unit, definition)
        )
    every += [StructureMeasure(i, g, "mean", i, "documents", 1, u, d) for i, g, u, d in _MEANS]
    for h in measures.HISTOGRAMS:
        group, definition = _DISTRIBUTIONS[h.id]
        every.append(StructureMeasure(h.id, group, "distribution", h.id, "", 1, h.unit, definition))
    return tuple(every)


def _of_pattern(pattern: Pattern) -> StructureMeasure:
    scale, unit = _PER[pattern.per]
    return StructureMeasure(
        pattern.id,
        pattern.group,
        "pattern",
        pattern.id,
        pattern.per,
        scale,
        unit,
        pattern.definition,
        pattern.version,
        pattern.sources,
    )


@cache
def labeled() -> dict[str, tuple[int, int]]:
    """Returns (right, labeled) for each current pattern, among hits in real text that were read.

    A pattern that has changed since is left out.
    """
    text = (resources.files(patterns) / "precision.csv").read_text(encoding="utf-8")
    now = {pattern.id: pattern.fingerprint for pattern in patterns.bundled().patterns}
    return {
        row["pattern"]: (int(row["right"]), int(row["labeled"]))
        for row in csv.DictReader(text.splitlines())
        if now.get(row["pattern"]) == row["fingerprint"]
    }
