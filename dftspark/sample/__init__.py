"""The bundled sample: Python's own language reference, and a model's explanations of its topics."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from dftspark.config import Audit
from dftspark.config.generate import Generation

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
    import pydoc_data.topics

    folder.mkdir(parents=True, exist_ok=True)
    human, model = folder / "human.jsonl", folder / "model.jsonl"
    topics = sorted(pydoc_data.topics.topics.items())
    lines = [json.dumps({"topic": topic, "text": text}) for topic, text in topics]
    human.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model.write_bytes(resources.files(__package__).joinpath("model.jsonl").read_bytes())
    return human, model


def audit(out: str) -> Audit:
    """Returns the demo's audit of the sample, which is written to `<out>/sample`."""
    human, model = write(Path(out) / "sample")
    columns = {"doc_id": "topic", "prompt_id": "topic"}
    return Audit.parse(
        {
            "name": "demo",
            "out": out,
            "corpora": {
                "human": {"role": "human", "path": str(human), "columns": columns},
                "model": {"role": "model", "path": str(model), "columns": columns},
            },
            "ngrams": {"orders": [1, 2, 3]},
        },
        "demo",
    )


def generation(out: str, model: Path) -> Generation:
    """Returns the demo of generating: briefs and human texts are written to `<out>/sample`, and
    `model` is the folder of a model's weights."""
    import pydoc_data.topics

    folder = Path(out) / "sample"
    folder.mkdir(parents=True, exist_ok=True)
    briefs, human = folder / "briefs.jsonl", folder / "openings.jsonl"
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
    _lines(briefs, asked)
    _lines(human, written)
    columns = {"doc_id": "topic", "prompt_id": "topic"}
    document = {
        "name": "demo-generate",
        "out": out,
        "generate": {
            "briefs": str(briefs),
            "sampler": {"temperature": [0.5, 1.0]},
            "models": [{"name": "smollm2", "path": str(model), **_SMALL}],
            "human": {"role": "human", "path": str(human), "columns": columns},
        },
    }
    return Generation.model_validate(document)


def _lines(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _openings(text: str) -> list[str]:
    """Returns the first paragraphs of prose of a manual's page, as many as there are questions."""
    found = []
    for paragraph in text.split("\n\n"):
        words = paragraph.split()
        if len(words) >= _LEAST_WORDS and words[0][:1].isupper() and words[-1][-1] in ".:":
            found.append(" ".join(words))
    return found[: len(_ASKED)]
