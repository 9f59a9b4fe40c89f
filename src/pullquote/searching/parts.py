"""What the readers of files hand over: a document's text, piece by piece. Knows no format.

A document's text is the text of its parts, one after another, nothing added. Its parts are
paragraphs, with whatever stands between them at their ends; a long one may come in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pullquote.text import Encoding


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


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row or a section that could not be used, and why; what follows it is read."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Guessed:
    """The encoding in which a document was read, where it was guessed: "Windows-1252"."""

    encoding: str


Note: TypeAlias = "Skipped | Guessed"
"""What a reader says of a document beside its parts."""


def guessed(encoding: Encoding) -> Iterator[Guessed]:
    """What there is to say of an encoding: nothing, unless it was guessed."""
    if encoding.guessed:
        yield Guessed(encoding.label)
