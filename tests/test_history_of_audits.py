"""The history of a store without nights: its audits, by the time at which they were made."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from dftspark import cli, history
from dftspark.errors import ConfigError, InputError
from tests.report.page_runs import metrics
from tests.report.page_runs import publish as published


def audit(out: Path, n: float, name: str = "essays", date: str = "", kind: str = "audit") -> None:
    published(out, {"metrics": metrics("gpt", n)}, name=name, date=date, kind=kind)


def test_audits_by_the_time_of_their_making(tmp_path: Path) -> None:
    audit(tmp_path, 100.0)
    audit(tmp_path, 200.0, date="2025-01-31")
    audit(tmp_path, 1.0, kind="choose")  # not of this kind
    found = history(str(tmp_path), "js_1gram", columns=["date", "n_tell"]).to_pylist()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    assert found == [{"date": "2025-01-31", "n_tell": 200.0}, {"date": today, "n_tell": 100.0}]
    assert history(str(tmp_path), "js_1gram", until="2025-12-31")["n_tell"].to_pylist() == [200.0]
    assert history(str(tmp_path), "js_1gram", model="other").num_rows == 0


def test_what_the_command_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit(tmp_path, 100.0)
    assert cli.main(["history", "js_1gram", str(tmp_path), "--json"]) == 0
    assert '"n_tell": 100.0' in capsys.readouterr().out
    assert cli.main(["history", "no_such", str(tmp_path)]) == ConfigError.exit_code
    assert "no night or audit in" in capsys.readouterr().err


def test_several_audits_are_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no night and no audit is there"):
        history(str(tmp_path), "js_1gram")
    audit(tmp_path, 100.0)
    audit(tmp_path, 50.0, name="stories")
    with pytest.raises(ConfigError, match=r"several audits, \['essays', 'stories'\]; name one"):
        history(str(tmp_path), "js_1gram")
    assert history(str(tmp_path), "js_1gram", name="stories")["n_tell"].to_pylist() == [50.0]
    with pytest.raises(ConfigError, match="no audit 'novels'; it has"):
        history(str(tmp_path), "js_1gram", name="novels")
    with pytest.raises(ConfigError, match="no audit there has a table 'ngrams'; they have metrics"):
        history(str(tmp_path), table="ngrams", name="stories")
