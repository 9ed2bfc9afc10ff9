"""The pattern language: a line of text per construction, read as sequences of places.

    not (only|just|merely) GAP{1,12} (,)? but            a sequence of items, separated by spaces
    isn't                 the token itself, whatever its case; ' stands for every apostrophe
    <be>                  a token of a class of the lexicon
    (a|b c|<be>)          alternatives, sequences too
    X?  X{2,5}            X may be missing; X two to five times
    !(a|<be>)  !LY        any token on the line but these, or not of that shape or ending
    @sentence X           X where a flag of text/stream.py holds; @!quoted X: where it does not;
                          before a repeat, each time
    WORD TEXT LOWER CAP TITLE NUMBER YEAR COUNT MARK ANY BREAK
                          shapes: TEXT is not a mark, TITLE not lower case, COUNT a number but
                          not a year, ANY not a break
    ING ED LY NOUN PLURAL QUALITY GAP     endings; GAP is any token but an end mark or a break
    LOWER&<abstract>      both

Except for bounded repeats, sequences are fixed in length, so a pattern looks at no more than 63
items.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from dftspark.errors import ConfigError
from dftspark.text import stream

MOST = 63  # places of one sequence
_MOST_SEQUENCES = 400  # of one pattern, after alternatives are written out
_TOKEN = re.compile(r"\{\d{1,2},\d{1,2}\}|@!?[a-z]+|<[a-z_]+>|[()|?!&]|[^\s()|?!&{<]+")

_WORD_SHAPES = frozenset({stream.LOWER, stream.CAPITAL, stream.CAPITALS, stream.OTHER})
_ALL_SHAPES = frozenset(range(len(stream.SHAPES)))
_ON_LINE = _ALL_SHAPES - {stream.BREAK}
_TEXT = _ON_LINE - {stream.MARK}


def _forms(shapes: Iterable[int], endings: Iterable[int] = range(8)) -> frozenset[int]:
    return frozenset(shape * 8 + ending for shape in shapes for ending in endings)


_ANY_FORM = frozenset(range(stream.FORMS))
_NAMED_FORMS = {
    "WORD": _forms(_WORD_SHAPES),
    "TEXT": _forms(_TEXT),
    "LOWER": _forms({stream.LOWER}),
    "CAP": _forms({stream.CAPITAL, stream.CAPITALS}),
    "NUMBER": _forms({stream.NUMBER, stream.YEAR}),
    "YEAR": _forms({stream.YEAR}),
    "COUNT": _forms({stream.NUMBER}),
    "TITLE": _forms(_ON_LINE - {stream.LOWER}),
    "MARK": _forms({stream.MARK}),
    "BREAK": _forms({stream.BREAK}),
    "ANY": _forms(_ON_LINE),
    "ING": _forms({stream.LOWER, stream.CAPITAL}, {stream.ING}),
    "ED": _forms({stream.LOWER, stream.CAPITAL}, {stream.ED}),
    "LY": _forms({stream.LOWER, stream.CAPITAL}, {stream.LY}),
    "NOUN": _forms({stream.LOWER, stream.CAPITAL}, {stream.NOUN}),
    "QUALITY": _forms({stream.LOWER}, {stream.NOUN, stream.ADJECTIVE, stream.LY}),
    "PLURAL": _forms({stream.LOWER, stream.CAPITAL}, {stream.S}),
}


@dataclass(frozen=True)
class Slot:
    """Conditions on one item: every given condition holds; None allows everything."""

    words: frozenset[str] | None = None
    but: frozenset[str] = frozenset()
    forms: frozenset[int] = _ANY_FORM
    flags: frozenset[int] = frozenset(range(1 << len(stream.FLAGS)))
    optional: bool = False

    def __and__(self, other: Slot) -> Slot:
        words = self.words
        if other.words is not None:
            words = other.words if words is None else words & other.words
        return Slot(words, self.but | other.but, self.forms & other.forms, self.flags & other.flags)


Sequence = tuple[Slot, ...]


class _Parser:
    def __init__(self, text: str, classes: Mapping[str, frozenset[str]]) -> None:
        self.text, self.classes = text, classes
        self.tokens = _lexed(text)
        self.at = 0

    def fail(self, what: str) -> ConfigError:
        near = " ".join(self.tokens[max(0, self.at - 2) : self.at + 2])
        return ConfigError(f"pattern {self.text!r}: {what}, near {near!r}")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def alternatives(self) -> list[Sequence]:
        found = self.sequence()
        while self.peek() == "|":
            self.take()
            found += self.sequence()
        return found

    def sequence(self) -> list[Sequence]:
        found: list[Sequence] = [()]
        while self.peek() not in ("", "|", ")"):
            item = self.item()
            found = [left + right for left, right in product(found, item)]
            if len(found) > _MOST_SEQUENCES:
                raise self.fail(f"more than {_MOST_SEQUENCES} sequences; use classes")
        return found

    def item(self) -> list[Sequence]:
        found = self.atom()
        while self.peek() == "&":
            self.take()
            right = self.atom()
            found = [(self.only([a]) & self.only([b]),) for a, b in product(found, right)]
        quantifier = self.peek()
        if quantifier == "?":
            self.take()
            if all(len(each) == 1 for each in found) and len(found) == 1:
                return [(_optional(found[0][0]),)]
            return [(), *found]
        if quantifier.startswith("{"):
            self.take()
            low, high = (int(part) for part in quantifier[1:-1].split(","))
            if not low <= high or high == 0:
                raise self.fail(f"a repeat is {{least,most}}, got {quantifier}")
            place = self.only(found)
            return [(place,) * low + (_optional(place),) * (high - low)]
        return found

    def only(self, found: list[Sequence]) -> Slot:
        if len(found) != 1 or len(found[0]) != 1:
            raise self.fail("this works on one token, not on a sequence")
        return found[0][0]

    def atom(self) -> list[Sequence]:
        token = self.take()
        if token == "(":
            found = self.alternatives()
            if self.take() != ")":
                raise self.fail("a bracket is not closed")
            return _merged(found)
        if token == "!":
            place = self.only(self.atom())
            on_line = _NAMED_FORMS["ANY"]
            if place == Slot(forms=place.forms) and place.forms < _ANY_FORM:
                return [(Slot(forms=on_line - place.forms),)]
            if place.words is None or place != Slot(words=place.words):
                raise self.fail("! stands before words, classes, shapes and endings")
            return [(Slot(but=place.words, forms=on_line),)]
        if token.startswith("@"):
            wanted, name = not token.startswith("@!"), token.lstrip("@!")
            if name not in stream.FLAGS:
                raise self.fail(f"flags are {', '.join(stream.FLAGS)}, got {name!r}")
            bit = 1 << stream.FLAGS.index(name)
            flags = frozenset(f for f in range(1 << len(stream.FLAGS)) if bool(f & bit) == wanted)
            return [(each[0] & Slot(flags=flags), *each[1:]) for each in self.atom()]
        if token.startswith("<"):
            if token[1:-1] not in self.classes:
                raise self.fail(f"the lexicon has no class {token}")
            return [(Slot(words=self.classes[token[1:-1]]),)]
        if token == "GAP":
            return [(Slot(but=self.classes["end_mark"], forms=_NAMED_FORMS["ANY"]),)]
        if token in _NAMED_FORMS:
            return [(Slot(forms=_NAMED_FORMS[token]),)]
        if token.startswith("\\"):
            return [(Slot(words=frozenset({token[1:]})),)]
        if not token or token in "|)?&" or token.startswith("{"):
            raise self.fail(f"an item is missing before {token!r}")
        return [(Slot(words=frozenset({token.lower()})),)]


def _lexed(text: str) -> list[str]:
    """Splits the text; marks alone between spaces are tokens of the text, not of the language."""
    found: list[str] = []
    for part in text.split(" "):
        if part in set("?!|()&"):
            found.append("\\" + part)
        elif part:
            found += _TOKEN.findall(part)
    return found


def _optional(place: Slot) -> Slot:
    return Slot(place.words, place.but, place.forms, place.flags, True)


def _merged(found: list[Sequence]) -> list[Sequence]:
    """Merges alternatives that are one listed token each into one place."""
    plain = [
        each[0].words
        for each in found
        if len(each) == 1 and each[0] == Slot(words=each[0].words) and each[0].words is not None
    ]
    rest = [
        each
        for each in found
        if not (len(each) == 1 and each[0] == Slot(words=each[0].words) and each[0].words)
    ]
    if not plain:
        return rest
    return [(Slot(words=frozenset().union(*plain)),), *rest]


def sequences(text: str, classes: Mapping[str, frozenset[str]]) -> list[Sequence]:
    """Returns the sequences that `text` stands for, each from a required place to a required place.

    `classes` has at least those of stream.BUILTIN. Raises ConfigError, with the place of the
    mistake.
    """
    parser = _Parser(text, classes)
    found = parser.alternatives()
    if parser.at < len(parser.tokens):
        raise parser.fail("a bracket is closed that was not opened")
    trimmed = [_trimmed(sequence) for sequence in found]
    for sequence in trimmed:
        if not sequence:
            raise parser.fail("a sequence without a needed token matches everywhere")
        if len(sequence) > MOST:
            raise parser.fail(f"a sequence has {len(sequence)} places, at most {MOST} fit")
    return list(dict.fromkeys(trimmed))


def _trimmed(sequence: Sequence) -> Sequence:
    """Drops what may be missing at either end: the shortest match is the one counted."""
    needed = [i for i, place in enumerate(sequence) if not place.optional]
    return sequence[needed[0] : needed[-1] + 1] if needed else ()
