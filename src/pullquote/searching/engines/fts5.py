"""SQLite's full-text search, FTS5: in the index file, with nothing to install.

Knows the table `passages`, whose texts it indexes without a copy. Its writes are part of SQLite's
transactions, so `commit` and `rollback` have nothing to do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

from pullquote.searching.engines import IndexedPassage, Match

TABLE = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='passages', content_rowid='id', "
    "tokenize='porter unicode61 remove_diacritics 2')"
)


class Fts5Engine:
    """Ranks by FTS5's `bm25()`, negated: in FTS5, smaller is better."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        self.connection.executemany(
            "INSERT INTO words(rowid, text) VALUES (?, ?)", ((row.id, row.text) for row in rows)
        )

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        self.connection.executemany(
            "INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)",
            ((row.id, row.text) for row in rows),
        )

    def commit(self, generation: int) -> None:
        pass  # part of SQLite's transaction

    def rollback(self) -> None:
        pass

    def settle(self, share: float) -> None:
        if share > 0.2:
            self.connection.execute("INSERT INTO words(words) VALUES ('optimize')")

    def refresh(self, generation: int) -> None:
        pass  # SQLite sees new commits by itself

    def search(
        self, words: Sequence[str], limit: int, documents: Collection[int] | None
    ) -> list[Match]:
        # in quotes, FTS5 takes NEAR, OR and "state-of-the-art" as terms, not as query syntax
        query = " OR ".join('"{}"'.format(word.replace('"', "")) for word in words)
        within, values = "", []
        if documents is not None:
            within = (
                "AND rowid IN (SELECT id FROM passages WHERE document IN "
                "(SELECT value FROM json_each(?))) "
            )
            values = [json.dumps(sorted(documents))]
        found = self.connection.execute(
            f"SELECT rowid, rank FROM words WHERE words MATCH ? {within}ORDER BY rank LIMIT ?",
            (query, *values, limit),
        )
        return [Match(id, -rank) for id, rank in found]

    def close(self) -> None:
        pass
