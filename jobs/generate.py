"""Lets models write for briefs, at every sampler setting: at endpoints, or from weights in tasks.

    spark-submit --properties-file conf/spark-gpu.conf jobs/generate.py --conf write.toml [--again]

Reads   generate.briefs, and the store of texts
Writes  <out>/<run_id>, made visible in one step, and new texts into the store; the run's path is
        the last line printed
Needs   the keys' environment variables; Spark only if a model has a path
Exits   0 fine, 1 crash, 2 configuration, 4 input, 5 finished in part, 75 try again
"""

from __future__ import annotations

from contextlib import ExitStack

from dftspark import entry
from dftspark.config.generate import Generation
from dftspark.generation.run import generate
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    parser = entry.parser("Let models write for briefs.")
    parser.add_argument(
        "--again", action="store_true", help="send again what was sent and brought no answer"
    )
    args = parser.parse_args(argv)

    def work() -> Run:
        config = Generation.load(args.conf)
        check_store(config.out)
        with ExitStack() as around:
            spark = None
            if any(writer.local for writer in config.generate.models):
                spark = around.enter_context(session(f"generate {config.name}"))
            return generate(config, lines(), spark=spark, again=args.again)

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
