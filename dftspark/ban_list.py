"""Over-used words and phrases as a list for samplers, each with the statistics that justify it.

Source   the form of antislop's slop_phrase_prob_adjustments.json, [[phrase, factor], ...], where 1
         leaves a phrase alone and 1/32 all but bans it; and a plain list of strings, which
         koboldcpp, exllamav2 and tabbyAPI accept as banned strings
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from dftspark.errors import ConfigError
from dftspark.report.words.text import FORMULA
from dftspark.store.run import Run

Form = Literal["statistics", "antislop", "strings", "lines"]
FORMS: tuple[str, ...] = get_args(Form)
LEAST_FACTOR = 1 / 32
_SAME = 0.8  # of a phrase's occurrences in a longer listed one, which then stands for it
_KEPT = (
    "n count_human count_model docs_human docs_model per_million_human per_million_model "
    "log_odds z q_value"
)

Entry = dict[str, Any]


def overused(
    rows: Iterable[dict[str, Any]], *, least_ratio: float, q_value: float, documents: int
) -> list[Entry]:
    """Returns the over-used phrases among `rows` of schema.NGRAMS, the most over-used first.

    The rows are of one model and stratum.

    A phrase is over-used if it has a letter, its `ratio` (with half an occurrence added to each
    count) is at least `least_ratio`, its q-value is at most `q_value`, and at least `documents` of
    the model's documents have it. A phrase most of whose occurrences are in a longer one is left to
    that one.
    """
    found = []
    for row in rows:
        text = row["text"]
        if text is None or not text.isprintable() or not any(map(str.isalpha, text)):
            continue  # the rest of the table, terminal control characters, marks alone
        entry = {
            "phrase": text,
            **{name: row[name] for name in _KEPT.split()},
            "ratio": _ratio(row),
        }
        if (
            entry["ratio"] >= least_ratio
            and entry["q_value"] is not None
            and entry["q_value"] <= q_value  # false for nan
            and row["docs_model"] >= documents
        ):
            found.append({**entry, "tokens": tuple(row["tokens"])})
    found.sort(key=_place)
    longer = {part: max(e["count_model"] for e in group) for part, group in _parts(found).items()}
    return [
        {key: value for key, value in e.items() if key != "tokens"}
        for e in found
        if longer.get(e["tokens"], 0) < _SAME * e["count_model"]
    ]


def _place(entry: Entry) -> tuple[float, str]:
    return -entry["ratio"] * math.sqrt(entry["count_model"]), entry["phrase"]


def _parts(found: list[Entry]) -> dict[tuple[str, ...], list[Entry]]:
    """Maps each proper part of an entry to the entries that hold it."""
    out: dict[tuple[str, ...], list[Entry]] = {}
    for e in found:
        tokens = e["tokens"]
        for size in range(1, len(tokens)):
            for start in range(len(tokens) - size + 1):
                out.setdefault(tokens[start : start + size], []).append(e)
    return out


def _ratio(row: dict[str, Any]) -> float:
    """Divides the model rate by the human rate. A side without its total has a rate only for
    phrases with a count."""
    rates = []
    for side in ("human", "model"):
        count, rate = row[f"count_{side}"], row[f"per_million_{side}"]
        rates.append((count, rate / count if count else None))
    per = [each for _, each in rates]
    if per[1] is None:
        return 0.0
    # Occurrences per million for one occurrence; a human side without any uses the model's.
    human = (rates[0][0] + 0.5) * (per[0] if per[0] is not None else per[1])
    return float((rates[1][0] + 0.5) * per[1] / human)


def of_run(
    run: Run,
    models: Sequence[str] = (),
    *,
    least_ratio: float,
    q_value: float,
    documents: int,
    limit: int,
) -> list[Entry]:
    """Returns the list of these models of a run, or of all: a phrase stands there once, for the
    model that over-uses it most, which the entry names. Raises ConfigError for an unknown model.
    """
    rows = [row for row in run.table("ngrams").to_pylist() if row["stratum"] == ""]
    have = sorted({row["model"] for row in rows})
    unknown = [name for name in models if name not in have]
    if unknown:
        raise ConfigError(f"--model: {unknown[0]!r} is not one of the run's models, {have}")
    most: dict[str, Entry] = {}
    for model in models or have:
        own = (row for row in rows if row["model"] == model)
        for e in overused(own, least_ratio=least_ratio, q_value=q_value, documents=documents):
            if e["phrase"] not in most or e["ratio"] > most[e["phrase"]]["ratio"]:
                most[e["phrase"]] = {"model": model, **e}
    return sorted(most.values(), key=_place)[:limit]


def formulas(entries: list[Entry]) -> int:
    """Counts the lines of the form `lines` that a spreadsheet would take for formulas."""
    return sum(FORMULA.match(line) is not None for line in written(entries, "lines").splitlines())


def written(entries: list[Entry], form: Form) -> str:
    """Writes the list as text: JSON, or plain lines."""
    if form == "lines":
        return "".join(" ".join(e["phrase"].split()) + "\n" for e in entries)
    content: list[Any] = entries
    if form == "strings":
        content = [e["phrase"] for e in entries]
    elif form == "antislop":
        content = [[e["phrase"], max(LEAST_FACTOR, 1 / e["ratio"])] for e in entries]
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
