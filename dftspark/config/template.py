"""The commented configuration that `dftspark init` writes, generated from the settings
themselves."""

from __future__ import annotations

import datetime
import json
import textwrap
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dftspark.config import Audit, Columns, Corpus
from dftspark.config.generate import BriefColumns
from dftspark.config.tune import Training, Tune, Tuning
from dftspark.errors import ConfigError, EnvironmentProblem

_TOP = """\
# One audit: human text beside model text. `dftspark audit THIS_FILE` runs it.
#
# Lines of the form `#name = value` are settings at their defaults; remove the # to change one, of
# each line by itself.
# Paths are files, folders, globs or URIs; {date} in them is the day given with --date.
"""
_TUNING = """\
# One tuning: a model in rounds, towards the human texts of an audit. `dftspark tune THIS_FILE`
# runs it.
#
# Lines of the form `#name = value` are settings at their defaults; remove the # to change one.
# Paths are relative to the working directory.
"""
_WIDTH = 96


def template() -> str:
    """Returns TOML that `Audit.load` reads, with every setting, its meaning and its default."""
    fields = {name: field for name, field in Audit.model_fields.items() if name != "corpora"}
    groups = {name: field.annotation for name, field in fields.items() if _is_model(field)}
    lists = {name: model for name, field in fields.items() if (model := _parts_of(field))}
    single = [
        _setting(name, field) for name, field in fields.items() if name not in {*groups, *lists}
    ]
    parts = [_group(*group) for group in groups.items()]
    parts += [_prose(*item) for item in lists.items()]
    return "\n".join([_TOP, *single, *_corpora(), *parts])


def tuning() -> str:
    """Returns TOML that `Tuning.load` reads, with every setting; those that it needs are set."""
    nested = {"columns": BriefColumns, "training": Training}
    single = [_setting(name, Tuning.model_fields[name]) for name in ("name", "out")]
    told = {name: field for name, field in Tune.model_fields.items() if name not in nested}
    settings = [_setting(*each) for each in told.items()]
    needed = [name for name, field in told.items() if field.is_required()]
    for name in needed:
        settings = [each.replace(f"\n#{name} = ", f"\n{name} = ") for each in settings]
    parts = [_group(f"tune.{name}", model) for name, model in nested.items()]
    return "\n".join([_TUNING, *single, f"{_comment(Tune.__doc__)}\n[tune]\n", *settings, *parts])


def write(path: Path, text: str) -> None:
    """Writes a new file. Raises ConfigError if the file exists, EnvironmentProblem if it cannot be
    written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already; give another name or remove it") from error
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}") from error


def _corpora() -> list[str]:
    elsewhere = ("table", "query")  # which exclude path, so that no one removes every #
    told = {"role", "path", "columns", *elsewhere}
    others = [name for name in Corpus.model_fields if name not in told]
    return [
        _corpus("human"),
        *(_indented(_setting(name, Corpus.model_fields[name])) + "\n" for name in elsewhere),
        *(_setting(name, Corpus.model_fields[name]) for name in others),
        _comment(Columns.__doc__),
        *(_setting(f"columns.{name}", field) for name, field in Columns.model_fields.items()),
        "# One such part per model; each takes the settings of a corpus above.",
        _corpus("model"),
        "# Which source column holds what, where the model's files differ from the human ones.",
        *(_columns_line(name, field) for name, field in Columns.model_fields.items()),
        "",
    ]


def _corpus(role: str) -> str:
    return f'[corpora.{role}]\nrole = "{role}"\npath = "data/{role}.jsonl"\n'


def _group(name: str, model: Any) -> str:
    fields = dict(model.model_fields)
    parts = {key: of for key, field in fields.items() if (of := _parts_of(field)) is not None}
    settings = [_setting(key, field) for key, field in fields.items() if key not in parts]
    lists = [_list(f"{name}.{key}", of) for key, of in parts.items()]
    return "\n".join([f"{_comment(model.__doc__)}\n[{name}]\n", *settings, *lists])


def _list(name: str, model: type[BaseModel]) -> str:
    """Returns a part that may occur many times, or never, so its head is a comment too."""
    settings = [_setting(key, field) for key, field in model.model_fields.items()]
    said = f"{model.__doc__} Its settings need this head, so remove the # of the head first."
    return "\n".join([f"{_comment(said)}\n#[[{name}]]\n", *settings])


def _prose(name: str, model: type[BaseModel]) -> str:
    """Returns a part in prose, for settings that exclude each other, so that no one removes every
    #."""
    settings = [_setting(key, field) for key, field in model.model_fields.items()]
    shown = _indented("".join([f"#[[{name}]]\n", *settings]))
    return f"{_comment(model.__doc__)}\n{shown}\n"


def _indented(text: str) -> str:
    """Returns commented lines with their settings set in, so that removing # does not turn them
    on."""
    lines = text.splitlines()
    return "\n".join(line if line.startswith("# ") else f"#     {line[1:]}" for line in lines)


def _setting(name: str, field: FieldInfo) -> str:
    said = "; ".join(part for part in (field.description, _allowed(field)) if part)
    if field.is_required():
        return (
            f"{_comment(f'{said}; required')}\n"
            f"#{name} = {toml_value((field.examples or [name.rpartition('.')[2]])[0])}\n"
        )
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        said, value = f"{said}; not set", (field.examples or [name.rpartition(".")[2]])[0]
    return (f"{_comment(said)}\n" if said else "") + f"#{name} = {toml_value(value)}\n"


def _columns_line(name: str, field: FieldInfo) -> str:
    """Returns the setting of a column without its meaning, which the human side has."""
    return _setting(f"columns.{name}", field).splitlines()[-1]


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(json.dumps(value) for value in get_args(field.annotation))
    limits = {
        sign: getattr(item, key)
        for item in field.metadata
        for key, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if hasattr(item, key)
    }
    return " and ".join(f"{sign} {limit:,}" for sign, limit in limits.items())


def toml_value(value: Any) -> str:
    """Returns a value in TOML."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        inner = (f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value)  # strings, numbers and booleans look the same in both


def toml_key(name: str) -> str:
    """Returns a name in TOML, in quotes if it must be."""
    plain = all(sign.isascii() and (sign.isalnum() or sign in "-_") for sign in name)
    return name if name and plain else json.dumps(name)


def _comment(text: str | None) -> str:
    return textwrap.fill(text or "", _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _parts_of(field: FieldInfo) -> type[BaseModel] | None:
    """Returns the model of a field that is a list of models."""
    inner = get_args(field.annotation)[:1] if get_origin(field.annotation) is tuple else ()
    return inner[0] if inner and isinstance(inner[0], type) and _is_base(inner[0]) else None


def _is_base(found: type) -> bool:
    return issubclass(found, BaseModel)


def _is_model(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and _is_base(field.annotation)
