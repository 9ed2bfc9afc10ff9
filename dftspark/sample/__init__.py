"""The bundled sample: Python's own language reference, and a model's explanations of its topics."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from dftspark.config import Audit
from dftspark.config.generate import Generation
from dftspark.location import Location, below, writing

NOTE = (
    "The sample is Python's reference manual beside a model's explanations of its 79 topics. It "
    "shows the tool, not the quality of a model: layout and length differ as well."
)
GENERATED = (
    "SmolLM2-135M-Instruct says two things about each of the 79 topics of Python's reference "
    "manual, at two temperatures, beside the manual's own first paragraphs; then one of the two is "
    "chosen for each. So small a model is seldom right: this shows the way from briefs to the page."
)
_ASKED = (
    "In one short sentence, what is {topic!r} in the Python language?",
    "In one short sentence, say something else about {topic!r} in the Python language.",
)
_SMALL = {"max_tokens": 64, "tasks": 2, "batch": 80}
_LEAST_WORDS = 8  # of a paragraph of prose


def write(folder: Path) -> tuple[Path, Path]:
    """Writes both sides as JSON lines into the folder; returns (human, model)."""
    _write(Location.parse(str(folder)))
    return folder / "human.jsonl", folder / "model.jsonl"


def _write(folder: Location) -> None:
    import pydoc_data.topics

    topics = sorted(pydoc_data.topics.topics.items())
    _lines(folder, "human.jsonl", [{"topic": topic, "text": text} for topic, text in topics])
    _put(folder, "model.jsonl", resources.files(__package__).joinpath("model.jsonl").read_bytes())


def audit(out: str) -> Audit:
    """Returns the demo's audit of the sample, which is written to `<out>/sample`."""
    folder = below(out, "sample")
    place = Location.parse(folder)
    _write(place)
    read: dict[str, Any] = {"columns": {"doc_id": "topic", "prompt_id": "topic"}}
    if place.after:  # a name that ends in options does not tell the format
        read["format"] = "jsonl"
    return Audit.parse(
        {
            "name": "demo",
            "out": out,
            "corpora": {
                "human": {"role": "human", "path": below(folder, "human.jsonl"), **read},
                "model": {"role": "model", "path": below(folder, "model.jsonl"), **read},
            },
            "ngrams": {"orders": [1, 2, 3]},
        },
        "demo",
    )


def generation(out: str, model: Path) -> Generation:
    """Returns the demo of generating: briefs and human texts are written to `<out>/sample`, and
    `model` is the folder of a model's weights."""
    import pydoc_data.topics

    sample = below(out, "sample")
    folder = Location.parse(sample)
    asked, written = [], []
    for topic, text in sorted(pydoc_data.topics.topics.items()):
        asked += [
            {"prompt_id": f"{topic} {i}", "prompt": form.format(topic=topic)}
            for i, form in enumerate(_ASKED)
        ]
        written += [
            {"topic": f"{topic} {i}", "text": paragraph}
            for i, paragraph in enumerate(_openings(text))
        ]
    _lines(folder, "briefs.jsonl", asked)
    _lines(folder, "openings.jsonl", written)
    columns = {"doc_id": "topic", "prompt_id": "topic"}
    document = {
        "name": "demo-generate",
        "out": out,
        "generate": {
            "briefs": below(sample, "briefs.jsonl"),
            "sampler": {"temperature": [0.5, 1.0]},
            "models": [{"name": "smollm2", "path": str(model), **_SMALL}],
            "human": {"role": "human", "path": below(sample, "openings.jsonl"), "columns": columns},
        },
    }
    return Generation.model_validate(document)


def _lines(folder: Location, name: str, rows: list[dict[str, str]]) -> None:
    _put(folder, name, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _put(folder: Location, name: str, data: bytes) -> None:
    file = folder / name
    with writing(file):
        folder.filesystem.create_dir(folder.path, recursive=True)
        with file.filesystem.open_output_stream(file.path) as stream:
            stream.write(data)


def _openings(text: str) -> list[str]:
    """Returns the first paragraphs of prose of a manual's page, as many as there are questions."""
    found = []
    for paragraph in text.split("\n\n"):
        words = paragraph.split()
        if len(words) >= _LEAST_WORDS and words[0][:1].isupper() and words[-1][-1] in ".:":
            found.append(" ".join(words))
    return found[: len(_ASKED)]
