"""pullquote score: a prediction file against labelled data."""

from __future__ import annotations

import click

from pullquote.cli.console import echo_json, ensure_writable, load_data, note_unlabelled, say
from pullquote.files import write_json
from pullquote.scoring.predictions import load_predictions, load_probabilities
from pullquote.scoring.squad import score


@click.command(
    "score",
    epilog="""Examples:

\b
  pullquote score dev-v2.0.json predictions.json
  pullquote score dev-v2.0.json predictions.json --na-prob na_prob.json --threshold 0.6
""",
)
@click.argument("data")
@click.argument("predictions")
@click.option("-n", "--na-prob", metavar="FILE", help="No-answer probabilities, id to number.")
@click.option(
    "-t",
    "--threshold",
    type=float,
    metavar="P",
    help="Count as no answer what is more probable than P [default: 1.0]. Needs --na-prob.",
)
@click.option("-o", "--output", metavar="FILE", help="Write the scores to FILE, too.")
def command(
    data: str, predictions: str, na_prob: str | None, threshold: float | None, output: str | None
) -> None:
    """Score PREDICTIONS (JSON, id to text, "" for no answer) against DATA.

    Prints the keys and numbers of SQuAD 2.0's evaluate-v2.0.py as JSON, and avna: how often the
    choice to answer at all was right.
    """
    if threshold is not None and na_prob is None:
        raise click.UsageError("--threshold applies to probabilities; give them with --na-prob.")
    if output:
        ensure_writable(output)
    dataset = load_data(data)
    scores = score(
        dataset.examples,
        load_predictions(predictions),
        no_answer_probabilities=load_probabilities(na_prob) if na_prob else None,
        threshold=1.0 if threshold is None else threshold,
    )
    if scores.missing:
        say(
            "note",
            f"questions without a prediction, left out: {len(scores.missing):,} of "
            f"{len(dataset.examples):,} (first: {scores.missing[0]!r})",
        )
    if scores.unknown:
        say(
            "note",
            f"predictions for questions that the data does not have, left out: "
            f"{len(scores.unknown):,} (first: {scores.unknown[0]!r})",
        )
    note_unlabelled(dataset, data)
    result = {**scores.as_dict(), "avna": scores.avna}
    echo_json(result)
    # written last, so that a full disk does not lose the printed scores
    if output:
        write_json(output, result)
