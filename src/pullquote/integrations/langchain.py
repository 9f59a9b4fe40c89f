"""For LangChain: a retriever over an index, and a compressor that keeps what answers a question.

    retriever = QuoteRetriever(index="contracts.db")
    retriever.invoke("How long is the notice period?")[0].metadata["quote"]   # "three months"

Knows LangChain's documents. Needs `langchain-core` 1.0 or newer.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun, Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.integrations.texts import number_of, passages, quote_fields
from pullquote.reading.reader import Reader
from pullquote.searching.index import Index
from pullquote.searching.search import Searcher


class QuoteCompressor(BaseDocumentCompressor):
    """Keeps, of documents that were retrieved, the sentences whose quotes answer a question best.

    At most `top_k` documents, best first, of each the sentence around its best quote. The metadata
    gain `quote`, `quote_start` and `quote_end` (characters of the document that was retrieved),
    `score` (the probability that the quote is right) and `answered` (whether an answer is likelier
    than none). With `only_answered`, nothing is kept where no answer is likelier.
    """

    model: str = DEFAULT_MODEL
    top_k: int = 3
    answerable: float | None = None
    only_answered: bool = False

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Read the documents. Raises `InputError` for a blank query."""
        texts = [document.page_content for document in documents]
        result = self._searcher.search_among(query, passages(texts), self.top_k, each=True)
        if self.only_answered and not result.answered:
            return []
        kept = []
        for hit in result.hits[: self.top_k]:
            document = documents[number_of(hit)]
            metadata = {
                **document.metadata,
                **quote_fields(hit, result.answered),
                "score": hit.score,
            }
            kept.append(Document(page_content=hit.sentence, metadata=metadata, id=document.id))
        return kept

    @functools.cached_property
    def _searcher(self) -> Searcher:
        return Searcher(Reader(self.model, answerable=self.answerable))


class QuoteRetriever(BaseRetriever):
    """Retrieves, from an index, the passages whose quotes answer a question best.

    `index` is the file that `pullquote index` made. At most `top_k` passages, best first; the
    metadata are those of `QuoteCompressor`, with offsets in `page_content`, and the place:
    `source`, and the number under the name of its unit, such as `page` or `line`. `path` and
    `where` filter documents, as for `Searcher.ask`.
    """

    index: str
    model: str = DEFAULT_MODEL
    top_k: int = 3
    answerable: float | None = None
    path: str | None = None
    where: dict[str, Any] | None = None
    only_answered: bool = False

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = self._searcher.retrieve(query, path=self.path, where=self.where)
        result = self._searcher.search_among(
            query, (one.passage for one in found.passages), self.top_k, each=True
        )
        if self.only_answered and not result.answered:
            return []
        return [
            Document(
                page_content=hit.passage.text,
                metadata={
                    **hit.passage.metadata,
                    "source": hit.place.path,
                    **hit.place.fields(),
                    **quote_fields(hit, result.answered),
                    "score": hit.score,
                },
            )
            for hit in result.hits[: self.top_k]
        ]

    @functools.cached_property
    def _searcher(self) -> Searcher:
        return Searcher(Reader(self.model, answerable=self.answerable), Index.open(self.index))
