"""The embedding lens: is the model's cloud of vectors where the human one is?

MMD^2 is the mean over pairs of documents of unlike blocks, so nothing that documents of a cluster
share can bias it; it may be a little below 0, and its root has its sign. All kernels come from one
state. p-values of `mmd_squared` and `mmd` are those of the fused test over all Gaussian
bandwidths; the other measures carry their own.

Cost     a tenth of a second a pair, whatever the corpora
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark import config
from dftspark.features.fourier import DEFAULT
from dftspark.inference import blocks, halves, squared
from dftspark.inference.feature_error import by_group, feature_error
from dftspark.inference.halves import Parts, Splits
from dftspark.inference.intervals import Inference, jackknife, no_inference
from dftspark.lenses.metric import Metric
from dftspark.stats.feature_sums import FeatureState, FeatureSums

Floats = NDArray[np.float64]
UNIT, ROOT_UNIT = "kernel", "sqrt kernel"
_NONE = Splits()


def compared(
    human: FeatureState,
    model: FeatureState,
    statistic: FeatureSums,
    *,
    paired: bool,
    settings: config.Inference,
    splits: Splits = _NONE,
) -> list[Metric]:
    """Every measure of a pair whose states `statistic` made.

    mmd_squared, mmd          Gaussian kernel at the median bandwidth; p of the fused test
    mmd_squared_KERNEL        each kernel, each Gaussian bandwidth, with its own p
    energy_distance           2 E|X - Y| - E|X - X'| - E|Y - Y'|, a length of the vectors
    mmd_squared_feature_error standard error that another seed of the features would show

    `paired` says that the sides share prompts. Values are nan where a side has not two blocks,
    all else where it has not sixteen clusters. `splits` asks for each on parts of the blocks too.
    """
    frequencies = statistic.frequencies
    count = _blocks([human], [model])
    arguments = _arguments(settings, paired)
    metrics, grams = {}, {}
    for number, name in enumerate(frequencies.kernels):
        scale = frequencies.energy_scale if name == "energy" else 1.0
        sides = _sides(human, model, number, scale)
        value = squared.between_documents(*sides, paired=paired)
        grams[name] = squared.gram(*_coarse(sides, count))
        found = _inferred([grams[name]], value, arguments)
        on_parts = _on_parts(sides, splits, paired=paired) if count else None
        metrics[name] = Metric(f"mmd_squared_{name}", value, UNIT, found, on_parts)
    metrics["energy"] = replace(metrics["energy"], name="energy_distance", unit="length")
    main = metrics[DEFAULT]
    fused = _fused([g for name, g in grams.items() if name.startswith("gaussian")], arguments)
    main = replace(main, name="mmd_squared", inference=replace(main.inference, p_value=fused))
    sides = _sides(human, model, frequencies.kernels.index(DEFAULT))
    error = feature_error(by_group(sides, frequencies.groups(), paired=paired))
    uncertain = Metric("mmd_squared_feature_error", error, UNIT, no_inference(count))
    return [main, rooted(main, "mmd"), *metrics.values(), uncertain]


def stratified(
    human: Mapping[str, FeatureState],
    model: Mapping[str, FeatureState],
    statistic: FeatureSums,
    *,
    paired: bool,
    settings: config.Inference,
    weights: str = "human",
) -> list[Metric]:
    """Measures that a different mix of strata cannot move, from the states of each stratum.

    mmd_squared_stratified, mmd_stratified  |sum of w (q - p)|^2: are the clouds alike once both
                                            have one mix?
    mmd_squared_within                      sum of w |q - p|^2: is each stratum alike?

    Over strata with sixteen clusters on both sides; w is the human share of documents among them,
    or one over their number for `weights` "uniform". None without two such strata.
    """
    names = [
        name for name in sorted(human.keys() & model.keys())
        if _blocks([human[name]], [model[name]])
    ]  # fmt: skip
    if len(names) < 2:
        return []
    own, other = ([side[name] for name in names] for side in (human, model))
    documents = np.array([state.documents.sum() for state in own], np.float64)
    if weights == "uniform":
        documents[:] = 1.0
    shares = list(documents / documents.sum())
    number = statistic.frequencies.kernels.index(DEFAULT)
    arguments = _arguments(settings, paired)
    count = _blocks(own, other)
    strata = [_sides(*pair, number) for pair in zip(own, other, strict=True)]
    whole = squared.stratified_gram(strata, shares)
    value = float(squared.between_blocks(whole, *blocks.sides(whole.blocks), paired=paired)[0])
    coarse = [_coarse(sides, count) for sides in strata]
    mixed = Metric(
        "mmd_squared_stratified", value, UNIT,
        _inferred([squared.stratified_gram(coarse, shares)], value, arguments),
    )  # fmt: skip
    each = [squared.between_documents(*sides, paired=paired) for sides in strata]
    value = float(np.dot(shares, each))
    grams = [squared.gram(*sides) for sides in coarse]
    within = Metric(
        "mmd_squared_within", value, UNIT, _inferred(grams, value, arguments, shares)
    )  # fmt: skip
    return [mixed, rooted(mixed, "mmd_stratified"), within]


def difference(
    human: FeatureState,
    first: FeatureState,
    second: FeatureState,
    statistic: FeatureSums,
    *,
    paired: bool,
    settings: config.Inference,
) -> Metric:
    """MMD^2 of `first` less that of `second`, from one human side: below 0, `first` is nearer.

    Leaving out block j of all three leaves out what they share, and the features' noise, which is
    common to both, mostly cancels. p is that both are equally far, by t with blocks - 1 degrees
    of freedom; it has no floor and no smallest detectable value.
    """
    number = statistic.frequencies.kernels.index(DEFAULT)
    count = _blocks([human], [first], [second])
    values, left_out = [], []
    for model in (first, second):
        sides = _sides(human, model, number)
        values.append(squared.between_documents(*sides, paired=paired))
        products = squared.gram(*_coarse(sides, count))
        left_out.append(squared.squared_replicates(products, paired=paired))
    value = values[0] - values[1]
    error, low, high = jackknife(left_out[0] - left_out[1], value, settings.confidence)
    p = 2 * float(special.stdtr(count - 1, -abs(value) / error)) if error > 0 else float("nan")
    found = replace(
        no_inference(count), std_error=error, ci_low=low, ci_high=high, p_value=p
    )  # fmt: skip
    return Metric("mmd_squared_difference", value, UNIT, found)


def rooted(of: Metric, name: str) -> Metric:
    """The same on the scale of the root, sign(v) sqrt|v|; its error is nan at or below 0."""
    found = of.inference
    error = found.std_error / (2 * np.sqrt(of.value)) if of.value > 0 else float("nan")
    found = Inference(
        float(error), signed_root(found.ci_low), signed_root(found.ci_high), found.p_value,
        signed_root(found.floor), signed_root(found.mde), found.blocks,
    )  # fmt: skip
    parts = of.parts and Parts(_signed_roots(of.parts.left_out), _signed_roots(of.parts.halves))
    return Metric(name, signed_root(of.value), ROOT_UNIT, found, parts)


def signed_root(square: float) -> float:
    return float(np.sign(square) * np.sqrt(abs(square)))


def _signed_roots(squares: Floats) -> Floats:
    return np.asarray(np.sign(squares) * np.sqrt(np.abs(squares)))


def _on_parts(sides: squared.Sides, splits: Splits, *, paired: bool) -> Parts | None:
    if not splits.count:
        return None
    products = squared.gram(*sides)
    return halves.parts(
        lambda *groups: squared.between_blocks(products, *groups, paired=paired), splits
    )


def _blocks(*sides: list[FeatureState]) -> int:
    """How many blocks the side with the fewest clusters allows; strata may share clusters."""
    clusters = (np.unique(np.concatenate([state.clusters for state in side])) for side in sides)
    return blocks.adapt(min(len(own) for own in clusters))


def _sides(
    human: FeatureState, model: FeatureState, kernel: int, scale: float = 1.0
) -> squared.Sides:
    h, m = (state.block_sums(kernel) * np.sqrt(scale) for state in (human, model))
    return h, m, human.documents.astype(np.float64), model.documents.astype(np.float64)


def _coarse(sides: squared.Sides, count: int) -> squared.Sides:
    h, m, *sizes = (blocks.coarsen(side, count) for side in sides)
    return h, m, sizes[0], sizes[1]


def _arguments(settings: config.Inference, paired: bool) -> dict[str, Any]:
    names = ("permutations", "splits", "confidence", "seed")
    return {"paired": paired, **{name: getattr(settings, name) for name in names}}


def _inferred(
    grams: list[squared.Gram], value: float, arguments: dict[str, Any], weights: Any = (1.0,)
) -> Inference:
    return squared.infer_grams(grams, value=value, weights=weights, **arguments)


def _fused(grams: list[squared.Gram], arguments: dict[str, Any]) -> float:
    if grams[0].blocks < blocks.FEWEST:
        return float("nan")
    return squared.fused_test(
        grams,
        paired=arguments["paired"],
        permutations=arguments["permutations"],
        rng=np.random.default_rng(arguments["seed"]).spawn(1)[0],
    )
