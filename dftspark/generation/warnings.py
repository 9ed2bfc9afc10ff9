"""Warnings about odd texts of a model or a setting, in sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
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
    texts = [row for row in rows if row["text"] is not None]
    counts = Counter((row["model"], row["setting"]) for row in texts)
    cut = Counter(
        (row["model"], row["setting"]) for row in texts if row["finish_reason"] == "length"
    )
    for (model, setting), count in counts.items():
        share = cut[model, setting] / count
        if share > _CUT:
            yield (
                f"{model} at {setting}: {share:.0%} of {count:,} texts were cut at "
                f"max_tokens, so their lengths are not the model's; raise it"
            )


def _alike(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yields a warning if texts of one seed are mostly the same at two settings."""
    texts: defaultdict[tuple[str, str, int], dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row["text"] is not None:
            own = texts[row["model"], row["prompt_id"], row["sample"]]
            own[row["setting"]] = row["text"]
    counts: defaultdict[tuple[str, str, str], Counter[bool]] = defaultdict(Counter)
    for (model, *_), settings in texts.items():
        for (one, text), (other, beside) in pairwise(settings.items()):
            counts[model, one, other][text == beside] += 1
    for (model, one, other), alike in counts.items():
        if alike.total() >= _SOME and alike[True] / alike.total() > _ALIKE:
            yield (
                f"{model}: {alike[True]:,} of {alike.total():,} texts are the same at {one} and at "
                f"{other}; the endpoint seems to ignore the sampler"
            )


def _same(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    every: defaultdict[str, set[str]] = defaultdict(set)
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        every[row["model"]].add(row["prompt_id"])
        if row["text"] is not None:
            counts[row["model"], row["text"].strip()] += 1
    # Prompts are looked up for the few texts that came often enough.
    often = {said for said, count in counts.items() if count >= _FEW}
    prompts: defaultdict[str, dict[str, set[str]]] = defaultdict(dict)
    for row in rows if often else ():
        if row["text"] is not None and (row["model"], row["text"].strip()) in often:
            own = prompts[row["model"]].setdefault(row["text"].strip(), set())
            own.add(row["prompt_id"])
    for model, texts in prompts.items():
        for text, answered in texts.items():
            if len(answered) > max(_FEW - 1, _SAME * len(every[model])):
                yield (
                    f"{model}: {len(answered):,} prompts have the same text, mostly a refusal: "
                    f"{' '.join(text.split())!r:.90}"
                )


def _others(rows: Sequence[dict[str, Any]], names: dict[str, str]) -> Iterator[str]:
    served: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["served"]:
            served[row["model"]].add(row["served"])
    for model, heard in served.items():
        others = sorted(heard - {names[model]})
        if others:
            yield (
                f"{model}: asked for {names[model]!r}, and {', '.join(map(repr, others[:3]))} "
                f"answered; look whether that is the model"
            )


def _without(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    counts = Counter((row["model"], row["problem"]) for row in rows if row["problem"])
    for (model, problem), count in sorted(counts.items()):
        yield f"{model}: {count:,} requests have no text: {problem}"
