"""Tantivy, a search library in Rust (extra `tantivy`): faster where there are many passages.

Knows a folder of its own, beside the index's file. Each commit there carries the generation of the
index that it belongs to, in a document of its own, so that the two can be compared.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pullquote.errors import IndexFileError, MissingExtraError, first_line
from pullquote.searching.engines import Match, Row

OLDEST = "0.26"  # as pyproject.toml has it; 0.25 finds nothing among chosen documents
_HEAP = 128_000_000  # bytes for a batch of new passages
_STAMP = 0  # the id of the document that carries the generation; passages count from 1
_WORD = re.compile(r"[^\W_]+")


class TantivyEngine:
    """Ranks by Tantivy's BM25 over English word stems."""

    def __init__(self, folder: Path) -> None:
        self.tantivy = _tantivy()
        self.folder = folder
        self._writer: Any = None
        self._seen = -1  # the generation that searches see
        schema = self.tantivy.SchemaBuilder()
        schema.add_unsigned_field("id", stored=True, indexed=True)
        schema.add_unsigned_field("document", indexed=True)
        schema.add_unsigned_field("generation", stored=True)
        # frequencies without positions: no phrase is ever looked for
        schema.add_text_field("text", tokenizer_name="en_stem", index_option="freq")
        self.schema = schema.build()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.index = self.tantivy.Index(self.schema, path=str(folder), reuse=True)
        except (ValueError, OSError) as error:
            raise IndexFileError(
                f"{folder}: not readable ({first_line(error)}); remove it, and it is made again"
            ) from None

    @property
    def generation(self) -> int:
        """The generation of the index that was committed last; -1 before the first."""
        self.index.reload()
        searcher = self.index.searcher()
        query = self.tantivy.Query.term_query(self.schema, "id", _STAMP)
        found = searcher.search(query, 1).hits
        return int(searcher.doc(found[0][1])["generation"][0]) if found else -1

    @property
    def writer(self) -> Any:
        if self._writer is None:
            try:
                self._writer = self.index.writer(_HEAP, 1)
            except ValueError as error:
                raise IndexFileError(
                    f"{self.folder}: another process is writing to it ({first_line(error)})"
                ) from None
        return self._writer

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.writer.add_document(
                self.tantivy.Document.from_dict(
                    {"id": row.id, "document": row.document, "text": row.text}, self.schema
                )
            )

    def remove(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.writer.delete_documents_by_term("id", row.id)

    def clear(self) -> None:
        self.writer.delete_all_documents()

    def commit(self, generation: int) -> None:
        self.writer.delete_documents_by_term("id", _STAMP)
        stamp = {"id": _STAMP, "generation": generation}
        self.writer.add_document(self.tantivy.Document.from_dict(stamp, self.schema))
        self.writer.commit()

    def rollback(self) -> None:
        if self._writer is not None:
            self._writer.rollback()

    def settle(self, share: float) -> None:
        if self._writer is not None:
            self._writer.wait_merging_threads()  # which ends the writer
            self._writer = None

    def refresh(self, generation: int) -> None:
        if generation != self._seen:
            self.index.reload()
            self._seen = generation

    def search(
        self, words: Sequence[str], limit: int, documents: Collection[int] | None
    ) -> list[Match]:
        # lower case, so that OR and NOT are words; what is no letter or digit parts words
        text = " ".join(part.lower() for word in words for part in _WORD.findall(word))
        if not text or (documents is not None and not documents):
            return []
        query, _ = self.index.parse_query_lenient(text, ["text"])
        if documents is not None:
            make, occur = self.tantivy.Query, self.tantivy.Occur
            among = make.term_set_query(self.schema, "document", sorted(documents))
            # worth nothing, so that scores are those of a search of all
            query = make.boolean_query(
                [(occur.Must, query), (occur.Must, make.const_score_query(among, 0.0))]
            )
        searcher = self.index.searcher()
        found = searcher.search(query, limit).hits
        return [
            Match(int(searcher.doc(address)["id"][0]), float(score)) for score, address in found
        ]

    def close(self) -> None:
        with contextlib.suppress(ValueError):
            self.settle(0.0)


def check_installed() -> None:
    """Raise `MissingExtraError` where tantivy is not installed, or is too old."""
    _tantivy()


def _tantivy() -> Any:
    try:
        import tantivy
    except ImportError:
        raise MissingExtraError("tantivy", "tantivy") from None
    try:
        installed = metadata.version("tantivy")
    except metadata.PackageNotFoundError:  # built in place
        return tantivy
    if _version(installed) < _version(OLDEST):
        what = f"tantivy {OLDEST} or newer (found {installed})"
        raise MissingExtraError(what, "tantivy")
    return tantivy


def _version(text: str) -> tuple[int, ...]:
    """Major and minor: "0.26.1" is (0, 26)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
