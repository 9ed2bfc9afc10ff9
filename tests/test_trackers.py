"""Runs in trackers: what is sent, and that each tracker's own package reads it back."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dftspark import cli
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.store.run import Run
from dftspark.trackers.entry import tracked
from tests import extras
from tests.report.page_runs import metrics, publish, row

ROOT = Path(__file__).resolve().parents[1]


def checkpoints(out: Path, **more: Any) -> Run:
    tables = {
        "metrics": [*metrics("ckpt-200", 100.0), *metrics("ckpt-100", 50.0)],
        "corpora": [row("corpora", corpus="ckpt-100")],
        "ngrams": [row("ngrams", model="ckpt-100", text="delve")],
    }
    return publish(out, tables, name="essays", **{"kind": "audit", **more})


def test_a_curve_over_the_steps_in_the_names(tmp_path: Path) -> None:
    found = tracked(checkpoints(tmp_path), by_name=True)
    assert list(found.metrics) == [100, 200]
    assert found.metrics[100]["ckpt/js_1gram"] == pytest.approx(0.7 / 50)
    assert found.metrics[200]["ckpt/n_tell words"] == 100.0
    assert all(map(math.isfinite, found.metrics[100].values()))
    assert sorted(found.tables) == ["corpora", "metrics"]
    assert found.settings["inference.confidence"] == "0.95"


def test_one_step_for_the_whole_run(tmp_path: Path) -> None:
    found = tracked(checkpoints(tmp_path), step=7, more=["ngrams"])
    assert list(found.metrics) == [7]
    assert {"ckpt-100/js_1gram", "ckpt-200/js_1gram"} <= found.metrics[7].keys()
    assert found.tables["ngrams"]["text"].to_pylist() == ["delve"]
    assert list(tracked(checkpoints(tmp_path)).metrics) == [None]


def test_names_are_those_that_every_tracker_takes(tmp_path: Path) -> None:
    run = publish(tmp_path, {"metrics": metrics("gpt|4 [a]\u202e")}, kind="audit")
    assert "gpt_4 _a__/js_1gram" in tracked(run).metrics[None]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a tracker: --mlflow, --wandb, --trackio or --prometheus"),
        (["--mlflow", "--wandb", "--into", "x"], "--into is a run of one tracker"),
        (["--mlflow", "--by-name", "--step", "1"], "--by-name and --step exclude each other"),
        (["--mlflow", "--table", "ngram"], "has no table 'ngram'; it has corpora, metrics, ngrams"),
    ],
)
def test_what_is_asked_wrongly(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = checkpoints(tmp_path)
    assert cli.main(["log", run.path, *arguments]) == ConfigError.exit_code
    assert said in capsys.readouterr().err


def test_runs_and_names_that_have_no_curve(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'gpt' does not end in a step"):
        tracked(publish(tmp_path / "a", {"metrics": metrics("gpt")}, kind="audit"), by_name=True)
    with pytest.raises(ConfigError, match="has no table metrics"):
        tracked(publish(tmp_path / "b", {}, kind="profile"))


@pytest.mark.parametrize("name", ["mlflow", "wandb", "trackio"])
def test_a_tracker_that_is_not_installed(
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    run = checkpoints(tmp_path)
    assert cli.main(["log", run.path, f"--{name}"]) == EnvironmentProblem.exit_code
    told = capsys.readouterr().err
    assert f"{name} is not installed: pip install 'dftspark[{name}]'" in told


# --- the trackers themselves, each in a process of its own, since they leave threads --------------


def logged(tmp_path: Path, name: str, reading: str, **environment: str) -> Any:
    """Logs by the command; then a second process runs `reading`, which prints JSON about run
    `ID`."""
    run = checkpoints(tmp_path / "runs")
    command = ["-m", "dftspark", "log", run.path, f"--{name}", "--by-name", "--project", "essays"]
    known = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **environment}

    def out(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=known, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3_000:]
        return done.stdout

    said = out(*command)
    assert said.startswith(f"{name}: "), said
    program = f"import json, sys\nID = sys.argv[1]\n{reading}"
    return json.loads(out("-c", program, said.removeprefix(f"{name}: ").strip()))


@pytest.mark.program
@extras.mlflow
def test_mlflow_has_the_run(tmp_path: Path) -> None:
    reading = """
from mlflow.tracking import MlflowClient
client = MlflowClient()
run = client.get_run(ID)
curve = [(m.step, m.value) for m in client.get_metric_history(ID, "ckpt/n_tell words")]
files = [f.path for f in client.list_artifacts(ID, client.list_artifacts(ID, "dftspark")[0].path)]
print(json.dumps({"curve": curve, "params": run.data.params, "files": files}))
"""
    store = (tmp_path / "mlruns").as_uri()
    found = logged(
        tmp_path, "mlflow", reading, MLFLOW_TRACKING_URI=store, MLFLOW_ALLOW_FILE_STORE="true"
    )
    assert found["curve"] == [[100, 50.0], [200, 100.0]]
    assert found["params"]["inference.confidence"] == "0.95"
    names = [Path(file).name for file in found["files"]]
    assert sorted(names) == ["corpora.parquet", "metrics.parquet"]


@pytest.mark.program
@extras.trackio
def test_trackio_has_the_run(tmp_path: Path) -> None:
    reading = """
from trackio.sqlite_storage import SQLiteStorage
rows = SQLiteStorage.get_logs("essays", ID)
print(json.dumps({"curve": [(r["step"], r["ckpt/n_tell words"]) for r in rows]}))
"""
    environment = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    found = logged(tmp_path, "trackio", reading, **environment)
    assert found["curve"] == [[100, 50.0], [200, 100.0]]
    assert len([*(tmp_path / "trackio").rglob("*")]) > 1


@pytest.mark.program
@extras.wandb
def test_wandb_has_the_run(tmp_path: Path) -> None:
    """As it stands in the file that `wandb sync` would send."""
    reading = """
import glob, time
from wandb.proto import wandb_internal_pb2

def curve():
    (file,) = glob.glob("wandb/offline-run-*/*.wandb")
    data, at, held = open(file, "rb").read(), 7, b""
    while at + 7 <= len(data):  # a log of LevelDB's form: blocks of 32 KiB with parts of records
        left = 32768 - at % 32768
        size, part = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if left < 7 or not part:
            at += left
            continue
        held = (held if part in (3, 4) else b"") + data[at + 7 : at + 7 + size]
        at += 7 + size
        if part in (2, 3):
            continue
        record = wandb_internal_pb2.Record()
        record.ParseFromString(held)
        items = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
        if "dftspark/step" in items:
            yield [json.loads(items[name]) for name in ("dftspark/step", "ckpt/n_tell words")]

for _ in range(100):  # the package's own process may still write when the command has ended
    found = list(curve())
    if len(found) == 2:
        break
    time.sleep(0.3)
print(json.dumps({"curve": found}))
"""
    environment = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(tmp_path)}
    found = logged(tmp_path, "wandb", reading, **environment)
    assert found["curve"] == [[100, 50.0], [200, 100.0]]
    tables = [*tmp_path.rglob("*.table.json")]
    assert sorted({file.name.partition("_")[0] for file in tables}) == ["corpora", "metrics"]


def test_the_files_are_the_tables(tmp_path: Path) -> None:
    from dftspark.trackers.send import _files

    with _files(tracked(checkpoints(tmp_path))) as folder:
        assert pq.read_table(folder / "metrics.parquet").num_rows == len(metrics("x")) * 2
        assert sorted(file.name for file in folder.iterdir()) == [
            "corpora.parquet",
            "metrics.parquet",
        ]
