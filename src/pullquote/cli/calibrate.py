"""pullquote calibrate: calibrated scores, and a threshold for a goal."""

from __future__ import annotations

import click

from pullquote.checkpoints.bundled import bundled_models
from pullquote.checkpoints.directory import store_settings
from pullquote.cli.console import load_data, model_options, printable, progress_bar
from pullquote.errors import InputError
from pullquote.reading.calibrate import calibrate
from pullquote.reading.reader import Reader
from pullquote.scoring.operating_points import Goal


@click.command(
    "calibrate",
    epilog="""Examples:

\b
  pullquote calibrate ./run tune.json
  pullquote calibrate ./run tune.json --threshold-for precision=0.9
""",
)
@click.argument("model_dir")
@click.argument("data")
@click.option(
    "--threshold-for",
    metavar="GOAL",
    help="Choose the no-answer threshold, too: f1, exact, precision=P or coverage=C.",
)
@model_options
def command(
    model_dir: str, data: str, threshold_for: str | None, device: str, threads: int | None
) -> None:
    """Fit the scores of MODEL_DIR on DATA, so that they are probabilities, and store that.

    DATA must be held out: neither trained on, nor what results are reported on. Afterwards an
    answer's score says how likely it is right (shares most words with what a person would mark),
    and the no-answer score how likely there is none, where half of the questions have an answer.
    Some questions are also asked of 4 and 16 paragraphs of their article.

    GOAL: the best F1 or exact match; precision=0.9, answer as much as possible with 90 % of the
    given answers right; coverage=0.8, answer 80 % of the questions, those with the highest scores.
    """
    goal = Goal.parse(threshold_for) if threshold_for else None
    if model_dir in bundled_models():
        raise InputError(
            f"{model_dir}: came with pullquote; expected a model directory of yours. Copy the "
            "bundled one first, and give the copy's path"
        )
    reader = Reader(model_dir, device=device, threads=threads)
    examples = load_data(data).examples
    with progress_bar("answering") as progress:
        result = calibrate(reader, examples, source=data, goal=goal, progress=progress)
    store_settings(reader.directory.path, result.config)
    click.echo(f"{printable(str(reader.directory.path))}: calibrated on {printable(data)}")
    if result.point:
        point = result.point
        click.echo(
            f"no-answer threshold {point.threshold:.4f} for {goal}: answers "
            f"{100 * point.coverage:.1f} % of the questions, {100 * point.precision:.1f} % of them "
            "rightly"
        )
