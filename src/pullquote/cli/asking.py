"""`pullquote ask` on folders, indexes and documents: searches them and prints the quotes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pullquote.cli.console import (
    Near,
    abstention,
    count,
    echo_abstention,
    echo_json,
    echo_read_as,
    ensure_writable,
    one_line,
    open_reader,
    printable,
    progress_bar,
    read_as,
    read_text,
    say,
    sentence,
)
from pullquote.cli.skipped import in_one_line, listed, shown
from pullquote.errors import DocumentError, IndexBusyError, IndexFileError
from pullquote.files import cache_directory
from pullquote.progress import tracked
from pullquote.searching.plain import is_plain
from pullquote.searching.signatures import READ
from pullquote.types import Place

if TYPE_CHECKING:
    from pullquote.data.rows import Item
    from pullquote.reading.reader import Reader
    from pullquote.searching.documents import Problem
    from pullquote.searching.index import Index, Update
    from pullquote.searching.pool import MakePool
    from pullquote.searching.search import SearchResult

_WHERE = "these documents"
_NAMED = 3  # documents with a guessed encoding that are named
_VECTOR_SECONDS = 1.0  # how long a question may wait for vectors of new passages


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

    def reader(self) -> Reader:
        """The reader that was chosen."""
        return open_reader(
            self.model,
            device=self.device,
            precision=self.precision,
            threads=self.threads,
            spelling=self.spelling,
        )


def run(question: str, paths: Sequence[str], filters: Sequence[str], chosen: Choice) -> None:
    """Search, read and print."""
    from pullquote.searching.search import Searcher

    glob, where = read_filters(filters)
    if "-" in paths:
        raise click.UsageError("- is one text, not one of several; give files and folders.")
    with open_index(paths, chosen.verbose) as index:
        result = Searcher(chosen.reader(), index).search(
            question,
            chosen.top_k,
            path=glob,
            where=where,
            threshold=chosen.threshold,
            answerable=chosen.answerable,
        )
        fits = bool(result.passages) or index.matches(glob, where)
    if chosen.as_json:
        echo_json({"question": question, "model": chosen.model, **result.to_dict()})
    elif chosen.as_link:
        _print_links(result, fits)
    elif not result.answered:
        near = [Near(h.score, h.text, printable(str(_shown(h.place)))) for h in result.hits]
        hint = chosen.threshold is None and chosen.answerable is None
        echo_abstention(_WHERE, result, near, top_k=chosen.top_k, hint=hint, fits=fits)
    else:
        _print(result)


def write_table(
    questions: str, output: str, paths: Sequence[str], filters: Sequence[str], chosen: Choice
) -> None:
    """Ask all questions of a file, and write a table with a row for each."""
    from pullquote.scale.answering import Columns, ask_rows
    from pullquote.scale.output import check_kind, write
    from pullquote.searching.search import Searcher

    if chosen.as_json or chosen.as_link:
        raise click.UsageError("--json and --open are for one question; -o writes all of them.")
    check_kind(output)
    ensure_writable(output)
    glob, where = read_filters(filters)
    items = _questions(questions)
    columns = Columns(("question",), top_k=chosen.top_k, place=True)
    with open_index(paths, chosen.verbose) as index:
        results = ask_rows(
            Searcher(chosen.reader(), index),
            items,
            columns,
            path=glob,
            where=where,
            threshold=chosen.threshold,
            answerable=chosen.answerable,
        )
        with progress_bar("asking") as progress:
            _, errors = write(output, tracked(results, len(items), "asking", progress), columns)
        fits = errors == len(items) or index.matches(glob, where)
    click.echo(f"{printable(output)}: {count(len(items), 'question')}")
    if errors:
        say("note", f"{count(errors, 'row')} could not be asked: see the column error")
    if not fits:
        note_nothing_fits()


def _questions(file: str) -> list[Item]:
    """The rows of a table of questions, or the lines of a text that are not blank."""
    from pullquote.data.formats import read_items

    if not is_plain(file):
        return list(read_items(file))
    lines = read_text(file, "a question in each line").splitlines()
    return [
        (f"line {number}", {"id": str(number), "question": line.strip()})
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def note_nothing_fits() -> None:
    """Say why no question of a table has an answer."""
    say("note", f"no document or row of a table in {_WHERE} fits the filters")


def note_no_text(given: str) -> None:
    """Say how questions without a text to read can be asked."""
    say(
        "note",
        "rows without a context are asked of documents: pullquote batch --index INDEX "
        f"{given} OUT, or pullquote ask --questions {given} FOLDER -o TABLE",
    )


def read_filters(filters: Sequence[str]) -> tuple[str | None, dict[str, list[Any]]]:
    """The glob of paths, and the fields of metadata with their values, as `Searcher` takes them."""
    glob, where = None, {}
    for one in filters:
        key, _, value = one.partition("=")
        if not key or not value or key in where or (key == "path" and glob):
            raise click.UsageError(
                f"--filter {one}: expected path=GLOB, once, such as path=*.pdf, or FIELD=VALUE."
            )
        if key == "path":
            glob = value
        else:
            where[key] = _readings(value)
    return glob, where


def _readings(value: str) -> list[Any]:
    """What a value may be in metadata: a text, or else what JSON reads it as, such as a number."""
    with contextlib.suppress(ValueError, RecursionError):
        return [value, json.loads(value)]
    return [value]


@contextlib.contextmanager
def open_index(paths: Sequence[str], verbose: bool, *, private: bool = False) -> Iterator[Index]:
    """The index at a path, or an index of the documents at some paths, kept in the cache.

    What was not read of the documents is said; `private` is that of `Index.open`.
    """
    from pullquote.searching.index import Index

    if len(paths) == 1 and (Index.is_one(paths[0]) or paths[0].endswith(".db")):
        with Index.open(paths[0], private=private) as index:
            note_skipped([*index.problems(), *index.partly_read()], index.left_out(), verbose)
            note_missing(index, index.without_vectors(), f"run pullquote index -o {index.path}")
            yield index
        return
    with cached_index(paths, private=private) as (index, found):
        if not len(index):
            raise DocumentError(nothing_in(paths, found))
        left = make_vectors(index, _VECTOR_SECONDS)
        note_skipped(found.problems, found.left_out, verbose)
        note_guesses(found)
        note_missing(index, left, "the next questions make more of them")
        yield index


@contextlib.contextmanager
def cached_index(paths: Sequence[str], *, private: bool = False) -> Iterator[tuple[Index, Update]]:
    """An index of the documents at some paths, kept in the cache, and what is new of them.

    A damaged one is removed: at once where opening shows it, else when the block ends.
    """
    index, found = _open_cached(paths, private)
    try:
        with index:
            yield index, found
    except IndexBusyError:
        raise
    except IndexFileError:  # damage that is seen only when it is asked
        _remove(Path(index.path))
        raise IndexFileError(
            "the index of these documents, kept in the cache, was damaged and is removed now; "
            "ask again, and it is made again"
        ) from None


def _open_cached(paths: Sequence[str], private: bool) -> tuple[Index, Update]:
    import hashlib  # OpenSSL is not loaded for a plain text

    from pullquote.searching.documents import existing
    from pullquote.searching.index import Index
    from pullquote.urls import without_password

    for path in paths:
        if Index.is_one(path):
            raise click.UsageError(
                f"{without_password(path)} is an index; ask it alone, or its documents."
            )
        existing(path)
    full = sorted({os.path.realpath(path) for path in paths})
    key = hashlib.sha256(b"\0".join(map(os.fsencode, full))).hexdigest()[:32]
    file = cache_directory() / "folders" / f"{key}.db"
    try:
        return _cached(file, paths, private)
    except IndexBusyError:
        raise
    except IndexFileError:  # damaged, or of another version: it can be made again
        _remove(file)
        return _cached(file, paths, private)


def _cached(file: Path, paths: Sequence[str], private: bool) -> tuple[Index, Update]:
    """The index at a place in the cache, with what is new of the documents."""
    from pullquote.searching.index import Index

    index = Index.open_or_create(file, private=private)
    try:
        return index, update(index, paths)
    except BaseException:
        index.close()
        raise


def _remove(file: Path) -> None:
    """Remove an index and what stands beside it."""
    for beside in file.parent.glob(f"{file.name}*"):
        beside.unlink(missing_ok=True)


def update(
    index: Index,
    paths: Iterable[str],
    *,
    drop_missing: bool = False,
    pool: MakePool | None = None,
) -> Update:
    """Update an index from its documents, with a progress bar on a terminal."""
    from pullquote.searching.pool import Pool

    with progress_bar("reading documents") as progress:
        done = index.add(
            paths,
            vectors=False,
            drop_missing=drop_missing,
            pool=pool or Pool,
            progress=progress,
        )
    if done.reread:
        say("note", f"{index.path}: of an older pullquote; its documents were all read again")
    elif done.upgraded:
        say("note", f"{index.path}: of an older pullquote; its passages get vectors now")
    return done


def make_vectors(index: Index, seconds: float | None = None) -> int:
    """Make vectors for some seconds, with a progress bar; how many passages have none after it."""
    with progress_bar("making vectors") as progress:
        return index.make_vectors(seconds, progress=progress)


def note_missing(index: Index, left: int, what_to_do: str) -> None:
    """Say how many passages have no vector yet, and how they get one."""
    if left:
        passages = f"{left:,} of {count(len(index), 'passage')}"
        say("note", f"{passages} are found by their words alone, without a vector; {what_to_do}")


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
    return f"{named}: nothing to read in it{there}; expected {READ}"


def _shown(place: Place) -> Place:
    return replace(place, path=shown(place.path))


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


def _print_links(result: SearchResult, fits: bool) -> None:
    if words := read_as(result.corrections):
        say("note", words)
    if not result.answered:
        best = result.hits[0].score if result.hits else None
        words = abstention(_WHERE, result, best, fits=fits)
        say("note", f"{words[0].lower()}{words[1:].rstrip('.')}")
        return
    for hit in result.hits:
        click.echo(printable(_shown(hit.place).link))
