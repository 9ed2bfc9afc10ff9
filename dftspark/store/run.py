"""The run store: immutable folders of Parquet tables, each visible in one step.

State   <out>/<run_id>/<table>.parquet (a file, or a folder of parts) and, written last,
        <out>/<run_id>/manifest.json. A folder without a manifest is not a run.
Cost    opening reads the manifest; a table is read when it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark.errors import ConfigError, EnvironmentProblem, InputError, ShapeError
from dftspark.location import Location

if TYPE_CHECKING:
    import pyarrow.dataset as ds

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Run:
    """A published run. Reading one needs no Spark."""

    id: str
    manifest: dict[str, Any] = field(repr=False)
    _location: Location = field(repr=False)

    @property
    def path(self) -> str:
        return self._location.name

    @property
    def tables(self) -> list[str]:
        return sorted(self.manifest["tables"])

    @property
    def page(self) -> str:
        """Path of the page that is part of the run, or empty."""
        file = self.manifest.get("page", {}).get("file", "")
        return (self._location / file).name if file else ""

    def table_path(self, name: str) -> str:
        """Where Spark reads a table: a URI with its scheme."""
        return self._place(name).for_spark

    def table(
        self, name: str, columns: list[str] | None = None, where: ds.Expression | None = None
    ) -> pa.Table:
        """The table, or those of its columns, and of its rows those that `where` holds for."""
        return self._dataset(name).to_table(columns=columns, filter=where)

    def columns(self, name: str) -> list[str]:
        return list(self._dataset(name).schema.names)

    def file(self, name: str) -> bytes:
        """A file beside the tables. OSError where there is none."""
        place = self._location / name
        with place.filesystem.open_input_stream(place.path) as stream:
            return bytes(stream.read())

    def pandas(self, name: str) -> Any:
        _library("pandas")
        return self.table(name).to_pandas()

    def polars(self, name: str) -> Any:
        return _library("polars").from_arrow(self.table(name))

    def duckdb(self) -> Any:
        """A connection in memory with one view per table; columns are read as queries ask."""
        connection = _library("duckdb").connect()
        for name in self.tables:
            connection.register(name, self._dataset(name))
        return connection

    def spark(self, spark: Any, name: str) -> Any:
        return spark.read.parquet(self.table_path(name))

    def _place(self, name: str) -> Location:
        if name not in self.tables:
            near = difflib.get_close_matches(name, self.tables, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"run {self.id} has no table {name!r}; {hint}it has {', '.join(self.tables)}"
            )
        return self._location / file_name(name)

    def _dataset(self, name: str) -> ds.Dataset:
        return dataset(self._place(name))


def load(place: Location) -> Run:
    """The run of one folder. InputError where its manifest cannot be read."""
    target = place / MANIFEST
    try:
        with target.filesystem.open_input_stream(target.path) as stream:
            manifest = json.loads(stream.read())
        version, run_id = manifest["format_version"], manifest["run_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{target} is not a run's manifest: {error!r}") from error
    if version != FORMAT_VERSION:
        raise InputError(
            f"{target} has format version {version!r}; this dftspark reads {FORMAT_VERSION}. "
            f"Install the dftspark that wrote it: {manifest.get('code_version', 'a newer one')}"
        )
    return Run(run_id, manifest, place)


def file_name(table: str) -> str:
    if not NAME.fullmatch(table):
        raise ShapeError(f"a table's name is letters, digits and . _ -, got {table!r}")
    return f"{table}.parquet"


def dataset(place: Location) -> ds.Dataset:
    import pyarrow.dataset as ds  # brings pandas along, which listing and writing do not need

    return ds.dataset(place.path, filesystem=place.filesystem, format="parquet")


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EnvironmentProblem(f"{name} is not installed: pip install {name}") from error
