"""The reward of a text: how much it would move the model's population towards the human one.

With features phi, human mean m and model mean q, the squared distance |m - q|^2 falls the fastest
along the witness w(x) = 2 <phi(x) - q, m - q>. Frozen, it is a function of one text, which any
trainer can host under any baseline. Its mean is 0 over the profiled model, and positive over human
text.

Cost     some 20 ms of one core a text of 640 words, without torch where the embedder is static
Source   Gretton et al. (2012), the witness; score-function gradients of the squared MMD with a
         leave-one-out baseline, Diamant and Trippe (2026)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.choose.features import EMBEDDINGS, NGRAMS
from dftspark.corpus.clean import clean
from dftspark.errors import ConfigError, ShapeError
from dftspark.lenses.ngrams.keys import ngram_keys
from dftspark.lenses.ngrams.sketch import estimate
from dftspark.text.tokens import tokenizer
from dftspark.tuning import fingerprints, vectors
from dftspark.tuning.calls import CallCount
from dftspark.tuning.target import Target

Floats = NDArray[np.float64]
_AT_ONCE = 64  # texts whose features are held together, some 5 MB


def leave_one_out(features: Floats, mean: Floats) -> Floats:
    """Returns weights `(n,)`: their mean times grad log q(x_i) is an unbiased gradient of the
    squared distance between the mean of q and `mean` `(D,)`; descend along it.

    `features` `(n, D)` are of independent samples of q, n > 2. A sample's own features are in
    neither its weight's estimate of q nor its baseline. The mean of the other samples' rewards,
    which many trainers take, is no such baseline: those rewards contain the sample, and so
    multiply the part that keeps samples apart by (n - 2) / (n - 1). Raises ShapeError.
    """
    n = len(features)
    if features.ndim != 2 or n < 3 or features.shape[1] != len(mean):
        raise ShapeError(f"features {features.shape} of three samples or more, mean {mean.shape}")
    total = features.sum(axis=0)
    others = features @ total - np.einsum("nd,nd->n", features, features)
    aligned = features @ mean
    repulsion = (others.sum() - 2 * others) / ((n - 1) * (n - 2))
    attraction = (aligned.sum() - aligned) / (n - 1)
    return np.asarray(2 * (others / (n - 1) - aligned - (repulsion - attraction)))


class WitnessReward:
    """Scores texts by the frozen witness of a target.

    `embedder` is a copy of the embedder's folder, where a machine has it elsewhere. With `calls`,
    a folder, texts and rewards are counted there, which the gate asks for. Raises ConfigError,
    naming what differs, where this installation would score in another way than the profile.
    """

    def __init__(
        self,
        target: Target,
        *,
        embedder: str | Path | None = None,
        calls: str | Path | None = None,
    ) -> None:
        wanted = target.fingerprints
        here = fingerprints.of(
            target.features,
            target.cleaning,
            wanted["blocks"],
            wanted[fingerprints.EMBEDDER],  # checked by the embedder itself
        )
        fingerprints.demand(wanted, here)
        self.target = target
        self.mean = target.model
        self._embed = None
        if target.embedding is not None:
            self._embed = vectors.embedder(
                target.embedding, wanted[fingerprints.EMBEDDER], embedder
            )
        self._calls = CallCount(calls) if calls is not None else None

    @classmethod
    def open(cls, path: str | Path, *, embedder: str | Path | None = None) -> Self:
        """Opens a target's file, and counts calls in the folder `PATH.calls` beside it."""
        return cls(Target.load(path), embedder=embedder, calls=f"{path}.calls")

    @property
    def direction(self) -> Floats:
        """The witness as a linear function of features, `(D,)`."""
        return np.asarray(2 * self.target.factor**2 * (self.target.human - self.mean))

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns a reward for each text, `(B,)`: 0 on average over the model, larger for texts
        that bring its mean nearer to the human one. An empty text has a reward like any other."""
        if self._calls:
            self._calls.asked(len(texts))
        direction = self.direction
        scores = [(rows - self.mean) @ direction for rows in self._rows(texts)]
        rewards = np.concatenate([np.empty(0), *scores]).astype(np.float32)
        if not np.isfinite(rewards).all():
            raise ConfigError(
                "a reward is not finite; the target has features that are not numbers"
            )
        if self._calls:
            self._calls.returned(len(rewards))
        return rewards

    def features(self, texts: Sequence[str]) -> Floats:
        """Returns features `(B, D)`; those of the embedding are the current mean where a text has
        no vector, so that they do not count."""
        empty = np.empty((0, self.target.features.width))
        return np.concatenate([empty, *self._rows(texts)])

    def per_token(
        self, texts: Sequence[str], ends: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """Returns the reward of each token of the trainer; a text's rewards sum to its score.

        `ends` are the places where the tokens of each text end, in characters, ascending. An n-gram
        counts at the token behind it, which shows that it has ended. A rate's share up to there is
        taken over the n-grams so far, or over a human text's mean number if that is more: nothing
        depends on what is not written yet, so rewards to go stay unbiased. What is no function of
        prefixes (vectors, structure, lengths) counts at the last token. Raises ShapeError.
        """
        if len(texts) != len(ends) or not all(_ascending(each) for each in ends):
            raise ShapeError(
                f"{len(texts)} texts and {len(ends)} lists of token ends; give one list for each "
                f"text, of one end at least, ascending"
            )
        cleaned = [clean(text, self.target.cleaning)[0] for text in texts]
        places = [
            _byte_ends(text, other, np.asarray(each), self)
            for text, other, each in zip(texts, cleaned, ends, strict=True)
        ]
        out = [np.zeros(len(each)) for each in ends]
        self._spread_ngrams(cleaned, places, out)
        for dense, score in zip(out, self.score(texts).astype(np.float64), strict=True):
            dense[-1] += score - dense.sum()
        return [dense.astype(np.float32) for dense in out]

    def _spread_ngrams(
        self, cleaned: list[str], places: list[NDArray[np.int64]], out: list[Floats]
    ) -> None:
        """Adds to `out` what n-grams contribute at each token."""
        features, direction = self.target.features, self.direction
        batch = tokenizer(features.tokens).tokenize(pa.array(cleaned, pa.string()), spans=True)
        starts = np.cumsum([0, *(len(text.encode()) for text in cleaned)])
        for part in features.parts:
            if part.family != NGRAMS:
                continue
            n = int(part.name.rpartition("_")[2])
            along = direction[part.columns]
            keys = ngram_keys(batch.hashes, batch.offsets, n)
            values = estimate(along[None], keys) - float(self.mean[part.columns] @ along)
            for d, (dense, ends) in enumerate(zip(out, places, strict=True)):
                first, count = batch.offsets[d], batch.offsets[d + 1] - batch.offsets[d] - n + 1
                if count < 1:
                    continue
                so_far = np.maximum(np.arange(1, count + 1), self.target.lengths[n])
                shares = np.cumsum(values[first : first + count]) / so_far
                behind = batch.ends[first + n - 1 : first + n - 1 + count] - starts[d]
                at = np.minimum(np.searchsorted(ends, behind, "right"), len(ends) - 1)
                np.add.at(dense, at, np.diff(shares, prepend=0.0))

    def _rows(self, texts: Sequence[str]) -> list[Floats]:
        return [
            self._some(texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)
        ]

    def _some(self, texts: Sequence[str]) -> Floats:
        features = self.target.features
        cleaned = [clean(text, self.target.cleaning)[0] for text in texts]
        embedded = self._embed(cleaned) if self._embed else None
        rows = features.of(pa.array(cleaned, pa.string()), embedded).astype(np.float64)
        if embedded is not None:
            without = np.flatnonzero(~embedded.any(axis=1))
            for part in features.parts:
                if part.family == EMBEDDINGS:
                    rows[without, part.columns] = self.mean[part.columns]
        return rows


class BankedReward(WitnessReward):
    """The same against a moving average of what the model wrote in earlier steps.

    The texts of a step are not in the mean that they are scored against, so any baseline is right.
    `commit` ends a step, and `drop` forgets texts that were scored for an evaluation.
    """

    decay = 0.9

    def __init__(
        self,
        target: Target,
        *,
        embedder: str | Path | None = None,
        calls: str | Path | None = None,
    ) -> None:
        super().__init__(target, embedder=embedder, calls=calls)
        self.pending = np.zeros(target.features.width)
        self.count = 0

    def _some(self, texts: Sequence[str]) -> Floats:
        rows = super()._some(texts)
        self.pending = self.pending + rows.sum(axis=0)
        self.count += len(rows)
        return rows

    @property
    def gap(self) -> float:
        """The squared distance between the average and the human mean: what is trained on."""
        return float(((self.target.factor * (self.target.human - self.mean)) ** 2).sum())

    def commit(self, total: Floats | None = None, count: int = 0) -> None:
        """Takes the texts scored since the last step into the average; does nothing without any.

        `total` `(D,)` and `count` are `pending` and `count` summed over several processes.
        """
        if total is None:
            total, count = self.pending, self.count
        if count:
            self.mean = self.decay * self.mean + (1 - self.decay) * (total / count)
        self.drop()

    def drop(self) -> None:
        self.pending, self.count = np.zeros_like(self.pending), 0


def _ascending(ends: Sequence[int]) -> bool:
    return len(ends) > 0 and bool((np.diff(ends) >= 0).all())


def _byte_ends(
    text: str, cleaned: str, ends: NDArray[np.int64], reward: WitnessReward
) -> NDArray[np.int64]:
    """Returns places in characters of `text` as places in bytes of the `cleaned` text."""
    if cleaned != text:
        cleaning = reward.target.cleaning
        ends = np.array([len(clean(text[:end], cleaning)[0]) for end in ends.tolist()])
    sizes = np.array([len(char.encode()) for char in cleaned], np.int64)
    return np.asarray(np.concatenate([[0], np.cumsum(sizes)])[np.minimum(ends, len(cleaned))])
