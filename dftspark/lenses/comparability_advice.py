"""Advice on each property in which two sides differ, in one sentence."""

from __future__ import annotations

LANGUAGE_NAMES = {
    "en": "English",
    "fr": "French",
    "de": "German",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "nl": "Dutch",
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    "ru": "Cyrillic",
    "ar": "Arabic",
    "hi": "Devanagari",
}

_SIDES = ("human", "model")


def advice(name: str, values: tuple[float, float]) -> str:
    """Returns advice on a row of `lenses.comparability` that differs; values of human, model."""
    low, high = _SIDES[int(values[1] < values[0])], _SIDES[int(values[1] >= values[0])]
    if name.startswith("language_"):
        language = LANGUAGE_NAMES[name.removeprefix("language_")]
        return f"compare documents of one language: more of the {high} side is {language}"
    if name.startswith("token "):
        return (
            f"look at the few documents of the {high} side that repeat it: if they are damaged or "
            f"run in a loop, filter them out, or L2 is about them"
        )
    return _ADVICE[name].format(low=low, high=high)


_ADVICE = {
    "non_ascii": (
        "look whether the {low} side lost its accents, dashes and curly quotes on the way, and get "
        "them back or take them from both; until then em dashes and quotes are no style"
    ),
    "mojibake": (
        "read the {high} side again in the encoding it was written in: it has garbled characters"
    ),
    "curly_quotes": (
        "write quotes and apostrophes alike on both sides: don't is another token with a curly one"
    ),
    "lower_cased": (
        "get the {high} side with its capitals, or fold both with tokens.lowercase = true and do "
        "not read the structure lens, which finds sentences by capitals"
    ),
    "tokenized_spacing": (
        'undo the blanks before marks on the {high} side (" ," " n\'t"): tokens, contractions '
        "and lengths differ by them"
    ),
    "single_line": (
        "look whether the line breaks of the {high} side were lost, and take them from both if so; "
        "until then lists, headings and paragraphs are no style"
    ),
    "newlines": (
        "look whether the line breaks of the {low} side were lost or the {high} side was wrapped; "
        "until then lists, headings and paragraphs are no style"
    ),
    "cut_off": (
        "look whether the {high} side was cut, at a limit of tokens perhaps, and cut both alike or "
        "neither; last sentences and lengths differ by it"
    ),
    "one_length": (
        "look whether the {high} side was cut at one length, and cut both alike or neither"
    ),
    "median_words": (
        "compare documents of like lengths, or cut both sides alike: what is counted by document, "
        "and variety within one, grows with length"
    ),
}
