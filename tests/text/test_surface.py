"""What is told of a document that is not its writing."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.text import surface
from dftspark.text.language import language_of

PLAIN = (
    "The committee met again on Tuesday, and it did not agree; members said they'd need more "
    "time. Nobody was surprised by that: it was late. Were they ever going to agree?"
)


def flags(text: str) -> set[str]:
    found = surface.of([text], np.zeros(1, np.int64)).flags[0]
    return {name for name, has in zip(surface.FLAGS, found, strict=True) if has}


def test_plain_text_is_of_one_line_and_a_language() -> None:
    assert flags(PLAIN) == {"quotes", "single_line", "language_en"}
    assert flags(PLAIN.replace("; ", ";\n")) == {"quotes", "language_en"}


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        (PLAIN + " A caf\u00e9.", "non_ascii"),
        (PLAIN + " It was \u201cfine\u201d.", "curly_quotes"),
        (PLAIN + " Cristina Fern\u00c3\u00a1ndez.", "mojibake"),
        (PLAIN + " It cost \u00c2\u00a31bn.", "mojibake"),
        (PLAIN + " He didn\u00e2\u20ac\u2122t.", "mojibake"),
        (PLAIN + " He didn\u00e2t say.", "mojibake"),
        (PLAIN + " It\u00e2s late.", "mojibake"),
        (PLAIN + " The \ufffd sign.", "mojibake"),
        (PLAIN + " He didn?t say it?s so.", "mojibake"),
        (PLAIN.lower(), "lower_cased"),
        ("He did n't say , it was late .", "tokenized_spacing"),
        ("They did n't . It 's fine .", "tokenized_spacing"),
        (PLAIN[:-20], "cut_off"),
        ("- one\n- two", "cut_off"),
    ],
)
def test_what_is_named(text: str, flag: str) -> None:
    assert flag in flags(text)
    assert flag not in flags(PLAIN)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("C'est \u00e0 l'\u00e2ge de vingt ans que le d\u00e9g\u00e2t fut fait.", "mojibake"),
        ("Look at example.com/watch?t=12 and ask: what? She left.", "mojibake"),
        ("Was ist das f\u00fcr ein \u00c4rger, \u00dcbung und \u00d6l!", "mojibake"),
        ("he left", "lower_cased"),  # too short to tell
        ("123 456", "lower_cased"),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d" * 9, "lower_cased"),
        ("Il a dit : non ! Elle est partie, puis revenue, enfin.", "tokenized_spacing"),
        ("Wait. . . what? No, no, no.", "tokenized_spacing"),
        (": : : : : :", "tokenized_spacing"),
        ('He said "no."', "cut_off"),
        ("He left (at last.)", "cut_off"),
        ("Is it **so?**", "cut_off"),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", "cut_off"),
        ("\u2026", "cut_off"),
    ],
)
def test_what_is_not(text: str, flag: str) -> None:
    assert flag not in flags(text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (PLAIN, "en"),
        ("Le chat est sur la table et il ne veut pas en descendre avec nous.", "fr"),
        ("Der Hund ist nicht zu Hause, und die Katze mag das auch nicht.", "de"),
        ("El perro no est\u00e1 en la casa, pero los gatos y las aves s\u00ed.", "es"),
        (
            "O c\u00e3o n\u00e3o est\u00e1 em casa, mas os gatos da vizinha e um p\u00e1ssaro sim.",
            "pt",
        ),
        ("Il cane non \u00e8 nella casa, ma anche il gatto della vicina che dorme.", "it"),
        ("De hond is niet thuis en het is ook voor de kat te laat.", "nl"),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d", "zh"),
        ("\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u306d", "ja"),
        ("\u0421\u043e\u0431\u0430\u043a\u0430 \u0434\u043e\u043c\u0430", "ru"),
        ("def f(x): return x", None),
        ("42", None),
        ("", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_lengths_are_told_within_two_percent() -> None:
    words = np.array([0, 1, 2, 16, 141, 2**40])
    bins = surface.bin_of(words)
    assert bins.tolist()[:4] == [0, 0, 32, 128]
    assert bins[-1] == surface.BINS - 1
    low, high = (surface.words_at(float(bins[4]) + end) for end in (0, 1))
    assert low <= 141 < high < 1.03 * low
