"""The verdict on a quote: shared types, as JSON has them.

    check.match, check.place          # "drifted", "elsewhere"
    check.found[0].at                 # lease.pdf, page 2
    check.differences[0]              # Difference(quote="two", source="four", ...)

Knows no texts but those that it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pullquote.types import Place

Match: TypeAlias = Literal["exact", "typographic", "drifted", "stitched", "absent", "uncheckable"]
MATCHES: tuple[Match, ...] = (
    "exact",
    "typographic",
    "drifted",
    "stitched",
    "absent",
    "uncheckable",
)
UNITS = ("page", "line", "slide", "section", "paragraph", "row", "message")
"""The units that places of documents have."""
_WORDS = {
    **{word: unit for unit in UNITS for word in (unit, f"{unit}s")},
    **dict.fromkeys(("p", "pp", "pg", "seite", "s"), "page"),
    **dict.fromkeys(("l", "ll"), "line"),
}


def unit_of(word: str) -> str:
    """The unit that a word means; "" if it means none.

    >>> unit_of("Pages"), unit_of("pp."), unit_of("chapter")
    ('page', 'page', '')
    """
    return _WORDS.get(word.strip(" .").casefold(), "")


@dataclass(frozen=True, slots=True)
class Named:
    """Where a draft says that a quote stands."""

    name: str
    """As the draft has it."""
    documents: tuple[str, ...] = ()
    """The documents that have this name; none if it is not among the sources."""
    unit: str = ""
    """"page", "line" or the like, "" if the draft names only a document."""
    number: int | None = None
    sheet: str = ""
    """The name of the sheet, "" if the draft names none."""
    until: int | None = None
    """The last number, if the draft names several: "pages 3-5"."""

    def is_at(self, first: Place, last: Place) -> bool:
        """Whether a passage from one place to another is where the name says.

        A sheet of what has no several sheets, or a page of what has none, is not held against it.
        """
        if self.documents and first.path not in self.documents:
            return False
        sheets = {first.sheet.casefold(), last.sheet.casefold()}
        if self.sheet and first.sheet and self.sheet.casefold() not in sheets:
            return False
        if self.number is None or first.unit != self.unit:
            return bool(self.documents or self.sheet) or self.number is not None
        return first.number <= (self.until or self.number) and self.number <= last.number

    def __str__(self) -> str:
        name = Path(self.name).name
        sheet = f"sheet {self.sheet}" if self.sheet else ""
        number = f"{self.unit} {self.number}" if self.number is not None else ""
        number += f" to {self.until}" if self.until else ""
        return ", ".join(filter(None, [name, sheet, number]))


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of a source: `document_text[start:end]` is `text`.

    Of the blanks between two passages of an index or a file, `text` has line breaks.
    """

    text: str
    start: int
    end: int
    at: Place
    last: Place
    """The place of its last character."""
    before: str
    """The rest of its sentence before it."""
    after: str
    quote_start: int
    """The characters of the quote that it stands for: `quote[quote_start:quote_end]`."""
    quote_end: int
    raw: bool = False
    """Whether the offsets are those of the file itself, such as a line of CSV, rather than those of
    the text that is read of it."""

    def to_dict(self) -> dict[str, Any]:
        """Its text and offsets, and the keys of its place (`document`, `page`, `link`)."""
        place = self.at.to_dict()
        del place["path"]
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            **place,
            "before": self.before,
            "after": self.after,
            "quote_start": self.quote_start,
            "quote_end": self.quote_end,
            "raw": self.raw,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Words of a quote and those that the source has in their place; "" for none."""

    quote: str
    source: str
    quote_start: int
    """The characters of the quote, half open; both the same where it has none."""
    quote_end: int
    start: int
    """The characters of the document, half open."""
    end: int

    def __str__(self) -> str:
        quote, source = (" ".join(words.split()) for words in (self.quote, self.source))
        if not quote:
            return f'left out "{source}"'
        return f'"{quote}" for "{source}"' if source else f'added "{quote}"'

    def to_dict(self) -> dict[str, Any]:
        """All fields by their names."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a quote stands in its sources, and where.

    >>> import pullquote
    >>> lease = {"id": "lease.txt", "text": "The rent is 840 crowns. Dogs are welcome."}
    >>> check = pullquote.check("the rent is 480 crowns", lease)
    >>> check.match, str(check.differences[0])
    ('drifted', '"480" for "840"')
    >>> check.found[0].text, str(check.found[0].at)
    ('The rent is 840 crowns', 'lease.txt, line 1')
    """

    quote: str
    match: Match
    """exact: the same characters. typographic: the same but for typography. drifted: at least four
    fifths of the words in order at one place. stitched: pieces of five words or more from several
    places. absent: less than that. uncheckable: too short, or the source is not there."""
    place: Literal["as named", "elsewhere", ""]
    """Whether it stands where the draft names; "" if it names nothing, or it stands nowhere."""
    similarity: float
    """The share of words that quote and source have in common, in [0, 1]."""
    found: tuple[Found, ...] = ()
    """Where it stands; several for a quote that leaves something out, or is stitched. Of an absent
    quote the nearest passage, if any is near."""
    differences: tuple[Difference, ...] = ()
    named: Named | None = None
    reason: str = ""
    """Why it is uncheckable, or cannot be where the draft names."""
    short: bool = False
    """Whether it is uncheckable because it is too short."""

    @property
    def fine(self) -> bool:
        """Whether nobody needs to look at it: it is there, or too short to tell."""
        there = self.match in ("exact", "typographic") and self.place != "elsewhere"
        return there or self.short

    def to_dict(self) -> dict[str, Any]:
        """The one JSON form of a check."""
        named = self.named and {
            "name": self.named.name,
            "documents": list(self.named.documents),
            "sheet": self.named.sheet or None,
            "unit": self.named.unit or None,
            "number": self.named.number,
            "until": self.named.until,
        }
        return {
            "quote": self.quote,
            "match": self.match,
            "place": self.place or None,
            "fine": self.fine,
            "similarity": round(self.similarity, 4),
            "found": [found.to_dict() for found in self.found],
            "differences": [difference.to_dict() for difference in self.differences],
            "named": named,
            "reason": self.reason or None,
        }
