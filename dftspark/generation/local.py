"""Writes texts with a model that is loaded here, by transformers: in batches, each from its own
draws.

The draws of a text come from its seed alone, one per token. A draw is a place in the cumulative
probabilities, sorted from the most likely token on, so the texts of one seed at two settings are as
alike as the settings are. On a CPU in float32 a text does not depend on its batch, except for ties
in the last bits of its probabilities.

Cost     one forward pass per token for all texts of a batch
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dftspark.config.generate import Writer
from dftspark.endpoints.events import Delta
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.generation.texts import EMPTY, Text

TOO_LONG = "too long"  # for the model's context
Setting = dict[str, float | int]
Pieces = Generator[Delta, None, None]


@dataclass(frozen=True)
class Wanted:
    """A text to be written."""

    key: bytes
    prompt: str
    seed: int


class Local:
    """A model in memory on `device`. Raises EnvironmentProblem without transformers."""

    def __init__(self, writer: Writer, device: str) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise EnvironmentProblem(
                f"{error.name} is not installed: pip install 'dftspark[embed]'"
            ) from error
        assert writer.path is not None
        folder = str(Path(writer.path).expanduser())
        fixed = {"local_files_only": True, "trust_remote_code": False}
        self._writer, self._torch, self._device = writer, torch, device
        self._tokens: Any = AutoTokenizer.from_pretrained(folder, **fixed)
        kind = torch.float32 if device == "cpu" else torch.bfloat16
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype=kind, **fixed
        )
        self._model = model.to(device).eval()
        self._ends = _ends(self._model, self._tokens)
        # Only the last place of a prompt is used; all of them would fill the memory.
        last = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        self._last = {"logits_to_keep": 1} if last else {}
        self._most = int(getattr(model.config, "max_position_embeddings", 1 << 20))

    def write(self, wanted: Sequence[Wanted], setting: Setting) -> Iterator[tuple[bytes, Text]]:
        """Yields texts of one setting, in batches of prompts of similar length."""
        read = [(len(ids), one, ids) for one in wanted for ids in [self._ids(one.prompt)]]
        read.sort(key=lambda item: (item[0], item[1].key))
        size = self._writer.batch
        for start in range(0, len(read), size):
            part = read[start : start + size]
            fits = [(one, ids) for count, one, ids in part if count < self._most]
            for count, one, _ in part:
                if count >= self._most:
                    yield one.key, Text(problem=TOO_LONG, raw=f"{count} tokens", served=self._name)
            if fits:
                yield from self._batch([one for one, _ in fits], [ids for _, ids in fits], setting)

    @property
    def _name(self) -> str:
        return self._writer.model or self._writer.name

    def _ids(self, prompt: str) -> list[int]:
        chat = self._writer.chat and bool(self._tokens.chat_template)
        return prompt_ids(self._tokens, prompt, chat)

    def _batch(
        self, wanted: Sequence[Wanted], ids: Sequence[list[int]], setting: Setting
    ) -> Iterator[tuple[bytes, Text]]:
        longest = max(map(len, ids))
        most = min(self._writer.max_tokens, self._most - longest)
        written: list[list[int]] = [[] for _ in wanted]
        open_ = np.ones(len(wanted), bool)
        for chosen in self._steps(ids, [one.seed for one in wanted], most, setting):
            for row in np.flatnonzero(open_).tolist():
                if chosen[row] in self._ends:
                    open_[row] = False
                else:
                    written[row].append(chosen[row])
            if not open_.any():
                break
        for row, one in enumerate(wanted):
            text = self._tokens.decode(written[row], skip_special_tokens=True)
            yield (
                one.key,
                Text(
                    text if text.strip() else None,
                    None if text.strip() else EMPTY,
                    "length" if open_[row] else "stop",
                    "",
                    self._name,
                    len(ids[row]),
                    len(written[row]),
                ),
            )

    def pieces(self, prompt: str, seed: int, setting: Setting) -> Pieces:
        """Yields the text that `write` would write, piece by piece; the last has the finish reason.

        Raises InputError for a prompt that fills the model's context.
        """
        ids = self._ids(prompt)
        if len(ids) >= self._most:
            raise InputError(
                f"{self._name}: the prompt has {len(ids):,} tokens, and the model's context "
                f"{self._most:,}; shorten it"
            )
        most = min(self._writer.max_tokens, self._most - len(ids))
        written: list[int] = []
        shown, finish = "", "length"
        for (token,) in self._steps([ids], [seed], most, setting):
            if token in self._ends:
                finish = "stop"
                break
            written.append(token)
            text = self._tokens.decode(written, skip_special_tokens=True)
            # A character of several tokens decodes to this sign until it is whole.
            if not text.endswith("\ufffd") and text.startswith(shown):
                yield Delta(text[len(shown) :])
                shown = text
        text = self._tokens.decode(written, skip_special_tokens=True)
        yield Delta(text[len(shown) :] if text.startswith(shown) else "", finish)

    def _steps(
        self, ids: Sequence[list[int]], seeds: Sequence[int], most: int, setting: Setting
    ) -> Iterator[list[int]]:
        """Yields the next token of each text, `most` times."""
        torch = self._torch
        longest = max(map(len, ids))
        draws = np.stack([np.random.default_rng(seed).random(most) for seed in seeds])
        padded = [[self._ends[0]] * (longest - len(own)) + own for own in ids]
        mask = torch.tensor([[0] * (longest - len(own)) + [1] * len(own) for own in ids])
        step, mask = torch.tensor(padded).to(self._device), mask.to(self._device)
        place, past = (mask.cumsum(-1) - 1).clamp(min=0), None
        for number in range(most):
            with torch.inference_mode():
                found = self._model(
                    input_ids=step,
                    attention_mask=mask,
                    position_ids=place,
                    past_key_values=past,
                    use_cache=True,
                    **self._last,
                )
            past = found.past_key_values
            chosen = self._drawn(found.logits[:, -1].float(), draws[:, number], setting)
            yield chosen.tolist()
            step = chosen[:, None]
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            place = place[:, -1:] + 1

    def _drawn(self, logits: Any, draws: Any, setting: Setting) -> Any:
        """Returns a token for each row `(B,)`, from logits `(B, V)` and draws `(B,)` between 0 and
        1."""
        torch = self._torch
        heat = float(setting.get("temperature", 1.0))
        if heat <= 0:
            return logits.argmax(dim=-1)
        ordered, tokens = (logits / heat).sort(dim=-1, descending=True, stable=True)
        chances = ordered.softmax(dim=-1)
        kept = torch.ones_like(chances, dtype=torch.bool)
        if (top_p := float(setting.get("top_p", 1.0))) < 1:
            kept &= chances.cumsum(-1) - chances < top_p
        if (top_k := int(setting.get("top_k", -1))) > 0:
            kept[:, top_k:] = False
        if (min_p := float(setting.get("min_p", 0.0))) > 0:
            kept &= chances >= min_p * chances[:, :1]
        sums = (chances * kept).cumsum(-1)
        at = torch.as_tensor(draws, dtype=sums.dtype, device=sums.device)[:, None] * sums[:, -1:]
        place = (sums <= at).sum(-1).clamp(max=kept.sum(-1) - 1)
        return tokens.gather(1, place[:, None])[:, 0]


def prompt_ids(tokens: Any, prompt: str, chat: bool) -> list[int]:
    """Returns the tokens that a model goes on from; with `chat`, those of its chat template."""
    if chat:
        messages = [{"role": "user", "content": prompt}]
        whole = tokens.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(tokens(whole, add_special_tokens=False)["input_ids"])
    return list(tokens(prompt)["input_ids"])


def _ends(model: Any, tokens: Any) -> list[int]:
    """Returns the tokens that end a text. Raises EnvironmentProblem for a model without one."""
    said = getattr(model.generation_config, "eos_token_id", None)
    every = said if isinstance(said, list) else [said, tokens.eos_token_id]
    found = sorted({int(one) for one in every if one is not None})
    if not found:
        raise EnvironmentProblem(
            "the model names no token that ends a text, so all of its texts would be cut; set "
            "eos_token_id in its generation_config.json"
        )
    return found
