"""The request on the command line, as a checked configuration."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dftspark.config import Audit, arrow, filters
from dftspark.config.audit import MOST_NAME
from dftspark.config.corpora import DATAFRAME
from dftspark.errors import ConfigError

_SUFFIXES = re.compile(r"(\.(parquet|jsonl|json|ndjson|csv|txt|gz|zst))+$", re.IGNORECASE)
_GLOB = frozenset("*?[{")
_LONGEST_PATH = 1_000


class NamedColumns(NamedTuple):
    """The columns that the command line names: of the texts, of the prompts, and of the model that
    wrote a row."""

    text: str | None = None
    prompt: str | None = None
    model: str | None = None


_NO_COLUMNS = NamedColumns()


def audit(
    conf: Path | None,
    human: list[str],
    model: list[str],
    out: str | None,
    date: str,
    columns: NamedColumns = _NO_COLUMNS,
) -> Audit:
    """Reads the audit from a file, or makes it from paths alone; `out` overrides. Raises
    ConfigError."""
    if conf is not None and (human or model):
        raise ConfigError(_beside(conf, []))
    if conf is not None and any(columns):
        remedy = f"{conf} names columns in [corpora.NAME.columns]"
        if _SUFFIXES.search(conf.name):
            remedy = f"give the texts as --human {conf}"
        options = "--text-column, --prompt-column and --model-column"
        raise ConfigError(f"{options} go with --human and --model; {remedy}")
    if conf is not None:
        return dated(Audit.load(conf, out=out), date)
    if columns.model is not None and bool(human) != bool(model):
        human = model = human or model  # one source has both sides
    if not human or not model:
        sides = {"--human": human, "--model": model}
        raise ConfigError(
            f"{' and '.join(side for side, paths in sides.items() if not paths)} missing: give "
            f"CONF, or --human PATH and --model PATH. `dftspark init` writes a CONF; `dftspark "
            f"demo` needs neither."
        )
    return dated(from_paths(human, model, out, columns), date)


def check_arguments(conf: Path | None, more: list[str], human: list[str], model: list[str]) -> None:
    """Raises ConfigError for arguments beyond CONF, which mostly are a pattern that the shell has
    replaced by names of files."""
    if more:
        beside = human or model
        raise ConfigError(
            _beside(conf, more)
            if beside
            else f"one CONF is expected, got {1 + len(more)}: {conf}, {', '.join(more[:3])}"
        )


def _beside(conf: Path | None, more: list[str]) -> str:
    names = [str(conf), *more]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"got {shown} beside --human or --model, which take one path each. If these are files of a "
        f"pattern, the shell has put them in its place. A glob needs quotes: "
        f"--human 'texts/*.txt'. Otherwise give --human or --model before each path; a "
        f"configuration goes without both"
    )


def from_paths(
    human: list[str],
    model: list[str],
    out: str | None = None,
    columns: NamedColumns = _NO_COLUMNS,
) -> Audit:
    """Returns an audit with one human corpus of all its paths, and one corpus per model path, named
    after the file.

    A column of the model cuts each model path into a corpus per model. Where both sides are given
    the same path, rows without a model, or of a model `human`, are the human side.
    """
    named = {"text": columns.text, "prompt": columns.prompt, "prompt_id": columns.prompt}
    own = {key: value for key, value in named.items() if value}
    of_human: dict[str, object] = {"columns": own}
    of_model = of_human
    if columns.model is not None:
        cut: dict[str, object] = {"columns": {**own, "model": columns.model}}
        of_model = {**cut, "split_by": [columns.model], "filter": filters.OF_MODELS}
        if set(human) & set(model):
            of_human = {**cut, "filter": filters.OF_NO_MODEL}
    corpora: dict[str, dict[str, object]] = {
        "human": {"role": "human", "path": tuple(human), **of_human}
    }
    for path in model:
        name = corpus_name(path)
        same = sum(other == name or other.startswith(f"{name} (") for other in corpora)
        name = f"{name} ({same + 1})" if same else name
        corpora[name] = {"role": "model", "path": path, **of_model}
    document = {"corpora": corpora, **({"out": out} if out is not None else {})}
    return Audit.parse(document, "the command line")


def given(
    config: Audit | None,
    human: Any,
    models: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> tuple[Audit, dict[str, Any]]:
    """Returns an audit of paths, DataFrames and tables in memory that a caller gives, and, by
    corpus, the DataFrames and the tables, which are Arrow's then.

    With a configuration they take the place of the sources of its corpora with the same names.
    Raises ConfigError for a side that is missing, names that the configuration has not, and what is
    none of these.
    """
    sides: dict[str, Any] = dict(models or {})
    if config is None:
        _check_sides(human, sides)
        own = {key: value for key, value in settings.items() if key != "columns"}
        named = {"human": human, **sides}
        columns = {"columns": settings["columns"]} if "columns" in settings else {}
        corpora = {
            name: {"role": "human" if name == "human" else "model", **columns, **_source(name, one)}
            for name, one in named.items()
        }
        parsed = Audit.parse({**own, "corpora": corpora}, "dftspark.audit")
        return parsed, _frames(named, parsed)
    if settings:
        raise ConfigError(f"{sorted(settings)} are settings of the configuration; set them there")
    named = {**({} if human is None else {config.human: human}), **sides}
    strange = sorted(named.keys() - config.corpora.keys() | sides.keys() & {config.human})
    if strange:
        there = [name for name in config.corpora if name != config.human]
        raise ConfigError(f"models: {strange} are not corpora of the configuration: {there}")
    replaced = {
        name: config.corpora[name].model_copy(
            update={"path": (), "table": None, "query": None, **_source(name, one)}
        )
        for name, one in named.items()
    }
    changed = config.model_copy(update={"corpora": {**config.corpora, **replaced}})
    return changed, _frames(named, changed)


def _check_sides(human: Any, models: dict[str, Any]) -> None:
    if human is None or not models:
        raise ConfigError(
            "an audit is of two sides: dftspark.audit(spark, human=TABLE_OR_PATH, "
            'models={"NAME": TABLE_OR_PATH}), or of a configuration: dftspark.audit(spark, '
            "config)"
        )
    same = [name for name, one in models.items() if one is human]
    if same or "human" in models:
        raise ConfigError(
            f"models: {same or ['human']} is the human side itself; give each model its own "
            f"documents, such as frame.where(\"model = 'NAME'\")"
        )


def _source(name: str, one: Any) -> dict[str, Any]:
    if isinstance(one, str):
        return {"path": one}
    if isinstance(one, (list, tuple)) and one and all(isinstance(path, str) for path in one):
        _check_paths(name, one)
        return {"path": tuple(one)}
    if _on_spark(one) or arrow.has_rows(one):
        return {"table": DATAFRAME}
    raise ConfigError(
        f"{name}: a side is a path, a list of paths, a DataFrame of Spark, a table of pyarrow, "
        f'pandas or Polars, or {{"text": [...]}}, got {type(one).__module__}.{type(one).__name__}'
    )


def _check_paths(name: str, paths: Sequence[str]) -> None:
    """Raises ConfigError for texts in the place of paths."""
    text = next((one for one in paths if len(one) > _LONGEST_PATH or "\n" in one), None)
    if text is not None:
        raise ConfigError(
            f"{name}: a list of strings is a list of paths, and {text[:40]!r}... is none; texts "
            f'themselves are columns: {{"text": [...]}}'
        )


def _on_spark(one: Any) -> bool:
    return hasattr(one, "mapInArrow")


def _frames(named: Mapping[str, Any], config: Audit) -> dict[str, Any]:
    return {
        name: one
        if _on_spark(one)
        else arrow.table_of(name, one, config.corpora[name].columns.doc_id)
        for name, one in named.items()
        if _on_spark(one) or arrow.has_rows(one)
    }


def corpus_name(path: str) -> str:
    """Returns `gpt-4` for `data/gpt-4.jsonl.gz` and for `data/gpt-4/*.txt`."""
    parts = [part.strip() for part in path.split("/")]
    plain = [part for part in parts if part and not part.endswith(":") and not _GLOB & set(part)]
    return (_SUFFIXES.sub("", plain[-1]) or plain[-1]) if plain else "model"


def dated(config: Audit, date: str) -> Audit:
    """Returns the configuration with `{date}` in `out` and in the corpora's paths replaced."""
    if date:
        _check_date(date)
    used = [config.out, *(text for corpus in config.corpora.values() for text in corpus.sources)]
    if not date and any("{date}" in text for text in used):
        raise ConfigError("paths of the configuration hold {date}; give --date YYYY-MM-DD")
    return config.on(date)


def night(conf: Path, out: str | None, date: str) -> tuple[Audit, str]:
    """Returns a nightly audit as written, and the date, which may be given as `yesterday`."""
    config = Audit.load(conf, out=out)
    most = MOST_NAME - len(".2026-01-31.profile")  # which the profile of a date adds
    if len(config.name) > most:
        raise ConfigError(
            f"name: of a nightly audit at most {most} characters, for dates are added to it; got "
            f"{len(config.name)}: {config.name[:40]!r}..."
        )
    if date == "yesterday":
        date = config.nightly.yesterday(datetime.datetime.now(datetime.UTC))
    _check_date(date)
    return config, date


def _check_date(date: str) -> None:
    try:
        day = datetime.date.fromisoformat(date)
        # A window needs dates before and after it.
        known = day.isoformat() == date and datetime.MINYEAR < day.year < datetime.MAXYEAR
    except ValueError:
        known = False
    if not known:
        raise ConfigError(f"--date is a day as YYYY-MM-DD, got {date!r}") from None
