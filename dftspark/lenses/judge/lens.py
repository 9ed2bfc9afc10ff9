"""Stages of the judge lens: pairs, their cost, asking, and the numbers that follow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dftspark import schema
from dftspark.config import Audit
from dftspark.endpoints.keys import key_of
from dftspark.endpoints.plan import SpendEstimate
from dftspark.endpoints.store import AnswerStore, job
from dftspark.errors import EnvironmentProblem
from dftspark.judge import picks
from dftspark.judge.judgements import judgements
from dftspark.judge.pairs import Pair, sampled
from dftspark.judge.plan import VerdictPlan
from dftspark.judge.prompts import Prompts
from dftspark.judge.requests import planned
from dftspark.judge.verdicts import KIND
from dftspark.lenses.judge.compared import VERSION, Judged, OfModel, judged
from dftspark.lenses.lens import Compared, Lens, Pairing
from dftspark.lenses.metric import measured
from dftspark.making import Making

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dftspark.spark.rows import Session

NO_JUDGE = {"asked": "no judge: judge.endpoints is empty"}  # the manifest's entry then
Announce = Callable[[list[SpendEstimate]], None]


@dataclass(frozen=True)
class Asking:
    """Settings for asking judges. `announce` gets the estimated cost before anything is sent.

    ask     False: only verdicts that are stored already
    again   resend requests of a killed run that were never answered
    """

    ask: bool = True
    again: bool = False
    announce: Announce | None = None


@dataclass(frozen=True)
class PreparedPairs:
    pairs: list[Pair]
    prompts: Prompts
    plan: VerdictPlan


class JudgeLens(Lens):
    name = "judge"
    tables = ("judgements", "win_rates")

    def check(self, spark: Session, config: Audit, order: Asking | None = None) -> None:
        check(config, order is None or order.ask)

    def compare(self, making: Making, state: None, pairing: Pairing) -> Compared:
        if not (making.config.judge.endpoints or making.config.judge.picks):
            return Compared(manifest={"judge": NO_JUDGE})
        if pairing.texts is None:
            return Compared()
        order = making.orders.get(self.name) or Asking()
        found, told = judge(making, pairing.texts.documents, order)
        rows = [
            {
                **measured(of.model, of.stratum, (of.pairs, of.pairs), of.metrics),
                "fingerprint": VERSION,
            }
            for of in found
        ]
        return Compared(rows, {"judge": told})

    def better(self, metric: str) -> str:
        return "higher" if metric.startswith("judge") else "parity"

    def told_in_prompts(self, metric: str, several: bool) -> bool:
        return True


def check(config: Audit, asking: bool = True) -> None:
    """Raises before any work is done the errors that asking judges would raise.

    ConfigError for prompts and the store, EnvironmentProblem for a key that is not there.
    """
    if config.judge.picks is not None:
        picks.read(config.judge.picks, (), {})
    if not config.judge.endpoints:
        return
    Prompts.load(config.judge.dimensions, config.judge.prompts)
    AnswerStore.of(config.verdict_store, KIND)
    if not asking:
        return
    for endpoint in config.judge.endpoints:
        key_of(endpoint)
    try:
        import urllib3  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(
            "judges are asked through urllib3: pip install 'dftspark[judge]'"
        ) from error


def prepare(making: Making, documents: DataFrame, again: bool = False) -> PreparedPairs:
    """Returns the pairs, and the requests whose verdicts the store lacks. Sends nothing."""
    from dftspark.lenses.judge import spark_asking as judge

    config = making.config
    with making.stage("pair texts"):
        found = judge.candidates(documents, config)
        pairs = sampled(found, config.human, config.judge)
        prompts = Prompts.load(config.judge.dimensions, config.judge.prompts)
        requests = list(planned(pairs, prompts, config.judge))
        known = AnswerStore.of(config.verdict_store, KIND).load({r.key for r in requests})
        return PreparedPairs(pairs, prompts, VerdictPlan.of(requests, known, config.judge, again))


def judge(
    making: Making, documents: DataFrame, how: Asking
) -> tuple[list[OfModel], dict[str, Any]]:
    """Asks what the store lacks, within the caps; writes judgements and win_rates, of readers'
    picks too.

    Returns the metrics of each model, and the manifest's entry `judge`.
    """
    config = making.config
    store = AnswerStore.of(config.verdict_store, KIND)
    failed: dict[bytes, str] = {}
    parts: list[dict[str, Any]] = []
    with ExitStack() as alone:
        if how.ask and config.judge.endpoints:
            alone.enter_context(store.held())
        ready = _unasked(config)
        if config.judge.endpoints:
            ready = prepare(making, documents, how.again)
        if how.announce:
            how.announce(list(ready.plan.estimates))
        if how.ask and ready.plan.missing:
            parts = _ask(making, store, ready)
            failed = store.take_in()
    keys = {request.key for request in ready.plan.requests}
    run = {"run_id": making.writer.id, "date": making.date, "human": config.human}
    with making.stage("count verdicts"):
        table = judgements(
            ready.plan.requests, ready.pairs, store.load(keys), failed, config.judge, run
        )
        picked = _picked(config, run)
        table = pa.concat_tables([table, picked.judgements])
        making.writer.write("judgements", table)
        found = judged(table, config.inference)
        rates = [{**run, **row} for row in found.rates]
        making.writer.write("win_rates", pa.Table.from_pylist(rates, schema=schema.WIN_RATES))
    stopped = {f"{part['judge']}: {part['stopped']}" for part in parts if part["stopped"]}
    if how.ask and len(ready.plan.missing) > config.judge.max_requests:
        stopped.add(f"judge.max_requests = {config.judge.max_requests:,} is reached")
    told = _manifest(ready, table, found, parts, sorted(stopped))
    if picked.others:
        told["warnings"].append(
            f"{picked.others:,} picks in {config.judge.picks} are about models that this audit "
            f"lacks: {', '.join(picked.names)}"
        )
    return found.metrics, {**told, "picks": len(picked.judgements)}


def _unasked(config: Audit) -> PreparedPairs:
    prompts = Prompts.load(config.judge.dimensions, config.judge.prompts)
    return PreparedPairs([], prompts, VerdictPlan.of([], {}, config.judge))


def _picked(config: Audit, run: dict[str, Any]) -> picks.ReaderPicks:
    if config.judge.picks is None:
        return picks.ReaderPicks(schema.JUDGEMENTS.empty_table(), 0, ())
    models = [name for name, corpus in config.corpora.items() if corpus.role == "model"]
    return picks.read(config.judge.picks, models, run)


def _ask(making: Making, store: AnswerStore, ready: PreparedPairs) -> list[dict[str, Any]]:
    from dftspark.lenses.judge import spark_asking as judge

    settings, name = making.config.judge, job()
    parts = ready.plan.parts(settings)
    total = min(len(ready.plan.missing), settings.max_requests)

    def journals(number: int) -> Path:
        return store.journal(name, number)

    with making.stage("ask judges", store, total, "verdicts"):
        return judge.ask(making.session, parts, ready.pairs, ready.prompts, settings, journals)


def _manifest(
    ready: PreparedPairs,
    table: pa.Table,
    found: Judged,
    parts: list[dict[str, Any]],
    stopped: list[str],
) -> dict[str, Any]:
    errors = pc.value_counts(table["error"].drop_null()).to_pylist()
    counts = {str(row["values"]): int(row["counts"]) for row in errors}
    asked = pa.array([request.key.hex() for request in ready.plan.missing], pa.string())
    now = table.filter(pc.is_in(table["key"], asked))
    unanswered = int(pc.sum(pc.equal(table["at"], "")).as_py() or 0)
    kinds: dict[str, int] = {}
    for pair in ready.pairs:
        kinds[pair.kind] = kinds.get(pair.kind, 0) + 1
    return {
        "fingerprint": VERSION,
        "prompts": {"fingerprint": ready.prompts.fingerprint, "versions": ready.prompts.versions},
        "pairs": kinds,
        "length_scale": found.length_scale,
        "requests": len(ready.plan.requests),
        "stored_before": len(ready.plan.requests) - len(ready.plan.missing),
        "sent": sum(part["requests"] for part in parts),
        "answered": sum(part["answered"] for part in parts),
        **{name: pc.sum(table[name]).as_py() or 0 for name in ("tokens_in", "tokens_out", "cost")},
        "cost_now": pc.sum(now["cost"]).as_py() or 0,
        "errors": counts,
        "unanswered": unanswered,
        "stopped": stopped,
        "estimates": [asdict(estimate) for estimate in ready.plan.estimates],
        "kappas": found.kappas,
        "warnings": found.warnings,
    }
