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

from rich.console import Console

from dftspark import entry, runs
from dftspark.config import Audit, request
from dftspark.lenses.judge.lens import Asking
from dftspark.lenses.judge.terminal import print_plan
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    parser = entry.parser("Ask judges about model text and human text.")
    parser.add_argument(
        "--again",
        action="store_true",
        help="send again what was sent and brought no answer",
    )
    args = parser.parse_args(argv)

    def work() -> Run:
        config = request.dated(Audit.load(args.conf), args.date)
        log = Console(stderr=True)
        asking = Asking(again=args.again, announce=lambda e: print_plan(e, config.judge, log))
        check_store(config.out)
        with session(f"judge {config.name}") as spark:
            return runs.judge(spark, config, args.date, lines(), asking)

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
