"""Reads, profiles, compares and publishes: the whole audit, or the first stage of it alone.

    spark-submit --properties-file conf/spark-defaults.conf \\
        jobs/audit.py --conf conf/audit.toml --date 2026-01-31

Reads   corpora.<name>.path of the configuration
Writes  <out>/<run_id>, made visible in one step; its path is the last line printed
Exits   0 fine, 1 crash, 2 configuration, 3 a check failed, 4 input, 5 finished in part,
        75 try again
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dftspark import request, runs
from dftspark.check_stages import demand
from dftspark.config import Audit
from dftspark.errors import DftsparkError, FinishedInPart
from dftspark.location import redact
from dftspark.report.judge import unfinished
from dftspark.report.progress import Lines
from dftspark.report.text import visible_lines
from dftspark.spark.session import session


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Audit model text against human text.")
    parser.add_argument("--conf", type=Path, required=True, help="TOML file of the audit")
    parser.add_argument("--date", default="", help="YYYY-MM-DD; {date} in paths becomes it")
    parser.add_argument("--profile-only", action="store_true", help="stop after the profile")
    args = parser.parse_args(argv)
    try:
        config = request.dated(Audit.load(args.conf), args.date)
        work = runs.profile if args.profile_only else runs.audit
        with session(f"audit {config.name}") as spark:
            run = work(spark, config, args.date, Lines())
        print(run.path)
        demand([run])
        if missing := unfinished(run):
            raise FinishedInPart(missing)
    except DftsparkError as error:
        print(f"error: {visible_lines(redact(str(error)))}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
