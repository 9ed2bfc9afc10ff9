"""The nights of a run store: which profile of a date is current, which nights it is part of.

State   runs named `<name>.<date>.profile` (a date's states, or the mark that it is taken out),
        `<name>.reference` (the human side) and `<name>.<date>` (a night's tables). Of several runs
        of one name that with the highest `version` in its manifest is current; the others stay
        readable.
Cost    one listing of the store's folder names; manifests are read of the dates asked for alone
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pyarrow.fs import FileType

from dftspark import schema
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location
from dftspark.store.listing import named_runs
from dftspark.store.run import MANIFEST, Run, load
from dftspark.store.writer import RunWriter

if TYPE_CHECKING:
    import pyarrow as pa

PROFILE, NIGHT, REFERENCE, REMOVED = "profile", "nightly", "reference", "removed"
_DATED = re.compile(r"(?P<name>.+)\.(?P<date>\d{4}-\d{2}-\d{2})(?P<profile>\.profile)?")


def profile_name(name: str, date: str) -> str:
    return f"{name}.{date}.profile"


def night_name(name: str, date: str) -> str:
    return f"{name}.{date}"


def reference_name(name: str) -> str:
    return f"{name}.reference"


@dataclass(frozen=True)
class Dated:
    """What the name of a run says: its audit, its date, and whether it is a profile."""

    audit: str
    date: str
    profile: bool


def dated(name: str) -> Dated | None:
    """None for a name that is not one of a date."""
    match = _DATED.fullmatch(name)
    return Dated(match["name"], match["date"], bool(match["profile"])) if match else None


@dataclass(frozen=True)
class Nights:
    """The runs of the nightly audit `name` below `root`, as they were when this was made."""

    root: Location
    name: str
    ids: dict[str, tuple[str, ...]]  # ids of the runs of each name, newest first

    @classmethod
    def of(cls, root: str, name: str) -> Nights:
        """Reads the folder's listing. A store that is not there yet has no nights."""
        place = Location.parse(root)
        found: dict[str, list[str]] = defaultdict(list)
        if place.kind == FileType.Directory:
            for run_id, run_name in named_runs(place):
                found[run_name].append(run_id)
        return cls(place, name, {key: tuple(ids) for key, ids in found.items()})

    def current(self, name: str) -> Run | None:
        """The published run of that name with the highest version."""
        found = self._published(self.ids.get(name, ()))
        return max((load(self.root / run_id) for run_id in found), key=_standing, default=None)

    def profile(self, date: str) -> Run | None:
        """The current profile of a date; None where there is none, or it was taken out."""
        found = self.current(profile_name(self.name, date))
        return found if found and found.manifest["kind"] == PROFILE else None

    def is_removed(self, date: str) -> bool:
        found = self.current(profile_name(self.name, date))
        return found is not None and found.manifest["kind"] == REMOVED

    def night(self, date: str) -> Run | None:
        return self.current(night_name(self.name, date))

    @property
    def reference(self) -> Run | None:
        return self.current(reference_name(self.name))

    def next_version(self, name: str) -> int:
        found = self.current(name)
        return int(found.manifest["version"]) + 1 if found else 1

    @cached_property
    def dates(self) -> list[str]:
        """Every date that has a night's tables, finished or not, in order."""
        return self._dates(profile=False)

    @cached_property
    def profiled(self) -> list[str]:
        """Every date that has a profile, or a mark, finished or not, in order."""
        return self._dates(profile=True)

    def _dates(self, profile: bool) -> list[str]:
        found = [dated(name) for name in self.ids]
        return sorted(
            name.date for name in found
            if name and name.audit == self.name and name.profile == profile
        )  # fmt: skip

    def stale(self, date: str, window: int) -> list[str]:
        """Nights whose tables were made from another profile of `date` than the current one."""
        current = self.profile(date)
        found = []
        for night in sorted({*days_after(date, window)} & {*self.dates}):
            made = self.night(night)
            if made and made.manifest["profiles"].get(date) != (current and current.id):
                found.append(night)
        return found

    def files(self, table: str, dates: list[str]) -> list[str]:
        """Paths of the table's files, of the current nights of these dates, in their order."""
        candidates = [self.ids[night_name(self.name, date)] for date in dates]
        published = {*self._published(tuple(i for ids in candidates for i in ids))}
        ids: list[str] = []
        for of_date in candidates:
            found = [i for i in of_date if i in published]
            if len(found) > 1:
                found = [max((load(self.root / i) for i in found), key=_standing).id]
            ids += found
        places = [self.root / run_id / f"{table}.parquet" for run_id in ids]
        if not places:
            return []
        infos = self.root.filesystem.get_file_info([place.path for place in places])
        paths: list[str] = []
        for place, info in zip(places, infos, strict=True):
            if info.type == FileType.Directory:
                inner = (part.path for part in place.children() if part.type == FileType.File)
                paths += sorted(path for path in inner if path.endswith(".parquet"))
            elif info.type == FileType.File:
                paths.append(info.path)
        return paths

    def _published(self, ids: tuple[str, ...]) -> list[str]:
        files = [f"{self.root.path}/{run_id}/{MANIFEST}" for run_id in ids]
        infos = self.root.filesystem.get_file_info(files) if files else []
        return [i for i, info in zip(ids, infos, strict=True) if info.type == FileType.File]


def _standing(run: Run) -> tuple[int, str, str]:
    return int(run.manifest.get("version", 0)), str(run.manifest["created_at"]), run.id


def window_of(date: str, days: int) -> list[str]:
    """The `days` dates that end with `date`, in order."""
    last = datetime.date.fromisoformat(date)
    return [(last - datetime.timedelta(days=i)).isoformat() for i in reversed(range(days))]


def days_after(date: str, days: int) -> list[str]:
    """The `days` dates that begin with `date`: those whose window of that length has it."""
    first = datetime.date.fromisoformat(date)
    return [(first + datetime.timedelta(days=i)).isoformat() for i in range(days)]


def remove(root: str, name: str, date: str, reason: str = "") -> Run:
    """Marks that no later night has the documents of `date`; profiling it again takes them back.

    Raises InputError where the date has no profile.
    """
    nights = Nights.of(root, name)
    taken = nights.profile(date)
    if taken is None:
        said = "it is taken out already" if nights.is_removed(date) else "it has no profile"
        raise InputError(f"{nights.root}: {date} of {name!r} cannot be taken out: {said}")
    run = profile_name(name, date)
    writer = RunWriter.create(root, run)
    return writer.publish(
        {
            "kind": REMOVED,
            "status": "complete",
            "name": name,
            "date": date,
            "version": nights.next_version(run),
            "removed": taken.id,
            "headline": f"taken out{': ' + reason if reason else ''}",
        }
    )


def history(
    root: str,
    metric: str | None = None,
    *,
    table: str = "metrics",
    model: str | None = None,
    name: str | None = None,
    since: str = "",
    until: str = "9999-12-31",
    columns: list[str] | None = None,
) -> pa.Table:
    """Rows of a table of every current night, by date: one read of as many columns as are asked.

    `metric` and `model` keep the rows of these; `name` is the audit's, which a store with one
    nightly audit need not be told. Raises InputError without nights, ConfigError for several
    audits and for a table that nights do not have.
    """
    import pyarrow.dataset as ds

    if table not in schema.TABLES:
        raise ConfigError(f"there is no table {table!r}; there are {sorted(schema.TABLES)}")
    nights = Nights.of(root, name or _only_name(root))
    files = nights.files(table, [date for date in nights.dates if since <= date <= until])
    wanted = None
    for column, value in (("metric", metric), ("model", model)):
        if value is not None:
            own = ds.field(column) == value
            wanted = own if wanted is None else wanted & own
    of = schema.TABLES[table]
    rows = ds.dataset(files, schema=of, filesystem=nights.root.filesystem, format="parquet")
    found = rows.to_table(columns=columns or of.names, filter=wanted)
    keys = ("date", "model", "stratum", "metric", "rule")
    order = [(key, "ascending") for key in keys if key in found.schema.names]
    return found.sort_by(order) if order else found


def _only_name(root: str) -> str:
    place = Location.parse(root)
    runs = named_runs(place) if place.kind == FileType.Directory else []
    found = [dated(name) for _, name in runs]
    names = sorted({name.audit for name in found if name and not name.profile})
    if not names:
        raise InputError(f"{place}: no night is there; `dftspark nightly` makes one")
    if len(names) > 1:
        raise ConfigError(f"{place} has the nights of several audits, {names}; name one of them")
    return names[0]
