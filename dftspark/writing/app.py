"""The page as an application: a form, texts that stream, and the pick between two of them.

Everything is HTML made here; there is no endpoint for programs.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dftspark.errors import DftsparkError
from dftspark.generation.briefs import Brief
from dftspark.writing import picks, view
from dftspark.writing.arrival import PageStream
from dftspark.writing.band import HumanBand
from dftspark.writing.desk import LABELS, BlindPair, Desk, WrittenText
from dftspark.writing.fields import EMPTY, brief_of, cleaned
from dftspark.writing.gate import Gate
from dftspark.writing.marks import marked

_TITLE = "Write"
_FIELDS = {
    ("GET", "/"): frozenset[str](),
    ("POST", "/write"): frozenset(EMPTY),
    ("POST", "/stop"): frozenset[str](),
    ("POST", "/pick"): frozenset({"id", "better", "consent"}),
}


def application(desk: Desk, band: HumanBand | None, kept: Path | None, port: int) -> Gate:
    """Returns the page behind its gate, which has the ticket. `kept` is the folder of picks; if it
    is None, nothing is kept."""
    page = _Page(desk, band, kept)
    routes = [
        Route("/", page.empty, methods=["GET"]),
        Route("/write", page.write, methods=["POST"]),
        Route("/stop", page.stop, methods=["POST"]),
        Route("/pick", page.pick, methods=["POST"]),
    ]
    gate = Gate(Starlette(routes=routes), _FIELDS, view.policy(), port)
    page.view = view.View(gate.token, len(desk.engines) > 1, kept is not None, band)
    return gate


class _Page:
    view: view.View

    def __init__(self, desk: Desk, band: HumanBand | None, kept: Path | None) -> None:
        self._desk, self._band, self._kept = desk, band, kept

    async def empty(self, request: Request) -> Response:
        """Shows the form, with what was last sent unless it is to be empty."""
        if request.url.query == "empty":
            self._desk.fields = EMPTY
        return self._with_form(200, self._desk.fields)

    async def write(self, request: Request) -> Response:
        """Writes a text, or two; or shows the form with what is wrong."""
        fields = cleaned(request.scope["form"])
        brief, wrong = brief_of(fields)
        if brief is None:
            self._desk.fields = fields
            count = "One field needs" if len(wrong) == 1 else f"{len(wrong)} fields need"
            return self._with_form(422, fields, wrong, f"{count} a change; see below.")
        free = self._desk.claim()
        if free is None:
            said = "A text is being written already; one at a time. Stop it, or wait for its end."
            return self._with_form(429, fields, {}, said)
        self._desk.fields = fields
        return PageStream(self._written(brief, fields, free), free)

    async def stop(self, request: Request) -> Response:
        """Stops what is being written. Its page stays as it is, and its end comes there."""
        self._desk.stop()
        return Response(status_code=204)

    async def pick(self, request: Request) -> Response:
        """Takes the reader's pick between the two texts, once, and names the models."""
        form, pair = request.scope["form"], self._desk.pair
        better = form.get("better", "")
        if pair is None or form.get("id") != pair.id or better not in (*LABELS, "tie"):
            said = "These two texts wait for no pick: they were picked from, or new ones came."
            return self._with_form(409, self._desk.fields, {}, said)
        self._desk.pair = None
        kept = "Nothing was kept."
        if self._kept is not None and form.get("consent") == "yes":
            try:
                kept = f"Kept as {picks.keep(self._kept, pair, better)}."
            except DftsparkError as error:
                kept = f"It could not be kept: {error}"
        names = {label: one.engine for label, one in zip(LABELS, pair.texts, strict=True)}
        said = f"Text A is by {names['A']}, text B by {names['B']}. You picked "
        said += "neither." if better == "tie" else f"text {better}, by {names[better]}."
        parts = [
            '<div class="texts two">',
            *[await self._marked(f"Text {x}, by {names[x]}", x, text, pair.fields)
              for x, text in zip(LABELS, pair.texts, strict=True)],
            "</div>",
            self.view.no_score(),
        ]  # fmt: skip
        page = self.view.whole(
            _TITLE, self.view.picked(said, kept), *parts, fields=pair.fields, wrong={}, said=""
        )
        return HTMLResponse(page)

    async def _written(
        self, brief: Brief, fields: Mapping[str, str], free: Callable[[], None]
    ) -> AsyncGenerator[str, None]:
        """Yields the page with its texts as they come, and then what is in them."""
        desk, texts = self._desk, []
        prompt = desk.prompt(brief)
        order = desk.order()
        yield self.view.top(_TITLE) + self.view.begin()
        for label, engine in zip(LABELS, order, strict=False):
            yield self.view.open_text(f"Text {label}" if len(order) > 1 else "The text")
            async with aclosing(desk.write(engine, prompt)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, WrittenText):
                        texts.append(piece)
                    else:
                        yield view.piece(piece)
            yield self.view.close_text(texts[-1].problem)
            if texts[-1].problem:
                break
        for part in await self._after(fields, prompt, texts, len(order)):
            yield part
        free()  # before the page is whole, for its form may be sent at once
        yield self.view.form(fields, again=True) + self.view.foot()

    async def _after(
        self, fields: Mapping[str, str], prompt: str, texts: list[WrittenText], wanted: int
    ) -> list[str]:
        """Returns what follows the texts: the pick between two whole ones, else the marks."""
        if wanted > 1 and len(texts) == wanted and not any(text.problem for text in texts):
            pair = BlindPair(secrets.token_hex(8), fields, prompt, (texts[0], texts[1]))
            self._desk.pair = pair
            return [self.view.ended(self.view.pick(pair.id))]
        if wanted > 1 or not texts[0].text:
            return [self.view.ended()]
        shown = await self._marked("The text", "c", texts[0], fields)
        return [self.view.ended('<div class="in-place">', shown, "</div>", self.view.no_score())]

    async def _marked(
        self, label: str, key: str, text: WrittenText, fields: Mapping[str, str]
    ) -> str:
        try:
            marks = await asyncio.to_thread(marked, view.shown(text.text), self._band)
        except Exception as error:  # the text is worth more than its marks
            note = f"{text.problem} Its constructions cannot be shown: {type(error).__name__}."
            return self.view.plain(label, text.text, note.strip())
        return self.view.marked(label, key, marks, fields, text.problem)

    def _with_form(
        self,
        status: int,
        fields: Mapping[str, str],
        wrong: Mapping[str, str] | None = None,
        said: str = "",
    ) -> Response:
        page = self.view.whole(_TITLE, fields=fields, wrong=wrong or {}, said=said)
        return HTMLResponse(page, status)
