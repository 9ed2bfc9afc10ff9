"""The peer's test in a separate environment: Compress Then Test of goodpoints, one Gaussian kernel.

`mmd.py` runs it with the interpreter of build/goodpoints; it imports nothing of this project. Its
arguments are two .npy files, sigma, permutations, rows of a test, tests. Its kernel is exp(-|x -
y|^2 / lam^2), so lam = sqrt(2) sigma; it uses s = 16 bins a side, which is its default, and as
little compression as a bin's documents allow, up to 4^4 of them (g = 4).
"""

from __future__ import annotations

import json
import sys

import numpy as np
from goodpoints import ctt  # type: ignore[import-not-found]

BINS = 16


def test(human: np.ndarray, model: np.ndarray, sigma: float, permutations: int, seed: int):  # type: ignore[no-untyped-def]
    """Returns (its statistic, p, whether it rejects at .05)."""
    level = max(0, min(4, int(np.log2(len(human) / BINS) / 2)))
    found = ctt.ctt(
        np.ascontiguousarray(human, np.float64),
        np.ascontiguousarray(model, np.float64),
        level,
        B=permutations,
        s=BINS,
        lam=np.sqrt(2) * sigma,
        null_seed=seed,
        statistic_seed=seed,
    )
    value = float(np.max(found.statistic_values))
    p = float((np.asarray(found.estimator_values) >= value).sum() / (permutations + 1))
    return value, p, float(np.max(found.rejects))


def main() -> None:
    human, model = (np.load(path, mmap_mode="r") for path in sys.argv[1:3])
    sigma, permutations = float(sys.argv[3]), int(sys.argv[4])
    rows, tests = int(sys.argv[5]), int(sys.argv[6])
    test(human[:256], model[:256], sigma, 9, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    found = [
        test(human[i * rows :][:rows], model[i * rows :][:rows], sigma, permutations, i)
        for i in range(tests)
    ]
    print("done", flush=True)
    value, p, _ = found[0]
    power = float(np.mean([rejects for _, _, rejects in found]))
    print("result", json.dumps({"value": value, "p": p, "power": power}), flush=True)


if __name__ == "__main__":
    main()
