"""A judge's requests as files for a batch interface, and its results into the verdict store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dftspark.config import Audit, Judge
from dftspark.endpoints import batch
from dftspark.endpoints.keys import hiding_those_set
from dftspark.endpoints.store import AnswerStore
from dftspark.judge.pairs import Pair
from dftspark.judge.plan import VerdictPlan
from dftspark.judge.prompts import Prompts
from dftspark.judge.requests import encoded
from dftspark.judge.verdicts import KIND, parsing


def export(
    plan: VerdictPlan, pairs: Sequence[Pair], prompts: Prompts, settings: Judge, folder: Path
) -> list[tuple[Path, int]]:
    """Writes the requests that the store lacks, within the run's cap; raises what
    `endpoints.batch.export` raises.
    """
    texts = {pair.pair_id: pair for pair in pairs}
    missing = plan.missing[: settings.max_requests]
    requests = {
        endpoint.name: (
            (
                request.key,
                encoded(
                    endpoint,
                    prompts,
                    texts[request.pair_id],
                    request.dimension,
                    request.model_first,
                    settings.ties,
                ),
            )
            for request in missing
            if request.judge == endpoint.name
        )
        for endpoint in settings.endpoints
    }
    return batch.export(requests, folder)


def ingest(paths: Sequence[Path], config: Audit) -> str:
    """Adds results to the verdict store; raises what `endpoints.batch.ingest` raises."""
    store = AnswerStore.of(config.verdict_store, KIND)
    hide = hiding_those_set(config.judge.endpoints)
    return batch.ingest(paths, store, parsing(config.judge.ties), hide)
