"""Warnings about odd texts of a model or a setting, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

_CUT = 0.05  # of a setting's texts; a larger share of cut ones is not an accident
_SAME = 0.01  # of a model's prompts; one text for a larger share is not an accident
_ALIKE = 0.9  # of texts with one seed at two settings; if more are equal, the sampler is ignored
_SOME = 10  # texts at both settings; with fewer, equal ones may be an accident
_FEW = 5  # prompts that one text must answer to be reported


def warnings(rows: Sequence[dict[str, Any]], names: dict[str, str]) -> list[str]:
    """Returns warnings for rows of schema.TEXTS; `names` is each model's name at its endpoint."""
    return [
        *_cut(rows),
        *_alike(rows),
        *_same(rows),
        *_others(rows, names),
        *_without(rows),
    ]


def _cut(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    counts: dict[tuple[str, str], Counter[bool]] = {}
    for row in rows:
        if row["text"] is not None:
            own = counts.setdefault((row["model"], row["setting"]), Counter())
            own[row["finish_reason"] == "length"] += 1
    for (model, setting), own in counts.items():
        share = own[True] / own.total()
        if share > _CUT:
            yield (
                f"{model} at {setting}: {share:.0%} of {own.total():,} texts were cut at "
                f"max_tokens, so their lengths are not the model's; raise it"
            )


def _alike(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yields a warning if texts of one seed are mostly the same at two settings."""
    texts: dict[tuple[str, str, int], dict[str, str]] = {}
    for row in rows:
        if row["text"] is not None:
            own = texts.setdefault((row["model"], row["prompt_id"], row["sample"]), {})
            own[row["setting"]] = row["text"]
    counts: dict[tuple[str, str, str], Counter[bool]] = {}
    for (model, *_), settings in texts.items():
        for (one, text), (other, beside) in pairwise(settings.items()):
            counts.setdefault((model, one, other), Counter())[text == beside] += 1
    for (model, one, other), alike in counts.items():
        if alike.total() >= _SOME and alike[True] / alike.total() > _ALIKE:
            yield (
                f"{model}: {alike[True]:,} of {alike.total():,} texts are the same at {one} and at "
                f"{other}; the endpoint seems to ignore the sampler"
            )


def _same(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    prompts: dict[str, dict[str, set[str]]] = {}
    every: dict[str, set[str]] = {}
    for row in rows:
        every.setdefault(row["model"], set()).add(row["prompt_id"])
        if row["text"] is not None:
            own = prompts.setdefault(row["model"], {})
            own.setdefault(row["text"].strip(), set()).add(row["prompt_id"])
    for model, texts in prompts.items():
        for text, answered in texts.items():
            if len(answered) >= _FEW and len(answered) > _SAME * len(every[model]):
                yield (
                    f"{model}: {len(answered):,} prompts have the same text, mostly a refusal: "
                    f"{' '.join(text.split())!r:.90}"
                )


def _others(rows: Sequence[dict[str, Any]], names: dict[str, str]) -> Iterator[str]:
    served: dict[str, Counter[str]] = {}
    for row in rows:
        if row["served"]:
            served.setdefault(row["model"], Counter())[row["served"]] += 1
    for model, found in served.items():
        others = sorted(name for name in found if name != names[model])
        if others:
            yield (
                f"{model}: asked for {names[model]!r}, and {', '.join(map(repr, others[:3]))} "
                f"answered; look whether that is the model"
            )


def _without(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    counts = Counter((row["model"], row["problem"]) for row in rows if row["problem"])
    for (model, problem), count in sorted(counts.items()):
        yield f"{model}: {count:,} requests have no text: {problem}"
