"""The page in parts, as HTML: what is written by a person or a model is text in it, and escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from markupsafe import escape

from dftspark.report.page.figure import asset, digest_of, environment
from dftspark.writing.band import HumanBand
from dftspark.writing.fields import MOST, WORDS
from dftspark.writing.marks import MarkedText

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SENT = "a brief goes to the models that you named, and nowhere else"
_NOTHING_KEPT = f"Nothing is written to disk; {_SENT}."
_KEPT = f"A pick is written to disk if you consent, and nothing else is; {_SENT}."


@dataclass(frozen=True)
class View:
    """`token` is of the session's forms, `two` whether two models write, `keep` whether picks can
    be kept."""

    token: str
    two: bool
    keep: bool
    band: HumanBand | None

    def whole(
        self,
        title: str,
        *parts: str,
        fields: Mapping[str, str],
        wrong: Mapping[str, str],
        said: str,
    ) -> str:
        """Returns a page with these parts and, below them, the form with its fields."""
        form = self.form(fields, wrong, said, again=bool(parts))
        return "".join([self.top(title), *parts, form, self.foot()])

    def top(self, title: str) -> str:
        return self._draw("top", title=title, style=style(), script=script()).lstrip()

    def foot(self) -> str:
        return self._draw("foot", kept=_KEPT if self.keep else _NOTHING_KEPT)

    def form(
        self,
        fields: Mapping[str, str],
        wrong: Mapping[str, str] | None = None,
        said: str = "",
        again: bool = False,
    ) -> str:
        """Returns the form with every field as it was sent, and what is wrong beside it."""
        told = {"fields": fields, "wrong": wrong or {}, "said": said, "again": again}
        return self._draw("form", **told, token=self.token, most=MOST, words=WORDS, two=self.two)

    def begin(self) -> str:
        """Returns the beginning of the texts, with the button that stops them."""
        return self._draw("begin", token=self.token, two=self.two)

    def open_text(self, label: str) -> str:
        return self._draw("open_text", label=label).strip()

    def close_text(self, note: str) -> str:
        return self._draw("close_text", note=note)

    def ended(self, *parts: str) -> str:
        """Returns the end of the texts: what replaces them, or follows them, on the same page."""
        return f'</div><div class="ended"></div>{"".join(parts)}'

    def plain(self, label: str, text: str, note: str) -> str:
        return self._draw("plain_text", label=label, text=shown(text), note=note).strip()

    def marked(
        self, label: str, key: str, marked: MarkedText, fields: Mapping[str, str], note: str
    ) -> str:
        """Returns a text with its constructions marked, and their table."""
        text = self._draw("marked_text", label=label, key=key, marked=marked, note=note).strip()
        facts = self._draw(
            "facts",
            label=f"In {label[0].lower()}{label[1:]}",
            key=key,
            marked=marked,
            words=fields["words"],
            welcome=fields["em_dashes"] == "welcome",
            human=self.band,
        )
        return f"<div>{text}{facts}</div>"

    def no_score(self) -> str:
        """Returns why the page gives no number for a whole text."""
        band = self.band
        human, documents = ("", 0) if band is None else (band.name, band.documents)
        return self._draw("no_score", human=human, documents=documents)

    def pick(self, id: str) -> str:
        return self._draw("pick", token=self.token, id=id, keep=self.keep)

    def picked(self, said: str, kept: str) -> str:
        return self._draw("picked", said=said, kept=kept)

    def _draw(self, name: str, **values: Any) -> str:
        return str(getattr(self._macros, name)(**values))

    @cached_property
    def _macros(self) -> Any:
        return environment().get_template("dftspark.writing/page.html").module


def shown(text: str) -> str:
    """Returns a model's text without control characters, line feeds and tabs excepted."""
    return _UNSEEN.sub("", text)


def piece(text: str) -> str:
    """Returns a part of a model's text as HTML."""
    return str(escape(shown(text)))


def style() -> str:
    sheet = (resources.files("dftspark.writing") / "write.css").read_text(encoding="utf-8")
    return asset("style.css") + sheet


def script() -> str:
    return asset("copy.js")


def policy() -> str:
    """Returns a Content-Security-Policy that allows this style, this script and forms to this
    server, and nothing else."""
    return (
        f"default-src 'none'; style-src {digest_of(style())}; script-src {digest_of(script())}; "
        f"img-src data:; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'"
    )
