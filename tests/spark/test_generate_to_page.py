"""One command from briefs to the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dftspark.store.listing import open_run
from tests import extras
from tests.judging import Answer, Asked, said, serving
from tests.spark import processes
from tests.spark.nights import WORDS

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.program, extras.embed]

BRIEFS = 240


def drawn(seed: int, flat: float) -> str:
    """Words of a law that `flat` makes more even, as a temperature does."""
    law = np.arange(1, len(WORDS) + 1, dtype=float) ** (flat - 1.0)
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(WORDS, 24, p=law / law.sum())).capitalize() + "."


def writer(asked: Asked) -> Answer:
    return said(drawn(asked.body["seed"], asked.body["temperature"] - 0.3))


def test_from_briefs_to_the_page(tmp_path: Path) -> None:
    briefs = [{"prompt_id": f"p{i}", "prompt": f"Write {i}."} for i in range(BRIEFS)]
    human = [{"prompt_id": f"p{i}", "text": drawn(10**6 + i, 0.4)} for i in range(BRIEFS)]
    for name, rows in (("briefs", briefs), ("human", human)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    with serving(writer) as server:
        (tmp_path / "write.toml").write_text(
            'name = "whole"\nout = "runs"\n[generate]\nbriefs = "briefs.jsonl"\nsamples = 2\n'
            "[generate.sampler]\ntemperature = [0.3, 0.7, 1.1]\n"
            '[generate.human]\nrole = "human"\npath = "human.jsonl"\n'
            f'[[generate.models]]\nname = "sft"\nurls = ["{server.url}"]\nmodel = "stub-2026"\n'
        )
        command = processes.dftspark("generate", "write.toml", "--audit", "--quiet")
        done = processes.finished(command, tmp_path)
        assert len(server.requests) == BRIEFS * 3 * 2
    assert done.returncode == 0, done.stderr[-4000:]
    texts, judged = (open_run(str(tmp_path / line)) for line in done.stdout.split()[-2:])
    assert texts.table("texts").num_rows == BRIEFS * 3 * 2
    page = (Path(judged.path) / judged.page).read_text()
    settings = {f"setting/sft/temperature={heat}" for heat in ("0.3", "0.7", "1.1")}
    models = {row["model"] for row in judged.table("metrics").to_pylist()}
    assert models == {"chosen", "pool", *settings}
    assert "chosen" in page
    values = {
        row["model"]: row["value"]
        for row in judged.table("metrics").to_pylist()
        if row["metric"] == "l2_squared_corrected_1gram"
    }
    assert values.keys() == models
    assert values["chosen"] < max(values[name] for name in settings)
