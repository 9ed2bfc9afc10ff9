"""Requests: one for each brief, model, sampler setting and sample, named by its content.

A seed is drawn from brief and sample alone, so all settings have the same one and differ by less
noise. Requests go prompt by prompt, each with all its settings: a run that its caps end early has
every setting of the prompts that it reached.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dftspark.config.generate import Generate, Writer
from dftspark.endpoints.protocol import COMPLETIONS, KEY_BYTES, PATH, tokens
from dftspark.generation.briefs import Brief
from dftspark.generation.template import Template
from dftspark.text.hashing import digest64

_SEED_BITS = 31
_PROMPT, _SEED = b"<the prompt of this request>", b"<the seed of this request>"
Setting = dict[str, float | int]
# Made once, since making it takes as long as encoding a body.
_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class TextRequest:
    """A request from `brief`, `writer` and `setting`; `prompt` is the text sent to the model."""

    key: bytes
    brief: Brief
    prompt: str
    writer: Writer
    setting: Setting
    sample: int
    seed: int
    tokens_in: int  # estimate

    @property
    def body(self) -> bytes:
        return encoded(self.writer, self.prompt, self.setting, self.seed)

    @property
    def place(self) -> int:
        """The index of the writer's address that is asked."""
        return self.key[0] % max(len(self.writer.urls), 1)


def planned(
    briefs: Sequence[Brief], template: Template, settings: Generate
) -> Iterator[TextRequest]:
    """Yields all requests of a run, in the order in which they are asked."""
    order = sorted(briefs, key=lambda b: (digest64(b.prompt_id, "dftspark brief v1"), b.prompt_id))
    weights = {one.name: digest_of(one) for one in settings.models}
    forms = [
        (writer, setting, _form(writer, setting))
        for setting in settings.settings
        for writer in settings.models
    ]
    for brief in order:
        prompt = template.render(brief)
        quoted = _JSON.encode(prompt).encode()
        for sample in range(settings.samples):
            seed = digest64(f"{sample} {brief.prompt_id}", "dftspark seed v1") >> (64 - _SEED_BITS)
            filling = {_PROMPT: quoted, _SEED: str(seed).encode()}
            for writer, setting, form in forms:
                body = b"".join([filling.get(part, part) for part in form])
                key = key_of(writer, seed, body, weights[writer.name])
                size = tokens(body)
                yield TextRequest(key, brief, prompt, writer, setting, sample, seed, size)


def encoded(
    writer: Writer, prompt: str, setting: Setting, seed: int, *, stream: bool = False
) -> bytes:
    """Returns the body of a request, the same bytes every time. `stream` asks for the text piece by
    piece."""
    body: dict[str, Any] = {**setting, "model": writer.model, "max_tokens": writer.max_tokens}
    if stream:
        body["stream"] = True
    if writer.chat:
        body["messages"] = [{"role": "user", "content": prompt}]
    else:
        body["prompt"] = prompt
    if writer.seed:
        body["seed"] = seed
    return _JSON.encode(body).encode()


def _form(writer: Writer, setting: Setting) -> list[bytes]:
    """Returns the body in parts, two of which stand for prompt and seed. Every request of a setting
    is filled into them, since encoding each anew would be half of the work of a resume."""
    whole = encoded(writer, _PROMPT.decode(), setting, 0)
    head, _, tail = whole.partition(_JSON.encode(_PROMPT.decode()).encode())
    before, seed, after = tail.partition(b'"seed":0')
    if not seed:
        return [head, _PROMPT, tail]
    return [head, _PROMPT, before + b'"seed":', _SEED, after]


def path_of(writer: Writer) -> str:
    """Returns the path that is asked at an address."""
    return PATH if writer.chat else COMPLETIONS


def key_of(writer: Writer, seed: int, body: bytes, weights: str = "") -> bytes:
    """Returns the name of a request: a hash of the weights (or of the first address if they have no
    revision), the seed and every byte of the body. So a model that moves is not asked again.
    `weights` is the digest of weights that are files."""
    if not weights:
        weights = f"revision {writer.revision}" if writer.revision else f"at {writer.urls[0]}"
    head = f"dftspark text v1\n{weights}\n{path_of(writer)}\n{seed}\n"
    return hashlib.sha256(head.encode() + body).digest()[:KEY_BYTES]


def digest_of(writer: Writer) -> str:
    """Returns the digest of the files of a model with a path; empty for one at addresses."""
    if writer.path is None:
        return ""
    from dftspark.generation.weights import digest

    return f"files {digest(writer.path)}"


def setting_name(setting: Setting) -> str:
    """Returns `temperature=0.7 top_p=1`, the name of a corpus of the audit."""
    return " ".join(f"{name}={value:g}" for name, value in setting.items()) or "default"
