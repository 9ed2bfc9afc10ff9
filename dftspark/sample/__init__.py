"""The bundled sample: answers of people to everyday prompts, and those of two kinds of writer."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from dftspark.config import Audit
from dftspark.config.generate import Generation
from dftspark.location import Location, below, writing

MODELS = ("plain", "polished")
NOTE = (
    "The sample: what people answered to 150 everyday prompts (databricks-dolly-15k, CC BY-SA 3.0, "
    "see dftspark/sample/PROVENANCE.md), beside answers to the same prompts in a plain and in a "
    "polished manner, written for this package by a language model that was told to write so. It "
    "shows what the tool reports, not how any model writes."
)
GENERATED = (
    "SmolLM2-135M-Instruct answers the 150 prompts of the sample in short, at two temperatures, "
    "beside the first sentences of what people wrote; then one of the two is chosen for each. So "
    "small a model is seldom right: this shows the way from briefs to the page."
)
_ASKED = "Answer in one or two short sentences. {prompt}"
_SMALL = {"max_tokens": 64, "tasks": 2, "batch": 80}
_SENTENCES = 2  # of a human text, beside answers that are asked to be short


def write(folder: Path) -> tuple[Path, Path, Path]:
    """Writes the texts as JSON lines into the folder; returns (human, plain, polished)."""
    _write(Location.parse(str(folder)))
    human, plain, polished = (folder / f"{side}.jsonl" for side in ("human", *MODELS))
    return human, plain, polished


def audit(out: str) -> Audit:
    """Returns the demo's audit of the sample, which is written to `<out>/sample`."""
    folder = below(out, "sample")
    place = Location.parse(folder)
    _write(place)
    read: dict[str, Any] = {"columns": {"doc_id": "prompt_id"}}
    if place.after:  # a name that ends in options does not tell the format
        read["format"] = "jsonl"
    roles = {"human": "human", **dict.fromkeys(MODELS, "model")}
    return Audit.parse(
        {
            "name": "demo",
            "out": out,
            "corpora": {
                side: {"role": role, "path": below(folder, f"{side}.jsonl"), **read}
                for side, role in roles.items()
            },
            "ngrams": {"orders": [1, 2, 3]},
        },
        "demo",
    )


def generation(out: str, model: Path) -> Generation:
    """Returns the demo of generating: briefs and human texts are written to `<out>/sample`, and
    `model` is the folder of a model's weights."""
    sample = below(out, "sample")
    folder = Location.parse(sample)
    rows = [json.loads(line) for line in _read("human").decode().splitlines()]
    asked = [
        {"prompt_id": row["prompt_id"], "prompt": _ASKED.format(prompt=row["prompt"])}
        for row in rows
    ]
    written = [{"prompt_id": row["prompt_id"], "text": _opening(row["text"])} for row in rows]
    _lines(folder, "briefs.jsonl", asked)
    _lines(folder, "openings.jsonl", written)
    columns = {"doc_id": "prompt_id"}
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


def _write(folder: Location) -> None:
    for side in ("human", *MODELS):
        _put(folder, f"{side}.jsonl", _read(side))


def _read(side: str) -> bytes:
    return resources.files(__package__).joinpath(f"{side}.jsonl").read_bytes()


def _lines(folder: Location, name: str, rows: list[dict[str, str]]) -> None:
    _put(folder, name, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _put(folder: Location, name: str, data: bytes) -> None:
    file = folder / name
    with writing(file):
        folder.filesystem.create_dir(folder.path, recursive=True)
        with file.filesystem.open_output_stream(file.path) as stream:
            stream.write(data)


def _opening(text: str) -> str:
    """Returns the first sentences of a text, as many as the answers are asked to have."""
    return " ".join(re.split(r"(?<=[.!?])\s+", text)[:_SENTENCES])
