"""Columns of the n-gram table: log odds, contributions and document ratios."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.log_odds import shrunken_log_odds
from dftspark.lenses.ngrams.distance_table import document_ratio, signed_contributions


def test_log_odds_on_paper() -> None:
    # Equal sides of 10,000 tokens; 50 occurrences against none: a = .5, a0 = 200, so the model
    # has log(50.5 / (10200 - 50.5)), the human log(.5 / (10200 - .5)).
    got = shrunken_log_odds(np.array([0.0]), np.array([50.0]), 1e4, 1e4)
    expected = np.log(50.5 / 10149.5) - np.log(0.5 / 10199.5)
    np.testing.assert_allclose(got, [expected], rtol=1e-12)
    assert got[0] == pytest.approx(np.log(101), abs=0.01)


def test_log_odds_of_unequal_sides() -> None:
    human, model = np.array([30.0, 6.0, 0.0]), np.array([10.0, 6.0, 0.0])
    got = shrunken_log_odds(human, model, 3e4, 1e4)
    assert got[0] == pytest.approx(0, abs=1e-12)  # the same rate, whatever the sizes
    assert 0 < got[1] < np.log(3)  # three times the rate, shrunk
    assert np.isnan(got[2])
    swapped = shrunken_log_odds(model, human, 1e4, 3e4)
    np.testing.assert_allclose(swapped[:2], -got[:2], atol=1e-12)


def test_log_odds_of_all_there_is_are_not_known() -> None:
    """Rounding of what is left of the tokens, nothing, is no odds."""
    for human, model in ((120.0, 80.0), (80.0, 40.0), (1e9, 3e8)):
        assert np.isnan(shrunken_log_odds(np.array([human]), np.array([model]), human, model))
    (only_model,) = shrunken_log_odds(np.array([80.0]), np.array([40.0]), 160.0, 40.0)
    assert 2 < only_model < 7


def test_contributions_sum_to_l2_squared_and_point_to_the_side_with_more() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(signed_contributions(p, q), [-0.09, 0, 0.09], atol=1e-15)


def test_document_ratio() -> None:
    # Half a document more everywhere: (10.5 / 20.5) / (.5 / 40.5).
    got = document_ratio(np.array([0.0, 40.0]), np.array([10.0, 20.0]), 40, 20)
    np.testing.assert_allclose(got, [10.5 / 20.5 * 81, 1.0], rtol=1e-14)
    assert np.isnan(document_ratio(np.array([0.0]), np.array([1.0]), 0, 5)).all()
