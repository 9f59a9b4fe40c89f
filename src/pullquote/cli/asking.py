"""`pullquote ask` on folders, indexes and documents: searches them and prints the quotes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pullquote.cli.console import (
    Near,
    abstention,
    echo_abstention,
    echo_json,
    echo_read_as,
    one_line,
    printable,
    progress_bar,
    read_as,
    say,
    sentence,
)
from pullquote.cli.skipped import in_one_line, listed, shown
from pullquote.errors import DocumentError, IndexFileError
from pullquote.files import cache_directory
from pullquote.searching.plain import is_plain, is_sqlite
from pullquote.types import Place

if TYPE_CHECKING:
    from pullquote.searching.documents import Problem
    from pullquote.searching.index import Index, Update
    from pullquote.searching.search import SearchResult

_WHERE = "these documents"
_NAMED = 3  # documents with a guessed encoding that are named


@dataclass(frozen=True, slots=True)
class Choice:
    """The options of `pullquote ask` that apply to a search."""

    model: str
    device: str
    precision: str
    threads: int | None
    top_k: int
    threshold: float | None
    answerable: float | None
    spelling: bool | None
    as_json: bool
    as_link: bool
    verbose: bool


def is_search(paths: Sequence[str]) -> bool:
    """Whether these are documents to be searched, rather than one text to be read."""
    if len(paths) != 1:
        return len(paths) > 1
    (path,) = paths
    try:
        if Path(path).is_dir() or is_sqlite(path) or path.endswith(".db"):
            return True
        if is_plain(path) or not Path(path).is_file():
            return False
        from pullquote.searching.documents import TEXT, kind_of  # not loaded for a plain text

        return kind_of(path) not in (None, TEXT)
    except (OSError, ValueError):  # not a valid path; reading it raises the error
        return False


def run(question: str, paths: Sequence[str], filters: Sequence[str], chosen: Choice) -> None:
    """Search, read and print."""
    from pullquote.reading.reader import Reader
    from pullquote.searching.search import Searcher

    glob = _glob(filters)
    if "-" in paths:
        raise click.UsageError("- is one text, not one of several; give files and folders.")
    with _index(paths, chosen.verbose) as index:
        reader = Reader(
            chosen.model,
            device=chosen.device,
            precision=chosen.precision,
            threads=chosen.threads,
            spelling=chosen.spelling,
        )
        result = Searcher(reader, index).search(
            question,
            chosen.top_k,
            path=glob,
            threshold=chosen.threshold,
            answerable=chosen.answerable,
        )
    if chosen.as_json:
        echo_json({"question": question, "model": chosen.model, **result.to_dict()})
    elif chosen.as_link:
        _print_links(result)
    elif not result.answered:
        near = [Near(h.score, h.text, printable(str(_shown(h.place)))) for h in result.hits]
        hint = chosen.threshold is None and chosen.answerable is None
        echo_abstention(_WHERE, result, near, top_k=chosen.top_k, hint=hint)
    else:
        _print(result)


def _glob(filters: Sequence[str]) -> str | None:
    if not filters:
        return None
    key, _, glob = filters[-1].partition("=")
    if len(filters) > 1 or key != "path" or not glob:
        raise click.UsageError('--filter takes one "path=GLOB", such as "path=*.pdf".')
    return glob


def _index(paths: Sequence[str], verbose: bool) -> Index:
    """The index at a path, or an index of the documents at some paths, kept in the cache."""
    import hashlib  # OpenSSL is not loaded for a plain text

    from pullquote.searching.documents import existing
    from pullquote.searching.index import Index

    if len(paths) == 1 and (Index.is_one(paths[0]) or paths[0].endswith(".db")):
        index = Index.open(paths[0])
        note_skipped([*index.problems(), *index.partly_read()], index.left_out(), verbose)
        return index
    for path in paths:
        if Index.is_one(path):
            raise click.UsageError(f"{path} is an index; ask it alone, or its documents.")
        existing(path)
    full = sorted({os.path.realpath(path) for path in paths})
    key = hashlib.sha256(b"\0".join(map(os.fsencode, full))).hexdigest()[:32]
    file = cache_directory() / "folders" / f"{key}.db"
    try:
        index = Index.open_or_create(file)
    except IndexFileError:  # damaged, or of another version: it can be made again
        file.unlink(missing_ok=True)
        index = Index.open_or_create(file)
    try:
        found = update(index, paths)
        if not len(index):
            raise DocumentError(nothing_in(paths, found))
    except BaseException:
        index.close()
        raise
    note_skipped(found.problems, found.left_out, verbose)
    note_guesses(found)
    return index


def update(index: Index, paths: Iterable[str]) -> Update:
    """Update an index from its documents, with a progress bar on a terminal."""
    with progress_bar("reading documents") as progress:
        done = index.add(paths, progress=progress)
    if done.reread:
        say("note", f"{index.path}: of an older pullquote; its documents were all read again")
    return done


def note_skipped(problems: Sequence[Problem], left_out: Sequence[Problem], verbose: bool) -> None:
    """Say in a line what was not read; with `verbose` in a line for each."""
    if verbose:
        for line in listed(problems, left_out, most=None):
            say("note", line)
    elif line := in_one_line(problems, left_out):
        say("note", line)


def note_guesses(found: Update) -> None:
    """Say which documents were read in an encoding that was guessed: how many, and the first."""
    if not found.guessed:
        return
    n = len(found.guessed)
    first = ", ".join(f"{shown(g.path)} ({g.encoding})" for g in found.guessed[:_NAMED])
    more = f" and {n - _NAMED:,} more" if n > _NAMED else ""
    documents = "1 document is" if n == 1 else f"{n:,} documents are"
    say("note", f"{documents} not UTF-8; read by a guess of the encoding: {first}{more}")


def nothing_in(paths: Sequence[str], found: Update) -> str:
    """The error message for documents without any text."""
    named = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
    if found.problems:
        first = found.problems[0]
        if len(found.problems) == 1 == len(paths) and Path(named).is_file():
            return f"{named}: {first.reason}"
        return (
            f"{named}: nothing readable in it ({len(found.problems):,} tried); the first: "
            f"{shown(first.path)}: {first.reason}"
        )
    there = f" ({in_one_line([], found.left_out)})" if found.left_out else ""
    return (
        f"{named}: nothing to read in it{there}; expected text, Markdown, HTML, PDF, DOCX, EPUB, "
        "CSV, JSON Lines or Parquet"
    )


def _shown(place: Place) -> Place:
    return Place(shown(place.path), place.unit, place.number)


def _print(result: SearchResult) -> None:
    for rank, hit in enumerate(result.hits):
        if rank:
            click.echo()
        text = hit.passage.text
        click.secho(one_line(hit.text), bold=True)
        click.echo(f"  {sentence(text, hit.offset, hit.offset + len(hit.text))}")
        click.echo(f"  score {hit.score:.2f}, {printable(str(_shown(hit.place)))}")
        for place in hit.also:
            click.echo(f"  also in {printable(str(_shown(place)))}")
        if not rank:
            echo_read_as(result.corrections)


def _print_links(result: SearchResult) -> None:
    if words := read_as(result.corrections):
        say("note", words)
    if not result.answered:
        best = result.hits[0].score if result.hits else None
        words = abstention(_WHERE, result, best)
        say("note", f"{words[0].lower()}{words[1:].rstrip('.')}")
        return
    for hit in result.hits:
        click.echo(printable(_shown(hit.place).link))
