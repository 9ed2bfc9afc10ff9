"""Texts that a matcher may choke on, and how many lines the kernels run for them.

Run as a program, with Numba's compiler off, it prints JSON: for each kind of text the lines of the
package's features that ran for one, two and three times so much of it, and the counts found.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import pyarrow as pa

from dftspark.lenses.structure import document_vectors

HOSTILE: dict[str, Callable[[int], str]] = {
    "one word": lambda n: "a" * (20 * n),
    "one line": lambda n: "not just a word, " * n,
    "no sentence end": lambda n: "from here to there and on " * n,
    "only marks": lambda n: "?!.," * (2 * n),
    "only stars": lambda n: "*" * (8 * n),
    "nested markup": lambda n: "**[" * n + "]**" * n,
    "open quotes": lambda n: '" “ ' * (2 * n),
    "line feeds": lambda n: "\n" * (20 * n),
    "short lines": lambda n: "- a\n" * (2 * n),
    "right to left": lambda n: "שלום עולם. " * n,
    "zero width": lambda n: "a\u200b\u200d " * (2 * n),
    "combining": lambda n: "e" + "\u0301" * (20 * n),
    "emoji": lambda n: "👩\u200d👩\u200d👧 " * n,
    "near misses": lambda n: "not a b c d e f g h but " * n,
    "one opener": lambda n: "The a. " * (2 * n),
    "all of it": lambda n: "It's not x, it's y; not only a, b, and c — from d to e? No. " * n,
}
REPEATS = 12


def lines_run(text: str) -> int:
    """Lines of `dftspark.text` that run for the text.

    Those of the compressibility are left out: it reads a sample of constant size.
    """
    count = 0

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        names: list[str] = []
        caller: FrameType | None = frame
        while caller is not None and len(names) < 3:
            names.append(caller.f_code.co_name)
            caller = caller.f_back
        own = "/dftspark/text/" in frame.f_code.co_filename
        return on_line if own and "_phrases" not in names else None

    sys.settrace(on_call)
    try:
        found(text)
    finally:
        sys.settrace(None)
    return count


def found(text: str) -> list[int]:
    """The counts of one document."""
    counts: list[int] = document_vectors.of(pa.array([text]), pa.array(["c"])).counts[0].tolist()
    return counts


def main() -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # hashes overflow on purpose
    found("What is read once is read.")
    print(
        json.dumps(
            {
                name: {
                    "lines": [lines_run(text(REPEATS * times)) for times in (1, 2, 3)],
                    "counts": found(text(REPEATS)),
                }
                for name, text in HOSTILE.items()
            }
        )
    )


if __name__ == "__main__":
    main()
