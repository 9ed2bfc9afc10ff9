"""Requests as files for a batch interface, and its results back into the store of answers.

The form is that of OpenAI's batches: each request is a line {"custom_id", "method", "url", "body"},
and each result a line {"custom_id", "response": {"status_code", "body"}, "error"}. The custom_id is
the key of the request, so a result finds its place whatever its order and whoever sent it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dftspark.endpoints.answers import Hide, Parse
from dftspark.endpoints.journal import Entry
from dftspark.endpoints.protocol import KEY_BYTES, PATH
from dftspark.endpoints.store import AnswerStore
from dftspark.errors import ConfigError, EnvironmentProblem, InputError

LINES, BYTES = 50_000, 190 << 20  # per file, within the interface's limits
_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")
Request = tuple[bytes, bytes]  # key and body


def export(requests: Mapping[str, Iterable[Request]], folder: Path) -> list[tuple[Path, int]]:
    """Writes the requests of each endpoint, by its name, into new files of `folder`; returns each
    file with its number of requests.

    A file is for one endpoint and within the interface's limits. Raises EnvironmentProblem where
    files cannot be written, ConfigError where they exist already.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, own in requests.items():
            lines = (_line(key, body) for key, body in own)
            for number, part in enumerate(_parts(lines)):
                path = folder / f"{name}-{number:03d}.jsonl"
                with path.open("xb") as file:
                    file.writelines(part)
                written.append((path, len(part)))
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} is there already; give an empty folder") from error
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {folder}: {error.strerror}") from error
    return written


def _line(key: bytes, body: bytes) -> bytes:
    head = f'{{"custom_id":"{key.hex()}","method":"POST","url":"/v1{PATH}","body":'
    return head.encode() + body + b"}\n"


def _parts(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and (len(part) == LINES or size + len(line) > BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


def ingest(paths: Sequence[Path], store: AnswerStore, parse: Parse, hide: Hide) -> str:
    """Adds results to the store; returns a message with the counts.

    A result with status 200 becomes an answer, or the reason why there is none; others are left
    out, and asked again when the endpoint is asked next. Raises InputError for a file that is not
    of this form, and where there are no lines.
    """
    found: dict[bytes, Entry] = {}
    lines = failed = strange = 0
    for path in paths:
        try:
            with path.open("rb") as file:
                for line in file:
                    if not line.strip():
                        continue
                    lines += 1
                    key, entry = _result(line, parse, hide)
                    if key is None:
                        strange += 1
                    elif entry is None:
                        failed += 1
                    else:
                        found.setdefault(key, entry)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
    if not found and not failed:
        raise InputError(
            f"{', '.join(map(str, paths))}: none of {lines:,} lines is a result of a request that "
            f"--export-batch wrote: a JSON object with custom_id and response"
        )
    with store.held():
        known = store.load(set(found))
        fresh = {
            key: entry for key, entry in found.items() if key not in known or known[key].unheard
        }
        store.add(fresh)
    return (
        f"{len(fresh):,} {store.kind.plural} taken in, {len(found) - len(fresh):,} were there "
        f"already, {failed:,} requests failed, {strange:,} lines were not of this form"
    )


def _result(line: bytes, parse: Parse, hide: Hide) -> tuple[bytes | None, Entry | None]:
    try:
        document: dict[str, Any] = json.loads(line)
        name, response = document["custom_id"], document.get("response")
        if not _KEY.fullmatch(name):
            return None, None
        key = bytes.fromhex(name)
        if response is None or response["status_code"] != 200:
            return key, None
        body = json.dumps(response["body"]).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return key, Entry(parse(body, hide), attempts=1, at=now)
