"""Builds the site of this folder with Sphinx, and first the pages that are made from the code.

    python docs/build.py [FOLDER]     into build/site unless told otherwise

Settings, tables and commands are described in the code that defines them. Here they become pages,
which are also written into this folder, so that links to them work where the Markdown is read.
A warning of Sphinx is an error.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, TypeGuard, get_args, get_origin

import typer
from markupsafe import escape
from pydantic import BaseModel

from dftspark import schema
from dftspark.cli import app
from dftspark.config import Audit, Columns, Corpus, queries
from dftspark.config.briefs import Briefs, DocumentColumns
from dftspark.config.filters import FUNCTIONS
from dftspark.config.generate import BriefColumns, Generate, Writer
from dftspark.config.tune import Training, Tune
from dftspark.config.write import Write

HERE = Path(__file__).resolve().parent

_ON_SETTINGS = """This page is for looking up a setting; defaults stand as in a file. One TOML file
is one audit. `dftspark init` writes one with every setting in it. It is checked whole before Spark
starts: every mistake is listed at once, with its place and the nearest valid name."""
_ON_FILTERS = """A filter keeps the same rows in every pass and looks at nothing but the row. So it
has columns, values, operators, `CASE`, `CAST` and these functions of Spark SQL, and no other: no
subquery, no function that draws a number, asks the clock, calls Java or Python or reads a file, no
lambda and no comment.

Of a file that lies in folders `checkpoint=ckpt1/`, as Hive and Spark write them, the folders give
columns: `fields['checkpoint'] = 'ckpt1'`, and `checkpoint` for `split_by` and `columns`. A column
that the file has itself counts before its folder's."""
_ON_TUNING = """Of `dftspark tune`: a file of its own, with `name`, `out` and these, which
`dftspark init --tune` writes. `[tune.columns]` has the settings of `[generate.columns]`."""
_ON_WRITING = """Of `dftspark write`: a file of its own, with these. A part `[[write.models]]` has
the settings of `[[generate.models]]`."""
_ON_QUERIES = """A query is one `SELECT` over tables, with the functions of filters and these
([Sources](sources.md#tables-and-queries)):"""
_ON_TABLES = """This page is for looking up a column. A table is Parquet in the folder of a run;
`run.table(NAME)` reads one without Spark. Sides are `human, model` in that order, and differences
model minus human."""
_ON_COMMANDS = """This page is for looking up an option: each command with what `dftspark COMMAND
--help` prints. `dftspark --debug COMMAND` shows tracebacks. The exit codes are 0 fine, 1 crash, 2
configuration, 3 a check failed, 4 input, 5 finished in part, 75 try again."""


def main(out: str = "build/site") -> int:
    try:
        from sphinx.cmd.build import main as sphinx
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: pip install -e '.[docs]'", file=sys.stderr)
        return 1
    for name, text in generated().items():
        (HERE / f"{name}.md").write_text(text, encoding="utf-8")
    strict = ["-q", "-W", "--keep-going", "-E"]
    failed = sphinx([*strict, "-b", "html", "-d", f"{out}.doctrees", str(HERE), out])
    if not failed:
        print(Path(out) / "index.html")
    return failed


def generated() -> dict[str, str]:
    """Returns Markdown of the pages by their names."""
    return {"commands": commands(), "configuration": configuration(), "tables": tables()}


def commands() -> str:
    """Describes every command of the command line with its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = ["# Commands", _ON_COMMANDS]
    for name, command in group.commands.items():
        examples = re.findall(r"^Example: `([^`]+)`$", command.help, re.MULTILINE)
        parts += [f"## {name}", _cell(command.help.partition("\n\nExample:")[0])]
        parts += ["\n".join(["```sh", *map(_line, examples), "```"])] if examples else []
        rows = [
            f"| {_named(parameter)} | {_preset(parameter)} | {_cell(parameter.help or '')} |"
            for parameter in command.params
            if not parameter.hidden
        ]
        if rows:
            head = ["| argument or option | default | meaning |", "|---|---|---|"]
            parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _named(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return f"{names}, more than once" if parameter.multiple else names


def _preset(parameter: Any) -> str:
    if parameter.required:
        return "required"
    return f"`{_cell(str(parameter.default))}`" if parameter.default else ""


def configuration() -> str:
    """Describes every setting with its default, what is allowed, and its meaning."""
    parts = [
        "# Configuration",
        _ON_SETTINGS,
        _settings("The audit", Audit, ""),
        _settings("A corpus", Corpus, "corpora.NAME."),
        f"## Filters\n\n{_ON_FILTERS}\n\n" + " ".join(f"`{name}`" for name in sorted(FUNCTIONS)),
        f"## Queries\n\n{_ON_QUERIES}\n\n"
        + " ".join(f"`{name}`" for name in sorted(queries.FUNCTIONS - FUNCTIONS)),
        _settings("Columns of a corpus", Columns, "corpora.NAME.columns."),
    ]
    for name, field in Audit.model_fields.items():
        if _is_section(field.annotation):
            parts.append(_settings(f"[{name}]", field.annotation, f"{name}."))
            parts += _lists(field.annotation, f"{name}.")
    parts += _lists(Audit, "")
    parts += [
        "## Generating\n\nOf `dftspark generate`: a file of its own, with `name`, `out` and these.",
        _settings("[generate]", Generate, "generate."),
        _settings("[generate.columns]", BriefColumns, "generate.columns."),
        _settings("[[generate.models]]", Writer, "generate.models."),
        "## Briefs\n\nOf `dftspark briefs`: a file of its own, with `name`, `out` and these.",
        _settings("[briefs]", Briefs, "briefs."),
        _settings("[briefs.columns]", DocumentColumns, "briefs.columns."),
        f"## Tuning\n\n{_ON_TUNING}",
        _settings("[tune]", Tune, "tune."),
        _settings("[tune.training]", Training, "tune.training."),
        f"## Writing\n\n{_ON_WRITING}",
        _settings("[write]", Write, "write."),
    ]
    return "\n\n".join(parts) + "\n"


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _lists(model: Any, prefix: str) -> list[str]:
    """Describes the settings of a model that are lists of tables."""
    return [
        _settings(f"[[{prefix}{name}]]", inner, f"{prefix}{name}.")
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is tuple
        for inner in get_args(field.annotation)
        if _is_section(inner)
    ]


def _settings(title: str, model: type[BaseModel], prefix: str) -> str:
    rows = [
        f"| `{prefix}{name}` | {_default(field)} | {_kind(field.annotation)} | "
        f"{_cell(field.description or '')} |"
        for name, field in model.model_fields.items()
        if name != "corpora" and not any(map(_is_section, _parts(field.annotation)))
    ]
    about = " ".join((model.__doc__ or "").split())
    table = "\n".join(["| setting | default | kind | meaning |", "|---|---|---|---|", *rows])
    return f"## {title}\n\n{_cell(about)}\n\n{table}"


def _parts(annotation: Any) -> tuple[Any, ...]:
    """A section itself, or what a list of tables holds; these have a heading of their own."""
    return get_args(annotation) if get_origin(annotation) is tuple else (annotation,)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        return "required"
    if value is None:
        return "not set"
    return f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _kind(annotation: Any) -> str:
    name = getattr(get_origin(annotation), "__name__", "")
    if name == "Literal":
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if name in ("UnionType", "Union"):
        return " or ".join(_kind(part) for part in get_args(annotation) if part is not type(None))
    if name == "Annotated":
        return _kind(get_args(annotation)[0])
    inner = [_kind(part) for part in get_args(annotation) if part is not Ellipsis]
    if name in ("tuple", "list"):
        return f"list of {inner[0]}" if inner else "list"
    if name == "dict":
        return f"table of {inner[-1]}"
    spoken = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    spoken |= {"date": "date"}
    return spoken.get(getattr(annotation, "__name__", ""), "table")


def tables() -> str:
    """Describes every result table with its columns, their types and units."""
    parts = [
        "# Tables",
        _ON_TABLES,
    ]
    for name, table in schema.TABLES.items():
        rows = [f"| `{c.name}` | {c.type} | {_cell(c.metadata[b'doc'].decode())} |" for c in table]
        head = ["| column | type | meaning |", "|---|---|---|"]
        parts.append("\n".join([f"## {name}", "", *head, *rows]))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return str(escape(text)).replace("|", "\\|").replace("&#39;", "'").replace("&#34;", '"')


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
