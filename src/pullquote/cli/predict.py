"""pullquote predict: the answers to a data file, as files."""

from __future__ import annotations

import math

import click

from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    ensure_folder,
    load_data,
    model_options,
    progress_bar,
    spelling_option,
    threshold_option,
)
from pullquote.progress import tracked
from pullquote.reading.reader import Reader
from pullquote.scoring.predictions import save_predictions


@click.command(
    "predict",
    epilog="""Example:

\b
  pullquote predict small dev-v2.0.json -o out
  pullquote score dev-v2.0.json out/predictions.json

To search the best threshold yourself, write answers that never abstain:

\b
  pullquote predict small dev-v2.0.json -o out --never-abstain
  pullquote score dev-v2.0.json out/predictions.json --na-prob out/na_prob.json
""",
)
@click.argument("model")
@click.argument("data")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the files go.")
@answerable_option
@threshold_option
@click.option("--never-abstain", is_flag=True, help="Write the best quote for every question.")
@spelling_option
@model_options
def command(
    model: str,
    data: str,
    output: str,
    answerable: float | None,
    threshold: float | None,
    never_abstain: bool,
    spelling: bool | None,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Answer every question of DATA with MODEL and write four JSON files to DIR.

    \b
    predictions.json        id to text, "" for no answer
    nbest_predictions.json  id to the best quotes with probabilities and logits
    null_odds.json          id to null logit - best span logit (not a probability)
    na_prob.json            id to the probability that there is no answer
    """
    check_one_decision(threshold, answerable)
    for name, value in (("--threshold", threshold), ("--answerable", answerable)):
        if never_abstain and value is not None:
            raise click.UsageError(f"--never-abstain and {name} contradict each other.")
    ensure_folder(output, ["predictions.json"])
    reader = Reader(model, device=device, precision=precision, threads=threads, spelling=spelling)
    examples = load_data(data).examples
    predictions = reader.answer_all(
        examples,
        top_k=reader.config.n_best_size,
        overlapping=True,
        threshold=math.inf if never_abstain else threshold,
        answerable=answerable,
    )
    with progress_bar("answering") as progress:
        answered = tracked(predictions, len(examples), "answering", progress)
        written = save_predictions(output, answered)
    for path in written:
        click.echo(path)
