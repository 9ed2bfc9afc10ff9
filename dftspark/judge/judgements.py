"""The table of judgements: every request of a run and its result, in terms of the sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dftspark import schema
from dftspark.config import Judge
from dftspark.endpoints.answers import NOT_ASKED
from dftspark.endpoints.budget import price
from dftspark.endpoints.journal import Entry
from dftspark.judge.pairs import Pair
from dftspark.judge.requests import VerdictRequest
from dftspark.judge.verdicts import Verdict

_ROWS = 20_000  # held as dictionaries at once


def judgements(
    requests: Sequence[VerdictRequest],
    pairs: Sequence[Pair],
    known: Mapping[bytes, Entry],
    failed: Mapping[bytes, str],
    settings: Judge,
    run: dict[str, Any],
) -> pa.Table:
    """Returns schema.JUDGEMENTS; `run` has run_id, date and human."""
    by_id = {pair.pair_id: pair for pair in pairs}
    endpoints = {endpoint.name: endpoint for endpoint in settings.endpoints}
    tables = []
    for start in range(0, len(requests), _ROWS):
        rows = []
        for request in requests[start : start + _ROWS]:
            pair, entry = by_id[request.pair_id], known.get(request.key)
            row = {**run, **_of_pair(pair), **_of_request(request), **_nothing(failed, request)}
            if entry is not None:
                verdict = entry.said
                row |= _of_entry(entry, request)
                row["cost"] = price(endpoints[request.judge], verdict.tokens_in, verdict.tokens_out)
            rows.append(row)
        tables.append(pa.Table.from_pylist(rows, schema=schema.JUDGEMENTS))
    return pa.concat_tables(tables) if tables else schema.JUDGEMENTS.empty_table()


def _of_pair(pair: Pair) -> dict[str, Any]:
    return {
        "model": pair.model,
        "stratum": pair.stratum,
        "kind": pair.kind,
        "against": pair.against,
        "pair_id": pair.pair_id,
        "cluster": pair.cluster,
        "model_id": pair.model_id,
        "against_id": pair.against_id,
        "model_characters": len(pair.model_text),
        "against_characters": len(pair.against_text),
    }


def _of_request(request: VerdictRequest) -> dict[str, Any]:
    return {
        "judge": request.judge,
        "dimension": request.dimension,
        "key": request.key.hex(),
        "order": "model_first" if request.model_first else "model_second",
    }


def _nothing(failed: Mapping[bytes, str], request: VerdictRequest) -> dict[str, Any]:
    return {
        "verdict": None,
        "odds": None,
        "error": failed.get(request.key, NOT_ASKED),
        "answer": "",
        "served": "",
        "tokens_in": 0,
        "tokens_out": 0,
        "cost": 0.0,
        "seconds": 0.0,
        "attempts": 0,
        "at": "",
    }


def _of_entry(entry: Entry, request: VerdictRequest) -> dict[str, Any]:
    verdict = entry.said
    return {
        "verdict": side(verdict, request.model_first),
        "odds": verdict.odds if request.model_first else -verdict.odds,
        "error": verdict.problem,
        "answer": verdict.raw,
        "served": verdict.served,
        "tokens_in": verdict.tokens_in,
        "tokens_out": verdict.tokens_out,
        "seconds": entry.seconds,
        "attempts": entry.attempts,
        "at": entry.at,
    }


def side(verdict: Verdict, model_first: bool) -> str | None:
    """Returns whose text A or B was."""
    if verdict.answer in (None, "tie"):
        return verdict.answer
    return "model" if (verdict.answer == "A") == model_first else "against"
