"""Stores: where the tables of an index lie. The protocol, and one module for each kind of place.

    notes.db                                  a file: `sqlite`
    postgresql://ann@db.lan/library/notes     a schema of a database on a server: `postgres`

An index has the same tables everywhere, and what is asked of them is written once, in SQL that all
databases share, by the modules that know what it is for (`update`, `labels`, `index`, ...). A store
runs it, and knows what differs: how a transaction begins, ids of new rows, lists of values, JSON,
errors. To each store belongs an engine that keeps the words in the same database, and what holds
the vectors. What a word is, passages, fusion and updates know nothing of the place.

    with store.guarded(), store.snapshot():
        store.rows(f"SELECT path FROM documents WHERE id {store.AMONG}", [3, 7])
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import string
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import quote, unquote

from pullquote.searching.engines import Engine
from pullquote.searching.passages import LIMIT
from pullquote.searching.vectors import VectorEncoder, Vectors
from pullquote.types import Mark

FORMAT = 3
"""The number of the layout of the tables: SQLite's `user_version`, or a setting on a server. It
rises when a change would mislead an older pullquote. Files of older formats open, and get this one
when they are written to; newer ones are refused. Format 1 has no table `skipped`, formats 1 and 2
have no table `metadata` and no identity, to which vectors belong."""

PART, FILE = "part", "file"
"""What is skipped: a part of a document that was read, or a file that is no document by its name.
Documents that could not be read stand in `documents`."""

BATCH_SECONDS = 5.0
"""How long a batch of writes may grow before it is committed: what a kill may cost."""

LOCK_SECONDS = 30
"""How long a writer waits for another one's batch."""


class DamageError(Exception):
    """The tables hold what pullquote has not written; `Store.guarded` makes it an error of ours."""


class Store(Protocol):
    """The tables of one open index. Threads share it: each takes `guarded()` before it uses it."""

    path: Path | str
    """The file, or the URL without its password, as messages show it."""
    ENGINES: ClassVar[tuple[str, ...]]
    """The engines that a new index here may have, the usual one first."""
    AMONG: ClassVar[str]
    """Follows a column in SQL, and takes a list of numbers as its value."""
    FIND: ClassVar[str]
    """The function of SQL that tells at which character of a text another begins; 0 for nowhere."""

    @classmethod
    @abstractmethod
    def create(cls, path: str | os.PathLike[str], *, engine: str) -> None:
        """Create an empty index. Raises `IndexFileError` if there is anything."""

    @classmethod
    @abstractmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """Open an index. Raises `IndexFileError` for what is missing, damaged or not an index."""

    @classmethod
    @abstractmethod
    def missing(cls, path: str | os.PathLike[str]) -> bool:
        """Whether `create` would make an index there."""

    @property
    @abstractmethod
    def address(self) -> Path | str | None:
        """What opens the same index in another process; None where nothing does."""

    @property
    @abstractmethod
    def format(self) -> int:
        """The number of the layout, at most `FORMAT`."""

    @abstractmethod
    def upgrade(self) -> bool:
        """Give an index of an older format the layout of this one; whether it was one."""

    @abstractmethod
    def guarded(self) -> AbstractContextManager[None]:
        """Exclude other threads, and raise pullquote's errors for those of the database."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """A read transaction: what other processes write is not seen inside."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a write transaction. Other writers wait, readers see what was before."""

    @abstractmethod
    def commit(self) -> None: ...

    @abstractmethod
    def rollback(self) -> None:
        """Undo the write transaction, as far as there still is one."""

    @abstractmethod
    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises `DamageError` for a cell of another type."""

    @abstractmethod
    def each(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few in memory at a time; within a transaction."""

    @abstractmethod
    def execute(self, statement: str, *values: object) -> None: ...

    @abstractmethod
    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None: ...

    @abstractmethod
    def insert(self, statement: str, rows: Iterable[Sequence[object]]) -> list[int]:
        """Insert rows, and return their ids, each one more than that before it."""

    @abstractmethod
    def change_setting(self, name: str, value: str | int) -> None:
        """Set a setting, new or not."""

    @abstractmethod
    def last_document(self) -> int:
        """The highest id that a document was ever given; 0 if there was none."""

    @abstractmethod
    def add_metadata(self, document: int, fields: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def documents_with(self, field: str, values: Sequence[Any]) -> set[int]:
        """The ids of the documents of which a field of their metadata has one of some values."""

    @abstractmethod
    def metadata_fields(self) -> list[str]:
        """The fields that any document has, sorted."""

    @abstractmethod
    def own_engine(self) -> Engine:
        """The engine that keeps the words in the same database."""

    @property
    @abstractmethod
    def may_have_vectors(self) -> bool:
        """Whether it is worth opening an encoder for a search."""

    @abstractmethod
    def vectors(self, encoder: VectorEncoder) -> Vectors:
        """What holds the vectors of the passages."""

    @abstractmethod
    def close(self) -> None: ...

    def setting(self, name: str) -> str | int:
        rows = self.rows("SELECT value FROM settings WHERE name = ?", name)
        if not rows:
            raise DamageError(f"no {name} among the settings")
        value: str | int = rows[0][0]
        return value

    @property
    def identity(self) -> str | None:
        """What tells this index from any other; None in formats 1 and 2."""
        return str(self.setting("identity")) if self.format >= 3 else None

    @property
    def generation(self) -> int:
        """The number of commits so far: what was cached of another generation is out of date."""
        return number_in(self.setting("generation"))

    def skipped(self, what: str) -> list[tuple[str, str]]:
        """The paths and reasons of what is skipped (`PART` or `FILE`), sorted by path."""
        if self.format < 2:
            return []
        rows = self.rows("SELECT path, reason FROM skipped WHERE what = ? ORDER BY path", what)
        return [(os.fsdecode(path), reason) for path, reason in rows]

    def passage_count(self) -> int:
        ((count,),) = self.rows("SELECT count(*) FROM passages")
        return int(count)


class Transaction:
    """A series of write transactions over a store and its engine, each `BATCH_SECONDS` or less.

    with Transaction(store, engine) as batch:     # commits at the end, rolls back on an error
        for file in files:
            batch.begin()                   # commits first if the current one is old
            ...                             # write one document
    """

    def __init__(self, store: Store, engine: Engine) -> None:
        self.store = store
        self.engine = engine
        self._since: float | None = None  # when the current transaction began

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.rollback()  # of what was not committed

    def begin(self) -> None:
        """Make sure that a transaction is open, and that it is not an old one."""
        if self._since is not None and time.monotonic() - self._since > BATCH_SECONDS:
            self.commit()
        if self._since is None:
            self.store.begin()
            self._since = time.monotonic()

    def commit(self) -> None:
        """Commit the open transaction, if any, first in the engine.

        A kill between the two commits leaves an engine with files of its own with a generation
        that the store does not have. It is then rebuilt when the index is opened.
        """
        if self._since is None:
            return
        generation = self.store.generation + 1
        self.store.change_setting("generation", generation)
        self.engine.commit(generation)
        self.store.commit()
        self._since = None

    def rollback(self) -> None:
        """Undo the open transaction, if any."""
        if self._since is not None:
            self._since = None
            self.engine.rollback()
            self.store.rollback()


def encode_marks(marks: Iterable[Mark]) -> str:
    """Marks as the text that the table of passages holds.

    >>> encode_marks([Mark(0, 12), Mark(85, 14), Mark(90, 1, "Prices 2024")])
    '0:12 85:14 90:1:Prices%202024'
    >>> encode_marks([Mark(0, 2, fields=(("author", "Ann Lee"), ("year", 2024)))])
    '0:2::{"author":"Ann%20Lee","year":2024}'
    """
    return " ".join(map(_encoded, marks))


def _encoded(mark: Mark) -> str:
    pieces = [str(mark.offset), str(mark.number)]
    if mark.sheet or mark.fields:
        pieces.append(quote(mark.sheet, safe="", errors="replace"))
    if mark.fields:
        fields = ",".join(encode_name(name) + _json(value) for name, value in mark.fields)
        pieces.append(f"{{{fields}}}")
    return ":".join(pieces)


def encode_name(field: str) -> str:
    """How a field of a row begins in encoded marks.

    >>> encode_name("to city")
    '"to%20city":'
    """
    return f"{_json(field)}:"


def field_in(field: str) -> Callable[[str], str | float | bool | None]:
    """What tells the value of a field in encoded marks: many rows are asked for one.

    >>> field_in("year")('0:2::{"author":"Ann%20Lee","year":2024}')
    2024
    """
    name = re.escape(encode_name(field))
    # behind "{" or ",", which no text holds; to look for these first takes five times as long
    named = re.compile(rf"{name}(?<=[{{,]{name})(\"(?:[^\"\\]|\\.)*\"|[^,}}]*)")
    decoded = functools.cache(_value)

    def value(marks: str) -> str | float | bool | None:
        return decoded(found[1]) if (found := named.search(marks)) else None

    return value


def _value(text: str) -> str | float | bool:
    try:
        value = json.loads(unquote(text))
    except (ValueError, RecursionError):
        value = None
    if not _is_field(value):
        raise DamageError(f"a field is {text[:20]!r}")
    return cast("str | float | bool", value)


def _is_field(value: object) -> bool:
    """Whether a value can be that of a field; Python's JSON knows `NaN` and `Infinity`, too."""
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _json(value: object) -> str:
    """A value as JSON, without blanks."""
    return quote(json.dumps(value, ensure_ascii=False), safe=_PLAIN, errors="replace")


def decode_marks(text: str) -> tuple[Mark, ...]:
    """The inverse of `encode_marks`. Raises `DamageError` for what that never makes."""
    try:
        marks = tuple(_decoded(*mark.split(":", 3)) for mark in text.split())
    except (ValueError, TypeError, AttributeError, RecursionError):
        marks = ()
    offsets = [mark.offset for mark in marks]
    if offsets[:1] != [0] or offsets != sorted(offsets) or min(mark.number for mark in marks) < 0:
        raise DamageError(f"marks are {text[:20]!r}")
    return marks


def _decoded(offset: str, number: str, sheet: str = "", fields: str = "{}") -> Mark:
    values = json.loads(unquote(fields)).items()
    if not all(_is_field(value) for _, value in values):
        raise ValueError
    return Mark(int(offset), int(number), unquote(sheet), tuple(values))


def number_in(value: object) -> int:
    """A whole number of a cell that may hold a text, too; raises `DamageError`."""
    if isinstance(value, int):
        return value
    raise DamageError(f"found {str(value)[:20]!r}, expected a number")


_PLAIN = "".join(set(string.punctuation) - set("%{,"))  # what is as it is in encoded fields

_CELLS: dict[str, frozenset[type]] = {
    **dict.fromkeys(("id", "document", "size", "modified", "changed", "start"), frozenset({int})),
    **dict.fromkeys(("unit", "marks", "text", "fields", "reason"), frozenset({str})),
    "path": frozenset({bytes}),
    "problem": frozenset({str, type(None)}),
    "value": frozenset({str, int}),
}
"""The types of the cells of each column. SQLite takes anything in any column, and the columns of a
schema on a server may be of any type."""
_LONGEST = 2 * LIMIT  # characters of a passage, which pullquote cuts to LIMIT bytes


def check_cells(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Raise `DamageError` for a cell that no pullquote has written, by the name of its column."""
    for place, name in enumerate(names):
        if name in _CELLS and (odd := {type(row[place]) for row in rows} - _CELLS[name]):
            raise DamageError(f"a cell of {name} holds {odd.pop().__name__}")
        if name == "text" and rows and (most := max(len(row[place]) for row in rows)) > _LONGEST:
            raise DamageError(f"a passage has {most:,} characters")


def how_to_rebuild(path: Path | str) -> str:
    """The end of an error message: what to type to replace an index."""
    return f"make it again: remove it, and pullquote index FOLDER -o {path}"
