"""Compares random features on real embeddings with the kernel itself, and human with human.

    python benchmarks/mmd_real.py --vectors outfox.npz fdg.npz

Each file holds `vectors` (N, d) float32, `cluster` (the prompt) and `model` ('' is human) of N
documents. For every model: MMD^2 by features, by the kernel over the same pairs, the error that the
features report; whether both rank the models alike. Then 500 splits of the human prompts: how often
does each test reject at .05, although both halves have one distribution? Exits with 1 if a bound
fails.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Inference
from dftspark.corpus.blocks import block_of
from dftspark.inference.gram import gram
from dftspark.inference.squared import block_test, fused_test
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings import distance_mmd as mmd
from dftspark.lenses.embeddings.fourier import DEFAULT, Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.stats.protocol import VectorBatch
from dftspark.testing import oracles
from dftspark.text.hashing import digest64

PILOT = 1_000
WORST = 0.02  # of the exact value, or twice the reported feature error
LEVEL = (0.03, 0.07)
Side = tuple[NDArray[np.float32], list[str]]


def state(of: FeatureSums, side: Side, salt: str = "") -> FeatureState:
    vectors, clusters = side
    hashes = np.array([digest64(name, "dftspark cluster v1") for name in clusters], np.uint64)
    return of.observe(VectorBatch(vectors, hashes, blocks(clusters, salt)))


def blocks(clusters: list[str], salt: str = "") -> NDArray[np.int64]:
    return block_of([f"{salt}{name}" for name in clusters]).astype(np.int64)


def sides_of(path: Path) -> dict[str, Side]:
    stored = np.load(path, allow_pickle=False)
    models = stored["model"]
    return {
        str(name): (stored["vectors"][models == name], stored["cluster"][models == name].tolist())
        for name in np.unique(models)
    }


def against_the_kernel(name: str, sides: dict[str, Side], of: FeatureSums) -> bool:
    """Prints a line per model and kernel; returns whether all are near and both orders of models
    agree."""
    human = sides[""]
    own = state(of, human)
    order: dict[str, list[tuple[float, float]]] = {}
    fine = True
    for model in sorted(sides.keys() - {""}):
        found = {
            metric.name: metric.value
            for metric in embeddings.compared(
                own,
                state(of, sides[model]),
                of,
                paired=False,
                settings=Inference(permutations=99, splits=20),
            )
        }
        error = found["mmd_squared_feature_error"]
        for kernel in of.frequencies.kernels:
            exact = oracles.exact_squared_mmd(
                human[0],
                sides[model][0],
                mmd.kernel(kernel, of.frequencies.sigma),
                blocks(human[1]),
                blocks(sides[model][1]),
            )
            energy = kernel == "energy"
            value = found["energy_distance" if energy else f"mmd_squared_{kernel}"]
            off = value / exact - 1
            order.setdefault(kernel, []).append((exact, value))
            if kernel == DEFAULT:
                near = abs(off) <= WORST or abs(value - exact) <= 2 * error
                fine &= near
                print(
                    f"  {model:<22} exact {exact:.6f}  features {value:.6f}  {off:+.2%}  "
                    f"reported error {error / exact:.2%}  {'' if near else 'TOO FAR'}"
                )
            else:
                print(f"    {kernel:<20} exact {exact:.6f}  features {value:.6f}  {off:+.2%}")
    for kernel, pairs in order.items():
        exact_order, own_order = (list(np.argsort(column)) for column in np.array(pairs).T)
        alike = exact_order == own_order
        fine &= alike or kernel != DEFAULT
        print(f"  {name} {kernel}: ranking of {len(pairs)} models {'equal' if alike else 'UNLIKE'}")
    return fine


def human_against_human(name: str, human: Side, of: FeatureSums, splits: int) -> bool:
    """Tests random halves of the prompts; the blocks of each split come from a separate hash."""
    vectors, clusters = human
    prompts, which = np.unique(clusters, return_inverse=True)
    names = of.frequencies.kernels
    gaussian = [i for i, kernel in enumerate(names) if kernel.startswith("gaussian")]
    p = []
    for split in range(splits):
        rng = np.random.default_rng((1, split))
        first = (rng.permutation(len(prompts)) < len(prompts) // 2)[which]
        states = [
            state(
                of,
                (vectors[part], [c for c, own in zip(clusters, part, strict=True) if own]),
                f"{split} ",
            )
            for part in (first, ~first)
        ]
        grams = [
            gram(
                states[0].block_sums(i),
                states[1].block_sums(i),
                states[0].documents.astype(float),
                states[1].documents.astype(float),
            )
            for i in range(len(names))
        ]
        row = [fused_test([grams[i] for i in gaussian], paired=False, permutations=199, rng=rng)]
        row += [block_test(each, paired=False, permutations=199, rng=rng) for each in grams]
        p.append(row)
    shares = (np.array(p) <= 0.05).mean(axis=0)
    own = dict(zip(["fused", *names], shares, strict=True))
    print(
        f"  {name}: share of {splits} splits with p <= .05: "
        + "  ".join(f"{kernel} {share:.3f}" for kernel, share in own.items())
    )
    return all(LEVEL[0] <= own[kernel] <= LEVEL[1] for kernel in ("fused", DEFAULT))


def main() -> None:
    parser = argparse.ArgumentParser(description="Random features on real embeddings.")
    parser.add_argument("--vectors", type=Path, nargs="*", default=[])
    parser.add_argument("--splits", type=int, default=500)
    options = parser.parse_args()
    if not options.vectors:
        print("skipped: no --vectors; see the head of this file")
        return
    fine = True
    for path in options.vectors:
        sides = sides_of(path)
        pilot = np.concatenate([vectors[:PILOT] for vectors, _ in sides.values()])
        frequencies = Frequencies(dim=pilot.shape[1], sigma=mmd.median_distance(pilot))
        of = FeatureSums(frequencies=frequencies)
        sizes = ", ".join(f"{name or 'human'} {len(v):,}" for name, (v, _) in sides.items())
        print(f"{path.stem}: {sizes}; {frequencies.manifest()}")
        fine &= against_the_kernel(path.stem, sides, of)
        fine &= human_against_human(path.stem, sides[""], of, options.splits)
    print("all bounds hold" if fine else "A BOUND DOES NOT HOLD")
    raise SystemExit(not fine)


if __name__ == "__main__":
    main()
