"""Tables of a catalog that outlives a session, through the command line: Spark's own, in Derby."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dftspark.store.listing import open_run
from tests.spark import processes

pytestmark = [pytest.mark.spark, pytest.mark.program, pytest.mark.slow]

MAKING = """
from pyspark.sql import SparkSession
import sys
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
for pair in sys.argv[1:]:
    builder = builder.config(*pair.split("=", 1))
spark = builder.getOrCreate()
rows = [(f"We went to the river on day {i} and slept.", None, f"p{i}") for i in range(60)]
rows += [(f"It is a rich tapestry, {i}, of things.", "gpt", f"p{i}") for i in range(60)]
frame = spark.createDataFrame(rows, "body string, model string, prompt string")
spark.sql("CREATE DATABASE texts")
frame.write.partitionBy("model").saveAsTable("texts.everything")
"""


def test_a_table_in_derby(tmp_path: Path) -> None:
    derby = f"jdbc:derby:;databaseName={tmp_path}/metastore;create=true"
    settings = [
        "spark.sql.catalogImplementation=hive",
        f"spark.sql.warehouse.dir={tmp_path}/warehouse",
        f"spark.hadoop.javax.jdo.option.ConnectionURL={derby}",
    ]
    done = processes.finished([sys.executable, "-c", MAKING, *settings], tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    columns = 'columns = { text = "body", prompt_id = "prompt", model = "model" }\n'
    (tmp_path / "audit.toml").write_text(
        'out = "runs"\nlenses = ["ngrams"]\n[report]\npage = false\n'
        f'[corpora.human]\nrole = "human"\ntable = "texts.everything"\n{columns}'
        'filter = "model IS NULL"\n'
        f'[corpora.m]\nrole = "model"\ntable = "texts.everything"\n{columns}'
        'split_by = ["model"]\nfilter = "model IS NOT NULL"\n'
    )
    conf = [part for setting in settings for part in ("--conf", setting)]
    done = processes.finished(processes.dftspark("audit", "audit.toml", "--quiet", *conf), tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    run = open_run(done.stdout.splitlines()[-1])
    told = run.manifest["sources"]["m"]
    assert (told["table"], told["format"], told["rows"]) == ("texts.everything", "parquet", 120)
    counted = {row["corpus"]: row["documents"] for row in run.table("corpora").to_pylist()}
    assert counted["m/gpt"] == counted["human"] == 60
    # Without the settings the table is not there, and a short error says so.
    done = processes.finished(processes.dftspark("audit", "audit.toml", "--quiet"), tmp_path)
    assert done.returncode == 2
    assert "corpora.human.table: 'texts.everything' cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) < 10
