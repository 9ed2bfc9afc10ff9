"""Turns tables into HTML: a figure looks the same in a page and in a notebook.

Everything from a run is text here: the templates escape it, and `visible` spells out characters
that a reader would not see. Charts are SVG with lengths in percent, so that text keeps its size on
any screen.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from dftspark.errors import EnvironmentProblem
from dftspark.report.words.text import MISSING, count, number, ratio, visible

if TYPE_CHECKING:
    import jinja2

EXCERPT = 240  # characters of a document that a page shows


@dataclass(frozen=True)
class Figure:
    """HTML of one figure. A notebook shows it; `str` returns the markup."""

    html: str

    def __str__(self) -> str:
        return self.html

    def __html__(self) -> str:
        return self.html

    def _repr_html_(self) -> str:
        return f'<style>{asset("style.css")}</style><div class="dftspark">{self.html}</div>'


def draw(name: str, home: str | None = None, **found: Any) -> Figure:
    """Draws with a macro of the page's figures.html, or of the one in the package `home`."""
    template = f"{home}/figures.html" if home else "figures.html"
    module = environment().get_template(template).module
    return Figure(str(getattr(module, name)(**found)))


@cache
def asset(name: str) -> str:
    """Reads a file of the templates."""
    place = resources.files("dftspark.report.page") / "templates" / name
    return place.read_text(encoding="utf-8")


def _template(name: str) -> str:
    """Reads a template of the page, or `package/file` of a lens."""
    package, _, file = name.rpartition("/")
    if not package:
        return asset(file)
    return (resources.files(package) / file).read_text(encoding="utf-8")


@cache
def environment() -> jinja2.Environment:
    """Returns templates that escape everything. Raises EnvironmentProblem without jinja2."""
    try:
        import jinja2
    except ImportError as error:
        raise EnvironmentProblem(
            "pages and figures need jinja2: pip install 'dftspark[report]'"
        ) from error
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "seen": seen,
        "capital": lambda text: text[:1].upper() + text[1:],
        "number": lambda value: typeset(number(value)),
        "ratio": times,
        "signed": lambda value: (
            ("+" if value is not None and value > 0 else "") + typeset(number(value, 2))
        ),
        "count": lambda value: typeset(count(value)),
        "span": _span,
        "dash": typeset,
        "percent": percent,
        "q": q_value,
    }
    return made


def policy(style: str, script: str) -> str:
    """Returns a Content-Security-Policy that allows this style, this script and no request at
    all."""
    scripts = f"; script-src {digest_of(script)}" if script else ""
    return (
        f"default-src 'none'; style-src {digest_of(style)}{scripts}; base-uri 'none'; "
        f"form-action 'none'"
    )


def digest_of(text: str) -> str:
    """Returns what a Content-Security-Policy calls this style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def seen(text: Any, longest: int = EXCERPT) -> str:
    """Shows a run's text as one line that hides nothing; the template escapes it."""
    return visible(str(text), longest)


def times(value: float | None) -> str:
    """Writes a ratio as 3.1×, and nan as an en dash."""
    return typeset(ratio(value)).replace("x", "×")


def typeset(text: str) -> str:
    """Writes a number with a true minus sign, and a missing one as an en dash."""
    return "–" if text == MISSING else re.sub(r"^-", "−", text)


def _span(text: str) -> str:
    """Writes an interval `0.1-0.2` with an en dash."""
    return typeset(text) if text == MISSING else re.sub(r"(?<=[\dx])-(?=\d)", "–", text)


def percent(share: float | None) -> str:
    if share is None or math.isnan(share):
        return "–"
    if 0 < abs(share) < 0.001:
        return "<0.1%"
    return f"{share:.1%}" if abs(share) < 0.1 else f"{share:.0%}"


def q_value(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return "<.001" if value < 0.001 else f"{value:.3f}"
