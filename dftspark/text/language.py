"""The language of a text, from a handful: by its script, or by the commonest words of seven.

It is for detecting that two sides differ, not for sorting documents: a text of few common words has
no language here.
"""

from __future__ import annotations

import re
from collections import Counter

_COMMON = {
    "en": "the and of to in is that was with for it his her not you are this have but from they",
    "fr": "le la les des et une est dans que qui pour pas sur avec ce il elle sont au du nous",
    "de": "der die das und ist nicht ein eine mit den dem von zu auf sich auch wie wir ich es",
    "es": "el la los las y que en un una es por con para del no se su como lo al pero",
    "pt": "o os as e que em um uma \u00e9 por com para do da n\u00e3o se na no mais como ao",
    "it": "il lo la gli di che \u00e8 un una per non con si del della sono nel anche ma al",
    "nl": "de het een en van is dat niet op te met voor zijn er aan ook als maar bij naar",
}
_SCRIPTS = (
    ("ja", "\u3040-\u30ff"),
    ("zh", "\u4e00-\u9fff"),
    ("ko", "\uac00-\ud7af"),
    ("ru", "\u0400-\u04ff"),
    ("ar", "\u0600-\u06ff"),
    ("hi", "\u0900-\u097f"),
)
LANGUAGES = (*_COMMON, *(name for name, _ in _SCRIPTS))

_WORDS = {name: frozenset(words.split()) for name, words in _COMMON.items()}
_LANGUAGES_OF = {
    word: tuple(name for name, words in _WORDS.items() if word in words)
    for word in frozenset().union(*_WORDS.values())
}
_OF_SCRIPT = tuple((name, re.compile(f"[{span}]")) for name, span in _SCRIPTS)
_LEAST = 3  # common words
_SHARE = 0.1  # share of the words that are common words of the language
_SCRIPT_SHARE = 0.3  # share of the characters; kana are fewer than the kanji beside them


def language_of(text: str) -> str | None:
    """Returns a name of LANGUAGES, or None where the text does not show its language."""
    # Letters of these scripts have two bytes or more.
    if not text.isascii() and len(text.encode()) > (1 + _SCRIPT_SHARE) * len(text):
        for name, letters in _OF_SCRIPT:
            if len(letters.findall(text)) > _SCRIPT_SHARE * len(text):
                return name
    words = text.lower().split()
    counts = Counter(words)
    hits = dict.fromkeys(_COMMON, 0)
    for word in counts.keys() & _LANGUAGES_OF.keys():
        for name in _LANGUAGES_OF[word]:
            hits[name] += counts[word]
    second, most = sorted(hits.values())[-2:]
    if most < max(_LEAST, _SHARE * len(words)) or most == second:
        return None
    return max(hits, key=hits.__getitem__)
