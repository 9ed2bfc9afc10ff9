"""Logging: lines for people, JSON lines on request and nothing beside them, no handler of ours in
somebody else's program."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli, logs
from dftspark.cli.shared import app
from dftspark.progress import Events

ROOT = Path(__file__).resolve().parent.parent
STRANGE = "strange://name:pass-word@host/runs"


def ran(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DFTSPARK_DEBUG": "", **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def events(text: str) -> list[dict[str, Any]]:
    """Each line of a log, which must be a JSON object with what all of them have."""
    told = [json.loads(line) for line in text.splitlines()]
    for event in told:
        assert datetime.fromisoformat(event["time"]).tzinfo == UTC
        assert event["level"] in ("info", "warning", "error", "critical")
        assert event["logger"]
        assert event["event"]
    return told


@pytest.mark.program
@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["show", "absent", "--log", "json"], "InputError", 4),
        (["show", "--unknown", "--log=json"], "UsageError", 2),
        (["show", "--log", "json", STRANGE], "ConfigError", 2),
    ],
)
def test_an_error_is_one_object_and_has_no_secret(
    arguments: list[str], kind: str, code: int
) -> None:
    done = ran(sys.executable, "-m", "dftspark", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    (event,) = events(done.stderr)
    assert (event["event"], event["kind"], event["exit_code"]) == ("error", kind, code)
    assert event["message"]
    assert "pass-word" not in done.stderr


@pytest.mark.program
def test_whatever_is_written_to_standard_error_becomes_json() -> None:
    """Of this process, of a child, of a warning, of another package, of a crash."""
    program = (
        "import logging, os, subprocess, sys, warnings\n"
        "from dftspark import cli, runs\n"
        "from dftspark.store import listing\n"
        "def crash(*_, **__):\n"
        "    os.write(2, b'of this process\\n')\n"
        "    subprocess.run(['sh', '-c', 'echo of a child, token=abc123 >&2'])\n"
        '    subprocess.run(["sh", "-c", \'echo {\\\\"level\\\\": \\\\"WARN\\\\"} >&2\'])\n'
        "    warnings.warn('of a warning')\n"
        "    logging.getLogger('other').warning('of another package')\n"
        "    raise ZeroDivisionError('of a crash')\n"
        "listing.open_run = crash\n"
        "sys.exit(cli.main(['show', 'runs']))\n"
    )
    done = ran(sys.executable, "-c", program, DFTSPARK_LOG="json")
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stderr.splitlines()]
    by = {event.get("logger", "its own"): event for event in told}
    assert by["its own"] == {"level": "WARN"}  # JSON already
    said = {event.get("message") for event in told}
    assert {"of this process", "of a child, token=***", "of another package"} <= said
    assert "UserWarning: of a warning" in by["py.warnings"]["message"]
    assert (by["dftspark.cli"]["event"], by["dftspark.cli"]["level"]) == ("crash", "critical")
    assert by["dftspark.cli"]["traceback"].endswith("ZeroDivisionError: of a crash\n")


@pytest.mark.program
def test_in_another_program_nothing_is_written_and_everything_can_be_had() -> None:
    program = (
        "import logging, sys\n"
        "if sys.argv[1:]:\n"
        "    logging.basicConfig(level='INFO', format='%(name)s %(event)s %(values)s')\n"
        "import dftspark\n"
        "from dftspark.progress import Events\n"
        "with Events().stage('read', 2) as stage:\n"
        "    stage.advance(2)\n"
        "logging.getLogger('dftspark.store').warning('', extra={'event': '', 'values': 0})\n"
        "print(logging.getLogger('dftspark').handlers)\n"
    )
    done = ran(sys.executable, "-c", program)
    assert done.stderr == ""
    assert done.stdout.startswith("[<NullHandler")
    lines = ran(sys.executable, "-c", program, "configured").stderr.splitlines()
    assert [line.split(" {")[0] for line in lines[:2]] == [
        "dftspark.progress stage_started",
        "dftspark.progress stage_done",
    ]


def test_the_handler_is_gone_when_the_command_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (list(logging.getLogger().handlers), list(logging.getLogger("dftspark").handlers))
    for kind in logs.LogKind:
        assert cli.main(["show", str(tmp_path / "none"), "--log", kind]) == 4
        told = capsys.readouterr().err
        assert told.startswith("{" if kind is logs.LogKind.JSON else "error: ")
        assert len(told.splitlines()) == 1
    after = (list(logging.getLogger().handlers), list(logging.getLogger("dftspark").handlers))
    assert after == before
    assert not logs.as_json()


def test_every_command_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    names = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]
    assert len(names) > 15
    for name in names:
        assert cli.main([name, "--help"]) == 0
        assert "--log" in capsys.readouterr().out


def test_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.configured(logs.LogKind.JSON):
        Events().say("measured", value=float("nan"), parts=[float("inf"), 1.5, None, True])
    (event,) = events(capsys.readouterr().err)
    assert (event["value"], event["parts"]) == (None, [None, 1.5, None, True])


JOBS = {"compare": ["--profile", "none"], "nightly": ["--date", "2026-11-22"]}  # beside --conf
BEFORE = {"command": "audit"}  # in the place of --conf


@pytest.mark.parametrize("job", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.stem)
def test_every_job_logs_its_error_as_json_if_asked_to(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location(f"job_{job.stem}", job)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    conf = BEFORE.get(job.stem, "--conf")
    arguments = [conf, str(tmp_path / "none.toml"), *JOBS.get(job.stem, [])]
    assert module.main([*arguments, "--log", "json"]) > 1
    (event,) = events(capsys.readouterr().err)
    assert event["event"] == "error"
