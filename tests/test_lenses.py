"""The registry of lenses: what it names is there, and is what a configuration may name."""

from __future__ import annotations

from collections import Counter

import pytest

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import ConfigError
from dftspark.lenses import lens

CORPORA = {"human": {"role": "human", "path": "h"}, "gpt": {"role": "model", "path": "m"}}


def audit(*lenses: str) -> Audit:
    return Audit.parse({"corpora": CORPORA, "lenses": lenses}, "the test")


def test_every_lens_has_its_name_and_tables_of_its_own() -> None:
    every = lens.every()
    assert [one.name for one in every] == lens.names()
    tables = Counter(name for one in every for name in (*one.tables, *one.states))
    assert set(tables.values()) == {1}
    assert {name for one in every for name in one.tables} <= schema.TABLES.keys()
    assert {name for one in every for name in one.states} == schema.STATES.keys() - {"clusters"}


def test_the_settings_of_a_lens_are_of_its_sections() -> None:
    config = audit("ngrams").model_dump()
    for one in lens.every():
        for section, free in one.settings.items():
            assert set(free) <= config[section].keys(), (one.name, section)


def test_an_audit_has_the_lenses_that_it_names_in_one_order() -> None:
    config = audit("variety", "structure", "ngrams")
    assert [one.name for one in lens.chosen(config)] == ["ngrams", "structure", "variety"]
    assert [one.name for one in lens.chosen(config, kept=True)] == ["ngrams", "structure"]


def test_a_lens_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no lens 'structur'; did you mean 'structure'\? there"):
        audit("ngrams", "structur")
    with pytest.raises(ConfigError, match="there is no lens 'x'; there are ngrams, "):
        audit("ngrams", "x")
