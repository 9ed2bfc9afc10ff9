"""Settings of Sphinx for the site of this folder; `python docs/build.py` starts it.

The Markdown stays readable as files: the navigation is read from the headings and links of
index.md, and each name that api.md lists is replaced by its docstring.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import dftspark
from dftspark import errors

project = "dftspark"
version = release = dftspark.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["*.py"]
myst_heading_anchors = 3
smartquotes = False

html_theme = "furo"
html_title = f"dftspark {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_copyright = False

default_role = "py:obj"  # code in a docstring links where it is a documented name
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

_ERRORS = [name for name, value in vars(errors).items() if inspect.isclass(value)]
_LISTED = re.compile(r"^\* `(dftspark[\w.]+)`.*\n(?:  .*\n)*", re.MULTILINE)


def setup(app: Any) -> None:
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _as_rst)
    app.connect("autodoc-process-signature", _constructed)


def _read(app: Any, page: str, source: list[str]) -> None:
    if page == "index":
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
            for caption, pages in navigation().items()
        )
    if page == "api":
        source[0] = _LISTED.sub(lambda listed: _documented(listed[1]), source[0])


def navigation() -> dict[str, list[str]]:
    """Returns the pages below each heading of index.md that links to any."""
    text = (Path(__file__).parent / "index.md").read_text(encoding="utf-8")
    sections = (part.partition("\n") for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:])
    pages = {
        heading: re.findall(r"^\* \[[^\]]+\]\(([\w-]+)\.md\)", body, re.MULTILINE)
        for heading, _, body in sections
    }
    return {heading: links for heading, links in pages.items() if links}


def _documented(name: str) -> str:
    home, _, last = name.rpartition(".")
    value = getattr(import_module(home), last)
    directive = "class" if inspect.isclass(value) else "function"
    options = "   :members:\n" if directive == "class" else ""
    if directive == "class" and value.__bases__ != (object,):
        options += "   :show-inheritance:\n"
    return f"```{{eval-rst}}\n.. auto{directive}:: {name}\n{options}```\n\n"


def _as_rst(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Turns plain docstrings into reStructuredText: lists of names with two blanks behind them
    become fields, errors become links, and marks that mean something there are only marks."""
    error = re.compile(rf"(?<![\w`.])({'|'.join(_ERRORS)})(?![\w`])")
    for place, line in enumerate(lines):
        code = re.split(r"(``?[^`]+``?)", line)
        code[::2] = [re.sub(r"([*|]|_\b)", r"\\\1", part) for part in code[::2]]
        code[::2] = [error.sub(r":py:exc:`~dftspark.errors.\1`", part) for part in code[::2]]
        lines[place] = re.sub(r"^(\w[\w, ]*?) {2,}(?=\S)", r":\1: ", "".join(code))


def _constructed(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leaves the signature of a class away that its users do not make themselves."""
    private = what == "class" and re.search(r"\b_", signature or "")
    return ("", returns) if private else None
