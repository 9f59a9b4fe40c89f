"""pullquote fill: a table out of documents, and the review of its cells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.cli.asking import cached_index, make_vectors, note_guesses, nothing_in
from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    count,
    ensure_writable,
    model_options,
    open_reader,
    printable,
    progress_bar,
    say,
    share,
    spelling_option,
    threshold_option,
)
from pullquote.errors import DocumentError

if TYPE_CHECKING:
    from pullquote.scale.fill import Source
    from pullquote.searching.documents import Problem, SourceFile
    from pullquote.searching.index import Index


@click.command(
    "fill",
    epilog="""Examples:

\b
  pullquote fill questions.toml leases/ -o leases.xlsx
  pullquote fill questions.toml leases/ letters/ -o table.csv --review review.html
  pullquote fill questions.toml leases/ letters/ -o table.csv --decisions decisions.json
""",
)
@click.argument("questions")
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="TABLE",
    help="The table to write: .csv, .tsv, .jsonl, .parquet or .xlsx.",
)
@click.option(
    "--review",
    metavar="HTML",
    help="Also write a page that shows each quote in its passage, to accept or reject it.",
)
@click.option(
    "--decisions",
    metavar="JSON",
    help="First take in what was decided on that page: the file that it saved.",
)
@click.option(
    "--low",
    callback=share,
    default="50%",
    show_default=True,
    metavar="P",
    help="Mark cells with a lower score.",
)
@click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="MODEL",
    help="A bundled name, a directory or a hub id.",
)
@answerable_option
@threshold_option
@spelling_option
@model_options
def command(
    questions: str,
    paths: tuple[str, ...],
    output: str,
    review: str | None,
    decisions: str | None,
    low: float,
    model: str,
    answerable: float | None,
    threshold: float | None,
    spelling: bool | None,
    device: str,
    precision: str,
    threads: int | None,
) -> None:
    """Fill TABLE out of the documents in each FOLDER: one row a document, one column a question.

    QUESTIONS is TOML: for each column [[question]] with name, ask (a question, or a list of its
    wordings) and perhaps kind: text, date, amount or yes/no. Beside each column stand its quote,
    place, score and a note. A date or amount is given in plain figures where there is no doubt,
    else as the quote. A document that cannot be read is a row with the reason.

    What was found is kept beside TABLE, in .TABLE.filled: stopped in any way, the same command goes
    on, and later asks only what is new. Needs the extra: pip install "pullquote[fill]".
    """
    from pullquote.scale.fill import (
        FillColumns,
        Filling,
        decide,
        fill,
        question_keys,
        shade,
        table,
    )
    from pullquote.scale.output import check_kind, write
    from pullquote.scale.review import read_decisions, write_review
    from pullquote.scale.review import review as rows_of_review
    from pullquote.scale.values import check_installed
    from pullquote.scale.wanted import read_wanted
    from pullquote.searching.index import Index
    from pullquote.searching.search import Searcher

    check_one_decision(threshold, answerable)
    for path in filter(Index.is_one, paths):
        raise click.UsageError(f"{path} is an index; fill takes documents: folders, or files.")
    wanted = read_wanted(questions)
    check_kind(output)
    if any(one.kind == "date" for one in wanted):
        check_installed()
    for path in filter(None, (output, review)):
        ensure_writable(path)
    decided = read_decisions(decisions) if decisions else []
    ours = {os.path.realpath(path) for path in (questions, output, review, decisions) if path}
    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    files = _files(paths)  # before the index, which then holds these versions or newer ones
    with cached_index(paths) as (index, found), Filling(output) as filling:
        sources = list(_sources(paths, files, index, ours))
        if not sources:
            raise DocumentError(nothing_in(paths, found))
        make_vectors(index)
        note_guesses(found)
        searcher = Searcher(reader, index)
        decision = {"threshold": threshold, "answerable": answerable}
        keys = question_keys(searcher, wanted, **decision)
        try:
            with progress_bar("asking") as progress:
                asked = fill(searcher, keys, sources, filling, progress=progress, **decision)
        except KeyboardInterrupt:
            say("note", "what was found stays; the same command goes on from there")
            raise
        left_out = decide(decided, keys, sources, filling)
        numbers = Path(output).suffix.lower() == ".xlsx"
        rows = table(keys, sources, filling, low=low, numbers=numbers)
        _, errors = write(output, rows, FillColumns(wanted), shade=shade)
        if review:
            write_review(review, rows_of_review(keys, sources, filling, low=low))
    click.echo(f"{printable(output)}: {count(len(sources), 'document')}")
    if review:
        click.echo(printable(review))
    if before := sum(not source.problem for source in sources) - asked:
        say("note", f"{count(before, 'document')} as before: not asked again")
    if left_out:
        say("note", f"{count(left_out, 'decision')} left out: the cells have other quotes now")
    if errors:
        say("note", f"{count(errors, 'document')} not read, or in part: see the column error")


def _files(paths: Sequence[str]) -> dict[str, SourceFile | Problem]:
    from pullquote.searching.documents import find

    return {file.path: file for file in find(paths)}


def _sources(
    paths: Sequence[str],
    files: Mapping[str, SourceFile | Problem],
    index: Index,
    ours: set[str],
) -> Iterator[Source]:
    """The documents, sorted by path, under names that begin below the folder they share."""
    from pullquote.scale.fill import Source
    from pullquote.searching.documents import Problem

    folders = [path if Path(path).is_dir() else os.path.dirname(path) for path in paths]  # noqa: PTH120
    base = os.path.commonpath([os.path.realpath(folder or ".") for folder in folders])
    problems = {one.path: one for one in (*index.problems(), *index.partly_read())}
    read = {document.path for document in index.documents()}
    for path, file in sorted(files.items()):
        if path in ours:
            continue
        name = os.path.relpath(path, base)
        problem = file if isinstance(file, Problem) else problems.get(path)
        if not problem and path not in read:
            problem = Problem(path, "was removed while documents were read")
        stamp = () if isinstance(file, Problem) else file.stamp
        if problem:
            yield Source(path, name, stamp, problem.reason, problem.partly)
        else:
            yield Source(path, name, stamp)
