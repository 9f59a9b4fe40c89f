"""An index: the passages of many documents in one SQLite file, searched by their words.

    with Index.create("notes.db") as index:
        index.add(["notes/"])                     # again later: reads only what has changed
        index.search("When is the rent due?")     # passages with their BM25 scores, best first

Puts the parts together: `store` (the file), `update` (reads documents), `labels` (their names) and
an engine (ranks passages). Knows nothing of models.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.deprecated import moved_names
from pullquote.errors import IndexFileError, InputError
from pullquote.progress import Progress, no_progress
from pullquote.searching.documents import Problem
from pullquote.searching.engines import Engine, IndexedPassage
from pullquote.searching.engines.fts5 import Fts5Engine
from pullquote.searching.labels import Labels
from pullquote.searching.plain import is_sqlite
from pullquote.searching.store import (
    FORMAT,
    Store,
    Transaction,
    decode_marks,
    how_to_rebuild,
    is_unfinished,
)
from pullquote.searching.update import (
    GuessedEncoding,
    Update,
    no_documents,
    partly_read,
    unread,
    update,
)
from pullquote.searching.words import query_words
from pullquote.types import Document, Passage

__all__ = [
    "ENGINES",
    "FORMAT",
    "GuessedEncoding",
    "Index",
    "Progress",
    "RetrievedPassage",
    "Update",
]

ENGINES = ("fts5", "tantivy")


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage that a search returned, with its BM25 score."""

    passage: Passage
    score: float


class Index:
    """Passages of documents, in a file. Make one with `Index.create` or `Index.open`.

    >>> from pathlib import Path
    >>> from pullquote import Index
    >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
    >>> with Index.create("notes.db") as index:
    ...     _ = index.add(["notes.txt"])
    ...     len(index), index.count()
    (1, 1)
    """

    def __init__(self, store: Store, engine: Engine, *, private: bool = False) -> None:
        self.path = store.path
        self._store = store
        self._engine = engine
        self._labels = Labels(store, private=private)
        with store.guarded():
            self.engine_name = str(store.setting("engine"))

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, engine: str = "fts5") -> Index:
        """Create an empty index. Raises `IndexFileError` if the file exists.

        `engine` is "fts5", or "tantivy" (an extra), which is faster for hundreds of thousands of
        passages and keeps a folder beside the file.
        """
        if engine not in ENGINES:
            raise InputError(f"engine is {engine!r}, expected {' or '.join(ENGINES)}")
        path = Path(path)
        if engine == "tantivy":
            from pullquote.searching.engines.tantivy import check_installed

            check_installed()  # before there is a file
        Store.create(path, engine=engine)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, private: bool = False) -> Index:
        """Open an index.

        A `private` index hides where documents are stored. It shows each by a path that begins
        with the folder that was added, as contracts/lease.pdf for a file in /home/ann/contracts,
        and matches globs against that. Raises `IndexFileError` for a file that is missing, damaged,
        of a newer format or not an index.
        """
        store = Store.open(Path(path))
        try:
            with store.guarded():
                engine = _open_engine(store)
        except BaseException:
            store.close()
            raise
        return cls(store, engine, private=private)

    @classmethod
    def open_or_create(cls, path: str | os.PathLike[str], *, engine: str | None = None) -> Index:
        """Open an index, or create it if there is no file.

        >>> with Index.open_or_create("notes.db") as index:  # doctest: +SKIP
        ...     index.add(["notes/"])

        Raises `IndexFileError` if an existing index has another engine than the one asked for.
        """
        path = Path(path)
        if not path.exists() or is_unfinished(path):
            try:
                return cls.create(path, engine=engine or "fts5")
            except IndexFileError:
                if not path.exists():
                    raise  # else another process was faster
        index = cls.open(path)
        if engine and engine != index.engine_name:
            index.close()
            raise IndexFileError(
                f"{path}: its engine is {index.engine_name}, not {engine}; {how_to_rebuild(path)}"
            )
        return index

    @classmethod
    def is_one(cls, path: str | os.PathLike[str]) -> bool:
        """Whether a file is an SQLite file; `open` checks the rest."""
        return is_sqlite(path)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. The last process to do so leaves one file, without -wal and -shm."""
        with self._store.guarded():
            self._engine.close()
            self._store.close()

    def __len__(self) -> int:
        """The number of passages."""
        with self._store.guarded():
            return self._store.passage_count()

    def count(self) -> int:
        """The number of documents that were read."""
        with self._store.guarded():
            ((count,),) = self._store.rows("SELECT count(*) FROM documents WHERE problem IS NULL")
            return int(count)

    def documents(self) -> Iterator[Document]:
        """The documents that were read, sorted by path."""
        with self._store.guarded():
            rows = self._store.rows(
                "SELECT path, unit FROM documents WHERE problem IS NULL ORDER BY path"
            )
            name = self._labels.namer()
        return (Document(name(path), unit) for path, unit in rows)

    def problems(self) -> list[Problem]:
        """The documents that could not be read, or have no text, and why, sorted by path."""
        with self._store.guarded():
            return unread(self._store)

    def partly_read(self) -> list[Problem]:
        """The documents of which parts were skipped, and which, sorted by path."""
        with self._store.guarded():
            return partly_read(self._store)

    def left_out(self) -> list[Problem]:
        """The files in the folders that were no documents by their names at the last update."""
        with self._store.guarded():
            return no_documents(self._store)

    def matches(self, path: str) -> bool:
        """Whether a glob matches the path of any document."""
        with self._store.guarded():
            return bool(self._labels.matching(path))

    def add(
        self, paths: Iterable[str | os.PathLike[str]] = (), *, progress: Progress = no_progress
    ) -> Update:
        """Read the documents at some paths and below them, and update those added earlier.

        >>> from pathlib import Path
        >>> from pullquote import Index
        >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
        >>> with Index.create("notes.db") as index:
        ...     first, again = index.add(["notes.txt"]), index.add()
        >>> first.added, again.added, again.unchanged
        (1, 0, 1)

        A document is read only if it is new or has changed. Documents that are gone or can no
        longer be read are removed. Writes are committed every few seconds: after a kill, the next
        call goes on from there. Raises `DocumentError` for a path that does not exist.
        """
        return update(self._store, self._engine, paths, progress)

    def search(
        self, question: str, limit: int = 20, *, path: str | None = None
    ) -> list[RetrievedPassage]:
        """The passages that share words with a question, best first, with BM25 scores.

        `path` is a glob, such as "*.pdf" or "contracts/*", that a document's path must match,
        whole or from some folder on.
        """
        words = query_words(question)
        if not words:
            return []
        with self._store.guarded(), self._store.snapshot():
            documents = None if path is None else self._labels.matching(path)
            self._engine.refresh(self._store.generation)
            matches = self._engine.search(words, limit, documents)
            passages = self._passages([match.id for match in matches])
        return [
            RetrievedPassage(passages[match.id], match.score)
            for match in matches
            if match.id in passages
        ]

    def _passages(self, ids: list[int]) -> dict[int, Passage]:
        name = self._labels.namer()
        return {
            id: Passage(Document(name(path), unit), text, start, decode_marks(marks))
            for id, path, unit, text, start, marks in self._store.rows(
                "SELECT p.id, d.path, d.unit, p.text, p.start, p.marks FROM passages p "
                "JOIN documents d ON d.id = p.document "
                "WHERE p.id IN (SELECT value FROM json_each(?))",
                json.dumps(ids),
            )
        }


def _open_engine(store: Store) -> Engine:
    """The engine that the file names; one with files of its own is rebuilt if they are stale."""
    if store.setting("engine") != "tantivy":
        return Fts5Engine(store.connection)
    from pullquote.searching.engines.tantivy import TantivyEngine

    engine = TantivyEngine(store.engine_folder)
    if engine.generation != store.generation:
        # a kill fell between the commits of tantivy and SQLite, or the folder was removed
        with Transaction(store, engine) as batch:
            batch.begin()
            if engine.generation != store.generation:  # no other process has rebuilt it meanwhile
                engine.clear()
                engine.add(
                    IndexedPassage(id, document, text)
                    for id, document, text in store.connection.execute(
                        "SELECT id, document, text FROM passages ORDER BY id"
                    )
                )
        engine.settle(1.0)
    return engine


if not TYPE_CHECKING:  # so that a type checker still reports unknown names
    __getattr__ = moved_names(
        __name__,
        {"Found": f"{__name__}.RetrievedPassage", "VERSION": f"{__name__}.FORMAT"},
    )
