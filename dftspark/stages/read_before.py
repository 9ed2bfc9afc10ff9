"""Whether a source that keeps no versions gave the rows that the run before it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dftspark.config import Audit
from dftspark.store.listing import series

_OF_THE_ROWS = {"rows", "digest", "files"}


def warnings(config: Audit, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns a line for each table or query of which the last audit of this name, with the same
    settings of the corpus, has read other rows, although nothing says that the source has changed.

    Of a DataFrame nothing is known but its rows, so it is left out.
    """
    named = {name for name, told in sources.items() if "dataframe" not in told}
    last = series(config.out, config.name, 1) if named else []
    return [line for run in last for line in _lines(config, sources, named, run.id, run.manifest)]


def _lines(
    config: Audit,
    sources: Mapping[str, Mapping[str, Any]],
    named: set[str],
    run: str,
    manifest: Mapping[str, Any],
) -> Iterator[str]:
    now, then = config.model_dump(mode="json"), manifest.get("config", {})
    if now["cleaning"] != then.get("cleaning"):
        return
    for name in sorted(named & manifest.get("sources", {}).keys()):
        before, told = manifest["sources"][name], sources[name]
        alike = now["corpora"][name] == then.get("corpora", {}).get(name)
        if alike and _place(before) == _place(told) and before["digest"] != told["digest"]:
            yield (
                f"corpora.{name}: {config.corpora[name].where:.200} gave {told['rows']:,} rows, "
                f"and other ones than the {before['rows']:,} that the run {run} read from it: the "
                f"two runs are not of the same documents{_changed(before, told)}"
            )


def _place(told: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what names the source and its versions; stamps of files are no version that another
    run could read."""
    place = {key: value for key, value in told.items() if key not in _OF_THE_ROWS}
    if "tables" in place:
        place["tables"] = {name: _place(one) for name, one in told["tables"].items()}
    return place


def _changed(before: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """Returns words on the tables whose files have changed, where both runs have stamps."""
    then, now = _files(before), _files(told)
    names = [name for name in now if then.get(name) and now[name] != then[name]]
    return f"; the files of {', '.join(names)} have changed" if names else ""


def _files(told: Mapping[str, Any]) -> dict[str, Any]:
    tables = told.get("tables") or {str(told.get("table")): told}
    return {name: one.get("files") for name, one in tables.items()}
