"""What a store need not keep: superseded runs, old profiles of days, and what killed runs left.

The current reference, the current tables of every night, marks of dates that are taken out, and
the profiles of the newest dates stay; so do runs that are no part of a nightly audit. A run goes
manifest first, so that half of it is never taken for a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyarrow.fs import FileType

from dftspark.errors import ConfigError
from dftspark.location import Location, writing
from dftspark.nights.calendar import PROFILE, dated
from dftspark.store.listing import RunInfo, runs
from dftspark.store.run import MANIFEST, load


@dataclass(frozen=True)
class Doomed:
    """A run that may go; `bytes` of its tables, 0 where it never finished."""

    id: str
    why: str
    bytes: int


def doomed(
    root: str,
    *,
    keep_days: int | None = None,
    superseded: bool = False,
    unfinished: bool = False,
    hours: float = 24.0,
    now: datetime | None = None,
) -> list[Doomed]:
    """What may go, newest first, of the runs that are older than `hours`.

    `keep_days` keeps the profiles of that many newest dates of each nightly audit and lets older
    ones go, every version of them: were the current one alone to go, the one that it superseded
    would be current again. Raises ConfigError where that is fewer than the window that its newest
    night merged, and for `hours` that are before all dates.
    """
    try:
        before = (now or datetime.now(UTC)) - timedelta(hours=hours)
    except (OverflowError, ValueError) as error:
        raise ConfigError(
            f"--hours is an age of runs, and {hours:g} hours ago is no date; 8760 is a year"
        ) from error
    found = runs(root)
    old = _old_days(found, root, keep_days) if keep_days is not None else {}
    going = []
    for info in found:
        why = ""
        if info.state == "unfinished" and unfinished:
            why = "never finished"
        elif info.standing == "superseded" and superseded:
            why = "superseded"
        elif info.id in old:
            why = f"profile of {info.date}, older than the newest {keep_days} dates"
        if why and datetime.fromisoformat(info.created_at) <= before:
            going.append(Doomed(info.id, why, _size(root, info)))
    return going


def prune(root: str, going: list[Doomed]) -> None:
    """Deletes these runs. EnvironmentProblem where storage refuses."""
    store = Location.parse(root)
    for run in reversed(going):  # an older version before the one that supersedes it
        folder = store / run.id
        with writing(folder):
            if (folder / MANIFEST).kind == FileType.File:
                folder.filesystem.delete_file((folder / MANIFEST).path)
            folder.filesystem.delete_dir(folder.path)


def _old_days(found: list[RunInfo], root: str, keep: int) -> dict[str, str]:
    """The date of every version of days' profiles by id, but for the `keep` newest dates of
    their audit and those that are taken out."""
    days: dict[str, dict[str, str]] = {}
    versions: dict[str, list[str]] = {}
    nights: dict[str, str] = {}
    for info in found:
        name = dated(info.name)
        if info.standing:
            versions.setdefault(info.name, []).append(info.id)
        if name and info.standing == "current" and info.kind == PROFILE:
            days.setdefault(name.audit, {})[info.date] = info.name
        elif name and info.standing == "current" and not name.profile:
            nights[name.audit] = max(nights.get(name.audit, ""), f"{info.date} {info.id}")
    for audit, newest in nights.items():
        window = _manifest(root, newest.split(" ", 1)[1])["config"]["nightly"]["window"]
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


def _size(root: str, info: RunInfo) -> int:
    if info.state != "finished":
        return 0
    return sum(int(table["bytes"]) for table in _manifest(root, info.id)["tables"].values())


def _manifest(root: str, run_id: str) -> dict[str, Any]:
    return load(Location.parse(root) / run_id).manifest
