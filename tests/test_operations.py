"""Files that schedulers read: the cron lines, the Airflow DAG, the Kubernetes application."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.config import Audit
from dftspark.lenses.structure.patterns import bundled
from dftspark.nights.days import check_config

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"


def test_the_nightly_configuration() -> None:
    config = Audit.load(CONF / "nightly.toml")
    check_config(config)
    assert {check.subject.split()[0] for check in config.checks} == {"metric", "phrase", "pattern"}
    patterns = {check.pattern for check in config.checks if check.pattern}
    assert patterns <= {pattern.id for pattern in bundled().patterns}


# --- cron ----------------------------------------------------------------------------------------

_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_ITEM = re.compile(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?")


def is_schedule(fields: list[str]) -> bool:
    """Five fields of numbers, ranges, steps and lists, each within its limits."""
    if len(fields) != 5:
        return False
    for field, (low, high) in zip(fields, _LIMITS, strict=True):
        for item in field.split(","):
            match = _ITEM.fullmatch(item)
            if not match:
                return False
            numbers = [] if match[1] == "*" else [int(n) for n in match[1].split("-")]
            if any(not low <= n <= high for n in numbers) or numbers != sorted(numbers):
                return False
            if match[2] is not None and int(match[2]) == 0:
                return False
    return True


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("30 2 * * *", True),
        ("*/15 0-6,12 1 * 1-5", True),
        ("60 2 * * *", False),
        ("30 2 * *", False),
        ("30 6-2 * * *", False),
        ("*/0 * * * *", False),
        ("x * * * *", False),
    ],
)
def test_the_reader_of_schedules(line: str, good: bool) -> None:
    assert is_schedule(line.split()) == good


def cron_lines() -> list[str]:
    lines = (CONF / "nightly.cron").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_cron() -> None:
    commands = []
    for line in cron_lines():
        if re.fullmatch(r"[A-Z_]+=\S+", line):
            continue
        *schedule, command = line.split(None, 5)
        assert is_schedule(schedule), line
        assert not re.search(r"(?<!\\)%", command), "cron ends a command at a bare %"
        commands.append(command)
    nightly, prune = commands
    assert "CRON_TZ=UTC" in cron_lines()
    assert_is_command(nightly, "nightly")
    assert_is_command(prune, "prune")


def assert_is_command(line: str, name: str) -> None:
    """The command line takes its arguments; what follows is not run."""
    words = shlex.split(line.split(">>")[0])
    program = ".venv/bin/dftspark" if ".venv/bin/dftspark" in words else "dftspark"
    arguments = words[words.index(program) + 1 :]
    assert arguments[0] == name
    from typer.main import get_command

    command = get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments[1:])


# --- Airflow -------------------------------------------------------------------------------------

DAG = CONF / "airflow_nightly.py"


def test_the_dag_is_python_that_says_when_and_what() -> None:
    """Read as source: Airflow is not among the tests' packages, see the next test."""
    tree = ast.parse(DAG.read_text(), str(DAG))
    imported = {
        f"{node.module}.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert {"airflow.sdk.dag", "airflow.sdk.task"} <= imported
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (dag,) = (call for call in calls if ast.unparse(call.func) == "dag")
    settings = {word.arg: word.value for word in dag.keywords}
    assert is_schedule(ast.literal_eval(settings["schedule"]).split())
    assert ast.literal_eval(settings["max_active_runs"]) == 1
    (command,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "command"
    )
    assert isinstance(command, ast.List)
    words = [
        item.value if isinstance(item, ast.Constant) else "2026-11-22" for item in command.elts
    ]
    assert_is_command(shlex.join(map(str, words)), "nightly")


def test_airflow_takes_the_dag() -> None:
    """Where Airflow 3 is installed; done once by hand with apache-airflow 3.3.2."""
    pytest.importorskip("airflow.sdk")
    spec = importlib.util.spec_from_file_location("airflow_nightly", DAG)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.dftspark_nightly().task_ids == ["nightly"]


# --- Kubernetes ----------------------------------------------------------------------------------

# Fields of sparkoperator.k8s.io/v1beta2 that are used here, as the operator's API documents them.
_CRD: dict[str, Any] = {
    "schedule": str,
    "timeZone": str,
    "concurrencyPolicy": {"Allow", "Forbid", "Replace"},
    "suspend": bool,
    "successfulRunHistoryLimit": int,
    "failedRunHistoryLimit": int,
    "template": {
        "type": {"Java", "Scala", "Python", "R"},
        "pythonVersion": {"2", "3"},
        "mode": {"cluster", "client"},
        "sparkVersion": str,
        "image": str,
        "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
        "mainApplicationFile": str,
        "arguments": list,
        "sparkConf": dict,
        "restartPolicy": {
            "type": {"Always", "OnFailure", "Never"},
            "onFailureRetries": int,
            "onFailureRetryInterval": int,
            "onSubmissionFailureRetries": int,
            "onSubmissionFailureRetryInterval": int,
        },
        "driver": {
            "cores": int,
            "memory": str,
            "memoryOverhead": str,
            "serviceAccount": str,
            "env": list,
        },
        "executor": {
            "cores": int,
            "memory": str,
            "memoryOverhead": str,
            "instances": int,
            "env": list,
        },
    },
}


def mistakes(found: Any, allowed: Any, place: str = "spec") -> list[str]:
    if isinstance(allowed, set):
        return [] if found in allowed else [f"{place} is {found!r}, not one of {sorted(allowed)}"]
    if isinstance(allowed, type):
        return [] if isinstance(found, allowed) else [f"{place} is no {allowed.__name__}"]
    said = [f"{place}.{key} is no field" for key in found if key not in allowed]
    return said + [
        line
        for key, value in found.items()
        if key in allowed
        for line in mistakes(value, allowed[key], f"{place}.{key}")
    ]


def test_the_kubernetes_application() -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load((CONF / "scheduled-spark-application.yaml").read_text())
    assert document["apiVersion"] == "sparkoperator.k8s.io/v1beta2"
    assert document["kind"] == "ScheduledSparkApplication"
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", document["metadata"]["name"])
    assert mistakes(document["spec"], _CRD) == []
    assert is_schedule(document["spec"]["schedule"].split())
    template = document["spec"]["template"]
    assert all(isinstance(word, str) for word in template["arguments"])
    assert all(isinstance(value, str) for value in template["sparkConf"].values())
    job = ROOT / "jobs" / Path(template["mainApplicationFile"]).name
    assert_job_takes(job, template["arguments"])
    secrets = [env for env in template["driver"]["env"] if "value" in env]
    assert secrets == []  # the webhook is a secret, by reference


def assert_job_takes(job: Path, arguments: list[str]) -> None:
    """The job's own parser reads the arguments; the work is not begun."""
    spec = importlib.util.spec_from_file_location("nightly_job", job)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parsed: list[argparse.Namespace] = []
    real = argparse.ArgumentParser.parse_args

    class Stop(Exception):
        pass

    def parse(parser: argparse.ArgumentParser, given: Any = None) -> Any:
        parsed.append(real(parser, given))
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse)
        with pytest.raises(Stop):
            module.main(arguments)
    assert vars(parsed[0])["date"] == "yesterday"


def test_the_reader_of_applications_finds_mistakes() -> None:
    said = mistakes({"schedul": "x", "concurrencyPolicy": "Forbidden", "suspend": 1}, _CRD)
    assert len(said) == 3
    assert "spec.schedul is no field" in said


def test_the_cron_of_all_three_is_the_same() -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load((CONF / "scheduled-spark-application.yaml").read_text())
    (dag,) = re.findall(r'schedule="([^"]+)"', DAG.read_text())
    cron = " ".join(cron_lines()[2].split()[:5])
    assert document["spec"]["schedule"] == dag == cron


# --- images and other platforms ------------------------------------------------------------------


def test_recipes_are_written_where_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "deploy"
    assert cli.main(["recipes", str(target)]) == 0
    told = capsys.readouterr().out.split()
    assert str(target / "jobs" / "nightly.py") in told
    for name in ("conf/Dockerfile", "conf/nightly.toml", "jobs/audit.py"):
        assert (target / name).read_bytes() == (ROOT / name).read_bytes()
    assert cli.main(["recipes", str(target)]) == 2
    assert "is there already; name another folder or remove it" in capsys.readouterr().err


def test_the_dockerfile_names_what_there_is() -> None:
    """Read as text: no image can be built in the tests."""
    text = (CONF / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] not in "# "]
    assert {word for word, _ in steps} <= {
        "ARG", "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    (user,) = (rest for word, rest in steps if word == "USER")
    assert user == "185"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"\$\{wheel\}\[([a-z,]+)\]", text)
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    (spark,) = re.findall(r"(?m)^ARG SPARK=(\S+)$", text)
    (image,) = re.findall(r"docker build .* -t (\S+) ", text)
    application = (CONF / "scheduled-spark-application.yaml").read_text()
    assert f"sparkVersion: {spark}" in application
    assert f"image: {image}" in application


def test_the_operators_own_models_know_every_field() -> None:
    yaml = pytest.importorskip("yaml")
    models = pytest.importorskip("kubeflow_spark_api.models", reason="KUBERNETES NOT TESTED")
    document = yaml.safe_load((CONF / "scheduled-spark-application.yaml").read_text())
    read = models.SparkV1beta2ScheduledSparkApplication.model_validate(document)
    assert read.model_dump(by_alias=True, exclude_unset=True, mode="json") == document


def test_the_databricks_bundle() -> None:
    yaml = pytest.importorskip("yaml")
    bundle = yaml.safe_load((CONF / "databricks.yml").read_text())
    job = bundle["resources"]["jobs"]["dftspark_nightly"]
    (task,) = job["tasks"]
    wheel = task["python_wheel_task"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert wheel["package_name"] == project["name"]
    assert wheel["entry_point"] in project["scripts"]
    values = {"${var.volume}/nightly.toml": "conf/nightly.toml"}
    words = [values.get(word, word) for word in wheel["parameters"]]
    assert_is_command(shlex.join(["dftspark", *words]), "nightly")
    compute = set(project["optional-dependencies"]["compute"])
    packages = {library["pypi"]["package"] for library in task["libraries"] if "pypi" in library}
    assert packages <= compute
    used = set(re.findall(r"\$\{var\.(\w+)\}", (CONF / "databricks.yml").read_text()))
    assert used == bundle["variables"].keys()
    clusters = {cluster["job_cluster_key"] for cluster in job["job_clusters"]}
    assert task["job_cluster_key"] in clusters


def test_the_github_workflow() -> None:
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((CONF / "github-action.yml").read_text())
    steps = workflow["jobs"]["audit"]["steps"]
    assert all(("run" in step) != ("uses" in step) for step in steps)
    commands = [step["run"] for step in steps if "dftspark " in step.get("run", "")]
    audit, show = (command.partition(" >> ")[0] for command in commands[-2:])
    assert_is_command(audit, "audit")
    assert_is_command(show, "show")
    assert workflow["permissions"] == {"contents": "read"}
