"""The request on the command line, as a checked configuration."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from dftspark.config import Audit
from dftspark.config.audit import MOST_NAME
from dftspark.errors import ConfigError

_SUFFIXES = re.compile(r"(\.(parquet|jsonl|json|ndjson|csv|txt|gz|zst))+$", re.IGNORECASE)
_GLOB = frozenset("*?[{")


def audit(
    conf: Path | None, human: list[str], model: list[str], out: str | None, date: str
) -> Audit:
    """Reads the audit from a file, or makes it from paths alone; `out` overrides. Raises
    ConfigError."""
    if conf is not None and (human or model):
        raise ConfigError(
            f"got the configuration {conf} beside --human or --model; give one or the other. "
            f"A glob needs quotes: --human 'texts/*.txt'"
        )
    if conf is not None:
        return dated(Audit.load(conf, out=out), date)
    if not human or not model:
        sides = {"--human": human, "--model": model}
        raise ConfigError(
            f"{' and '.join(side for side, paths in sides.items() if not paths)} missing: give "
            f"CONF, or --human PATH and --model PATH. `dftspark init` writes a CONF; `dftspark "
            f"demo` needs neither."
        )
    return dated(from_paths(human, model, out), date)


def from_paths(human: list[str], model: list[str], out: str | None = None) -> Audit:
    """Returns an audit with one human corpus of all its paths, and one corpus per model path, named
    after the file."""
    corpora: dict[str, dict[str, object]] = {"human": {"role": "human", "path": tuple(human)}}
    for path in model:
        name = corpus_name(path)
        same = sum(other == name or other.startswith(f"{name} (") for other in corpora)
        corpora[f"{name} ({same + 1})" if same else name] = {"role": "model", "path": path}
    document = {"corpora": corpora, **({"out": out} if out is not None else {})}
    return Audit.parse(document, "the command line")


def corpus_name(path: str) -> str:
    """Returns `gpt-4` for `data/gpt-4.jsonl.gz` and for `data/gpt-4/*.txt`."""
    parts = [part.strip() for part in path.split("/")]
    plain = [part for part in parts if part and not part.endswith(":") and not _GLOB & set(part)]
    return (_SUFFIXES.sub("", plain[-1]) or plain[-1]) if plain else "model"


def dated(config: Audit, date: str) -> Audit:
    """Returns the configuration with `{date}` in `out` and in the corpora's paths replaced."""
    if date:
        _check_date(date)
    used = [config.out, *(path for corpus in config.corpora.values() for path in corpus.paths)]
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
