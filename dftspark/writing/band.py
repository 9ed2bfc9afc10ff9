"""How many of each construction human texts of a given length have, from the tables of a run.

Occurrences are taken as Poisson with a rate of each document's own, drawn from a gamma
distribution. The run has two numbers of it: the rate over all human text, and the share of human
documents without the construction, which says how unlike documents are. The band is the central
95% of the resulting negative binomial distribution at the length of the text. Where fewer than 5%
of documents are without, that share says nothing of how unlike they are, and there is no band. On
the halves of three corpora of human text that the rates were not taken from, 91% to 100% of the
documents lay in the band of each construction, and 99% on average.

Source   Mosteller and Wallace (1964), Inference and Disputed Authorship, 3.3
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.compute as pc

from dftspark.errors import ConfigError
from dftspark.lenses.structure.catalogue import all_measures
from dftspark.store.run import Run

_TAIL = 0.025
_ABSENT = 0.05
_LEAST, _MOST = 1e-3, 1e6  # shapes of the gamma distribution; at the largest it is Poisson
_COUNTED = 100_000  # occurrences, above which no band is looked for


@dataclass(frozen=True)
class HumanRate:
    """A construction in human text: occurrences for one unit of length, and the shape of the gamma
    distribution of the documents' rates (1 over its squared coefficient of variation), which is nan
    if it is not known."""

    rate: float
    shape: float

    @classmethod
    def of(cls, rate: float, mean: float, absent: float) -> HumanRate:
        """Makes it from the rate, the mean of a document, and the share of documents without."""
        return cls(rate, math.nan if absent < _ABSENT else shape(mean, absent))

    def central(self, size: float) -> tuple[int, int] | None:
        """Returns the fewest and the most occurrences in the central 95% of texts of that size;
        None if that is not known."""
        return None if math.isnan(self.shape) else central(self.rate * size, self.shape)


@dataclass(frozen=True)
class HumanBand:
    """The human side of a run, by construction; `name` is its corpus and `documents` its size."""

    name: str
    documents: int
    rates: Mapping[str, HumanRate]

    @classmethod
    def of_run(cls, run: Run) -> HumanBand:
        """Reads it. Raises ConfigError for a run without the tables patterns and corpora, and what
        reading a damaged run raises."""
        if not {"patterns", "corpora"} <= set(run.tables):
            raise ConfigError(
                f"write.human: {run.path} has no table patterns, only "
                f"{', '.join(run.tables) or 'none'}; name the run of an audit with the lens "
                f"'structure'"
            )
        rows = run.table("patterns", where=pc.field("stratum") == "").to_pylist()
        sizes = {row["corpus"]: row["documents"] for row in run.table("corpora").to_pylist()}
        human = rows[0]["human"] if rows else ""
        documents = int(sizes.get(human) or 0)
        if not documents:
            raise ConfigError(f"write.human: {run.path} says nothing of a human corpus")
        scales = {measure.id: measure.scale for measure in all_measures()}
        rates = {
            row["pattern"]: HumanRate.of(
                row["rate_human"] / scales[row["pattern"]],
                row["count_human"] / documents,
                1 - row["share_human"],
            )
            for row in rows
            if row["kind"] == "pattern" and row["pattern"] in scales and row["rate_human"] >= 0
        }
        return cls(human, documents, rates)

    def of(self, construction: str, size: float) -> tuple[int, int] | None:
        """Returns the fewest and the most occurrences in the central 95% of human texts with `size`
        words, sentences or lines; None if the run does not say."""
        rate = self.rates.get(construction)
        return None if rate is None else rate.central(size)


def shape(mean: float, absent: float) -> float:
    """Returns the shape k at which a share `absent` of documents has none if they have `mean` on
    average: (1 + mean / k) ** -k = absent."""
    if not (mean > 0 and 0 < absent < 1) or math.log(absent) <= -mean:
        return _MOST
    low, high = math.log(_LEAST), math.log(_MOST)
    for _ in range(60):
        middle = (low + high) / 2
        k = math.exp(middle)
        if -k * math.log1p(mean / k) > math.log(absent):
            low = middle
        else:
            high = middle
    return math.exp(low)


def central(mean: float, k: float) -> tuple[int, int] | None:
    """Returns the 2.5% and 97.5% quantiles of a negative binomial distribution; None if its mean is
    too large for a band to say anything."""
    if not mean <= _COUNTED / 10:
        return None
    chance = math.exp(-k * math.log1p(mean / k))
    total, low = chance, 0 if chance > _TAIL else -1
    for count in range(1, _COUNTED):
        if total >= 1 - _TAIL:
            return max(low, 0), count - 1
        chance *= (k + count - 1) / count * (mean / (mean + k))
        total += chance
        if low < 0 and total > _TAIL:
            low = count
    return None
