"""Makes the runs that the notebooks read, from the bundled sample: `python prepare.py`, here.

sample  people beside the polished answers, with strata
nights  six dates with some of the plain answers each; from the fifth on a habit is planted, and a
        rule warns of it
sweep   a toy: a bigram model of the human text, sampled at five temperatures
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import dftspark
from dftspark import sample
from dftspark.config import Audit

NIGHTS = [f"2026-11-{day:02d}" for day in range(1, 7)]
PLANTED = 4  # nights before the habit
TEMPERATURES = (0.5, 0.7, 0.9, 1.0, 1.2)
_QUICK: dict[str, Any] = {"ngrams": {"orders": [1, 2]}, "lenses": ["ngrams", "structure"]}


def main(out: str = "runs") -> None:
    lines = logging.StreamHandler()
    form = logging.Formatter("%(asctime)s %(message)s %(values)s", defaults={"values": ""})
    lines.setFormatter(form)
    told = logging.getLogger("dftspark")
    told.addHandler(lines)
    told.setLevel("INFO")
    folder = Path(out) / "sample"
    human, plain, polished = (
        [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        for file in sample.write(folder)
    )
    audits = [
        _sample(folder, out, human, polished),
        _sweep(folder, out, human),
        *_nights(folder, out, human, plain),
    ]
    with dftspark.session("notebooks") as spark:
        for config, date in audits:
            print(dftspark.audit(spark, config, date).path)


def _sample(folder: Path, out: str, human: list[Any], model: list[Any]) -> tuple[Audit, str]:
    strata = {
        row["prompt_id"]: "why, how" if re.match("why|how", row["prompt"], re.I) else "other"
        for row in human
    }
    for rows in (human, model):
        for row in rows:
            row["stratum"] = strata[row["prompt_id"]]
    return _audit(folder, out, "sample", human, {"polished": model}), ""


def _nights(folder: Path, out: str, human: list[Any], model: list[Any]) -> list[tuple[Audit, str]]:
    chance = random.Random(0)
    found = []
    for number, night in enumerate(NIGHTS):
        texts = [dict(row) for row in chance.sample(model, 50)]
        if number >= PLANTED:
            for row in texts:
                row["text"] = re.sub(r"(?<=[.!?] )(?=[A-Z])", "Crucially, ", row["text"])
        own = folder / night
        own.mkdir(exist_ok=True)
        rule = {"name": "habit", "phrase": "Crucially", "above": 500.0, "severity": "warn"}
        audit = _audit(own, out, "nights", human, {"plain": texts}, checks=[rule], **_QUICK)
        found.append((audit, night))
    return found


def _sweep(folder: Path, out: str, human: list[Any]) -> tuple[Audit, str]:
    rows = [
        {"prompt_id": row["prompt_id"], "temperature": str(temperature), "text": text}
        for temperature in TEMPERATURES
        for row, text in zip(human, _sampled(human, temperature), strict=True)
    ]
    return _audit(
        folder,
        out,
        "sweep",
        human,
        {"toy": rows},
        split_by=["temperature"],
        sampler={"temperature": "temperature"},
        **_QUICK,
    ), ""


def _sampled(human: list[Any], temperature: float) -> list[str]:
    """Returns a text for each human one, by a bigram model of all of them."""
    chance = random.Random(str(temperature))
    follow: dict[str, Counter[str]] = defaultdict(Counter)
    texts = [row["text"].split() for row in human]
    for words in texts:
        follow[""][words[0]] += 1
        for first, second in pairwise(words):
            follow[first][second] += 1
    weights = {
        word: (list(after), [count ** (1 / temperature) for count in after.values()])
        for word, after in follow.items()
    }
    made = []
    for words in texts:
        text, word = [], ""
        for _ in range(min(len(words), 300)):
            word = chance.choices(*weights.get(word, weights[""]))[0]
            text.append(word)
        made.append(" ".join(text))
    return made


def _audit(
    folder: Path,
    out: str,
    name: str,
    human: list[Any],
    models: dict[str, list[Any]],
    split_by: list[str] | None = None,
    sampler: dict[str, str] | None = None,
    **settings: Any,
) -> Audit:
    columns: dict[str, Any] = {"doc_id": "prompt_id"}
    if "stratum" in human[0]:
        columns["stratum"] = "stratum"
    corpora: dict[str, Any] = {}
    for corpus, rows in {"human": human, **models}.items():
        file = folder / f"{name}-{corpus}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        role = "human" if corpus == "human" else "model"
        corpora[corpus] = {"role": role, "path": str(file), "columns": dict(columns)}
        if role == "model" and split_by:
            corpora[corpus] |= {"split_by": split_by}
            corpora[corpus]["columns"] = {"sampler": sampler}
    document = {"name": name, "out": out, "corpora": corpora, "keep_profile": False, **settings}
    return Audit.parse(document, "notebooks/prepare.py")


if __name__ == "__main__":
    main(*sys.argv[1:2])
