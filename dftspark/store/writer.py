"""Fills a new run folder and makes it a run, in one step.

Cost    writing lists the table's files; publishing lists them again and reads their footers.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from dftspark import schema
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.location import Location, delete, move, redact, writing
from dftspark.store import publish
from dftspark.store.alive import SignOfLife
from dftspark.store.run import FORMAT_VERSION, MANIFEST, NAME, Run, file_name

PAGE = "report.html"

_PATTERN = re.compile(r"[*?\[\]{}\\]")


class RunWriter:
    """A writer that fills one new run folder. Nothing in it is a run until `publish` returns."""

    def __init__(self, run_id: str, location: Location, created: datetime) -> None:
        self.id, self._location, self._created = run_id, location, created
        self._tables: dict[str, publish.Files] = {}
        self._files: dict[str, int] = {}
        self._sign = SignOfLife(location)

    @classmethod
    def create(cls, out: str, name: str) -> RunWriter:
        """Makes the folder. Raises EnvironmentProblem if `out` cannot be written, ConfigError if
        Spark would look for something else under its name."""
        if not NAME.fullmatch(name):
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
        """Returns the path to which tasks write a table: a URI with its scheme."""
        return (self._location / file_name(name)).uri

    def staging_path(self, name: str) -> str:
        """Returns the path to which tasks write what does not stay."""
        return (self._location / f"{name}.staging").uri

    def write(self, name: str, table: pa.Table) -> None:
        """Writes a table of `schema.TABLES`; raises ShapeError unless its columns are exactly
        those."""
        publish.check_columns(name, table.schema)
        table = pa.Table.from_arrays(table.columns, schema=schema.TABLES[name])
        self._refuse_if_published()
        target = self._location / file_name(name)
        with writing(target), target.filesystem.open_output_stream(target.path) as stream:
            pq.write_table(table, stream, compression="zstd", write_page_checksum=True)
        self.written(name)

    def take(self, name: str, files: Sequence[Location], columns: pa.Schema) -> None:
        """Makes a table of files elsewhere in the same file system; an empty one if there are none.

        Readers see all of it or, as long as the mark that Spark puts there is missing, know that
        they do not.
        """
        self._refuse_if_published()
        target = self._location / file_name(name)
        with writing(target):
            target.filesystem.create_dir(target.path)
            for number, file in enumerate(files):
                move(file, target / f"part-{number:05}.parquet")
            if not files:
                place = target / "part-00000.parquet"
                with place.filesystem.open_output_stream(place.path) as stream:
                    pq.write_table(columns.empty_table(), stream, write_page_checksum=True)
            mark = target / "_SUCCESS"
            target.filesystem.open_output_stream(mark.path).close()
        self.written(name)

    def written(self, name: str) -> None:
        """Remembers the files of a table as they are now, whoever wrote them: the run is published
        with these or not at all."""
        self._tables[name] = publish.files_of(self._location / file_name(name))

    def forget(self, name: str) -> None:
        """Leaves that table out of the run."""
        self._tables.pop(name, None)

    def has(self, name: str) -> bool:
        return bool((self._location / file_name(name)).kind != FileType.NotFound)

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Reads a table that this run has written."""
        import pyarrow.dataset as ds  # imports pandas, which writing does not need

        place = self._location / file_name(name)
        return ds.dataset(place.path, filesystem=place.filesystem).to_table(columns=columns)

    def write_file(self, name: str, data: bytes) -> None:
        """Writes a file beside the tables."""
        self._refuse_if_published()
        target = self._location / name
        with writing(target), target.filesystem.open_output_stream(target.path) as stream:
            stream.write(data)
        self._files[name] = len(data)

    def give_up(self) -> None:
        """Ends the work on the run; if nothing has been written, its folder is removed too."""
        self._sign.end()
        with writing(self._location):
            if self._location.kind != FileType.NotFound and not self._location.children():
                delete(self._location)

    def publish(self, manifest: Mapping[str, Any], page: Callable[[Run], str] | None = None) -> Run:
        """Reads every table back, then makes the run visible. It never changes afterwards.

        Raises EnvironmentProblem if a table or a file is not there as it was written. `page` is
        called with the run as it will be, and the HTML it returns becomes part of the run. A
        problem with it is noted in the manifest; it does not cost the run.
        """
        try:
            return self._publish(manifest, page)
        finally:
            self._sign.end()  # nobody works on a run that cannot be published

    def _publish(self, manifest: Mapping[str, Any], page: Callable[[Run], str] | None) -> Run:
        self._refuse_if_published()
        self._refuse_without_files()
        document = {
            **publish.plain(manifest, "manifest"),
            "run_id": self.id,
            "created_at": self._created.isoformat(timespec="microseconds"),
            "format_version": FORMAT_VERSION,
            "tables": publish.tables(self._location, self._tables),
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
        except Exception as error:  # hours of work must not be lost because of a page
            return {"problem": redact(f"{type(error).__name__}: {error}")}
        with writing(self._location / PAGE):
            publish.put(self._location, PAGE, html)
        return {"file": PAGE}

    def _refuse_without_files(self) -> None:
        for name, size in self._files.items():
            place = self._location / name
            info = place.filesystem.get_file_info(place.path)
            if info.type != FileType.File or info.size != size:
                raise EnvironmentProblem(
                    f"{place} is not there as it was written; the run is not published: start it "
                    f"again"
                )

    def _refuse_if_published(self) -> None:
        if (self._location / MANIFEST).kind != FileType.NotFound:
            raise EnvironmentProblem(
                f"{self._location} is published, and a published run never changes; start another"
            )


def _make_local_folder(root: Location, location: Location) -> None:
    parent = Path(root.path).parent
    if not parent.exists():
        raise EnvironmentProblem(
            f"cannot write {location}: there is no folder {parent}. Make it (mkdir -p {parent}), "
            f"or choose another `out`."
        )
    Path(root.path).mkdir(exist_ok=True)
    Path(location.path).mkdir()
