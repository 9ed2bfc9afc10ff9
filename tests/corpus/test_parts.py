"""Names of the parts of a corpus: one for each combination of values, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dftspark.corpus.parts import corpus_of, part_name, values_of

VALUES = st.lists(st.text("ab/%2F5 é", min_size=1), min_size=1, max_size=3)


@given(VALUES)
def test_a_name_tells_its_values(values: list[str]) -> None:
    name = part_name("corpus", values)
    assert values_of(name, len(values)) == values
    assert corpus_of(name) == "corpus"


@given(st.lists(st.text("a/%2F", min_size=1), min_size=2, max_size=2), st.data())
def test_unlike_values_have_unlike_names(values: list[str], data: st.DataObject) -> None:
    text = "/".join(values)
    cut = data.draw(st.sampled_from([i for i, c in enumerate(text) if c == "/"]))
    other = [text[:cut], text[cut + 1 :]]
    assert (part_name("c", values) == part_name("c", other)) == (values == other)


def test_names_as_people_see_them() -> None:
    assert part_name("gpt", ["org/name"]) == "gpt/org/name"
    assert part_name("gpt", ["org/name", "0.7"]) == "gpt/org%2Fname/0.7"
    assert part_name("gpt", ["org", "name/0.7"]) == "gpt/org/name%2F0.7"
    assert part_name("gpt", ["50%", "0.7"]) == "gpt/50%25/0.7"
