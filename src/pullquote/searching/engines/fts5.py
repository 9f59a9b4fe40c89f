"""SQLite's own full-text search, in the index's file: nothing to install, one transaction for all.

Knows the table `passages`, whose texts it indexes and does not copy.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

from pullquote.searching.engines import Match, Row

TABLE = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='passages', content_rowid='id', "
    "tokenize='porter unicode61 remove_diacritics 2')"
)


class Fts5Engine:
    """Ranks by the `bm25()` of FTS5, whose sign is turned here: it calls the smallest the best."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def add(self, rows: Iterable[Row]) -> None:
        self.connection.executemany(
            "INSERT INTO words(rowid, text) VALUES (?, ?)", ((row.id, row.text) for row in rows)
        )

    def remove(self, rows: Iterable[Row]) -> None:
        self.connection.executemany(
            "INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)",
            ((row.id, row.text) for row in rows),
        )

    def commit(self, generation: int) -> None:
        pass  # with SQLite's own transaction

    def rollback(self) -> None:
        pass

    def settle(self, share: float) -> None:
        if share > 0.2:
            self.connection.execute("INSERT INTO words(words) VALUES ('optimize')")

    def refresh(self, generation: int) -> None:
        pass  # SQLite sees it by itself

    def search(
        self, words: Sequence[str], limit: int, documents: Collection[int] | None
    ) -> list[Match]:
        # quotes make a word of a question a word for FTS5, too: NEAR, OR and "state-of-the-art"
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
