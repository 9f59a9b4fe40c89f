"""The SQLite file of an index: creates it, checks it when it is opened, and runs transactions.

    Store.create(Path("notes.db"), engine="fts5")
    store = Store.open(Path("notes.db"))
    with store.guarded(), store.snapshot():
        store.rows("SELECT path FROM documents")

Knows tables, not documents or questions. Every error of SQLite leaves as one of pullquote's errors.
A process that is killed leaves a consistent file, and others can read while one writes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from pullquote.errors import IndexBusyError, IndexFileError, OutputError
from pullquote.files import cannot_write
from pullquote.searching.engines import Engine
from pullquote.searching.engines.fts5 import SHADOWS, TABLE
from pullquote.searching.passages import LIMIT
from pullquote.searching.plain import is_sqlite
from pullquote.types import Mark

FORMAT = 3
"""The number of the file's layout, stored as SQLite's `user_version`. It rises when a change of
the schema would mislead an older pullquote. Files of older formats open, and get this one when they
are written to; newer ones are refused. Format 1 has no table `skipped`, formats 1 and 2 have no
table `metadata` and no identity, to which vectors belong."""

IN_MEMORY = Path(":memory:")
"""The path of an index that has no file."""

PART, FILE = "part", "file"
"""What is skipped: a part of a document that was read, or a file that is no document by its name.
Documents that could not be read stand in `documents`."""

BATCH_SECONDS = 5.0
"""How long a batch of writes may grow before it is committed: what a kill may cost."""

_APPLICATION = 0x70756C71  # "pulq", SQLite's `application_id`
_SKIPPED = (
    "CREATE TABLE skipped (path BLOB NOT NULL, what TEXT NOT NULL, reason TEXT NOT NULL, "
    "PRIMARY KEY (path, what)) WITHOUT ROWID"
)
_METADATA = "CREATE TABLE metadata (document INTEGER PRIMARY KEY, fields TEXT NOT NULL)"
_ADDED = {2: _SKIPPED, 3: _METADATA}
"""The tables that came later, by the format that has them first."""
_SCHEMA = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE roots (path BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, "
    "unit TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, "
    "changed INTEGER NOT NULL, problem TEXT)",
    "CREATE TABLE passages (id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL, "
    "start INTEGER NOT NULL, marks TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX passages_of_document ON passages (document)",
    *_ADDED.values(),
)
_LAST_ID = (
    "SELECT max(id) FROM (SELECT max(id) AS id FROM documents UNION ALL "
    "SELECT max(id) FROM passages UNION ALL SELECT max(seq) FROM sqlite_sequence)"
)
_IDS = 1 << 53
"""More ids than any index comes to."""
_PLAIN_TABLE = re.compile(r"CREATE TABLE '?words_\w+'?\([\w ,()]*\)(?: WITHOUT ROWID)?")
"""A table of FTS5's own: names and types, whatever the version of SQLite."""
_CONNECTION: dict[str, Any] = {
    "isolation_level": None,  # transactions begin and end where this module says so
    "check_same_thread": False,
    "timeout": 30,  # seconds to wait for another process to commit
}


class Store:
    """An open index file. Threads may share it: each takes `guarded()` before it uses SQLite."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._lock = threading.RLock()  # a connection serves one thread at a time

    @classmethod
    def create(cls, path: Path, *, engine: str) -> None:
        """Create an empty index file. Raises `IndexFileError` if the file holds anything."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
        with _explained(path), contextlib.closing(_connect(path, "rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if not _is_blank(connection):
                raise IndexFileError(f"{path}: exists already; open it, or choose another name")
            # an earlier index of this name was removed, but not its engine's folder
            shutil.rmtree(_engine_folder(path), ignore_errors=True)
            _make_tables(connection, engine)
            connection.execute("COMMIT")

    @classmethod
    def in_memory(cls) -> Store:
        """An empty index without a file, for the engine fts5."""
        with _explained(IN_MEMORY):
            connection = _set_up(sqlite3.connect(IN_MEMORY, **_CONNECTION))
            _make_tables(connection, "fts5")
        return cls(IN_MEMORY, connection)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open an index file and check its format and schema, but not every page.

        Raises `IndexFileError` if the file is missing, damaged, of a newer format or not an index.
        """
        if not path.exists():
            raise IndexFileError(
                f"{path}: no such index; make one: pullquote index FOLDER -o {path}"
            )
        if path.is_dir():
            raise IndexFileError(f"{path}: a folder; expected the file of an index")
        with _explained(path):
            try:
                return cls(path, _checked(path, "rw"))
            except sqlite3.OperationalError as error:
                if not (_is_access_error(error) or (_is_full(error) and not _has_log(path))):
                    raise
                # A read-only medium or a full disk cannot hold the -wal and -shm files through
                # which readers and writers coordinate; nobody can write either, so SQLite may
                # skip them. A log would be needed to read a file that is behind it.
                return cls(path, _checked(path, "ro&immutable=1"))

    def close(self) -> None:
        """Close the file. The last process to do so leaves one file, without -wal and -shm."""
        with self._lock:
            self.connection.close()

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Exclude other threads, and raise pullquote's errors for SQLite's."""
        with self._lock, _explained(self.path):
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """A read transaction: other processes may write, the queries inside do not see it."""
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises `sqlite3.DatabaseError` for a cell of another type."""
        cursor = self.connection.execute(query, values)
        rows = cursor.fetchall()
        _check_cells(cursor, rows)
        return rows

    def each(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few in memory at a time, checked as by `rows`."""
        cursor = self.connection.execute(query)
        while rows := cursor.fetchmany(1000):
            _check_cells(cursor, rows)
            yield from rows

    def setting(self, name: str) -> str | int:
        rows = self.rows("SELECT value FROM settings WHERE name = ?", name)
        if not rows:
            raise damaged(f"no {name} among the settings")
        value: str | int = rows[0][0]
        return value

    @property
    def identity(self) -> str | None:
        """What tells this index from any other; None in formats 1 and 2."""
        return str(self.setting("identity")) if self.format >= 3 else None

    @property
    def format(self) -> int:
        """The number of the file's layout, at most `FORMAT`."""
        ((number,),) = self.rows("PRAGMA user_version")
        return int(number)

    def upgrade(self) -> bool:
        """Give a file of an older format the layout of this one; whether it was one."""
        if self.format == FORMAT:
            return False
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for number, table in _ADDED.items():
                if number > self.format:  # no other process was faster
                    execute(table)
            execute(f"PRAGMA user_version = {FORMAT}")
            execute("INSERT OR IGNORE INTO settings VALUES ('identity', ?)", (token_hex(16),))
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise
        return True

    def skipped(self, what: str) -> list[tuple[str, str]]:
        """The paths and reasons of what is skipped (`PART` or `FILE`), sorted by path."""
        if self.format < 2:
            return []
        rows = self.rows("SELECT path, reason FROM skipped WHERE what = ? ORDER BY path", what)
        return [(os.fsdecode(path), reason) for path, reason in rows]

    @property
    def generation(self) -> int:
        """The number of commits so far: what was cached of another generation is out of date."""
        return number_in(self.setting("generation"))

    @property
    def engine_folder(self) -> Path:
        """The folder for files that an engine keeps beside the index."""
        return _engine_folder(self.path)

    @property
    def vectors_file(self) -> Path | None:
        """The file beside the index with the vectors of its passages; None in memory."""
        return None if self.path == IN_MEMORY else self.path.with_name(f"{self.path.name}.vectors")

    def passage_count(self) -> int:
        ((count,),) = self.rows("SELECT count(*) FROM passages")
        return int(count)


class Transaction:
    """A series of write transactions over SQLite and an engine, each `BATCH_SECONDS` long or less.

    with Transaction(store, engine) as batch:     # commits at the end, rolls back on an error
        for file in files:
            batch.begin()                   # commits first if the current one is old
            ...                             # write one document
    """

    def __init__(self, store: Store, engine: Engine) -> None:
        self.connection = store.connection
        self.engine = engine
        self._since: float | None = None  # when the current transaction began

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def begin(self) -> None:
        """Make sure that a transaction is open, and that it is not an old one."""
        if self._since is not None and time.monotonic() - self._since > BATCH_SECONDS:
            self.commit()
        if self._since is None:
            self.connection.execute("BEGIN IMMEDIATE")
            self._since = time.monotonic()

    def commit(self) -> None:
        """Commit the open transaction, if any, first in the engine.

        A kill between the two commits leaves the engine with a generation that SQLite does not
        have. It is then rebuilt when the index is opened.
        """
        if self._since is None:
            return
        execute = self.connection.execute
        execute("UPDATE settings SET value = value + 1 WHERE name = 'generation'")
        found = execute("SELECT value FROM settings WHERE name = 'generation'").fetchone()
        self.engine.commit(number_in(found[0] if found else None))
        execute("COMMIT")
        self._since = None

    def rollback(self) -> None:
        """Undo the open transaction, if any."""
        if self._since is not None:
            self._since = None
            self.engine.rollback()
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")


def is_unfinished(path: Path) -> bool:
    """Whether a file has no tables yet: another process is creating it, or was killed doing so."""
    if path.is_file() and path.stat().st_size == 0:
        return True
    if not is_sqlite(path):
        return False
    with _explained(path), contextlib.closing(_connect(path, "rw")) as connection:
        return _is_blank(connection)


def encode_marks(marks: Iterable[Mark]) -> str:
    """Marks as the text that the table of passages holds.

    >>> encode_marks([Mark(0, 12), Mark(85, 14)])
    '0:12 85:14'
    """
    return " ".join(f"{mark.offset}:{mark.number}" for mark in marks)


def decode_marks(text: str) -> tuple[Mark, ...]:
    """The inverse of `encode_marks`. Raises `sqlite3.DatabaseError` for what that never makes."""
    try:
        pairs = (pair.split(":") for pair in text.split())
        marks = tuple(Mark(int(offset), int(number)) for offset, number in pairs)
    except ValueError:
        marks = ()
    offsets = [mark.offset for mark in marks]
    if offsets[:1] != [0] or offsets != sorted(offsets) or min(mark.number for mark in marks) < 0:
        raise damaged(f"marks are {text[:20]!r}")
    return marks


def damaged(how: str) -> Exception:
    """The error for a file that holds what pullquote has not written; see `Store.guarded`."""
    return sqlite3.DatabaseError(how)


def number_in(value: object) -> int:
    """A whole number of a cell that may hold a text, too; raises `sqlite3.DatabaseError`."""
    if isinstance(value, int):
        return value
    raise damaged(f"found {str(value)[:20]!r}, expected a number")


def how_to_rebuild(path: Path) -> str:
    """The end of an error message: what to type to replace an index."""
    return f"make it again: remove it, and pullquote index FOLDER -o {path}"


_CELLS: dict[str, frozenset[type]] = {
    **dict.fromkeys(("id", "document", "size", "modified", "changed", "start"), frozenset({int})),
    **dict.fromkeys(("unit", "marks", "text", "fields", "reason"), frozenset({str})),
    "path": frozenset({bytes}),
    "problem": frozenset({str, type(None)}),
    "value": frozenset({str, int}),
}
"""The types of the cells of each column. SQLite takes anything in any column."""
_LONGEST = 2 * LIMIT  # characters of a passage, which pullquote cuts to LIMIT bytes


def _check_cells(cursor: sqlite3.Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
    for place, (name, *_) in enumerate(cursor.description or ()):
        if name in _CELLS and (odd := {type(row[place]) for row in rows} - _CELLS[name]):
            raise damaged(f"a cell of {name} holds {odd.pop().__name__}")
        if (
            name == "text"
            and (most := max((len(row[place]) for row in rows), default=0)) > _LONGEST
        ):
            raise damaged(f"a passage has {most:,} characters")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return _set_up(sqlite3.connect(uri, uri=True, **_CONNECTION))


def _set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        # functions in the schema of a file from elsewhere are not run
        connection.execute("PRAGMA trusted_schema = OFF")
        if sys.version_info >= (3, 12):  # nor are FTS5's own tables written to by anything else
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.execute("PRAGMA synchronous = NORMAL")  # safe with WAL, after a power cut too
    except BaseException:
        connection.close()
        raise
    return connection


def _checked(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file that has passed `_check`."""
    connection = _connect(path, mode)
    try:
        _check(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `IndexFileError` unless the schema is exactly that of an index."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((number,),) = connection.execute("PRAGMA user_version")
    if application != _APPLICATION:
        raise IndexFileError(
            f"{path}: an SQLite file, but no index of pullquote; make one: "
            "pullquote index FOLDER -o FILE"
        )
    if number > FORMAT:
        raise IndexFileError(
            f"{path}: made by a newer pullquote (format {number}, this one reads up to {FORMAT}); "
            "upgrade, or index again into another file: pullquote index FOLDER -o FILE"
        )
    if number < 1:
        raise IndexFileError(
            f"{path}: format {number}, which no pullquote has written; {how_to_rebuild(path)}"
        )
    found, foreign = set(), False
    for kind, name, statement in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if statement is None or (kind == "table" and str(name).startswith("sqlite_")):
            continue  # SQLite's own
        if name in SHADOWS:
            foreign |= kind != "table" or not _PLAIN_TABLE.fullmatch(str(statement))
        else:
            found.add(statement)
    later = {table for first, table in _ADDED.items() if first > number}
    if foreign or found - {TABLE} != set(_SCHEMA) - later:
        raise IndexFileError(f"{path}: not as pullquote makes an index; {how_to_rebuild(path)}")
    ((last,),) = connection.execute(_LAST_ID)
    if last is not None and number_in(last) > _IDS:  # SQLite would say that the disk is full
        raise damaged(f"an id is {last}")


def _make_tables(connection: sqlite3.Connection, engine: str) -> None:
    for statement in (*_SCHEMA, *((TABLE,) if engine == "fts5" else ())):
        connection.execute(statement)
    connection.executemany(
        "INSERT INTO settings VALUES (?, ?)",
        [("engine", engine), ("generation", 0), ("identity", token_hex(16))],
    )
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _is_blank(connection: sqlite3.Connection) -> bool:
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    ((application,),) = connection.execute("PRAGMA application_id")
    return bool(tables == 0 and application == 0)


def _is_access_error(error: sqlite3.OperationalError) -> bool:
    return any(words in str(error) for words in ("unable to open", "readonly"))


def _is_full(error: sqlite3.OperationalError) -> bool:
    return any(words in str(error) for words in ("full", "disk I/O"))


def _has_log(path: Path) -> bool:
    """Whether there are commits that were not merged into the file."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise pullquote's errors in place of SQLite's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        message = str(error)
        if "locked" in message:
            raise IndexBusyError(
                f"{path}: another process is writing to it; try again when it is done"
            ) from None
        if "no such module: fts5" in message:
            raise IndexFileError(
                "this Python's SQLite was built without full-text search (FTS5); use another "
                'Python, or engine "tantivy"'
            ) from None
        if _is_access_error(error) or _is_full(error):
            raise OutputError(f"{path}: cannot be written or opened ({message})") from None
        raise IndexFileError(f"{path}: damaged ({message}); {how_to_rebuild(path)}") from None
    except sqlite3.ProgrammingError as error:
        raise IndexFileError(f"{path}: {str(error).rstrip('.').lower()}; open it again") from None
    except UnicodeDecodeError:  # of a message of SQLite's, which has a name of a damaged schema
        raise IndexFileError(f"{path}: damaged (its schema); {how_to_rebuild(path)}") from None
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise IndexFileError(
                f"{path}: no index of pullquote; make one: pullquote index FOLDER -o FILE"
            ) from None
        raise IndexFileError(f"{path}: damaged ({error}); {how_to_rebuild(path)}") from None


def _engine_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.tantivy")
