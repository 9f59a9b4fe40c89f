"""What the readers of files hand over: a document's text, piece by piece. Knows no format.

A document's text is the text of its parts, one after another, nothing added. Its parts are
paragraphs, with whatever stands between them at their ends; a long one may come in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph, or a piece of one."""

    text: str
    number: int
    """The line, page, section or paragraph in which it begins, from 1."""
    open: bool = False
    """The next part belongs to it: a heading, or a paragraph that goes on."""
    alone: bool = False
    """A passage of its own, such as a row of a table of passages."""
