"""A run in the making: its folder in the store, its stages and how long they took."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
from pyarrow.fs import FileType

from dftspark import __version__, schema
from dftspark.config import Audit
from dftspark.errors import EnvironmentProblem
from dftspark.location import Location, delete, writing
from dftspark.needs_spark import NeedsSpark
from dftspark.progress import Events, Progress
from dftspark.report.words import losses
from dftspark.store.listing import series
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.progress import Stage
    from dftspark.spark.fold import Folded
    from dftspark.spark.rows import Rows, Session

    class Watched(Protocol):
        """Something that reports to a stage what comes in, whoever brings it."""

        def watched(self, stage: Stage) -> AbstractContextManager[None]: ...


PACKED = "none"  # compression of states, which are packed already
_PACKAGES = (
    "pyspark",
    "pyarrow",
    "numpy",
    "numba",
    "tokenizers",
    "torch",
    "sentence-transformers",
    "transformers",
    "openvino",
)


@dataclass
class Making:
    """A run in the making: its place, and how long its stages took.

    `orders` are what the caller asks of a lens beyond the configuration, by its name; `frames` the
    corpora that the caller has as DataFrames. `sources` says of tables, queries and DataFrames what
    was read of them, `warnings` what a reader of the run must know of that first.
    """

    spark: Session
    config: Audit
    date: str
    progress: Progress
    writer: RunWriter
    seconds: dict[str, float] = field(default_factory=dict)
    staged: list[str] = field(default_factory=list)
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    losses: dict[str, dict[str, int]] = field(default_factory=dict)
    orders: dict[str, Any] = field(default_factory=dict)
    frames: Mapping[str, Rows] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        spark: Session,
        config: Audit,
        date: str,
        progress: Progress | None,
        name: str | None = None,
    ) -> Making:
        """Begins a new run; its id has `name`, which is the audit's name unless given."""
        from dftspark.spark.rows import relied_on

        writer = RunWriter.create(config.out, name or config.name)
        return cls(relied_on(spark), config, date, progress or Events(), writer)

    @property
    def session(self) -> SparkSession:
        """The session. Raises NeedsSpark where this process makes the run without one."""
        from dftspark.spark.rows import on_spark

        return on_spark(self.spark)

    @contextmanager
    def stage(
        self, name: str, store: Watched | None = None, total: int = 0, unit: str = "texts"
    ) -> Iterator[None]:
        """Shows the tasks that end, or how much of `total` comes into a store."""
        from dftspark.spark.failures import explained
        from dftspark.spark.progress import watched

        started = time.monotonic()
        self.stages[name] = {"tables": []}
        shown = (
            self.progress.stage(name, unit="tasks")
            if store is None
            else self.progress.stage(name, total, unit)
        )
        try:
            with (
                shown as stage,
                watched(self.spark, stage) if store is None else store.watched(stage),
                explained(self.config, self.writer.path),
            ):
                yield
        except BaseException:
            with suppress(EnvironmentProblem):
                self.writer.give_up()
            raise
        self.seconds[name] = round(time.monotonic() - started, 3)
        self.stages[name]["seconds"] = self.seconds[name]

    def staging(self, name: str) -> str:
        """Returns the path of a table that only later stages read."""
        self.staged.append(name)
        return self.writer.staging_path(name)

    def write(
        self, name: str, table: Rows, compression: str = "zstd", group_rows: int | None = None
    ) -> Rows:
        from dftspark.spark import tables

        tables.write(table, self.writer.table_path(name), compression, group_rows)
        self._noted(name)
        self.writer.written(name)
        return tables.read(self.spark, self.writer.table_path(name), table.schema)

    def take(self, folded: Folded) -> None:
        """Turns the files of a fold into the run's table with its name."""
        self.writer.take(folded.of.table, folded.files, folded.of.columns)
        self._noted(folded.of.table)

    def write_tested(self, name: str, rows: pa.Table, withheld: bool) -> None:
        """Writes a result table, without the columns of its tests if those are withheld."""
        self.write_table(name, _untested(rows) if withheld else rows)

    def write_table(self, name: str, rows: pa.Table) -> None:
        """Writes rows that the driver has, as `write` does for others."""
        self.writer.write(name, rows)
        self._noted(name)

    def _noted(self, name: str) -> None:
        """Notes that the stage at work has written a table."""
        if self.stages:
            list(self.stages.values())[-1]["tables"].append(name)

    def reject(self, issues: DataFrame) -> None:
        """Adds more rows to the table of rejects, which exists already."""
        from dftspark.spark import tables

        more = tables.rejects(issues, self.writer.id, self.date)
        tables.append(more, self.writer.table_path("rejects"))
        self.writer.written("rejects")

    def write_corpora(self, rows: list[dict[str, Any]]) -> None:
        """Writes the table corpora; what it says of damaged files goes into the manifest as
        well."""
        self.writer.write("corpora", pa.Table.from_pylist(rows, schema=schema.CORPORA))
        self.losses = losses.of(rows)

    def drop(self, *names: str) -> None:
        """Takes tables out of the run again."""
        for name in names:
            self.writer.forget(name)
        self._delete(*(f"{name}.parquet" for name in names))

    @contextmanager
    def abandoned_if_for_spark(self) -> Iterator[None]:
        """Removes the run's folder if this process cannot do the work, which begins again then."""
        try:
            yield
        except NeedsSpark:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Removes the run's folder; nothing is published."""
        self.writer.give_up()
        _delete(Location.parse(self.writer.path))

    def _delete(self, *names: str) -> None:
        for name in names:
            _delete(Location.parse(self.writer.path) / name)

    def publish(self, kind: str, **found: Any) -> Run:
        """Makes the run visible; `found` goes into its manifest."""
        self._delete(*(f"{name}.staging" for name in self.staged))
        said = losses.in_short(self.losses)
        if said and "headline" in found:
            found["headline"] = "; ".join(part for part in (found["headline"], said) if part)
        if self.warnings:
            found["warnings"] = [*self.warnings, *found.get("warnings", [])]
        return self.writer.publish(
            {
                "kind": kind,
                "status": "complete",
                "name": self.config.name,
                "date": self.date,
                "config": self.config.model_dump(mode="json"),
                "config_sha256": self.config.sha256,
                "code_version": __version__,
                "versions": _versions(),
                "seconds": self.seconds,
                "stages": self.stages,
                **({"losses": self.losses} if self.losses else {}),
                **({"sources": self.sources} if self.sources else {}),
                **found,
            },
            page=self._page if self.config.report.page and "headline" in found else None,
        )

    def _page(self, run: Run) -> str:
        from dftspark.report.page.run import page

        return page(run, series(self.config.out, self.config.name, self.config.report.history))


def _untested(rows: pa.Table) -> pa.Table:
    """Returns the rows of a lens's table without the columns that assume independent clusters."""
    for at, column in enumerate(rows.schema):
        if column.name in ("z", "p_value", "q_value"):
            rows = rows.set_column(at, column, pa.nulls(len(rows), column.type))
        elif column.name == "outside":
            rows = rows.set_column(at, column, pa.array([False] * len(rows), column.type))
    return rows


def _delete(folder: Location) -> None:
    with writing(folder):
        if folder.kind == FileType.Directory:
            delete(folder)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
