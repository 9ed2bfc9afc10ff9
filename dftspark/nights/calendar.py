"""The nights of a run store: which profile of a date is current, and in which nights it is used.

State   runs named `<name>.<date>.profile` (a date's states, or the mark that it is taken out),
        `<name>.reference` (the human side) and `<name>.<date>` (a night's tables). Among runs of
        one name, that with the highest `version` in its manifest is current; the others stay
        readable. If a manifest is damaged, nothing is current until a run is `numbered_above` it;
        otherwise an older version, or documents taken out by a lost mark, would silently return.
Cost    one listing of the store's folder names; only manifests of the requested dates are read
"""

from __future__ import annotations

import datetime
import logging
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pyarrow.fs import FileType

from dftspark import schema
from dftspark.errors import ConfigError, DamagedRun, InputError
from dftspark.location import Location
from dftspark.nights import audits
from dftspark.store.listing import named_runs, unsettled
from dftspark.store.run import MANIFEST, Run, load
from dftspark.store.writer import RunWriter

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

PROFILE, NIGHT, REFERENCE, REMOVED = "profile", "nightly", "reference", "removed"
_READERS = 16
_LOG = logging.getLogger(__name__)
_DATED = re.compile(r"(?P<name>.+)\.(?P<date>\d{4}-\d{2}-\d{2})(?P<profile>\.profile)?")


def profile_name(name: str, date: str) -> str:
    return f"{name}.{date}.profile"


def night_name(name: str, date: str) -> str:
    return f"{name}.{date}"


def reference_name(name: str) -> str:
    return f"{name}.reference"


@dataclass(frozen=True)
class Dated:
    """The parts of a run's name: its audit, its date, and whether it is a profile."""

    audit: str
    date: str
    profile: bool


def dated(name: str) -> Dated | None:
    """Returns the parts of a run's name; None if it does not have a date."""
    match = _DATED.fullmatch(name)
    return Dated(match["name"], match["date"], bool(match["profile"])) if match else None


def kinds_of(name: str) -> frozenset[str]:
    """Returns the kinds that runs of that name have in a nightly audit; all other runs are not part
    of it."""
    found = dated(name)
    if found is None:
        return frozenset({REFERENCE})
    return frozenset({PROFILE, REMOVED} if found.profile else {NIGHT})


@dataclass(frozen=True)
class Nights:
    """The runs of the nightly audit `name` below `root`, as they were when this was made."""

    root: Location
    name: str
    ids: dict[str, tuple[str, ...]]  # ids of the runs of each name, newest first

    @classmethod
    def of(cls, root: str, name: str) -> Nights:
        """Reads the folder's listing. A store that does not exist yet has no nights."""
        place = Location.parse(root)
        found: dict[str, list[str]] = defaultdict(list)
        if place.kind == FileType.Directory:
            for run_id, run_name in named_runs(place):
                found[run_name].append(run_id)
        return cls(place, name, {key: tuple(ids) for key, ids in found.items()})

    def current(self, name: str) -> Run | None:
        """Returns the published run of that name with the highest version; None beside a damaged
        one."""
        found, damaged = self._versions(name)
        return None if _unsettled(found, damaged) else max(found, key=_standing, default=None)

    def damaged(self, name: str) -> list[str]:
        """Returns the ids of damaged runs of that name because of which no run is current."""
        return _unsettled(*self._versions(name))

    def readable(self, name: str) -> Run | None:
        """Returns the run with the highest version, even beside a damaged one."""
        return max(self._versions(name)[0], key=_standing, default=None)

    def _versions(self, name: str) -> tuple[list[Run], list[str]]:
        """Returns the published runs of that name, and the ids of those that are damaged."""
        found, damaged = [], []
        for run_id in self._published(self.ids.get(name, ())):
            try:
                found.append(load(self.root / run_id))
            except DamagedRun:
                damaged.append(run_id)
        kinds = kinds_of(name)
        return [run for run in found if run.manifest.get("kind") in kinds], damaged

    def profile(self, date: str) -> Run | None:
        """Returns the current profile of a date; None if there is none, or it was taken out."""
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
        """Returns a version above all runs of that name; a damaged one has at most the next."""
        found, damaged = self._versions(name)
        best = max((int(run.manifest.get("version", 0)) for run in found), default=0)
        return best + len(_unsettled(found, damaged)) + 1

    def numbered(self, name: str) -> dict[str, Any]:
        """Returns the manifest's entry on the place of a new run of that name among the others."""
        above = sorted(self._published(self.ids.get(name, ())))
        return {"version": self.next_version(name), "numbered_above": above}

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
            name.date
            for name in found
            if name and name.audit == self.name and name.profile == profile
        )

    def stale(self, date: str, window: int) -> list[str]:
        """Returns the nights whose tables were made from a profile of `date` that is not the
        current one, or that are damaged."""
        current = self.profile(date)
        found = []
        for night in sorted({*days_after(date, window)} & {*self.dates}):
            made = self.night(night)
            if made is None:
                old = bool(self.damaged(night_name(self.name, night)))
            else:
                old = made.manifest["profiles"].get(date) != (current and current.id)
            if old:
                found.append(night)
        return found

    def dataset(self, table: str, dates: list[str]) -> ds.Dataset:
        """Returns the rows of a table of the current nights of these dates, checked against their
        manifests; a column that an older night lacks is null. Raises DamagedRun, which names the
        table."""
        import pyarrow.dataset as ds

        of = schema.TABLES[table]
        with ThreadPoolExecutor(_READERS) as pool:
            parts = [part for part in pool.map(partial(self._part, table), dates) if part]
        if not parts:
            return ds.dataset(of.empty_table())
        return ds.dataset([part.replace_schema(of) for part in parts])

    def _part(self, table: str, date: str) -> ds.Dataset | None:
        run = self.night(date)
        if run is None:
            for run_id in self.damaged(night_name(self.name, date)):
                _LOG.warning("%s is passed over: the manifest of %s is damaged", date, run_id)
        return run.dataset(table) if run and table in run.tables else None

    def _published(self, ids: tuple[str, ...]) -> list[str]:
        files = [f"{self.root.path}/{run_id}/{MANIFEST}" for run_id in ids]
        infos = self.root.filesystem.get_file_info(files) if files else []
        return [i for i, info in zip(ids, infos, strict=True) if info.type == FileType.File]


def _unsettled(found: list[Run], damaged: list[str]) -> list[str]:
    return unsettled((run.manifest for run in found), damaged)


def _standing(run: Run) -> tuple[int, str, str]:
    return int(run.manifest.get("version", 0)), str(run.manifest["created_at"]), run.id


def window_of(date: str, days: int) -> list[str]:
    """Returns the `days` dates that end with `date`, in order."""
    last = datetime.date.fromisoformat(date)
    return [(last - datetime.timedelta(days=i)).isoformat() for i in reversed(range(days))]


def days_after(date: str, days: int) -> list[str]:
    """Returns the `days` dates that begin with `date`: those whose window of that length has it."""
    first = datetime.date.fromisoformat(date)
    return [(first + datetime.timedelta(days=i)).isoformat() for i in range(days)]


def remove(root: str, name: str, date: str, reason: str = "") -> Run:
    """Marks that no later night has the documents of `date`; profiling it again brings them back.

    Raises InputError if the date has no profile.
    """
    nights = Nights.of(root, name)
    run = profile_name(name, date)
    taken = nights.profile(date)
    old = [taken.id] if taken else nights.damaged(run)
    if not old:
        said = "it is taken out already" if nights.is_removed(date) else "it has no profile"
        raise InputError(f"{nights.root}: {date} of {name!r} cannot be taken out: {said}")
    writer = RunWriter.create(root, run)
    return writer.publish(
        {
            "kind": REMOVED,
            "status": "complete",
            "name": name,
            "date": date,
            **nights.numbered(run),
            "removed": old[0],
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
    """Returns rows of a table of every current night, by date, reading only the columns asked for.

    A store without nights has the rows of its audits instead, by the time at which they were made;
    an audit without a date has the day of that time. `metric` and `model` keep only their rows;
    `name` is the audit's name, not needed for a store with one. A date whose manifest is damaged
    has no rows. Raises InputError if there are neither nights nor audits and for a damaged table,
    ConfigError for several audits and for a table that they do not have.
    """
    import pyarrow.dataset as ds

    if table not in schema.TABLES:
        raise ConfigError(f"there is no table {table!r}; there are {sorted(schema.TABLES)}")
    wanted = None
    for column, value in (("metric", metric), ("model", model)):
        if value is not None:
            own = ds.field(column) == value
            wanted = own if wanted is None else wanted & own
    names = columns or schema.TABLES[table].names
    of_nights = _night_names(root)
    if not of_nights or (name is not None and name not in of_nights):
        return audits.rows(root, name, table, names, wanted, (since, until))
    nights = Nights.of(root, name or _only(root, of_nights))
    rows = nights.dataset(table, [date for date in nights.dates if since <= date <= until])
    found = rows.to_table(columns=names, filter=wanted)
    keys = ("date", "model", "stratum", "metric", "rule")
    order = [(key, "ascending") for key in keys if key in found.schema.names]
    return found.sort_by(order) if order else found


def _night_names(root: str) -> list[str]:
    """Returns the names of the nightly audits that have nights there."""
    place = Location.parse(root)
    runs = named_runs(place) if place.kind == FileType.Directory else []
    found = [dated(name) for _, name in runs]
    names = sorted({name.audit for name in found if name and not name.profile})
    # An audit of another kind may have such a name.
    return [name for name in names if _has_nights(root, name)]


def _only(root: str, names: list[str]) -> str:
    if len(names) > 1:
        place = Location.parse(root)
        raise ConfigError(f"{place} has the nights of several audits, {names}; name one of them")
    return names[0]


def _has_nights(root: str, name: str) -> bool:
    nights = Nights.of(root, name)
    return any(nights.night(date) for date in reversed(nights.dates))
