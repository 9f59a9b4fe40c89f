"""The vectors of an index on a server: a table there, of which each machine keeps a copy.

    vectors = SharedVectors(Path("~/.cache/pullquote/vectors/3f9c.vectors"), owner, encoder, store)
    vectors.rows.near(vectors.encode("May I keep a pet?"), 20)

Vectors are made once, by whoever comes first. All are compared with a question's where that is
asked, so a search needs them there: the copy is a file as `vectors` has it, and gets what was saved
since it was made. It may be removed at any time. Within a snapshot of the index, the vectors are
those of that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pullquote.errors import OutputError
from pullquote.searching.stores import DamageError, Store
from pullquote.searching.vectors import Rows, VectorEncoder, Vectors

TABLES = (
    "CREATE TABLE vectors (passage bigint PRIMARY KEY, saved bigint NOT NULL, "
    "mark bigint NOT NULL, vector bytea NOT NULL)",
    "CREATE INDEX vectors_by_saved ON vectors (saved)",
)
SETTINGS: dict[str, str | int] = {"encoder": "", "vectors": 0, "complete": -1}
"""Whose vectors they are, how often some were saved, and the generation of the index all of whose
passages have one. A row has the number of the save that wrote it."""

_STATE = "SELECT name, value FROM settings WHERE name IN ('encoder', 'vectors', 'complete')"
# not NOT IN, for which PostgreSQL looks through all passages for each vector
_IS_GONE = "NOT EXISTS (SELECT 1 FROM passages WHERE id = vectors.passage)"
_AT_ONCE = 10_000  # rows


class SharedVectors(Vectors):
    """The vectors of one index on a server, and what makes them."""

    def __init__(self, path: Path, owner: str, encoder: VectorEncoder, store: Store) -> None:
        """`path` is that of the copy, `owner` the identity of the index."""
        super().__init__(path, owner, encoder)
        self._store = store
        self._shown: tuple[Rows, Rows] | None = None  # what the copy had, and the same for users

    @property
    def rows(self) -> Rows:
        """All vectors that are on the server, with the generation that they are complete for."""
        with self._store.snapshot():
            state = dict(self._store.rows(_STATE))
            if state["encoder"] != self.encoder.name:
                return Rows.none(self.encoder.dimensions)
            copy = super().rows
            if copy.generation != state["vectors"]:  # of a copy: the number of the last save
                copy = self._fetch(copy, state["vectors"])
        shown = self._shown
        if shown is None or shown[0] is not copy or shown[1].generation != state["complete"]:
            self._shown = shown = copy, replace(copy, generation=state["complete"])
        return shown[1]

    def _fetch(self, copy: Rows, saved: int) -> Rows:
        """Bring the copy up to date."""
        if copy.generation > saved:  # the database was put back to an earlier state
            copy = Rows.none(self.encoder.dimensions)
        cursor = self._store.each(
            "SELECT passage, mark, vector FROM vectors WHERE saved > ?", max(copy.generation, 0)
        )
        rows = copy.joined([self._rows_of(some) for some in _parts(cursor)])
        ((count,),) = self._store.rows("SELECT count(*) FROM vectors")
        if len(rows) != count:  # passages are gone
            there = [id for (id,) in self._store.rows("SELECT passage FROM vectors")]
            rows = rows.only(np.array(there, np.int64))
        try:
            super().save(rows, saved)
        except OutputError:  # a machine on which nothing can be written keeps them in memory
            self.path = None
            super().save(rows, saved)
        return super().rows

    def _rows_of(self, rows: Sequence[tuple[Any, ...]]) -> Rows:
        ids, marks, vectors = zip(*rows, strict=True)
        matrix = np.frombuffer(b"".join(vectors), np.int8)
        if len(matrix) != len(ids) * self.encoder.dimensions:
            raise DamageError("a vector has another length")
        return Rows(
            np.array(ids, np.int64), np.array(marks, np.uint32), matrix.reshape(len(ids), -1)
        )

    def save(self, rows: Rows, generation: int = -1) -> None:
        """Save on the server what is not there yet, and remove the vectors of other passages."""
        store = self._store
        store.begin()
        try:
            state = dict(store.rows(_STATE))
            known = super().rows.ids
            if state["encoder"] != self.encoder.name:
                store.execute("DELETE FROM vectors")
                known = known[:0]
            saved = state["vectors"] + 1
            new = np.flatnonzero(~np.isin(rows.ids, known))
            store.execute_many(
                "INSERT INTO vectors VALUES (?, ?, ?, ?) ON CONFLICT (passage) DO UPDATE "
                "SET saved = excluded.saved, mark = excluded.mark, vector = excluded.vector",
                [
                    (int(rows.ids[at]), saved, int(rows.checks[at]), rows.matrix[at].tobytes())
                    for at in new
                ],
            )
            store.execute(f"DELETE FROM vectors WHERE {_IS_GONE}")
            store.change_setting("encoder", self.encoder.name)
            store.change_setting("vectors", saved)
            store.change_setting("complete", generation)
            store.commit()
        except BaseException:
            store.rollback()
            raise


def _parts(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while some := list(islice(rows, _AT_ONCE)):
        yield some
