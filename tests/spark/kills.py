"""Jobs on a small standalone cluster, killed at random points and held against undisturbed ones.

Every kill has a store of its own, and its number settles all that is random: the job, the victim,
the moment as a share of an undisturbed run, what Spark is told beside. Only processes that the
cluster started are killed: they are known by the session of the worker that they belong to.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dftspark.embedding.store import VectorStore
from dftspark.location import Location
from dftspark.store.listing import RunInfo, open_run, runs
from dftspark.store.run import Run
from tests import models
from tests.judging import Server
from tests.spark import processes
from tests.spark.nights import DATES, WORDS, corpora

VICTIMS = ("driver", "Python worker", "executor", "memory")
SETTINGS: dict[str, tuple[str, ...]] = {
    "": (),
    "speculation": (
        "spark.speculation=true",
        "spark.speculation.interval=50ms",
        "spark.speculation.multiplier=1.1",
        "spark.speculation.quantile=0.3",
        "spark.speculation.minTaskRuntime=50ms",
    ),
    "dynamic allocation": (
        "spark.dynamicAllocation.enabled=true",
        "spark.dynamicAllocation.shuffleTracking.enabled=true",
        "spark.dynamicAllocation.initialExecutors=1",
        "spark.dynamicAllocation.maxExecutors=2",
        "spark.dynamicAllocation.executorIdleTimeout=2s",
    ),
}
_PLAIN = ("spark.executor.memory=512m", "spark.executor.cores=1")
_LONGEST = 420.0  # seconds of a job, killed or not, on a busy machine
# When an answer came, and how long it took: no two runs agree on that.
_OF_THE_CLOCK = {"judgements": ("at", "seconds", "attempts")}


@dataclass(frozen=True)
class Job:
    """A job of jobs/, with what it is given beside the configuration, and again after a kill."""

    file: str
    kind: str
    arguments: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


JOBS = {
    "audit": Job("audit.py", "audit"),
    "nightly": Job("nightly.py", "nightly", ("--date", DATES[0])),
    "judge": Job("judge.py", "judge", again=("--again",)),
    "embed": Job("embed.py", "embed"),
}

_CORPUS = """
[corpora.{name}]
role = "{role}"
path = "{path}"
columns = {{ doc_id = "id", prompt_id = "prompt" }}
"""
_CONF = """
name = "killed"
out = "runs"
lenses = {lenses}
{corpora}
[ngrams]
orders = [1, 2]
sketch_width = 256
phrases = 100
table_rows = 20
[inference]
permutations = 99
splits = 20
[embedding]
embedder = "{model}"
[nightly]
window = 2
key_ranges = 2
[judge]
pairs = 30
dimensions = ["overall", "depth"]
[[judge.endpoints]]
name = "stub"
url = "{url}"
model = "m"
concurrency = 4
"""


@dataclass(frozen=True)
class Kill:
    """What its number settles. `at` is a share of the length of an undisturbed run; `limit` the
    memory of a Python worker in MiB where that is what ends it."""

    number: int
    job: str
    victim: str
    settings: str
    at: float
    limit: int

    @classmethod
    def of(cls, number: int, seed: int = 0) -> Kill:
        drawn = random.Random(f"dftspark kill {seed} {number}")
        return cls(
            number,
            list(JOBS)[number % len(JOBS)],
            VICTIMS[(number + number // len(JOBS)) % len(VICTIMS)],
            drawn.choice(list(SETTINGS)),
            drawn.uniform(0.15, 0.95),
            drawn.randrange(600, 2_400, 50),
        )


@dataclass(frozen=True)
class Outcome:
    """How it went. `struck` is False where the job was over first, or had no such process."""

    kill: Kill
    struck: bool
    ended: int
    published: int  # runs that were visible after the kill, all of them whole
    reruns: int
    equal: bool

    def __str__(self) -> str:
        kill = self.kill
        moment = f"{kill.limit} MiB" if kill.victim == "memory" else f"{kill.at:.0%}"
        how = "killed" if self.ended < 0 else f"exit {self.ended}"
        return (
            f"{kill.number:4}  {kill.job:8} {kill.victim:14} {moment:>9}  "
            f"{kill.settings or '-':19} {'struck' if self.struck else 'missed':7} {how:8} "
            f"{self.published:9} {self.reruns:6}  {'equal' if self.equal else 'UNEQUAL'}"
        )


HEADER = (
    "kill  job      victim            moment  Spark               signal  ended    published "
    "reruns  tables"
)

Said = dict[str, list[str]]


@dataclass
class Kit:
    """A cluster, corpora, a judge, and what undisturbed runs of each job say."""

    folder: Path
    cluster: processes.Cluster
    server: Server
    _undisturbed: dict[str, tuple[float, dict[str, Said]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        corpora(self.folder / "texts", DATES[:1])
        rows = {word: [float(i), float(i % 3), 1.0] for i, word in enumerate(["[UNK]", *WORDS])}
        models.static(self.folder / "model", rows)

    def undisturbed(self, job: str) -> tuple[float, dict[str, Said]]:
        """Seconds of a run that nobody kills, and what its runs say, by kind."""
        if job not in self._undisturbed:
            folder = self._place(job, f"undisturbed-{job}")
            started = time.monotonic()
            ended = self._finish(self._start(job, folder, "whole", JOBS[job].arguments))
            assert ended == 0, (folder / "whole.log").read_text()[-4000:]
            seconds = time.monotonic() - started
            found = {info.kind: said(open_run(info.path)) for info in finished(folder)}
            found["vectors"] = {"vectors": vectors(folder)}
            self._undisturbed[job] = seconds, found
        return self._undisturbed[job]

    def strike(self, kill: Kill) -> Outcome:
        """Kills, looks, runs again, compares. AssertionError for what is half-published, and where
        a second run does not end well."""
        seconds, wanted = self.undisturbed(kill.job)
        folder, job = self._place(kill.job, f"kill-{kill.number}"), JOBS[kill.job]
        more = SETTINGS[kill.settings]
        if kill.victim == "memory":
            more = (*more, f"spark.executor.pyspark.memory={kill.limit}m")
        process = self._start(kill.job, folder, "killed", job.arguments, more)
        struck = kill.victim == "memory" or self._killed(process, kill, seconds)
        ended = self._finish(process)
        self.cluster.idle()
        for info in runs(str(folder / "runs")):
            assert info.state in ("finished", "unfinished"), info
        published = [open_run(info.path) for info in finished(folder)]
        for run in published:
            whole(run)
        reruns = 0
        while ended != 0:
            # 75 says: try again. What a killed run held is free once it is seen to be gone.
            assert reruns < 6, (folder / f"again-{reruns - 1}.log").read_text()[-4000:]
            arguments = (*job.arguments, *job.again)
            ended = self._finish(self._start(kill.job, folder, f"again-{reruns}", arguments))
            reruns += 1
            assert ended in (0, 75), (folder / f"again-{reruns - 1}.log").read_text()[-4000:]
        kinds = [info.kind for info in finished(folder)]
        assert job.kind in kinds, kinds
        equal = vectors(folder) == wanted["vectors"]["vectors"] and all(
            said(open_run(info.path)) == wanted[info.kind] for info in finished(folder)
        )
        return Outcome(kill, struck, process.returncode, len(published), reruns, equal)

    def _place(self, job: str, name: str) -> Path:
        folder, texts = self.folder / name, self.folder / "texts"
        folder.mkdir()
        day = "{date}" if job == "nightly" else DATES[0]
        sides = [("human", "human", texts / "human.jsonl")]
        sides += [(name, "model", texts / day / f"{name}.jsonl") for name in ("gpt", "llama")]
        lenses = ["ngrams", "structure", *["embeddings"] * (job != "nightly")]
        (folder / "a.toml").write_text(
            _CONF.format(
                lenses=lenses,
                corpora="".join(_CORPUS.format(name=n, role=r, path=p) for n, r, p in sides),
                model=self.folder / "model",
                url=self.server.url,
            )
        )
        return folder

    def _start(
        self, job: str, folder: Path, log: str, arguments: tuple[str, ...], more: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        command = processes.spark_submit(
            JOBS[job].file,
            "--conf",
            "a.toml",
            *arguments,
            master=self.cluster.master,
            settings=(*_PLAIN, *more),
        )
        with (folder / f"{log}.log").open("w") as out:
            return subprocess.Popen(
                command,
                cwd=folder,
                env=processes.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _killed(self, process: subprocess.Popen[bytes], kill: Kill, seconds: float) -> bool:
        """Whether the victim was there to be killed at its moment, or came after it."""
        moment, drawn = time.monotonic() + kill.at * seconds, random.Random(kill.number)
        while process.poll() is None:
            time.sleep(0.02)
            if time.monotonic() < moment:
                continue
            if kill.victim == "driver":
                os.killpg(process.pid, signal.SIGKILL)
                return True
            executors = kill.victim == "executor"
            found = self.cluster.executors if executors else self.cluster.python_workers
            if victims := found():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(drawn.choice(victims), signal.SIGKILL)
                    return True
        return False

    def _finish(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(_LONGEST)
        finally:
            processes.stop(process, signal.SIGKILL)


@contextlib.contextmanager
def kit(folder: Path, server: Server) -> Iterator[Kit]:
    with processes.cluster(folder) as cluster:
        yield Kit(folder, cluster, server)


# --- what is held against what ------------------------------------------------------------------


def finished(folder: Path) -> list[RunInfo]:
    return [info for info in runs(str(folder / "runs")) if info.state == "finished"]


def said(run: Run) -> Said:
    """Every table to the last bit, but for the run's own name and the clock."""
    found = {}
    for name in run.tables:
        drop = {"run_id", *_OF_THE_CLOCK.get(name, ())}
        rows = run.table(name).to_pylist()
        found[name] = sorted(repr({k: v for k, v in row.items() if k not in drop}) for row in rows)
    return found


def whole(run: Run) -> None:
    """Every table has the rows that the manifest says."""
    for name, told in run.manifest["tables"].items():
        assert run.table(name).num_rows == told["rows"], (run.path, name)


def vectors(folder: Path) -> list[str]:
    """Of the embedding store: key and vector of each text, to the last bit."""
    found = set()
    for place in (folder / "runs" / "embeddings").glob("*"):
        store = VectorStore(Location.parse(str(place)))
        for name in store.files():
            keys, own = store.read(name)
            found |= {
                f"{key.hex()} {vector.tobytes().hex()}"
                for key, vector in zip(keys.to_pylist(), own, strict=True)
            }
    return sorted(found)
