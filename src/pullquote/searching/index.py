"""An index: the passages of many documents, found by their words and meaning.

    with Index.create("notes.db") as index:
        index.add(["notes/"])                     # again later: reads only what has changed
        index.search("When is the rent due?")     # passages with their scores, best first

Puts the parts together: `stores` (a file, or a server), `update` (reads documents), `labels`
(their names), an engine (ranks passages by words), `vectors` (finds those near in meaning) and
`fusion` (of the two). Knows nothing of readers.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pullquote.deprecated import moved_names
from pullquote.errors import IndexFileError, InputError, OutputError
from pullquote.progress import Progress, no_progress
from pullquote.searching.documents import Problem, Stamp
from pullquote.searching.engines import Among, Engine, IndexedPassage
from pullquote.searching.fusion import DEPTH, FLOOR, fuse
from pullquote.searching.labels import Labels
from pullquote.searching.metadata import metadata, passages_of, passages_where
from pullquote.searching.plain import is_index
from pullquote.searching.pool import MakePool, Pool
from pullquote.searching.stores import FORMAT, Store, Transaction, decode_marks, how_to_rebuild
from pullquote.searching.stores.sqlite import SqliteStore
from pullquote.searching.texts import Source
from pullquote.searching.update import (
    GuessedEncoding,
    Update,
    add_texts,
    no_documents,
    partly_read,
    remove,
    stamps,
    unread,
    update,
)
from pullquote.searching.urls import is_index_url
from pullquote.searching.vectorize import count_missing, make_vectors
from pullquote.searching.vectors import VectorEncoder, Vectors
from pullquote.searching.words import query_words
from pullquote.text import without_surrogates
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

ENGINES = SqliteStore.ENGINES
"""The engines that a file may have."""


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage that a search returned, with its score: BM25, cosine and length, fused."""

    passage: Passage
    score: float
    bm25: float = 0.0
    """Where the words of other passages fit better, the score of the last of those."""
    cosine: float | None = None
    """Of the vectors of passage and question; None where the passage has no vector."""


class _Bundled:
    """The type of `BUNDLED`."""


BUNDLED = _Bundled()
"""Stands for the encoder that comes with pullquote, which is opened when it is first needed."""
Encoder: TypeAlias = "VectorEncoder | _Bundled | None"


class Index:
    """Passages of documents, in a file or on a server. Make one with `create` or `open`.

    >>> from pathlib import Path
    >>> from pullquote import Index
    >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
    >>> with Index.create("notes.db") as index:
    ...     _ = index.add(["notes.txt"])
    ...     len(index), index.count()
    (1, 1)
    """

    def __init__(
        self, store: Store, engine: Engine, *, private: bool = False, encoder: Encoder = BUNDLED
    ) -> None:
        self.path: Path | str = store.path
        self._store = store
        self._engine = engine
        self._labels = Labels(store, private=private)
        self._encoder = encoder
        self._private = private
        self._opened: Vectors | None = None
        with store.guarded():
            self.engine_name = str(store.setting("engine"))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        engine: str | None = None,
        encoder: Encoder = BUNDLED,
    ) -> Index:
        """Create an empty index. Raises `IndexFileError` if there is anything.

        `path` is that of a file, or the URL of an index on a PostgreSQL server (an extra):
        `postgresql://USER@HOST/DATABASE/INDEX`, a schema of that name in the database. `engine` is
        "fts5" for a file if None, or "tantivy" (an extra), which is faster for hundreds of
        thousands of passages and keeps a folder beside the file; a server has "tsvector". Both may
        have "opensearch" (an extra), which keeps the words on the server of OPENSEARCH_URL.
        `encoder` makes the vectors of passages; with None, words alone decide. Vectors are kept in
        a file beside the index, or on the server.
        """
        store = _store_for(path)
        engine = engine or store.ENGINES[0]
        if engine not in store.ENGINES:
            raise InputError(f"engine is {engine!r}, expected {' or '.join(store.ENGINES)}")
        _check_engine(engine)  # before there is a file
        store.create(path, engine=engine)
        return cls.open(path, encoder=encoder)

    @classmethod
    def in_memory(cls, *, encoder: Encoder = BUNDLED) -> Index:
        """An empty index that no file holds, and that ends with this process.

        >>> from pullquote import Index
        >>> with Index.in_memory() as index:
        ...     _ = index.add_texts(["The rent is 840 crowns.", "Dogs are welcome."])
        ...     index.search("How much is the rent?")[0].passage.text
        'The rent is 840 crowns.'
        """
        store = SqliteStore.in_memory()
        return cls(store, store.own_engine(), encoder=encoder)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        private: bool = False,
        encoder: Encoder = BUNDLED,
    ) -> Index:
        """Open an index by its path, or by its URL as for `create`.

        A `private` index hides where documents are stored. It shows each by a path that begins
        with the folder that was added, as contracts/lease.pdf for a file in /home/ann/contracts,
        and matches globs against that. Raises `IndexFileError` for what is missing, damaged, of a
        newer format or not an index, `IndexUnreachableError` if the server cannot be reached.
        """
        store = _store_for(path).open(path)
        try:
            with store.guarded():
                engine = _open_engine(store)
        except BaseException:
            store.close()
            raise
        return cls(store, engine, private=private, encoder=encoder)

    @classmethod
    def open_or_create(
        cls,
        path: str | os.PathLike[str],
        *,
        engine: str | None = None,
        private: bool = False,
        encoder: Encoder = BUNDLED,
    ) -> Index:
        """Open an index, or create it if there is none.

        >>> with Index.open_or_create("notes.db") as index:  # doctest: +SKIP
        ...     index.add(["notes/"])

        Raises `IndexFileError` if an existing index has another engine than the one asked for.
        """
        if not cls.exists(path):
            try:
                cls.create(path, engine=engine, encoder=None).close()
            except IndexFileError:
                if not cls.exists(path):
                    raise  # else another process was faster
        index = cls.open(path, private=private, encoder=encoder)
        if engine and engine != index.engine_name:
            index.close()
            raise IndexFileError(
                f"{index.path}: its engine is {index.engine_name}, not {engine}; "
                f"{how_to_rebuild(index.path)}"
            )
        return index

    @classmethod
    def exists(cls, path: str | os.PathLike[str]) -> bool:
        """Whether there is an index, or anything else, where `create` would make one."""
        return not _store_for(path).missing(path)

    @classmethod
    def is_one(cls, path: str | os.PathLike[str]) -> bool:
        """Whether this is an SQLite file, or a URL; `open` checks the rest."""
        return is_index(path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a path or URL, which another process opens.

        Raises `TypeError` for an index in memory, or one with an encoder that was given to it.
        """
        address = self._store.address
        if address is None or not isinstance(self._encoder, _Bundled):
            raise TypeError("an Index in memory, or with an encoder of its own, does not pickle")
        return functools.partial(Index.open, private=self._private), (address,)

    @property
    def state(self) -> str:
        """Changes whenever a search may find something else: with updates and with new vectors."""
        with self._store.guarded():
            identity, generation = self._store.identity, self._store.generation
        return f"{identity}-{generation}-{self.without_vectors()}"

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. The last process to close a file leaves that alone, without -wal and -shm."""
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
                "SELECT id, path, unit FROM documents WHERE problem IS NULL ORDER BY path"
            )
            name = self._labels.namer()
            fields = metadata(self._store, [id for id, *_ in rows])
        return (Document(name(path), unit, fields.get(id, {})) for id, path, unit in rows)

    def stamps(self) -> dict[str, Stamp]:
        """The size and times of each document that was read, as they were then, by its path."""
        with self._store.guarded():
            found = stamps(self._store, "problem IS NULL")
            name = self._labels.namer()
        return {name(os.fsencode(path)): stamp for path, stamp in found.items()}

    def problems(self) -> list[Problem]:
        """The documents that could not be read, or have no text, and why, sorted by path."""
        with self._store.guarded():
            return self._shown(unread(self._store))

    def partly_read(self) -> list[Problem]:
        """The documents of which parts were skipped, and which, sorted by path."""
        with self._store.guarded():
            return self._shown(partly_read(self._store))

    def _shown(self, problems: list[Problem]) -> list[Problem]:
        """Problems under the names of their documents, also within the reasons."""
        name = self._labels.namer()
        names = [name(os.fsencode(one.path)) for one in problems]
        return [
            replace(one, path=shown, reason=one.reason.replace(one.path, shown))
            for one, shown in zip(problems, names, strict=True)
        ]

    def left_out(self) -> list[Problem]:
        """The files in the folders that were no documents by their names at the last update."""
        with self._store.guarded():
            return no_documents(self._store)

    def matches(self, path: str | None = None, where: Mapping[str, Any] | None = None) -> bool:
        """Whether any passage is left by the filters of `search`. Raises its errors."""
        with self._store.guarded(), self._store.snapshot():
            among = self._among(path, where)
            return bool(len(self) if among is None else among.ids)

    def passages(self, document: str, start: int = 0, *, limit: int | None = None) -> list[Passage]:
        """The passages of a document in order, from the one that holds the character `start` on.

        >>> from pullquote import Index
        >>> with Index.in_memory() as index:
        ...     _ = index.add_texts([{"id": "lease", "text": "The rent is 840 crowns."}])
        ...     [passage.text for passage in index.passages("lease")]
        ['The rent is 840 crowns.']

        `document` is its path as `documents` shows it. At most `limit` passages; each overlaps the
        one before where a long paragraph was cut. Raises `InputError` for a name that no document
        has.
        """
        with self._store.guarded(), self._store.snapshot():
            if (id := self._labels.named(document)) is None:
                raise InputError(f"{document}: no document of the index has this name")
            rows = self._store.rows(
                "SELECT id, start FROM passages WHERE document = ? ORDER BY start, id", id
            )
            starts = [begin for _, begin in rows]
            first = max(bisect.bisect_right(starts, start) - 1, 0)
            ids = [id for id, _ in rows[first:][:limit]]
            passages = self._passages(ids)
        return [passages[id] for id in ids]

    def add(
        self,
        paths: Iterable[str | os.PathLike[str]] = (),
        *,
        vectors: bool = True,
        drop_missing: bool = False,
        pool: MakePool = Pool,
        progress: Progress = no_progress,
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
        longer be read are removed; but where a whole folder that was added is gone, they stay, and
        the folder is a problem, unless `drop_missing` says that they should go. Writes are
        committed every few seconds: after a kill, the next call goes on from there. Then passages
        get their vectors, unless `vectors` leaves that to `make_vectors`. `pool` reads the
        documents: processes of this machine, or `pullquote.scale.ray_pool.ray_pool`. Raises
        `DocumentError` for a path that does not exist.
        """
        done = update(
            self._store, self._engine, paths, progress, drop_missing=drop_missing, pool=pool
        )
        if vectors:
            self.make_vectors(progress=progress)
        return done

    def add_texts(
        self,
        texts: Iterable[Source],
        *,
        vectors: bool = True,
        progress: Progress = no_progress,
    ) -> Update:
        """Add texts that are no files: strings, dicts, or the rows of a DataFrame.

        >>> from pullquote import Index
        >>> rows = [{"id": "lease", "text": "The rent is due.", "year": 2024}, "Dogs may stay."]
        >>> with Index.in_memory() as index:
        ...     _ = index.add_texts(rows)
        ...     [(document.path, document.metadata) for document in index.documents()]
        [('lease', {'year': 2024}), ('text 2', {})]

        Each is a document. Of a dict or row, `text` is the text and `id` its name; the other keys
        are metadata, which `where` of a search filters. A text replaces an earlier one of its
        name. Raises `InputError` for one that has no text.
        """
        done = add_texts(self._store, self._engine, texts, progress)
        if vectors:
            self.make_vectors(progress=progress)
        return done

    def remove(self, names: Iterable[str]) -> int:
        """Remove documents by their names, and return how many of them there were.

        Files below a path that was added come back with the next update. Raises `InputError`, and
        removes nothing, for what no document can be called, such as a number.
        """
        removed = remove(self._store, self._engine, names)
        if removed and (vectors := self._vectors()):
            make_vectors(self._store, vectors, 0.0)  # no new ones
        return removed

    def without_vectors(self) -> int:
        """How many passages `make_vectors` has left; 0 for an index that is to have none."""
        if (vectors := self._vectors()) is None:
            return 0
        return count_missing(self._store, vectors)

    def make_vectors(
        self, seconds: float | None = None, *, progress: Progress = no_progress
    ) -> int:
        """Make the vectors that passages lack, and return how many passages still have none.

        Stops after some `seconds`, None means when all are done. Until then, passages without a
        vector are found by their words. Without an encoder nothing is made.
        """
        if (vectors := self._vectors(make=True)) is None:
            return 0
        return make_vectors(self._store, vectors, seconds, progress)

    def search(
        self,
        question: str,
        limit: int = 20,
        *,
        path: str | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> list[RetrievedPassage]:
        """The passages that fit a question best, by their words and their meaning, best first.

        `path` is a glob, such as "*.pdf" or "contracts/*", that a document's path must match,
        whole or from some folder on; or it is that path. `where` are fields with the value that
        they must have, or a list of values: of the document's metadata, of the columns of a row of
        a table in a file, as the row shows them, or of what stands beside the text of a row in a
        file of texts, such as JSON Lines. Raises `InputError` for a field that nothing has.
        """
        words = query_words(question)
        if not words:
            return []
        vectors = self._vectors()
        query = None if vectors is None else vectors.encode(question)
        with self._store.guarded(), self._store.snapshot():
            among = self._among(path, where)
            self._engine.refresh(self._store.generation)
            by_words = self._engine.search(words, max(DEPTH * limit, FLOOR), among)
            cosines: dict[int, float] = {}
            rows = None if vectors is None else vectors.rows
            if rows is not None and query is not None:
                cosines = rows.near(query, DEPTH * limit, self._passages_of(among))
                cosines |= rows.cosines(query, [match.id for match in by_words])
            passages = self._passages({match.id for match in by_words} | cosines.keys())
            if vectors is not None and rows is not None:
                texts = {id: passage.text for id, passage in passages.items()}
                if not rows.belong(texts):
                    vectors.drop()  # of another state of the index; they are made again
                    cosines = {}
            # passages that are gone may still be among the vectors
            by_words = [match for match in by_words if match.id in passages]
            cosines = {id: cosine for id, cosine in cosines.items() if id in passages}
            lengths = {id: len(passage.text.encode()) for id, passage in passages.items()}
            fused = fuse(by_words, cosines, lengths, limit)
        return [
            RetrievedPassage(passages[one.id], one.score, one.bm25, one.cosine) for one in fused
        ]

    def stretches(
        self, words: Sequence[str], limit: int = 20, *, around: int = 1, path: str | None = None
    ) -> list[list[Passage]]:
        """The passages that have most of some words, each with those `around` it, joined.

        >>> from pullquote import Index
        >>> with Index.in_memory() as index:
        ...     _ = index.add_texts(["The rent is due.", "Dogs are welcome."])
        ...     [[passage.text for passage in run] for run in index.stretches(["rent"])]
        [['The rent is due.']]

        Each list has passages of one document that follow each other; the one with the best
        passage comes first. Meaning does not count, unlike in `search`. `path` is as there.
        """
        words = [without_surrogates(word) for word in words]
        with self._store.guarded(), self._store.snapshot():
            among = self._among(path, None)
            self._engine.refresh(self._store.generation)
            found = [match.id for match in self._engine.search(words, limit, among)]
            # the passages of a document are numbered as they follow each other
            near = {id + step for id in found for step in range(-around, around + 1)}
            passages = self._passages(near)
        runs: list[list[int]] = []
        for id in sorted(passages):
            one, before = passages[id], passages.get(id - 1)
            if before and before.document.path == one.document.path and before.start < one.start:
                runs[-1].append(id)
            else:
                runs.append([id])
        rank = {id: place for place, id in enumerate(found)}
        runs.sort(key=lambda run: min(rank.get(id, len(rank)) for id in run))
        return [[passages[id] for id in run] for run in runs if not rank.keys().isdisjoint(run)]

    def _vectors(self, *, make: bool = False) -> Vectors | None:
        """The vectors; None where there are none, and none are to be made."""
        with self._store.guarded():
            if self._opened is not None:
                return self._opened
            wanted = make or self._store.may_have_vectors
            if self._encoder is None or self._store.identity is None or not wanted:
                return None
            encoder = bundled() if isinstance(self._encoder, _Bundled) else self._encoder
            if encoder is not None:
                self._opened = self._store.vectors(encoder)
            return self._opened

    def _among(self, path: str | None, where: Mapping[str, Any] | None) -> Among | None:
        """The passages that match; None means all."""
        documents = None if path is None else Among("document", self._labels.matching(path))
        if not where:
            return documents
        fitting = passages_where(self._store, where)
        of_path = self._passages_of(documents)
        return Among("id", fitting if of_path is None else fitting.intersection(of_path))

    def _passages_of(self, among: Among | None) -> Collection[int] | None:
        """The ids of some passages; None means all."""
        if among is None:
            return None
        return among.ids if among.column == "id" else passages_of(self._store, among.ids)

    def _passages(self, ids: Iterable[int]) -> dict[int, Passage]:
        name = self._labels.namer()
        rows = self._store.rows(
            "SELECT p.id, d.id, d.path, d.unit, p.text, p.start, p.marks FROM passages p "
            "JOIN documents d ON d.id = p.document "
            f"WHERE p.id {self._store.AMONG}",
            list(ids),
        )
        fields = metadata(self._store, {document for _, document, *_ in rows})
        return {
            id: Passage(
                Document(name(path), unit, fields.get(document, {})),
                text,
                start,
                decode_marks(marks),
            )
            for id, document, path, unit, text, start, marks in rows
        }


@functools.cache
def bundled() -> VectorEncoder | None:
    """The encoder that comes with pullquote; None with PULLQUOTE_VECTORS=off."""
    if os.environ.get("PULLQUOTE_VECTORS") == "off":
        return None
    from pullquote.reading.vectors import TextEncoder

    return TextEncoder.open()


def _store_for(path: str | os.PathLike[str]) -> type[Store]:
    """What keeps an index at a path or URL."""
    if not is_index_url(path):
        return SqliteStore
    from pullquote.searching.stores.postgres import PostgresStore

    return PostgresStore


def _check_engine(engine: str) -> None:
    """Raise an error if an engine is not installed, or its server does not answer."""
    if engine == "tantivy":
        from pullquote.searching.engines.tantivy import check_installed

        check_installed()
    elif engine == "opensearch":
        from pullquote.searching.engines.opensearch_server import Server

        Server.from_environment().close()


def _open_engine(store: Store) -> Engine:
    """The engine that the index names; one that keeps words elsewhere is mended if it is stale."""
    if store.setting("engine") == "opensearch":
        return _open_opensearch(store)
    if not isinstance(store, SqliteStore) or store.setting("engine") != "tantivy":
        return store.own_engine()
    from pullquote.searching.engines import tantivy_process

    engine = tantivy_process.open_engine(store.engine_folder)
    if engine.generation != store.generation:
        # a kill fell between the commits of tantivy and SQLite, or the folder was removed
        with Transaction(store, engine) as batch:
            batch.begin()
            if engine.generation != store.generation:  # no other process has rebuilt it meanwhile
                engine.clear()
                engine.add(
                    IndexedPassage(id, document, text)
                    for id, document, text in store.each(
                        "SELECT id, document, text FROM passages ORDER BY id"
                    )
                )
        engine.settle(1.0)
    return engine


def _open_opensearch(store: Store) -> Engine:
    from pullquote.searching.engines.opensearch import OpenSearchEngine

    engine = OpenSearchEngine(store)
    try:
        if not engine.is_current:
            # who may only read leaves that to others
            with contextlib.suppress(OutputError), Transaction(store, engine) as batch:
                batch.begin()
                engine.begin()
    except BaseException:
        engine.close()
        raise
    return engine


if not TYPE_CHECKING:  # so that a type checker still reports unknown names
    __getattr__ = moved_names(
        __name__,
        {"Found": f"{__name__}.RetrievedPassage", "VERSION": f"{__name__}.FORMAT"},
    )
