"""Asks the judges of a configuration which of two texts on a prompt they prefer.

    spark-submit --properties-file conf/spark-defaults.conf \\
        jobs/judge.py --conf conf/audit.toml --date 2026-01-31

Reads   corpora.<name>.path of the configuration, and the verdict store
Writes  <out>/<run_id>, made visible in one step, and new verdicts into the store; the run's path is
        the last line printed
Needs   the keys' environment variables on the driver and on every executor
Exits   0 fine, 1 crash, 2 configuration, 4 input, 5 finished in part, 75 try again
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from dftspark import request, runs
from dftspark.config import Audit
from dftspark.errors import DftsparkError, FinishedInPart
from dftspark.judge_stages import Asking
from dftspark.location import redact
from dftspark.report.judge import print_plan, unfinished
from dftspark.report.progress import Lines
from dftspark.report.text import visible_lines
from dftspark.spark.session import session


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Ask judges about model text and human text.")
    parser.add_argument("--conf", type=Path, required=True, help="TOML file of the audit")
    parser.add_argument("--date", default="", help="YYYY-MM-DD; {date} in paths becomes it")
    parser.add_argument(
        "--again", action="store_true", help="send what a killed run sent and did not hear of"
    )
    args = parser.parse_args(argv)
    try:
        config = request.dated(Audit.load(args.conf), args.date)
        log = Console(stderr=True)
        asking = Asking(again=args.again, announce=lambda e: print_plan(e, config.judge, log))
        with session(f"judge {config.name}") as spark:
            run = runs.judge(spark, config, args.date, Lines(), asking)
        print(run.path)
        if missing := unfinished(run):
            raise FinishedInPart(missing)
    except DftsparkError as error:
        print(f"error: {visible_lines(redact(str(error)))}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
