"""Chooses one sample of each prompt, so that the chosen texts together match human texts.

    spark-submit --properties-file conf/spark-defaults.conf \\
        jobs/choose.py --conf conf/sweep.toml [--profile runs/20261122T010000Z-human-1a2b3c]

Reads   corpora.<name>.path of the pool and of the human side, or the run that profiled it
Writes  <out>/<run_id>, made visible in one step; its path is the last line printed
Exits   0 fine, 1 crash, 2 configuration, 4 input
"""

from __future__ import annotations

from dftspark import entry, runs
from dftspark.config import Audit, request
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.listing import open_run
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    parser = entry.parser("Choose one sample of each prompt.")
    parser.add_argument("--profile", help="the run that has profiled the human side")
    args = parser.parse_args(argv)

    def work() -> Run:
        config = request.dated(Audit.load(args.conf), args.date)
        profiled = open_run(args.profile) if args.profile else None
        check_store(config.out)
        with session(f"choose {config.name}") as spark:
            return runs.choose(spark, config, args.date, lines(), profiled)

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
