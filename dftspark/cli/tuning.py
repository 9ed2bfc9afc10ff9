"""Commands for tuning a model: in rounds here, or by another trainer; and the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dftspark.cli.shared import (
    Master,
    Out,
    Packages,
    Quiet,
    SparkConf,
    app,
    compute,
    console,
    opened,
    spark_settings,
)
from dftspark.errors import CheckFailed, ConfigError

_TRAINERS = "trl, verl, openrlhf, skyrl, verifiers"


@app.command()
def tune(
    conf: Annotated[Path, typer.Argument(help="The TOML file with [tune].")],
    out: Out = None,
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Tunes a model in rounds, so that its texts as a whole lie where human texts lie.

    A round writes samples, weighs them, trains a LoRA on them and on human text, and takes as much
    of it as brings the validation prompts nearest to human. It ends where nothing does. A control
    is trained on human text alone for the same tokens. A killed tuning goes on where it stopped.

    It needs the extra `tune`. What comes out is not known to be better: `dftspark gate` judges it.

    Example: `dftspark init --tune tune.toml`

    Example: `dftspark tune tune.toml --master 'local[2]'`
    """
    from dftspark.config.tune import Tuning
    from dftspark.location import check_store
    from dftspark.tuning.run import tune as tuned

    config = Tuning.load(conf, out)
    check_store(config.out)
    settings = spark_settings(spark_conf, packages)
    compute(
        "tune",
        lambda spark, shown: tuned(spark, config, shown),
        master,
        quiet,
        settings=settings,
    )


@app.command()
def reward(
    run: Annotated[str, typer.Argument(metavar="RUN", help="An audit of human and model text.")],
    trainer: Annotated[
        str, typer.Option("--for", metavar="TRAINER", help=f"Prints its lines: {_TRAINERS}.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", help="Of several models, the one to be tuned.")
    ] = None,
    target: Annotated[
        Path, typer.Option("--target", metavar="FILE", help="Where the target is written.")
    ] = Path("target.arrow"),
) -> None:
    """Writes the target of a model and prints how a trainer takes its reward from it.

    The target has the mean features of human text and of the model's, on blocks 0 to 47 of the
    prompts; the others are left for validation and for the referee. No document is read. The reward
    of a text says how much it would move the model's population towards the human one.

    Example: `dftspark reward runs/20261128T182530Z-stories-472e5b --for trl`

    Example: `dftspark reward runs --for verl --model base --target base.arrow`
    """
    from dftspark.report.words.text import visible_lines
    from dftspark.tuning.snippets import snippet
    from dftspark.tuning.target import Target

    lines = snippet(trainer, str(target.absolute()))
    if not target.parent.is_dir():
        raise ConfigError(f"--target: there is no folder {target.parent}")
    made = Target.of(opened(run), model=model)
    made.save(target)
    human, other = made.source["documents"]
    typer.echo(
        visible_lines(
            f"{target}: {made.features.width:,} features of {human:,} human documents and "
            f"{other:,} of {made.source['model']}"
        ),
        err=True,
    )
    print(lines, end="")


@app.command()
def gate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The audit on the referee's prompts.")],
    target: Annotated[Path, typer.Option("--target", help="The target that was trained on.")],
    control: Annotated[
        str, typer.Option("--control", help="Setting: trained on human text alone, equal tokens.")
    ],
    choice: Annotated[
        str, typer.Option("--choice", help="Setting: the matched choice among samples.")
    ],
    cross_entropy: Annotated[
        tuple[float, float],
        typer.Option(
            "--cross-entropy", metavar="BEFORE TUNED", help="On human text, nats a token."
        ),
    ],
    calls: Annotated[
        Path | None,
        typer.Option("--calls", metavar="FOLDER", help="The trainer's counts, TARGET.calls."),
    ] = None,
) -> None:
    """Judges a tuned model against the best setting, the matched choice and the control.

    RUN is an audit with `prompts = "referee"` (blocks 56 to 63): settings, control and choice are
    one corpus that split_by cuts, and the tuned model is sweep.challenger. The model is accepted
    only by measures that the target does not hold. Ends with exit code 3 if it is not.

    Example: `dftspark gate runs --target target.arrow --control sft/control --choice sft/chosen
    --cross-entropy 3.31 3.33 --calls target.arrow.calls`
    """
    from dftspark.tuning import calls as counted
    from dftspark.tuning import gated_run
    from dftspark.tuning.gate import decide
    from dftspark.tuning.target import Target
    from dftspark.tuning.terminal import print_decision

    judged = opened(run)
    measures = gated_run.measures(judged, Target.load(target), control=control, choice=choice)
    before, tuned = cross_entropy
    guards = gated_run.guards(
        judged,
        control=control,
        choice=choice,
        cross_entropy=(tuned, before),
        calls=counted.total(calls) if calls else None,
    )
    confidence = judged.manifest["config"]["inference"]["confidence"]
    decision = decide(measures, guards, confidence=confidence)
    print_decision(decision, guards, console())
    if not decision.accepted:
        raise CheckFailed("; ".join(decision.reasons))
