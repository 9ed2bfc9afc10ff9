"""Losses of texts under a model, in passes of bounded size."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from dftspark.tuning.encoding import EncodedText
from dftspark.tuning.schedule import Step


def passes(step: Step, items: Sequence[EncodedText], most: int) -> Iterator[Step]:
    """Cuts a step, longest texts first, into passes of at most `most` tokens with padding."""
    part: Step = []
    width = 0
    for item, count in step:
        width = max(width, items[item].start + count)
        if part and width * (len(part) + 1) > most:
            yield part
            part, width = [], items[item].start + count
        part.append((item, count))
    if part:
        yield part


def summed_losses(
    net: Any, part: Step, items: Sequence[EncodedText], device: str, dtype: str
) -> Any:
    """Returns the sum of the losses of each text's first tokens, `(B,)` float32."""
    import torch

    rows = [items[item].ids[: items[item].start + count] for item, count in part]
    starts = [items[item].start for item, _ in part]
    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)  # what pads is masked, so any will do
    mask = torch.zeros_like(ids)
    wanted = torch.full_like(ids, -100)
    for at, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[at, : len(row)] = torch.tensor(row)
        mask[at, : len(row)] = 1
        wanted[at, start : len(row)] = ids[at, start : len(row)]
    # Words are predicted only where one is wanted: the vocabulary is the largest matrix.
    first = min(min(starts), width - 1) - 1
    keep = torch.arange(first, width - 1)
    given = {"input_ids": ids.to(device), "attention_mask": mask.to(device), "use_cache": False}
    cut = _keeps(net)
    if cut:
        given["logits_to_keep"] = keep.to(device)
    mixed = torch.autocast(device.partition(":")[0], torch.bfloat16, dtype == "bfloat16")
    with mixed:
        logits = net(**given).logits
    logits = logits if cut else logits[:, first : width - 1]
    losses = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), wanted[:, first + 1 :].flatten().to(device), reduction="none"
    )
    return losses.view(len(rows), -1).sum(dim=1)


def _keeps(net: Any) -> bool:
    inner = getattr(net, "module", net)
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
