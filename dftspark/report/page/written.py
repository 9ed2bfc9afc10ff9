"""Writes pages into files: of a run beside its folder, over a store as its index.html."""

from __future__ import annotations

from collections.abc import Sequence

from pyarrow.fs import FileType

from dftspark.errors import ConfigError
from dftspark.location import Location, below, parted, writing
from dftspark.redaction import redact
from dftspark.report.page import card, rejected, run_diff
from dftspark.report.page.overview import overview
from dftspark.report.page.run import page
from dftspark.report.words.markdown import markdown
from dftspark.report.words.run_diff import RunDiff
from dftspark.store.listing import is_run_id, open_run, runs, series
from dftspark.store.run import MANIFEST, Run

_ENDINGS = {"svg": "svg", "png": "png", "markdown": "md"}
FORMS = tuple(_ENDINGS)


def report(
    place: str, out: str | None = None, models: Sequence[str] = (), swap: bool | None = None
) -> str:
    """Writes the page of a run, or over a store; returns where it is.

    `place` is a run's folder, or a store followed by an id or its beginning, or a store. Raises
    what `open_run` raises, ConfigError for a run that compares nothing and for `models` given with
    a store, EnvironmentProblem if the file cannot be written.
    """
    parent, last = parted(place)
    itself = (Location.parse(place) / MANIFEST).kind == FileType.File
    if not itself and not is_run_id(last):
        if models:
            raise ConfigError("--model goes with a run; this is a store, whose page has all models")
        return _over_store(place, out)
    run = open_run(place) if itself else open_run(parent or ".", last, unfinished=True)
    if run.manifest.get("status") == "unfinished":
        target = Location.parse(out) if out else _beside(run)
        return _write(target, rejected.page(run))
    store = _parent(run)
    history = [] if store is None else _others(store, run)
    target = Location.parse(out) if out else _beside(run)
    return _write(target, page(run, history, models, swap))


def cards(run: Run, forms: Sequence[str] = FORMS, out: str | None = None) -> dict[str, str]:
    """Writes the run as a picture and as Markdown; returns where each form is.

    The files are named `out` with the ending of their form, or stand beside the run. Raises
    ConfigError for a run that compares nothing, EnvironmentProblem if a picture cannot be made or
    a file cannot be written.
    """
    made = {form: drawn(run, form) for form in forms}
    return {
        form: _write(
            Location.parse(f"{out}.{_ENDINGS[form]}")
            if out
            else _beside(run, f"card.{_ENDINGS[form]}"),
            content,
        )
        for form, content in made.items()
    }


def diff(first: Run, second: Run, found: RunDiff, out: str) -> str:
    """Writes the page of two compared runs; returns where it is. Raises EnvironmentProblem if the
    file cannot be written."""
    return _write(Location.parse(out), run_diff.page(first, second, found))


def drawn(run: Run, form: str) -> bytes:
    """Returns one form of the card: SVG, PNG or Markdown."""
    if form == "markdown":
        return markdown(run).encode("utf-8", "backslashreplace")
    picture = card.card(run)
    return card.png(picture) if form == "png" else picture.encode("utf-8", "backslashreplace")


def _over_store(root: str, out: str | None) -> str:
    infos = runs(root)
    target = Location.parse(out) if out else Location.parse(root) / "index.html"
    pages = {
        info.id: redact(below(info.path, info.page)) if out else f"{info.id}/{info.page}"
        for info in infos
        if info.page
    }
    return _write(target, overview(root, infos, pages))


def _others(store: str, run: Run) -> list[Run]:
    """Returns older runs of the same audit."""
    settings = run.manifest.get("config", {}).get("report", {})
    most = int(settings.get("history", 90))
    made = str(run.manifest.get("created_at", ""))
    found = series(store, str(run.manifest.get("name", "")), most + 1)
    return [other for other in found if str(other.manifest.get("created_at", "")) < made][-most:]


def _parent(run: Run) -> str | None:
    parent, last = parted(run.path)
    return parent or "." if last == run.id else None


def _beside(run: Run, ending: str = "html") -> Location:
    parent, last = parted(run.path)
    return Location.parse(below(parent or ".", f"{last}.{ending}"))


def _write(target: Location, content: str | bytes) -> str:
    told = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with writing(target), target.filesystem.open_output_stream(target.path) as stream:
        stream.write(told)
    return str(target)
