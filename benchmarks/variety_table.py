"""Reference and variety measures over the prompt-matched reference corpora.

python benchmarks/variety_table.py          results/variety.txt
"""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dftspark.lenses.variety import compared as variety
from dftspark.lenses.variety.compared import PromptAnswer, PromptMean

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
CORPORA = (
    ("herbold_essays", "essay", None),
    ("outfox", "essay", None),
    ("jhu_temp", "reasoning", 0.0),
    ("jhu_temp", "reasoning", 1.0),
    ("biscope", "creative", None),
)


def said(estimate: PromptMean) -> str:
    if not estimate.n:
        return "-"
    return f"{estimate.value:.3g} [{estimate.ci_low:.3g}, {estimate.ci_high:.3g}]"


def main() -> int:
    lines = []
    started = time.process_time()
    for corpus, genre, temperature in CORPORA:
        table = pq.read_table(DATA / f"{corpus}.parquet")
        rows = [
            row
            for row in table.filter(pc.equal(table["domain"], genre)).to_pylist()
            if row["model"] is None or temperature in (None, row["temperature"])
        ]
        sides: dict[str | None, list[PromptAnswer]] = {}
        for row in rows:
            document = PromptAnswer(row["doc_id"], row["prompt_id"], row["text"])
            sides.setdefault(row["model"], []).append(document)
        human = variety.sampled(sides.pop(None))
        at = "" if temperature is None else f" at temperature {temperature}"
        lines.append(f"{corpus}/{genre}{at}")
        for i, name in enumerate(sorted(str(name) for name in sides)):
            found = variety.compared(human, variety.sampled(sides[name]))
            if i == 0:
                cells = "  ".join(f"{m.metric} {said(m.human)}" for m in found)
                lines.append(f"  {'human':28} {cells}")
            cells = "  ".join(f"{m.metric} {said(m.model)}" for m in found)
            lines.append(f"  {name:28} {cells}")
            print(lines[-1], flush=True)
    seconds = time.process_time() - started
    lines.append(f"{seconds:.0f} CPU-seconds for all of it, reading included")
    text = "\n".join(lines) + "\n"
    (HERE / "results" / "variety.txt").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
