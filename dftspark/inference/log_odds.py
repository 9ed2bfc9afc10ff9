"""The log odds ratio of counts on two sides, shrunken towards the rate of both together.

Source   Monroe, Colaresi and Quinn (2008), without their variance, which takes tokens for
         independent; see Lijffijt et al. (2016)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_SHARE = 0.01


def shrunken_log_odds(
    count_human: Floats, count_model: Floats, tokens_human: float, tokens_model: float
) -> Floats:
    """Returns log odds ratios `(V,)` with an informative prior, natural log; overuse is positive.

    log[(y + a) / (T + a0 - y - a)] of the model less that of the human, a = a0 x pooled rate. The
    prior weighs a0 = 1% of both sides' tokens: the value is finite, and an n-gram that one of two
    equal sides never has gets about ln 101 = 4.6 in size, whatever its count. So rank by it only
    what a test finds. nan where neither side has it, and where neither has another.
    """
    count = count_human + count_model
    others = tokens_human + tokens_model - count
    known = (count > 0) & (others > 0)
    prior, rest = (PRIOR_SHARE * np.where(known, of, np.nan) for of in (count, others))

    def log_odds(count: Floats, side_tokens: float) -> Floats:
        return np.asarray(np.log((count + prior) / (side_tokens - count + rest)))

    return log_odds(count_model, tokens_model) - log_odds(count_human, tokens_human)
