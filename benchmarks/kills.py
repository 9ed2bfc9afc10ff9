"""Kills drivers, Python workers and executors at random points, and reports what was left.

    python benchmarks/kills.py [--kills 50] [--first 0] [--seed 0] [--folder DIR]

Each job of jobs/ runs on a standalone cluster of two workers of one core and 1 GiB: audit (n-grams,
structure, embeddings), nightly, judge (with a server on loopback) and embed, in turn. A kill hits
the driver, a Python worker or an executor, or is a limit on the memory of Python workers, at a
random moment; two of three runs have speculation or dynamic allocation. Then every visible run must
be whole; the job runs again with the same store, and every table of every published run is compared
with those of a run that nobody killed, to the last bit. `published` are runs that were visible
after the kill, `reruns` how often the job ran again until it ended well.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.judging import longer, serving
from tests.spark.kills import HEADER, Kill, kit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="number of the first kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept; else a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return strike(folder, range(args.first, args.first + args.kills), args.seed)


def strike(folder: Path, numbers: range, seed: int) -> int:
    struck = wrong = 0
    with serving(longer, latency=0.05) as server, kit(folder, server) as found:
        print(HEADER, flush=True)
        for number in numbers:
            kill = Kill.of(number, seed)
            try:
                outcome = found.strike(kill)
            except AssertionError as error:
                wrong += 1
                print(f"{number:4}  {kill.job}, {kill.victim}: {str(error)[-2000:]}", flush=True)
                continue
            struck += outcome.struck
            wrong += not outcome.equal
            print(outcome, flush=True)
    print(f"{len(numbers)} kills, {struck} of them struck; {wrong} left something wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
