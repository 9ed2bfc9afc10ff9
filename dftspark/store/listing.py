"""Finding runs in a store: by 'latest', by id, by name, and all of them.

Cost    a listing reads every manifest; opening a run by its id reads one
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Literal

from pyarrow.fs import FileType

from dftspark.errors import ConfigError, DamagedRun, InputError
from dftspark.location import Location
from dftspark.store.publish import written
from dftspark.store.run import MANIFEST, RUN_ID, Run, load

_READERS = 16
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunInfo:
    """One line of a listing. `created_at` is UTC; of an unfinished run only the id is known.

    Among runs of one name that have versions, as those of a date have, the highest is current.
    """

    id: str
    path: str
    state: Literal["finished", "unfinished", "damaged"]
    created_at: str
    date: str = ""
    name: str = ""
    corpora: tuple[str, ...] = ()
    headline: str = ""
    audit: str = ""  # its name in the configuration; in `name` a date may follow it
    page: str = ""  # file in the run's folder
    kind: str = ""
    version: int | None = None
    standing: Literal["current", "superseded", ""] = ""
    checks: str = ""  # outcome of its rules: pass, warn or fail; empty without rules


def open_run(root: str, run: str = "latest", *, unfinished: bool = False) -> Run:
    """Opens a run by 'latest' (newest published), its id, or the beginning of its id.

    `root` is a run store, or one run's folder. For 'latest', damaged runs are passed over with a
    warning; asked for by its id, one raises DamagedRun. With `unfinished`, a named run that did not
    finish is opened as far as it records what was read: corpora and rejects.
    """
    place = _folder(root)
    if _published(place):
        return _open_itself(place, run)
    if RUN_ID.fullmatch(place.path.rsplit("/", 1)[-1]):
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
    damaged: list[DamagedRun] = []
    for _, same in groupby(ids, _second):  # ids of one second sort by name, not by time
        published = _readable(root, same, damaged)
        if published:
            return max(published, key=lambda run: str(run.manifest["created_at"]))
    if damaged:
        raise damaged[0]
    raise InputError(f"no published run in {root}: {_found(root, ids)}")


def _readable(root: Location, ids: Iterable[str], damaged: list[DamagedRun]) -> list[Run]:
    """Returns the published runs among `ids`; the reasons why others cannot be read go to
    `damaged`."""
    found = []
    for run_id in ids:
        if _published(root / run_id):
            try:
                found.append(load(root / run_id))
            except DamagedRun as error:
                damaged.append(error)
                _LOG.warning("passed over: %s", error)
    return found


def unsettled(manifests: Iterable[Mapping[str, Any]], damaged: Iterable[str]) -> list[str]:
    """Returns the ids of `damaged` runs of a name, except those that a run of that name with a
    readable manifest was numbered above.

    A manifest has the ids of the runs that its run was numbered above; for an older one time
    decides.
    """
    readable = list(manifests)
    return [run_id for run_id in damaged if not any(_is_above(m, run_id) for m in readable)]


def _is_above(manifest: Mapping[str, Any], run_id: str) -> bool:
    above = manifest.get("numbered_above")
    return _second(manifest["run_id"]) > _second(run_id) if above is None else run_id in above


def _open_itself(place: Location, run: str) -> Run:
    itself = load(place)
    if run != "latest" and not itself.id.startswith(run):
        raise ConfigError(f"{place} is run {itself.id} itself, not {run!r}")
    return itself


def series(root: str, name: str, most: int) -> list[Run]:
    """Returns the last `most` published runs with comparisons of the audit `name`, oldest first.

    Runs whose manifest or table metrics is damaged are left out, with a warning. The names in ids
    may continue with a date.
    """
    place = Location.parse(root)
    if most < 1 or place.kind != FileType.Directory:
        return []
    loaded: list[Run] = []
    for run_id, own in named_runs(place):
        if len(loaded) >= most and not loaded[-1].id.startswith(_second(run_id)):
            break  # ids of one second sort by name, not by time
        if own == name or own.startswith((f"{name}-", f"{name}.")):
            run = _comparing(place / run_id, name)
            loaded += [run] if run else []
    loaded.sort(key=lambda run: str(run.manifest["created_at"]))
    return loaded[-most:]


def _comparing(place: Location, name: str) -> Run | None:
    """Returns the run if it belongs to the audit `name` and has comparisons that can be read."""
    if not _published(place):
        return None
    try:
        run = load(place)
        if run.manifest.get("name") == name and "metrics" in run.tables:
            run.dataset("metrics")
            return run
    except InputError as error:
        _LOG.warning("left out: %s", error)
    return None


def runs(root: str) -> list[RunInfo]:
    """Returns every run under `root`, finished or not, damaged or not, newest first.

    Of a name with a damaged run that no other was numbered above, none stands as current.
    """
    place = _folder(root)
    with ThreadPoolExecutor(_READERS) as pool:
        described = list(pool.map(partial(_describe, place), _run_ids(place)))
    versions: dict[str, list[tuple[RunInfo, Mapping[str, Any]]]] = {}
    damaged: dict[str, list[str]] = {}
    for info, manifest in described:
        if info.version is not None:
            versions.setdefault(info.name, []).append((info, manifest))
        if info.state == "damaged":
            damaged.setdefault(info.name, []).append(info.id)
    highest = {
        name: max(_standing(info) for info, _ in of_name)
        for name, of_name in versions.items()
        if not unsettled((manifest for _, manifest in of_name), damaged.get(name, []))
    }
    found = [
        replace(info, standing="current" if _standing(info) == highest[info.name] else "superseded")
        if info.version is not None and info.name in highest
        else info
        for info, _ in described
    ]
    return sorted(found, key=lambda info: (info.created_at, info.id), reverse=True)


def named_runs(root: Location) -> list[tuple[str, str]]:
    """Returns (id, name) of every run below `root`, finished or not, newest first, by one
    listing."""
    return [(run_id, _name(run_id)) for run_id in _run_ids(root)]


def is_run_id(text: str) -> bool:
    """Returns whether it is a run's id, or the beginning of one."""
    return re.match(r"\d{8}T", text) is not None


def _describe(root: Location, run_id: str) -> tuple[RunInfo, Mapping[str, Any]]:
    """Returns the run's line and its manifest, which is empty if there is none that can be read."""
    path, name = (root / run_id).name, _name(run_id)
    begun = _begun(run_id)
    assert begun is not None, run_id
    if not _published(root / run_id):
        return RunInfo(run_id, path, "unfinished", begun.isoformat(), name=name), {}
    try:
        manifest = load(root / run_id).manifest
    except InputError as error:
        said = str(error)
        return RunInfo(run_id, path, "damaged", begun.isoformat(), name=name, headline=said), {}
    info = RunInfo(
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
    return info, manifest


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
    return sorted((name for name in names if _begun(name)), reverse=True)


def _begun(run_id: str) -> datetime | None:
    """Returns when a run with that id began; None for anything that is not an id of a run."""
    matched = RUN_ID.fullmatch(run_id)
    try:
        return datetime.fromisoformat(matched[1]) if matched else None
    except ValueError:
        return None


def _name(run_id: str) -> str:
    return run_id.split("-", 1)[1].rsplit("-", 1)[0]


def _published(place: Location) -> bool:
    return bool((place / MANIFEST).kind == FileType.File)


def _second(run_id: str) -> str:
    return run_id.split("-", 1)[0]


def _found(root: Location, ids: list[str]) -> str:
    if ids:
        return f"{len(ids)} unfinished, the newest {ids[0]}"
    others = sorted(info.base_name for info in root.children())
    return f"it holds {others[:5]}" if others else "it is empty"
