"""Axes for the eye: principal components, the same for any batch, every document in a cell."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.errors import ShapeError
from dftspark.lenses.embeddings.projection import CELLS, fit_projection


def clouds(n: int = 400, m: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    spread = np.array([5.0, 3.0, 1.0, 0.5, 0.1])
    turned, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    human, model = (rng.standard_normal((k, 5)) * spread @ turned for k in (n, m))
    return human.astype(np.float32), (model + 0.5).astype(np.float32)


def test_axes_are_the_principal_components_of_a_balanced_pilot() -> None:
    human, model = clouds()
    found = fit_projection(human, model)
    pilot = np.concatenate([human[:300], model]).astype(np.float64)
    _, singular, right = np.linalg.svd(pilot - pilot.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.axes @ right[:2].T), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(found.explained, (singular**2 / (singular**2).sum())[:2])
    assert (found.axes[[0, 1], np.abs(found.axes).argmax(axis=1)] > 0).all()


def test_cells_do_not_depend_on_the_batch() -> None:
    human, model = clouds()
    found = fit_projection(human, model)
    whole = found.cell(human)
    parts = np.concatenate([found.cell(human[i : i + 7]) for i in range(0, len(human), 7)])
    np.testing.assert_array_equal(whole, parts)
    assert whole.min() >= 0
    assert whole.max() < CELLS


def test_what_lies_beyond_an_edge_is_in_its_cell() -> None:
    human, model = clouds()
    found = fit_projection(human, model)
    far = found.mean + 1e6 * found.axes[0] - 1e6 * found.axes[1]
    assert found.cell(far[None]).tolist() == [[CELLS - 1, 0]]


def test_most_documents_are_well_inside() -> None:
    human, model = clouds()
    cells = fit_projection(human, model).cell(np.concatenate([human, model]))
    inside = ((cells > 0) & (cells < CELLS - 1)).all(axis=1).mean()
    assert inside > 0.95


@pytest.mark.parametrize(("n", "m", "d"), [(2, 9, 5), (9, 9, 1)])
def test_too_little_is_refused(n: int, m: int, d: int) -> None:
    with pytest.raises(ShapeError):
        fit_projection(np.zeros((n, d)), np.zeros((m, d)))


def test_another_width_is_refused() -> None:
    with pytest.raises(ShapeError, match="axes"):
        fit_projection(*clouds()).cell(np.zeros((3, 4)))
