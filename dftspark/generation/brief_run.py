"""A run of `dftspark briefs`: makes briefs of human documents by an endpoint that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dftspark import schema
from dftspark.choose.splits import SPLITS, split_of
from dftspark.config.briefs import BriefMaking, Briefs
from dftspark.config.generate import Writer
from dftspark.corpus.blocks import block_of
from dftspark.endpoints.asking import Item
from dftspark.endpoints.budget import Limits, price
from dftspark.endpoints.journal import Entry
from dftspark.endpoints.keys import key_of as secret_of
from dftspark.endpoints.protocol import tokens
from dftspark.endpoints.store import AnswerStore
from dftspark.errors import ConfigError, InputError
from dftspark.generation import reading
from dftspark.generation.asking import Job, send
from dftspark.generation.briefs import rows_of
from dftspark.generation.reading import HumanText
from dftspark.generation.requests import key_of, path_of
from dftspark.generation.run import manifest
from dftspark.generation.texts import KIND
from dftspark.location import Location
from dftspark.progress import Events, Progress
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

RUN_KIND = "briefs"
_CHARACTERS_A_TOKEN = 4.5  # of English
_SEED = 0  # a reading has no samples
_SHOWN = 5
CLEAN, BRIEF = "clean", "brief"


def make(config: BriefMaking, progress: Progress | None = None) -> Run:
    """Asks for what the store lacks, within the caps; makes a run with briefs, cleaned and
    briefless.

    Every document is in `briefs` and `cleaned`, or in `briefless` with the reason. Raises
    InputError for unusable documents, ConfigError for a model without an address.
    """
    settings = config.briefs
    if settings.model.local:
        raise ConfigError("briefs.model: documents are read by an endpoint; give it urls")
    secret_of(settings.model.endpoints()[0])
    documents = read(settings)
    store = AnswerStore.of(config.store, KIND)
    out = Location.parse(config.out)
    if out.local:
        Path(out.path).mkdir(parents=True, exist_ok=True)
    with store.held():
        whole = Limits(settings.max_requests, settings.max_tokens, settings.max_cost)
        first, stopped, left = _heard(documents, _clean_body, settings, store, progress, whole)
        own, wrong = _cleaned(documents, first, settings)
        clean = [found for _, found in own]
        second, more, _ = _heard(clean, _brief_body, settings, store, progress, left)
        made, refused = _each(
            clean,
            second,
            BRIEF,
            lambda d, said: reading.brief_of(d, said, settings.without_outline, settings.most_leak),
        )
        writer = RunWriter.create(config.out, config.name)
        try:
            return _published(
                writer, config, documents, made, [*wrong, *refused], sorted({*stopped, *more})
            )
        except BaseException:
            writer.give_up()
            raise


def lacking(config: BriefMaking) -> tuple[str, dict[str, list[tuple[bytes, bytes]]]]:
    """Returns the stage that is next and what the store lacks of it, as keys and bodies by model.

    All documents are cleaned before any is described, for a brief is made of what cleaning left.
    """
    settings = config.briefs
    store = AnswerStore.of(config.store, KIND)
    documents = read(settings)
    for stage, body in ((CLEAN, _clean_body), (BRIEF, _brief_body)):
        asked = _asked(documents, body, settings)
        known = store.load({key for key, _ in asked.values()})
        left = [one for one in asked.values() if one[0] not in known]
        if left or stage == BRIEF:
            return stage, {settings.model.name: left[: settings.max_requests]}
        heard = {name: known[key] for name, (key, _) in asked.items()}
        documents = [found for _, found in _cleaned(documents, heard, settings)[0]]
    raise AssertionError


def _cleaned(
    documents: Sequence[HumanText], heard: dict[str, Entry], settings: Briefs
) -> tuple[list[tuple[HumanText, Any]], list[dict[str, str]]]:
    return _each(
        documents, heard, CLEAN, lambda d, said: reading.cleaned(d, said, settings.most_dropped)
    )


def read(settings: Briefs) -> list[HumanText]:
    """Returns the documents. Raises InputError with the rows that lack a name or text, or repeat a
    name."""
    columns = settings.columns
    found: dict[str, HumanText] = {}
    wrong: list[str] = []
    for number, row in enumerate(rows_of(Path(settings.documents), "briefs.documents"), 1):
        name, text = (row.get(column) for column in (columns.doc_id, columns.text))
        if not isinstance(name, str | int) or not isinstance(text, str) or not text.strip():
            wrong.append(f"row {number}: no {columns.doc_id!r} or no {columns.text!r}")
        elif str(name) in found:
            wrong.append(f"row {number}: {columns.doc_id} {name!r:.60} came before")
        elif len(text) > settings.most_characters:
            wrong.append(f"row {number}: {len(text):,} characters, more than most_characters")
        else:
            plain = text.replace("\0", "").replace("\r\n", "\n").encode("utf-8", "replace")
            stratum = str(row.get(columns.stratum) or "")
            found[str(name)] = HumanText(str(name), plain.decode(), stratum)
    if wrong or not found:
        more = f"\n  and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        said = "\n  ".join(wrong[:_SHOWN]) or "there is no row"
        raise InputError(f"briefs.documents: {settings.documents}:\n  {said}{more}")
    return list(found.values())


def _clean_body(document: HumanText, settings: Briefs) -> bytes:
    return _body(settings.model, reading.clean_prompt(document), reading.CLEAN_SCHEMA)


def _brief_body(document: HumanText, settings: Briefs) -> bytes:
    asked = reading.brief_prompt(document, settings.without_outline)
    return _body(settings.model, asked, reading.BRIEF_SCHEMA)


def _body(writer: Writer, prompt: str, properties: dict[str, Any]) -> bytes:
    form = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    body = {
        "model": writer.model,
        "max_tokens": writer.max_tokens,
        "temperature": 0.0,
        "messages": [{"role": "user", "content": prompt}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": form},
        },
    }
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _asked(
    documents: Sequence[HumanText], body: Callable[[HumanText, Briefs], bytes], settings: Briefs
) -> dict[str, tuple[bytes, bytes]]:
    """Returns key and body of the request about each document, by its name."""
    bodies = {document.doc_id: body(document, settings) for document in documents}
    return {name: (key_of(settings.model, _SEED, own), own) for name, own in bodies.items()}


def _heard(
    documents: Sequence[HumanText],
    body: Callable[[HumanText, Briefs], bytes],
    settings: Briefs,
    store: AnswerStore,
    progress: Progress | None,
    limits: Limits,
) -> tuple[dict[str, Entry], list[str], Limits]:
    """Returns the answer to each document, by its name; why some were not asked; and what may still
    be spent."""
    writer = settings.model
    asked = _asked(documents, body, settings)
    keys = {name: key for name, (key, _) in asked.items()}
    known = store.load(set(keys.values()))
    missing = [name for name, key in keys.items() if key not in known][: limits.requests]
    endpoints = writer.endpoints()
    parts: list[list[str]] = [[] for _ in endpoints]
    for name in missing:
        parts[keys[name][0] % len(endpoints)].append(name)
    sizes = [float(len(part)) for part in parts]
    jobs = [
        Job(
            writer.name,
            endpoint,
            [Item(*asked[name], tokens(asked[name][1])) for name in part],
            share,
            path_of(writer),
            len(part),
        )
        for endpoint, part, share in zip(
            endpoints, parts, limits.split(sizes, sizes, sizes), strict=True
        )
        if part
    ]
    stopped: list[str] = []
    if jobs:
        before = set(known)
        try:
            stopped, sent = send(jobs, store, settings.retries, progress or Events())
        finally:
            store.take_in()
        known = store.load(set(keys.values()))
        new = [entry.said for key, entry in known.items() if key not in before]
        read, wrote = sum(one.tokens_in for one in new), sum(one.tokens_out for one in new)
        limits = Limits(
            max(limits.requests - sent, 0),
            max(limits.tokens - read - wrote, 0),
            max(limits.cost - price(endpoints[0], read, wrote), 0.0),
        )
    return {name: known[key] for name, key in keys.items() if key in known}, stopped, limits


def _each(
    documents: Sequence[HumanText],
    heard: dict[str, Entry],
    stage: str,
    use: Callable[[HumanText, str], Any],
) -> tuple[list[tuple[HumanText, Any]], list[dict[str, str]]]:
    """Returns the result of `use` for each document and its answer, and why some have none."""
    found: list[tuple[HumanText, Any]] = []
    wrong: list[dict[str, str]] = []
    for document in documents:
        entry = heard.get(document.doc_id)
        said = entry.said.text if entry is not None else None
        try:
            if said is None:
                raise ValueError("not asked" if entry is None else entry.said.problem)
            found.append((document, use(document, said)))
        except ValueError as error:
            wrong.append({"doc_id": document.doc_id, "stage": stage, "reason": str(error)})
    return found, wrong


def _published(
    writer: RunWriter,
    config: BriefMaking,
    documents: Sequence[HumanText],
    made: Sequence[tuple[HumanText, dict[str, Any]]],
    wrong: Sequence[dict[str, str]],
    stopped: list[str],
) -> Run:
    run = {"run_id": writer.id, "date": ""}
    lines = {document.doc_id: len(document.lines) for document in documents}
    tables = {
        "briefs": [{**run, **row} for row in _briefs(made)],
        "cleaned": [
            {
                **run,
                "doc_id": d.doc_id,
                "prompt_id": d.doc_id,
                "text": d.text,
                "stratum": d.stratum,
                "dropped": lines[d.doc_id] - len(d.lines),
            }
            for d, _ in made
        ],
        "briefless": [{**run, **row} for row in wrong],
    }
    for name, rows in tables.items():
        writer.write(name, pa.Table.from_pylist(rows, schema=schema.TABLES[name]))
    unasked = sum(row["reason"] == "not asked" for row in wrong)
    told = {
        "documents": len(documents),
        "briefs": len(made),
        "briefless": len(wrong),
        "requests": len(documents),
        "unanswered": unasked,
        "stopped": stopped,
        "in_part": unasked > 0,
    }
    return writer.publish(manifest(RUN_KIND, config, told))


def _briefs(made: Sequence[tuple[HumanText, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    blocks = block_of([document.doc_id for document, _ in made])
    for (document, fields), place in zip(made, split_of(np.asarray(blocks)), strict=True):
        size = max(round(len(document.text) / _CHARACTERS_A_TOKEN), 1)
        yield {
            **fields,
            "prompt_id": document.doc_id,
            "target_tokens": size,
            "em_dashes": "\N{EM DASH}" in document.text,
            "stratum": document.stratum,
            "split": SPLITS[place],
        }
