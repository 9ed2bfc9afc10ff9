"""A year of nights: the cost of a night with no history and with a year of it, and its storage.

    python benchmarks/nightly.py [--documents 2000] [--made 9] [--again 5] [--folder DIR]

Nights 1 to 9, or as many as --made says, and 365 to 367 are made from documents, each in full:
--documents a night, half from each of two models, compared with as many human ones. Those between
are copies of made ones under other dates (states by hard link, tables with their dates), so that
listing, selection, window and history are those of a year. Then the states of nights 3 to 9 are
counted again in one pass over their documents, and compared byte by byte.

`own` is the cost of a date's documents (read, count, measure, publish the profile), `rest` the
further cost of the night (select and merge the window, compare, check, publish). Processor seconds
are those of the whole process tree; the session is warm after night 1. One night's seconds scatter
by a tenth and more, so the rest of nights 2 and 367 is then measured --again times in turn.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._measure import Tree
from dftspark import history, runs, schema
from dftspark.config import Audit
from dftspark.lenses.lens import Night
from dftspark.lenses.ngrams.statistic_counts import NgramCounts, NgramRows
from dftspark.making import Making
from dftspark.nights import days
from dftspark.nights.calendar import Nights, night_name, profile_name, window_of
from dftspark.spark.session import session
from dftspark.stages.profiling import profile
from dftspark.store.listing import runs as listed
from dftspark.store.run import Run
from dftspark.testing.synthetic import Phrase, SyntheticSource

LATE = (365, 366, 367)
FIRST = datetime.date(2026, 1, 1)
MODELS = ("alpha", "beta")
SOURCE = SyntheticSource(
    mean_tokens=300, phrases=(Phrase(text="it is worth noting", per_thousand=0.5, times=3.0),)
)
RULES = [
    {"name": "moved", "metric": "l2_corrected_2gram", "against": "trailing"},
    {"name": "far", "metric": "l2_1gram", "against": "floor", "above": 9.0, "nights": 3},
    {"name": "noting", "phrase": "it is worth noting", "above": 1e6},
]


def date_of(night: int) -> str:
    return (FIRST + datetime.timedelta(days=night - 1)).isoformat()


def write_texts(folder: Path, nights: list[int], documents: int) -> None:
    for night in nights:
        for i, model in enumerate(MODELS):
            path = folder / date_of(night) / f"{model}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            start = 10_000_000 * (i + 1) + documents * night
            SOURCE.write(path, documents // len(MODELS), start=start, role="model")


def config_of(folder: Path) -> Audit:
    models = {
        model: {"role": "model", "path": f"{folder}/{{date}}/{model}.parquet"} for model in MODELS
    }
    document = {
        "name": "year",
        "out": str(folder / "store"),
        "lenses": ["ngrams", "structure"],
        "corpora": {"human": {"role": "human", "path": str(folder / "human.parquet")}, **models},
        "checks": RULES,
    }
    return Audit.parse(document, "the benchmark")


@dataclass(frozen=True)
class Cost:
    """Processor seconds of a night, and its wall seconds."""

    own: float
    rest: float
    wall: float


def one_night(spark: Any, config: Audit, date: str) -> tuple[Run, Cost]:
    """Does what `runs.nightly` does, in two steps."""
    tree, started = Tree(os.getpid()), time.monotonic()
    nights = Nights.of(config.out, config.name)
    human = days.reference(spark, config, nights, None)
    before = tree.cpu_s()
    days.profile_day(spark, config, date, human, nights, None)
    between = tree.cpu_s()
    run = runs.nightly(spark, config, date, read=False)
    wall = time.monotonic() - started
    return run, Cost(between - before, tree.cpu_s() - between, wall)


def rest_again(spark: Any, config: Audit, night: int) -> float:
    """Returns processor seconds of the night from the stored profiles, without a document."""
    tree = Tree(os.getpid())
    before = tree.cpu_s()
    runs.nightly(spark, config, date_of(night), read=False)
    return tree.cpu_s() - before


def copy_night(store: Path, name: Callable[[str, str], str], like: Run, night: int) -> None:
    """Copies the run to another date, with the ids and dates that this requires."""
    date = date_of(night)
    stamp = f"{datetime.datetime.fromisoformat(date):%Y%m%dT%H%M%SZ}"
    target = store / f"{stamp}-{name('year', date)}-{night:06x}"
    shutil.copytree(like.path, target, copy_function=os.link)
    manifest = {**like.manifest, "date": date, "run_id": target.name}
    if "profiles" in manifest:
        dates = window_of(date, 7)
        manifest["profiles"] = dict.fromkeys(dates[-len(manifest["profiles"]) :], target.name)
    for table in ("metrics", "checks"):
        if (file := target / f"{table}.parquet").exists():
            rows = pq.read_table(file)
            at = rows.schema.get_field_index("date")
            dates = pa.array([date] * rows.num_rows)
            file.unlink()
            pq.write_table(rows.set_column(at, rows.schema.field(at), dates), file)
    (target / "manifest.json").unlink()
    (target / "manifest.json").write_text(json.dumps(manifest))


def states(found: list[Run]) -> dict[tuple[Any, ...], list[NgramRows]]:
    grouped: dict[tuple[Any, ...], list[NgramRows]] = {}
    for run in found:
        columns = ["corpus", "stratum", "n", "part", "state"]
        table = run.table("profile", columns, pc.field("n") != schema.WHOLE)
        for *key, state in zip(*(table[name] for name in table.column_names), strict=True):
            own = grouped.setdefault(tuple(value.as_py() for value in key), [])
            own.append(NgramRows.decode(state.as_buffer()))
    return grouped


def recount_is_equal(spark: Any, config: Audit, folder: Path, last: str) -> tuple[int, bool]:
    """Returns (states compared, whether all are equal to the last byte)."""
    made = window_of(last, 7)
    corpora = {
        model: config.corpora[model].model_copy(
            update={"path": tuple(f"{folder}/{day}/{model}.parquet" for day in made)}
        )
        for model in MODELS
    }
    whole = config.model_copy(update={"corpora": corpora, "name": "recount"})
    making = Making.begin(spark, whole, last, None)
    profile(making, Night(None))
    nights = Nights.of(config.out, config.name)
    recount = states([making.publish("profile")])
    by_day = states([run for date in made if (run := nights.profile(date))])
    equal = all(
        NgramCounts(n=key[2]).merge_all(by_day[key]).encode() == own[0].encode()
        for key, own in recount.items()
    )
    return len(recount), equal and recount.keys() == by_day.keys()


def medians(costs: dict[int, Cost], nights: Iterable[int]) -> tuple[float, float]:
    """Returns the medians of own and rest."""
    found = [costs[night] for night in nights if night in costs]
    return statistics.median(c.own for c in found), statistics.median(c.rest for c in found)


def make_a_year(
    spark: Any, config: Audit, folder: Path, documents: int, made: int
) -> tuple[dict[int, Run], dict[int, Cost]]:
    found: dict[int, Run] = {}
    costs: dict[int, Cost] = {}
    store = folder / "store"
    print("night  days merged  own CPU s  rest CPU s  wall s", flush=True)
    for night in [*range(1, made + 1), *LATE]:
        if night == LATE[0]:
            nights = Nights.of(config.out, config.name)
            for other in range(made + 1, LATE[0]):
                like = made - other % 7  # seven different days in every window
                day = nights.profile(date_of(like))
                assert day is not None
                copy_night(store, profile_name, day, other)
                copy_night(store, night_name, found[like], other)
        write_texts(folder, [night], documents)
        found[night], cost = one_night(spark, config, date_of(night))
        costs[night] = cost
        print(
            f"{night:5}  {len(found[night].manifest['profiles']):11}  {cost.own:9.1f}  "
            f"{cost.rest:10.1f}  {cost.wall:6.1f}",
            flush=True,
        )
    return found, costs


def print_costs(costs: dict[int, Cost], again: dict[int, list[float]], made: int) -> None:
    _, second = medians(costs, [2])
    last = range(made - 8, made + 1)
    spans: dict[str, Iterable[int]] = {
        "2": [2],
        "2 to 4": range(2, 5),
        "7 to 9": range(7, 10),
        f"{last[0]} to {last[-1]}": last,
        "365 to 367": LATE,
    }
    for said, span in spans.items():
        own, rest = medians(costs, span)
        print(
            f"CPU s, medians, nights {said}: own {own:.1f}, rest {rest:.1f}, "
            f"{rest / second:.2f}x night 2"
        )
    for night, seconds in again.items():
        median = statistics.median(seconds)
        print(
            f"CPU s, rest of night {night} again: "
            f"{' '.join(f'{value:.1f}' for value in sorted(seconds))}, median {median:.1f}, "
            f"{median / statistics.median(again[2]):.2f}x night 2"
        )


def print_storage(config: Audit, store: str, night: Run, documents: int) -> None:
    nights = Nights.of(config.out, config.name)
    day = nights.profile(date_of(LATE[-1]))
    assert day is not None
    for what, of in (("profile of a date", day), ("tables of a night", night)):
        size = sum(table["bytes"] for table in of.manifest["tables"].values())
        print(f"stored, {what}: {size / 2**20:.2f} MiB, {size / documents:.0f} bytes a document")
    for what, work in (
        ("history of a metric, 367 nights", lambda: history(store, "l2_2gram", name="year")),
        (
            "selection of a window from a year",
            lambda: Nights.of(store, "year").profile(date_of(LATE[-1])),
        ),
        ("listing of all runs with their manifests", lambda: listed(store)),
    ):
        started = time.monotonic()
        work()
        print(f"{what}: {time.monotonic() - started:.3f} s")
    rows = history(store, "l2_2gram", name="year", model="alpha").num_rows
    print(f"rows of that history for one model: {rows}; runs in the store: {len(listed(store))}")


def main() -> None:
    parser = argparse.ArgumentParser(description="A year of nights.")
    parser.add_argument("--documents", type=int, default=2_000, help="of all models a night")
    parser.add_argument("--made", type=int, default=9, help="nights made before the copies, 9..364")
    parser.add_argument("--again", type=int, default=5, help="rests of nights 2 and 367, in turn")
    parser.add_argument("--folder", type=Path, help="where texts and store go")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    SOURCE.write(folder / "human.parquet", args.documents, role="human")
    config = config_of(folder)
    print(
        f"{args.documents} documents a night of {len(MODELS)} models, as many human ones, "
        f"window 7, n-grams 1 to 4 and structure; nights {args.made + 1} to {LATE[0] - 1} "
        f"are copies"
    )
    again: dict[int, list[float]] = {2: [], LATE[-1]: []}
    with session("year", "local[2]") as spark:
        made, costs = make_a_year(spark, config, folder, args.documents, args.made)
        for _ in range(args.again):
            for night, seconds in again.items():
                seconds.append(rest_again(spark, config, night))
        number, equal = recount_is_equal(spark, config, folder, date_of(9))
    print_costs(costs, again, args.made)
    print(f"recount in one pass of nights 3 to 9: {number} states, equal to the byte: {equal}")
    print_storage(config, str(folder / "store"), made[LATE[-1]], args.documents)


if __name__ == "__main__":
    main()
