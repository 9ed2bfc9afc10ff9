"""Every measure of the structure lens over every reference corpus, human against each model.

    python benchmarks/structure_table.py        results/structure.csv and results/structure.txt

Pairs are within a corpus and genre. A corpus without a human side has only rates. In the summary a
pair counts if both sides have at least 16 prompts; jhu_temp, whose answers are scaffolded, and
flan-t5 count in the table and not in the summary.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dftspark import config
from dftspark.lenses.structure import compared as structure
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.catalogue import all_measures
from dftspark.lenses.structure.statistic import Structure, StructureSums

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
RESULTS = HERE / "results"
CORPORA = (
    "biscope",
    "outfox",
    "fdg",
    "herbold_essays",
    "toefl_chatgpt",
    "self_instruct",
    "jhu_temp",
    "slop_score",
    "hax2",
    "gpt3_temp",
)
BASE = {
    "gpt2-xl",
    "opt-2.7b",
    "gpt-neo-2.7B",
    "gpt-j-6B",
    "gpt-neox-20b",
    "davinci",
    "llama-3.1-8b-base",
    "qwen-2.5-14b-base",
}
APART = {"jhu_temp"}
SETTINGS = config.Inference(permutations=199)
COLUMNS = (
    "measure",
    "corpus",
    "genre",
    "model",
    "human",
    "model_value",
    "ratio",
    "ci_low",
    "ci_high",
    "q_value",
    "distance",
    "band",
    "outside",
    "share_human",
    "share_model",
)


@dataclass(frozen=True)
class Pair:
    corpus: str
    genre: str
    model: str
    rows: list[structure.MeasureRow]
    judged: bool

    @property
    def kind(self) -> str:
        return "base" if self.model in BASE else "tuned"


def state(table: pa.Table) -> StructureSums:
    texts, prompts = (table[name].combine_chunks() for name in ("text", "prompt_id"))
    return Structure().observe(document_vectors.of(texts, prompts))


def pairs() -> Iterator[Pair]:
    for corpus in CORPORA:
        table = pq.read_table(
            DATA / f"{corpus}.parquet", columns=["text", "prompt_id", "model", "domain"]
        )
        for genre in sorted(set(table["domain"].to_pylist())):
            own = table.filter(pc.equal(table["domain"], genre))
            human = state(own.filter(pc.is_null(own["model"])))
            for model in sorted({m for m in own["model"].to_pylist() if m is not None}):
                side = state(own.filter(pc.equal(own["model"], model)))
                found = structure.compared(human, side, paired=True, settings=SETTINGS)
                judged = min(len(human.clusters), len(side.clusters)) >= 16
                yield Pair(corpus, genre, model, found.rows, judged)


def number(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.3g}"


def table(found: list[Pair]) -> None:
    with (RESULTS / "structure.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for i, measure in enumerate(all_measures()):
            for pair in found:
                row = pair.rows[i]
                if not row.count_human + row.count_model:
                    continue
                values = (
                    row.human,
                    row.model,
                    row.ratio,
                    row.ci_low,
                    row.ci_high,
                    row.q_value,
                    row.distance,
                    row.band,
                )
                shares = (row.share_human, row.share_model)
                out.writerow(
                    [
                        measure.id,
                        pair.corpus,
                        pair.genre,
                        pair.model,
                        *map(number, values),
                        int(row.outside),
                        *map(number, shares),
                    ]
                )


def summary(found: list[Pair]) -> str:
    judged = [p for p in found if p.judged and p.corpus not in APART and p.model != "flan-t5-xxl"]
    counts = {kind: sum(p.kind == kind for p in judged) for kind in ("tuned", "base")}
    lines = [
        f"{counts['tuned']} pairs with a tuned model, {counts['base']} with a base model",
        f"in {len({(p.corpus, p.genre) for p in judged})} corpora and genres.",
        "above, in, below: pairs in which the model is above, inside, below the human band (a",
        "distribution has no side and is above); ratio: median of model / human over the pairs;",
        "genres: in how many of them the median tuned ratio is above 1 / below 1.",
        "",
        f"{'measure':31} {'kind':12} {'tuned':>14} {'':>8} {'base':>14} {'':>8} {'genres':>7}",
        f"{'':31} {'':12} {'above in below':>14} {'ratio':>8} {'above in below':>14} {'ratio':>8}",
    ]
    for i, measure in enumerate(all_measures()):
        cells = []
        genres: dict[tuple[str, str], list[float]] = defaultdict(list)
        for kind in ("tuned", "base"):
            rows = [p.rows[i] for p in judged if p.kind == kind]
            rows = [r for r in rows if np.isfinite(r.p_value)]
            up = sum(
                r.outside and (r.model > r.human or measure.kind == "distribution") for r in rows
            )
            down = sum(r.outside for r in rows) - up
            ratios = [r.ratio for r in rows if np.isfinite(r.ratio)]
            median = f"{np.median(ratios):.2f}" if ratios else "-"
            cells += [f"{up:4} {len(rows) - up - down:4} {down:4}", f"{median:>8}"]
        for p in judged:
            if p.kind == "tuned" and np.isfinite(p.rows[i].p_value):
                genres[p.corpus, p.genre].append(p.rows[i].ratio)
        medians = [np.median(ratios) for ratios in genres.values()]
        sides = f"{sum(m > 1 for m in medians)}/{sum(m < 1 for m in medians)}"
        lines.append(f"{measure.id:31} {measure.kind:12} {' '.join(cells)} {sides:>7}")
    lines += [
        "",
        "Measures outside the human band, of those with enough documents, and the mean",
        "factor of those outside:",
        "",
    ]
    for p in judged:
        rows = [r for r in p.rows if np.isfinite(r.p_value) and np.isfinite(r.band)]
        out = [r for r in rows if r.outside]
        logs = [
            abs(np.log(r.ratio)) for r in out if r.measure.kind != "distribution" and r.ratio > 0
        ]
        factor = np.exp(np.mean(logs)) if logs else 1.0
        name = f"{p.corpus}/{p.genre}"
        lines.append(f"{name:32} {p.model:38} {len(out):3} of {len(rows):3}   x{factor:.2f}")
    return "\n".join(lines) + "\n"


def main() -> int:
    found = list(pairs())
    RESULTS.mkdir(exist_ok=True)
    table(found)
    text = summary(found)
    (RESULTS / "structure.txt").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
