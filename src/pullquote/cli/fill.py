"""pullquote fill: a table out of documents, and the review of its cells."""

from __future__ import annotations

from pathlib import Path

import click

from pullquote.cli.asking import cached_index, make_vectors, note_guesses, nothing_in
from pullquote.cli.console import (
    answerable_option,
    check_one_decision,
    count,
    ensure_writable,
    model_option,
    model_options,
    open_reader,
    printable,
    probability,
    progress_bar,
    say,
    spelling_option,
    threshold_option,
)
from pullquote.errors import DocumentError


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
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
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
    callback=probability,
    default="50%",
    show_default=True,
    metavar="P",
    help="Mark cells with a lower score.",
)
@model_option
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
    """Fill TABLE out of documents: one row for each at PATH, one column a question.

    PATH is a document or a folder of them. QUESTIONS is TOML: for each column [[question]] with
    name, ask (a question, or a list of its wordings) and perhaps kind: text, date, amount or
    yes/no. Beside each column stand its quote, place, score and a note. A date or amount is given
    in plain figures where there is no doubt, else as the quote. A document that cannot be read is a
    row with the reason.

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
        sources_of,
        table,
    )
    from pullquote.scale.output import check_kind, write
    from pullquote.scale.review import read_decisions, write_review
    from pullquote.scale.review import review as rows_of_review
    from pullquote.scale.values import check_installed
    from pullquote.scale.wanted import read_wanted
    from pullquote.searching.index import Index
    from pullquote.searching.search import Searcher
    from pullquote.urls import without_password

    check_one_decision(threshold, answerable)
    for path in filter(Index.is_one, paths):
        raise click.UsageError(
            f"{without_password(path)} is an index; fill takes documents: folders, or files."
        )
    wanted = read_wanted(questions)
    check_kind(output)
    if any(one.kind == "date" for one in wanted):
        check_installed()
    for path in filter(None, (output, review)):
        ensure_writable(path)
    decided = read_decisions(decisions) if decisions else []
    ours = [path for path in (questions, output, review, decisions) if path]
    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    with cached_index(paths) as (index, found), Filling(output) as filling:
        sources = sources_of(paths, index, without=ours)
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
    if before := sum(source.readable for source in sources) - asked:
        say("note", f"{count(before, 'document')} as before: not asked again")
    if left_out:
        say("note", f"{count(left_out, 'decision')} left out: the cells have other quotes now")
    if errors:
        say("note", f"{count(errors, 'document')} not read, or in part: see the column error")
