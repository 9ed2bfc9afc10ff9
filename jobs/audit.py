"""Reads, profiles, compares and publishes: the whole audit, or only its first stage.

    spark-submit --properties-file conf/spark-defaults.conf \\
        jobs/audit.py --conf conf/audit.toml --date 2026-01-31

Reads   corpora.<name>.path of the configuration
Writes  <out>/<run_id>, made visible in one step; its path is the last line printed
Exits   0 fine, 1 crash, 2 configuration, 3 a check failed, 4 input, 5 finished in part,
        75 try again
"""

from __future__ import annotations

from dftspark import entry, runs
from dftspark.config import Audit, request
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    parser = entry.parser("Audit model text against human text.")
    parser.add_argument("--profile-only", action="store_true", help="stop after the profile")
    args = parser.parse_args(argv)

    def work() -> Run:
        config = request.dated(Audit.load(args.conf), args.date)
        made_by = runs.profile if args.profile_only else runs.audit
        check_store(config.out)
        with session(f"audit {config.name}") as spark:
            return made_by(spark, config, args.date, lines())

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
