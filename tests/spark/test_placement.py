"""Rows in the tasks that they name, on every Spark of the declared range."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from dftspark.spark.placement import placed

pytestmark = pytest.mark.spark


@pytest.mark.parametrize("tasks", [1, 2, 7, 64])
def test_a_row_is_in_the_task_that_it_names(spark: SparkSession, tasks: int) -> None:
    named = F.pmod(F.col("id") * 11, F.lit(tasks)).cast("int").alias("task")
    rows = placed(spark.range(4 * tasks).select(named), tasks, "task")
    there = rows.select("task", F.spark_partition_id().alias("is_in")).toArrow()
    assert there["task"].to_pylist() == there["is_in"].to_pylist()
    assert set(there["task"].to_pylist()) == set(range(tasks))
