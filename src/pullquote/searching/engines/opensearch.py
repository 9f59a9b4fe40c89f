"""Words on a server of OpenSearch or Elasticsearch, for an index whose tables lie elsewhere.

    engine = OpenSearchEngine(store)                 # the server of OPENSEARCH_URL
    engine.search(["rent", "due"], limit=20, documents=None)     # [Match(id=7, score=4.2), ...]

Knows passages and their ids. The server has, in an index of its own for each index of pullquote,
the words of each passage, from which nothing can be read back; the store has all else, and decides
what counts. OpenSearch knows no transactions, so this is how the two stay of one moment:

- What a batch adds goes to the server before the store commits; what it removes leaves it with the
  next batch, such as the one that ends an update. So the server may have passages too many, never
  too few, and a search passes over those that the store does not have.
- A token that the store and the server both hold tells that they belong together. A batch takes it
  from the server first and puts a new one into both at its end. Where a kill or a cut connection
  fell in between, or the store was put back to an earlier state, the tokens differ: the next batch
  then compares all passages, by their ids and checks, and mends the server.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar, Protocol

from pullquote.errors import IndexFileError, shown
from pullquote.searching.engines import Among, IndexedPassage, Match
from pullquote.searching.engines.opensearch_server import Server, UnexpectedAnswerError
from pullquote.searching.vectors import check
from pullquote.searching.words import plain_words

_BODY = {
    "settings": {
        "analysis": {
            "analyzer": {
                # what is a word is decided before
                "stems": {"type": "custom", "tokenizer": "whitespace", "filter": ["porter_stem"]}
            }
        }
    },
    "mappings": {
        "dynamic": "strict",
        "_source": {"excludes": ["text"]},
        "properties": {
            "id": {"type": "long"},
            "document": {"type": "long"},
            "check": {"type": "long", "index": False},
            "text": {"type": "text", "analyzer": "stems", "index_options": "freqs"},
            "token": {"type": "keyword", "index": False},
        },
    },
}
"""Of a new index: English stems, without positions. The words are not stored beside them."""

_TOKEN = "token"  # the id of the document that holds it; those of passages are numbers
_NONE = ""  # the token while a batch is written
_SETTING, _REMOVED = "opensearch", "opensearch removed"  # settings of the store
_AT_ONCE = 1000  # passages of a request
_TERMS = 50_000  # documents of one clause; servers take 65,536
_DEEPEST = 10_000  # results of a search; servers give no more
_IDENTITY = re.compile(r"[0-9a-f]{32}")


class Tables(Protocol):
    """What holds passages and settings: a store."""

    path: Path | str
    AMONG: ClassVar[str]

    @property
    def identity(self) -> str | None: ...

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]: ...

    def each(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]: ...

    def change_setting(self, name: str, value: str | int) -> None: ...


class OpenSearchEngine:
    """Ranks by the server's BM25 over English word stems."""

    def __init__(self, tables: Tables) -> None:
        """Raises `InputError` without `OPENSEARCH_URL`, `IndexUnreachableError` if none answers."""
        if not _IDENTITY.fullmatch(identity := str(tables.identity)):
            raise IndexFileError(
                f"{tables.path}: damaged (its identity is {shown(identity)}); make it again"
            )
        self._index = f"pullquote-{identity}"
        self._tables = tables
        self._server = Server.from_environment()
        self._forget()

    @property
    def is_current(self) -> bool:
        """Whether the server has what the store has, or another process is writing to both."""
        known = self._setting(_SETTING)
        token = self._token()
        return token is not None and token in (_NONE, known)

    def _forget(self) -> None:
        self._in_batch = False
        self._waiting: list[tuple[int, dict[str, object] | None]] = []  # ids; None: to delete
        self._removed: set[int] = set()

    def begin(self) -> None:
        """Before the first change of a batch: make the server hold what the store holds."""
        if self._in_batch:
            return
        token = self._token()
        if token is None:
            self._create()
        else:
            self._put_token(_NONE)
        if token is None or token != self._setting(_SETTING):
            self._mend()
        else:
            for id in self._removed_before():
                self._write(id, None)
        self._in_batch = True

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        self.begin()
        for row in rows:
            self._removed.discard(row.id)
            self._write(row.id, _source(row))

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        self.begin()
        self._removed.update(row.id for row in rows)

    def clear(self) -> None:
        self.begin()
        self._create()

    def commit(self, generation: int) -> None:
        if not self._in_batch:
            return
        self._send()
        self._refresh()
        token = token_hex(16)
        self._put_token(token)
        self._tables.change_setting(_SETTING, token)
        self._tables.change_setting(_REMOVED, " ".join(map(str, sorted(self._removed))))
        self._forget()

    def rollback(self) -> None:
        self._forget()  # the tokens differ from now on

    def settle(self, share: float) -> None:
        if self._removed_before():
            self.begin()

    def refresh(self, generation: int) -> None:
        pass  # a commit refreshes the server

    def search(self, words: Sequence[str], limit: int, among: Among | None) -> list[Match]:
        if among is not None and not among.ids:
            return []
        asked = " ".join(plain_words(" ".join(words)))
        query: dict[str, Any] = {"must": {"match": {"text": asked}}}
        if among is not None:
            ids, chosen = iter(sorted(among.ids)), []
            while some := list(islice(ids, _TERMS)):
                chosen.append({"terms": {among.column: some}})
            query["filter"] = {"bool": {"should": chosen}}
        size = min(limit, _DEEPEST)
        while True:
            found = self._find({"bool": query}, size)
            known = f"SELECT id FROM passages WHERE id {self._tables.AMONG}"
            there = {id for (id,) in self._tables.rows(known, [match.id for match in found])}
            matches = [match for match in found if match.id in there]
            if len(matches) >= limit or len(found) < size or size == _DEEPEST:
                return matches[:limit]
            size = min(4 * size, _DEEPEST)

    def close(self) -> None:
        self._server.close()

    # ---- what the server has

    def _find(self, query: dict[str, Any], size: int) -> list[Match]:
        body = {
            "query": query,
            "size": size,
            "sort": ["_score", {"id": "asc"}],
            "_source": False,
            "track_total_hits": False,
        }

        def find(client: Any) -> list[Match]:
            # counts words over all shards, so that scores do not depend on them
            answer = client.search(index=self._index, body=body, search_type="dfs_query_then_fetch")
            if answer["timed_out"] or answer["_shards"]["failed"]:
                raise self._server.busy()
            hits = answer["hits"]["hits"]
            if len(hits) > size or not all(math.isfinite(hit["_score"]) for hit in hits):
                raise UnexpectedAnswerError("results that were not asked for")
            factor = self._server.k1_factor
            return [Match(int(hit["_id"]), factor * hit["_score"]) for hit in hits]

        return self._server.call(find)

    def _mend(self) -> None:
        """Compare all passages of the store with those of the server, both by ascending ids."""
        self._refresh()
        last = (math.inf, 0)
        stored = self._stored()
        id, sum = next(stored, last)
        rows = self._tables.each("SELECT id, document, text FROM passages ORDER BY id")
        for row in (IndexedPassage(*one) for one in rows):
            while id < row.id:
                self._write(int(id), None)
                id, sum = next(stored, last)
            source = _source(row)
            if (id, sum) != (row.id, source["check"]):
                self._write(row.id, source)
            if id == row.id:
                id, sum = next(stored, last)
        while id < math.inf:
            self._write(int(id), None)
            id, sum = next(stored, last)

    def _stored(self) -> Iterator[tuple[int, int]]:
        """The ids and checks of all passages on the server, by ascending ids."""
        last = -1
        while some := self._stored_after(last):
            yield from some
            last, _ = some[-1]

    def _stored_after(self, last: int) -> list[tuple[int, int]]:
        body = {
            "query": {"range": {"id": {"gt": last}}},
            "sort": [{"id": "asc"}],
            "size": _AT_ONCE,
            "_source": ["id", "check"],
        }

        def find(client: Any) -> list[tuple[int, int]]:
            hits = client.search(index=self._index, body=body)["hits"]["hits"]
            found = [(int(hit["_source"]["id"]), int(hit["_source"]["check"])) for hit in hits]
            ids = [last, *(id for id, _ in found)]
            if any(later <= one for one, later in pairwise(ids)):
                raise UnexpectedAnswerError("passages in another order than was asked for")
            return found

        return self._server.call(find, patient=True)

    def _create(self) -> None:
        """An empty index in place of what there may be: one without a token is not whole."""
        self._waiting.clear()

        def create(client: Any) -> None:
            client.indices.delete(index=self._index, ignore=404)
            client.indices.create(index=self._index, body=_BODY)
            client.index(index=self._index, id=_TOKEN, body={"token": _NONE})

        self._server.call(create, patient=True)

    def _token(self) -> str | None:
        """The server's token; None where there is no index, or one without a token."""

        def get(client: Any) -> str | None:
            answer = client.get(index=self._index, id=_TOKEN, ignore=404)
            return str(answer["_source"]["token"]) if answer.get("found") else None

        return self._server.call(get, patient=True)

    def _put_token(self, token: str) -> None:
        # not `index`, which would make an index that was removed meanwhile, without its analyzer
        body = {"doc": {"token": token}}
        self._server.call(lambda c: c.update(index=self._index, id=_TOKEN, body=body), patient=True)

    def _refresh(self) -> None:
        """Let searches see what was sent."""
        self._server.call(lambda c: c.indices.refresh(index=self._index), patient=True)

    def _write(self, id: int, source: dict[str, object] | None) -> None:
        """Put a passage on the server, or delete it, together with others."""
        self._waiting.append((id, source))
        if len(self._waiting) >= _AT_ONCE:
            self._send()

    def _send(self) -> None:
        if self._waiting:
            self._server.call(self._send_some, patient=True)

    def _send_some(self, client: Any) -> None:
        """Send what is waiting, and keep what the server was too busy for."""
        body: list[object] = []
        for id, source in self._waiting:
            action = "delete" if source is None else "index"
            body.append({action: {"_id": str(id)}})
            body += [] if source is None else [source]
        items = client.bulk(index=self._index, body=body)["items"]
        results = [result for item in items for result in item.values()]
        refused = []
        for one, result in zip(self._waiting, results, strict=True):
            if result["status"] in (429, 503):
                refused.append(one)
            elif result["status"] not in (200, 201, 404):  # 404: deleted before
                reason = shown(result["error"]["reason"])
                raise UnexpectedAnswerError(f"a passage is refused: {reason}")
        self._waiting = refused
        if refused:
            raise self._server.busy()

    def _removed_before(self) -> list[int]:
        """The passages that earlier batches removed, and that the server may still have."""
        ids = self._setting(_REMOVED) or ""
        try:
            return [int(id) for id in ids.split()]
        except ValueError:
            raise IndexFileError(
                f"{self._tables.path}: damaged (removed passages are {shown(ids)}); make it again"
            ) from None

    def _setting(self, name: str) -> str | None:
        rows = self._tables.rows("SELECT value FROM settings WHERE name = ?", name)
        return str(rows[0][0]) if rows else None


def _source(row: IndexedPassage) -> dict[str, object]:
    """A passage as the server indexes it. The check tells another text, and other words."""
    text = " ".join(plain_words(row.words))
    of = {"id": row.id, "document": row.document, "text": text}
    return {**of, "check": check(f"{row.document} {text}")}
