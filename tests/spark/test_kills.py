"""Drivers, Python workers and executors killed at random points: nothing half-published, and what
runs again says the same. DFTSPARK_KILLS is how many; benchmarks/kills.py prints them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests import extras
from tests.judging import longer, serving
from tests.spark.kills import Kill, Kit, kit

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.cluster,
    extras.embed,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc"),
]

# Four are every job and every victim once.
COUNT = int(os.environ.get("DFTSPARK_KILLS", "4"))


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    folder = tmp_path_factory.mktemp("kills")
    with serving(longer, latency=0.05) as server, kit(folder, server) as found:
        yield found


@pytest.mark.parametrize("number", range(COUNT))
def test_a_kill_leaves_nothing_half_done(killing: Kit, number: int) -> None:
    outcome = killing.strike(Kill.of(number))
    assert outcome.equal, outcome
