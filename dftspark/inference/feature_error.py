"""The error of random features against their kernel, estimated from the features themselves.

Source   independent orthogonal blocks of frequencies, Yu et al. (2016): each block alone is a map
         of the same kernel, so their results differ by the noise of features alone
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.inference.gram import Sides, between_documents

Floats = NDArray[np.float64]


def by_group(sides: Sides, groups: Sequence[NDArray[np.int64]], *, paired: bool) -> Floats:
    """Returns the squared distance from each group of frequencies alone, `(G,)`.

    `sides` are block sums `(S, 2 D)`, cosines before sines, and sizes; groups hold frequency
    numbers below D.
    """
    human, model, *sizes = sides
    count = human.shape[1] // 2
    found = []
    for group in groups:
        columns = np.concatenate([group, group + count])
        part = between_documents(human[:, columns], model[:, columns], *sizes, paired=paired)
        found.append(part * count / len(group))
    return np.array(found)


def half_width(found: Floats) -> float:
    """Returns the 95% half-width of the mean of `by_group`'s values `(G,)`, by t with G - 1 degrees
    of freedom.

    It is what another seed of the features would change. Models of one run share frequencies and
    human side, so the errors of all of them have one sign. nan below two groups.
    """
    if len(found) < 2:
        return float("nan")
    error = float(found.std(ddof=1) / np.sqrt(len(found)))
    return float(special.stdtrit(len(found) - 1, 0.975)) * error
