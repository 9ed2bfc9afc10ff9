"""The slow way to every n-gram number: plain Python counters and dense NumPy, from definitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex


def simple_words(text: str) -> list[str]:
    """The `words` tokenizer for text of letters, digits, white space and punctuation."""
    inner = r"(?<=\p{L})['\u2019](?=\p{L})|(?<=\p{Nd})[.,](?=\p{Nd})"
    return list(regex.findall(rf"[\p{{L}}\p{{Nd}}](?:[\p{{L}}\p{{Nd}}]|{inner})*|\S", text))


def rows(
    documents: Sequence[Sequence[str]], clusters: Sequence[str], n: int
) -> dict[tuple[str, ...], list[int]]:
    """C, Q, H, F, docs and clusters of each n-gram."""
    found: dict[tuple[str, ...], list[int]] = {}
    for cluster in dict.fromkeys(clusters):
        own = [d for d, c in zip(documents, clusters, strict=True) if c == cluster]
        counts: Counter[tuple[str, ...]] = Counter()
        rates: Counter[tuple[str, ...]] = Counter()
        docs: Counter[tuple[str, ...]] = Counter()
        for tokens in own:
            grams = Counter(ngrams(tokens, n))
            counts.update(grams)
            for gram, count in grams.items():
                rates[gram] += (count << 40) // max(1, len(tokens) - n + 1)
                docs[gram] += 1
        length = sum(max(0, len(tokens) - n + 1) for tokens in own)
        for gram, c in counts.items():
            values = found.setdefault(gram, [0] * 6)
            for i, value in enumerate((c, c * c, c * length, rates[gram], docs[gram], 1)):
                values[i] += value
    return found


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def token_rates(documents: Sequence[Sequence[str]], n: int) -> dict[tuple[str, ...], float]:
    counts = Counter(gram for tokens in documents for gram in ngrams(tokens, n))
    total = sum(counts.values())
    return {gram: count / total for gram, count in counts.items()}


def document_rates(documents: Sequence[Sequence[str]], n: int) -> dict[tuple[str, ...], float]:
    rates: Counter[tuple[str, ...]] = Counter()
    own = [ngrams(tokens, n) for tokens in documents if len(tokens) >= n]
    for grams in own:
        for gram, count in Counter(grams).items():
            rates[gram] += count / len(grams) / len(own)  # type: ignore[assignment]
    return dict(rates)


def l2(human: dict[tuple[str, ...], float], model: dict[tuple[str, ...], float]) -> float:
    grams = human.keys() | model.keys()
    return float(np.sqrt(sum((human.get(g, 0.0) - model.get(g, 0.0)) ** 2 for g in grams)))
