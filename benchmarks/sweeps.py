"""Sampler sweeps over the reference corpora: samplers, super baseline and trade-offs of each.

    python benchmarks/sweeps.py [SWEEP ...]     results/sweeps/: NAME.txt, .csv

Each sweep is profiled once and compared from the stored profile. Corpora without a human side are
compared with human stories of biscope, which answer other prompts. The difference that all settings
share because of that is not due to a sampler; only differences between settings mean something.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dftspark import runs
from dftspark.config import Audit
from dftspark.spark.session import session
from dftspark.store.run import Run

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
RESULTS = HERE / "results"
STORE = Path(tempfile.gettempdir()) / "dftspark-sweeps-embeddings"
LISTS = ("first_half", "second_half", "left_out")
OTHERS = (
    "claude-3-opus-20240229",
    "cohere-command-r-plus",
    "gemini-1.0-pro",
    "gpt-4",
    "llama-2-7b-chat",
    "mistral-large",
)
GPT = "gpt-3.5-turbo"


def read(name: str) -> pa.Table:
    return pq.read_table(DATA / f"{name}.parquet")


def humans(table: pa.Table) -> pa.Table:
    return table.filter(pc.is_null(table["model"]))


def of(table: pa.Table, model: str) -> pa.Table:
    return table.filter(pc.equal(table["model"], model))


def stories() -> pa.Table:
    human = humans(read("biscope"))
    return human.filter(pc.equal(human["domain"], "creative"))


def by_temperature(**tables: pa.Table) -> dict[str, Any]:
    return {
        name: {
            "table": table,
            "split_by": ["temperature"],
            "columns": {"sampler": {"temperature": "temperature"}},
        }
        for name, table in tables.items()
    }


def jhu_exam() -> tuple[pa.Table, dict[str, Any], str | None]:
    """Returns seventeen temperatures of one model and four of six others, on one exam of 99
    prompts."""
    table = read("jhu_temp")
    own = of(table, GPT)
    exam = own.filter(pc.equal(own["temperature"], 1.2))["prompt_id"].unique()
    inside = table.filter(pc.is_in(table["prompt_id"], exam))
    tables = {model: of(inside, model) for model in (GPT, *OTHERS)}
    return humans(table), by_temperature(**tables), "gpt-4/0.7"


def jhu_full() -> tuple[pa.Table, dict[str, Any], str | None]:
    """Returns the six temperatures that have all four exams, 497 prompts."""
    table = read("jhu_temp")
    own = of(table, GPT)
    all_exams = pa.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    own = own.filter(pc.is_in(own["temperature"], all_exams))
    return humans(table), by_temperature(**{GPT: own}), None


def self_instruct() -> tuple[pa.Table, dict[str, Any], str | None]:
    table = read("self_instruct")
    family = table.filter(pc.is_valid(table["model"]))
    return (
        humans(table),
        {"davinci": {"table": family, "split_by": ["model"]}},
        ("davinci/text-davinci-003"),
    )


def slop_score() -> tuple[pa.Table, dict[str, Any], str | None]:
    """Returns the prompts that all models answered, which are stories: some models answered no
    others, and stories are nearer to human stories than essays are."""
    table = read("slop_score")
    prompts = set.intersection(
        *(set(of(table, m)["prompt_id"].to_pylist()) for m in set(table["model"].to_pylist()))
    )
    table = table.filter(pc.is_in(table["prompt_id"], pa.array(sorted(prompts))))
    models = {"table": table, "split_by": ["model"]}
    return stories(), {"models": models}, "models/gemma-3-27b-it-antislop"


def hax2() -> tuple[pa.Table, dict[str, Any], str | None]:
    table = read("hax2")
    creative = table.filter(pc.equal(table["domain"], "creative"))
    names = sorted(set(creative["model"].to_pylist()))
    return stories(), by_temperature(**{name: of(creative, name) for name in names}), None


def gpt3_temp() -> tuple[pa.Table, dict[str, Any], str | None]:
    return stories(), by_temperature(davinci=read("gpt3_temp")), None


SWEEPS = {f.__name__: f for f in (jhu_exam, jhu_full, self_instruct, slop_score, hax2, gpt3_temp)}


def audited(name: str, folder: Path, spark: Any) -> tuple[Run, dict[str, float]]:
    human, models, challenger = SWEEPS[name]()
    corpora: dict[str, Any] = {"human": {"table": human}} | models
    for corpus, settings in corpora.items():
        path = folder / f"{corpus}.parquet"
        pq.write_table(settings.pop("table"), path)
        settings |= {"role": "human" if corpus == "human" else "model", "path": str(path)}
    config = Audit.parse(
        {
            "name": name,
            "out": str(folder / "runs"),
            "corpora": corpora,
            "ngrams": {"orders": [1, 2, 3]},
            "embedding": {"embedder": "static", "store": str(STORE)},
            "inference": {"permutations": 199},
            "sweep": {"challenger": challenger} if challenger else {},
        },
        name,
    )
    started = time.monotonic()
    profiled = runs.profile(spark, config)
    between = time.monotonic()
    compared = runs.compare(spark, config, profiled)
    seconds = {"profile": between - started, "compare": time.monotonic() - between}
    return compared, seconds | dict(compared.manifest["seconds"])


def keep(name: str, table: pa.Table, to: str) -> None:
    rows = table.drop_columns([c for c in LISTS if c in table.column_names]).to_pylist()
    left = {"run_id", "date", "human"}
    folder = RESULTS / "sweeps"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}_{to}.csv").open("w", encoding="utf-8", newline="") as file:
        columns = [c for c in table.column_names if c not in left | set(LISTS)]
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row[c]) for c in columns] for row in rows)


def cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.5g}"
    return json.dumps(value) if isinstance(value, list) else value


def told(name: str, run: Run, seconds: dict[str, float]) -> list[str]:
    best = run.table("super_baseline").to_pylist()
    pairs = run.table("tradeoffs").to_pylist()
    stages = ", ".join(f"{stage} {took:.0f}" for stage, took in seconds.items())
    lines = [f"== {name} (seconds: {stages})"]
    for sweep in dict.fromkeys(row["sweep"] for row in best):
        own = [row for row in best if row["sweep"] == sweep and row["judged"]]
        lines.append(f"-- {sweep}")
        lines += ["   " + baseline(row, sweep) for row in own]
        mine = [row for row in pairs if row["sweep"] == sweep]
        for row in mine:
            if not row["metric"]:
                differ = sum(bool(r["differ"]) for r in mine if r["metric"])
                lines.append(
                    f"   one setting best by all {len(own)} measures: p {row['p_value']:.2g}; "
                    f"best settings differ beyond noise in {differ} of {len(mine) - 1} pairs"
                )
    return lines


def baseline(row: dict[str, Any], sweep: str) -> str:
    if row["best"] is None:
        return f"{row['metric']:30} no value"
    said = f"{row['metric']:30} best {short(row['best'], sweep):24} naive {row['naive']:.4g}"
    if row["honest"] is None:
        return f"{said}  too few prompts for halves"
    said += (
        f"  honest {row['honest']:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
        f"  optimism {round(row['optimism'], 12):.2g} (if all alike {row['optimism_if_alike']:.2g})"
        f"  may be best: {', '.join(short(c, sweep) for c in row['may_be_best'])}"
    )
    if row["verdict"]:
        said += (
            f"  challenger {row['challenger_value']:.4g}, difference {row['difference']:+.3g} "
            f"[{row['difference_low']:.3g}, {row['difference_high']:.3g}], "
            f"q {row['q_value']:.2g}: {row['verdict']}"
        )
    return said


def short(corpus: str, sweep: str) -> str:
    return corpus.removeprefix(f"{sweep}/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sweeps", nargs="*", choices=[[], *SWEEPS], help="all by default")
    chosen = parser.parse_args().sweeps or list(SWEEPS)
    target = RESULTS / "sweeps"
    target.mkdir(exist_ok=True)
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder, session("sweeps") as spark:
            run, seconds = audited(name, Path(folder), spark)
            for table in ("samplers", "super_baseline", "tradeoffs"):
                keep(name, run.table(table), table)
            lines = told(name, run, seconds)
        (target / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print("\n".join(lines), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
