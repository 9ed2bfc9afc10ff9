"""Which texts each step of a training takes, and how many of their tokens count.

A step is a list of pairs: the place of a text, and how many of its tokens count, from the first.
Places of own samples come first, those of human texts after them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

Step = list[tuple[int, int]]


def mixed(
    samples: Sequence[int],
    human: Sequence[int],
    *,
    batch: int,
    human_batch: int,
    epochs: int,
    seed: int,
) -> list[Step]:
    """Returns the steps of `epochs` passes over texts of these numbers of tokens.

    Each step has `batch` samples, the last of a pass may have fewer, and `human_batch` human texts.
    Without samples the passes are over the human texts, `batch` a step.
    """
    rng = np.random.default_rng(seed)
    first = len(samples)
    alone = not first
    passed = list(human if alone else samples)
    beside = _endless(len(human), rng) if human and not alone else iter(())
    steps: list[Step] = []
    for _ in range(epochs):
        order = rng.permutation(len(passed)).tolist()
        for start in range(0, len(order), batch):
            step = [(place, passed[place]) for place in order[start : start + batch]]
            if not alone:
                others = [place for place, _ in zip(beside, range(human_batch), strict=False)]
                step += [(first + place, human[place]) for place in others]
            steps.append(step)
    return steps


def control(human: Sequence[int], budgets: Sequence[int], seed: int) -> list[Step]:
    """Returns steps of human texts alone, each of exactly as many tokens as `budgets` says.

    The last text of a step counts as far as its budget goes, and is not gone on with.
    """
    order = _endless(len(human), np.random.default_rng(seed))
    steps: list[Step] = []
    for budget in budgets:
        step: Step = []
        left = budget
        while left > 0:
            place = next(order)
            step.append((place, min(human[place], left)))
            left -= step[-1][1]
        steps.append(step)
    return steps


def tokens(step: Step) -> int:
    return sum(count for _, count in step)


def dealt(step: Step, rank: int, world: int) -> Step:
    """Returns the part of a step that a process takes: texts go round by length, so that all
    processes have about as much to do."""
    return sorted(step, key=lambda item: (-item[1], item[0]))[rank::world]


def rate(step: int, steps: int, highest: float, warmup: float) -> float:
    """Returns the learning rate of a step: up in a line over the share `warmup`, then down to 0."""
    rising = round(warmup * steps)
    if step < rising:
        return highest * (step + 1) / (rising + 1)
    return highest * (steps - step) / (steps - rising)


def _endless(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(count).tolist()
