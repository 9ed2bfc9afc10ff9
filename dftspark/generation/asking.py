"""Asks models, from one process, for what the store lacks, and makes the table of their texts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dftspark.choose.splits import SPLITS, split_of
from dftspark.config import Endpoint
from dftspark.config.generate import Generate, Generation
from dftspark.corpus.blocks import block_of
from dftspark.endpoints import asking
from dftspark.endpoints.answers import NOT_ASKED
from dftspark.endpoints.asking import Asked, Item
from dftspark.endpoints.budget import Limits, price
from dftspark.endpoints.journal import Entry
from dftspark.endpoints.keys import key_of as secret_of
from dftspark.endpoints.store import AnswerStore, job
from dftspark.errors import EnvironmentProblem
from dftspark.generation.briefs import read
from dftspark.generation.plan import TextPlan
from dftspark.generation.requests import TextRequest, path_of, planned, setting_name
from dftspark.generation.template import Template
from dftspark.generation.texts import KIND, parse
from dftspark.generation.warnings import warnings
from dftspark.progress import Progress

_MOST_UNANSWERED = 0.05  # of all requests, above which a run is finished in part


@dataclass(frozen=True)
class PreparedTexts:
    template: Template
    plan: TextPlan


def prepare(config: Generation, again: bool = False) -> PreparedTexts:
    """Returns briefs, requests, and those that the store lacks. Sends nothing.

    Raises InputError for unusable briefs, ConfigError for an unusable template.
    """
    settings = config.generate
    template = Template.load(settings.template)
    briefs = read(settings.briefs, settings.columns, settings.max_brief_bytes)
    requests = list(planned(briefs, template, settings))
    known = AnswerStore.of(config.store, KIND).load({request.key for request in requests})
    return PreparedTexts(template, TextPlan.of(requests, known, settings, again))


def check(config: Generation) -> None:
    """Raises EnvironmentProblem for a missing key or library."""
    for writer in config.generate.models:
        secret_of(writer.endpoints()[0])
    if all(writer.local for writer in config.generate.models):
        return
    try:
        import urllib3  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(
            "models are asked through urllib3: pip install 'dftspark[judge]'"
        ) from error


@dataclass(frozen=True)
class Job:
    """Requests of one address, in the order in which they are asked, with the cap on their cost."""

    name: str
    endpoint: Endpoint
    items: Iterable[Item]
    limits: Limits
    path: str
    count: int


def send(
    jobs: Sequence[Job], store: AnswerStore, retries: int, progress: Progress
) -> tuple[list[str], int]:
    """Sends all of them, each address in separate threads. Returns why some stopped early, and the
    number of requests sent.

    The caller holds the store. Every answer is in its journals when this returns or raises.
    """
    found: list[Asked | BaseException] = [Asked(0, 0, "it did not run")] * len(jobs)
    name = job()

    def work(number: int, own: Job) -> None:
        try:
            found[number] = asking.ask(
                store.journal(name, number),
                own.items,
                own.endpoint,
                own.limits,
                threads=own.endpoint.concurrency,
                retries=retries,
                kind=KIND,
                parse=parse,
                path_of=own.path,
            )
        except BaseException as error:
            found[number] = error

    total = sum(own.count for own in jobs)
    with progress.stage("ask models", total, "texts") as stage, store.watched(stage):
        threads = [
            threading.Thread(target=work, args=(number, own), daemon=True)
            for number, own in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one in found:
        if isinstance(one, BaseException):
            raise one
    asked = [one for one in found if isinstance(one, Asked)]
    why = {
        f"{own.name}: {one.stopped}" for own, one in zip(jobs, asked, strict=True) if one.stopped
    }
    return sorted(why), sum(one.requests for one in asked)


def ask(
    ready: PreparedTexts, store: AnswerStore, settings: Generate, progress: Progress
) -> list[str]:
    """Asks models at addresses for what is missing; returns why some stopped early."""
    jobs = [
        Job(
            part.writer.name,
            part.endpoint,
            (Item(r.key, r.body, r.tokens_in) for r in part.requests),
            part.limits,
            path_of(part.writer),
            len(part.requests),
        )
        for part in ready.plan.parts(settings)
    ]
    stopped, _ = send(jobs, store, settings.retries, progress) if jobs else ([], 0)
    if len(ready.plan.missing) > settings.max_requests:
        stopped.append(f"generate.max_requests = {settings.max_requests:,} is reached")
    return stopped


def rows(
    ready: PreparedTexts,
    known: Mapping[bytes, Entry],
    failed: Mapping[bytes, str],
    run: dict[str, Any],
) -> list[dict[str, Any]]:
    """Returns schema.TEXTS of every request, including those without a text."""
    requests = ready.plan.requests
    writers = {request.writer.name: request.writer for request in requests}
    endpoints = {name: writer.endpoints()[0] for name, writer in writers.items()}
    blocks = block_of([request.brief.prompt_id for request in requests])
    splits = [SPLITS[place] for place in split_of(np.asarray(blocks))]
    made = ready.template.fingerprint
    names: dict[int, str] = {}  # by identity: requests share their settings
    found = []
    for request, split in zip(requests, splits, strict=True):
        setting = names.get(id(request.setting)) or names.setdefault(
            id(request.setting), setting_name(request.setting)
        )
        row = {**run, **_of_request(request, setting), "template": made, "split": split}
        entry = known.get(request.key)
        if entry is None:
            row |= {"problem": failed.get(request.key, NOT_ASKED), "cost": 0.0, "attempts": 0}
        else:
            said = entry.said
            row |= {
                "text": said.text,
                "problem": said.problem,
                "finish_reason": said.finish_reason,
                "served": said.served,
                "tokens_in": said.tokens_in,
                "tokens_out": said.tokens_out,
                "cost": price(endpoints[request.writer.name], said.tokens_in, said.tokens_out),
                "seconds": entry.seconds,
                "attempts": entry.attempts,
                "at": entry.at,
            }
        found.append(row)
    return found


def _of_request(request: TextRequest, setting: str) -> dict[str, Any]:
    brief = request.brief
    return {
        "doc_id": request.key.hex(),
        "prompt_id": brief.prompt_id,
        "prompt": brief.prompt,
        "stratum": brief.stratum,
        "text": None,
        "model": request.writer.name,
        "setting": setting,
        "sampler": list(request.setting.items()),
        "seed": request.seed,
        "sample": request.sample,
        "finish_reason": "",
        "problem": None,
        "tokens_in": 0,
        "tokens_out": 0,
        "target_tokens": brief.target_tokens,
        "served": "",
        "revision": request.writer.revision,
        "seconds": 0.0,
        "at": "",
    }


def told(
    ready: PreparedTexts, found: Sequence[dict[str, Any]], stopped: list[str], settings: Generate
) -> dict[str, Any]:
    """Returns the manifest's entry `generate`."""
    names = {writer.name: writer.model or writer.name for writer in settings.models}
    unanswered = sum(not row["at"] for row in found)
    early = bool(stopped) or unanswered > _MOST_UNANSWERED * len(found)
    return {
        "requests": len(found),
        "texts": sum(row["text"] is not None for row in found),
        "unanswered": unanswered,
        "in_part": early and unanswered > 0,
        "stored_before": len(found) - len(ready.plan.missing),
        "stopped": stopped,
        "warnings": warnings(found, names),
        "cost": sum(row["cost"] for row in found),
        "template": ready.template.fingerprint,
        "estimates": [asdict(one) for one in ready.plan.estimates],
    }


def batch_requests(ready: PreparedTexts, settings: Generate) -> dict[str, Any]:
    """Returns keys and bodies of what is missing, by model, for batch files."""
    missing = ready.plan.missing[: settings.max_requests]
    return {
        writer.name: ((r.key, r.body) for r in missing if r.writer.name == writer.name)
        for writer in settings.models
        if not writer.local
    }
