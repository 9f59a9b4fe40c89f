"""pullquote batch: answers to files of questions, as a folder of Parquet files."""

from __future__ import annotations

from pathlib import Path

import click

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    count,
    model_options,
    open_reader,
    printable,
    progress_bar,
    say,
    spelling_option,
    threshold_option,
)
from pullquote.errors import PullquoteError


@click.command(
    "batch",
    epilog="""Examples:

\b
  pullquote batch questions.csv answers
  pullquote batch "tickets/*.parquet" answers --keep customer --keep date --top-k 3
""",
)
@click.argument("source", metavar="IN...", nargs=-1, required=True)
@click.argument("out", metavar="OUT")
@click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="NAME",
    help="Bundled model, directory or hub id.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="A column of IN that OUT has, too, as text; give it once for each.",
)
@click.option(
    "--top-k",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="K",
    help="Above 1: a column with the K best quotes.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000),
    default=2048,
    show_default=True,
    metavar="N",
    help="Rows of a file in OUT: what a kill may cost.",
)
@answerable_option
@threshold_option
@spelling_option
@model_options
def command(
    source: tuple[str, ...],
    out: str,
    model: str,
    keep: tuple[str, ...],
    top_k: int,
    rows: int,
    answerable: float | None,
    threshold: float | None,
    spelling: bool | None,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Answer every row of IN (files, folders or globs) into the folder OUT, each exactly once.

    IN is Parquet, JSON Lines, CSV, TSV or SQuAD JSON with the columns question and context, and
    perhaps id. OUT gets Parquet files with a row for each row of IN: id, answer, start, end, score,
    no_answer_score, and error for a row that cannot be answered. Stopped in any way, the same
    command goes on where it was; files that were added to IN since are answered, too. Needs the
    extra: pip install "pullquote[parquet]".
    """
    from pullquote.scale.answering import Columns  # not loaded by --help
    from pullquote.scale.batch import batch

    check_one_decision(threshold, answerable)
    columns = Columns(tuple(name.strip().lower() for name in keep), top_k)
    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    try:
        with progress_bar("answering", words=True) as progress:
            done = batch(
                reader,
                source,
                out,
                columns=columns,
                rows=rows,
                answerable=answerable,
                threshold=threshold,
                progress=progress,
            )
    except (KeyboardInterrupt, PullquoteError):
        if any(Path(out).glob("part-*.parquet")):
            say("note", f"what is in {out} stays; the same command goes on from there")
        raise
    again = f", {done.resumed:,} of them earlier" if done.resumed else ""
    click.echo(f"{printable(out)}: {count(done.rows, 'row')}{again}; {done.seconds:.0f} s")
    if done.errors:
        say("note", f"{count(done.errors, 'row')} could not be answered: see the column error")
