"""The n-gram lens: what follows for a pair of corpora from the sums over all key ranges.

Cost     constant per pair and order, but for sorting the z of every tested n-gram
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial as partial_of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.distances import jensen_shannon, ngram_l2, ngram_table, total_variation
from dftspark.features.hashing import BLOCKS
from dftspark.features.ngrams import RATE_ONE
from dftspark.inference import blocks, halves, squared
from dftspark.inference.estimate import infer, on_groups
from dftspark.inference.floor import document_ratio_floor
from dftspark.inference.halves import Parts, Splits
from dftspark.inference.intervals import Inference, jackknife, no_inference
from dftspark.inference.multiple_testing import benjamini_hochberg, two_sided_p
from dftspark.inference.ngram_sample import rate_scale, sample_weights
from dftspark.lenses.metric import Metric
from dftspark.lenses.ngram_ranges import COMMON, LISTED, TESTED_CLUSTERS, Partial, Sums
from dftspark.lenses.ngram_side import Floats, Totals


@dataclass(frozen=True)
class Finished:
    metrics: list[Metric]
    listed: dict[str, NDArray[Any]]  # columns of the ngrams table, by |contribution|
    remainder: float  # share of L2 squared that is not listed
    common: dict[str, NDArray[Any]]


def finished(
    parts: list[Partial], human: Totals, model: Totals, n: int, *, paired: bool,
    settings: config.Audit,
) -> Finished:  # fmt: skip
    """Metrics and table rows of a pair at order n; nan where a side has no n-gram."""
    sums = parts[0].sums
    for part in parts[1:]:
        sums = sums + part.sums
    if not (human["tokens"].any() and model["tokens"].any()):
        undefined = np.full(2, np.nan)
        sums = replace(sums, plug_in=undefined, divergence=undefined)
    count = blocks.adapt(int(min(human["groups"].sum(), model["groups"].sum())))
    arguments = {
        "paired": paired,
        "permutations": settings.inference.permutations,
        "splits": settings.inference.splits,
        "confidence": settings.inference.confidence,
        "seed": settings.inference.seed,
    }
    splits = Splits(settings.splits, settings.inference.seed)
    metrics = [
        *_l2(sums, 0, "tokens", human, model, count, arguments, splits,
             _token_noise(sums, human, model)),
        *_l2(sums, 1, "documents", human, model, count, arguments, splits,
             _document_noise(sums, human, model)),
        *_divergences(sums, parts, human, model, count, arguments, splits, settings),
    ]  # fmt: skip
    metrics = [replace(m, name=f"{m.name}_{n}gram") for m in metrics]
    listed, remainder = _table(parts, float(sums.plug_in[0]), settings.ngrams.table_rows)
    return Finished(metrics, listed, remainder, _ratios(parts, human, model, count, settings))


def _token_noise(sums: Sums, human: Totals, model: Totals) -> float:
    noise = 0.0
    for own, totals in ((sums.human, human), (sums.model, model)):
        noise += ngram_l2.token_noise(
            ngram_l2.TokenSums(
                squares=own[0], cross=own[1], norm=own[2],
                tokens=float(totals["tokens"].sum()),
                squared_tokens=float(totals["squared_tokens"].sum()),
                clusters=int(totals["groups"].sum()),
            )
        )  # fmt: skip
    return noise


# Of `rate_norm`, which is kept in units of 2**-40 and wraps at 2**23.
_SURELY_EXACT = 2.0**22


def _document_noise(sums: Sums, human: Totals, model: Totals) -> float:
    """nan where a cluster has so many documents that `rate_norm` may have wrapped."""
    noise = 0.0
    norms = np.diag(sums.products[1]).reshape(2, BLOCKS)
    for own, totals, norm in zip((sums.human, sums.model), (human, model), norms, strict=True):
        # Rates are positive, so clusters together are as long as their squares' sum, or longer.
        if np.minimum(norm, totals["squared_documents"]).max() > _SURELY_EXACT:
            return float("nan")
        noise += ngram_l2.document_noise(
            ngram_l2.DocumentSums(
                squares=float(totals["rate_norm"].sum()) / RATE_ONE, norm=own[3],
                documents=float(totals["documents"].sum()),
                squared_documents=float(totals["squared_documents"].sum()),
            )
        )  # fmt: skip
    return noise


def _l2(
    sums: Sums, which: int, sizes: str, human: Totals, model: Totals, count: int,
    arguments: dict[str, Any], splits: Splits, noise: float,
) -> list[Metric]:  # fmt: skip
    """Plug-in, corrected square and its root; which: 0 token-weighted, 1 document-weighted."""
    plug_in = float(sums.plug_in[which])
    name = ("l2", "l2_docs")[which]
    plain = square = root = None
    if count:
        data = [*_coordinates(sums.products[which], count),
                *(blocks.coarsen(totals[sizes], count) for totals in (human, model))]  # fmt: skip
        if arguments["paired"] or np.isnan(noise):
            paired = arguments["paired"]
            noise = squared.sampling_noise(squared.gram(*data), paired=paired)
        distance = infer(ngram_l2.l2, *data, value=float(np.sqrt(plug_in)), **arguments)
        corrected = squared.infer_squared(*data, value=plug_in - noise, **arguments)
        sizes_of = [totals[sizes].astype(np.float64) for totals in (human, model)]
        products = squared.gram(*_coordinates(sums.products[which], BLOCKS), *sizes_of)
        plain = halves.parts(lambda *groups: _roots(squared.plug_in(products, *groups)), splits)
        square = halves.parts(
            partial_of(squared.between_blocks, products, paired=arguments["paired"]), splits
        )
        root = square and Parts(_roots(square.left_out), _roots(square.halves))
    else:
        distance = corrected = no_inference(0)
    value = plug_in - noise
    return [
        Metric(name, float(np.sqrt(plug_in)), "rate", distance, plain),
        Metric(f"{name}_squared_corrected", value, "rate^2", corrected, square),
        Metric(f"{name}_corrected", _root(value), "rate", _rooted(value, corrected), root),
    ]


def _coordinates(products: Floats, count: int) -> tuple[Floats, Floats]:
    """Block vectors `(count, m)` of each side with the given products: all that L2 can see."""
    merged = np.kron(np.eye(2), np.tile(np.eye(count), BLOCKS // count))
    values, vectors = np.linalg.eigh(merged @ products @ merged.T)
    rows = vectors * np.sqrt(np.maximum(values, 0))
    return rows[:count], rows[count:]


def _roots(squares: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _root(square: float) -> float:
    return float(np.sqrt(max(square, 0.0))) if np.isfinite(square) else float("nan")


def _rooted(value: float, of: Inference) -> Inference:
    """The same on the scale of the root; ends below 0 become 0."""
    error = of.std_error / (2 * np.sqrt(value)) if value > 0 else float("nan")
    return Inference(
        float(error), _root(of.ci_low), _root(of.ci_high), of.p_value, _root(of.floor),
        _root(of.mde), of.blocks,
    )  # fmt: skip


def _divergences(
    sums: Sums, parts: list[Partial], human: Totals, model: Totals, count: int,
    arguments: dict[str, Any], splits: Splits, settings: config.Audit,
) -> list[Metric]:  # fmt: skip
    rates, h, m = (
        np.concatenate(arrays) for arrays in zip(*(p.sample for p in parts), strict=True)
    )
    weights = sample_weights(rates, settings.ngrams.inference_ngrams)
    metrics = []
    for name, unit, value, left_out, distance in (
        ("js", "bit", sums.divergence[0], sums.left_out[0], jensen_shannon.jensen_shannon),
        ("tv", "share", sums.divergence[1], sums.left_out[1], total_variation.total_variation),
    ):
        found, on_parts = no_inference(0), None
        if count:
            data = [blocks.coarsen(side.T, count) for side in (h, m)]
            # Sizes as the sample has them, not tokens: the rates of any group then sum to 1, and
            # which n-grams a block has in the sample does not pass for a change of its rates.
            data += [side @ weights for side in data]
            scale = rate_scale(data[0], data[1], data[2], data[3], weights)
            weighted = partial_of(distance, weights=weights)
            found = infer(
                weighted,
                *data,
                scale=scale,
                value=float(value),
                **arguments,
            )
            # The sample serves the test and the floor; the interval has every n-gram.
            # A merged block's effect is the sum of its blocks', to first order.
            effects = blocks.coarsen(left_out - value, count)
            error, low, high = jackknife(value + effects, float(value), arguments["confidence"])
            found = replace(found, std_error=error, ci_low=max(low, 0.0), ci_high=min(high, 1.0))
            raw = [side.T.astype(np.float64) for side in (h, m)]
            on_parts = halves.parts(
                on_groups(weighted, *raw, *(side @ weights for side in raw)),
                splits,
                left_out,
            )
        metrics.append(Metric(name, float(value), unit, found, on_parts))
    return metrics


def _table(
    parts: list[Partial], squared_distance: float, most: int
) -> tuple[dict[str, NDArray[Any]], float]:
    """Listed columns by falling |contribution| with `q_value`, and what is left to L2 squared."""
    columns = {name: np.concatenate([p.listed[name] for p in parts]) for name in LISTED}
    top = np.lexsort((columns["key"], -np.abs(columns["contribution"])))[:most]
    columns = {name: column[top] for name, column in columns.items()}
    tested = np.concatenate([p.tested for p in parts])
    p_values = two_sided_p(tested[np.isfinite(tested)])
    order = np.sort(p_values)
    q_sorted = benjamini_hochberg(order)
    own = two_sided_p(columns["z"])
    at = np.minimum(np.searchsorted(order, own), max(len(order) - 1, 0))
    q_value = np.full(len(own), np.nan)
    known = (columns.pop("clusters") >= TESTED_CLUSTERS) & np.isfinite(own)
    q_value[known] = q_sorted[at[known]]
    remainder = squared_distance - float(np.abs(columns["contribution"]).sum())
    return {**columns, "q_value": q_value}, remainder


def _ratios(
    parts: list[Partial], human: Totals, model: Totals, count: int, settings: config.Audit
) -> dict[str, NDArray[Any]]:
    columns = {name: np.concatenate([p.common[name] for p in parts]) for name in COMMON}
    n_human, n_model = (float(totals["documents"].sum()) for totals in (human, model))
    columns["ratio"] = ngram_table.document_ratio(
        columns["docs_human"], columns["docs_model"], n_human, n_model
    )
    columns["ratio_floor"] = document_ratio_floor(
        blocks.coarsen(columns.pop("docs_by_block").T, count),
        blocks.coarsen(human["documents"], count),
        splits=settings.inference.splits,
        seed=settings.inference.seed,
    )
    order = np.lexsort((columns["key"], -columns["ratio"]))
    return {name: column[order] for name, column in columns.items()}
