"""Fills the embedding store with the missing texts of an audit: a job for machines with GPUs.

    spark-submit --properties-file conf/spark-gpu.conf \\
        jobs/embed.py --conf conf/audit.toml --date 2026-01-31

Reads   corpora.<name>.path of the configuration
Writes  the embedding store, file by file: a job that was killed resumes where it stopped; then
        <out>/<run_id>, made visible in one step; its path is the last line printed
Exits   0 fine, 1 crash, 2 configuration, 4 input, 75 try again
"""

from __future__ import annotations

from dftspark import entry, runs
from dftspark.config import Audit, request
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.spark.session import session
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    args = entry.parser("Embed the texts of an audit.").parse_args(argv)

    def work() -> Run:
        config = request.dated(Audit.load(args.conf), args.date)
        check_store(config.out)
        with session(f"embed {config.name}") as spark:
            return runs.embed(spark, config, args.date, lines())

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
