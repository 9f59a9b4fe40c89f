"""SQLite's full-text search, FTS5: in the index file, with nothing to install.

Knows the table `passages`, whose texts it indexes without a copy. Its writes are part of SQLite's
transactions, so `commit` and `rollback` have nothing to do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from pullquote.searching.engines import Among, IndexedPassage, Match

TABLE = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='passages', content_rowid='id', "
    "tokenize='porter unicode61 remove_diacritics 2')"
)

SHADOWS = ("words_data", "words_idx", "words_docsize", "words_config")
"""The tables in which FTS5 keeps that one."""

_WHOLE = (
    "SELECT (SELECT count(*) FROM words_docsize) = (SELECT count(*) FROM passages) "
    "AND (SELECT count(*) FROM words_data WHERE id IN (1, 10)) = 2"
)
"""Whether FTS5's tables have a row for each passage, and those that describe the others."""


class Fts5Engine:
    """Ranks by FTS5's `bm25()`, negated: in FTS5, smaller is better."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        self.connection.executemany(
            "INSERT INTO words(rowid, text) VALUES (?, ?)", ((row.id, row.words) for row in rows)
        )

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        self.connection.executemany(
            "INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)",
            ((row.id, row.words) for row in rows),
        )

    def clear(self) -> None:
        self.connection.execute("INSERT INTO words(words) VALUES ('delete-all')")

    def commit(self, generation: int) -> None:
        pass  # part of SQLite's transaction

    def rollback(self) -> None:
        pass

    def settle(self, share: float) -> None:
        if share > 0.2:
            self.connection.execute("INSERT INTO words(words) VALUES ('optimize')")

    def refresh(self, generation: int) -> None:
        pass  # SQLite sees new commits by itself

    def search(self, words: Sequence[str], limit: int, among: Among | None) -> list[Match]:
        # in quotes, FTS5 takes NEAR, OR and "state-of-the-art" as terms, not as query syntax
        query = " OR ".join('"{}"'.format(word.replace('"', "")) for word in words)
        within, values = "", []
        if among is not None:
            # the sign keeps SQLite from a search of its own for each of them
            within = (
                f"AND +rowid IN (SELECT id FROM passages WHERE {among.column} IN "
                "(SELECT value FROM json_each(?))) "
            )
            values = [json.dumps(sorted(among.ids))]
        # the file may name another function than bm25 for the rank
        found = self.connection.execute(
            "SELECT rowid, rank FROM words WHERE words MATCH ? AND rank MATCH 'bm25()' "
            f"{within}ORDER BY rank LIMIT ?",
            (query, *values, limit),
        ).fetchall()
        if any(not isinstance(rank, float) for _, rank in found):  # not a number, of odd lengths
            raise sqlite3.DatabaseError("a rank is no number")
        matches = [Match(id, -rank) for id, rank in found]
        # FTS5 finds nothing, without an error, where some of its rows are gone
        if not matches and not self.connection.execute(_WHOLE).fetchone()[0]:
            raise sqlite3.DatabaseError("words of passages are missing")
        return matches

    def close(self) -> None:
        pass
