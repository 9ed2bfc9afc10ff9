"""A time limit for work that may never end, such as a request to a server that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from dftspark.errors import EnvironmentProblem

Result = TypeVar("Result")


def within(seconds: float, what: str, work: Callable[[], Result]) -> Result:
    """Returns what `work` returns, or raises what it raises.

    Raises EnvironmentProblem, which begins with `what`, if that takes longer, and leaves the work
    behind in a thread that ends with the process.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise EnvironmentProblem(
            f"{what}: no answer in {seconds:g} s. Look at the address, a proxy and a firewall; "
            f"`dftspark doctor --out` asks again."
        )
    return results[0]
