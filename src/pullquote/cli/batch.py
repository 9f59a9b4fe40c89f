"""pullquote batch: answers to files of questions, as a folder of Parquet files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from pullquote.cli.asking import note_no_text, note_nothing_fits, read_filters
from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    count,
    model_option,
    model_options,
    open_reader,
    printable,
    progress_bar,
    say,
    spelling_option,
    threshold_option,
)
from pullquote.errors import PullquoteError
from pullquote.urls import without_password

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader


@click.command(
    "batch",
    epilog="""Examples:

\b
  pullquote batch questions.csv answers
  pullquote batch "tickets/*.parquet" answers --keep customer --keep date --top-k 3
  pullquote batch --index contracts.db questions.parquet answers --keep question
  pullquote batch s3://bucket/questions s3://bucket/answers --engine ray --workers 64
""",
)
@click.argument("source", metavar="IN...", nargs=-1, required=True)
@click.argument("out", metavar="OUT")
@model_option
@click.option(
    "--index",
    metavar="INDEX",
    help="Ask the documents of an index, in place of a text in each row.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE",
    help="With --index: as for `pullquote ask`; repeatable.",
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
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This process, or a Ray cluster: the one at RAY_ADDRESS, or one of this machine.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="With ray: the most readers at once [default: as many as there are CPUs for].",
)
@click.option(
    "--gpus",
    type=click.FloatRange(min=0),
    metavar="N",
    help="With ray: GPUs of a reader [default: 0]; its CPUs are its --threads [default: 1].",
)
@answerable_option
@threshold_option
@spelling_option
@model_options
def command(
    source: tuple[str, ...],
    out: str,
    model: str,
    index: str | None,
    filters: tuple[str, ...],
    keep: tuple[str, ...],
    top_k: int,
    rows: int,
    engine: str,
    workers: int | None,
    gpus: float | None,
    answerable: float | None,
    threshold: float | None,
    spelling: bool | None,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Answer every row of IN (files, folders or globs) into the folder OUT, each exactly once.

    IN is Parquet, JSON Lines, CSV, TSV or SQuAD JSON with the columns question and context, and
    perhaps id; with --index the context is not needed. OUT gets Parquet files with a row for each
    row of IN: id, answer, start, end, score, no_answer_score, and error for a row that cannot be
    answered; with --index also document, sheet, unit (such as page) and number. Both may be URLs of
    an object store (s3://, gs://, az://). Stopped in any way, the same command goes on where it
    was, also with another engine; files that were added to IN since are answered, too. Needs the
    extras: pip install "pullquote[parquet]", "pullquote[remote]" for URLs, "pullquote[ray]" for a
    cluster.
    """
    from pullquote.scale.answering import Columns  # not loaded by --help
    from pullquote.scale.batch import batch
    from pullquote.scale.blocks import in_this_process
    from pullquote.scale.folders import folder_at
    from pullquote.scale.ray import RayEngine
    from pullquote.searching.index import Index
    from pullquote.searching.search import Searcher

    check_one_decision(threshold, answerable)
    if engine == "local" and (workers or gpus):
        raise click.UsageError("--workers and --gpus are for --engine ray.")
    if filters and not index:
        raise click.UsageError("--filter is for the documents of an --index.")
    path, where = read_filters(filters)
    columns = Columns(tuple(name.strip().lower() for name in keep), top_k, place=index is not None)
    if engine == "ray":
        threads = threads or 1
    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    shown = printable(without_password(out))
    try:
        with contextlib.ExitStack() as stack:
            asked: Reader | Searcher = reader
            if index:
                documents = stack.enter_context(Index.open(index))
                asked = Searcher(reader, documents)
            done = batch(
                asked,
                source,
                out,
                columns=columns,
                rows=rows,
                answerable=answerable,
                threshold=threshold,
                path=path,
                where=where,
                engine=RayEngine(workers, threads or 1, gpus or 0)
                if engine == "ray"
                else in_this_process,
                progress=stack.enter_context(progress_bar("answering", words=True)),
            )
            fits = not index or done.errors == done.rows or documents.matches(path, where)
    except (KeyboardInterrupt, PullquoteError):
        with contextlib.suppress(PullquoteError, OSError):
            if any(name.startswith("part-") for name in folder_at(out).names()):
                say("note", f"what is in {shown} stays; the same command goes on from there")
        raise
    again = f", {done.resumed:,} of them earlier" if done.resumed else ""
    click.echo(f"{shown}: {count(done.rows, 'row')}{again}; {done.seconds:.0f} s")
    if done.errors:
        say("note", f"{count(done.errors, 'row')} could not be answered: see the column error")
    if not fits:
        note_nothing_fits()
    if done.errors == done.rows and not index:
        note_no_text("IN")
    if done.missing and done.rows:
        names = ", ".join(map(printable, done.missing))
        say("note", f"no row of the input has a value in the column to --keep: {names}")
