"""Windows of human stories, split by document, and the folder in which an experiment's steps stay.

A window is the prompt's tokens and then the text's. The windows that are trained on, the prompts
that a model is tuned on, validation and test are of different windows; validation and test are of
other documents as well.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark.corpus.blocks import block_of

Tokens = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]
VALIDATION, TEST = 48, 52  # the first block of each


@dataclass(frozen=True)
class Sizes:
    """Numbers of windows and prompts, and of tokens in a window."""

    first: int = 16
    length: int = 32
    train: int = 640
    rounds: int = 2
    prompts: int = 224  # that each round tunes on, and that are tested
    validation: int = 96
    searched: int = 64  # prompts of the line search
    human: int = 768  # test windows that the texts are compared with


@dataclass(frozen=True, eq=False)
class Data:
    """Windows `(N, first + length)` of tokens in the cut vocabulary, whose tokens are `kept`."""

    kept: Tokens
    train: Tokens
    prompts: Tokens  # windows, of which tuning sees the prompt alone
    validation: Tokens
    test: Tokens
    documents: Tokens  # of the test windows


def stories(path: Path) -> list[tuple[str, str]]:
    """Returns name and text of the human stories, in the order of the file."""
    table = pq.read_table(path, columns=["doc_id", "text", "model", "domain"])
    creative = pc.equal(table["domain"], "creative")
    table = table.filter(pc.and_(pc.is_null(table["model"]), creative))
    return list(zip(table["doc_id"].to_pylist(), table["text"].to_pylist(), strict=True))


def windows(texts: list[tuple[str, str]], tokenizer: Any, sizes: Sizes) -> Data:
    """Returns the windows of the experiment. Raises ValueError if the texts give too few."""
    size = sizes.first + sizes.length
    blocks = block_of([name for name, _ in texts], "benchmark tune")
    found: dict[str, list[tuple[int, int, Tokens]]] = {"train": [], "validation": [], "test": []}
    for number, ((_, text), block) in enumerate(zip(texts, blocks, strict=True)):
        ids = np.array(tokenizer(text, add_special_tokens=False)["input_ids"], np.int64)
        split = "train" if block < VALIDATION else "validation" if block < TEST else "test"
        found[split] += [
            (place, number, ids[place * size : (place + 1) * size])
            for place in range(len(ids) // size)
        ]
    rng = np.random.default_rng(0)
    parts = {}
    for split, items in found.items():
        # First windows of all documents, then second ones: as many documents as there can be.
        order = sorted(range(len(items)), key=lambda at: (items[at][0], rng.random()))
        parts[split] = [items[at] for at in order]
    wanted = {
        "train": sizes.train + sizes.rounds * sizes.prompts,
        "validation": max(sizes.validation, sizes.searched),
        "test": max(sizes.human, sizes.prompts),
    }
    for split, count in wanted.items():
        if len(parts[split]) < count:
            raise ValueError(f"{len(parts[split])} windows for {split}, and {count} are wanted")
    taken = {split: np.stack([w for _, _, w in parts[split][:n]]) for split, n in wanted.items()}
    kept = np.unique(np.concatenate([part.ravel() for part in taken.values()]))
    cut = {split: np.searchsorted(kept, part) for split, part in taken.items()}
    return Data(
        kept,
        cut["train"][: sizes.train],
        cut["train"][sizes.train :],
        cut["validation"],
        cut["test"],
        np.array([number for _, number, _ in parts["test"][: wanted["test"]]], np.int64),
    )


@dataclass(frozen=True, eq=False)
class Step:
    """What a step gave: its arrays, and the key by which later steps name it."""

    key: str
    arrays: Arrays
    folder: Path  # for what is not arrays


class Work:
    """A folder of steps, each under a key of all that it depends on, so that a stop loses one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.started = time.monotonic()

    def step(self, name: str, inputs: Mapping[str, Any], make: Callable[[Path], Arrays]) -> Step:
        """Returns the step, made by `make` in a folder of its own unless it is there already."""
        text = json.dumps([name, inputs], sort_keys=True)
        key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        folder = self.folder / f"{name.replace(' ', '-')}-{key}"
        file = folder / "arrays.npz"
        if not file.is_file():
            folder.mkdir(exist_ok=True)
            began, spent = time.monotonic(), time.process_time()
            arrays = make(folder)
            partial = folder / "partial.npz"
            np.savez(partial, **arrays)  # type: ignore[arg-type]  # names are not its own
            (folder / "inputs.json").write_text(text)
            partial.replace(file)
            told = f"{time.monotonic() - began:.0f} s, {time.process_time() - spent:.0f} of a core"
            self.say(f"{name}: {told}")
        with np.load(file) as loaded:
            return Step(key, {part: loaded[part] for part in loaded.files}, folder)

    def say(self, line: str) -> None:
        """Writes a line of progress, with the minutes since the beginning."""
        print(
            f"[{(time.monotonic() - self.started) / 60:5.1f}] {line}", file=sys.stderr, flush=True
        )
