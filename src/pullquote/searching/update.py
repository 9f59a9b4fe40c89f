"""Brings an index up to date with the disk: reads new and changed documents, drops the missing.

    done = update(store, engine, ["contracts/", "notes.txt"])
    print(done.added, done.changed, done.removed, done.problems)

Knows files and tables, not questions. What was added once is looked at again by every later update.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pullquote.errors import DocumentError, InputError, MissingExtraError
from pullquote.progress import Progress, no_progress
from pullquote.searching.documents import (
    ChangedError,
    Notes,
    Problem,
    SourceFile,
    Stamp,
    find,
    stamp,
)
from pullquote.searching.engines import Engine, IndexedPassage
from pullquote.searching.pool import DocumentReader, MakePool, Pool
from pullquote.searching.stores import (
    FILE,
    PART,
    Store,
    Transaction,
    encode_marks,
    number_in,
)
from pullquote.searching.texts import Source, Text, texts
from pullquote.types import Passage

PASSAGES_HELD = 1000
"""How many passages of a document are held in memory before they are written."""

READING = 8
"""Rises when documents are read differently than before: an index then reads all of them again."""

_OWN_ENDINGS = ("-journal", "-shm", "-wal", ".vectors")
_READ_BY = "SELECT value FROM settings WHERE name = 'reading'"
# not NOT IN, for which PostgreSQL looks through all of metadata for each document
_IS_FILE = "NOT EXISTS (SELECT 1 FROM metadata WHERE document = documents.id)"
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
    """Documents that could not be read, or have no text, and those of which parts were skipped."""
    guessed: tuple[GuessedEncoding, ...] = ()
    """Of the documents that were read now, those whose encoding was guessed."""
    left_out: tuple[Problem, ...] = ()
    """Files in the folders that are no documents by their names."""
    reread: bool = False
    """All documents were read again, since another version of pullquote made the index."""
    upgraded: bool = False
    """The index was of an older format, and now has this one: passages can have vectors."""

    @property
    def read(self) -> int:
        """How many documents were read."""
        return self.added + self.changed


def update(
    store: Store,
    engine: Engine,
    paths: Iterable[str | os.PathLike[str]] = (),
    progress: Progress = no_progress,
    *,
    drop_missing: bool = False,
    pool: MakePool = Pool,
) -> Update:
    """Bring the index up to date at some paths, and at all that were added before.

    A folder that was added before and is gone may be a drive that is not there at the moment: its
    documents stay and it is a problem, unless `drop_missing` says that they should go. `pool` reads
    the documents. Raises `DocumentError` for a path that does not exist. Documents are written in
    batches, so an error or a kill in the middle keeps what the earlier batches hold.
    """
    asked = [os.fspath(path) for path in paths]
    left_out: list[Problem] = []
    found = list(find(asked, left_out.append))
    with store.guarded():
        earlier = {os.fsdecode(path) for (path,) in store.rows("SELECT path FROM roots")}
        new = {os.path.realpath(path) for path in asked}
        others = [path for path in sorted(earlier - new) if _is_there(path)]
        found += find(others, left_out.append)
        if new - earlier:
            _add_roots(store, engine, new - earlier)
        upgraded, reread = _renew(store, engine)
        known = stamps(store, _IS_FILE)
        if not drop_missing:
            found += _missing_folders(earlier - new - set(others), known)
        own = _own_files(store.path)
        found = [one for one in found if not own(one.path)]
        left_out = [one for one in left_out if not own(one.path)]
        changes = compare(found, known, sorted(earlier | new))
        documents = {entry.path for entry in found if isinstance(entry, SourceFile)}
        skipped = {one.path: one for one in left_out if one.path not in documents}
        done = _apply(store, engine, changes, known, progress, pool)
        _remember(store, engine, skipped)
    left = tuple(skipped[path] for path in sorted(skipped))
    return replace(done, left_out=left, reread=reread, upgraded=upgraded)


def add_texts(
    store: Store, engine: Engine, sources: Iterable[Source], progress: Progress = no_progress
) -> Update:
    """Add texts that are no files, each as a document; one of a known name replaces that one.

    A blank text is a problem, and has no passages. Raises `InputError` for a source that is no
    text; those before it may have been added.
    """
    with store.guarded():
        _renew(store, engine)
        known = stamps(store)
        added, changed, unchanged = 0, 0, 0
        problems: list[Problem] = []
        before = store.passage_count()
        with Transaction(store, engine) as batch:
            writer = DocumentWriter(store, engine, batch)
            for number, text in enumerate(texts(sources), 1):
                if not text.problem and known.get(text.name) == text.stamp:
                    unchanged += 1
                    continue
                name = writer.write(text)
                if text.problem:
                    problems.append(Problem(name, text.problem))
                else:
                    added, changed = added + (name not in known), changed + (name in known)
                known[name] = text.stamp
                progress(number, 0, text.name)
        if added or changed:
            _settle(store, engine, before)
        return Update(added, changed, unchanged, 0, tuple(problems))


def remove(store: Store, engine: Engine, names: Iterable[str]) -> int:
    """Remove documents by their paths or names, as far as they are there; how many they were.

    Raises `InputError`, and removes nothing, for what no document can be called.
    """
    if isinstance(names, str):
        raise InputError(f"names is one text ({names[:40]!r}), expected a list of names")
    names = list(names)
    for name in names:
        try:
            os.fsencode(name)
        except (TypeError, UnicodeEncodeError):
            raise InputError(
                f"names: found {name!r}, expected the name of a document as `documents` shows it"
            ) from None
    with store.guarded():
        _renew(store, engine)
        before = store.passage_count()
        with Transaction(store, engine) as batch:
            writer = DocumentWriter(store, engine, batch)
            batch.begin()
            removed = sum(writer.remove(name) for name in names)
        if removed:
            _settle(store, engine, before)
        return removed


def stamps(store: Store, where: str = "true") -> dict[str, Stamp]:
    """What tells the versions of documents apart, by their paths; `where` is a condition of SQL."""
    rows = store.rows(f"SELECT path, size, modified, changed FROM documents WHERE {where}")
    return {os.fsdecode(path): (size, modified, changed) for path, size, modified, changed in rows}


def unread(store: Store) -> list[Problem]:
    """The documents that could not be read at the last update, sorted by path."""
    rows = store.rows("SELECT path, problem FROM documents WHERE problem IS NOT NULL ORDER BY path")
    return [Problem(os.fsdecode(path), reason) for path, reason in rows]


def partly_read(store: Store) -> list[Problem]:
    """The documents of which parts were skipped when they were read, sorted by path."""
    return [Problem(path, reason, partly=True) for path, reason in store.skipped(PART)]


def no_documents(store: Store) -> list[Problem]:
    """The files that were no documents by their names at the last update, sorted by path."""
    return [Problem(path, reason) for path, reason in store.skipped(FILE)]


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


def _missing_folders(missing: Iterable[str], known: Iterable[str]) -> list[Problem]:
    """The folders among some paths that are gone, and of which documents are in the index."""
    counts = {path: sum(one.startswith(_inside(path)) for one in known) for path in missing}
    return [
        Problem(
            path,
            "no such folder any more; what was read there stays "
            f"({number:,} {'document' if number == 1 else 'documents'}), unless you update with "
            "--drop-missing (drop_missing=True)",
        )
        for path, number in sorted(counts.items())
        if number
    ]


def _own_files(index: Path | str) -> Callable[[str], bool]:
    """Whether a file is the index itself, or beside it and part of it."""
    full = os.path.realpath(index)
    names = {full, *(f"{full}{ending}" for ending in _OWN_ENDINGS)}
    return lambda path: path in names or path.startswith(f"{full}.tantivy{os.sep}")


def _is_there(root: str) -> bool:
    """Whether a path that was added exists; one that is not absolute is damage, and does not."""
    try:
        return Path(root).is_absolute() and Path(root).exists()
    except OSError:  # a name that is too long, before Python 3.12
        return False


def _add_roots(store: Store, engine: Engine, roots: Iterable[str]) -> None:
    """Remember the paths that were added, so that later updates look there again."""
    with Transaction(store, engine) as batch:
        batch.begin()
        store.execute_many(
            "INSERT INTO roots VALUES (?) ON CONFLICT DO NOTHING",
            [(os.fsencode(path),) for path in sorted(roots)],
        )


def _reading(store: Store) -> int:
    """By which rules the documents were read; 1 before there was a number."""
    return next((number_in(value) for (value,) in store.rows(_READ_BY)), 1)


def _renew(store: Store, engine: Engine) -> tuple[bool, bool]:
    """Give an index of another pullquote this one's tables and rules; whether it lacked either.

    The words of all passages are indexed as it is done now, so that they can be removed one by one.
    Files are marked as changed in the same transaction: those that are not there at the moment are
    read when they are back, and an update that is killed goes on where it was.
    """
    upgraded = store.upgrade()
    if _reading(store) == READING:
        return upgraded, False
    with Transaction(store, engine) as batch:
        batch.begin()
        if _reading(store) == READING:  # another process has done so meanwhile
            return upgraded, False
        others = bool(store.rows("SELECT id FROM documents LIMIT 1"))
        if others:
            engine.clear()
            rows = store.each("SELECT id, document, text FROM passages ORDER BY id")
            engine.add(IndexedPassage(id, document, text) for id, document, text in rows)
            store.execute(
                f"UPDATE documents SET size = ?, modified = ?, changed = ? WHERE {_IS_FILE}",
                *_READ_AGAIN,
            )
        store.change_setting("reading", READING)
    return upgraded, others


def _remember(store: Store, engine: Engine, left_out: Mapping[str, Problem]) -> None:
    """Store which files are no documents."""
    if {path: problem.reason for path, problem in left_out.items()} == dict(store.skipped(FILE)):
        return
    with Transaction(store, engine) as batch:
        batch.begin()
        store.execute("DELETE FROM skipped WHERE what = ?", FILE)
        store.execute_many(
            "INSERT INTO skipped VALUES (?, ?, ?)",
            [(os.fsencode(path), FILE, problem.reason) for path, problem in left_out.items()],
        )


def _apply(
    store: Store,
    engine: Engine,
    changes: Changes,
    known: Mapping[str, Stamp],
    progress: Progress,
    pool: MakePool,
) -> Update:
    """Read what is new or has changed, and remove what is gone."""
    problems = {problem.path: problem for problem in changes.problems}
    total, done = sum(file.stamp[0] for file in changes.to_read), 0
    before, read_paths, guessed = store.passage_count(), set(), []
    with pool(changes.to_read) as reader, Transaction(store, engine) as batch:
        writer = DocumentWriter(store, engine, batch)
        for file in changes.to_read:
            progress(done, total, file.path)
            notes = Notes()
            if problem := writer.update(file, reader, notes):
                problems[file.path] = problem
            if not problem or problem.partly:
                read_paths.add(file.path)
                if notes.encoding:
                    guessed.append(GuessedEncoding(file.path, notes.encoding))
            done += file.stamp[0]
        for path in changes.gone:
            batch.begin()
            writer.remove(path)
    progress(total, total, "")
    if read_paths or changes.gone:
        _settle(store, engine, before)
    stored = (*unread(store), *partly_read(store))
    reported = {problem.path: problem for problem in stored} | problems
    return Update(
        added=len(read_paths - known.keys()),
        changed=len(read_paths & known.keys()),
        unchanged=changes.unchanged,
        removed=len(changes.gone),
        problems=tuple(reported[path] for path in sorted(reported)),
        guessed=tuple(guessed),
    )


def _settle(store: Store, engine: Engine, before: int) -> None:
    """Let the engine optimise after an update; `before` is how many passages there were."""
    now = store.passage_count()
    with Transaction(store, engine) as settling:
        settling.begin()
        engine.settle((now - before) / now if now else 0.0)


class DocumentWriter:
    """Writes documents and their passages to the store and to the engine, in one batch."""

    def __init__(self, store: Store, engine: Engine, batch: Transaction) -> None:
        self._store = store
        self._engine = engine
        self._batch = batch

    def update(self, file: SourceFile, reader: DocumentReader, notes: Notes) -> Problem | None:
        """Replace a document by what its file holds now; what cannot be read of it, if anything."""
        try:
            try:
                return self._read(file, reader, notes)
            except ChangedError:
                notes.clear()
                again = _restamped(file)  # it may have been the last moment of a save
                with Pool([again]) as other:
                    return self._read(again, other, notes)
        except (DocumentError, MissingExtraError) as error:
            # What may pass by itself is tried again next time, even if the file stays as it is.
            passing = isinstance(error, (ChangedError, MissingExtraError))
            self._batch.begin()
            self.remove(file.path)
            read_as = _READ_AGAIN if passing else file.stamp
            self._insert_document(file.path, file.kind.unit, read_as, str(error))
            return Problem(file.path, str(error))

    def write(self, text: Text) -> str:
        """Add a text, or replace the one of its name; the name that it has now."""
        self._batch.begin()
        name = text.name
        if name:
            self.remove(name)
        else:
            number = self._store.last_document() + 1
            taken = "SELECT 1 FROM documents WHERE path = ?"
            while self._store.rows(taken, os.fsencode(name := f"text {number}")):
                number += 1
        document = self._insert_document(name, "line", text.stamp, text.problem or None)
        self._insert_passages(document, text.passages())
        self._store.add_metadata(document, text.metadata)
        return name

    def remove(self, path: str) -> bool:
        """Remove a document and its passages; whether it was in the index."""
        documents = self._store.rows("SELECT id FROM documents WHERE path = ?", os.fsencode(path))
        for (document,) in documents:
            last = 0
            while rows := self._store.rows(
                "SELECT id, text FROM passages WHERE document = ? AND id > ? ORDER BY id LIMIT ?",
                document,
                last,
                PASSAGES_HELD,
            ):
                self._engine.remove(IndexedPassage(id, document, text) for id, text in rows)
                last = rows[-1][0]
            execute = self._store.execute
            execute("DELETE FROM passages WHERE document = ?", document)
            execute("DELETE FROM documents WHERE id = ?", document)
            execute("DELETE FROM metadata WHERE document = ?", document)
            execute("DELETE FROM skipped WHERE path = ? AND what = ?", os.fsencode(path), PART)
        return bool(documents)

    def _read(self, file: SourceFile, reader: DocumentReader, notes: Notes) -> Problem | None:
        """Read a document and write its passages: all of them, or none if it cannot be read."""
        passages = reader.read(file, notes)
        head = list(itertools.islice(passages, PASSAGES_HELD))
        if len(head) < PASSAGES_HELD:  # the file was read to its end
            self._batch.begin()
            return self._replace(file, head, notes)
        # A long document has a transaction of its own, to roll back if its end cannot be read.
        self._batch.commit()
        self._batch.begin()
        try:
            problem = self._replace(file, itertools.chain(head, passages), notes)
        except BaseException:
            self._batch.rollback()
            raise
        self._batch.commit()
        return problem

    def _replace(
        self, file: SourceFile, passages: Iterable[Passage], notes: Notes
    ) -> Problem | None:
        self.remove(file.path)
        document = self._insert_document(file.path, file.kind.unit, file.stamp)
        self._insert_passages(document, passages)
        problem = notes.problem(file.path)  # complete now that all passages were read
        if problem and problem.partly:
            self._store.execute(
                "INSERT INTO skipped VALUES (?, ?, ?) "
                "ON CONFLICT (path, what) DO UPDATE SET reason = excluded.reason",
                *(os.fsencode(file.path), PART, problem.reason),
            )
        elif problem:
            self._store.execute(
                "UPDATE documents SET problem = ? WHERE id = ?", problem.reason, document
            )
        return problem

    def _insert_document(
        self, path: str, unit: str, stamp: Stamp, problem: str | None = None
    ) -> int:
        (document,) = self._store.insert(
            "INSERT INTO documents (path, unit, size, modified, changed, problem) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(os.fsencode(path), unit, *stamp, problem)],
        )
        return document

    def _insert_passages(self, document: int, passages: Iterable[Passage]) -> None:
        passages = iter(passages)
        while some := list(itertools.islice(passages, PASSAGES_HELD)):
            ids = self._store.insert(
                "INSERT INTO passages (document, start, marks, text) VALUES (?, ?, ?, ?)",
                [(document, one.start, encode_marks(one.marks), one.text) for one in some],
            )
            self._engine.add(
                IndexedPassage(id, document, one.text) for id, one in zip(ids, some, strict=True)
            )


def _restamped(file: SourceFile) -> SourceFile:
    """The file with the size and times that it has now."""
    try:
        return replace(file, stamp=stamp(Path(file.path).stat()))
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror or error})") from None


def _inside(folder: str) -> str:
    """The beginning that the paths of all files in a folder share."""
    return folder if folder.endswith(os.sep) else folder + os.sep
