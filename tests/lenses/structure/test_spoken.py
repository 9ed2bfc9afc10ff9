"""Names of constructions in a reader's words."""

from __future__ import annotations

from dftspark.lenses.structure.catalogue import all_measures
from dftspark.lenses.structure.spoken import SPOKEN, spoken


def test_every_name_is_of_a_measure_and_of_one_alone() -> None:
    assert SPOKEN.keys() <= {measure.id for measure in all_measures()}
    assert len(set(SPOKEN.values())) == len(SPOKEN)
    assert max(map(len, SPOKEN.values())) <= 40, "they fit on a label"


def test_every_pattern_has_one_or_says_itself() -> None:
    unnamed = {m.id for m in all_measures() if m.kind == "pattern" and m.id not in SPOKEN}
    assert unnamed == {"function_words", "ellipsis", "bold"}


def test_others_go_by_their_name() -> None:
    assert spoken("word_letters") == "word letters"
    assert spoken("contrast_not_but") == "\u201cnot X but Y\u201d"
