"""The type that the readers of all formats yield: a paragraph of a document, or a piece of one.

    [Part("Rent\n\n", 1, open=True), Part("It is due on the third.\n", 3)]

Knows no format. The text of a document is the text of its parts joined, with nothing between, so
each part ends with the whitespace that separates it from the next. Long paragraphs may be split.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph, or a piece of one."""

    text: str
    number: int
    """The line, page, section or paragraph in which the part begins, from 1."""
    open: bool = False
    """The next part belongs with this one: a heading, or a paragraph that continues."""
    alone: bool = False
    """The part is a passage by itself, such as a row of a CSV file."""
