"""pullquote calibrate: calibrated scores, and when a model abstains."""

from __future__ import annotations

from dataclasses import replace

import click

from pullquote.checkpoints.bundled import bundled_models
from pullquote.checkpoints.directory import store_settings
from pullquote.cli.console import (
    decision_words,
    load_data,
    model_options,
    printable,
    progress_bar,
    share,
)
from pullquote.errors import InputError
from pullquote.reading.calibrate import calibrate, choose_answerable
from pullquote.reading.reader import Reader
from pullquote.scoring.operating_points import Goal


@click.command(
    "calibrate",
    epilog="""Examples:

\b
  pullquote calibrate ./run tune.json
  pullquote calibrate ./run tune.json --answerable-from questions.csv
  pullquote calibrate ./run --answerable 80%
  pullquote calibrate ./run tune.json --threshold-for precision=0.9
""",
)
@click.argument("model_dir")
@click.argument("data", required=False)
@click.option(
    "--answerable",
    callback=share,
    metavar="P",
    help="Store this share of questions that are expected to have an answer, such as 80%.",
)
@click.option(
    "--answerable-from",
    metavar="FILE",
    help="Choose that share on FILE, questions like those that will be asked: the one that gives "
    "the most right answers minus wrong ones, or within 3 % of the questions of it and bolder.",
)
@click.option(
    "--threshold-for",
    metavar="GOAL",
    help="Abstain by a threshold instead, chosen on DATA: f1, exact, precision=P or coverage=C.",
)
@model_options
def command(
    model_dir: str,
    data: str | None,
    answerable_from: str | None,
    answerable: float | None,
    threshold_for: str | None,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Fit the scores of MODEL_DIR on DATA, so that they are probabilities, and store that.

    DATA must be held out: neither trained on, nor what results are reported on. Afterwards an
    answer's score says how likely it is right (shares most words with what a person would mark),
    and the no-answer score how likely there is none. Some questions are also asked of 4 and 16
    paragraphs of their article. Prints the expected calibration error (ECE) on DATA.

    When to abstain follows from these probabilities and the share of questions that are expected to
    have an answer. --answerable-from chooses that share, --answerable sets it; both work without
    DATA, too. Without either, the model decides as before.

    GOAL, for a threshold that decides instead: the best F1 or exact match; precision=0.9, answer as
    much as possible with 90 % of the given answers right; coverage=0.8, answer 80 % of the
    questions, those with the highest scores.
    """
    decisions = {
        "--answerable-from": answerable_from,
        "--answerable": answerable,
        "--threshold-for": threshold_for,
    }
    given = [name for name, value in decisions.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other; give one of them.")
    if data is None and given in ([], ["--threshold-for"]):
        raise click.UsageError("nothing to fit on; give DATA, --answerable-from or --answerable.")
    goal = Goal.parse(threshold_for) if threshold_for is not None else None
    if model_dir in bundled_models():
        raise InputError(
            f"{model_dir}: came with pullquote; expected a model directory of yours. Copy the "
            "bundled one first, and give the copy's path"
        )
    reader = Reader(model_dir, device=device, threads=threads, precision=precision)
    config = reader.config
    examples = load_data(data).examples if data is not None else ()
    use = load_data(answerable_from).examples if answerable_from is not None else ()
    told = []
    if data is not None:
        with progress_bar("answering") as progress:
            fitted = calibrate(reader, examples, source=data, goal=goal, progress=progress)
        config = fitted.config
        before, after = (f"{100 * error:.1f} %" for error in fitted.errors)
        told.append(f"calibrated on {printable(data)}: ECE {after}, before {before}")
        if fitted.point:
            point = fitted.point
            told.append(
                f"no-answer threshold {point.threshold:.4f} for {goal}: answers "
                f"{100 * point.coverage:.1f} % of the questions, {100 * point.precision:.1f} % of "
                "them rightly"
            )
    if answerable_from is not None:
        with progress_bar("choosing") as progress:
            chosen = choose_answerable(
                reader, use, config=config, source=answerable_from, progress=progress
            )
        config = chosen.config
        told.append(
            f"on {printable(answerable_from)}: {chosen.right:,} right answers, {chosen.wrong:,} "
            f"wrong, {chosen.abstained:,} abstentions"
        )
    elif answerable is not None:
        config = replace(config, answerable=answerable, answerable_chosen_on="set by hand")
    store_settings(reader.directory.path, config)
    for line in told:
        click.echo(line)
    decision = f"{decision_words(config.decision())}{'' if given else ', as before'}"
    click.echo(f"stored in {printable(str(reader.directory.path))}; decision: {decision}")
