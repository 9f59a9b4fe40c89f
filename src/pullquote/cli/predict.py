"""pullquote predict: the answers to a data file, as files."""

from __future__ import annotations

import math
import re
from pathlib import Path

import click

from pullquote.cli.asking import note_no_text
from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    count,
    echo_dropped,
    ensure_folder,
    ensure_writable,
    model_options,
    open_reader,
    printable,
    progress_bar,
    say,
    spelling_option,
    threshold_option,
)
from pullquote.data.formats import read_items
from pullquote.data.rows import collect
from pullquote.errors import DataError, OutputError
from pullquote.progress import tracked
from pullquote.scale.answering import Columns, answer_rows
from pullquote.scale.output import KINDS, check_kind, write
from pullquote.scoring.predictions import save_predictions

_ENDING = re.compile(r"\.[a-z]{1,5}", re.I)  # of a file, rather than of a folder that is new


@click.command(
    "predict",
    epilog="""Example:

\b
  pullquote predict small dev-v2.0.json -o out
  pullquote score dev-v2.0.json out/predictions.json
  pullquote predict small questions.csv -o answers.csv

To search the best threshold yourself, write answers that never abstain:

\b
  pullquote predict small dev-v2.0.json -o out --never-abstain
  pullquote score dev-v2.0.json out/predictions.json --na-prob out/na_prob.json
""",
)
@click.argument("model")
@click.argument("data")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    help="Where the files go; or a table to write instead: .csv, .tsv, .jsonl, .parquet or .xlsx.",
)
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
    """Answer every question of DATA with MODEL and write four JSON files to DIR, or a table.

    No question is left out for its labels. A table has a row for each row of DATA: id, question,
    answer, start, end, score, no_answer_score, and error for a row that cannot be answered, which
    has no entry in the JSON files.

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
    threshold = math.inf if never_abstain else threshold
    table = Path(output).suffix.lower() in KINDS
    if table:
        check_kind(output)
        ensure_writable(output)
    elif _ENDING.fullmatch(Path(output).suffix) and not Path(output).is_dir():
        raise OutputError(
            f"{output}: its ending is none of {', '.join(KINDS)}; write one of these, or make the "
            "folder first"
        )
    else:
        ensure_folder(output, ["predictions.json"])
    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    with progress_bar(f"reading {printable(Path(data).name)}"):
        items = list(read_items(data))
    if not items:
        raise DataError(f"{data}: holds no questions")
    if table:
        columns = Columns(("question",))
        results = answer_rows(reader, items, columns, answerable=answerable, threshold=threshold)
        with progress_bar("answering") as progress:
            _, errors = write(output, tracked(results, len(items), "answering", progress), columns)
        click.echo(output)
        if errors:
            cannot = f"{count(errors, 'row')} of {len(items):,} cannot be asked"
            say("note", f"{data}: {cannot}: see the column error")
        if errors == len(items):
            note_no_text("DATA")
        return
    try:
        dataset = collect(items, data, labels=False)
    except DataError as error:
        raise DataError(f"{data}: {error}") from None
    examples = dataset.examples
    cannot = f"{count(len(dataset.dropped), 'row')} of {len(items):,} cannot be asked"
    echo_dropped(dataset.dropped, data, cannot)
    predictions = reader.answer_all(
        examples,
        top_k=reader.config.n_best_size,
        overlapping=True,
        threshold=threshold,
        answerable=answerable,
    )
    with progress_bar("answering") as progress:
        answered = tracked(predictions, len(examples), "answering", progress)
        written = save_predictions(output, answered)
    for path in written:
        click.echo(path)
