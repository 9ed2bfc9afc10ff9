"""The number of documents that a precision of MMD squared takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark import config
from dftspark.errors import ConfigError
from dftspark.lenses.embeddings import sample_size
from dftspark.lenses.embeddings.sample_size import documents_for, error_of, kernel_of, square_of
from dftspark.nights import days


def cloud(rng: np.random.Generator, count: int, shift: float) -> NDArray[np.float32]:
    found = rng.normal(size=(count, 8)) + np.r_[shift, np.zeros(7)]
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None], np.float32)


@pytest.mark.parametrize("shift", [0.4, 1.5])
def test_the_formula_is_the_scatter_of_samples(shift: float) -> None:
    rng = np.random.default_rng(1)
    human, model = cloud(rng, 600, 0), cloud(rng, 600, shift)
    kernel = kernel_of(human, model)
    error = error_of(kernel, len(human))
    drawn = [
        square_of(kernel, rng.choice(600, 60, False), 600 + rng.choice(600, 60, False))
        for _ in range(400)
    ]
    # 400 draws have a relative error of 3.5% in their scatter.
    assert np.std(drawn) / error.square == pytest.approx(error.of(60, pool=600), rel=0.15)


def test_documents_and_error_are_inverse() -> None:
    rng = np.random.default_rng(2)
    error = error_of(kernel_of(cloud(rng, 300, 0), cloud(rng, 200, 0.8)), 300)
    for relative in (0.3, 0.1, 0.02):
        assert error.of(error.documents(relative)) == pytest.approx(relative, rel=1e-9)


def test_the_model_that_needs_most_decides() -> None:
    rng = np.random.default_rng(3)
    human, near, far = (cloud(rng, 500, shift) for shift in (0, 0.5, 3))
    alone = [documents_for(0.1, human, [model]) for model in (near, far)]
    assert documents_for(0.1, human, [far, near]) == alone[0] > alone[1] == sample_size.PILOT
    assert alone[0] % 100 == 0
    assert documents_for(0.1, human, [human]) == sample_size.MOST
    assert documents_for(0.1, human[:3], [near]) == sample_size.PILOT


def settings(**more: Any) -> dict[str, Any]:
    corpora = {"human": {"role": "human", "path": "h"}, "m": {"role": "model", "path": "m/{date}"}}
    return {"corpora": corpora, **more}


def test_what_a_sample_may_be() -> None:
    for sample, error in ((500, None), ("all", None), ("10%", 0.1), ("2.5%", 0.025)):
        found = config.Audit.parse(settings(embedding={"sample": sample}), "the test")
        assert found.embedding.sample_error == error
    for sample in ("0%", "100%", "10", "ten%", 50, True):
        with pytest.raises(ConfigError, match="sample is a number from 100 on"):
            config.Audit.parse(settings(embedding={"sample": sample}), "the test")


def test_a_night_takes_a_number() -> None:
    found = config.Audit.parse(settings(embedding={"sample": "10%"}), "the test")
    with pytest.raises(ConfigError, match="'10%' is found from both sides"):
        days.check_config(found)
