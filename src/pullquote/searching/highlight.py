"""Highlights of a document: the sentences of its passages that bear on a question.

    for found in highlight(reader, "Who are the parties?", passages):
        document_text[found.start : found.end], found.quote.text, found.score

Knows passages and a reader, not files. A quote of a row of a table keeps within one cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pullquote.searching.passages import joined
from pullquote.searching.plain import is_plain
from pullquote.searching.rows import within_cell
from pullquote.types import Highlight, Passage, Span

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader


def highlight(
    reader: Reader, question: str, passages: Sequence[Passage], *, least: float = 0.3
) -> Iterator[Highlight]:
    """Yield the highlights of some passages of one document, one after the other, in their order.

    As `Reader.highlight` of their text, but with the document's offsets.
    """
    first = passages[0].start
    text = "".join(joined(passages, first))
    rows = not is_plain(passages[0].document.path)
    for found in reader.highlight(question, text, least=least):
        start, end = found.quote.start, found.quote.end
        if rows:
            start, end = within_cell(text, start, end)
        yield replace(
            found,
            start=first + found.start,
            end=first + found.end,
            quote=Span(text[start:end], first + start, first + end),
        )
