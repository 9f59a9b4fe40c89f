"""For LlamaIndex: a postprocessor that keeps the nodes whose quotes answer a question best.

    engine = index.as_query_engine(node_postprocessors=[QuotePostprocessor(top_k=2)])

Knows LlamaIndex's nodes. Needs `llama-index-core` 0.14 or newer.
"""

from __future__ import annotations

import functools

from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.errors import InputError
from pullquote.integrations.texts import number_of, passages, quote_fields
from pullquote.reading.reader import Reader
from pullquote.searching.search import Searcher


class QuotePostprocessor(BaseNodePostprocessor):
    """Ranks nodes by the probability that their best quote is right, and keeps `top_k` of them.

    The metadata of copies of the nodes gain `quote`, `quote_start` and `quote_end` (characters of
    the node's text) and `answered` (whether an answer is likelier than none). With
    `only_answered`, no node is kept where no answer is likelier.
    """

    model: str = DEFAULT_MODEL
    top_k: int = 3
    answerable: float | None = None
    only_answered: bool = False

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex stores it."""
        return "QuotePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("no query was given; expected one, to find its answers in the nodes")
        texts = [one.node.get_content(MetadataMode.NONE) for one in nodes]
        result = self._searcher.search_among(
            query_bundle.query_str, passages(texts), self.top_k, each=True
        )
        if self.only_answered and not result.answered:
            return []
        kept = []
        for hit in result.hits[: self.top_k]:
            node = nodes[number_of(hit)].node.model_copy(deep=True)
            node.metadata |= quote_fields(hit, result.answered)
            kept.append(NodeWithScore(node=node, score=hit.score))
        return kept

    @functools.cached_property
    def _searcher(self) -> Searcher:
        return Searcher(Reader(self.model, answerable=self.answerable))
