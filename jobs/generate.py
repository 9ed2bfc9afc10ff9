"""Lets models write for briefs, at every sampler setting, from one process.

    python jobs/generate.py --conf write.toml [--again]

Reads   generate.briefs, and the store of texts
Writes  <out>/<run_id>, made visible in one step, and new texts into the store; the run's path is
        the last line printed
Needs   the keys' environment variables
Exits   0 fine, 1 crash, 2 configuration, 4 input, 5 finished in part, 75 try again
"""

from __future__ import annotations

from dftspark import job, runs
from dftspark.config.generate import Generation
from dftspark.progress import Lines
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    parser = job.parser("Let models write for briefs.")
    parser.add_argument(
        "--again", action="store_true", help="send again what was sent and brought no answer"
    )
    args = parser.parse_args(argv)

    def work() -> Run:
        return runs.generate(Generation.load(args.conf), Lines(), again=args.again)

    return job.exit_code(work)


if __name__ == "__main__":
    raise SystemExit(main())
