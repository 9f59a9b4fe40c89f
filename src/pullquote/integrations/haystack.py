"""A reader for Haystack pipelines: exact quotes from documents, and the probability of none.

    pipeline.add_component("reader", PullquoteReader())
    pipeline.connect("retriever.documents", "reader.documents")

Knows Haystack's components. Needs `haystack-ai` 2.20 or newer.
"""

from __future__ import annotations

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.dataclasses import ExtractedAnswer

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.integrations.texts import number_of, passages
from pullquote.reading.reader import Reader
from pullquote.reading.sentences import sentence_around
from pullquote.searching.search import Searcher
from pullquote.types import Hit


@component
class PullquoteReader:
    """Extracts answers from the content of documents; documents without content are left out.

    The answers are the `top_k` best quotes over all documents, best first, each with its `score`,
    the probability that it is right, its `document_offset` and, as `context`, the sentence around
    it. With `no_answer`, one more entry without `data` has the probability that no document has
    an answer; `meta["answered"]` of every entry says which is likelier. `answerable` is the share
    of the questions that is expected to have an answer; None takes the model's own.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        top_k: int = 3,
        no_answer: bool = True,
        answerable: float | None = None,
    ) -> None:
        self.model = model
        self.top_k = top_k
        self.no_answer = no_answer
        self.answerable = answerable
        self._searcher: Searcher | None = None

    def warm_up(self) -> None:
        """Open the model; `run` does so where it is needed."""
        if self._searcher is None:
            self._searcher = Searcher(Reader(self.model, answerable=self.answerable))

    @component.output_types(answers=list[ExtractedAnswer])
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[ExtractedAnswer]]:
        """Read the documents. Raises `InputError` for a blank query."""
        self.warm_up()
        assert self._searcher
        readable = [document for document in documents if document.content]
        found = passages(document.content or "" for document in readable)
        top_k = self.top_k if top_k is None else top_k
        result = self._searcher.search_among(query, found, top_k)
        meta = {"answered": result.answered}
        answers = [
            _answer(query, hit, readable[number_of(hit)], meta) for hit in result.hits[:top_k]
        ]
        if self.no_answer:
            none = ExtractedAnswer(query=query, score=result.no_answer_score, meta=dict(meta))
            answers = sorted([*answers, none], key=lambda answer: answer.score, reverse=True)
        return {"answers": answers}

    def to_dict(self) -> dict[str, Any]:
        """For pipelines that are saved."""
        return default_to_dict(
            self,
            model=self.model,
            top_k=self.top_k,
            no_answer=self.no_answer,
            answerable=self.answerable,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PullquoteReader:
        """From what `to_dict` gave."""
        return default_from_dict(cls, data)


def _answer(query: str, hit: Hit, document: Document, meta: dict[str, Any]) -> ExtractedAnswer:
    around = sentence_around(document.content or "", hit.start, hit.end)
    return ExtractedAnswer(
        query=query,
        score=hit.score,
        data=hit.text,
        document=document,
        context=around.text,
        document_offset=ExtractedAnswer.Span(hit.start, hit.end),
        context_offset=ExtractedAnswer.Span(hit.start - around.start, hit.end - around.start),
        meta=dict(meta),
    )
