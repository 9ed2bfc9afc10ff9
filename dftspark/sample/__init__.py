"""The bundled sample: Python's own language reference, and a model's explanations of its topics."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from dftspark.config import Audit

NOTE = (
    "The sample is Python's reference manual beside a model's explanations of its 79 topics. It "
    "shows the tool, not the quality of a model: layout and length differ as well."
)


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
