"""The type that the readers of all formats yield: a paragraph of a document, or a piece of one.

    [Part("Rent\n\n", 1, open=True), Part("It is due on the third.\n", 3)]

Knows no format. The text of a document is the text of its parts joined, with nothing between, so
each part ends with the whitespace that separates it from the next. Long paragraphs may be split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from pullquote.text import Encoding
from pullquote.types import Mark

LONGEST_TITLE = 200
"""Characters of a title, heading or caption that is repeated above each row of its table."""


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
    marks: tuple[Mark, ...] = ()
    """Where in the text other numbers begin, such as that of a row below the title of its table."""

    sheet: str = ""
    """The name of the sheet, in a workbook of several."""
    fields: tuple[tuple[str, str | float | bool], ...] = ()
    """What stands beside the text in a row of a file of texts."""
    depth: int = 0
    """In how many elements, such as `<details>`, it stands whose headings end with them."""

    def at(self, number: int) -> Part:
        """The part with one number for all of it."""
        return replace(self, number=number, marks=(), sheet="")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row or a section that could not be read, and why; what follows it is read."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Guessed:
    """The encoding in which a document was read, where it was guessed: "Windows-1252"."""

    encoding: str


Note: TypeAlias = "Skipped | Guessed"
"""What a reader reports about a document beside its parts."""


def paragraph(text: str, *, heading: bool = False) -> Part:
    """A paragraph that gets its number later."""
    return Part(f"{text}\n\n", 1, open=heading)


def numbered(parts: Iterable[Part | Note]) -> Iterator[Part | Note]:
    """Number the parts that have text, from 1, and leave out the others."""
    number = 0
    for part in parts:
        if isinstance(part, Part):
            if not part.text.strip():
                continue
            number += 1
            part = part.at(number)
        yield part


def guessed(encoding: Encoding) -> Iterator[Guessed]:
    """A note about an encoding, if it was guessed."""
    if encoding.guessed:
        yield Guessed(encoding.label)
