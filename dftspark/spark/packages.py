"""Maven packages that Spark fetches when it starts, and a short word where it cannot.

Spark's launcher tells of every attempt on standard error, and ends with a stack of Java.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from dftspark.errors import EnvironmentProblem

_ABSENT = re.compile(r"unresolved dependency: ([^\s\]]{1,200}): ")
_UNREACHED = re.compile(r"Host (\S{1,200}) not found")


@contextmanager
def fetching(packages: str) -> Iterator[None]:
    """Withholds what is written to standard error while the block starts Spark; what Java writes
    later passes.

    Raises EnvironmentProblem if the block fails because a package cannot be had.
    """
    sys.stderr.flush()
    shown = os.dup(2)
    source, sink = os.pipe()
    os.dup2(sink, 2)
    os.close(sink)
    withheld: list[str] = []
    started = False

    def pass_on() -> None:
        with os.fdopen(source, errors="replace") as lines, os.fdopen(shown, "w") as out:
            for line in lines:
                if started:
                    out.write(line)
                    out.flush()
                else:
                    withheld.append(line)

    reader = Thread(target=pass_on, daemon=True)
    again = os.dup(shown)
    reader.start()
    try:
        yield
        started = True
    except Exception as error:
        os.dup2(again, 2)  # closes the last end of the pipe, as Java has ended
        reader.join(timeout=5)
        problem = _problem("".join(withheld), packages)
        if problem is None:
            sys.stderr.write("".join(withheld))
            raise
        raise problem from error
    finally:
        os.dup2(again, 2)
        os.close(again)


def _problem(told: str, packages: str) -> EnvironmentProblem | None:
    absent = sorted({name.replace("#", ":").replace(";", ":") for name in _ABSENT.findall(told)})
    if not absent:
        return None
    hosts = sorted(set(_UNREACHED.findall(told)))
    reached = f"; {', '.join(hosts)} cannot be reached from here" if hosts else ""
    return EnvironmentProblem(
        f"--packages {packages}: Spark found no {', '.join(absent)}{reached}. Correct the name and "
        f"the version; a mirror is named by --conf spark.jars.ivySettings=FILE or --conf "
        f"spark.jars.repositories=URL, and files that are here by --conf spark.jars=FILE.jar,..."
    )
