"""Briefs, the template, the grid and the names of requests."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config.generate import BriefColumns, Generation
from dftspark.errors import ConfigError, InputError
from dftspark.generation.briefs import Brief, read
from dftspark.generation.requests import encoded, key_of, planned
from dftspark.generation.template import Template

ROWS = [
    {"prompt_id": "a", "prompt": "Tell a story.", "style": "dry", "target_tokens": 200},
    {"prompt_id": "b", "prompt": "Review a book.", "em_dashes": False, "outline": "1. {x} <<y>>"},
]


def written(folder: Path, kind: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    path = folder / f"briefs.{kind}"
    if kind == "parquet":
        pq.write_table(
            pa.Table.from_pylist(
                [{**dict.fromkeys(k for r in rows for k in r), **row} for row in rows]
            ),
            path,
        )
    elif kind == "csv":
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [",".join(names), *(",".join(str(r.get(n, "")) for n in names) for r in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        data = "\n".join(json.dumps(row) for row in rows).encode()
        path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "jsonl.gz"])
def test_briefs_are_the_same_from_any_form(tmp_path: Path, kind: str) -> None:
    first, second = read(str(written(tmp_path, kind)), BriefColumns(), 10_000)
    assert first == Brief("a", "Tell a story.", style="dry", target_tokens=200)
    assert second == Brief("b", "Review a book.", outline="1. {x} <<y>>", em_dashes=False)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt_id": "a", "prompt": "again"}, "row 3: prompt_id 'a' came before"),
        ({"prompt_id": "c"}, "row 3: it has no prompt"),
        ({"prompt": "x"}, "row 3: it has no prompt_id"),
        ({"prompt_id": "c", "prompt": "x" * 20_000}, "row 3: it has 20,0"),
        ({"prompt_id": "c", "prompt": ["x"]}, "its prompt is no text"),
        ({"prompt_id": "c", "prompt": "x", "target_tokens": -1}, "target_tokens is -1"),
        ({"prompt_id": "c", "prompt": "x", "em_dashes": "maybe"}, "neither true nor false"),
    ],
)
def test_a_brief_that_cannot_be_used_is_named(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, "jsonl", [*ROWS, row])
    with pytest.raises(InputError, match=message):
        read(str(path), BriefColumns(), 10_000)


def test_files_that_are_no_briefs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no"):
        read(str(tmp_path / "nowhere.csv"), BriefColumns(), 100)
    (tmp_path / "x.jsonl").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        read(str(tmp_path / "x.jsonl"), BriefColumns(), 100)
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(InputError, match="there is no row"):
        read(str(tmp_path / "none.jsonl"), BriefColumns(), 100)


def test_a_name_of_a_column_is_a_setting(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl", [{"id": 7, "instruction": "Go."}])
    found = read(str(path), BriefColumns(prompt_id="id", prompt="instruction"), 100)
    assert found == [Brief("7", "Go.")]


def test_what_is_empty_leaves_no_heading() -> None:
    own = Template.load()
    bare = own.render(Brief("a", "Tell a story."))
    assert bare.endswith("\n\nTell a story.")
    for heading in ("Length", "Style", "Use:", "Outline", "<<", "em-dash"):
        assert heading not in bare
    whole = own.render(Brief("a", "Tell it.", "1. x", "dry", "a blog", 1_000, False))
    places = [
        whole.index(said)
        for said in (
            "about 750 words",
            "no em-dashes",
            "Use: a blog",
            "Style: dry",
            "Tell it.",
            "facts:\n1. x",
        )
    ]
    assert places == sorted(places)


def test_what_stands_in_a_brief_is_text() -> None:
    prompt = "Use {braces}, \\1, \\g<0>, <<outline>> and %s.\n\n\n<<words>>"
    assert prompt in Template.load().render(Brief("a", prompt, outline="OUTLINE"))


def test_a_template_without_a_place_for_the_prompt_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    for text in ("Write.", "<<prompt>> <<promt>>"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="place <<prompt>>"):
            Template.load(str(path))
    path.write_text("<<prompt>>")
    assert Template.load(str(path)).fingerprint != Template.load().fingerprint


def config(**more: Any) -> Generation:
    model = {"name": "m", "urls": ["http://x/v1"], "model": "n", **more.pop("model", {})}
    document = {
        "briefs": "b",
        "samples": 2,
        "models": [model],
        "sampler": {"temperature": [0.5, 1.0], "top_p": [1.0, 0.9, 0.8]},
        **more,
    }
    return Generation.model_validate({"generate": document})


BRIEFS = [Brief(f"p{i}", f"Prompt {i}") for i in range(20)]


def test_the_grid_is_asked_prompt_by_prompt() -> None:
    found = list(planned(BRIEFS, Template.load(), config().generate))
    assert len(found) == len({one.key for one in found}) == 20 * 2 * 6
    assert all(one.key == key_of(one.writer, one.seed, one.body) for one in found)
    for start in range(0, len(found), 12):
        own = found[start : start + 12]
        assert len({one.brief.prompt_id for one in own}) == 1
        assert set(Counter(json.dumps(one.setting) for one in own).values()) == {2}
    again = list(planned(BRIEFS[::-1], Template.load(), config().generate))
    assert [one.key for one in again] == [one.key for one in found]


def test_settings_of_a_sample_share_its_seed() -> None:
    seeds: dict[tuple[str, int], set[int]] = {}
    for one in planned(BRIEFS, Template.load(), config().generate):
        seeds.setdefault((one.brief.prompt_id, one.sample), set()).add(one.seed)
        assert json.loads(one.body)["seed"] == one.seed < 1 << 31
    assert all(len(own) == 1 for own in seeds.values())
    assert len(set.union(*seeds.values())) == 40


def test_the_key_is_of_the_weights_and_not_of_the_address() -> None:
    def key(**model: Any) -> bytes:
        writer = config(model=model).generate.models[0]
        return key_of(writer, 7, encoded(writer, "Go.", {"temperature": 1.0}, 7))

    assert key(revision="r") == key(revision="r", urls=["http://y/v1"])
    assert key(revision="r") == key(revision="r", name="other")
    different = [
        key(),
        key(urls=["http://y/v1"]),
        key(revision="r"),
        key(revision="s"),
        key(model="o"),
        key(chat=False),
        key(seed=False),
        key(max_tokens=5),
    ]
    assert len(set(different)) == len(different)


def test_samples_without_a_seed_are_asked_apart() -> None:
    found = list(planned(BRIEFS, Template.load(), config(model={"seed": False}).generate))
    assert len({one.key for one in found}) == len(found)
    assert all(one.key == key_of(one.writer, one.seed, one.body) for one in found)
    assert "seed" not in json.loads(found[0].body)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"sampler": {"max_tokens": [5]}}, "no sampler setting"),
        ({"sampler": {"temperature": []}}, "list of unlike values"),
        ({"sampler": {"temperature": [1, 1.0]}}, "list of unlike values"),
        ({"model": {"urls": ["ftp://x"]}}, "https://"),
        ({"model": {"key_env": "sk-secret-0123"}}, "name of an environment variable"),
        ({"model": {"name": "human"}}, "none is 'human'"),
    ],
)
def test_settings_that_cannot_be_are_told(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**more)


def test_every_mistake_of_a_file_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    path.write_text(
        '[generate]\nbriefs = "b"\nsample = 2\n[[generate.models]]\nname = "m"\nmodel = "n"\n'
        'urls = ["http://x/v1"]\nrevison = "r"\n'
    )
    with pytest.raises(ConfigError, match="did you mean 'samples'") as error:
        Generation.load(path)
    assert "did you mean 'revision'" in str(error.value)
