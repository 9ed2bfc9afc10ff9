"""OpenRLHF: lists of one text, from the Python file that `--reward.remote_url` names.

It passes prompt and response as one string, special tokens included, and logs an error instead of
raising it: the count of calls beside the target shows whether every text got its reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dftspark.tuning.adapters import opened


def reward_func(
    target: str, *, end: str, embedder: str | None = None
) -> Callable[..., dict[str, Any]]:
    """Returns the function to be named `reward_func` in that file. `end` is the token that ends a
    response, such as "<|im_end|>"; what follows it is no text.

    Raises ValueError in the call for a query that does not begin with its prompt.
    """
    reward = opened(target, embedder)

    def score(queries: Sequence[str], prompts: Sequence[str], labels: Any) -> dict[str, Any]:
        texts = [_response(q, p, end) for q, p in zip(queries, prompts, strict=True)]
        (value,) = reward.score(texts).tolist()
        return {"rewards": value, "scores": value, "extra_logs": {"witness": value}}

    return score


def _response(query: str, prompt: str, end: str) -> str:
    # A tokenizer may put a token of its own before the prompt.
    _, there, response = query.partition(prompt)
    if not there:
        raise ValueError(f"the query does not contain its prompt, which begins {prompt[:40]!r}")
    return response.partition(end)[0]
