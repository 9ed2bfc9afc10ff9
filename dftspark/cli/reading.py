"""Commands that read runs; none of them starts Spark."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING, Annotated, cast

import typer

from dftspark.cli.shared import AsJson, Store, app, console, opened
from dftspark.errors import ConfigError

if TYPE_CHECKING:
    from dftspark.store.run import Run


@app.command("runs")
def list_runs(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or URI.")] = "runs",
    as_json: AsJson = False,
) -> None:
    """Lists the runs of a store, newest first.

    Example: `dftspark runs s3a://audits/nightly`
    """
    from dftspark.redaction import redact
    from dftspark.report.terminal.listing import print_runs
    from dftspark.store.listing import runs

    found = runs(store)
    if as_json:
        for info in found:
            print(redact(json.dumps(asdict(info))))
    else:
        print_runs(found, store, console())


@app.command()
def history(
    metric: Annotated[str, typer.Argument(help="Name in the table metrics, such as l2_2gram.")],
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or URI.")] = "runs",
    model: Annotated[str | None, typer.Option("--model", help="Of several, which.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of several audits, which.")] = None,
    since: Annotated[str, typer.Option("--since", help="First date, YYYY-MM-DD.")] = "",
    as_json: AsJson = False,
) -> None:
    """Prints a metric of every night, by date; in a store without nights, of every audit.

    Example: `dftspark history l2_2gram runs --model assistant --since 2026-11-01`

    Example: `dftspark history mmd_squared checkpoints --json`
    """
    from dftspark.nights import calendar
    from dftspark.report.terminal import table as tables

    columns = [
        "date",
        "model",
        "stratum",
        "metric",
        "n_tell",
        "n_tell_low",
        "n_tell_high",
        "value",
        "ci_low",
        "ci_high",
        "p_value",
        "floor",
        "n_model",
        "run_id",
    ]
    found = calendar.history(store, metric, model=model, name=name, since=since, columns=columns)
    if not found.num_rows:
        raise ConfigError(
            f"no night or audit in {store} has {metric!r}" + (f" of {model!r}" if model else "")
        )
    if not as_json:
        return tables.print_table(found, metric, console(), found.num_rows)
    for line in tables.json_lines(found):
        print(line)


@app.command()
def prune(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or URI.")],
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", min=1, help="Profiles of how many dates stay.")
    ] = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Older versions go.")] = False,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Killed runs go.")] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Runs whose manifest cannot be read go.")
    ] = False,
    hours: Annotated[float, typer.Option("--hours", min=0, help="Only runs older than.")] = 24.0,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; without, only say what would.")
    ] = False,
) -> None:
    """Lists the runs of nightly audits that need not be kept, and with --yes deletes them.

    A run that is at work is kept: it gives a sign of life every minute.

    Example: `dftspark prune runs --keep-days 60 --superseded --unfinished`
    """
    from dftspark.nights import retention
    from dftspark.report.words.text import visible_lines
    from dftspark.store.listing import runs

    if keep_days is None and not (superseded or unfinished or damaged):
        raise ConfigError("say what may go: --keep-days N, --superseded, --unfinished, --damaged")
    going = retention.doomed(
        store,
        keep_days=keep_days,
        superseded=superseded,
        unfinished=unfinished,
        damaged=damaged,
        hours=hours,
    )
    for run in going:
        print(f"{run.id}  {visible_lines(run.why)}, {run.bytes / 2**20:,.1f} MiB")
    for run_id in retention.waiting(runs(store)) if damaged else []:
        print(
            f"{run_id}  damaged, and stays until its date is done again: an older version would "
            f"hold again"
        )
    at_work = retention.prune(store, going) if yes else []
    for run_id in at_work:
        print(f"{run_id}  is at work after all, and stays")
    going = [run for run in going if run.id not in at_work]
    total = sum(run.bytes for run in going) / 2**20
    number = f"{len(going)} run{'' if len(going) == 1 else 's'}"
    print(f"{number}, {total:,.1f} MiB {'deleted' if yes else 'would go; --yes deletes'}")


@app.command()
def show(
    run: Store = "runs",
    table: Annotated[str | None, typer.Argument(help="A table; without, the verdict.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="How many to show.")] = None,
    as_json: AsJson = False,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="COLUMN", help="-COLUMN: largest first.")
    ] = None,
    document: Annotated[
        str | None,
        typer.Option("--document", metavar="ID", help="The text of this document, from its file."),
    ] = None,
) -> None:
    """Prints the verdict of a run, one of its tables, or a document that it read.

    For a run that did not finish, it prints what was read and rejected. A run does not keep
    documents: --document reads the corpora again, where the settings of the run say they are.

    Example: `dftspark show runs`

    Example: `dftspark show runs ngrams --sort -share --rows 50`

    Example: `dftspark show runs metrics --json`

    Example: `dftspark show runs --document essays.jsonl#12`
    """
    from dftspark.report.terminal import table as tables
    from dftspark.report.terminal.run import render

    found = opened(run, unfinished=True)
    if document is not None:
        if table is not None or sort:
            raise ConfigError("--document goes with a run, without a table and without --sort")
        return _show_document(found, document, as_json)
    if table is None:
        if as_json or sort:
            raise ConfigError(f"--json and --sort go with a table: {', '.join(found.tables)}")
        return render(found, console(), rows or 12)
    content = found.table(table)
    content = tables.sort(content, sort) if sort else content
    if not as_json:
        return tables.print_table(content, table, console(), rows or 20)
    for line in tables.json_lines(content if rows is None else content.slice(0, rows)):
        print(line)


def _show_document(run: Run, doc_id: str, as_json: bool) -> None:
    from dftspark.config import Audit
    from dftspark.corpus.lookup import look_up
    from dftspark.report.words.text import visible, visible_lines

    config = run.manifest.get("config", {})
    if "corpora" not in config:
        raise ConfigError(f"run {run.id} does not say where its documents are")
    for one in look_up(Audit.parse(config, f"the settings of run {run.id}"), doc_id):
        if as_json:
            print(json.dumps(one._asdict()))
            continue
        place = f"{one.file} {one.position}".strip()
        print(f"{one.role}, {visible(one.corpus)}, {visible(one.doc_id)}: {visible(place, 400)}")
        print(f"\n{visible_lines(one.text)}\n")


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="RUN_A", help="A run, or its run store.")],
    second: Annotated[str, typer.Argument(metavar="RUN_B", help="A run, or its run store.")],
    model: Annotated[str | None, typer.Option("--model", help="Of several, which.")] = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Also write it as a page, into this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sets two runs side by side: each measure in both, and what else is different.

    A run is given by its path, or by the path of a store for its latest. B is nearer or farther
    than A only where the difference is more than the error of both. The page also has the phrases
    and constructions that came and went.

    Example: `dftspark diff runs/20261121T010000Z-nightly-0f1e2d runs`

    Example: `dftspark diff checkpoint-100/runs checkpoint-200/runs --out diff.html`
    """
    from dftspark.redaction import redact
    from dftspark.report.page import written
    from dftspark.report.terminal import run_diff as drawing
    from dftspark.report.words import run_diff

    pair = opened(first), opened(second)
    found = run_diff.diff(*pair, model)
    page = None if out is None else written.diff(*pair, found, out)
    if not as_json:
        drawing.render(*pair, found, console())
        if page:
            print(f"\nThe page is {page}")
        return
    for row in found.rows:
        finite = {k: None if v != v or v in (inf, -inf) else v for k, v in row.items()}
        print(json.dumps({"kind": "measure", **finite}))
    for name, before, after in found.changed:
        print(redact(json.dumps({"kind": "change", "name": name, "a": before, "b": after})))


@app.command()
def report(
    run: Store = "runs",
    out: Annotated[
        str | None,
        typer.Option("--out", help="File to write; else beside the run, or index.html in a store."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="In full; once per model. Else the first.")
    ] = None,
    swap: Annotated[
        bool | None,
        typer.Option("--copy-swap/--no-copy-swap", help="Swap words where excerpts are copied."),
    ] = None,
) -> None:
    """Writes one static page, of a run or over all runs of a store, and prints where it is.

    An audit leaves report.html in its run, which never changes; this command makes a new page from
    the run's tables, with the history as it is now.

    Example: `dftspark report runs/20261122T010000Z-nightly-1a2b3c --out report.html`

    Example: `dftspark report runs`
    """
    from dftspark.report.page import written

    print(written.report(run, out, tuple(model or ()), swap))


@app.command()
def card(
    run: Store = "runs",
    form: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="FORM", help="svg, png or markdown; once per form. Else all."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", help="Files to write, without ending; - prints. Else beside the run."
        ),
    ] = None,
) -> None:
    """Makes a picture of a run to paste, 1200 x 630, and its Markdown for a pull request.

    Both say how many documents give each model away, by what, and how sure that is. Names and
    phrases in the Markdown are code, so that they link to nothing and name nobody.

    Example: `dftspark card runs`

    Example: `dftspark card runs --as markdown --out - >> "$GITHUB_STEP_SUMMARY"`
    """
    from dftspark.report.page import written

    forms = list(dict.fromkeys(form or written.FORMS))
    unknown = [one for one in forms if one not in written.FORMS]
    if unknown:
        raise ConfigError(f"--as is one of {', '.join(written.FORMS)}, got {', '.join(unknown)}")
    if out == "-" and len(forms) > 1:
        raise ConfigError("--out - prints one form: say which, as with --as markdown")
    found = opened(run)
    if out == "-":
        sys.stdout.buffer.write(written.drawn(found, forms[0]))
        return
    for place in written.cards(found, forms, out).values():
        print(place)


@app.command()
def export(
    run: Store = "runs",
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Once per model; else all of the run.")
    ] = None,
    form: Annotated[
        str, typer.Option("--as", help="statistics, antislop, strings or lines.")
    ] = "statistics",
    ratio: Annotated[float, typer.Option("--ratio", min=1, help="Least model / human.")] = 3.0,
    q_value: Annotated[float, typer.Option("--q-value", min=0, max=1)] = 0.01,
    documents: Annotated[int, typer.Option("--documents", min=2, help="Least that have it.")] = 10,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 500,
) -> None:
    """Prints over-used words and phrases as a ban list for samplers.

    A phrase that several models over-use is listed once, for the one that does so most.

    Example: `dftspark export runs --as antislop > slop_phrase_prob_adjustments.json`
    """
    from dftspark import ban_list
    from dftspark.report.words.notes import notes

    if form not in ban_list.FORMS:
        raise ConfigError(f"--as is one of {', '.join(ban_list.FORMS)}, got {form!r}")
    found = opened(run)
    for said in notes(found):
        print(f"! {said}", file=sys.stderr)
    entries = ban_list.of_run(
        found, model or (), least_ratio=ratio, q_value=q_value, documents=documents, limit=limit
    )
    print(ban_list.written(entries, cast("ban_list.Form", form)), end="")
    if form == "lines" and (number := ban_list.formulas(entries)):
        print(
            f"note: {number} lines begin with = + - or @, which a spreadsheet takes for a formula; "
            f"import them as text",
            file=sys.stderr,
        )
