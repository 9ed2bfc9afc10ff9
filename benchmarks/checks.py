"""Counts false alarms of trailing rules in a year without change, and nights to see a drift.

    python benchmarks/checks.py

It does so first on averages of independent normal days, the rule's model; then on word distances
that the n-gram lens takes from synthetic text: a year of nights whose model never changes, and
again with a phrase that the model begins to over-use.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dftspark.checks.rules import trailing_range
from dftspark.corpus.blocks import block_of
from dftspark.lenses.ngrams.distance_l2 import TokenSums, token_noise
from dftspark.lenses.ngrams.grams import grams
from dftspark.lenses.ngrams.statistic_counts import NgramCounts, NgramRows
from dftspark.stats.protocol import Batch
from dftspark.testing.synthetic import Phrase, Role, SyntheticSource
from dftspark.text.tokens import Words

FIRST = datetime.date(2026, 1, 1).toordinal()
TRAILING = 28


def breaches(values: Sequence[float], window: int, rate: float, first: int) -> NDArray[np.bool_]:
    """Returns whether night `first` and each night after it is a breach."""
    names = [datetime.date.fromordinal(FIRST + i).isoformat() for i in range(len(values))]
    out = []
    for night in range(first, len(values)):
        days = range(max(0, night - window - TRAILING + 1), night - window + 1)
        low, high = trailing_range({names[d]: values[d] for d in days}, window, rate, True)
        out.append(not low <= values[night] <= high)
    return np.array(out)


def averaged(days: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    return np.convolve(days, np.ones(window) / window, "valid")


def normal_days(years: int) -> None:
    print(f"false alarms, {years} years of normal days, share of nights")
    print("window  rhythm of the week  stated  found")
    for window, rhythm in ((1, 0.0), (7, 0.0), (7, 3.0)):
        for rate in (0.01, 0.001):
            rng, found = np.random.default_rng(1), []
            for _ in range(years):
                days = rng.normal(size=365 + 50 + window)
                days += rhythm * (np.arange(len(days)) % 7 == 2)
                found.append(breaches(list(averaged(days, window)), window, rate, 50))
            print(f"{window:6}  {rhythm:18}  {rate:6}  {np.concatenate(found).mean():.4f}")
    print(
        "\ndelay, nights until the first alarm after a shift of every day, in its standard "
        "deviations; stated 0.001"
    )
    print("window  shift  median  90%  within 28 nights")
    for window in (1, 7):
        for shift in (1.0, 2.0, 3.0, 5.0, 8.0):
            rng, waited = np.random.default_rng(2), []
            for _ in range(200):
                days = rng.normal(size=60 + window - 1 + 28)
                days[60 + window - 1 :] += shift
                found_at = np.flatnonzero(breaches(list(averaged(days, window)), window, 0.001, 60))
                waited.append(float(found_at[0]) + 1 if len(found_at) else np.inf)
            median, late = np.quantile(waited, [0.5, 0.9], method="higher")
            seen = np.isfinite(waited).mean()
            print(f"{window:6}  {shift:5}  {median:6}  {late:4}  {seen:.2f}")


def state(source: SyntheticSource, start: int, documents: int, role: Role) -> NgramRows:
    """Counts single words of some documents, each a cluster."""
    batch = source.documents(documents, start=start, role=role)
    tokens = Words().tokenize(batch["text"])
    blocks = block_of(batch["prompt_id"]).astype(np.int64)
    clusters = np.arange(documents + 1, dtype=np.int64)
    return NgramCounts(n=1).observe(Batch(tokens.hashes, tokens.offsets, clusters, blocks))


def distances(human: NgramRows, model: NgramRows) -> tuple[float, float]:
    """Returns the L2 of word frequencies, plain and corrected for sampling noise."""
    sides, noise = [], 0.0
    for own in (human, model):
        rows, total = grams(own.counted).sums, float(own.tokens.sum())
        p = rows.count / total
        noise += token_noise(
            TokenSums(
                squares=float(rows.squares.sum()),
                cross=float(p @ rows.weighted),
                norm=float(p @ p),
                tokens=total,
                squared_tokens=float(own.squared_tokens.sum()),
                clusters=int(own.groups.sum()),
            )
        )
        sides.append((rows.key, p))
    keys = np.union1d(sides[0][0], sides[1][0])
    dense = np.zeros((2, len(keys)))
    for row, (key, p) in zip(dense, sides, strict=True):
        row[np.searchsorted(keys, key)] = p
    square = float(((dense[0] - dense[1]) ** 2).sum())
    return float(np.sqrt(square)), float(np.sqrt(max(square - noise, 0.0)))


def nights_of_text(
    source: SyntheticSource, changed: SyntheticSource, change: int, nights: int
) -> NDArray[np.float64]:
    """Returns (nights, 2): the distances of each night's window of 7 days, 200 documents a day."""
    human = state(source, 0, 2_000, "human")
    days = [
        state(source if night < change else changed, 100_000 + 200 * night, 200, "model")
        for night in range(nights)
    ]
    merge = NgramCounts(n=1).merge_all
    return np.array([distances(human, merge(days[i - 6 : i + 1])) for i in range(6, nights)])


def text() -> None:
    def planted(times: float) -> SyntheticSource:
        phrase = Phrase(text="it is worth noting", per_thousand=0.5, times=times)
        return SyntheticSource(
            mean_tokens=120, vocabulary=20_000, topic_shift=0.1, phrases=(phrase,)
        )

    print(
        "\nword distances of made-up text, windows of 7 days of 200 documents, stated 0.01 and "
        "0.001"
    )
    year = nights_of_text(planted(2.0), planted(2.0), 10**6, 365 + 56)
    for i, name in enumerate(("l2_1gram", "l2_corrected_1gram")):
        rates = [breaches(list(year[:, i]), 7, rate, 50).mean() for rate in (0.01, 0.001)]
        print(f"{name}: a year without change, {rates[0]:.4f} and {rates[1]:.4f} of nights")
    for times in (4.0, 8.0, 16.0):
        drift = nights_of_text(planted(2.0), planted(times), 70, 100)
        for i, name in enumerate(("l2_1gram", "l2_corrected_1gram")):
            found_at = np.flatnonzero(breaches(list(drift[:, i]), 7, 0.001, 64))
            seen = f"night {found_at[0] + 1}" if len(found_at) else "not within 30 nights"
            print(f"{name}: a phrase from 2 to {times:g} times human: {seen}")


def main() -> None:
    parser = argparse.ArgumentParser(description="False alarms and delays of trailing rules.")
    parser.add_argument("--years", type=int, default=100)
    normal_days(parser.parse_args().years)
    text()


if __name__ == "__main__":
    main()
