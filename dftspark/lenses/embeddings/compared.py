"""The embedding lens: is the model's cloud of vectors where the human one is?

MMD^2 is the mean over pairs of documents of unlike blocks, so nothing that documents of a cluster
share can bias it; it may be a little below 0, and its root has its sign. All kernels come from one
state.

Cost     a third of a second a pair, whatever the corpora
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference import blocks, halves
from dftspark.inference.feature_error import by_group, half_width
from dftspark.inference.gram import (
    Gram,
    Sides,
    between_blocks,
    between_documents,
    gram,
    stratified_gram,
)
from dftspark.inference.halves import Splits
from dftspark.inference.intervals import Design, Inferred, no_inference
from dftspark.inference.squared import fused_test, infer_grams
from dftspark.lenses.embeddings.fourier import DEFAULT
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.metric import Metric, design
from dftspark.stats.cluster_hashes import count_of

Floats = NDArray[np.float64]
UNIT, ROOT_UNIT = "kernel", "sqrt kernel"
_NONE = Splits()
_TELLS = (DEFAULT, "energy")  # for the other kernels n_tell was not tried


def compared(
    human: FeatureState,
    model: FeatureState,
    statistic: FeatureSums,
    *,
    paired: bool,
    settings: config.Inference,
    splits: Splits = _NONE,
) -> list[Metric]:
    """Computes every measure of a pair whose states `statistic` made.

    mmd_squared, mmd          Gaussian kernel at the median bandwidth
    mmd_squared_KERNEL        each kernel, each Gaussian bandwidth
    mmd_fused                 one test over all Gaussian bandwidths; it has only a p-value
    energy_distance           2 E|X - Y| - E|X - X'| - E|Y - Y'|, a length of the vectors
    mmd_squared_feature_error 95% half-width of what another seed of the features would change

    `paired` says that the sides share prompts. Values are nan where a side has not two blocks, all
    else where it has not sixteen clusters. `splits` asks for each on parts of the blocks too.
    """
    frequencies = statistic.frequencies
    clusters = count_of(human), count_of(model)
    tested = design(settings, paired=paired)
    metrics, grams = {}, {}
    for number, name in enumerate(frequencies.kernels):
        scale = frequencies.energy_scale if name == "energy" else 1.0
        grams[name] = gram(*_sides(human, model, number, scale))
        value = float(between_blocks(grams[name], *blocks.sides(blocks.MOST), paired=paired)[0])
        found = infer_grams(
            [grams[name]], value=value, clusters=clusters, design=tested, tells=name in _TELLS
        )
        on_parts = None
        if splits.count and found.blocks:
            on_parts = halves.parts(partial(between_blocks, grams[name], paired=paired), splits)
        metrics[name] = Metric(f"mmd_squared_{name}", value, UNIT, found, on_parts)
    metrics["energy"] = replace(metrics["energy"], name="energy_distance", unit="length")
    main = replace(metrics[DEFAULT], name="mmd_squared")
    gaussian = [name for name in grams if name.startswith("gaussian")]
    single = [metrics[name].inference.p_value for name in gaussian]
    found = _fused([grams[name] for name in gaussian], single, clusters, tested)
    fused = Metric("mmd_fused", float("nan"), UNIT, found)
    sides = _sides(human, model, frequencies.kernels.index(DEFAULT))
    error = half_width(by_group(sides, frequencies.groups(), paired=paired))
    uncertain = Metric("mmd_squared_feature_error", error, UNIT, no_inference(0))
    return [main, main.rooted("mmd", ROOT_UNIT), *metrics.values(), fused, uncertain]


def stratified(
    human: Mapping[str, FeatureState],
    model: Mapping[str, FeatureState],
    statistic: FeatureSums,
    *,
    paired: bool,
    settings: config.Inference,
    weights: str = "human",
) -> list[Metric]:
    """Computes measures that another mix of strata cannot move, from the states of each stratum.

    mmd_squared_stratified, mmd_stratified  |sum of w (q - p)|^2: are the clouds alike once both
                                            have one mix?
    mmd_squared_within                      sum of w |q - p|^2: is each stratum alike?

    They run over strata with sixteen clusters on both sides; w is the human share of documents
    among them, or one over their number for `weights` "uniform". Empty without two such strata.
    """
    names = [
        name
        for name in sorted(human.keys() & model.keys())
        if blocks.adapt(int(min(count_of(human[name]), count_of(model[name]))))
    ]
    if len(names) < 2:
        return []
    own, other = ([side[name] for name in names] for side in (human, model))
    documents = np.array([state.documents.sum() for state in own], np.float64)
    if weights == "uniform":
        documents[:] = 1.0
    shares = list(documents / documents.sum())
    number = statistic.frequencies.kernels.index(DEFAULT)
    tested = design(settings, paired=paired)
    clusters = count_of(*own), count_of(*other)
    strata = [_sides(*pair, number) for pair in zip(own, other, strict=True)]
    whole = stratified_gram(strata, shares)
    value = float(between_blocks(whole, *blocks.sides(whole.blocks), paired=paired)[0])
    found = infer_grams([whole], value=value, clusters=clusters, design=tested, tells=True)
    mixed = Metric("mmd_squared_stratified", value, UNIT, found)
    each = [between_documents(*sides, paired=paired) for sides in strata]
    value = float(np.dot(shares, each))
    grams = [gram(*sides) for sides in strata]
    found = infer_grams(grams, value=value, clusters=clusters, design=tested, weights=shares)
    within = Metric("mmd_squared_within", value, UNIT, found)
    return [mixed, mixed.rooted("mmd_stratified", ROOT_UNIT), within]


def _sides(human: FeatureState, model: FeatureState, kernel: int, scale: float = 1.0) -> Sides:
    h, m = (state.block_sums(kernel) * np.sqrt(scale) for state in (human, model))
    return h, m, human.documents.astype(np.float64), model.documents.astype(np.float64)


def _fused(
    grams: list[Gram], single: list[float], clusters: tuple[float, float], tested: Design
) -> Inferred:
    """Returns p of all bandwidths at once; at least the smallest of the `single` ones, which hold
    at unlike sizes too, where relabeling alone does not.
    """
    count = blocks.adapt(int(min(clusters)))
    if not count:
        return no_inference(0)
    rng = np.random.default_rng(tested.seed).spawn(1)[0]
    p = fused_test(
        [each.coarsen(count) for each in grams],
        paired=tested.paired,
        permutations=tested.permutations,
        rng=rng,
    )
    return Inferred(p_value=max(p, min(single)), blocks=count)
