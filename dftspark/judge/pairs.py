"""Pairs of texts to be judged: human and model on one prompt, and the controls beside them.

All choices are made by hashes, so that the same corpora give the same pairs whatever the
partitioning: clusters come in the order of a hash of their name, the prompts of a cluster together,
and of several texts of a corpus on a prompt the one with the smallest hash is taken. So models that
answer the same prompts are compared on the same ones.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dftspark.config import Judge
from dftspark.errors import InputError

Kind = Literal["model", "human", "human_unprompted", "broken", "models"]

# Not the hashes of blocks, of sketches and of the documents that are embedded.
CLUSTERS = "dftspark judge cluster v1 "
DOCUMENTS = "dftspark judge document v1 "
_FEWEST = 20  # prompts with two human texts below which the control takes texts of two prompts


@dataclass(frozen=True)
class Candidate:
    """A candidate; `key` is its prompt's id, or the prompt itself where it has none."""

    corpus: str
    stratum: str
    cluster: str
    key: str
    prompt: str | None
    doc_id: str
    text: str


@dataclass(frozen=True)
class Pair:
    """Two texts, not yet in order. `model` is the side whose wins are counted, `against` the other.

    kind   model             a model's text and a human text on one prompt
           human             two human texts on one prompt
           human_unprompted  human texts on two prompts of one stratum, shown without the prompts
           broken            a human text and a model's text with its words shuffled
           models            texts of two models on one prompt
    rank   place in the list of its kind and model over that list's length, in [0, 1)
    prompt None where it is not known or not shown
    """

    pair_id: str
    kind: Kind
    model: str
    against: str
    stratum: str
    cluster: str
    prompt: str | None
    model_id: str
    model_text: str
    against_id: str
    against_text: str
    rank: float


def place(domain: str, name: str) -> str:
    """Returns the hash that orders clusters and documents, the same as from Spark's sha2."""
    return hashlib.sha256(f"{domain}{name}".encode()).hexdigest()


def sampled(documents: Iterable[Candidate], human: str, settings: Judge) -> list[Pair]:
    """Samples pairs of every model with the human corpus, and the controls that `settings` ask for.

    Raises InputError where no model shares a prompt with the human corpus.
    """
    corpora: dict[str, dict[str, list[Candidate]]] = {human: {}}
    for document in documents:
        corpora.setdefault(document.corpus, {}).setdefault(document.key, []).append(document)
    for prompts in corpora.values():
        for several in prompts.values():
            several.sort(key=lambda d: (place(DOCUMENTS, d.doc_id), d.doc_id))
    people = corpora.pop(human)
    order = _in_order(people)
    models = sorted(corpora)
    found: list[Pair] = []
    for model in models:
        shared = [key for key in order if key in corpora[model]]
        main = [_pair("model", corpora[model][key][0], people[key][0]) for key in shared]
        found += _ranked(main[: settings.pairs])
        if "broken" in settings.controls:
            found += _ranked([_broken(pair) for pair in main[: settings.control_pairs]])
    if not found:
        sizes = {name: len(prompts) for name, prompts in sorted(corpora.items())}
        raise unshared(human, {human: len(people), **sizes})
    if "human" in settings.controls:
        found += _ranked(_humans(people, order)[: settings.control_pairs])
    if "models" in settings.controls:
        for first, second in _neighbors(models):
            shared = [key for key in order if key in corpora[first] and key in corpora[second]]
            both = [_pair("models", corpora[first][k][0], corpora[second][k][0]) for k in shared]
            found += _ranked(both[: settings.control_pairs])
    return found


def _in_order(prompts: dict[str, list[Candidate]]) -> list[str]:
    def standing(key: str) -> tuple[str, str, str]:
        cluster = prompts[key][0].cluster
        return place(CLUSTERS, cluster), cluster, key

    return sorted(prompts, key=standing)


def _neighbors(models: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs each model with the next by name, and the last with the first: the fewest that connect
    all twice.
    """
    if len(models) < 3:
        return [(models[0], models[1])] if len(models) == 2 else []
    return list(zip(models, [*models[1:], models[0]], strict=True))


def _pair(kind: Kind, of: Candidate, other: Candidate, text: str | None = None) -> Pair:
    """Makes a pair without a rank; `of` is the side whose wins are counted, with `text` in place of
    its text.
    """
    names = "\0".join((kind, of.corpus, of.doc_id, other.corpus, other.doc_id))
    return Pair(
        pair_id=hashlib.sha256(names.encode()).hexdigest()[:16],
        kind=kind,
        model=of.corpus,
        against=other.corpus,
        stratum=other.stratum,
        cluster=other.cluster,
        prompt=None if kind == "human_unprompted" else other.prompt or of.prompt,
        model_id=of.doc_id,
        model_text=of.text if text is None else text,
        against_id=other.doc_id,
        against_text=other.text,
        rank=0.0,
    )


def _ranked(pairs: list[Pair]) -> list[Pair]:
    return [
        Pair(**{**pair.__dict__, "rank": place_ / len(pairs)}) for place_, pair in enumerate(pairs)
    ]


def _humans(people: dict[str, list[Candidate]], order: list[str]) -> list[Pair]:
    """Pairs two human texts on a prompt where enough prompts have two, else on two prompts."""
    alike = []
    for key in order:
        first = people[key][0]
        other = next((d for d in people[key][1:] if d.text != first.text), None)
        if other is not None:
            alike.append(_pair("human", other, first))
    if len(alike) >= _FEWEST:
        return alike
    by_stratum: dict[str, list[Candidate]] = {}
    for key in order:
        by_stratum.setdefault(people[key][0].stratum, []).append(people[key][0])
    crossed = [
        _pair("human_unprompted", other, first)
        for texts in by_stratum.values()
        for first, other in zip(texts[::2], texts[1::2], strict=False)
    ]
    return sorted(crossed, key=lambda pair: place(CLUSTERS, pair.cluster))


def _broken(pair: Pair) -> Pair:
    """Returns the pair with the words of the model's text in another order."""
    words = pair.model_text.split()
    random.Random(pair.pair_id).shuffle(words)
    values = {**pair.__dict__, "kind": "broken", "model_text": " ".join(words)}
    return Pair(**{**values, "pair_id": place("broken ", pair.pair_id)[:16]})


def unshared(human: str, counts: dict[str, int]) -> InputError:
    """Returns the error for corpora with these numbers of prompts, none of them on two sides."""
    models = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name != human)
    return InputError(
        f"judge: no model has a text on a prompt of the human corpus, so there is no pair to show "
        f"a judge. Distinct prompts: {human} {counts.get(human, 0):,}, {models or 'no model any'}. "
        f"Pairs need the column prompt_id (or prompt) on both sides, with equal values for equal "
        f"prompts; leave 'judge' out of lenses to measure these corpora without one"
    )
