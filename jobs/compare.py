"""Compares stored profiles again, without reading documents, for example with new inference
settings.

    spark-submit jobs/compare.py --conf conf/audit.toml --profile runs/20260131T020000Z-audit-1a2b3c

Reads   the profile and phrases of a published run
Writes  <out>/<run_id>, made visible in one step; its path is the last line printed
Exits   0 fine, 1 crash, 2 configuration, 4 input, 75 try again
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dftspark import entry, runs
from dftspark.config import Audit, request
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.listing import open_run
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare stored profiles.")
    parser.add_argument("--conf", type=Path, required=True, help="TOML file of the audit")
    parser.add_argument("--profile", required=True, help="folder of the run that has the profile")
    entry.add_log(parser)
    args = parser.parse_args(argv)

    def work() -> Run:
        profiled = open_run(args.profile)
        config = request.dated(Audit.load(args.conf), str(profiled.manifest["date"]))
        check_store(config.out)
        with session(f"compare {config.name}") as spark:
            return runs.compare(spark, config, profiled, lines())

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
