"""The run store: immutable folders of Parquet tables, each visible in one step.

State   <out>/<run_id>/<table>.parquet (a file, or a folder of parts) and, written last,
        <out>/<run_id>/manifest.json. A folder without a manifest is not a run.
Cost    publishing reads the footer of every Parquet file; listing reads every manifest.
"""

from __future__ import annotations

import importlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from dftspark import schema
from dftspark.errors import ConfigError, EnvironmentProblem, InputError, ShapeError
from dftspark.location import Location, redact, writing
from dftspark.store import publish

if TYPE_CHECKING:
    import pyarrow.dataset as ds

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
PAGE = "report.html"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RUN_ID = re.compile(r"(\d{8}T\d{6}Z)-([A-Za-z0-9][A-Za-z0-9._-]{0,127})-[0-9a-f]{6}")
_PATTERN = re.compile(r"[*?\[\]{}\\]")
_READERS = 16


class RunWriter:
    """Fills one new run folder. Nothing in it is a run until `publish` returns."""

    def __init__(self, run_id: str, location: Location, created: datetime) -> None:
        self.id, self._location, self._created = run_id, location, created

    @classmethod
    def create(cls, out: str, name: str) -> RunWriter:
        """Makes the folder. EnvironmentProblem where `out` cannot be written, ConfigError where
        Spark would look for something else under its name."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"a run's name is letters, digits and . _ -, got {name!r}")
        root, created = Location.parse(out), datetime.now(UTC)
        if _PATTERN.search(root.path):
            raise ConfigError(
                f"out: {root} has one of * ? [ ] {{ }} and \\, which Spark takes for a pattern "
                f"when it reads the tables again; choose a folder without them"
            )
        run_id = f"{created:%Y%m%dT%H%M%SZ}-{name}-{secrets.token_hex(3)}"
        location = root / run_id
        with writing(location):
            if root.local:
                _make_local_folder(root, location)
            else:
                location.filesystem.create_dir(location.path, recursive=True)
        return cls(run_id, location, created)

    @property
    def path(self) -> str:
        return self._location.name

    def table_path(self, name: str) -> str:
        """Where Spark writes a table: a URI with its scheme."""
        return (self._location / _file_name(name)).for_spark

    def write(self, name: str, table: pa.Table) -> None:
        """Writes a table of `schema.TABLES`; ShapeError unless its columns are exactly those."""
        publish.check_columns(name, table.schema)
        table = pa.Table.from_arrays(table.columns, schema=schema.TABLES[name])
        self._refuse_if_published()
        target = self._location / _file_name(name)
        with writing(target), target.filesystem.open_output_stream(target.path) as stream:
            pq.write_table(table, stream, compression="zstd")

    def has(self, name: str) -> bool:
        return bool((self._location / _file_name(name)).kind != FileType.NotFound)

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A table that this run has written."""
        return _dataset(self._location / _file_name(name)).to_table(columns=columns)

    def write_file(self, name: str, data: bytes) -> None:
        """Writes a file beside the tables."""
        self._refuse_if_published()
        target = self._location / name
        with writing(target), target.filesystem.open_output_stream(target.path) as stream:
            stream.write(data)

    def discard_if_empty(self) -> None:
        """Takes the folder away again where nothing has been written into it."""
        with writing(self._location):
            if not self._location.children():
                self._location.filesystem.delete_dir(self._location.path)

    def publish(self, manifest: Mapping[str, Any], page: Callable[[Run], str] | None = None) -> Run:
        """Reads every table back, then makes the run visible. It never changes afterwards.

        `page` is given the run as it will be, and its HTML becomes part of it. A problem with it
        is noted in the manifest; it does not cost the run.
        """
        self._refuse_if_published()
        document = {
            **publish.plain(manifest, "manifest"),
            "run_id": self.id,
            "created_at": self._created.isoformat(timespec="microseconds"),
            "format_version": FORMAT_VERSION,
            "tables": publish.tables(self._location),
        }
        if page is not None:
            document["page"] = self._put_page(page, Run(self.id, document, self._location))
        for stage in document.get("stages", {}).values():
            written = [document["tables"].get(name, {}) for name in stage["tables"]]
            stage |= {key: sum(table.get(key, 0) for table in written) for key in ("rows", "bytes")}
        text = json.dumps(document, sort_keys=True, indent=2, allow_nan=False) + "\n"
        with writing(self._location / MANIFEST):
            publish.put(self._location, MANIFEST, text.encode())
        return Run(self.id, document, self._location)

    def _put_page(self, page: Callable[[Run], str], run: Run) -> dict[str, str]:
        try:
            html = page(run).encode("utf-8", "backslashreplace")
        except Exception as error:  # hours of work are not lost for a picture of them
            return {"problem": redact(f"{type(error).__name__}: {error}")}
        with writing(self._location / PAGE):
            publish.put(self._location, PAGE, html)
        return {"file": PAGE}

    def _refuse_if_published(self) -> None:
        if (self._location / MANIFEST).kind != FileType.NotFound:
            raise EnvironmentProblem(
                f"{self._location} is published, and a published run never changes; start another"
            )


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
            raise ConfigError(f"run {self.id} has no table {name!r}; it has {self.tables}")
        return self._location / _file_name(name)

    def _dataset(self, name: str) -> ds.Dataset:
        return _dataset(self._place(name))


@dataclass(frozen=True)
class RunInfo:
    """One line of a listing. `created_at` is UTC; of an unfinished run only the id speaks.

    Of runs of one name that have versions, as those of a date have, the highest is current.
    """

    id: str
    path: str
    state: Literal["finished", "unfinished", "damaged"]
    created_at: str
    date: str = ""
    name: str = ""
    corpora: tuple[str, ...] = ()
    headline: str = ""
    audit: str = ""  # its name in the configuration, which may go on with a date in `name`
    page: str = ""  # file in the run's folder
    kind: str = ""
    version: int | None = None
    standing: Literal["current", "superseded", ""] = ""
    checks: str = ""  # outcome of its rules: pass, warn or fail; empty without rules


def open_run(root: str, run: str = "latest") -> Run:
    """A run by 'latest' (newest published), its id, or the beginning of its id.

    `root` is a run store, or one run's own folder.
    """
    place = _folder(root)
    if (place / MANIFEST).kind == FileType.File:
        return _open_itself(place, run)
    if _RUN_ID.fullmatch(_last(place)):
        raise InputError(f"{place} has no {MANIFEST}: that run did not finish")
    ids = _run_ids(place)
    published = [i for i in ids if (place / i / MANIFEST).kind == FileType.File]
    if run == "latest":
        if not published:
            raise InputError(f"no published run in {place}: {_found(place, ids)}")
        second = published[0].split("-")[0]  # ids of one second sort by name, not by time
        last = [load(place / i) for i in published if i.startswith(second)]
        return max(last, key=lambda candidate: str(candidate.manifest["created_at"]))
    matches = [i for i in ids if i == run] or [i for i in ids if i.startswith(run)]
    if len(matches) != 1:
        listed = matches or ids
        raise ConfigError(
            f"{place}: {len(matches)} runs begin with {run!r}; "
            + (f"among {listed[:10]}" if listed else _found(place, ids))
        )
    if matches[0] not in published:
        raise InputError(f"{place / matches[0]} has no {MANIFEST}: that run did not finish")
    return load(place / matches[0])


def is_run_id(text: str) -> bool:
    """Whether it is a run's id, or the beginning of one."""
    return re.match(r"\d{8}T", text) is not None


def series(root: str, name: str, most: int) -> list[Run]:
    """The last `most` published runs with comparisons of the audit `name`, oldest first.

    Damaged ones are left out. The names in ids may go on with a date.
    """
    place = Location.parse(root)
    if most < 1 or place.kind != FileType.Directory:
        return []
    loaded: list[Run] = []
    for run_id in _run_ids(place):
        second, own = run_id.split("-", 1)[0], run_id.split("-", 1)[1].rsplit("-", 1)[0]
        if len(loaded) >= most and not loaded[-1].id.startswith(second):
            break  # ids of one second sort by name, not by time
        if own == name or own.startswith((f"{name}-", f"{name}.")):
            with suppress(InputError):
                run = load(place / run_id)
                if run.manifest.get("name") == name and "metrics" in run.tables:
                    loaded.append(run)
    loaded.sort(key=lambda run: str(run.manifest["created_at"]))
    return loaded[-most:]


def runs(root: str) -> list[RunInfo]:
    """Every run under `root`, finished or not, newest first."""
    place = _folder(root)
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(partial(_describe, place), _run_ids(place)))
    highest: dict[str, tuple[int, str, str]] = {}
    for info in found:
        if info.version is not None:
            highest[info.name] = max(highest.get(info.name, (0, "", "")), _standing(info))
    found = [
        info if info.version is None
        else replace(info, standing="current" if _standing(info) == highest[info.name]
                     else "superseded")
        for info in found
    ]  # fmt: skip
    return sorted(found, key=lambda info: (info.created_at, info.id), reverse=True)


def _standing(info: RunInfo) -> tuple[int, str, str]:
    return info.version or 0, info.created_at, info.id


def _outcome(checks: dict[str, Any]) -> str:
    return str(checks.get("outcome", "")) if any(checks.get("counts", {}).values()) else ""


def _describe(root: Location, run_id: str) -> RunInfo:
    matched = _RUN_ID.fullmatch(run_id)
    assert matched is not None, run_id
    path, name = (root / run_id).name, matched[2]
    created = datetime.strptime(matched[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).isoformat()
    if (root / run_id / MANIFEST).kind != FileType.File:
        return RunInfo(run_id, path, "unfinished", created, name=name)
    try:
        manifest = load(root / run_id).manifest
    except InputError as error:
        return RunInfo(run_id, path, "damaged", created, name=name, headline=str(error))
    return RunInfo(
        run_id,
        path,
        "finished",
        str(manifest["created_at"]),
        str(manifest.get("date", "")),
        name,
        tuple(sorted(map(str, manifest.get("corpora") or _configured(manifest)))),
        str(manifest.get("headline", "")),
        str(manifest.get("name", "")),
        str(manifest.get("page", {}).get("file", "")),
        str(manifest.get("kind", "")),
        manifest.get("version"),
        checks=_outcome(manifest.get("checks") or {}),
    )


def _dataset(place: Location) -> ds.Dataset:
    import pyarrow.dataset as ds  # brings pandas along, which listing and writing do not need

    return ds.dataset(place.path, filesystem=place.filesystem, format="parquet")


def _configured(manifest: Mapping[str, Any]) -> list[str]:
    return list(manifest.get("config", {}).get("corpora", ()))


def _folder(root: str) -> Location:
    place = Location.parse(root)
    kind = place.kind
    if kind != FileType.Directory:
        found = "there is no such folder" if kind == FileType.NotFound else "that is a file"
        raise InputError(f"{place}: {found}; a run store is the `out` folder of an audit")
    return place


def _open_itself(place: Location, run: str) -> Run:
    itself = load(place)
    if run != "latest" and not itself.id.startswith(run):
        raise ConfigError(f"{place} is run {itself.id} itself, not {run!r}")
    return itself


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


def named_runs(root: Location) -> list[tuple[str, str]]:
    """(id, name) of every run below `root`, finished or not, newest first. One listing."""
    return [(run_id, run_id.split("-", 1)[1].rsplit("-", 1)[0]) for run_id in _run_ids(root)]


def _run_ids(root: Location) -> list[str]:
    names = [i.base_name for i in root.children() if i.type == FileType.Directory]
    return sorted((name for name in names if _RUN_ID.fullmatch(name)), reverse=True)


def _found(root: Location, ids: list[str]) -> str:
    if ids:
        return f"{len(ids)} unfinished, the newest {ids[0]}"
    others = sorted(info.base_name for info in root.children())
    return f"it holds {others[:5]}" if others else "it is empty"


def _last(place: Location) -> str:
    return place.path.rsplit("/", 1)[-1]


def _make_local_folder(root: Location, location: Location) -> None:
    parent = Path(root.path).parent
    if not parent.exists():
        raise EnvironmentProblem(
            f"cannot write {location}: there is no folder {parent}. Make it (mkdir -p {parent}), "
            f"or choose another `out`."
        )
    Path(root.path).mkdir(exist_ok=True)
    Path(location.path).mkdir()


def _file_name(table: str) -> str:
    if not _NAME.fullmatch(table):
        raise ShapeError(f"a table's name is letters, digits and . _ -, got {table!r}")
    return f"{table}.parquet"


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EnvironmentProblem(f"{name} is not installed: pip install {name}") from error
