"""The run store: immutable folders of Parquet tables, each visible in one step.

State   <out>/<run_id>/<table>.parquet (a file, or a folder of parts) and, written last,
        <out>/<run_id>/manifest.json. A folder without a manifest is not a run.
Cost    opening reads the manifest; a table is checked against it when it is asked for, see vouched.
"""

from __future__ import annotations

import difflib
import importlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark.errors import ConfigError, DamagedRun, EnvironmentProblem, InputError, ShapeError
from dftspark.location import Location
from dftspark.store import publish, scan, vouched

if TYPE_CHECKING:
    import pyarrow.dataset as ds

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
RUN_ID = re.compile(rf"(\d{{8}}T\d{{6}}Z)-({NAME.pattern})-[0-9a-f]{{6}}")

# The entries that a manifest must or may have, as far as readers rely on them.
_NEEDED = {"format_version": int, "run_id": str, "created_at": str, "tables": dict}
_KINDS: dict[str, type | tuple[type, ...]] = {
    **_NEEDED,
    "version": int,
    "name": str,
    "date": str,
    "kind": str,
    "headline": str,
    "corpora": (list, dict),
    "config": dict,
    "page": dict,
    "checks": dict,
    "stages": dict,
    "fingerprints": dict,
    "profiles": dict,
    "embedding": dict,
    "shared_clusters": dict,
    "key_ranges": int,
    "numbered_above": list,
    "missing": list,
    "damaged": list,
    "losses": dict,
    "checks.counts": dict,
    "checks.said": list,
    "page.file": str,
    "config.corpora": dict,
    "config.nightly": dict,
    "embedding.features": dict,
}


@dataclass(frozen=True)
class Run:
    """A published run. Reading one needs no Spark.

    Everything that returns a table, or the place of one, raises DamagedRun unless the table's files
    are those that the manifest vouches for.
    """

    id: str
    manifest: dict[str, Any] = field(repr=False)
    _location: Location = field(repr=False)

    @property
    def path(self) -> str:
        """Path of the run's folder, or its URI."""
        return self._location.name

    @property
    def tables(self) -> list[str]:
        """Names of the tables that the run has."""
        return sorted(self.manifest["tables"])

    @property
    def page(self) -> str:
        """Path of the page that is part of the run, or empty."""
        file = self.manifest.get("page", {}).get("file", "")
        return (self._location / file).name if file else ""

    def table_path(self, name: str) -> str:
        """Returns the path of a table: a URI with its scheme."""
        self.dataset(name)
        return self._place(name).uri

    def table(
        self, name: str, columns: list[str] | None = None, where: ds.Expression | None = None
    ) -> pa.Table:
        """Returns the table, or some of its columns, and only the rows for which `where` holds."""
        try:
            return self.dataset(name).to_table(columns=columns, filter=where)
        except OSError as error:
            raise vouched.unreadable(self._place(name), error) from error

    def columns(self, name: str) -> list[str]:
        """Returns the names of the table's columns."""
        return list(self.dataset(name).schema.names)

    def dataset(self, name: str) -> ds.Dataset:
        """Returns the files of the table, checked against the manifest once for this run."""
        if name not in self._opened:
            self._opened[name] = vouched.opened(self._place(name), self.manifest["tables"][name])
        return self._opened[name]

    def file(self, name: str) -> bytes:
        """Returns a file beside the tables. Raises OSError if there is none."""
        place = self._location / name
        with place.filesystem.open_input_stream(place.path) as stream:
            return bytes(stream.read())

    def pandas(self, name: str) -> Any:
        """Returns the table as a frame of pandas, which must be installed."""
        _library("pandas")
        return self.table(name).to_pandas()

    def polars(self, name: str) -> Any:
        """Returns the table as a frame of Polars, which must be installed."""
        return _library("polars").from_arrow(self.table(name))

    def duckdb(self) -> Any:
        """Returns a connection in memory with one view per table; queries read only their
        columns."""
        connection = _library("duckdb").connect()
        for name in self.tables:
            connection.register(name, self.dataset(name))
        return connection

    def spark(self, spark: Any, name: str) -> Any:
        """Returns the table as a DataFrame; a session needs no connector to an object store."""
        columns, place = self.dataset(name).schema, self._place(name)
        if place.object_store:
            parts = [place.at(info.path).name for info in publish.parts_of(place)]
            of = spark.createDataFrame(columns.empty_table()).schema
            ids = spark.range(0, len(parts), 1, len(parts))
            return ids.mapInArrow(scan.task(parts, columns, None), of)
        reader = spark.read.option("parquet.page.verify-checksum.enabled", "true")
        return reader.parquet(place.for_spark)

    def _place(self, name: str) -> Location:
        if name not in self.tables:
            near = difflib.get_close_matches(name, self.tables, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"run {self.id} has no table {name!r}; {hint}it has {', '.join(self.tables)}"
            )
        return self._location / file_name(name)

    @cached_property
    def _opened(self) -> dict[str, ds.Dataset]:
        return {}


def load(place: Location) -> Run:
    """Loads the run of one folder.

    Raises DamagedRun if its manifest is not whole, InputError for one of another format.
    """
    target = place / MANIFEST
    try:
        with target.filesystem.open_input_stream(target.path) as stream:
            manifest = json.loads(stream.read())
        version, run_id = manifest["format_version"], manifest["run_id"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedRun(f"{target} is not a run's manifest: {error!r}") from error
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise InputError(
            f"{target} has format version {version!r}; this dftspark reads {FORMAT_VERSION}. "
            f"Install the dftspark that wrote it: {manifest.get('code_version', 'a newer one')}"
        )
    wrong = _not_whole(manifest, place.path.rsplit("/", 1)[-1])
    if wrong:
        raise DamagedRun(f"{target} is not a run's manifest: {wrong}")
    return Run(run_id, manifest, place)


def _not_whole(manifest: dict[str, Any], folder: str) -> str:
    """Returns the part of a manifest on which readers would stumble, or an empty string."""
    lacking = [key for key in _NEEDED if key not in manifest]
    if lacking:
        return f"it has no {', '.join(lacking)}"
    for place, kind in _KINDS.items():  # a section before what is in it
        section, _, key = place.rpartition(".")
        among = manifest.get(section, {}) if section else manifest
        if key in among and not isinstance(among[key], kind):
            return f"its {place} is {among[key]!r:.80}"
    if RUN_ID.fullmatch(folder) and manifest["run_id"] != folder:
        return f"it is that of run {manifest['run_id']}"
    try:
        if datetime.fromisoformat(manifest["created_at"]).tzinfo is None:
            return f"its created_at, {manifest['created_at']}, has no time zone"
    except ValueError as error:
        return f"its created_at: {error}"
    for name, said in manifest["tables"].items():
        numbers = said if isinstance(said, dict) else {}
        if not all(isinstance(numbers.get(key), int) for key in ("rows", "bytes")):
            return f"it does not say how many rows and bytes table {name!r} has"
    return ""


def file_name(table: str) -> str:
    if not NAME.fullmatch(table):
        raise ShapeError(f"a table's name is letters, digits and . _ -, got {table!r}")
    return f"{table}.parquet"


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EnvironmentProblem(f"{name} is not installed: pip install {name}") from error
