"""PostgreSQL's full-text search, ranked by BM25: in the database of the index.

    engine = TsvectorEngine(database)
    engine.search(["rent", "due"], limit=20, documents=None)     # [Match(id=7, score=4.2), ...]

PostgreSQL stems the words, keeps them as a `tsvector` and finds passages by a GIN index. Its own
ranks know neither how rare a word is nor the average length of a passage, so BM25 is computed here,
as FTS5 does, from what two more tables hold: of how many passages each stem is, and the totals.
All of it is part of the store's transactions. What is a word is decided before: PostgreSQL's parser
would take "and/or" for a path, and "mill.The" for a host.

A passage that has only words that are in many passages cannot be among the best when the best ones
have rarer words. So the passages with the rarest words are scored first, and others only if they
could still come in between: the result is that of scoring all (MaxScore: Turtle and Flood, 1995).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple, Protocol

from pullquote.searching.engines import Among, IndexedPassage, Match
from pullquote.searching.words import plain_words

TABLES = (
    "CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = pg_catalog.snowball, Language = english)",
    'CREATE TEXT SEARCH CONFIGURATION words (PARSER = pg_catalog."default")',
    "ALTER TEXT SEARCH CONFIGURATION words ADD MAPPING FOR asciiword, word, numword, uint, sfloat "
    "WITH stems",
    "CREATE TABLE words (passage bigint PRIMARY KEY, document bigint NOT NULL, "
    "length integer NOT NULL, lexemes tsvector NOT NULL)",
    "CREATE INDEX words_of_document ON words (document)",
    "CREATE INDEX words_of_stem ON words USING gin (lexemes)",
    'CREATE TABLE stems (stem text COLLATE "C" PRIMARY KEY, passages bigint NOT NULL)',
    "CREATE TABLE totals (passages bigint NOT NULL, words bigint NOT NULL)",
    "INSERT INTO totals VALUES (0, 0)",
)
"""`words` has the stems of each passage, and how many words it has; `stems`, in how many passages
each of them is."""

_AT_ONCE = 1000  # passages
_K1, _B = 1.2, 0.75  # of BM25, as in FTS5
_FIRST = 500  # passages that are scored first, at most, unless all words are in more

# `ts_rank` of a word that a passage has n times is 6 / pi^2 x (1 + 1/4 + ... + 1/n^2): it tells n
# in less than half of the time that unpacking all words takes. Between these, n is 1, 2, ...
_SUMS = [sum(1 / n**2 for n in range(1, most + 1)) for most in range(65)]
_RANKS = [6 / math.pi**2 * (low + high) / 2 for low, high in pairwise(_SUMS)]


class Database(Protocol):
    """What runs SQL: a store."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]: ...

    def execute(self, statement: str, *values: object) -> None: ...


class _Stem(NamedTuple):
    text: str
    passages: int
    weight: float
    """The most that it adds to a score: its inverse document frequency times k1 + 1."""


class TsvectorEngine:
    """Ranks by BM25 over English word stems, with FTS5's constants."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._forget()

    def _forget(self) -> None:
        """Begin to count what a transaction changes."""
        self._stems: Counter[str] = Counter()  # by how many passages more each stem is in
        self._passages = self._words = 0  # that are new, less those that are gone

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        rows = iter(rows)
        while some := list(islice(rows, _AT_ONCE)):
            words = [plain_words(row.words) for row in some]
            lengths = [len(one) for one in words]
            added = self._database.rows(
                "WITH added AS (INSERT INTO words SELECT passage, document, length, "
                "to_tsvector('words', text) FROM unnest(?::bigint[], ?::bigint[], ?::integer[], "
                "?::text[]) AS new (passage, document, length, text) RETURNING lexemes) "
                "SELECT stem, count(*) FROM added, unnest(tsvector_to_array(lexemes)) stem "
                "GROUP BY stem",
                [row.id for row in some],
                [row.document for row in some],
                lengths,
                [" ".join(one) for one in words],
            )
            self._stems.update(dict(added))
            self._passages += len(some)
            self._words += sum(lengths)

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        ids = [row.id for row in rows]
        counted = self._database.rows(
            "SELECT stem, count(*) FROM words, unnest(tsvector_to_array(lexemes)) stem "
            "WHERE passage = ANY(?::bigint[]) GROUP BY stem",
            ids,
        )
        gone = self._database.rows(
            "DELETE FROM words WHERE passage = ANY(?::bigint[]) RETURNING length", ids
        )
        self._stems.subtract(dict(counted))
        self._passages -= len(gone)
        self._words -= sum(length for (length,) in gone)

    def clear(self) -> None:
        self._forget()
        for table in ("words", "stems"):
            self._database.execute(f"DELETE FROM {table}")
        self._database.execute("UPDATE totals SET passages = 0, words = 0")

    def commit(self, generation: int) -> None:
        changed = {stem: count for stem, count in sorted(self._stems.items()) if count}
        if changed:
            self._database.execute(
                "INSERT INTO stems SELECT * FROM unnest(?::text[], ?::bigint[]) "
                "ON CONFLICT (stem) DO UPDATE SET passages = stems.passages + excluded.passages",
                list(changed),
                list(changed.values()),
            )
        if self._passages or self._words:
            self._database.execute(
                "UPDATE totals SET passages = passages + ?, words = words + ?",
                self._passages,
                self._words,
            )
        self._forget()

    def rollback(self) -> None:
        self._forget()

    def settle(self, share: float) -> None:
        self._database.execute("DELETE FROM stems WHERE passages = 0")
        # what was added lately is found without the index; only the owner may change that
        self._database.rows(
            "SELECT gin_clean_pending_list(oid) FROM pg_class "
            "WHERE oid = 'words_of_stem'::regclass AND pg_has_role(relowner, 'USAGE')"
        )
        if share > 0.2:
            self._database.execute("ANALYZE words")

    def refresh(self, generation: int) -> None:
        pass  # a snapshot sees all commits before it

    def search(self, words: Sequence[str], limit: int, among: Among | None) -> list[Match]:
        if among is not None and not among.ids:
            return []
        stems, mean = self._stems_of(words)
        found: list[Match] = []
        for count in _steps(stems, limit):
            found = self._best(stems, count, limit, among, mean)
            rest = sum(stem.weight for stem in stems[count:])
            if len(found) == limit and found[-1].score >= rest:
                break
        return found

    def _stems_of(self, words: Sequence[str]) -> tuple[list[_Stem], float]:
        """The stems of a question that any passage has, rarest first; words of a mean passage."""
        rows = self._database.rows(
            "SELECT stem, stems.passages, totals.passages, totals.words FROM stems, totals "
            "WHERE stem = ANY(tsvector_to_array(to_tsvector('words', ?::text))) "
            "AND stems.passages BETWEEN 1 AND totals.passages ORDER BY stems.passages, stem",
            " ".join(plain_words(" ".join(words))),
        )
        stems, mean = [], 1.0
        for stem, passages, every, length in rows:
            rarity = math.log((every - passages + 0.5) / (passages + 0.5))
            stems.append(_Stem(stem, passages, (_K1 + 1) * max(rarity, 1e-6)))
            mean = length / every
        return stems, mean

    def _best(
        self,
        stems: Sequence[_Stem],
        count: int,
        limit: int,
        among: Among | None,
        mean: float,
    ) -> list[Match]:
        """The best of the passages that have one of the first `count` stems."""
        queries = [f"'{stem.text}'" for stem in stems]  # of letters and digits alone
        within: list[object] = [] if among is None else [sorted(among.ids)]
        column = "passage" if among and among.column == "id" else "document"
        rows = self._database.rows(
            "SELECT passage, sum(weight * tf / (tf + ? * (? + ? * length / ?))) AS score "
            "FROM words CROSS JOIN unnest(?::tsquery[], ?::float8[]) AS asked (stem, weight) "
            "CROSS JOIN LATERAL width_bucket(ts_rank('{1, 1, 1, 1}', lexemes, stem), "
            "?::float4[]) AS tf "
            f"WHERE lexemes @@ ?::tsquery {f'AND {column} = ANY(?::bigint[]) ' if within else ''}"
            "GROUP BY passage ORDER BY score DESC, passage LIMIT ?",
            *(_K1, 1 - _B, _B, mean),
            queries,
            [stem.weight for stem in stems],
            _RANKS,
            " | ".join(queries[:count]),
            *within,
            limit,
        )
        return [Match(passage, score) for passage, score in rows]

    def close(self) -> None:
        pass


def _steps(stems: Sequence[_Stem], limit: int) -> Iterator[int]:
    """How many stems to begin with, and how many then: each time for some more passages."""
    passages, most = 0, max(_FIRST, limit)
    for count, stem in enumerate(stems):
        if count and passages + stem.passages > most:
            yield count
            most = 8 * max(most, passages)
        passages += stem.passages
    if stems:
        yield len(stems)
