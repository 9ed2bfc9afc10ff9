"""Finds what a store need not keep: superseded runs, old profiles of days, remains of killed runs.

The current reference, the current tables of every night, marks of dates that are taken out, and the
profiles of the newest dates stay; so do runs that do not belong to a nightly audit. The manifest of
a run is deleted first, so that half of it is never taken for a whole one; a run at work stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyarrow.fs import FileType

from dftspark.errors import ConfigError, DamagedRun, InputError
from dftspark.location import Location, delete, writing
from dftspark.nights.calendar import NIGHT, PROFILE, dated
from dftspark.store.alive import SILENT, last_sign
from dftspark.store.listing import RunInfo, runs
from dftspark.store.run import MANIFEST, load


@dataclass(frozen=True)
class Doomed:
    """A run that may be deleted; `bytes` of its tables, 0 if no manifest states them."""

    id: str
    why: str
    bytes: int


_UNFINISHED = "never finished"


def doomed(
    root: str,
    *,
    keep_days: int | None = None,
    superseded: bool = False,
    unfinished: bool = False,
    damaged: bool = False,
    hours: float = 24.0,
    now: datetime | None = None,
) -> list[Doomed]:
    """Returns what may be deleted, newest first, of the runs that are older than `hours`.

    An unfinished run is as old as its last sign of life, and is never deleted within SILENT of it.
    A damaged run stays as long as an older version would become current without it, see `waiting`.
    `keep_days` keeps the profiles of that many newest dates of each nightly audit and deletes older
    ones, in every version: if only the current one were deleted, the one that it superseded would
    become current again. Raises ConfigError if that is fewer than the window that its newest night
    merged, and for `hours` that reach back before all dates.
    """
    at = now or datetime.now(UTC)
    try:
        before = at - timedelta(hours=hours)
    except (OverflowError, ValueError) as error:
        raise ConfigError(
            f"--hours is an age of runs, and {hours:g} hours ago is no date; 8760 is a year"
        ) from error
    found = runs(root)
    kept = waiting(found)
    old = _old_days(found, root, keep_days) if keep_days is not None else {}
    going = []
    for info in found:
        why = ""
        if info.state == "unfinished" and unfinished:
            why = _UNFINISHED
        elif info.state == "damaged" and damaged and info.id not in kept:
            why = _damage(root, info)
        elif info.standing == "superseded" and superseded:
            why = "superseded"
        elif info.id in old:
            why = f"profile of {info.date}, older than the newest {keep_days} dates"
        latest = min(before, at - SILENT) if why == _UNFINISHED else before
        if why and _last(root, info) <= latest:
            going.append(Doomed(info.id, why, _size(root, info)))
    return going


def waiting(found: list[RunInfo]) -> list[str]:
    """Returns ids of the damaged runs whose date must be done again before they may be deleted:
    otherwise an older version, or what a mark took out, would silently become current."""
    older = {info.name for info in found if info.version is not None and not info.standing}
    return [info.id for info in found if info.state == "damaged" and info.name in older]


def prune(root: str, going: list[Doomed]) -> list[str]:
    """Deletes these runs, and returns the ids of those that turned out to be at work, which stay.

    Raises EnvironmentProblem if storage refuses.
    """
    store, stay = Location.parse(root), []
    for run in reversed(going):  # an older version before the one that supersedes it
        folder = store / run.id
        if run.why == _UNFINISHED and _at_work(folder):
            stay.append(run.id)
            continue
        with writing(folder):
            if (folder / MANIFEST).kind == FileType.File:
                folder.filesystem.delete_file((folder / MANIFEST).path)
            delete(folder)
    return stay


def _old_days(found: list[RunInfo], root: str, keep: int) -> dict[str, str]:
    """Returns the date of every version of days' profiles by id, except for the `keep` newest dates
    of their audit and those that are taken out."""
    days: dict[str, dict[str, str]] = {}
    versions: dict[str, list[str]] = {}
    nights: dict[str, str] = {}
    for info in found:
        name = dated(info.name)
        if info.standing:
            versions.setdefault(info.name, []).append(info.id)
        if name and info.standing == "current" and info.kind == PROFILE:
            days.setdefault(name.audit, {})[info.date] = info.name
        elif name and info.standing == "current" and info.kind == NIGHT:
            nights[name.audit] = max(nights.get(name.audit, ""), f"{info.date} {info.id}")
    for audit, newest in nights.items():
        settings = _manifest(root, newest.split(" ", 1)[1]).get("config", {}).get("nightly", {})
        window = int(settings.get("window", 0))
        if keep < window:
            raise ConfigError(
                f"{audit!r} merges {window} days, so the profiles of at least as many stay; got "
                f"{keep} to keep"
            )
    return {
        run_id: date
        for of_audit in days.values()
        for date, name in sorted(of_audit.items(), reverse=True)[keep:]
        for run_id in versions[name]
    }


def _last(root: str, info: RunInfo) -> datetime:
    """Returns when a run began, or gave its last sign of life."""
    begun = datetime.fromisoformat(info.created_at)
    if info.state != "unfinished":
        return begun
    sign = last_sign(Location.parse(root) / info.id)
    return max(begun, sign) if sign else begun


def _at_work(folder: Location) -> bool:
    """Returns whether an unfinished run has gone on since it was last checked."""
    sign = last_sign(folder)
    recent = sign is not None and sign > datetime.now(UTC) - SILENT
    return recent or (folder / MANIFEST).kind == FileType.File


def _damage(root: str, info: RunInfo) -> str:
    """Returns why a damaged run may be deleted; empty for one that another dftspark can read."""
    try:
        _manifest(root, info.id)
    except DamagedRun as error:
        return f"damaged: {error}"
    except InputError:
        return ""
    return ""


def _size(root: str, info: RunInfo) -> int:
    if info.state != "finished":
        return 0
    return sum(int(table["bytes"]) for table in _manifest(root, info.id)["tables"].values())


def _manifest(root: str, run_id: str) -> dict[str, Any]:
    return load(Location.parse(root) / run_id).manifest
