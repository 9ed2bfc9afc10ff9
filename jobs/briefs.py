"""Makes a brief of each human document, using an endpoint that reads them.

    python jobs/briefs.py --conf briefs.toml

Reads   briefs.documents, and the store of answers
Writes  <out>/<run_id>, made visible in one step, and new answers into the store; the run's path is
        the last line printed
Needs   the key's environment variable
Exits   0 fine, 1 crash, 2 configuration, 4 input, 5 finished in part, 75 try again
"""

from __future__ import annotations

from dftspark import entry
from dftspark.config.briefs import BriefMaking
from dftspark.generation import brief_run
from dftspark.location import check_store
from dftspark.progress import lines
from dftspark.store.run import Run


def main(argv: list[str] | None = None) -> int:
    args = entry.parser("Make briefs of human documents.").parse_args(argv)

    def work() -> Run:
        config = BriefMaking.load(args.conf)
        check_store(config.out)
        return brief_run.make(config, lines())

    return entry.exit_code(work, args.log)


if __name__ == "__main__":
    raise SystemExit(main())
