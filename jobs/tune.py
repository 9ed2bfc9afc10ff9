"""Tunes a model in rounds, so that its texts as a whole match human texts.

    spark-submit --properties-file conf/spark-defaults.conf jobs/tune.py --conf tune.toml

Reads   tune.model, tune.profile, tune.briefs, tune.human, tune.sft
Writes  <out>/<run_id>, made visible in one step; samples, checkpoints and models into tune.store;
        the run's path is the last line printed
Needs   the extra `tune` on the driver and on every executor
Exits   0 fine, 1 crash, 2 configuration, 4 input, 75 try again
"""

from __future__ import annotations

from dftspark import entry
from dftspark.config.tune import Tuning
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.run import Run
from dftspark.tuning.run import tune


def main(argv: list[str] | None = None) -> int:
    args = entry.parser("Tune a model in rounds.").parse_args(argv)

    def work() -> Run:
        config = Tuning.load(args.conf)
        check_store(config.out)
        with session(f"tune {config.name}") as spark:
            return tune(spark, config, lines())

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
