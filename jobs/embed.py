"""Fills the embedding store with what it lacks of an audit's texts: a job for machines with GPUs.

    spark-submit --properties-file conf/spark-gpu.conf \\
        jobs/embed.py --conf conf/audit.toml --date 2026-01-31

Reads   corpora.<name>.path of the configuration
Writes  the embedding store, file by file: a job that was killed goes on where it stopped; then
        <out>/<run_id>, made visible in one step; its path is the last line printed
Exits   0 fine, 1 crash, 2 configuration, 4 input, 75 try again
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dftspark import request, runs
from dftspark.config import Audit
from dftspark.errors import DftsparkError
from dftspark.location import redact
from dftspark.report.progress import Lines
from dftspark.report.text import visible_lines
from dftspark.spark.session import session


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Embed the texts of an audit.")
    parser.add_argument("--conf", type=Path, required=True, help="TOML file of the audit")
    parser.add_argument("--date", default="", help="YYYY-MM-DD; {date} in paths becomes it")
    args = parser.parse_args(argv)
    try:
        config = request.dated(Audit.load(args.conf), args.date)
        with session(f"embed {config.name}") as spark:
            run = runs.embed(spark, config, args.date, Lines())
    except DftsparkError as error:
        print(f"error: {visible_lines(redact(str(error)))}", file=sys.stderr)
        return error.exit_code
    print(run.path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
