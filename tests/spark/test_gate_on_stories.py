"""The gate on audits of real stories: it lets a better model through, and no copier or length hack.

The settings are three chat models on the prompts of human stories. The challenger that is better is
the second part of the human stories, beside the first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dftspark import runs
from dftspark.choose.splits import REFEREE, blocks_of
from dftspark.cli import main
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.errors import ConfigError
from dftspark.store.run import Run
from dftspark.tuning import gated_run
from dftspark.tuning.target import Target
from tests import extras

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.embedder,
    extras.embed,
]

WORDS = 100
CONTROL, CHOICE = "chat/gpt-3.5-turbo", "chat/claude-3-opus"
CHALLENGERS = {
    "better": (WORDS, 2 * WORDS),
    "copier": (0, WORDS),
    "short": (WORDS, WORDS + WORDS // 4),
}


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stories of at least 200 words, cut: the first 100 words of all, and each challenger's."""
    folder = tmp_path_factory.mktemp("stories")
    table = pq.read_table(data / "biscope.parquet")
    table = table.filter(pc.equal(table["domain"], "creative"))
    words = [text.split() for text in table["text"].to_pylist()]
    long = np.array([len(own) >= 2 * WORDS for own in words])
    human = np.array(pc.is_null(table["model"]))

    def write(name: str, rows: np.ndarray, first: int, last: int) -> None:
        cut = pa.array([" ".join(words[row][first:last]) for row in rows])
        part = table.take(rows).drop_columns(["text", "temperature"]).append_column("text", cut)
        pq.write_table(part, folder / f"{name}.parquet")

    write("human", np.flatnonzero(human & long), 0, WORDS)
    write("chat", np.flatnonzero(~human & long), 0, WORDS)
    for name, (first, last) in CHALLENGERS.items():
        write(name, np.flatnonzero(human & long), first, last)
    return folder


def config(folder: Path, name: str, models: dict[str, Any], **more: Any) -> Audit:
    corpora = {"human": {"role": "human"}, **{of: {"role": "model"} | models[of] for of in models}}
    document = {
        "name": name,
        "out": str(folder / "runs"),
        "ngrams": {"orders": [1, 2, 4]},
        "corpora": {
            of: {"path": str(folder / f"{of}.parquet"), **corpus} for of, corpus in corpora.items()
        },
        "report": {"page": False},
    }
    return Audit.parse({**document, **more}, "the test")


@pytest.fixture(scope="module")
def target(spark: SparkSession, folder: Path) -> Target:
    """Of one chat model; without structure, so that this can judge."""
    models = {"chat": {"filter": "model = 'gpt-3.5-turbo'"}}
    settings = {"lenses": ["ngrams", "embeddings"], "embedding": {"embedder": "static"}}
    made = Target.of(runs.audit(spark, config(folder, "base", models, **settings)))
    made.save(folder / "target.arrow")
    return made


def judged(spark: SparkSession, folder: Path, challenger: str) -> Run:
    some = "model IN ('gpt-3.5-turbo', 'claude-3-opus', 'gpt-4-turbo-preview')"
    models = {"chat": {"split_by": ["model"], "filter": some}, challenger: {}}
    sweep = {"challenger": challenger}
    return runs.audit(
        spark, config(folder, f"gate-{challenger}", models, sweep=sweep, prompts=REFEREE)
    )


def gate(run: Run, folder: Path) -> int:
    words = ["gate", run.path, "--target", str(folder / "target.arrow"), "--control", CONTROL]
    return main([*words, "--choice", CHOICE, "--cross-entropy", "3.31", "3.33"])


def test_what_is_nearer_by_what_training_never_saw_is_accepted(
    spark: SparkSession, folder: Path, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    run = judged(spark, folder, "better")
    read = run.table("corpora", ["corpus", "documents", "filtered"]).to_pylist()
    names = pq.read_table(folder / "human.parquet")["prompt_id"]
    inside = np.isin(block_of(names), list(blocks_of(REFEREE))).sum()
    assert {row["documents"] for row in read if row["corpus"] in ("human", "better")} == {inside}
    assert gate(run, folder) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("accepted: nearer to human than the best setting")
    assert "mmd_squared (q =" in " ".join(printed.split())
    run.manifest["config"]["prompts"] = "all"
    with pytest.raises(ConfigError, match='audit again with prompts = "referee"'):
        gated_run.measures(run, target, control=CONTROL, choice=CHOICE)


def test_a_copier_is_rejected_for_its_copies(
    spark: SparkSession, folder: Path, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(judged(spark, folder, "copier"), folder) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert "100.0% of its texts nearly repeat a human one" in printed


def test_a_length_hack_is_rejected_though_its_words_are_human(
    spark: SparkSession, folder: Path, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(judged(spark, folder, "short"), folder) == 3
    assert "not accepted" in capsys.readouterr().out
