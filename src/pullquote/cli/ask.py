"""pullquote ask: one question of one text, or of all documents of folders."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pullquote.cli.console import (
    Near,
    answerable_option,
    check_one_decision,
    echo_abstention,
    echo_json,
    echo_read_as,
    json_option,
    model_option,
    model_options,
    one_line,
    open_reader,
    progress_bar,
    read_text,
    sentence,
    spelling_option,
    threshold_option,
    verbose_option,
)
from pullquote.errors import InputError
from pullquote.searching.plain import is_index, is_plain

if TYPE_CHECKING:
    from pullquote.types import Prediction


@click.command(
    "ask",
    epilog="""Examples:

\b
  pullquote ask "How long is the notice period?" contract.txt
  cat contract.txt | pullquote ask "Who signs?" --json
  pullquote ask "Who led the Norse?" --context "The Norse, led by Rollo, came by sea."
  pullquote ask "Who signed for the tenant?" contract.txt --answerable 95%
  pullquote ask "How long is the notice period?" contracts/ --top-k 3
  pullquote ask "Who signs?" contracts/ letters/ --filter "path=*.pdf"
  pullquote ask "When is the rent due?" notes.db --open
  pullquote ask --questions questions.csv contracts/ -o answers.csv
""",
)
@click.argument("question", required=False)
@click.argument("paths", nargs=-1, metavar="[PATH...|-]")
@click.option("--context", metavar="TEXT", help="The text itself, in place of a file.")
@click.option(
    "--questions",
    metavar="FILE",
    help="In place of QUESTION: a table with a column question, or a text file with one a line; "
    "all are asked of the documents. Needs -o.",
)
@click.option(
    "-o",
    "--output",
    metavar="TABLE",
    help="With --questions: the table to write, .csv, .tsv, .jsonl, .parquet or .xlsx.",
)
@model_option
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="K",
    help="Print the K best quotes; without an answer, at least K near ones.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE",
    help='Ask only documents whose path matches, such as "path=*.pdf", or whose metadata have a '
    "field with a value, or rows of tables whose column has it (also beside the column `text`): "
    '"country=Norway"; repeatable.',
)
@click.option("--open", "as_link", is_flag=True, help="Print only FILE:LINE or FILE#page=N.")
@answerable_option
@threshold_option
@spelling_option
@model_options
@verbose_option
@json_option
def command(
    question: str | None,
    paths: tuple[str, ...],
    context: str | None,
    questions: str | None,
    output: str | None,
    model: str,
    top_k: int,
    filters: tuple[str, ...],
    as_link: bool,
    answerable: float | None,
    threshold: float | None,
    spelling: bool | None,
    device: str,
    precision: str,
    threads: int | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Answer QUESTION from texts with an exact quote, or say that they have no answer.

    A text is a text file, standard input ("-", or a pipe), or --context. Folders, several paths, an
    index, and files such as PDF, HTML, DOCX, EPUB, XLSX, Markdown or CSV are searched: the best
    passages of all documents are read, and a quote comes with its file and page or line. What was
    read of them is kept for the next question (in PULLQUOTE_CACHE, or ~/.cache/pullquote).

    A score is the probability that the quote is right. If it is likelier that there is no answer,
    the nearest quotes are printed instead. How bold the answers are depends on the share of
    questions that are expected to have one: --answerable 95% answers more often, 100% always.

    With --questions, TABLE has a row for each question: id, question, answer, document, sheet (of a
    workbook of several), unit (such as page) and number, start, end, score, no_answer_score, and
    error for one that is none.
    """
    if (questions is None) != (output is None):
        raise click.UsageError("--questions and -o are given together.")
    if questions is not None:
        paths = paths if question is None else (question, *paths)
        question = ""
    if question is None:
        raise click.UsageError("no question: give QUESTION, or --questions FILE.")
    if context is not None and paths:
        raise click.UsageError("a PATH and --context are two texts; give one of them.")
    check_one_decision(threshold, answerable)
    if as_json and as_link:
        raise click.UsageError("--json and --open are two outputs; give one of them.")
    if context is None and (_is_search(paths) or (questions and paths)):
        from pullquote.cli import asking  # not loaded for one text

        chosen = asking.Choice(
            *(model, device, precision, threads, top_k, threshold, answerable, spelling),
            *(as_json, as_link, verbose),
        )
        if questions and output:
            asking.write_table(questions, output, paths, filters, chosen)
        else:
            asking.run(question, paths, filters, chosen)
        return
    if questions:
        raise click.UsageError(
            "--questions is for folders, indexes and documents; for a text in each row see: "
            "pullquote predict --help"
        )
    if filters or as_link:
        given = "--filter" if filters else "--open"
        raise click.UsageError(f"{given} is for folders, indexes and documents, not for one text.")
    if context is None:
        if not paths and (sys.stdin is None or sys.stdin.isatty()):
            raise click.UsageError("no text: give a PATH, --context TEXT, or pipe one in.")
        context = read_text(paths[0] if paths else "-", kinds="a text file, a folder")
    elif not context.strip():
        raise InputError("--context is blank; expected a text to look for the answer in")

    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    with progress_bar("reading") as progress:
        prediction = reader.answer(
            question,
            context,
            top_k=top_k,
            threshold=threshold,
            answerable=answerable,
            progress=progress,
        )
    if as_json:
        echo_json({"question": question, "model": model, **prediction.to_dict()})
    elif prediction.answer is None:
        near = [Near(a.score, a.text, f"characters {a.start}-{a.end}") for a in prediction.answers]
        hint = threshold is None and answerable is None
        echo_abstention("this text", prediction, near, top_k=top_k, hint=hint)
    else:
        _print(prediction, context)


def _is_search(paths: Sequence[str]) -> bool:
    """Whether these are documents to be searched, rather than one text to be read."""
    if len(paths) != 1:
        return len(paths) > 1
    (path,) = paths
    try:
        if Path(path).is_dir() or is_index(path) or path.endswith(".db"):
            return True
        if is_plain(path) or not Path(path).is_file():
            return False
        from pullquote.searching.documents import TEXT, is_old, kind_of  # not for a plain text

        return is_old(path) is not None or kind_of(path) not in (None, TEXT)
    except (OSError, ValueError):  # not a valid path; reading it raises the error
        return False


def _print(prediction: Prediction, context: str) -> None:
    for rank, answer in enumerate(prediction.answers):
        if rank:
            click.echo()
        click.secho(one_line(answer.text), bold=True)
        click.echo(f"  {sentence(context, answer.start, answer.end)}")
        click.echo(f"  score {answer.score:.2f}, characters {answer.start}-{answer.end}")
        if not rank:
            echo_read_as(prediction.corrections)
