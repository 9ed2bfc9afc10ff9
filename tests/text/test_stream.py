"""Sentences, lines and classes of tokens."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dftspark.lenses.structure import patterns
from dftspark.text import stream


def sentences(text: str) -> list[list[str]]:
    """The sentences of each line, as their words and marks."""
    items = stream.read(pa.array([text]), patterns.bundled().program.lexicon)
    data = text.encode()
    lines: list[list[str]] = []
    for i in range(len(items.key)):
        if items.form[i] >> 3 == stream.BREAK:
            continue
        if items.flag[i] & stream.LINE:
            lines.append([])
        token = data[items.start[i] : items.end[i]].decode()
        if items.flag[i] & stream.SENTENCE:
            lines[-1].append(token)
        elif lines[-1]:
            lines[-1][-1] += " " + token
    return lines


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("One ran. Two sat! Three? Four", ["One", "Two", "Three", "Four"]),
        ("Mr. Smith met Dr. Jones. They sat.", ["Mr", "They"]),
        ("J. K. Rowling wrote it. I read it.", ["J", "I"]),
        ("The U.S. Army paid 3.14 dollars. It won.", ["The", "It"]),
        ("He used tools, e.g. Hammers. Fine.", ["He", "Fine"]),
        ("See example.com for more. Yes.", ["See", "Yes"]),
        ("It ended.Then it began.", ["It", "Then"]),
        ("“Stop!” he said. “Go.” She went.", ["Stop", "Go", "She"]),
        ('"Stop!" he said. "Go." She went.', ["Stop", "Go", "She"]),
        ("Wait... what? No.", ["Wait", "No"]),
        ("Wait… What? No.", ["Wait", "What", "No"]),
        ("He left (late.) She stayed.", ["He", "She"]),
        ("What?! Really?! Yes!!! Good.", ["What", "Really", "Yes", "Good"]),
        ("это дом. Это кот.", ["это", "Это"]),
        ("他走了。她来了。", ["他"]),  # without white space there is no border to see
        ("他走了。 她来了。", ["他", "她"]),
        ("no marks at all", ["no"]),
        ("... !!! ???", []),
        ("", []),
    ],
)
def test_sentences(text: str, starts: list[str]) -> None:
    found = [sentence.split()[0] for line in sentences(text) for sentence in line]
    assert found == starts


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("One.\nTwo.", 2),
        ("One.\n\n\nTwo.", 2),
        ("A sentence that\nwraps here.", 1),
        ("A heading\nThe text.", 2),
        ("Ends here.\nlower case.", 2),
        ("A gap\n\nlower case.", 2),
        ("- one\n- two\n- three", 3),
        ("\n\n\n", 0),
    ],
)
def test_lines(text: str, lines: int) -> None:
    assert len(sentences(text)) == lines


def test_a_number_that_opens_a_line_is_no_sentence() -> None:
    assert [s.split()[0] for s in sentences("1. First thing. Second.")[0]] == ["First", "Second"]
    assert [s.split()[0] for s in sentences("1945 was hard. It ended.")[0]] == ["1945", "It"]


def flags(text: str, bit: int) -> list[str]:
    items = stream.read(pa.array([text]), patterns.bundled().program.lexicon)
    data = text.encode()
    return [
        data[items.start[i] : items.end[i]].decode()
        for i in range(len(items.key))
        if items.flag[i] & bit and items.form[i] >> 3 != stream.MARK
    ]


def test_quotations() -> None:
    assert flags('He said "go on" and left', stream.QUOTED) == ["go", "on"]
    assert flags("He said “go on” and left", stream.QUOTED) == ["go", "on"]
    # A quotation that is not closed ends with its line.
    assert flags('He said "go\n\nThen he left', stream.QUOTED) == ["go"]


def marked(text: str, bit: int) -> list[str]:
    """The first items of the lines that have the flag, with what follows."""
    items = stream.read(pa.array([text]), patterns.bundled().program.lexicon)
    data = text.encode()
    first = [i for i in range(len(items.key)) if items.flag[i] & bit]
    assert all(items.flag[i] & stream.LINE for i in first)
    return [data[items.start[i] :].decode().split("\n")[0] for i in first]


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("- which led on. He ran.", 0),  # a text cut off before its dash
        ("Text.\n- Anna", 0),
        ("- a\n- b", 2),
        ("- a\n* b", 0),
        ("1. a\nMore of it.\n2. b", 2),
        ("1. a\n2) b", 0),
        ("7. a\n9. b", 0),
        ("- a" + "\nText." * 5 + "\n- b", 2),
        ("- a" + "\nText." * 6 + "\n- b", 0),
        ("- Are you here?\n- I am.\n- Good.", 0),  # speech
        ("- Who pays?\n- Who helps?", 2),
        ("* Yes. *\n* No. *", 0),  # emphasis with spaces
        ("/**\n * Adds.\n * Fast.\n */\nText.\n* a\n* b", 2),
        ("```\n- a\n- b\n```\n- c\n- d", 2),
    ],
)
def test_items_of_lists_have_others_near(text: str, listed: int) -> None:
    assert len(marked(text, stream.LISTED)) == listed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("# A title\nProse here.", []),
        ("# To do\nWe write f(x) = 2 here.", []),  # ends as a sentence
        ("## Using it\n\nX = 5", ["X = 5"]),
        ("# Load it\nX = 5\n# Print it\nText.", ["# Load it", "X = 5", "# Print it"]),
        ("# One\n# Two\nRun(3)\n", ["# One", "# Two", "Run(3)"]),
        ("# Ask\ninput(3)", ["# Ask"]),  # one line: a wrapped one
        ("## Build\nmake all", ["## Build"]),
        ("```\n# A\n```\n# B", ["```", "# A", "```"]),
        ("# A\n```\nText.\n```", ["```", "Text.", "```"]),
        ("It ended {here}", ["It ended {here}"]),
    ],
)
def test_lines_of_code(text: str, code: list[str]) -> None:
    assert marked(text, stream.CODE) == code


def test_a_line_apart_has_no_open_sentence_above() -> None:
    text = "Title\nIt ended.\nNext\nYours,\nAnna\nSee:\nHere"
    assert marked(text, stream.APART) == ["Title", "Next", "Here"]


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("house", stream.LOWER),
        ("House", stream.CAPITAL),
        ("HOUSE", stream.CAPITALS),
        ("I", stream.CAPITALS),
        ("12", stream.NUMBER),
        ("1999", stream.YEAR),
        ("2150", stream.NUMBER),
        ("1,000", stream.NUMBER),
        ("—", stream.MARK),
        ("日", stream.OTHER),
        ("Дом", stream.CAPITAL),
        ("дом", stream.LOWER),
    ],
)
def test_shapes(word: str, shape: int) -> None:
    items = stream.read(pa.array([word]), patterns.bundled().program.lexicon)
    assert items.form[1] >> 3 == shape


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("running", stream.ING),
        ("sing", stream.PLAIN),
        ("walked", stream.ED),
        ("slowly", stream.LY),
        ("nation", stream.NOUN),
        ("kindness", stream.NOUN),
        ("movement", stream.NOUN),
        ("ability", stream.NOUN),
        ("silence", stream.NOUN),
        ("careful", stream.ADJECTIVE),
        ("famous", stream.ADJECTIVE),
        ("useless", stream.ADJECTIVE),
        ("active", stream.ADJECTIVE),
        ("visible", stream.ADJECTIVE),
        ("cats", stream.S),
        ("class", stream.PLAIN),
        ("tree", stream.PLAIN),
    ],
)
def test_endings(word: str, ending: int) -> None:
    items = stream.read(pa.array([word]), patterns.bundled().program.lexicon)
    assert items.form[1] & 7 == ending


def test_documents_do_not_touch() -> None:
    texts = ["One. Two", "", "Three", None, "Four.\nFive.", "```\n- a", "- b\n# c", "- d", "X = 1"]
    whole = stream.read(pa.array(texts), patterns.bundled().program.lexicon)
    for d, text in enumerate(texts):
        alone = stream.read(pa.array([text], pa.string()), patterns.bundled().program.lexicon)
        part = slice(int(whole.offsets[d]), int(whole.offsets[d + 1]))
        assert (whole.flag[part] == alone.flag).all()
        assert (whole.form[part] == alone.form).all()
        assert (whole.key[part] == alone.key).all()
