"""The command that adds the tables of a run to those of a catalog."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dftspark.cli.shared import (
    Master,
    Packages,
    Quiet,
    SparkConf,
    Store,
    app,
    console,
    opened,
    spark_settings,
)


@app.command()
def publish(
    run: Store,
    tables: Annotated[
        str, typer.Option("--tables", metavar="DATABASE", help="catalog.database, or database.")
    ],
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Adds the result tables of a run to the tables of a catalog, through Spark.

    `publish.tables` of a configuration does the same at the end of every audit and night. Rows that
    another run of the same night, or the same run, has there are replaced.

    Example: `dftspark publish runs --tables main.audits`

    Example: `dftspark publish runs/20261122T010000Z-nightly-1a2b3c --tables audits --conf
    spark.sql.catalogImplementation=hive`
    """
    from dftspark import runs
    from dftspark.config.publishing import database
    from dftspark.progress import progress
    from dftspark.spark.session import session

    settings = spark_settings(spark_conf, packages)
    target, of = database(tables), opened(run)
    shown = progress(console(stderr=True), quiet)
    with session("publish", master, settings) as spark:
        rows = runs.publish(spark, of, target, shown)
    if not quiet:
        print(f"{sum(rows.values()):,} rows in {len(rows)} tables of {target}", file=sys.stderr)
