"""What the entry point of a lens from elsewhere names: the share of vowels among letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dftspark.inference.intervals import Inference
from dftspark.lenses.lens import Compared, Lens, Pairing
from dftspark.lenses.metric import Metric, measured
from dftspark.making import Making

TABLE = pa.schema([("model", pa.string()), ("letter", pa.string())])


class VowelsLens(Lens):
    name: ClassVar[str] = "vowels"
    tables = ("vowels",)
    schemas: ClassVar[Mapping[str, pa.Schema]] = {"vowels": TABLE}

    def compare(self, making: Making, state: None, pairing: Pairing) -> Compared:
        if pairing.texts is None:
            return Compared()
        texts: dict[str, list[str]] = {}
        for row in pairing.texts.documents.select("corpus", "text").toArrow().to_pylist():
            texts.setdefault(row["corpus"], []).append(row["text"])
        human = np.array([_share(text) for text in texts.pop(making.config.human)])
        rows: list[dict[str, Any]] = []
        for model, answers in sorted(texts.items()):
            other = np.array([_share(text) for text in answers])
            value = float(other.mean() - human.mean())
            error = float(np.sqrt(human.var(ddof=1) / len(human) + other.var(ddof=1) / len(other)))
            known = Inference(
                std_error=error, ci_low=value - 1.96 * error, ci_high=value + 1.96 * error
            )
            metric = Metric("vowel_distance", value, "share", known)
            pair = measured(model, "", (len(human), len(other)), [metric])
            rows.append({**pair, "fingerprint": "vowels-v1"})
        letters = {"model": sorted(texts), "letter": ["a"] * len(texts)}
        making.writer.write("vowels", pa.table(letters, schema=TABLE))
        return Compared(rows, {"vowels": {"counted": "aeiou"}})

    def better(self, metric: str) -> str:
        return "parity"


def _share(text: str) -> float:
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return sum(letter in "aeiou" for letter in letters) / max(len(letters), 1)
