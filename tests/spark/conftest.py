"""One Spark session for all tests that want one, made when the first of them asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dftspark.java import ensure_java
from dftspark.spark.session import local, relied_on

ROOT = Path(__file__).resolve().parent.parent.parent

# Workers and the children of spark-submit import the package from this tree.
_PATHS = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(_PATHS)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """local[2] with settings that only tests want, each with its reason."""
    ensure_java()
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for key, value in local().items():
        builder = builder.config(key, value)
    # A full plan per query costs more than the tests' data; the warehouse must not be the tree's.
    builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    builder = builder.config("spark.driver.memory", "2g")
    session = relied_on(builder.getOrCreate())
    yield session
    session.stop()
