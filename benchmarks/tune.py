"""Trains a small model for the population of its texts, and holds it against what is cheaper.

    python benchmarks/tune.py [--seeds 3] [--work FOLDER]     minutes to hours; results/tune.txt
    python benchmarks/tune.py --model SMALL --larger LARGE --device cuda

SmolLM2-135M-Instruct learns human stories until its validation loss no longer falls (SFT). From
there it is tuned in rounds: four samples of each prompt, the matched choice of one, a LoRA on the
chosen texts and on human text, and a line search over its scale on validation prompts. Beside it
stand the sampler settings of the SFT, the matched choice among their samples, and a control: the
same steps, tokens and rates from the same start on human text alone.

Texts of test prompts, from other documents, are judged by what no reward saw: MMD of another
embedder, classifiers, structure, another tokenizer, 4-grams, near copies and cross-entropy; and by
the rule of `dftspark gate`. All that training uses of human text are the windows of the SFT. Each
step stays in the work folder, so that a run goes on where it was stopped.

With --larger the small model, tuned, is also held against the settings of a larger one after its
own SFT. Both are folders of safetensors with one tokenizer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks import _tuned, _tuning_report
from benchmarks._choosing import chosen_by
from benchmarks._held_out import squared
from benchmarks._language_model import Adapter, LanguageModel, Shape, Source, save
from benchmarks._tuning_data import Data, Sizes, Step, Work, stories, windows
from dftspark.choose import exchange
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.generation import smollm2

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data" / "biscope.parquet"
GRID = ((1.0, 1.0), (1.0, 0.95), (0.9, 1.0), (0.9, 0.95))  # temperature, top-p
SAMPLES = 4
SCALES = (0.5, 1.0, 1.5)
# Structure is left out, so that it can judge.
WEIGHTS = {"ngrams": 1.0, "embeddings": 0.7, "structure": 0.0, "lengths": 0.1}
State = tuple[Adapter, ...]
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Pace:
    """How SFT and rounds are trained. A phase of the SFT ends when the validation loss has not
    fallen in two looks; the next one goes on from its best with a lower rate."""

    phases: tuple[float, ...] = (1e-3, 2e-4)
    look: int = 16
    most: int = 256  # steps of a phase
    batch: int = 16
    rate: float = 1e-3  # of a round, falling to zero
    passes: int = 2  # of a round over its chosen texts
    own: int = 16  # chosen texts in a step of a round
    human: int = 8  # human ones
    anchor: float = 0.5  # weight of their loss


class Lab:
    """A model's folder with the data, and the steps of the experiment on it."""

    def __init__(
        self,
        folder: str,
        work: Work,
        *,
        texts: list[tuple[str, str]],
        sizes: Sizes,
        pace: Pace,
        shape: Shape,
        device: str,
    ) -> None:
        from transformers import AutoTokenizer

        self.folder, self.work, self.device = folder, work, device
        self.sizes, self.pace, self.shape = sizes, pace, shape
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.data: Data = windows(texts, self.tokenizer, sizes)
        named = {"folder": Path(folder).name, "texts": len(texts), "device": device}
        self.base = {**named, **asdict(sizes), **asdict(shape)}

    def model(self, state: State) -> LanguageModel:
        return LanguageModel(
            self.folder, self.data.kept, self.shape, adapters=state, device=self.device
        )

    def inputs(self, state: State, **more: Any) -> dict[str, Any]:
        return {**self.base, "state": [(Path(path).name, scale) for path, scale in state], **more}

    def texts(self, tokens: NDArray[np.int64]) -> list[str]:
        rows = self.data.kept[tokens.reshape(-1, tokens.shape[-1])]
        return [str(text) for text in self.tokenizer.batch_decode(rows.tolist())]

    def human(self, rows: NDArray[np.int64]) -> list[str]:
        return self.texts(rows[:, self.sizes.first :])

    @cached_property
    def lower(self) -> dict[str, Matrix]:
        """States below the trained layers, of training, validation and test windows."""

        def make(_: Path) -> dict[str, Matrix]:
            model, data = self.model(()), self.data
            test = data.test[: self.sizes.prompts]
            validation = data.validation[: self.sizes.validation]
            return {
                "train": model.lower(data.train),
                "validation": model.lower(validation),
                "test": model.lower(test),
            }

        return self.work.step("lower", self.base, make).arrays

    def cross_entropy(self, model: LanguageModel, part: str) -> NDArray[np.float64]:
        """Returns the mean loss of each validation or test window, nats a token."""
        rows = self.data.validation if part == "validation" else self.data.test
        lower = self.lower[part]
        return np.asarray(model.losses(rows[: len(lower)], lower).mean(axis=1))

    def sampled(
        self, state: State, prompts: NDArray[np.int64], setting: tuple[float, float], **more: Any
    ) -> NDArray[np.int64]:
        """Returns texts `(N, samples, length)` of `prompts`; `more` has name, samples and seed."""
        wanted = self.inputs(state, setting=setting, prompts=len(prompts), **more)

        def make(_: Path) -> dict[str, NDArray[np.int64]]:
            heads = prompts[:, : self.sizes.first]
            found = self.model(state).sample(
                heads, more["samples"], self.sizes.length, *setting, seed=more["seed"]
            )
            return {"tokens": found}

        return self.work.step("sample", wanted, make).arrays["tokens"]

    # --- SFT ----------------------------------------------------------------------------------

    def sft(self, seed: int) -> tuple[State, list[tuple[float, int, float]]]:
        """Returns the model at its validation optimum, and of each phase rate, steps and loss."""
        state: State = ()
        before, told = float("inf"), []
        for number, rate in enumerate(self.pace.phases):
            step = self._phase(state, rate, seed + 1_000 * number)
            looks = step.arrays["validation"]
            best = int(np.argmin(looks))
            if looks[best] < before:
                state, before = (*state, (str(step.folder), 1.0)), float(looks[best])
            told.append((rate, (best + 1) * self.pace.look, float(looks[best])))
        return state, told

    def _phase(self, state: State, rate: float, seed: int) -> Step:
        pace = self.pace

        def make(folder: Path) -> dict[str, NDArray[Any]]:
            model, looks = self.model(state), []

            def watch(number: int, adapted: Any) -> bool:
                if number % pace.look:
                    return False
                looks.append(float(self.cross_entropy(model, "validation").mean()))
                self.work.say(f"  rate {rate:g}, step {number}: validation {looks[-1]:.4f}")
                if looks[-1] == min(looks):
                    save(adapted, folder)
                return len(looks) - 1 - int(np.argmin(looks)) >= 2

            source = Source(self.data.train, self.lower["train"], pace.batch)
            losses = model.train([source], pace.most, rate, seed, constant=True, watch=watch)
            return {"validation": np.array(looks), "losses": np.array(losses)}

        wanted = self.inputs(state, rate=rate, seed=seed, pace=[pace.look, pace.most, pace.batch])
        return self.work.step("sft", wanted, make)

    # --- rounds -------------------------------------------------------------------------------

    @cached_property
    def features(self) -> tuple[Features, Matrix]:
        """Returns what the choice goes by, and its values of the human training texts."""
        texts = self.human(self.data.train)
        static = _tuned.embed("static", texts)
        features = chosen_by(static)
        return features, features.of(pa.array(texts), static)

    def values(self, texts: Sequence[str]) -> Matrix:
        return self.features[0].of(pa.array(texts), _tuned.embed("static", texts))

    def scale(self, pool: Matrix) -> ColumnScale:
        features, human = self.features
        return ColumnScale.of(features, pool, human.mean(axis=0, dtype=np.float64), WEIGHTS)

    def chosen(self, tokens: NDArray[np.int64], scale: ColumnScale | None = None) -> NDArray[Any]:
        """Returns the matched choice `(N, length)` of one of the samples `(N, samples, length)`."""
        pool = self.values(self.texts(tokens))
        scaled = (scale or self.scale(pool)).scaled(pool)
        starts = np.arange(0, len(pool) + 1, tokens.shape[1])
        return tokens.reshape(len(pool), -1)[exchange.choose(scaled, starts).rows]

    def round(
        self, number: int, state: State, control: State, seed: int
    ) -> tuple[tuple[float, ...], State, State]:
        """Returns distances on validation prompts at scale 0 and at SCALES, the model after the
        round at scale 1, and the control after as many tokens."""
        first = number * self.sizes.prompts
        prompts = self.data.prompts[first : first + self.sizes.prompts]
        pool = self.sampled(
            state, prompts, (1.0, 1.0), name=f"pool {number}", samples=SAMPLES, seed=seed
        )
        texts = np.hstack([prompts[:, : self.sizes.first], self.chosen(pool)])
        pace = self.pace
        steps = pace.passes * len(texts) // pace.own
        human = self.data.train, self.lower["train"]
        own = Source(texts, None, pace.own), Source(*human, pace.human, pace.anchor)
        tuned = self._trained("round", state, own, steps, seed, number)
        alone = Source(*human, pace.own + pace.human)
        control = self._trained("control", control, (alone,), steps, seed, number)
        scale = self.scale(self.values(self.texts(pool)))
        adapter = tuned[-1][0]
        tried: list[State] = [state, *((*state, (adapter, size)) for size in SCALES)]
        return tuple(self._searched(each, scale, seed) for each in tried), tuned, control

    def _trained(
        self, name: str, state: State, sources: tuple[Source, ...], steps: int, seed: int, at: int
    ) -> State:
        def make(folder: Path) -> dict[str, NDArray[Any]]:
            def watch(number: int, adapted: Any) -> bool:
                if number == steps:
                    save(adapted, folder)
                return False

            model = self.model(state)
            losses = model.train(sources, steps, self.pace.rate, seed + 10_000 * at, watch=watch)
            return {"losses": np.array(losses)}

        wanted = self.inputs(state, seed=seed, at=at, steps=steps, pace=asdict(self.pace))
        step = self.work.step(name, wanted, make)
        return (*state, (str(step.folder), 1.0))

    def _searched(self, state: State, scale: ColumnScale, seed: int) -> float:
        """Returns the squared distance of matched features from human ones, both of validation
        prompts; all scales are sampled with the same draws."""
        rows = self.data.validation
        texts = self.sampled(
            state, rows[: self.sizes.searched], (1.0, 1.0), name="search", samples=1, seed=seed
        )
        human, model = (
            scale.scaled(self.values(side)) for side in (self.human(rows), self.texts(texts))
        )
        return squared(human, model)

    def tuned(
        self, start: State, seed: int, rounds: int
    ) -> tuple[State, State, list[tuple[float, ...]]]:
        """Returns the tuned model, the control, and what each line search found.

        Rounds end when scale 0 wins. If it wins the first, nothing is tuned; then its LoRA at scale
        1 is returned, to be judged all the same.
        """
        state, control, searches = start, start, []
        for number in range(min(rounds, self.sizes.rounds)):
            found, after, control = self.round(number, state, control, seed)
            searches.append(found)
            self.work.say(f"  round {number + 1}, line search: {np.round(found, 5).tolist()}")
            best = int(np.argmin(found))
            if best == 0:
                state = after if number == 0 else state
                break
            state = (*state, (after[-1][0], SCALES[best - 1]))
        return state, control, searches


def grid(lab: Lab, state: State, seed: int, name: str) -> dict[str, NDArray[np.int64]]:
    """Returns texts `(N, length)` of the test prompts at each setting."""
    prompts = lab.data.test[: lab.sizes.prompts]
    found = {}
    for number, setting in enumerate(GRID):
        tokens = lab.sampled(
            state, prompts, setting, name=name, samples=1, seed=seed + 100 * number
        )
        found[f"{name} {setting[0]:g}/{setting[1]:g}"] = tokens[:, 0]
    return found


def seed_of(
    lab: Lab, larger: Lab | None, seed: int, rounds: int = Sizes.rounds
) -> _tuning_report.Outcome:
    """Runs the experiment of one seed, with at most `rounds`."""
    prompts = lab.data.test[: lab.sizes.prompts]
    start, phases = lab.sft(seed)
    systems = grid(lab, start, seed, "SFT")
    settings = tuple(systems)
    systems["choice 1 of 4"] = lab.chosen(np.stack([systems[name] for name in settings], axis=1))
    final, control, searches = lab.tuned(start, seed, rounds)
    for name, state in (("control", control), ("tuned", final)):
        systems[name] = lab.sampled(state, prompts, GRID[0], name=name, samples=1, seed=seed)[:, 0]
    untouched = lab.sampled((), prompts, GRID[0], name="base", samples=1, seed=1)
    systems["before SFT"] = untouched[:, 0]
    states = {"before SFT": (), "SFT": start, "control": control, "tuned": final}
    losses = {name: lab.cross_entropy(lab.model(of), "test") for name, of in states.items()}
    texts = {name: lab.texts(tokens) for name, tokens in systems.items()}
    others: tuple[str, ...] = ()
    if larger is not None:
        state, _ = larger.sft(seed)
        pool = grid(larger, state, seed, "larger")
        texts |= {name: larger.texts(tokens) for name, tokens in pool.items()}
        others = tuple(pool)
        losses["larger"] = larger.cross_entropy(larger.model(state), "test")
    lab.work.say(f"judging seed {seed}")
    human = lab.human(lab.data.test[: lab.sizes.human])
    sides = _tuned.Sides.of(human, texts, lab.human(lab.data.train), lab.data.documents)
    judged = _tuned.judged(sides)
    return _tuning_report.Outcome(
        seed, phases, searches, losses, judged, settings, others, texts["tuned"][:3]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--rounds", type=int, default=Sizes.rounds, help="at most")
    parser.add_argument(
        "--prompts", type=int, default=Sizes.prompts, help="of a round, and of test"
    )
    parser.add_argument("--work", type=Path, default=Path("build/tune"), help="where steps stay")
    parser.add_argument("--model", help="folder of the model; SmolLM2-135M-Instruct of its package")
    parser.add_argument("--larger", help="folder of a larger model with the same tokenizer")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    work, texts, sizes = Work(args.work), stories(DATA), Sizes(prompts=args.prompts)

    def lab(folder: str) -> Lab:
        import transformers

        layers = transformers.AutoConfig.from_pretrained(folder).num_hidden_layers
        shape = Shape(layers=round(layers / 4), first=sizes.first)
        return Lab(
            folder, work, texts=texts, sizes=sizes, pace=Pace(), shape=shape, device=args.device
        )

    small = lab(args.model or str(smollm2.folder()))
    larger = lab(args.larger) if args.larger else None
    if larger is not None and (larger.tokenizer.get_vocab() != small.tokenizer.get_vocab()):
        parser.error(
            "--larger has another tokenizer than --model, so prompts would not be the same"
        )
    outcomes = []
    for seed in range(1, args.seeds + 1):
        outcomes.append(seed_of(small, larger, seed, args.rounds))
        print("\n".join(_tuning_report.told(outcomes[-1])), "\n", flush=True)
    print("\n".join(_tuning_report.together(outcomes)))


if __name__ == "__main__":
    main()
