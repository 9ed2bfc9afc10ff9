"""Profiles one day, merges the window that ends with it, compares, checks, publishes.

    spark-submit --properties-file conf/spark-defaults.conf \\
        jobs/nightly.py --conf conf/nightly.toml --date yesterday --log json

Reads   corpora.<name>.path of the configuration, and the stored profiles of the window
Writes  <out>/<run_id> of the day's profile and of the night, each made visible in one step; paths
        are printed, the night's last
Exits   0 fine, 1 crash, 2 configuration, 3 a check failed, 4 input, 75 try again
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dftspark import entry
from dftspark.config import request
from dftspark.nights import shift
from dftspark.progress import lines


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Audit one day of model text.")
    parser.add_argument("--conf", type=Path, required=True, help="TOML file of the nightly audit")
    parser.add_argument("--date", required=True, help="YYYY-MM-DD, or yesterday")
    parser.add_argument("--stored", action="store_true", help="merge stored profiles, read nothing")
    parser.add_argument(
        "--refresh", action="store_true", help="redo nights that had the date before"
    )
    parser.add_argument("--reference", action="store_true", help="profile the human side again")
    parser.add_argument("--prometheus", help="a file NAME.prom, or the URL of a Pushgateway")
    entry.add_log(parser)
    args = parser.parse_args(argv)

    def work() -> None:
        config, date = request.night(args.conf, None, args.date)
        order = shift.Order(
            date,
            read=not args.stored,
            refresh=args.refresh,
            reference=args.reference,
            prometheus=args.prometheus,
        )
        shift.work(config, order, lines())

    return entry.outcome(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
