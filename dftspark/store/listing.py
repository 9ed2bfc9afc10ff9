"""Finding runs in a store: by 'latest', by id, by name, and all of them.

Cost    a listing reads every manifest, a run by its id one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, Literal

from pyarrow.fs import FileType

from dftspark.errors import ConfigError, InputError
from dftspark.location import Location
from dftspark.store.publish import written
from dftspark.store.run import MANIFEST, NAME, Run, load

_RUN_ID = re.compile(rf"(\d{{8}}T\d{{6}}Z)-({NAME.pattern})-[0-9a-f]{{6}}")
_READERS = 16


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


def open_run(root: str, run: str = "latest", *, unfinished: bool = False) -> Run:
    """A run by 'latest' (newest published), its id, or the beginning of its id.

    `root` is a run store, or one run's own folder. With `unfinished` a run that did not finish,
    where it is named, is opened as far as it says what was read: corpora and rejects.
    """
    place = _folder(root)
    if _published(place):
        return _open_itself(place, run)
    if _RUN_ID.fullmatch(place.path.rsplit("/", 1)[-1]):
        return _unpublished(place, unfinished)
    ids = _run_ids(place)
    if run == "latest":
        return _latest(place, ids)
    matches = [i for i in ids if i == run] or [i for i in ids if i.startswith(run)]
    if len(matches) != 1:
        listed = matches or ids
        raise ConfigError(
            f"{place}: {len(matches)} runs begin with {run!r}; "
            + (f"among {listed[:10]}" if listed else _found(place, ids))
        )
    if not _published(place / matches[0]):
        return _unpublished(place / matches[0], unfinished)
    return load(place / matches[0])


def _unpublished(place: Location, wanted: bool) -> Run:
    tables = written(place, ("corpora", "rejects")) if wanted else {}
    if not tables:
        raise InputError(f"{place} has no {MANIFEST}: that run did not finish")
    run_id = place.path.rsplit("/", 1)[-1]
    manifest = {"run_id": run_id, "kind": "unfinished", "status": "unfinished", "tables": tables}
    return Run(run_id, manifest, place)


def _latest(root: Location, ids: list[str]) -> Run:
    for _, same in groupby(ids, _second):  # ids of one second sort by name, not by time
        published = [load(root / run_id) for run_id in same if _published(root / run_id)]
        if published:
            return max(published, key=lambda run: str(run.manifest["created_at"]))
    raise InputError(f"no published run in {root}: {_found(root, ids)}")


def _open_itself(place: Location, run: str) -> Run:
    itself = load(place)
    if run != "latest" and not itself.id.startswith(run):
        raise ConfigError(f"{place} is run {itself.id} itself, not {run!r}")
    return itself


def series(root: str, name: str, most: int) -> list[Run]:
    """The last `most` published runs with comparisons of the audit `name`, oldest first.

    Damaged ones are left out. The names in ids may go on with a date.
    """
    place = Location.parse(root)
    if most < 1 or place.kind != FileType.Directory:
        return []
    loaded: list[Run] = []
    for run_id, own in named_runs(place):
        if len(loaded) >= most and not loaded[-1].id.startswith(_second(run_id)):
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
        replace(info, standing="current" if _standing(info) == highest[info.name] else "superseded")
        if info.version is not None
        else info
        for info in found
    ]
    return sorted(found, key=lambda info: (info.created_at, info.id), reverse=True)


def named_runs(root: Location) -> list[tuple[str, str]]:
    """(id, name) of every run below `root`, finished or not, newest first. One listing."""
    return [(run_id, run_id.split("-", 1)[1].rsplit("-", 1)[0]) for run_id in _run_ids(root)]


def is_run_id(text: str) -> bool:
    """Whether it is a run's id, or the beginning of one."""
    return re.match(r"\d{8}T", text) is not None


def _describe(root: Location, run_id: str) -> RunInfo:
    matched = _RUN_ID.fullmatch(run_id)
    assert matched is not None, run_id
    path, name = (root / run_id).name, matched[2]
    created = datetime.strptime(matched[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).isoformat()
    if not _published(root / run_id):
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
        date=str(manifest.get("date", "")),
        name=name,
        corpora=tuple(sorted(map(str, manifest.get("corpora") or _configured(manifest)))),
        headline=str(manifest.get("headline", "")),
        audit=str(manifest.get("name", "")),
        page=str(manifest.get("page", {}).get("file", "")),
        kind=str(manifest.get("kind", "")),
        version=manifest.get("version"),
        checks=_outcome(manifest.get("checks") or {}),
    )


def _standing(info: RunInfo) -> tuple[int, str, str]:
    return info.version or 0, info.created_at, info.id


def _outcome(checks: dict[str, Any]) -> str:
    return str(checks.get("outcome", "")) if any(checks.get("counts", {}).values()) else ""


def _configured(manifest: Mapping[str, Any]) -> list[str]:
    return list(manifest.get("config", {}).get("corpora", ()))


def _folder(root: str) -> Location:
    place = Location.parse(root)
    kind = place.kind
    if kind != FileType.Directory:
        found = "there is no such folder" if kind == FileType.NotFound else "that is a file"
        raise InputError(f"{place}: {found}; a run store is the `out` folder of an audit")
    return place


def _run_ids(root: Location) -> list[str]:
    names = [i.base_name for i in root.children() if i.type == FileType.Directory]
    return sorted((name for name in names if _RUN_ID.fullmatch(name)), reverse=True)


def _published(place: Location) -> bool:
    return bool((place / MANIFEST).kind == FileType.File)


def _second(run_id: str) -> str:
    return run_id.split("-", 1)[0]


def _found(root: Location, ids: list[str]) -> str:
    if ids:
        return f"{len(ids)} unfinished, the newest {ids[0]}"
    others = sorted(info.base_name for info in root.children())
    return f"it holds {others[:5]}" if others else "it is empty"
