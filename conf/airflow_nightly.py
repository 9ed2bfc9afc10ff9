"""An Airflow DAG that audits the day before each scheduled run; reruns and backfills are safe.

Put it into the folder of DAGs. It is written for Airflow 3 (`airflow.sdk`); the command runs where
`dftspark` is installed, here below FOLDER on the worker.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

FOLDER = "/srv/dftspark"
# 2, the configuration is wrong; 3, a check failed; 4, input is missing: trying again at once mends
# none of them. Other codes (1, 75) are tried again.
NOT_AGAIN = {2, 3, 4}


@dag(
    dag_id="dftspark_nightly",
    description="Model outputs of a day beside the human reference",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["dftspark"],
)
def dftspark_nightly():
    @task(retries=2, retry_delay=timedelta(minutes=15), execution_timeout=timedelta(hours=4))
    def nightly(logical_date: datetime) -> None:
        date = (logical_date.astimezone(UTC) - timedelta(days=1)).date().isoformat()
        command = [
            ".venv/bin/dftspark",
            "nightly",
            "conf/nightly.toml",
            "--date",
            date,
            "--log",
            "json",
            "--junit",
            f"nightly-{date}.xml",
        ]
        code = subprocess.run(command, cwd=FOLDER, check=False).returncode
        if code in NOT_AGAIN:
            raise AirflowFailException(f"dftspark ended with exit code {code}; see the log above")
        if code:
            raise RuntimeError(f"dftspark ended with exit code {code}")

    nightly()


dftspark_nightly()
