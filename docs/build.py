"""Builds the site: Markdown of this folder, and pages made from the code, as plain HTML.

    python docs/build.py [FOLDER]     into build/site unless told otherwise

The pages have no script and load nothing. Settings and tables are described in the code that
defines them; here they become pages, which are also written into this folder, so that links to them
work.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, get_args, get_origin

from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pydantic import BaseModel

from dftspark import __version__, schema
from dftspark.config import Audit, Columns, Corpus, queries
from dftspark.config.briefs import Briefs, DocumentColumns
from dftspark.config.filters import FUNCTIONS
from dftspark.config.generate import BriefColumns, Generate, Writer
from dftspark.config.tune import Training, Tune
from dftspark.config.write import Write
from dftspark.report.page.figure import asset, environment, policy

HERE = Path(__file__).resolve().parent
# In reading order; a page that does not exist yet is left out, one that is not listed comes last.
ORDER = (
    "index",
    "concepts",
    "sources",
    "page",
    "measures",
    "embeddings",
    "embedders",
    "structure",
    "judge",
    "sweeps",
    "generate",
    "choose",
    "tune",
    "write",
    "nightly",
    "cluster",
    "platform",
    "limits",
    "configuration",
    "tables",
)

_ON_SETTINGS = """One TOML file is one audit. `dftspark init` writes one with every setting in it.
It is checked whole before Spark starts: every mistake is listed at once, with its place and the
nearest valid name."""
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
_ON_TABLES = """Parquet in the folder of a run; `run.table(NAME)` reads one without Spark. Sides are
`human, model` in that order, and differences model minus human."""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{{ title }} · dftspark</title>
<style>{{ style|safe }}</style></head><body class="dftspark">
<a class="skip" href="#main">To the text</a>
<nav class="contents pages" aria-label="Pages"><ul>{% for name, label in pages %}
<li><a href="{{ name }}.html"{% if name == here %} aria-current="page"{% endif %}>
{{- label }}</a></li>
{% endfor %}</ul></nav>
<main id="main" class="text">{{ body }}</main>
<footer><p>dftspark {{ version }}</p></footer></body></html>
"""


def main(out: str = "build/site") -> None:
    for name, text in generated().items():
        (HERE / f"{name}.md").write_text(text, encoding="utf-8")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, html in site().items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    print(folder / "index.html")


def site() -> dict[str, str]:
    """Returns the HTML of every page by its name."""
    texts = {file.stem: file.read_text(encoding="utf-8") for file in HERE.glob("*.md")}
    texts |= generated()
    names = [name for name in ORDER if name in texts]
    names += sorted(texts.keys() - set(names))
    pages = [(name, _label(texts[name])) for name in names]
    template = environment().from_string(_PAGE)
    style = asset("style.css")
    return {
        name: template.render(
            title=label,
            pages=pages,
            here=name,
            body=Markup(_html(texts[name])),
            style=style,
            policy=policy(style, ""),
            version=__version__,
        )
        for name, label in pages
    }


def _label(text: str) -> str:
    heading = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    return heading[1].strip() if heading else "?"


def _html(text: str) -> str:
    """Converts Markdown: headings get anchors, links to .md go to .html, wide blocks scroll by
    keyboard."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(text)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[place + 1].content))
        for child in token.children or []:
            href = child.attrGet("href")
            if child.type == "link_open" and isinstance(href, str):
                child.attrSet("href", re.sub(r"^([\w-]+)\.md", r"\1.html", href))
    html: str = parser.renderer.render(tokens, parser.options, {})
    html = html.replace("<pre>", '<pre tabindex="0">')
    return re.sub(
        r"<table>.*?</table>",
        r'<div class="scroll" tabindex="0">\g<0></div>',
        html,
        flags=re.DOTALL,
    )


def anchor(heading: str) -> str:
    """Returns an anchor as forges make it: small letters, dashes for blanks, other characters left
    out."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


# --- pages made from the code ---------------------------------------------------------------------


def generated() -> dict[str, str]:
    """Returns Markdown of the pages by their names."""
    return {"configuration": configuration(), "tables": tables()}


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
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            parts.append(_settings(f"[{name}]", field.annotation, f"{name}."))
            parts += [
                _settings(f"[[{name}.{inner}]]", model, f"{name}.{inner}.")
                for inner, of in field.annotation.model_fields.items()
                for model in get_args(of.annotation)
                if isinstance(model, type) and issubclass(model, BaseModel)
            ]
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


def _settings(title: str, model: type[BaseModel], prefix: str) -> str:
    rows = [
        f"| `{prefix}{name}` | {_default(field)} | {_kind(field.annotation)} | "
        f"{_cell(field.description or '')} |"
        for name, field in model.model_fields.items()
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
        and name != "corpora"
    ]
    about = " ".join((model.__doc__ or "").split())
    table = "\n".join(["| setting | default | kind | meaning |", "|---|---|---|---|", *rows])
    return f"## {title}\n\n{_cell(about)}\n\n{table}"


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        return "required"
    return "not set" if value is None else f"`{_cell(str(value))}`"


def _kind(annotation: Any) -> str:
    if annotation is type(None):
        return "not set"
    name = getattr(get_origin(annotation), "__name__", "")
    if name == "Literal":
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if name in ("UnionType", "Union"):
        return " or ".join(_kind(part) for part in get_args(annotation))
    if name == "Annotated":
        return _kind(get_args(annotation)[0])
    inner = [_kind(part) for part in get_args(annotation) if part is not Ellipsis]
    if name in ("tuple", "list"):
        return f"list of {inner[0]}" if inner else "list"
    if name == "dict":
        return f"table of {inner[-1]}"
    spoken = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
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
    main(*sys.argv[1:2])
