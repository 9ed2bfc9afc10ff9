"""The n-gram lens: results for a pair of corpora from the sums over all key ranges.

Cost     constant per pair and order, except for sorting the z of every tested n-gram
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial as partial_of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference import blocks, halves
from dftspark.inference.estimate import on_groups, source_floor
from dftspark.inference.gram import (
    Gram,
    between_blocks,
    gram,
    gram_of_products,
    plug_in,
    sampling_noise,
)
from dftspark.inference.halves import Splits
from dftspark.inference.intervals import Design, Inferred, agreeing, jackknife, no_inference
from dftspark.inference.multiple_testing import benjamini_hochberg, two_sided_p
from dftspark.inference.ngram_sample import rate_scale, sample_weights
from dftspark.inference.squared import infer_grams
from dftspark.lenses.metric import Metric, design
from dftspark.lenses.ngrams import distance_jensen_shannon as jensen_shannon
from dftspark.lenses.ngrams import distance_l2 as ngram_l2
from dftspark.lenses.ngrams import distance_table as ngram_table
from dftspark.lenses.ngrams import distance_total_variation as total_variation
from dftspark.lenses.ngrams.keys import RATE_ONE
from dftspark.lenses.ngrams.ranges import COMMON, LISTED, Partial, RangeSums
from dftspark.lenses.ngrams.side import Floats, Totals
from dftspark.text.hashing import BLOCKS


@dataclass(frozen=True)
class Finished:
    metrics: list[Metric]
    listed: dict[str, NDArray[Any]]  # columns of the ngrams table, by |contribution|
    remainder: float  # share of L2 squared that is not listed
    common: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Pair:
    """Data that all measures of a pair at one order share."""

    sums: RangeSums
    human: Totals
    model: Totals
    design: Design
    splits: Splits

    @property
    def clusters(self) -> tuple[float, float]:
        return float(self.human["groups"].sum()), float(self.model["groups"].sum())

    @property
    def blocks(self) -> int:
        return blocks.adapt(int(min(self.clusters)))

    def sizes(self, name: str) -> Floats:
        return np.concatenate([self.human[name], self.model[name]]).astype(np.float64)


def finished(
    parts: list[Partial],
    human: Totals,
    model: Totals,
    n: int,
    *,
    paired: bool,
    settings: config.Audit,
) -> Finished:
    """Computes metrics and table rows of a pair at order n; nan where a side has no n-gram."""
    sums = parts[0].sums
    for part in parts[1:]:
        sums = sums + part.sums
    if not (human["tokens"].any() and model["tokens"].any()):
        undefined = np.full(2, np.nan)
        sums = replace(sums, plug_in=undefined, divergence=undefined)
    splits = Splits(settings.splits, settings.inference.seed)
    pair = _Pair(sums, human, model, design(settings.inference, paired=paired), splits)
    metrics = [
        *_l2(pair, 0, "tokens", _token_noise(sums, human, model)),
        *_l2(pair, 1, "documents", _document_noise(sums, human, model)),
        *_divergences(pair, parts, settings.ngrams.inference_ngrams),
    ]
    metrics = [replace(m, name=f"{m.name}_{n}gram") for m in metrics]
    listed, remainder = _table(parts, float(sums.plug_in[0]), settings.ngrams.table_rows)
    return Finished(metrics, listed, remainder, _ratios(parts, human, model))


def _token_noise(sums: RangeSums, human: Totals, model: Totals) -> float:
    noise = 0.0
    for own, totals in ((sums.human, human), (sums.model, model)):
        noise += ngram_l2.token_noise(
            ngram_l2.TokenSums(
                squares=own[0],
                cross=own[1],
                norm=own[2],
                tokens=float(totals["tokens"].sum()),
                squared_tokens=float(totals["squared_tokens"].sum()),
                clusters=int(totals["groups"].sum()),
            )
        )
    return noise


# `rate_norm` is kept in units of 2**-40 and wraps at 2**23.
_SURELY_EXACT = 2.0**22


def _document_noise(sums: RangeSums, human: Totals, model: Totals) -> float:
    """Returns the noise; nan where a cluster's many documents may have wrapped `rate_norm`."""
    noise = 0.0
    norms = np.diag(sums.products[1]).reshape(2, BLOCKS)
    for own, totals, norm in zip((sums.human, sums.model), (human, model), norms, strict=True):
        # Rates are positive, so the squared length of a sum bounds the sum of squared lengths.
        if np.minimum(norm, totals["squared_documents"]).max() > _SURELY_EXACT:
            return float("nan")
        noise += ngram_l2.document_noise(
            ngram_l2.DocumentSums(
                squares=float(totals["rate_norm"].sum()) / RATE_ONE,
                norm=own[3],
                documents=float(totals["documents"].sum()),
                squared_documents=float(totals["squared_documents"].sum()),
            )
        )
    return noise


def _l2(pair: _Pair, which: int, sizes: str, noise: float) -> list[Metric]:
    """Returns plug-in, corrected square and root; which: 0 token-weighted, 1 document-weighted."""
    plug_in_square = float(pair.sums.plug_in[which])
    name = ("l2", "l2_docs")[which]
    tested, plain, square = pair.design, None, None
    corrected = distance = no_inference(pair.blocks)
    if pair.blocks:
        products = gram_of_products(pair.sums.products[which], pair.sizes(sizes))
        if tested.paired or np.isnan(noise):
            noise = sampling_noise(products, paired=tested.paired)
        corrected = infer_grams(
            [products],
            value=plug_in_square - noise,
            clusters=pair.clusters,
            design=tested,
            tells=True,
        )
        distance = _plain(corrected, products, plug_in_square, noise, tested.confidence)
        plain = halves.parts(lambda *groups: _roots(plug_in(products, *groups)), pair.splits)
        square = halves.parts(
            partial_of(between_blocks, products, paired=tested.paired), pair.splits
        )
    whole = Metric(f"{name}_squared_corrected", plug_in_square - noise, "rate^2", corrected, square)
    return [
        Metric(name, float(np.sqrt(plug_in_square)), "rate", distance, plain),
        whole,
        whole.rooted(f"{name}_corrected", "rate"),
    ]


def _plain(
    corrected: Inferred, products: Gram, square: float, noise: float, confidence: float
) -> Inferred:
    """Returns the Inference of the plug-in distance: it has the test of the corrected square, and
    the noise is added to the square's results.
    """
    if not corrected.blocks:
        return corrected
    left_out = _roots(
        plug_in(products.coarsen(corrected.blocks), *blocks.all_but_one(corrected.blocks))
    )
    error, low, high = jackknife(left_out, float(np.sqrt(square)), confidence)
    floor, mde = (float(_roots(np.array(noise + of))) for of in (corrected.floor, corrected.mde))
    return replace(
        corrected, std_error=error, ci_low=max(low, 0.0), ci_high=high, floor=floor, mde=mde
    )


def _roots(squares: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _divergences(pair: _Pair, parts: list[Partial], target: int) -> list[Metric]:
    """Returns Jensen-Shannon and total variation: values and intervals from all n-grams; test, tell
    size and floor from the sample. They share a test, on rates scaled so that rare n-grams count
    too.
    """
    rates, h, m = (
        np.concatenate(arrays) for arrays in zip(*(p.sample for p in parts), strict=True)
    )
    weights = sample_weights(rates, target)
    data = [side.T.astype(np.float64) for side in (h, m)]
    # Sizes come from the sample, not from tokens: the rates of any group then sum to 1, and a
    # block's choice of sampled n-grams does not pass for a change of its rates.
    data += [side @ weights for side in data]
    test = no_inference(pair.blocks)
    if pair.blocks:
        scale = rate_scale(data[0], data[1], data[2], data[3], weights)
        products = gram(data[0] * scale, data[1] * scale, data[2], data[3])
        square = float(
            between_blocks(products, *blocks.sides(blocks.MOST), paired=pair.design.paired)[0]
        )
        test = infer_grams(
            [products], value=square, clusters=pair.clusters, design=pair.design, tells=True
        )
    metrics = []
    for name, unit, i, distance in (
        ("js", "bit", 0, jensen_shannon.jensen_shannon),
        ("tv", "share", 1, total_variation.total_variation),
    ):
        value, left_out = float(pair.sums.divergence[i]), pair.sums.left_out[i]
        found, on_parts = test, None
        if test.blocks:
            weighted = partial_of(distance, weights=weights)
            floor = source_floor(weighted, *data, splits=pair.design.splits, seed=pair.design.seed)
            # To first order, a merged block's effect is the sum of its blocks' effects.
            effects = blocks.coarsen(left_out - value, test.blocks)
            error, low, high = jackknife(value + effects, value, pair.design.confidence)
            found = replace(
                test,
                std_error=error,
                ci_low=max(low, 0.0),
                ci_high=min(high, 1.0),
                floor=agreeing(floor, value, test.p_value),
                mde=float("nan"),
            )
            on_parts = halves.parts(on_groups(weighted, *data), pair.splits, left_out)
        metrics.append(Metric(name, value, unit, found, on_parts))
    return metrics


def _table(
    parts: list[Partial], squared_distance: float, most: int
) -> tuple[dict[str, NDArray[Any]], float]:
    """Returns listed columns by falling |contribution| with `q_value`; the rest of L2 squared."""
    columns = {name: np.concatenate([p.listed[name] for p in parts]) for name in LISTED}
    top = np.lexsort((columns["key"], -np.abs(columns["contribution"])))[:most]
    columns = {name: column[top] for name, column in columns.items()}
    tested = np.concatenate([p.tested for p in parts])
    q_value = _q_values(two_sided_p(columns["z"]), two_sided_p(tested))
    remainder = squared_distance - float(np.abs(columns["contribution"]).sum())
    return {**columns, "q_value": q_value}, remainder


def _q_values(shown: Floats, tested: Floats) -> Floats:
    """Returns q of p-values `shown` `(k,)`, which are among all `tested` `(t,)`; nan stays nan."""
    order = np.sort(tested)
    q_sorted = benjamini_hochberg(order)
    at = np.minimum(np.searchsorted(order, shown), max(len(order) - 1, 0))
    q_value = np.full(len(shown), np.nan)
    known = np.isfinite(shown)
    q_value[known] = q_sorted[at[known]]
    return q_value


def _ratios(parts: list[Partial], human: Totals, model: Totals) -> dict[str, NDArray[Any]]:
    columns = {name: np.concatenate([p.common[name] for p in parts]) for name in COMMON}
    n_human, n_model = (float(totals["documents"].sum()) for totals in (human, model))
    columns["ratio"] = ngram_table.document_ratio(
        columns["docs_human"], columns["docs_model"], n_human, n_model
    )
    tested = np.concatenate([p.common_tested for p in parts])
    columns["q_value"] = _q_values(columns["p_value"], tested)
    order = np.lexsort((columns["key"], -columns["ratio"]))
    return {name: column[order] for name, column in columns.items()}
