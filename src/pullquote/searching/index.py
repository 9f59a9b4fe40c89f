"""An index: the passages of many documents in one SQLite file, found by their words.

    with Index.create("notes.db") as index:
        index.add(["notes/"])                     # again later: reads only what has changed
        index.search("When is the rent due?")     # passages with their BM25 scores, best first

Knows documents, passages and an engine; nothing of models. The file is whole whenever a process is
killed, holds no code, and can be read while it is written.
"""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pullquote.errors import (
    DocumentError,
    IndexFileError,
    InputError,
    MissingExtraError,
    OutputError,
)
from pullquote.files import cannot_write
from pullquote.searching.documents import ChangedError, File, Notes, Problem, find, read, stamp
from pullquote.searching.engines import Engine, Row
from pullquote.searching.engines.fts5 import TABLE, Fts5Engine
from pullquote.searching.words import query_words
from pullquote.types import Document, Mark, Passage

ENGINES = ("fts5", "tantivy")
VERSION = 1
"""Of the file's layout, in its `user_version`; another one is an error."""

_APPLICATION = 0x70756C71  # "pulq", in the file's `application_id`
_SCHEMA = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE roots (path BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, "
    "unit TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, "
    "changed INTEGER NOT NULL, problem TEXT)",
    "CREATE TABLE passages (id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL, "
    "start INTEGER NOT NULL, marks TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX passages_of_document ON passages (document)",
)
_WAIT = 30  # seconds for another process to end its batch
_BATCH = 5.0  # seconds of work that a kill may cost
_HELD = 1000  # passages of a document that are held before they are written


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a search found, with its BM25 score."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class GuessedEncoding:
    """A document that was read in an encoding that was guessed, such as "Windows-1252"."""

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
    """Documents that could not be read, and rows that were left out of those that were read now."""
    guessed: tuple[GuessedEncoding, ...] = ()
    """Of the documents that were read now."""

    @property
    def read(self) -> int:
        return self.added + self.changed


Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and the file that is being read."""


class Index:
    """Passages of documents, in a file. Make one with `Index.create` or `Index.open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, private: bool) -> None:
        self.path = path
        self._connection = connection
        self._private = private
        self._lock = threading.RLock()  # a connection does one thing at a time
        self._names: tuple[int, dict[int, str]] | None = None  # of documents, by generation
        with self._guarded():
            self.engine_name = str(self._setting("engine"))
            self._engine = self._open_engine()

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, engine: str = "fts5") -> Index:
        """Make an index with nothing in it. Raises `IndexFileError` if there is a file already.

        `engine` is "fts5", or "tantivy" (an extra) for hundreds of thousands of passages; that one
        keeps a folder beside the file.
        """
        if engine not in ENGINES:
            raise InputError(f"engine is {engine!r}, expected {' or '.join(ENGINES)}")
        path = Path(path)
        if engine == "tantivy":
            from pullquote.searching.engines.tantivy import check_installed

            check_installed()  # before there is a file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
        with _explained(path):
            connection = _connect(path, "rwc")
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                if not _blank(connection):
                    raise IndexFileError(f"{path}: exists already; open it, or choose another name")
                shutil.rmtree(_folder(path), ignore_errors=True)  # left by one that was removed
                for statement in (*_SCHEMA, *((TABLE,) if engine == "fts5" else ())):
                    connection.execute(statement)
                connection.executemany(
                    "INSERT INTO settings VALUES (?, ?)", [("engine", engine), ("generation", 0)]
                )
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.execute("COMMIT")
            finally:
                connection.close()
        return cls.open(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, private: bool = False) -> Index:
        """Open an index. Raises `IndexFileError` for what is none, is damaged or too old or new.

        A `private` one tells strangers nothing of the disk: its documents have paths, and are found
        by paths, that begin with what was added, as contracts/lease.pdf of /home/ann/contracts.
        """
        path = Path(path)
        if not path.exists():
            raise IndexFileError(
                f"{path}: no such index; make one: pullquote index FOLDER -o {path}"
            )
        if path.is_dir():
            raise IndexFileError(f"{path}: a folder; expected the file of an index")
        with _explained(path):
            connection = None
            try:
                connection = _connect(path, "rw")
                _check(path, connection)
            except sqlite3.OperationalError as error:
                if connection is not None:
                    connection.close()
                if not _refused(error):
                    raise
                # a medium that is read only has no room for the files by which readers and
                # writers agree, and no writers either
                connection = _connect(path, "ro&immutable=1")
                _check(path, connection)
            except BaseException:
                if connection is not None:
                    connection.close()
                raise
        return cls(path, connection, private=private)

    @classmethod
    def open_or_create(cls, path: str | os.PathLike[str], *, engine: str | None = None) -> Index:
        """Open an index, or make one where there is no file. `engine` has to be that of an old one.

        >>> with Index.open_or_create("notes.db") as index:  # doctest: +SKIP
        ...     index.add(["notes/"])
        """
        path = Path(path)
        if not path.exists() or _unfinished(path):
            try:
                return cls.create(path, engine=engine or "fts5")
            except IndexFileError:
                if not path.exists():
                    raise  # else another process was quicker
        index = cls.open(path)
        if engine and engine != index.engine_name:
            index.close()
            raise IndexFileError(
                f"{path}: its engine is {index.engine_name}, not {engine}; {_again(path)}"
            )
        return index

    @classmethod
    def is_one(cls, path: str | os.PathLike[str]) -> bool:
        """Whether a file begins as SQLite's do."""
        try:
            with open(path, "rb") as file:
                return file.read(16) == b"SQLite format 3\0"
        except OSError:
            return False

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the last to do so leaves one file, without SQLite's two others."""
        with self._lock:
            self._engine.close()
            self._connection.close()

    def __len__(self) -> int:
        """The number of passages."""
        with self._guarded():
            (count,) = self._connection.execute("SELECT count(*) FROM passages").fetchone()
            return int(count)

    def count(self) -> int:
        """The number of documents."""
        with self._guarded():
            ((count,),) = self._rows("SELECT count(*) FROM documents WHERE problem IS NULL")
            return int(count)

    def documents(self) -> Iterator[Document]:
        """The documents that were read, in the order of their paths."""
        with self._guarded():
            rows = self._connection.execute(
                "SELECT path, unit FROM documents WHERE problem IS NULL ORDER BY path"
            ).fetchall()
            shown = self._shown()
        return (Document(shown(path), unit) for path, unit in rows)

    def problems(self) -> list[Problem]:
        """The documents that could not be read when they were last looked at, and why."""
        with self._guarded():
            rows = self._connection.execute(
                "SELECT path, problem FROM documents WHERE problem IS NOT NULL ORDER BY path"
            ).fetchall()
        return [Problem(os.fsdecode(path), reason) for path, reason in rows]

    def matches(self, path: str) -> bool:
        """Whether any document has a path that a glob matches."""
        with self._guarded():
            return bool(self._matching(path))

    # ---- writing

    def add(
        self, paths: Iterable[str | os.PathLike[str]] = (), *, progress: Progress | None = None
    ) -> Update:
        """Read the documents at some paths and below them, and what changed at earlier ones.

        >>> index.add(["contracts/", "notes.txt"]).read  # doctest: +SKIP
        12

        Documents that are as they were are not read again; those that are gone, or can no longer be
        read, leave the index. What was read is kept in batches of a few seconds: after a kill, the
        next call goes on. Raises `DocumentError` for a path that does not exist.
        """
        asked = [os.fspath(path) for path in paths]
        found = list(find(asked))
        with self._guarded():
            roots = {os.path.realpath(path) for path in asked}
            known = {os.fsdecode(path) for (path,) in self._rows("SELECT path FROM roots")}
            found += find(path for path in sorted(known - roots) if Path(path).exists())
            if new := roots - known:
                with _Batch(self._connection, self._engine) as batch:
                    batch.begin()
                    self._connection.executemany(
                        "INSERT OR IGNORE INTO roots VALUES (?)",
                        [(os.fsencode(path),) for path in sorted(new)],
                    )
            return self._update(found, sorted(roots | known), progress or (lambda *_: None))

    def _update(
        self, found: Sequence[File | Problem], roots: Sequence[str], progress: Progress
    ) -> Update:
        known = {
            os.fsdecode(path): tuple(stamp)
            for path, *stamp in self._rows("SELECT path, size, modified, changed FROM documents")
        }
        files = {file.path: file for file in found if isinstance(file, File)}
        problems = {file.path: file for file in found if isinstance(file, Problem)}
        news = [file for path, file in files.items() if known.get(path) != file.stamp]
        total, done = sum(file.stamp[0] for file in news), 0
        before, read = len(self), set()
        guessed = []
        batch = _Batch(self._connection, self._engine)
        with batch:
            for file in news:
                progress(done, total, file.path)
                notes = Notes()
                problem = self._read(file, batch, notes)
                if problem:
                    problems[file.path] = problem
                else:
                    read.add(file.path)
                    if left_out := notes.problem(file.path):
                        problems[file.path] = left_out
                    if notes.encoding:
                        guessed.append(GuessedEncoding(file.path, notes.encoding))
                done += file.stamp[0]
            # a folder that cannot be listed just now keeps the documents that it had
            kept = tuple(_inside(path) for path in problems if path not in files)
            under = tuple(_inside(root) for root in roots)
            gone = [
                path
                for path in known
                if path not in files
                and not path.startswith(kept)
                and (path in roots or path.startswith(under))
            ]
            for path in gone:
                batch.begin()
                self._remove(path)
        progress(total, total, "")
        if (now := len(self)) and (read or gone):
            with _Batch(self._connection, self._engine) as settling:
                settling.begin()
                self._engine.settle((now - before) / now)
        reported = {problem.path: problem for problem in self.problems()} | problems
        return Update(
            added=len(read - known.keys()),
            changed=len(read & known.keys()),
            unchanged=len(files) - len(news),
            removed=len(gone),
            problems=tuple(reported[path] for path in sorted(reported)),
            guessed=tuple(guessed),
        )

    def _read(self, file: File, batch: _Batch, notes: Notes) -> Problem | None:
        """Put a document into the index in place of what it was, or the reason why not."""
        try:
            try:
                self._write(file, batch, notes)
            except ChangedError:
                notes.clear()
                self._write(_as_it_is(file), batch, notes)  # it may have been the end of a save
        except (DocumentError, MissingExtraError) as error:
            # What may pass by itself is tried again next time, what the file is like is not.
            passing = isinstance(error, (ChangedError, MissingExtraError))
            batch.begin()
            self._remove(file.path)
            self._document(replace(file, stamp=(-1, 0, 0)) if passing else file, str(error))
            return Problem(file.path, str(error))
        return None

    def _write(self, file: File, batch: _Batch, notes: Notes) -> None:
        """Read a document and write its passages; nothing of one that turns out unreadable."""
        passages = read(file, notes)
        head = list(itertools.islice(passages, _HELD))
        if len(head) < _HELD:  # it has been read to its end
            batch.begin()
            self._replace(file, head)
            return
        batch.commit()  # a long one is a transaction of its own, that can be undone
        batch.begin()
        try:
            self._replace(file, itertools.chain(head, passages))
        except BaseException:
            batch.rollback()
            raise
        batch.commit()

    def _replace(self, file: File, passages: Iterable[Passage]) -> None:
        self._remove(file.path)
        document = self._document(file, None)
        while some := list(itertools.islice(passages := iter(passages), _HELD)):
            rows = []
            for passage in some:
                values = (document, passage.start, _packed(passage.marks), passage.text)
                added = self._connection.execute(
                    "INSERT INTO passages (document, start, marks, text) VALUES (?, ?, ?, ?)",
                    values,
                )
                rows.append(Row(added.lastrowid or 0, document, passage.text))
            self._engine.add(rows)

    def _document(self, file: File, problem: str | None) -> int:
        added = self._connection.execute(
            "INSERT INTO documents (path, unit, size, modified, changed, problem) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (os.fsencode(file.path), file.kind.unit, *file.stamp, problem),
        )
        return added.lastrowid or 0

    def _remove(self, path: str) -> None:
        for (document,) in self._rows("SELECT id FROM documents WHERE path = ?", os.fsencode(path)):
            last = 0
            while rows := self._rows(
                "SELECT id, text FROM passages WHERE document = ? AND id > ? ORDER BY id LIMIT ?",
                document,
                last,
                _HELD,
            ):
                self._engine.remove(Row(id, document, text) for id, text in rows)
                last = rows[-1][0]
            self._connection.execute("DELETE FROM passages WHERE document = ?", (document,))
            self._connection.execute("DELETE FROM documents WHERE id = ?", (document,))

    # ---- searching

    def search(self, question: str, limit: int = 20, *, path: str | None = None) -> list[Found]:
        """The passages that share words with a question, best first, with BM25 scores.

        `path` is a glob, such as "*.pdf" or "contracts/*", that paths of documents must match,
        whole or from some folder on.
        """
        words = query_words(question)
        if not words:
            return []
        with self._guarded(), self._snapshot():
            documents = None if path is None else self._matching(path)
            self._engine.refresh(int(self._setting("generation")))
            matches = self._engine.search(words, limit, documents)
            places = json.dumps([match.id for match in matches])
            shown = self._shown()
            rows = {
                id: Passage(Document(shown(path), unit), text, start, _unpacked(marks))
                for id, path, unit, text, start, marks in self._rows(
                    "SELECT p.id, d.path, d.unit, p.text, p.start, p.marks FROM passages p "
                    "JOIN documents d ON d.id = p.document "
                    "WHERE p.id IN (SELECT value FROM json_each(?))",
                    places,
                )
            }
        return [Found(rows[match.id], match.score) for match in matches if match.id in rows]

    def _matching(self, pattern: str) -> Collection[int]:
        generation = int(self._setting("generation"))
        if self._names is None or self._names[0] != generation:
            rows = self._rows("SELECT id, path FROM documents WHERE problem IS NULL")
            shown = self._shown()
            self._names = generation, {id: shown(path) for id, path in rows}
        return [
            id
            for id, name in self._names[1].items()
            if fnmatch.fnmatchcase(name, pattern)
            or fnmatch.fnmatchcase(name, f"*{os.sep}{pattern}")
        ]

    def _shown(self) -> Callable[[bytes], str]:
        """How a document's path is told."""
        if not self._private:
            return os.fsdecode
        labels: dict[str, str] = {}  # the outermost first; equal names are told apart
        for (root,) in sorted(self._rows("SELECT path FROM roots")):
            label = base = Path(os.fsdecode(root)).name or "documents"
            number = 1
            while label in labels.values():
                number += 1
                label = f"{base} ({number})"
            labels[os.fsdecode(root)] = label

        def name(path: bytes) -> str:
            full = os.fsdecode(path)
            for root, label in labels.items():
                if full == root:
                    return label
                if full.startswith(inside := root.rstrip(os.sep) + os.sep):
                    return f"{label}{os.sep}{full[len(inside) :]}"
            return Path(full).name

        return name

    # ---- SQLite

    def _open_engine(self) -> Engine:
        if self.engine_name != "tantivy":
            return Fts5Engine(self._connection)
        from pullquote.searching.engines.tantivy import TantivyEngine

        engine = TantivyEngine(_folder(self.path))
        if engine.generation != self._setting("generation"):
            # a kill fell between the two commits, or the folder is gone: it is made again
            with _Batch(self._connection, engine) as batch:
                batch.begin()
                if engine.generation != self._setting("generation"):
                    engine.clear()
                    engine.add(
                        Row(id, document, text)
                        for id, document, text in self._connection.execute(
                            "SELECT id, document, text FROM passages ORDER BY id"
                        )
                    )
            engine.settle(1.0)
        return engine

    def _rows(self, query: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        return self._connection.execute(query, values).fetchall()

    def _setting(self, name: str) -> str | int:
        ((value,),) = self._rows("SELECT value FROM settings WHERE name = ?", name)
        return value  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock, _explained(self.path):
            yield

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """What is read within is of one moment, whatever another process writes meanwhile."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")


class _Batch:
    """Transactions one after another: each ends after some seconds, or when it is told to."""

    def __init__(self, connection: sqlite3.Connection, engine: Engine) -> None:
        self.connection = connection
        self.engine = engine
        self.since: float | None = None

    def __enter__(self) -> _Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def begin(self) -> None:
        """Begin, unless it has begun lately."""
        if self.since is not None and time.monotonic() - self.since > _BATCH:
            self.commit()
        if self.since is None:
            self.connection.execute("BEGIN IMMEDIATE")
            self.since = time.monotonic()

    def commit(self) -> None:
        if self.since is None:
            return
        execute = self.connection.execute
        execute("UPDATE settings SET value = value + 1 WHERE name = 'generation'")
        ((generation,),) = execute("SELECT value FROM settings WHERE name = 'generation'")
        self.engine.commit(generation)
        execute("COMMIT")
        self.since = None

    def rollback(self) -> None:
        if self.since is not None:
            self.since = None
            self.engine.rollback()
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,  # transactions begin and end where this module says so
        check_same_thread=False,
        timeout=_WAIT,
    )
    # what a foreign file may have in its schema is not run
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL: whole after a power cut, too
    return connection


def _blank(connection: sqlite3.Connection) -> bool:
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    ((application,),) = connection.execute("PRAGMA application_id")
    return bool(tables == 0 and application == 0)


def _unfinished(path: Path) -> bool:
    """Whether a file was made for an index by a process that has not, or not yet, filled it."""
    if path.is_file() and path.stat().st_size == 0:
        return True
    if not Index.is_one(path):
        return False
    with _explained(path), contextlib.closing(_connect(path, "rw")) as connection:
        return _blank(connection)


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `IndexFileError` unless the file is an index of this version, and nothing besides."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    if application != _APPLICATION:
        raise IndexFileError(
            f"{path}: an SQLite file, but no index of pullquote; make one: "
            "pullquote index FOLDER -o FILE"
        )
    if version != VERSION:
        raise IndexFileError(
            f"{path}: an index of version {version}, expected {VERSION}; make it again: "
            f"remove it, and pullquote index FOLDER -o {path}"
        )
    found = {
        statement
        for name, statement in connection.execute("SELECT name, sql FROM sqlite_master")
        if statement is not None and not name.startswith(("sqlite_", "words_"))
    }
    if found - {TABLE} != set(_SCHEMA):
        raise IndexFileError(f"{path}: not as pullquote makes an index; {_again(path)}")


def _again(path: Path) -> str:
    return f"make it again: remove it, and pullquote index FOLDER -o {path}"


def _refused(error: sqlite3.OperationalError) -> bool:
    return any(words in str(error) for words in ("unable to open", "readonly"))


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in pullquote's errors what SQLite's mean."""
    try:
        yield
    except sqlite3.OperationalError as error:
        message = str(error)
        if "locked" in message:
            raise IndexFileError(
                f"{path}: another process is writing to it; try again when it is done"
            ) from None
        if "no such module: fts5" in message:
            raise IndexFileError(
                "this Python's SQLite was built without full-text search (FTS5); use another "
                'Python, or engine "tantivy"'
            ) from None
        if _refused(error) or "full" in message or "disk I/O" in message:
            raise OutputError(f"{path}: cannot be written or opened ({message})") from None
        raise IndexFileError(f"{path}: damaged ({message}); {_again(path)}") from None
    except sqlite3.ProgrammingError as error:
        raise IndexFileError(f"{path}: {str(error).rstrip('.').lower()}; open it again") from None
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise IndexFileError(
                f"{path}: no index of pullquote; make one: pullquote index FOLDER -o FILE"
            ) from None
        raise IndexFileError(f"{path}: damaged ({error}); {_again(path)}") from None


def _as_it_is(file: File) -> File:
    try:
        return replace(file, stamp=stamp(Path(file.path).stat()))
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror or error})") from None


def _inside(folder: str) -> str:
    return folder if folder.endswith(os.sep) else folder + os.sep


def _folder(path: Path) -> Path:
    """Where an engine keeps the files that it has of its own."""
    return path.with_name(f"{path.name}.tantivy")


def _packed(marks: Iterable[Mark]) -> str:
    """The marks as a short text: "0:12 85:14"."""
    return " ".join(f"{mark.offset}:{mark.number}" for mark in marks)


def _unpacked(marks: str) -> tuple[Mark, ...]:
    pairs = (pair.split(":") for pair in marks.split())
    return tuple(Mark(int(offset), int(number)) for offset, number in pairs)
