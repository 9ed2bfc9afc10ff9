"""Questions to a model about a human document, and its answers, read strictly.

A model may name lines to leave out and describe what is left. It cannot put a word into the human
corpus: cleaned texts consist only of lines of the document.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa

from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.text.hashing import digest64
from dftspark.text.tokens import Words

_SLOT = re.compile(r"<<([A-Z]+)>>")
_LEAK = 8  # words of a phrase that a brief may not share with its document
_VARIANTS = (
    "One sentence in the imperative, as one would type it.",
    "A question or a wish of a few words, as people ask in passing.",
    "Two or three sentences that say what it is about, for whom and why.",
)
_OUTLINES = {
    True: "points in order, with the facts, names, numbers and quotations that it needs.",
    False: "an empty text.",
}
_FIELDS = ("prompt", "style", "use_case", "outline")
_MOST = {"prompt": 2_000, "style": 400, "use_case": 400, "outline": 8_000}  # characters
CLEAN_SCHEMA = {"drop": {"type": "array", "items": {"type": "integer"}}}
BRIEF_SCHEMA = {name: {"type": "string"} for name in _FIELDS}


@dataclass(frozen=True)
class HumanText:
    doc_id: str
    text: str
    stratum: str = ""

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")


def mark(text: str) -> str:
    """Returns the mark around a document: nobody can write a text that contains its own hash."""
    return f"DOCUMENT {hashlib.sha256(f'brief mark v1 {text}'.encode()).hexdigest()[:16]}"


def clean_prompt(document: HumanText) -> str:
    numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(document.lines, 1))
    return _filled("clean", {"MARK": mark(document.text), "DOCUMENT": numbered})


def brief_prompt(document: HumanText, without_outline: float) -> str:
    variant = _VARIANTS[digest64(document.doc_id, "dftspark prompt v1") % len(_VARIANTS)]
    outline = _OUTLINES[has_outline(document.doc_id, without_outline)]
    values = {"VARIANT": variant, "OUTLINE": outline, "DOCUMENT": document.text}
    return _filled("brief", {"MARK": mark(document.text), **values})


def has_outline(doc_id: str, without: float) -> bool:
    """Returns whether the brief of a document has an outline, by a hash of its name."""
    return digest64(doc_id, "dftspark outline v1") / 2**64 >= without


@cache
def _template(name: str) -> str:
    folder = resources.files("dftspark.generation") / "prompts"
    return (folder / f"{name}.txt").read_text(encoding="utf-8").strip()


def _filled(name: str, values: dict[str, str]) -> str:
    # In one pass, so that a slot inside a document stays text.
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), _template(name))


def cleaned(document: HumanText, said: str, most_dropped: float) -> HumanText:
    """Returns the document without the lines that an answer names.

    Raises ValueError for an answer that is malformed, names a line that does not exist, or leaves
    out too much.
    """
    found = _object(said)
    drop = found.get("drop")
    if set(found) != {"drop"} or not isinstance(drop, list):
        raise ValueError('the answer is not {"drop": [numbers]}')
    lines = document.lines
    if not all(type(number) is int and 1 <= number <= len(lines) for number in drop):
        raise ValueError(f"the answer names lines that are not among the {len(lines)}")
    kept = "\n".join(line for number, line in enumerate(lines, 1) if number not in set(drop))
    kept = kept.strip("\n")
    size, rest = (len("".join(text.split())) for text in (document.text, kept))
    if not rest or size - rest > most_dropped * size:
        raise ValueError(f"the answer leaves out {1 - rest / max(size, 1):.0%} of the document")
    return HumanText(document.doc_id, kept, document.stratum)


def brief_of(document: HumanText, said: str, without_outline: float, most_leak: float) -> Any:
    """Returns the fields of a brief, and its leak. Raises ValueError for an answer that is not a
    brief, or that reveals too much of the document."""
    found = _object(said)
    if set(found) != set(_FIELDS) or not all(isinstance(found[name], str) for name in _FIELDS):
        raise ValueError(f"the answer is not an object of the texts {', '.join(_FIELDS)}")
    fields = {name: found[name].replace("\0", "").strip() for name in _FIELDS}
    if not has_outline(document.doc_id, without_outline):
        fields["outline"] = ""
    if not fields["prompt"]:
        raise ValueError("the answer has no prompt")
    for name, most in _MOST.items():
        if len(fields[name]) > most:
            raise ValueError(f"its {name} has {len(fields[name]):,} characters")
    told = leak(document.text, [fields["prompt"], fields["outline"]])
    if told > most_leak:
        raise ValueError(f"{told:.0%} of the document's phrases of {_LEAK} words are in the brief")
    return {**fields, "leak": told}


def leak(text: str, said: Sequence[str]) -> float:
    """Returns the share of the text's 8-grams of words that also occur in `said`; 0 for a shorter
    text."""
    own, *others = (_phrases(each) for each in (text, *said))
    if not len(own):
        return 0.0
    return float(np.isin(own, np.concatenate(others)).mean())


def _phrases(text: str) -> Any:
    tokens = Words(lowercase=True).tokenize(pa.array([text], pa.string()))
    keys = ngram_keys(tokens.hashes, tokens.offsets, _LEAK)
    return np.unique(keys[: max(len(keys) - _LEAK + 1, 0)])


def _object(said: str) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise ValueError("the answer is no JSON object") from error
    if not isinstance(found, dict):
        raise ValueError("the answer is no JSON object")
    return found
