"""pullquote highlight: the sentences of texts and documents that bear on a question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from pullquote.cli.console import (
    count,
    echo_json,
    json_option,
    model_option,
    model_options,
    one_line,
    open_reader,
    percent,
    printable,
    probability,
    read_text,
    say,
    spelling_option,
)
from pullquote.cli.skipped import listed, shown
from pullquote.errors import DocumentError, MissingExtraError

if TYPE_CHECKING:
    from pullquote.types import Highlight, Passage, Place


@click.command(
    "highlight",
    epilog="""Examples:

\b
  pullquote highlight "Who are the parties?" contract.pdf
  pullquote highlight "What was decided about the roof?" minutes/ --least 50% --json
  cat contract.txt | pullquote highlight "What does the rent include?" -
""",
)
@click.argument("question")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--least",
    callback=probability,
    default="30%",
    show_default=True,
    metavar="P",
    help="The least probability that a sentence holds an answer.",
)
@model_option
@spelling_option
@model_options
@json_option
def command(
    question: str,
    paths: tuple[str, ...],
    least: float,
    model: str,
    spelling: bool | None,
    device: str,
    precision: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the sentences and entries of lists in documents that bear on QUESTION.

    There may be several, for a question may have several answers: the parties of a contract, the
    dates in a letter. Each comes with the probability that it holds an answer, its best quote
    marked, and its place. PATH is a document as for `ask`, a folder of them, or "-" for standard
    input; each document is read whole.
    """
    from pullquote.searching.highlight import highlight

    if "-" in paths and len(paths) > 1:
        raise click.UsageError("- is one text, not one of several; give files and folders.")
    reader = open_reader(
        model, device=device, precision=precision, threads=threads, spelling=spelling
    )
    results: list[dict[str, Any]] = []
    without = 0  # documents
    for name, passages in [("standard input", [])] if paths == ("-",) else _documents(paths):
        if passages:
            found = list(highlight(reader, question, passages, least=least))
        else:
            found = reader.highlight(question, read_text("-"), least=least)
        places = [_place(one, passages) for one in found]
        if as_json:
            results += [
                {"document": name, **one.to_dict(), **_fields(place)}
                for one, place in zip(found, places, strict=True)
            ]
            continue
        if not found:
            without += 1
            continue
        click.secho(printable(shown(name)), bold=True)
        for one, place in zip(found, places, strict=True):
            where = f" ({place.within})" if place else ""
            click.echo(f"  {percent(one.score):>6}  {_marked(one)}{where}")
    if without:
        has = "has" if without == 1 else "have"
        click.echo(f"{count(without, 'document')} {has} nothing that bears on the question")
    if as_json:
        echo_json({"question": question, "model": model, "highlights": results})


def _documents(paths: Iterable[str]) -> Iterator[tuple[str, list[Passage]]]:
    """The path and passages of each document; what was not read is said at the end."""
    from pullquote.searching.documents import Notes, Problem, SourceFile, find
    from pullquote.searching.plain import is_index
    from pullquote.searching.pool import Pool
    from pullquote.urls import without_password

    for path in filter(is_index, paths):
        raise DocumentError(
            f"{without_password(path)}: a database, such as an index, and no document; give the "
            "files and folders that the index was made of"
        )
    found = list(find(paths))
    files = [file for file in found if isinstance(file, SourceFile)]
    problems = [one for one in found if isinstance(one, Problem)]
    with Pool(files) as pool:
        for file in files:
            notes = Notes()
            try:
                passages = list(pool.read(file, notes))
            except (DocumentError, MissingExtraError) as error:
                problems.append(Problem(file.path, str(error)))
                continue
            problems += filter(None, [notes.problem(file.path)])
            if passages:
                yield file.path, passages
    unread = [one for one in problems if not one.partly]
    if unread and len(unread) == len(found):
        first = f"{shown(unread[0].path)}: {unread[0].reason}"
        raise DocumentError(f"none of {count(len(found), 'document')} could be read; {first}")
    for line in listed(problems, [], most=None):
        say("note", line)
    if not found:
        raise DocumentError(f"{', '.join(paths)}: no documents in it")


def _place(found: Highlight, passages: Sequence[Passage]) -> Place | None:
    """The place of a quote; None in a text that is no document."""
    from pullquote.searching.passages import place_at

    return place_at(passages, found.quote.start) if passages else None


def _fields(place: Place | None) -> dict[str, Any]:
    if not place:
        return {}
    sheet = {"sheet": place.sheet} if place.sheet else {}
    return {**sheet, "unit": place.unit, "number": place.number}


def _marked(found: Highlight) -> str:
    """The sentence on one line, with the quote marked."""
    start = max(found.quote.start - found.start, 0)
    end = max(found.quote.end - found.start, 0)
    before, quote, after = found.text[:start], found.text[start:end], found.text[end:]
    marked = click.style(one_line(quote), fg="black", bg="yellow")
    return one_line(f"{before}|")[:-1] + marked + one_line(f"|{after}")[1:]
