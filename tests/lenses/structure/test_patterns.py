"""Every pattern on sentences written for it: + must be found, - must not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dftspark.lenses.structure import pattern_match, patterns
from dftspark.text import stream

FOLDER = Path(__file__).with_name("patterns")


def written() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for file in sorted(FOLDER.glob("*.txt")):
        pattern = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            sign, _, sentence = line.partition(" ")
            if sign == "#":
                pattern = sentence
                found[pattern] = {"+": [], "-": []}
            else:
                found[pattern][sign].append(sentence.replace("⏎", "\n"))
    return found


WRITTEN = written()


def counts(sentences: list[str], pattern: str) -> list[int]:
    known = patterns.bundled()
    items = stream.read(pa.array(sentences), known.program.lexicon)
    found = pattern_match.counted(items, known.program)
    return [int(n) for n in found[:, known.program.names.index(pattern)]]


def test_every_pattern_has_its_sentences() -> None:
    assert {pattern.id for pattern in patterns.bundled().patterns} == WRITTEN.keys()
    for pattern, sentences in WRITTEN.items():
        for sign, each in sentences.items():
            assert len(set(each)) >= 20, (pattern, sign)


@pytest.mark.parametrize("pattern", sorted(WRITTEN))
def test_what_is_meant_is_found_and_nothing_else(pattern: str) -> None:
    for sign, sentences in WRITTEN[pattern].items():
        found = counts(sentences, pattern)
        wrong = [s for s, n in zip(sentences, found, strict=True) if (n > 0) != (sign == "+")]
        assert not wrong, f"{pattern}: {sign} {wrong}"
