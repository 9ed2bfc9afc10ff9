"""Runs with every table that a page draws, written without Spark."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dftspark import schema
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
BIDI = "abc \u202e txet neddih \u2066 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \x1b[31m \u200b"
HUGE = "W" * 5_000
ZALGO = "z" + "\u0351\u0334" * 400
HOSTILE = (SCRIPT, BIDI, HUGE, ZALGO, "'\"><svg/onload=alert(1)>", "{{ 7 * 7 }}", "]]>--><b>bold")
_MAP = {"cells": 48, "explained": [0.12, 0.07], "axes": "principal components of the pilot"}


def row(table: str, **values: Any) -> dict[str, Any]:
    """A row of the table with something in each column that is not given."""
    return {**_filled(table), **values}


@cache
def _filled(table: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in schema.TABLES[table]:
        kind = column.type
        found[column.name] = (
            ""
            if pa.types.is_string(kind)
            else 0.5
            if pa.types.is_floating(kind)
            else 7
            if pa.types.is_integer(kind)
            else True
            if pa.types.is_boolean(kind)
            else []
        )
    return {**found, "human": "web", "stratum": ""} if "human" in found else found


METRICS = {
    "ngrams": ("js_1gram", "l2_1gram", "l2_squared_corrected_1gram", "js_2gram", "tv_1gram"),
    "embeddings": ("mmd_squared", "mmd", "energy_distance", "frechet_corrected", "c2st_auc"),
    "structure": ("structure_omnibus", "structure_outside", "structure_factor"),
}
NAN, INF = float("nan"), float("inf")
_SIZES = {"ngrams": 1.0, "embeddings": 1.5, "structure": 0.5}  # of what is asked for, by lens
_UNSIZED = ("frechet_corrected", "structure_outside", "structure_factor")


def metrics(
    model: str, n: float = 100.0, stratum: str = "", told: bool = True, **more: Any
) -> list[dict[str, Any]]:
    """Rows of every lens that tell the model at n documents by words, by structure at half as many;
    of a model that is not told, at more than n."""
    return [
        row(
            "metrics",
            model=model,
            stratum=stratum,
            lens=lens,
            metric=name,
            value=0.7 / n,
            ci_low=0.65 / n,
            ci_high=0.75 / n,
            p_value=1e-6 if told else 0.4,
            floor=NAN if name == "c2st_auc" else 0.35 / n if told else 1.4 / n,
            ratio_to_floor=NAN if name == "c2st_auc" else 2.0 if told else 0.5,
            blocks=64,
            n_human=4_000,
            n_model=3_000,
            unit="rate",
            better="lower",
            fingerprint="f",
            **(
                {"n_tell": NAN, "n_tell_low": NAN, "n_tell_high": NAN, "n_tell_unit": ""}
                if name in _UNSIZED
                else sized(n * _SIZES[lens], told)
            ),
            **more,
        )
        for lens, names in METRICS.items()
        for name in names
    ]


def sized(n: float, told: bool = True) -> dict[str, Any]:
    """The columns of a tell size; of a measure that tells nothing, of more than n."""
    return {
        "n_tell": n if told else INF,
        "n_tell_low": 0.75 * n if told else n,
        "n_tell_high": 1.3 * n if told else INF,
        "n_tell_unit": "documents",
    }


def ngrams(model: str, texts: Sequence[str], n: int = 1, stratum: str = "") -> list[dict[str, Any]]:
    """Shares fall by halves and sum to 1 with that of the remainder."""
    share = [0.5 ** (i + 1) for i in range(len(texts))]
    listed = [
        row(
            "ngrams",
            model=model,
            stratum=stratum,
            n=n,
            text=text,
            tokens=text.split()[:5],
            per_million_human=120.0,
            per_million_model=480.0 if i % 2 else 10.0,
            log_odds=1.4 if i % 2 else -2.0,
            q_value=0.001,
            contribution=share[i] * (1 if i % 2 else -1),
            share=share[i],
        )
        for i, text in enumerate(texts)
    ]
    rest = row(
        "ngrams",
        model=model,
        stratum=stratum,
        n=n,
        text=None,
        share=1 - sum(share),
        contribution=1 - sum(share),
    )
    return [*listed, rest]


def tables(models: Sequence[str], texts: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All tables of these models, with `texts` wherever text of a document or a name stands."""
    some = list(itertools.islice(itertools.cycle(texts), 12))
    rng = np.random.default_rng(0)
    names = [
        "metrics",
        "ngrams",
        "document_ratios",
        "regions",
        "witness",
        "copies",
        "patterns",
        "cloud_map",
        "variety",
        "differences",
        "checks",
        "comparability",
    ]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    corpora = [("web", "human"), *((model, "model") for model in models)]
    for number, (corpus, role) in enumerate(corpora):
        for region, x, y in rng.normal([0, 24, 24], [2, 6, 6], (300, 3)).astype(int):
            found["cloud_map"].append(
                row(
                    "cloud_map",
                    corpus=corpus,
                    role=role,
                    region=abs(int(region)) % 3,
                    x=min(max(int(x) + number, 0), 47),
                    y=min(max(int(y), 0), 47),
                    documents=3,
                )
            )
    for number, model in enumerate(models):
        found["metrics"] += metrics(model, 100.0 / (1 + number))
        found["ngrams"] += ngrams(model, some) + ngrams(model, [f"{t} x" for t in some], 2)
        found["document_ratios"] += [
            row(
                "document_ratios",
                model=model,
                token=f"a{text}",
                share_human=0.01,
                share_model=0.3,
                ratio=30.0 - i,
                p_value=1e-5,
                q_value=1e-4,
            )
            for i, text in enumerate(some)
        ]
        found["regions"] += [
            row(
                "regions",
                model=model,
                region=r,
                share_human=0.3,
                share_model=0.36,
                mass=0.01,
                within=0.02,
                q_value=0.001,
                label=some[:4],
            )
            for r in range(3)
        ]
        found["witness"] += [
            row(
                "witness",
                model=model,
                side=side,
                end=end,
                rank=rank,
                doc_id=some[rank],
                excerpt=some[rank],
            )
            for side, end in itertools.product(("human", "model"), ("model_like", "human_like"))
            for rank in range(1, 6)
        ]
        found["patterns"] += [
            row(
                "patterns",
                model=model,
                pattern=f"construction_{i}",
                group="contrast",
                kind="pattern",
                definition="a correction: not X but Y",
                unit="per 1,000 words",
                rate_human=1.0,
                rate_model=1.0 * ratio,
                ratio=ratio,
                ci_low=0.8 * ratio,
                ci_high=1.25 * ratio,
                band=0.2,
                outside=not 0.8 < ratio < 1.2,
                precision=0.9,
                q_value=0.3 if 0.8 < ratio < 1.2 else 0.001,
                example_human=some[i % 12],
                example_model=some[(i + 1) % 12],
                example_human_id="h",
                example_model_id="m",
                examples_human=[some[(i + k) % 12] for k in range(2)],
                examples_model=[some[(i + 1 + k) % 12] for k in range(5)],
                examples_human_id=["h", "h2"],
                examples_model_id=["m", *(f"m{k}" for k in range(2, 6))],
            )
            for i, ratio in enumerate(np.geomspace(0.1, 10, 30).tolist())
        ]
        found["copies"] += [
            row(
                "copies",
                model=model,
                side="model",
                doc_id=text,
                neighbor_id=text,
                cosine=0.97,
                overlap=0.9 - i / 100,
                excerpt=text,
                neighbor_excerpt=text,
            )
            for i, text in enumerate(some)
        ]
        found["variety"] += [
            row(
                "variety",
                model=model,
                metric=name,
                unit="share of n-grams",
                better="parity",
                human_value=human,
                human_low=0.9 * human,
                human_high=1.1 * human,
                value=0.7,
                ci_low=0.6,
                ci_high=0.8,
            )
            for name, human in (("distinct_1", 0.8), ("self_bleu", 0.5), ("chrf", float("nan")))
        ]
        found["differences"] += [
            row(
                "differences",
                model=model,
                other=other,
                lens="ngrams",
                metric="l2_squared_corrected_1gram",
                value=0.01,
                value_other=0.02,
                difference=-0.01,
                ci_low=-0.012,
                ci_high=-0.008,
                nearer=model,
                unit="rate",
            )
            for other in models[number + 1 :]
        ]
        found["checks"] += [
            row("checks", model=model, rule=some[i], outcome=outcome, detail=some[i])
            for i, outcome in enumerate(("pass", "fail", "unknown", "warn"))
        ]
        found["comparability"] += [
            row(
                "comparability",
                model=model,
                property=f"token {text}",
                unit="share of documents",
                value_human=0.0,
                value_model=0.01,
                advice=text,
            )
            for text in some[:7]
        ]
    found["corpora"] = [
        row("corpora", corpus=corpus, role=role, documents=4_000, clusters=4_000, tokens=3_100_000)
        for corpus, role in corpora
    ]
    return found


def publish(
    out: Path | str,
    found: dict[str, list[dict[str, Any]] | pa.Table],
    name: str = "made",
    **manifest: Any,
) -> Run:
    writer = RunWriter.create(str(out), name)
    for table, rows in found.items():
        whole = (
            rows
            if isinstance(rows, pa.Table)
            else pa.Table.from_pylist(rows, schema=schema.TABLES[table])
        )
        writer.write(table, whole)
    config = {"inference": {"confidence": 0.95, "seed": 0}}
    return writer.publish(
        {
            "name": name,
            "date": "2026-11-22",
            "kind": "audit",
            "config": config,
            "embedding": {"map": _MAP},
            "versions": {"python": "3.11"},
            "seconds": {"read": 1.0},
            **manifest,
        }
    )


def made(
    out: Path, models: Sequence[str] = ("gpt",), texts: Sequence[str] = HOSTILE, **manifest: Any
) -> Run:
    return publish(out, tables(models, texts), **manifest)


def aged(run: Run) -> Run:
    """The run as it would have been written before there were tell sizes."""
    for name, gone in (("metrics", "n_tell"), ("document_ratios", "_value")):
        file = Path(run.path) / f"{name}.parquet"
        if file.is_file():
            table = pq.read_table(file)
            columns = [c for c in table.column_names if not c.startswith(gone)]
            if name == "document_ratios":
                columns = [c for c in columns if not c.endswith(gone)]
                table = table.append_column("ratio_floor", pa.array([1.5] * len(table)))
                columns.append("ratio_floor")
            pq.write_table(table.select(columns), file)
    return _resized(run)


def without(run: Run, table: str, prefix: str) -> Run:
    """The run as it would have been written before the table had the columns of that prefix."""
    file = Path(run.path) / f"{table}.parquet"
    whole = pq.read_table(file)
    later = [name for name in whole.column_names if name.startswith(prefix)]
    pq.write_table(whole.drop_columns(later), file)
    return _resized(run)


def _resized(run: Run) -> Run:
    path = Path(run.path) / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name, said in manifest["tables"].items():
        said["bytes"] = (Path(run.path) / f"{name}.parquet").stat().st_size
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return open_run(str(Path(run.path).parent), run.id)
