"""The pattern language against a slow matcher, its errors, and its steps on hostile text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftspark.errors import ConfigError
from dftspark.lenses.structure import document_vectors, pattern_language, pattern_match, patterns
from dftspark.text import stream
from tests.text import hostile
from tests.text.hostile import HOSTILE

ROOT = Path(__file__).resolve().parents[3]

LEXICON = """
abbreviation = "mr"
end_mark = ". ! ?"
opener = "“ ("
closer = "” )"
quote = '" “ ”'
ab = "a b"
"""


def pattern_set(*lines: str) -> patterns.PatternSet:
    body = ", ".join(f"'''{line}'''" for line in lines)
    return patterns.read(
        f"[p]\ngroup='g'\nversion=1\nper='words'\ndefinition='d'\nsources=[]\nmatch=[{body}]",
        LEXICON,
    )


def count(text: str, *lines: str) -> int:
    known = pattern_set(*lines)
    items = stream.read(pa.array([text]), known.program.lexicon)
    return int(pattern_match.counted(items, known.program)[0, 0])


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a b a b", "a b", 2),
        ("A B", "a b", 1),
        ("a a a", "a a", 1),  # occurrences do not overlap
        ("a x y b", "a WORD{0,2} b", 1),
        ("a x y z b", "a WORD{0,2} b", 0),
        ("a b", "a WORD{0,2} b", 1),
        ("a, b", "a ,? b", 1),
        ("a b", "a ,? b", 1),
        ("a c", "a (b|c)", 1),
        ("a c d", "a (b|c d)", 1),
        ("a c", "a (b|c d)", 0),
        ("x b", "x <ab>", 1),
        ("x y", "x !<ab>", 1),
        ("x b", "x !<ab>", 0),
        ("x", "x !<ab>", 0),  # the line's end is no token
        ("x", "x BREAK", 1),
        ("x\n\ny", "x BREAK y", 1),
        ("x\n\ny", "x ANY", 0),
        ("x. y", "x GAP{0,3} y", 0),
        ("x. y", "x ANY{0,3} y", 1),
        ("One. A", "@sentence a", 1),
        ("one a", "@sentence a", 0),
        ("one a", "@!sentence a", 1),
        ("walking b", "ING b", 1),
        ("Walking b", "LOWER&ING b", 0),
        ("walking b", "LOWER&ING b", 1),
        ("b b", "<ab>&!(a) b", 1),
        ("in 1999", "in YEAR", 1),
        ("a quickly", "a !LY", 0),
        ("a quick b", "a !LY b", 1),
        ("a\n\nb", "a !LY", 0),  # the line's end is no token
        ("- a\n- b", "@line @listed - (a|b)", 2),
        ("- a\n\nNo", "@line @listed -", 0),
        ("# a\n\nB = 1", "@line @!code # ANY", 0),
        ("is it ?", "it ?", 1),
        ("don’t", "don't", 1),
        ("a - @ b", "a - ANY b", 1),
        ("a x a y b", "a WORD{1,3} b", 1),  # the shorter of two that end together
    ],
)
def test_what_a_line_means(text: str, line: str, found: int) -> None:
    assert count(text, line) == found


def test_the_shortest_occurrence_is_located() -> None:
    known = pattern_set("a WORD{0,5} b")
    text = "a x a y b"
    items = stream.read(pa.array([text]), known.program.lexicon)
    ((_, _, first, last),) = pattern_match.located(items, known.program)
    assert text[items.start[first] : items.end[last]] == "a y b"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a (b", "not closed"),
        ("a b)", "not opened"),
        ("a <nothing>", "no class"),
        ("@nowhere a", "flags are"),
        ("a? b?", "matches everywhere"),
        ("a WORD{3,2} b", "least,most"),
        ("a WORD{0,90} b", "at most 63"),
        ("(a b){1,2} c", "one token"),
        ("!(a b) c", "one token"),
        ("!@line c", "words, classes, shapes and endings"),
        ("a | b", None),
        ("(a|b c)(a|b c)(a|b c)(a|b c)(a|b c)(a|b c)(a|b c)(a|b c)(a|b c)", "more than 400"),
    ],
)
def test_mistakes_are_named(line: str, what: str | None) -> None:
    if what is None:
        assert count("a | b", line) == 1  # a mark between spaces is itself
        return
    with pytest.raises(ConfigError, match=what):
        pattern_set(line)


@pytest.mark.parametrize("text", ["[p]\nmatch = 3", "= 1", "[p]\ngroup = 'x'"])
def test_a_broken_set_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        patterns.read(text, LEXICON)


def test_a_set_says_when_it_changes() -> None:
    assert pattern_set("a b").fingerprint != pattern_set("a c").fingerprint
    assert pattern_set("a b").patterns[0].fingerprint != pattern_set("a c").patterns[0].fingerprint


# --- against a slow matcher -----------------------------------------------------------------------

WORDS = ["a", "b", "c", "d", ",", ".", "\n\n"]


def slow(items: stream.Stream, sequences: list[pattern_language.Sequence], text: bytes) -> int:
    """All pairs of first and last item by plain recursion, then the rule of pattern_match."""
    n = len(items.key)

    def allowed(place: pattern_language.Slot, i: int) -> bool:
        word = text[items.start[i] : items.end[i]].decode().lower() if items.key[i] else None
        return (
            (place.words is None or word in place.words)
            and word not in place.but
            and int(items.form[i]) in place.forms
            and int(items.flag[i]) in place.flags
        )

    def ends(sequence: pattern_language.Sequence, i: int) -> set[int]:
        if not sequence:
            return {i - 1}
        found = ends(sequence[1:], i) if sequence[0].optional else set()
        if i < n and allowed(sequence[0], i):
            found |= ends(sequence[1:], i + 1)
        return found

    latest: dict[int, int] = {}
    for first in range(n):
        for sequence in sequences:
            for last in ends(sequence, first):
                latest[last] = max(latest.get(last, -1), first)
    total, before = 0, -1
    for last in sorted(latest):
        if latest[last] > before:
            total, before = total + 1, last
    return total


LINES = [
    "a WORD{0,3} b",
    "a ,? (b|c d)",
    "a{1,3} b",
    "@sentence a GAP{0,2} c",
    "!<ab> a BREAK",
    "a (b)? (c)? d",
    "a b? c? d? a",
    "(a|b){2,3} c",
]


@given(words=st.lists(st.sampled_from(WORDS), max_size=14), lines=st.sets(st.sampled_from(LINES)))
@settings(max_examples=150, deadline=None)
def test_as_a_slow_matcher(words: list[str], lines: set[str]) -> None:
    if not lines:
        return
    known = pattern_set(*sorted(lines))
    text = " ".join(words)
    items = stream.read(pa.array([text]), known.program.lexicon)
    classes = {"ab": frozenset("ab"), "end_mark": frozenset(".!?")}
    sequences = [s for line in sorted(lines) for s in pattern_language.sequences(line, classes)]
    found = pattern_match.counted(items, known.program)
    assert found[0, 0] == slow(items, sequences, text.encode())
    assert len(pattern_match.located(items, known.program)) == found[0, 0]


# --- hostile text ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def interpreted() -> dict[str, dict[str, list[int]]]:
    """What the kernels do as plain Python, where their lines can be counted."""
    command = [sys.executable, "-m", "tests.text.hostile"]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    found: dict[str, dict[str, list[int]]] = json.loads(done.stdout)
    return found


@pytest.mark.program
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(
    name: str, interpreted: dict[str, dict[str, list[int]]]
) -> None:
    """A third portion of the text costs as many steps as the second.

    But for the few lines of a window of 50 words that closes in one of them alone. A line for each
    pair of items or letters, of which a portion has twelve at least, would be 144 more.
    """
    once, twice, thrice = interpreted[name]["lines"]
    assert once < twice
    assert abs((thrice - twice) - (twice - once)) < 50
    assert hostile.found(HOSTILE[name](hostile.REPEATS)) == interpreted[name]["counts"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_counted_alike_in_any_company(name: str) -> None:
    text = HOSTILE[name](2_000)
    beside = document_vectors.of(pa.array(["Not a word.", text]), pa.array(["b", "c"]))
    assert beside.counts[1].tolist() == hostile.found(text)
    assert (beside.counts >= 0).all()
