"""Cleaning: what goes, what stays, and that twice is once."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftspark.config import Cleaning
from dftspark.corpus.clean import clean, decode, is_visible

AS_IT_IS = Cleaning(normalize="none", strip_invisible=False)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("a\r\nb\rc\n\r\nd", "a\nb\nc\n\nd"), ("a\fb\vc", "a\nb\nc"), ("a\n", "a\n")],
)
def test_line_ends_are_one_kind_without_remark(text: str, cleaned: str) -> None:
    assert clean(text, Cleaning()) == (cleaned, ())
    assert clean(text, AS_IT_IS) == (cleaned, ())


GONE = [
    *range(9),
    *range(0x0E, 0x20),
    *range(0x7F, 0xA0),
    *(0xAD, 0x200B, 0x2060, 0xFEFF),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]


def test_exactly_these_code_points_are_invisible() -> None:
    line_ends, quotes = {0x0A, 0x0B, 0x0C, 0x0D, 0x85}, set(range(0x91, 0x98))
    for code in range(0x3000):
        if code in line_ends | quotes:
            continue
        text = f"a{chr(code)}b"
        cleaned, repairs = clean(text, Cleaning(normalize="none"))
        assert cleaned == ("ab" if code in GONE else text), hex(code)
        assert repairs == ((("invisible_removed", f"U+{code:04X} x 1"),) if code in GONE else ()), (
            hex(code)
        )
        assert clean(text, AS_IT_IS)[0] == text


def test_removal_is_told_by_code_point() -> None:
    assert clean("\u200ba\u200b\0é", Cleaning()) == (
        "aé",
        (("invisible_removed", "U+0000 x 1, U+200B x 2"),),
    )


def test_controls_in_the_place_of_windows_1252_punctuation_are_read_as_it() -> None:
    told = "U+0085 x 1, U+0092 x 1, U+0093 x 1, U+0094 x 1, U+0096 x 1 read as Windows-1252"
    assert clean("\x93It\x92s\x94 \x96 so\x85", Cleaning()) == (
        "“It’s” – so…",
        (("cp1252_controls", told),),
    )
    text, repairs = clean("\x91\u200ba\x92", Cleaning())
    assert text == "‘a’"
    assert [reason for reason, _ in repairs] == ["cp1252_controls", "invisible_removed"]
    assert clean("\x91a\x92", AS_IT_IS) == ("\x91a\x92", ())


def test_a_line_end_of_other_systems_does_not_join_two_words() -> None:
    told = (("next_line", "U+0085 x 2 read as a line end"),)
    assert clean("one\x85two\x85", Cleaning()) == ("one\ntwo\n", told)
    text, repairs = clean("\u200bone\x85Ã\x85ngström", Cleaning())
    assert text == "one\nÃngström"
    assert repairs[1] == ("invisible_removed", "U+0085 x 1, U+200B x 1")
    assert clean("one\x85two", AS_IT_IS) == ("one\x85two", ())


@pytest.mark.parametrize("text", ["â\x80\x93 a", "\x92 \x81", "a\x85b\x81", "Ã\x85"])
def test_other_controls_are_no_punctuation(text: str) -> None:
    """UTF-8 read as Latin-1, and controls that Windows-1252 lacks."""
    cleaned, ((reason, _),) = clean(text, Cleaning())
    assert reason == "invisible_removed"
    assert cleaned == "".join(c for c in text if not "\x80" <= c <= "\x9f")


def test_joiners_and_selectors_stay() -> None:
    for text in ("👩‍👩‍👧", "❤️", "نمی‌خواهم", "क्‍ष", "\u200eabc"):
        assert clean(text, Cleaning()) == (text, ())


def test_removal_comes_before_composition() -> None:
    text, repairs = clean("e\u200b\u0301", Cleaning())
    assert text == "é"
    assert [reason for reason, _ in repairs] == ["invisible_removed", "normalized_nfc"]
    assert clean("e\u0301", Cleaning(normalize="none"))[0] == "e\u0301"


@given(st.text(max_size=80))
def test_twice_is_once_and_the_result_is_in_normal_form(text: str) -> None:
    once, _ = clean(text, Cleaning())
    assert clean(once, Cleaning()) == (once, ())
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0f73\u0f81", "\u0344\u0323", "\u0f75"])
def test_long_runs_of_combining_marks_get_the_order_that_short_ones_have(marks: str) -> None:
    """Also those of characters that are no marks and consist of them."""
    for count in (10, 200):
        text = f"é{marks * count} {marks * count}\u0f40{marks}"
        assert clean(text, Cleaning())[0] == unicodedata.normalize("NFC", text)


@given(st.text("aé\u0f40\u0f73\u0f81\u0344\u0340\u0315\u0300\u0323\u05b0\u3099か", min_size=40))
def test_any_mixture_of_marks_is_in_normal_form(text: str) -> None:
    assert clean(text, Cleaning())[0] == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("text", ["", " \n\t", "\u00a0\u2003", "\u200b\u200d\ufe0f", "\0\x85\xad"])
def test_nothing_to_see(text: str) -> None:
    assert not is_visible(text)
    assert is_visible(text + ".")


def test_stray_bytes_of_windows_1252() -> None:
    assert decode(b"\x93caf\xc3\xa9\x94 \x96 \x85") == (
        "“café” – …",
        (("cp1252_bytes", "4 byte(s) that are not UTF-8 read as Windows-1252 punctuation"),),
    )
    for data in (b"\x80", b"\x98", b"\xe9", b"\x93\xe9\x94", b"\xe2\x80", b"\xed\xa0\x80"):
        with pytest.raises(UnicodeDecodeError):
            decode(data)
    with pytest.raises(UnicodeDecodeError):
        decode(b"\x93", "cp1252")
