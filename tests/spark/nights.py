"""A small nightly audit for tests: made-up texts by day, and stores that say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dftspark.config import Audit
from dftspark.progress import Stage
from dftspark.store.run import Run

DATES = [f"2026-11-0{d}" for d in range(1, 6)]
WORDS = [
    "the",
    "a",
    "of",
    "night",
    "river",
    "stone",
    "light",
    "not",
    "but",
    "it",
    "is",
    "worth",
    "noting",
    "green",
    "old",
]


def write(path: Path, documents: int, seed: int, prompts: str = "p") -> None:
    """Documents of one prompt each; prompts of the same name have the same number everywhere."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"{i}",
            "prompt": f"{prompts}{i}",
            "text": " ".join(rng.choice(WORDS, 30)).capitalize() + ".",
        }
        for i in range(documents)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def corpora(folder: Path, dates: list[str] = DATES) -> Path:
    """Forty human texts, and of each date forty of `gpt` and thirty of `llama`."""
    write(folder / "human.jsonl", 40, 0)
    for i, date in enumerate(dates):
        write(folder / date / "gpt.jsonl", 40, 10 + i, prompts=f"{date} ")
        write(folder / date / "llama.jsonl", 30, 20 + i, prompts="p")  # the human side's prompts
    return folder


def audit(folder: Path, out: Path, **settings: Any) -> Audit:
    columns = {"doc_id": "id", "prompt_id": "prompt"}
    document: dict[str, Any] = {
        "name": "night",
        "out": str(out),
        "lenses": ["ngrams", "structure"],
        "corpora": {
            "human": {"role": "human", "path": str(folder / "human.jsonl"), "columns": columns},
            **{
                name: {
                    "role": "model",
                    "path": f"{folder}/{{date}}/{name}.jsonl",
                    "columns": columns,
                }
                for name in ("gpt", "llama")
            },
        },
        "ngrams": {"orders": [1, 2], "sketch_width": 256, "phrases": 100, "table_rows": 20},
        "inference": {"permutations": 99, "splits": 20},
        "nightly": {"window": 2, "key_ranges": 2},
        **settings,
    }
    return Audit.parse(document, "the test")


def said(run: Run) -> dict[str, list[str]]:
    """Every table of a run but for the run's own name, to the last bit."""
    return {
        name: sorted(
            repr({key: value for key, value in row.items() if key != "run_id"})
            for row in run.table(name).to_pylist()
        )
        for name in run.tables
    }


class Killed(BaseException):
    """What nobody catches."""


class KilledAt:
    """Progress that ends the work at the n-th border of a stage, or at the first of a name such
    as "before read"."""

    def __init__(self, border: int | str) -> None:
        self.border, self.names = border, [""]

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Stage]:
        self._pass(f"before {name}")
        yield _NoStage()
        self._pass(f"after {name}")

    def _pass(self, where: str) -> None:
        self.names.append(where)
        if self.border in (where, len(self.names) - 1):
            self.end()

    def end(self) -> None:
        raise Killed(self.names[-1])


class _NoStage:
    def advance(self, rows: int) -> None:
        return None
