"""A new configuration, its template, and the help."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.config import Audit, Columns, Embedding, Endpoint, Judge, Sweep
from dftspark.config.nightly import Acknowledged, Check
from dftspark.config.template import template
from tests.commands import place

COMMANDS = [
    "demo",
    "audit",
    "profile",
    "embed",
    "judge",
    "compare",
    "runs",
    "show",
    "report",
    "export",
    "diff",
    "doctor",
    "warm",
    "init",
]


def test_init_writes_what_loads_and_never_overwrites(
    calls: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["init"]) == 0
    written = (tmp_path / "audit.toml").read_text()
    plain = {
        "human": {"role": "human", "path": "data/human.jsonl"},
        "model": {"role": "model", "path": "data/model.jsonl"},
    }
    assert Audit.load(tmp_path / "audit.toml") == Audit.parse({"corpora": plain}, "defaults")
    assert cli.main(["init"]) == 2
    assert (tmp_path / "audit.toml").read_text() == written
    assert cli.main(["init", "no/such/folder.toml"]) == 75
    place("data/human.jsonl", "data/model.jsonl")
    assert cli.main(["audit", "audit.toml"]) == 0


def test_the_template_has_every_setting_at_its_default() -> None:
    opened = re.sub(r"(?m)^#(?=[\w\[])", "", template())
    config = Audit.parse(tomllib.loads(opened), "the template with every setting on")
    document = tomllib.loads(opened)
    for group, model in (
        ("cleaning", config.cleaning),
        ("tokens", config.tokens),
        ("ngrams", config.ngrams),
        ("mmd", config.mmd),
        ("inference", config.inference),
    ):
        assert model == type(model)()
        assert set(document[group]) == set(type(model).model_fields)
    assert set(document["judge"]) == set(type(config.judge).model_fields)
    unset = ("store", "prompts", "picks", "control_dimensions")
    plain = config.judge.model_copy(update={"endpoints": (), **dict.fromkeys(unset)})
    assert plain == Judge()
    (endpoint,) = document["judge"]["endpoints"]
    assert set(endpoint) == set(Endpoint.model_fields)
    assert set(document["embedding"]) == set(type(config.embedding).model_fields)
    assert config.embedding.model_copy(update={"store": None}) == Embedding()
    assert set(document["sweep"]) == set(type(config.sweep).model_fields)
    assert config.sweep.model_copy(update={"challenger": None}) == Sweep()
    human = config.corpora["human"]
    elsewhere = {"table", "query"}  # in place of path
    assert set(document["corpora"]["human"]) == set(type(human).model_fields) - elsewhere
    assert set(re.findall(r"(?m)^#     (table|query) = ", template())) == elsewhere
    assert set(document["corpora"]["human"]["columns"]) == set(type(human.columns).model_fields)
    assert set(document) == set(Audit.model_fields) - {"checks", "acknowledged"}
    for name, listed in (("checks", Check), ("acknowledged", Acknowledged)):
        part = template().split(f"#     [[{name}]]\n")[1].split("\n\n")[0]
        assert set(re.findall(r"(?m)^#     (\w+) = ", part)) == set(listed.model_fields)


def test_each_line_of_the_template_can_be_opened_by_itself() -> None:
    lines = template().splitlines()
    head = lines.index("#[[judge.endpoints]]")
    end = lines.index("", next(i for i in range(head, len(lines)) if "#options" in lines[i]))
    required = [i for i in range(head, end) if re.match("#(name|url|model) = ", lines[i])]
    assert len(required) == 3
    settings = [i for i, line in enumerate(lines) if re.match(r"#\w", line)]
    assert len(settings) > 80
    for at in settings:
        opened = {at, head, *required} if head < at < end else {at}
        text = "\n".join(line[1:] if i in opened else line for i, line in enumerate(lines))
        Audit.parse(tomllib.loads(text), lines[at])
    for column in Columns.model_fields:
        assert sum(line.startswith(f"#columns.{column} = ") for line in lines) == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert f"Example: dftspark {command}" in capsys.readouterr().out
