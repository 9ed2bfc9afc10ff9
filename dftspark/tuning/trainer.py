"""Trains one LoRA on weighted own samples and on human text, and scores texts by their losses.

    adapter = train(model, samples, human, Training(), folder)
    merge(model, adapter.folder, 1.0, "tuned")  # of dftspark.tuning.lora
    token_losses("tuned", human_of_validation, Training())

No Spark is needed. Where torch.distributed has a process group, all of its processes call `train`
with the same arguments and on one file system, and share each step.

Objective  sum_i w_i CE(sample_i) / samples' tokens of a mean step + anchor * the same of human
           texts with w = 1: sums over tokens, weights divided by their mean, prompts not predicted
Cost       a pass forwards and backwards of each token; below `layers`, forwards alone
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config.tune import Training
from dftspark.errors import InputError, LossNotFinite
from dftspark.generation.weights import digest
from dftspark.tuning import checkpoint, schedule
from dftspark.tuning.encoding import EncodedText, TrainingText, context, encoded, end_of, tokenizer
from dftspark.tuning.lora import loaded, with_adapter, with_new_adapter
from dftspark.tuning.losses import passes, summed_losses

Losses = NDArray[np.float64]
_VERSION = "dftspark training v1"
# What is not a part of the result: a checkpoint may go on with other values of these.
_MACHINE = {"checkpoint_steps"}


@dataclass(frozen=True)
class TrainedAdapter:
    """What a training has left in `folder`: a LoRA as peft saves it.

    budgets  tokens that each step has trained on; `control` of another training takes them
    history  of each step: sum of losses and tokens of own samples, the same of human texts, and the
             norm of the gradient
    resumed  the step that this call went on from; 0 for a whole training, all if it had finished
    seconds  of this call
    """

    folder: Path
    budgets: tuple[int, ...]
    history: tuple[tuple[float, ...], ...]
    resumed: int
    seconds: float

    @property
    def tokens(self) -> int:
        return sum(self.budgets)

    def losses(self, share: float = 0.25) -> tuple[float, float]:
        """Returns the mean loss of a token, of own samples and of human texts, over the last
        `share` of the steps; nan where a side had none."""
        rows = np.array(self.history)[-max(1, round(share * len(self.history))) :].sum(axis=0)
        return tuple(float(rows[at] / rows[at + 1]) if rows[at + 1] else math.nan for at in (0, 2))  # type: ignore[return-value]


def train(
    model: str | Path,
    samples: Sequence[TrainingText],
    human: Sequence[TrainingText],
    settings: Training,
    folder: str | Path,
    *,
    chat: bool = True,
    control: Sequence[int] | None = None,
    device: str = "cpu",
    stepped: Callable[[int, int], None] | None = None,
) -> TrainedAdapter:
    """Trains a LoRA for the model folder `model`, and leaves it in `folder`.

    Own `samples` with weight 0 are left out. Without samples it is plain training on `human`,
    `settings.batch` texts a step. With `control`, tokens of each step, it is human text alone, as
    many tokens of it at every step: the control of another training has its `budgets`. `stepped` is
    told the steps that are done, and all.

    The same arguments give the same LoRA, bit for bit on a CPU with the same number of threads and
    processes. If `folder` has a checkpoint of the same arguments, it goes on from there; if it has
    the outcome, that is returned.

    Raises ConfigError for a model folder that cannot be trained and for unknown `targets`,
    InputError without texts, LossNotFinite for a training that ran away.
    """
    started = time.monotonic()
    kept = [one for one in samples if one.weight > 0] if control is None else []
    if not kept and not human:
        raise InputError("there is no text to train on: neither own samples nor human text")
    own = Path(folder)
    own.mkdir(parents=True, exist_ok=True)
    tokens = tokenizer(model, chat=chat)
    items = _encoded(model, tokens, kept, settings, chat, "own samples")
    texts = _encoded(model, tokens, human, settings, chat, "human text")
    steps = _steps(items, texts, settings, control)
    rank, world = _place()
    kind = device.partition(":")[0]  # processes have GPUs of their own, and one key
    key = _key(digest(str(model)), kept, human, settings, (chat, control, kind, world))
    told = checkpoint.finished(own, key)
    if told is None:
        weights = _coefficients(kept, steps, settings.anchor if kept else 1.0)
        training = _Run(str(model), settings, device, [*items, *texts], weights, len(items))
        told = training.steps(steps, own, key, stepped)
        _barrier()
    return TrainedAdapter(
        own,
        tuple(schedule.tokens(step) for step in steps),
        tuple(tuple(row) for row in told["history"]),
        told.get("resumed", len(steps)) if rank == 0 or world == 1 else 0,
        time.monotonic() - started,
    )


def token_losses(
    model: str | Path,
    texts: Sequence[TrainingText],
    settings: Training,
    *,
    chat: bool = True,
    device: str = "cpu",
    adapter: tuple[str | Path, float] | None = None,
) -> Losses:
    """Returns for each text the sum of its tokens' losses, in nats, and their number, `(B, 2)`.

    `adapter` is the folder of a LoRA and its scale. The cross-entropy of texts is the ratio of the
    columns' sums.
    """
    import torch

    items = _encoded(model, tokenizer(model, chat=chat), texts, settings, chat, "texts")
    net = loaded(model, settings.dtype, device)
    if adapter is not None:
        net = with_adapter(net, *adapter)
    if device == "cpu":
        torch.set_num_threads(settings.threads)
    out = np.zeros((len(items), 2))
    whole = schedule.dealt([(place, item.tokens) for place, item in enumerate(items)], 0, 1)
    with torch.inference_mode():
        for part in passes(whole, items, settings.tokens_at_once):
            found = summed_losses(net, part, items, device, settings.dtype)
            for (place, count), loss in zip(part, found.tolist(), strict=True):
                out[place] = loss, count
    return out


def _encoded(
    model: str | Path,
    tokens: Any,
    texts: Sequence[TrainingText],
    settings: Training,
    chat: bool,
    what: str,
) -> list[EncodedText]:
    folder = Path(model).expanduser()
    end = end_of(folder, tokens)
    assert end is not None
    most = min(settings.max_tokens, context(folder))
    return encoded(texts, tokens, end, chat=chat, most=most, what=what)


def _steps(
    samples: list[EncodedText],
    human: list[EncodedText],
    settings: Training,
    budgets: Sequence[int] | None,
) -> list[schedule.Step]:
    lengths = [one.tokens for one in human]
    if budgets is not None:
        return schedule.control(lengths, budgets, settings.seed)
    return schedule.mixed(
        [one.tokens for one in samples],
        lengths if settings.anchor or not samples else [],
        batch=settings.batch,
        human_batch=settings.human_batch,
        epochs=settings.epochs,
        seed=settings.seed,
    )


def _coefficients(
    samples: Sequence[TrainingText], steps: list[schedule.Step], anchor: float
) -> tuple[Losses, float]:
    """Returns what a token's loss is multiplied by: of each sample, and of human texts."""
    first = len(samples)
    own = sum(count for step in steps for place, count in step if place < first)
    human = sum(map(schedule.tokens, steps)) - own
    weights = np.array([one.weight for one in samples])
    if first:
        weights = weights / weights.mean() * (len(steps) / own)
    return weights, anchor * len(steps) / human if human else 0.0


def _key(
    model: str,
    samples: Sequence[TrainingText],
    human: Sequence[TrainingText],
    settings: Training,
    more: tuple[Any, ...],
) -> str:
    whole = hashlib.sha256(f"{_VERSION} {model} {json.dumps(more)}\n".encode())
    whole.update(json.dumps(settings.model_dump(mode="json", exclude=_MACHINE)).encode())
    for one in (*samples, None, *human):
        whole.update(json.dumps(one and asdict(one)).encode() + b"\n")
    return whole.hexdigest()


class _Run:
    """A model with a new LoRA, its optimizer, and the texts that it is trained on."""

    def __init__(
        self,
        model: str,
        settings: Training,
        device: str,
        items: list[EncodedText],
        coefficients: tuple[Losses, float],
        samples: int,
    ) -> None:
        import torch

        if device == "cpu":
            torch.set_num_threads(settings.threads)
        self.settings, self.device, self.items = settings, device, items
        self.coefficients, self.samples = coefficients, samples
        self.rank, self.world = _place()
        base = loaded(model, settings.dtype, device)
        torch.manual_seed(settings.seed)
        self.net = with_new_adapter(base, settings)
        self.trained = {n: p for n, p in self.net.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            list(self.trained.values()), lr=settings.learning_rate, weight_decay=0.0, foreach=False
        )
        self.called = self.net
        if self.world > 1:
            self.called = torch.nn.parallel.DistributedDataParallel(
                self.net, broadcast_buffers=False
            )

    def steps(
        self,
        steps: list[schedule.Step],
        folder: Path,
        key: str,
        stepped: Callable[[int, int], None] | None,
    ) -> dict[str, Any]:
        """Does the steps that are left, and returns the outcome."""
        settings = self.settings
        done, history = checkpoint.load(folder, key, self.trained, self.optimizer)
        resumed = done
        for number in range(done, len(steps)):
            rate = schedule.rate(number, len(steps), settings.learning_rate, settings.warmup)
            history.append(self._step(steps[number], rate, number))
            done = number + 1
            if self.rank == 0 and done % settings.checkpoint_steps == 0 and done < len(steps):
                checkpoint.save(folder, key, done, history, self.trained, self.optimizer)
            if stepped is not None:
                stepped(done, len(steps))
        told = {"key": key, "history": history}
        if self.rank == 0:
            self.net.save_pretrained(str(folder), save_embedding_layers=False)
            checkpoint.finish(folder, told)
        return {**told, "resumed": resumed}

    def _step(self, step: schedule.Step, rate: float, number: int) -> list[float]:
        """Returns losses and tokens of both sides, over all processes, and the gradient's norm."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(4, dtype=torch.float64)
        mine = schedule.dealt(step, self.rank, self.world) or [(step[0][0], 0)]
        parts = list(passes(mine, self.items, self.settings.tokens_at_once))
        for place, part in enumerate(parts):
            waits = self.world > 1 and place < len(parts) - 1
            with self.called.no_sync() if waits else nullcontext():
                losses = summed_losses(
                    self.called, part, self.items, self.device, self.settings.dtype
                )
                by = torch.tensor([self._coefficient(item) for item, _ in part])
                # The processes' gradients are averaged, and they are parts of one sum.
                (losses * by.to(losses)).sum().mul(self.world).backward()
            for (item, count), loss in zip(part, losses.tolist(), strict=True):
                at = 0 if item < self.samples else 2
                sums[at : at + 2] += torch.tensor([loss, count], dtype=torch.float64)
        norm = torch.nn.utils.clip_grad_norm_(list(self.trained.values()), self.settings.clip)
        if self.world > 1:
            shared = sums.to(self.device)
            torch.distributed.all_reduce(shared)
            sums = shared.cpu()
        row = [*sums.tolist(), float(norm)]
        if not all(map(math.isfinite, row)):
            raise LossNotFinite(
                f"the training ran away at step {number + 1}: losses {row[0]:g} and {row[2]:g}, "
                f"norm of the gradient {row[4]:g}. Lower training.learning_rate (it is "
                f"{self.settings.learning_rate:g}), or train in float32"
            )
        self.optimizer.step()
        return row

    def _coefficient(self, item: int) -> float:
        own, human = self.coefficients
        return float(own[item]) if item < self.samples else human


def _place() -> tuple[int, int]:
    """Returns this process's place in the group, and the group's size."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def _barrier() -> None:
    import torch

    if _place()[1] > 1:
        torch.distributed.barrier()
