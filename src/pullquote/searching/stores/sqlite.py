"""The SQLite file of an index: creates it, checks it when it is opened, and runs transactions.

    SqliteStore.create(Path("notes.db"), engine="fts5")
    store = SqliteStore.open(Path("notes.db"))
    with store.guarded(), store.snapshot():
        store.rows("SELECT path FROM documents")

Knows tables, not documents or questions. Every error of SQLite leaves as one of pullquote's errors.
A process that is killed leaves a consistent file, and others can read while one writes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar

from pullquote.errors import IndexBusyError, IndexFileError, OutputError
from pullquote.files import cannot_write, no_such_path
from pullquote.searching.engines.fts5 import SHADOWS, TABLE, Fts5Engine
from pullquote.searching.plain import is_sqlite
from pullquote.searching.stores import (
    FORMAT,
    LOCK_SECONDS,
    DamageError,
    Store,
    check_cells,
    how_to_rebuild,
    number_in,
)
from pullquote.searching.vectors import VectorEncoder, Vectors
from pullquote.urls import is_url, without_password

IN_MEMORY = Path(":memory:")
"""The path of an index that has no file."""

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
    "timeout": LOCK_SECONDS,
}


class SqliteStore(Store):
    """An open index file."""

    path: Path
    ENGINES: ClassVar[tuple[str, ...]] = ("fts5", "tantivy", "opensearch")
    AMONG: ClassVar[str] = "IN (SELECT value FROM json_each(?))"
    FIND: ClassVar[str] = "instr"

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._lock = threading.RLock()  # a connection serves one thread at a time

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, engine: str) -> None:
        if is_url(path):
            raise IndexFileError(
                f"{without_password(path)}: an index is a file, or at postgresql://..."
            )
        path = Path(path)
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
    def missing(cls, path: str | os.PathLike[str]) -> bool:
        """Whether there is no file, or one that another process has not finished creating."""
        return not Path(path).exists() or _is_unfinished(Path(path))

    @classmethod
    def in_memory(cls) -> SqliteStore:
        """An empty index without a file, for the engine fts5."""
        with _explained(IN_MEMORY):
            connection = _set_up(sqlite3.connect(IN_MEMORY, **_CONNECTION))
            _make_tables(connection, "fts5")
        return cls(IN_MEMORY, connection)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> SqliteStore:
        """Open an index file and check its format and schema, but not every page.

        Raises `IndexFileError` if the file is missing, damaged, of a newer format or not an index.
        """
        if not Path(path).exists():
            make = f"make one: pullquote index FOLDER -o {path}"
            raise IndexFileError(no_such_path(path, make, "index"))
        path = Path(path)
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
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK")

    def begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(query, _listed(values))
        rows = cursor.fetchall()
        check_cells([name for name, *_ in cursor.description or ()], rows)
        return rows

    def each(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        cursor = self.connection.execute(query, _listed(values))
        while rows := cursor.fetchmany(1000):
            check_cells([name for name, *_ in cursor.description], rows)
            yield from rows

    def execute(self, statement: str, *values: object) -> None:
        self.connection.execute(statement, _listed(values))

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        self.connection.executemany(statement, rows)

    def insert(self, statement: str, rows: Iterable[Sequence[object]]) -> list[int]:
        execute = self.connection.execute
        return [execute(statement, tuple(row)).lastrowid or 0 for row in rows]

    def change_setting(self, name: str, value: str | int) -> None:
        self.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, value)

    def last_document(self) -> int:
        last = self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'documents'")
        return number_in(last[0][0]) if last else 0

    def add_metadata(self, document: int, fields: Mapping[str, Any]) -> None:
        self.execute("INSERT INTO metadata VALUES (?, ?)", document, json.dumps(fields))

    def documents_with(self, field: str, values: Sequence[Any]) -> set[int]:
        rows = self.rows(
            "SELECT m.document FROM metadata m, json_each(m.fields) f WHERE f.key = ? "
            "AND (f.value IN (SELECT value FROM json_each(?)) OR (f.value IS NULL AND ?))",
            field.encode("utf-8", "replace").decode(),
            values,
            None in values,
        )
        return {document for (document,) in rows}

    def metadata_fields(self) -> list[str]:
        rows = self.rows("SELECT DISTINCT f.key FROM metadata m, json_each(m.fields) f ORDER BY 1")
        return [field for (field,) in rows]

    @property
    def address(self) -> Path | None:
        return None if self.path == IN_MEMORY else Path(os.path.realpath(self.path))

    @property
    def format(self) -> int:
        ((number,),) = self.rows("PRAGMA user_version")
        return int(number)

    def upgrade(self) -> bool:
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

    def own_engine(self) -> Fts5Engine:
        return Fts5Engine(self.connection)

    @property
    def engine_folder(self) -> Path:
        """The folder for files that an engine keeps beside the index."""
        return _engine_folder(self.path)

    @property
    def may_have_vectors(self) -> bool:
        return self._vectors_file is None or self._vectors_file.exists()

    def vectors(self, encoder: VectorEncoder) -> Vectors:
        return Vectors(self._vectors_file, str(self.identity), encoder)

    @property
    def _vectors_file(self) -> Path | None:
        """The file beside the index with the vectors of its passages; None in memory."""
        return None if self.path == IN_MEMORY else self.path.with_name(f"{self.path.name}.vectors")


def _is_unfinished(path: Path) -> bool:
    """Whether a file has no tables yet: another process is creating it, or was killed doing so."""
    if path.is_file() and path.stat().st_size == 0:
        return True
    if not is_sqlite(path):
        return False
    with _explained(path), contextlib.closing(_connect(path, "rw")) as connection:
        return _is_blank(connection)


def _listed(values: Sequence[object]) -> list[object]:
    """Values of a statement, lists as JSON."""
    return [json.dumps(value) if isinstance(value, (list, tuple)) else value for value in values]


_BESIDE = ("-wal", "-shm", "-journal")
"""The ends of the names of files that SQLite keeps beside an index."""


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    for end in ("", *_BESIDE):
        if path.with_name(f"{path.name}{end}").is_fifo():  # SQLite would wait for ever for it
            raise IndexFileError(f"{path}{end}: a pipe, expected a file; remove it")
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
        raise DamageError(f"an id is {last}")


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
    except (sqlite3.DatabaseError, DamageError) as error:
        if "not a database" in str(error):
            raise IndexFileError(
                f"{path}: no index of pullquote; make one: pullquote index FOLDER -o FILE"
            ) from None
        raise IndexFileError(f"{path}: damaged ({error}); {how_to_rebuild(path)}") from None


def _engine_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.tantivy")
