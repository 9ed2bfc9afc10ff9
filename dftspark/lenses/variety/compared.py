"""Likeness to the human answer of the same prompt, and variety within and across prompts.

Everything comes from a fixed sample, so that a value does not depend on the size of a corpus: the
prompts with the smallest hashes, which are the same on both sides, and for each the documents with
the smallest hashes. Across prompts, the sample is cut into groups of `GROUP` documents of as many
prompts, and only the first `WORDS` words of each document are read; groups share nothing, so their
spread gives the interval.

Cost     four CPU-seconds a pair of corpora, most of it BLEU and chrF, whatever their size
Source   Popovic (2015), chrF; Papineni et al. (2002), BLEU; Zhu et al. (2018), self-BLEU; Li et al.
         (2016), distinct-n; the first three through sacrebleu, Post (2018)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import special

from dftspark.errors import EnvironmentProblem
from dftspark.inference.intervals import jackknife
from dftspark.text.hashing import digest64
from dftspark.text.stream import WORDS as TOKENS

PROMPTS = 300  # of a corpus, at most
SAMPLES = 4  # documents of a prompt
GROUP = 20
WORDS = 100
ALIKE = 0.5  # share of three-word runs in common, from which two answers count as one
ORDERS = (1, 2, 3)
_BLOCKS = 32  # of prompts, for the interval of BLEU


@dataclass(frozen=True)
class PromptAnswer:
    doc_id: str
    cluster: str
    text: str


@dataclass(frozen=True)
class PromptMean:
    """A mean with its 95% interval, over `n` prompts or groups. nan without any."""

    value: float
    ci_low: float
    ci_high: float
    n: int


@dataclass(frozen=True)
class Measured:
    """A measure of a model, and `human`, the human side measured in the same way; measures of
    several human answers to a prompt are nan where there is one.
    """

    metric: str
    unit: str
    better: str
    human: PromptMean
    model: PromptMean


def order(key: str) -> int:
    """Returns the hash that decides what is in the sample."""
    return digest64(key, "variety")


def sampled(documents: Sequence[PromptAnswer]) -> dict[str, list[PromptAnswer]]:
    """Takes up to SAMPLES documents of up to PROMPTS prompts, both by the smallest hash."""
    by_prompt: dict[str, list[PromptAnswer]] = {}
    for document in documents:
        by_prompt.setdefault(document.cluster, []).append(document)
    chosen = sorted(by_prompt, key=lambda c: (order(c), c))[:PROMPTS]
    return {
        cluster: sorted(by_prompt[cluster], key=lambda d: (order(d.doc_id), d.doc_id))[:SAMPLES]
        for cluster in chosen
    }


def compared(
    human: dict[str, list[PromptAnswer]],
    model: dict[str, list[PromptAnswer]],
    confidence: float = 0.95,
) -> list[Measured]:
    """Computes all measures of two `sampled` sides. Raises EnvironmentProblem without sacrebleu."""
    shared = [c for c in human if c in model]
    like = [(model[c], human[c]) for c in shared]
    other = [([ds[0]], ds[1:]) for ds in (human[c] for c in shared) if len(ds) > 1]
    sides = [_groups(side) for side in (human, model)]
    found = [
        Measured(
            "chrf",
            "chrF, 0 to 100",
            "higher",
            *(_chrf(pairs, confidence) for pairs in (other, like)),
        ),
        Measured(
            "bleu",
            "BLEU, 0 to 100",
            "higher",
            *(_bleu(pairs, confidence) for pairs in (other, like)),
        ),
        Measured(
            "self_bleu",
            "BLEU, 0 to 100",
            "parity",
            *(_mean([_self_bleu(g) for g in groups], confidence) for groups in sides),
        ),
    ]
    for n in ORDERS:
        shares = [[_distinct(g, n) for g in groups] for groups in sides]
        each = [_mean(values, confidence, 1.0) for values in shares]
        found.append(Measured(f"distinct_{n}", "share of n-grams", "parity", each[0], each[1]))
    kinds = [
        _mean([float(_kinds(d)) for d in side.values() if len(d) == SAMPLES], confidence, SAMPLES)
        for side in (human, model)
    ]
    unit = f"different answers of {SAMPLES}"
    return [*found, Measured("prompt_variety", unit, "parity", kinds[0], kinds[1])]


def _mean(values: Sequence[float], confidence: float, most: float = math.inf) -> PromptMean:
    """Returns the mean; its interval is cut to the range of the measure, 0 to `most`."""
    n = len(values)
    if not n:
        return PromptMean(float("nan"), float("nan"), float("nan"), 0)
    mean = float(np.mean(values))
    if n == 1:
        return PromptMean(mean, float("nan"), float("nan"), 1)
    error = float(np.std(values, ddof=1)) / n**0.5
    reach = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * error
    return PromptMean(mean, max(mean - reach, 0.0), min(mean + reach, most), n)


# --- likeness to the human answer -----------------------------------------------------------------

Pairs = list[tuple[list[PromptAnswer], list[PromptAnswer]]]  # hypotheses and references of a prompt


def needs_sacrebleu() -> Any:
    """Returns sacrebleu's measures. Raises EnvironmentProblem where it is not installed."""
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise EnvironmentProblem(
            "chrF, BLEU and self-BLEU need sacrebleu: pip install 'dftspark[variety]'"
        ) from error
    return metrics


def _chrf(pairs: Pairs, confidence: float) -> PromptMean:
    """Returns the mean over prompts of the mean over their documents."""
    metric = needs_sacrebleu().CHRF()
    return _mean(
        [
            float(
                np.mean([metric.sentence_score(h.text, [r.text for r in refs]).score for h in hyps])
            )
            for hyps, refs in pairs
        ],
        confidence,
    )


def _bleu(pairs: Pairs, confidence: float) -> PromptMean:
    """Returns BLEU of all documents together, with the jackknife over blocks of prompts."""
    metric = needs_sacrebleu().BLEU(effective_order=True)
    blocks = min(_BLOCKS, len(pairs))
    if not blocks:
        return _mean([], confidence)
    sums = np.zeros((blocks, 10), np.int64)
    for i, (hyps, refs) in enumerate(pairs):
        for h in hyps:
            s = metric.sentence_score(h.text, [r.text for r in refs])
            sums[i % blocks] += np.array([*s.counts, *s.totals, s.sys_len, s.ref_len])
    total = sums.sum(axis=0)
    value = _bleu_of(total)
    left = np.array([_bleu_of(total - own) for own in sums])
    _, low, high = jackknife(left, value, confidence)
    return PromptMean(value, max(low, 0.0), high, len(pairs))


def _bleu_of(sums: Any) -> float:
    if not sums[4]:
        return 0.0
    found = needs_sacrebleu().BLEU.compute_bleu(
        correct=sums[:4].tolist(),
        total=sums[4:8].tolist(),
        sys_len=int(sums[8]),
        ref_len=int(sums[9]),
        smooth_method="exp",
    )
    return float(found.score)


# --- variety across and within prompts ------------------------------------------------------------


def _tokens(texts: Sequence[str]) -> list[list[str]]:
    """Returns the first WORDS tokens of each text, in lower case."""
    # Words are rarely longer than this; the rest of a long text need not be tokenized.
    array = pa.array([text[: WORDS * 40] for text in texts], pa.string())
    batch = TOKENS.tokenize(array, spans=True)
    return [
        TOKENS.token_texts(array, batch, int(a), min(int(b - a), WORDS))
        for a, b in pairwise(batch.offsets)
    ]


def _groups(side: dict[str, list[PromptAnswer]]) -> list[list[list[str]]]:
    """Returns groups of GROUP documents with WORDS words, one of each prompt."""
    words = [w for w in _tokens([ds[0].text for ds in side.values()]) if len(w) == WORDS]
    return [words[i : i + GROUP] for i in range(0, len(words) - GROUP + 1, GROUP)]


def _self_bleu(group: list[list[str]]) -> float:
    """Returns the mean BLEU of each document against the others of its group."""
    metric = needs_sacrebleu().BLEU(tokenize="none", effective_order=True)
    texts = [" ".join(words) for words in group]
    scores = [
        metric.sentence_score(text, texts[:i] + texts[i + 1 :]).score
        for i, text in enumerate(texts)
    ]
    return float(np.mean(scores))


def _distinct(group: list[list[str]], n: int) -> float:
    """Returns the group's distinct n-grams over all its n-grams."""
    grams = [gram for words in group for gram in zip(*(words[i:] for i in range(n)), strict=False)]
    return len(set(grams)) / len(grams)


def _kinds(documents: list[PromptAnswer]) -> int:
    """Counts different answers: answers joined by pairs with a Jaccard index of ALIKE of their
    three-word runs count as one, and so do empty ones.
    """
    runs: list[set[tuple[str, ...]]] = [
        {*zip(w, w[1:], w[2:], strict=False)} or {tuple(w)}
        for w in _tokens([d.text for d in documents])
    ]
    kind = list(range(len(runs)))
    for i, first in enumerate(runs):
        for j in range(i):
            if len(first & runs[j]) >= ALIKE * len(first | runs[j]):
                old, new = kind[i], kind[j]
                kind = [new if k == old else k for k in kind]
    return len(set(kind))
