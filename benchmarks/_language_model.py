"""A causal language model made small enough to be trained and sampled on one core.

Its vocabulary is cut to the tokens that occur, which changes no order among those. LoRA is trained
in the top layers alone, so the states below are computed once for each text and kept. Windows are
`first` tokens of a prompt and then the text; all have one length, and no token ends a text early.

Cost     two passes of the top for each trained token, one of all layers for each sampled one
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
Adapter = tuple[str, float]  # a folder, and the scale with which it is merged
_BATCH = 32  # windows of a pass that trains nothing


@dataclass(frozen=True)
class Shape:
    """What is trained: LoRA of `rank` in the top `layers`; `first` tokens of a window are given."""

    layers: int = 8
    rank: int = 16
    first: int = 16


@dataclass(frozen=True, eq=False)
class Source:
    """Windows to draw batches from. `lower` are their states below the trained layers, None to
    compute them; `size` of them in each step, whose loss has `weight`."""

    windows: Tokens
    lower: NDArray[np.float32] | None
    size: int
    weight: float = 1.0

    def batches(self, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yields rows, every window once before any comes again."""
        waiting = np.empty(0, np.int64)
        for _ in range(steps):
            while len(waiting) < self.size:
                waiting = np.r_[waiting, rng.permutation(len(self.windows))]
            yield waiting[: self.size]
            waiting = waiting[self.size :]


class LanguageModel:
    """The model of a folder with `adapters` merged, on `device`; `kept` are its tokens."""

    def __init__(
        self,
        folder: str,
        kept: Tokens,
        shape: Shape,
        *,
        adapters: Sequence[Adapter] = (),
        device: str = "cpu",
    ) -> None:
        from peft import PeftModel
        from peft.helpers import rescale_adapter_scale
        from transformers import AutoModelForCausalLM

        kind = torch.float32 if device == "cpu" else torch.bfloat16
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=kind
        )
        _cut(model, kept)
        for path, scale in adapters:
            adapted: Any = PeftModel.from_pretrained(model, path)
            with rescale_adapter_scale(adapted, scale) if scale != 1 else nullcontext():
                model = adapted.merge_and_unload()
        self.model = model.to(device).eval().requires_grad_(False)
        self.shape, self.device = shape, device
        self.split = len(model.model.layers) - shape.layers

    def lower(self, windows: Tokens) -> NDArray[np.float32]:
        """Returns the states that the trained layers read, `(N, T, d)`."""
        starts = range(0, len(windows), _BATCH)
        with torch.inference_mode():
            parts = [self._lower(windows[start : start + _BATCH]) for start in starts]
        return np.concatenate([part.float().cpu().numpy() for part in parts])

    def losses(self, windows: Tokens, lower: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the loss of each token behind the prompt, in nats, `(N, T - first)`."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(windows), _BATCH):
                part = slice(start, start + _BATCH)
                loss = self._losses(windows[part], torch.from_numpy(lower[part]).to(self.device))
                found.append(loss.double().cpu().numpy())
        return np.concatenate(found)

    def train(
        self,
        sources: Sequence[Source],
        steps: int,
        rate: float,
        seed: int,
        *,
        constant: bool = False,
        watch: Callable[[int, Any], bool],
    ) -> list[float]:
        """Trains a LoRA and returns the steps' losses; the model is afterwards as it was.

        The rate falls to zero, unless it is `constant`. After each step `watch` is told its number,
        from 1, and the model with the LoRA, to look at or to save; true ends the training.
        """
        adapted, weights = self.adapted(seed)
        optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
        rng = np.random.default_rng(seed)
        losses = []
        for step, rows in enumerate(zip(*(s.batches(steps, rng) for s in sources), strict=True)):
            share = min(1.0, (step + 1) / 5) * (1.0 if constant else 1 - step / steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            losses.append(self._step(sources, rows))
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if watch(step + 1, adapted):
                break
        self.model = adapted.unload().requires_grad_(False)
        return losses

    def adapted(self, seed: int) -> tuple[Any, list[Any]]:
        """Puts a new LoRA in the top layers and returns the model with it, and its weights."""
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        layers = self.model.model.layers
        names = {
            name.rpartition(".")[2]
            for name, module in layers[0].named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        settings = LoraConfig(
            r=self.shape.rank,
            lora_alpha=2 * self.shape.rank,
            target_modules=sorted(names),
            layers_to_transform=list(range(self.split, len(layers))),
        )
        adapted: Any = get_peft_model(self.model, settings)
        return adapted, [weight for weight in adapted.parameters() if weight.requires_grad]

    def sample(
        self, prompts: Tokens, samples: int, length: int, heat: float, top_p: float, seed: int
    ) -> Tokens:
        """Returns texts `(N, samples, length)`. The prompt is read once for all of its samples."""
        found = []
        size = max(1, 256 // samples)
        for start in range(0, len(prompts), size):
            generator = torch.Generator(self.device).manual_seed(seed * 100_003 + start)
            with torch.inference_mode():
                part = prompts[start : start + size]
                found.append(self._sample(part, samples, length, heat, top_p, generator))
        return np.concatenate(found)

    def _sample(
        self, prompts: Tokens, samples: int, length: int, heat: float, top_p: float, generator: Any
    ) -> Tokens:
        read = self.model(torch.from_numpy(prompts).to(self.device), use_cache=True)
        past = read.past_key_values
        past.batch_repeat_interleave(samples)
        logits = read.logits[:, -1].repeat_interleave(samples, 0)
        drawn = []
        for _ in range(length):
            token = draw(logits.float(), heat, top_p, generator)
            drawn.append(token)
            if len(drawn) < length:
                read = self.model(token, past_key_values=past, use_cache=True)
                logits = read.logits[:, -1]
        tokens = torch.cat(drawn, 1).view(len(prompts), samples, length)
        return np.asarray(tokens.cpu().numpy(), np.int64)

    def _step(self, sources: Sequence[Source], rows: Sequence[NDArray[np.int64]]) -> float:
        """Adds the gradient of a step and returns its loss, the mean of sources by their weight."""
        whole, total = sum(source.weight for source in sources), 0.0
        for source, own in zip(sources, rows, strict=True):
            if source.lower is None:
                with torch.no_grad():
                    lower = self._lower(source.windows[own])
            else:
                lower = torch.from_numpy(source.lower[own]).to(self.device)
            loss = self._losses(source.windows[own], lower).mean() * (source.weight / whole)
            loss.backward()
            total += float(loss.detach())
        return total

    def _lower(self, windows: Tokens) -> Any:
        body = self.model.model
        states = body.embed_tokens(torch.from_numpy(windows).to(self.device))
        return self._through(body.layers[: self.split], states)

    def _losses(self, windows: Tokens, lower: Any) -> Any:
        body, first = self.model.model, self.shape.first
        states = self._through(body.layers[self.split :], lower.to(body.norm.weight.dtype))
        logits = self.model.lm_head(body.norm(states[:, first - 1 : -1])).float()
        wanted = torch.from_numpy(windows[:, first:]).to(self.device)
        return torch.nn.functional.cross_entropy(logits.transpose(1, 2), wanted, reduction="none")

    def _through(self, layers: Any, states: Any) -> Any:
        places = torch.arange(states.shape[1], device=self.device)[None]
        turned = self.model.model.rotary_emb(states, places)
        for layer in layers:
            out = layer(
                states, attention_mask=None, position_ids=places, position_embeddings=turned
            )
            states = out[0] if isinstance(out, tuple) else out
        return states


def draw(logits: Any, heat: float, top_p: float, generator: Any) -> Any:
    """Returns a token of each row, `(B, 1)`: temperature first, then the least set of likely tokens
    whose share is at least `top_p`."""
    chances = (logits / heat).softmax(-1)
    if top_p < 1:
        ordered, places = chances.sort(-1, descending=True)
        ordered = ordered * (ordered.cumsum(-1) - ordered < top_p)
        chances = torch.zeros_like(chances).scatter(-1, places, ordered)
    return torch.multinomial(chances, 1, generator=generator)


def save(adapted: Any, folder: Path) -> None:
    """Writes the LoRA of a model into a folder, without the words of the cut vocabulary."""
    adapted.save_pretrained(str(folder), save_embedding_layers=False)


def _cut(model: Any, kept: Tokens) -> None:
    rows = torch.from_numpy(kept)
    read, said = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    kind: Any = torch.nn.Embedding
    embed = kind.from_pretrained(read[rows].detach().clone())
    head = torch.nn.Linear(embed.embedding_dim, len(kept), bias=False, dtype=said.dtype)
    head.weight = torch.nn.Parameter(said[rows].detach().clone())
    model.config = copy.copy(model.config)
    model.config.vocab_size = len(kept)
    model.config.tie_word_embeddings = False
    model.set_input_embeddings(embed)
    model.set_output_embeddings(head)
