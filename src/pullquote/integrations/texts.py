"""What the components for frameworks share: texts of a framework as passages, and their quotes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pullquote.types import Document, Mark, Passage

if TYPE_CHECKING:
    from pullquote.types import Hit


def passages(texts: Iterable[str]) -> list[Passage]:
    """A passage for each text, whose document has the text's number for a name."""
    return [
        Passage(Document(str(number), "line"), text, 0, (Mark(0, 1),))
        for number, text in enumerate(texts)
    ]


def quote_fields(hit: Hit, answered: bool) -> dict[str, Any]:
    """The metadata of a quote: its characters in the passage, and whether there is an answer."""
    return {
        "quote": hit.text,
        "quote_start": hit.offset,
        "quote_end": hit.offset + len(hit.text),
        "answered": answered,
    }


def number_of(hit: Hit) -> int:
    """The number of the text that a quote is from."""
    return int(hit.place.path)
