"""A user whose number has no name, as containers with random user ids have."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dftspark.store.listing import open_run
from tests.spark import processes

pytestmark = [pytest.mark.spark, pytest.mark.program, pytest.mark.slow]

# A namespace in which the user who runs the tests has another number.
NAMELESS = ["unshare", "--user", "--map-user=1234567890"]


def test_an_audit_of_a_user_without_a_name(tmp_path: Path) -> None:
    try:
        asked = subprocess.run(
            [*NAMELESS, "id", "-un"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        pytest.skip(f"NAMELESS USERS NOT TESTED: {error}")
    if "1234567890" not in asked.stderr + asked.stdout:
        pytest.skip(f"NAMELESS USERS NOT TESTED: {asked.stderr.strip()}")
    for name in ("human", "gpt"):
        rows = [
            json.dumps({"text": f"{name} wrote number {i}", "prompt_id": f"{i}"}) for i in range(40)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    (tmp_path / "audit.toml").write_text(
        'out = "runs"\nlenses = ["ngrams"]\n[report]\npage = false\n'
        '[corpora.human]\nrole = "human"\npath = "human.jsonl"\n'
        '[corpora.gpt]\nrole = "model"\npath = "gpt.jsonl"\n'
    )
    audit = processes.dftspark("audit", "audit.toml", "--quiet", "--master", "local[2]")
    home = {"HOME": str(tmp_path), "USER": "", "LOGNAME": ""}
    done = processes.finished([*NAMELESS, *audit], tmp_path, **home)
    assert done.returncode == 0, done.stderr[-4000:]
    run = open_run(done.stdout.splitlines()[-1])
    counted = {row["corpus"]: row["documents"] for row in run.table("corpora").to_pylist()}
    assert counted == {"human": 40, "gpt": 40}
