"""The form's fields: what a browser sent, cleaned, and the brief that it makes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dftspark.generation.briefs import Brief

# Most characters of each field of text, as the form and the server hold them.
MOST = {"prompt": 4_000, "outline": 8_000, "style": 300, "use_case": 300}
WORDS = (100, 1_000)
EM_DASHES = {"none": False, "welcome": True}
EMPTY = {
    "prompt": "",
    "outline": "",
    "style": "",
    "use_case": "",
    "words": "300",
    "em_dashes": "none",
}
_WORDS_A_TOKEN = 0.75
_NAMES = {"prompt": "Prompt", "outline": "Outline", "style": "Style", "use_case": "Use"}
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def cleaned(sent: Mapping[str, str]) -> dict[str, str]:
    """Returns every field of the form, with plain line ends and without control characters. A field
    that was not sent is empty."""
    return {name: _plain(sent.get(name, "")) for name in EMPTY}


def brief_of(fields: Mapping[str, str]) -> tuple[Brief | None, dict[str, str]]:
    """Returns the brief of cleaned fields; or None, and what is wrong, by field."""
    wrong = {
        name: f"{_NAMES[name]} has {len(fields[name]):,} characters; at most {most:,} fit."
        for name, most in MOST.items()
        if len(fields[name]) > most
    }
    if not fields["prompt"].strip():
        wrong["prompt"] = "Prompt is empty. Say what is to be written."
    words = _number(fields["words"])
    least, most = WORDS
    if words is None or not least <= words <= most:
        wrong["words"] = f"Length is a whole number of words from {least} to {most:,}."
    if fields["em_dashes"] not in EM_DASHES:
        wrong["em_dashes"] = "Em-dashes are welcome, or there are none."
    if wrong or words is None:
        return None, wrong
    texts = {name: fields[name].strip() for name in MOST}
    target = round(words / _WORDS_A_TOKEN)
    return Brief("", **texts, target_tokens=target, em_dashes=EM_DASHES[fields["em_dashes"]]), {}


def _plain(text: str) -> str:
    return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text.strip()) else None
