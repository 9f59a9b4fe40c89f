"""Brings an index up to date with the disk: reads new and changed documents, drops the missing.

    done = update(store, engine, ["contracts/", "notes.txt"])
    print(done.added, done.changed, done.removed, done.problems)

Knows files and tables, not questions. What was added once is looked at again by every later update.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pullquote.errors import DocumentError, MissingExtraError
from pullquote.progress import Progress, no_progress
from pullquote.searching.documents import (
    ChangedError,
    Notes,
    Problem,
    SourceFile,
    Stamp,
    find,
    read,
    stamp,
)
from pullquote.searching.engines import Engine, IndexedPassage
from pullquote.searching.store import Store, Transaction, encode_marks
from pullquote.types import Passage

PASSAGES_HELD = 1000
"""How many passages of a document are held in memory before they are written."""

_READ_AGAIN: Stamp = (-1, 0, 0)  # no file has this stamp: the next update reads the document again


@dataclass(frozen=True, slots=True)
class GuessedEncoding:
    """A document whose encoding was guessed, such as "Windows-1252"."""

    path: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Update:
    """What `Index.add` did: how many documents, and which could not be read."""

    added: int
    changed: int
    unchanged: int
    removed: int
    problems: tuple[Problem, ...]
    """Documents that could not be read, and skipped rows of those that were read now."""
    guessed: tuple[GuessedEncoding, ...] = ()
    """Of the documents that were read now, those whose encoding was guessed."""

    @property
    def read(self) -> int:
        """How many documents were read."""
        return self.added + self.changed


def update(
    store: Store,
    engine: Engine,
    paths: Iterable[str | os.PathLike[str]] = (),
    progress: Progress = no_progress,
) -> Update:
    """Bring the index up to date at some paths, and at all that were added before.

    Raises `DocumentError` for a path that does not exist. Documents are written in batches, so an
    error or a kill in the middle keeps what the earlier batches hold.
    """
    asked = [os.fspath(path) for path in paths]
    found = list(find(asked))
    with store.guarded():
        earlier = {os.fsdecode(path) for (path,) in store.rows("SELECT path FROM roots")}
        new = {os.path.realpath(path) for path in asked}
        found += find(path for path in sorted(earlier - new) if Path(path).exists())
        if new - earlier:
            _add_roots(store, engine, new - earlier)
        known = {
            os.fsdecode(path): (size, modified, changed)
            for path, size, modified, changed in store.rows(
                "SELECT path, size, modified, changed FROM documents"
            )
        }
        changes = compare(found, known, sorted(earlier | new))
        return _apply(store, engine, changes, known, progress)


def stored_problems(store: Store) -> list[Problem]:
    """The documents that could not be read at the last update, sorted by path."""
    rows = store.rows("SELECT path, problem FROM documents WHERE problem IS NOT NULL ORDER BY path")
    return [Problem(os.fsdecode(path), reason) for path, reason in rows]


@dataclass(frozen=True, slots=True)
class Changes:
    """How the documents on the disk differ from those in the index."""

    to_read: tuple[SourceFile, ...]
    gone: tuple[str, ...]
    unchanged: int
    problems: tuple[Problem, ...]
    """Files and folders that could not be looked at."""


def compare(
    found: Iterable[SourceFile | Problem], known: Mapping[str, Stamp], roots: Sequence[str]
) -> Changes:
    """Compare what `find` found below the roots with the stamps of the documents in the index."""
    files: dict[str, SourceFile] = {}
    problems: dict[str, Problem] = {}
    for entry in found:
        if isinstance(entry, SourceFile):
            files[entry.path] = entry
        else:
            problems[entry.path] = entry
    to_read = [file for path, file in files.items() if known.get(path) != file.stamp]
    # a folder that cannot be listed at the moment keeps the documents that it had
    kept = tuple(_inside(path) for path in problems if path not in files)
    below = tuple(_inside(root) for root in roots)
    gone = [
        path
        for path in known
        if path not in files
        and not path.startswith(kept)
        and (path in roots or path.startswith(below))
    ]
    return Changes(tuple(to_read), tuple(gone), len(files) - len(to_read), tuple(problems.values()))


def _add_roots(store: Store, engine: Engine, roots: Iterable[str]) -> None:
    """Remember the paths that were added, so that later updates look there again."""
    with Transaction(store, engine) as batch:
        batch.begin()
        store.connection.executemany(
            "INSERT OR IGNORE INTO roots VALUES (?)",
            [(os.fsencode(path),) for path in sorted(roots)],
        )


def _apply(
    store: Store,
    engine: Engine,
    changes: Changes,
    known: Mapping[str, Stamp],
    progress: Progress,
) -> Update:
    """Read what is new or has changed, and remove what is gone."""
    problems = {problem.path: problem for problem in changes.problems}
    total, done = sum(file.stamp[0] for file in changes.to_read), 0
    before, read_paths, guessed = store.passage_count(), set(), []
    with Transaction(store, engine) as batch:
        writer = DocumentWriter(store, engine, batch)
        for file in changes.to_read:
            progress(done, total, file.path)
            notes = Notes()
            if problem := writer.update(file, notes):
                problems[file.path] = problem
            else:
                read_paths.add(file.path)
                if skipped := notes.problem(file.path):
                    problems[file.path] = skipped
                if notes.encoding:
                    guessed.append(GuessedEncoding(file.path, notes.encoding))
            done += file.stamp[0]
        for path in changes.gone:
            batch.begin()
            writer.remove(path)
    progress(total, total, "")
    if (now := store.passage_count()) and (read_paths or changes.gone):
        with Transaction(store, engine) as settling:
            settling.begin()
            engine.settle((now - before) / now)
    reported = {problem.path: problem for problem in stored_problems(store)} | problems
    return Update(
        added=len(read_paths - known.keys()),
        changed=len(read_paths & known.keys()),
        unchanged=changes.unchanged,
        removed=len(changes.gone),
        problems=tuple(reported[path] for path in sorted(reported)),
        guessed=tuple(guessed),
    )


class DocumentWriter:
    """Writes documents and their passages to the store and to the engine, in one batch."""

    def __init__(self, store: Store, engine: Engine, batch: Transaction) -> None:
        self._store = store
        self._engine = engine
        self._batch = batch

    def update(self, file: SourceFile, notes: Notes) -> Problem | None:
        """Replace a document by what its file holds now; the reason if it cannot be read."""
        try:
            try:
                self._read(file, notes)
            except ChangedError:
                notes.clear()
                self._read(_restamped(file), notes)  # it may have been the last moment of a save
        except (DocumentError, MissingExtraError) as error:
            # What may pass by itself is tried again next time, even if the file stays as it is.
            passing = isinstance(error, (ChangedError, MissingExtraError))
            self._batch.begin()
            self.remove(file.path)
            self._insert_document(
                replace(file, stamp=_READ_AGAIN) if passing else file, problem=str(error)
            )
            return Problem(file.path, str(error))
        return None

    def remove(self, path: str) -> None:
        """Remove a document and its passages, if it is in the index."""
        for (document,) in self._store.rows(
            "SELECT id FROM documents WHERE path = ?", os.fsencode(path)
        ):
            last = 0
            while rows := self._store.rows(
                "SELECT id, text FROM passages WHERE document = ? AND id > ? ORDER BY id LIMIT ?",
                document,
                last,
                PASSAGES_HELD,
            ):
                self._engine.remove(IndexedPassage(id, document, text) for id, text in rows)
                last = rows[-1][0]
            execute = self._store.connection.execute
            execute("DELETE FROM passages WHERE document = ?", (document,))
            execute("DELETE FROM documents WHERE id = ?", (document,))

    def _read(self, file: SourceFile, notes: Notes) -> None:
        """Read a document and write its passages: all of them, or none if it cannot be read."""
        passages = read(file, notes)
        head = list(itertools.islice(passages, PASSAGES_HELD))
        if len(head) < PASSAGES_HELD:  # the file was read to its end
            self._batch.begin()
            self._replace(file, head)
            return
        # A long document has a transaction of its own, to roll back if its end cannot be read.
        self._batch.commit()
        self._batch.begin()
        try:
            self._replace(file, itertools.chain(head, passages))
        except BaseException:
            self._batch.rollback()
            raise
        self._batch.commit()

    def _replace(self, file: SourceFile, passages: Iterable[Passage]) -> None:
        self.remove(file.path)
        document = self._insert_document(file, problem=None)
        passages = iter(passages)
        while some := list(itertools.islice(passages, PASSAGES_HELD)):
            self._engine.add(
                [
                    IndexedPassage(self._insert_passage(document, passage), document, passage.text)
                    for passage in some
                ]
            )

    def _insert_document(self, file: SourceFile, *, problem: str | None) -> int:
        added = self._store.connection.execute(
            "INSERT INTO documents (path, unit, size, modified, changed, problem) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (os.fsencode(file.path), file.kind.unit, *file.stamp, problem),
        )
        return added.lastrowid or 0

    def _insert_passage(self, document: int, passage: Passage) -> int:
        added = self._store.connection.execute(
            "INSERT INTO passages (document, start, marks, text) VALUES (?, ?, ?, ?)",
            (document, passage.start, encode_marks(passage.marks), passage.text),
        )
        return added.lastrowid or 0


def _restamped(file: SourceFile) -> SourceFile:
    """The file with the size and times that it has now."""
    try:
        return replace(file, stamp=stamp(Path(file.path).stat()))
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror or error})") from None


def _inside(folder: str) -> str:
    """The beginning that the paths of all files in a folder share."""
    return folder if folder.endswith(os.sep) else folder + os.sep
