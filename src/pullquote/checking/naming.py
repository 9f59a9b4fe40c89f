"""The source and the page that a draft names beside a quotation.

    name = named('(lease.pdf, p. 3)', "", Names(["/home/ann/lease.pdf"]))
    str(name)                                    # "lease.pdf, page 3"

The name of a file counts anywhere near; in brackets or after a dash, so does one without its
ending. Knows names of documents and words, not what documents say.
"""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pullquote.checking.drafts import FILE_ENDINGS, Quotation, range_end
from pullquote.checking.verdicts import Named, unit_of

_SHORTEST = 3  # characters of a name without its ending
_AFTER = 40  # characters after a name in which its page may stand
_NEAR_SHEET = 80  # characters after a name that may say which sheet; the longest name has 31

_FILE = re.compile(
    rf"(?<![\w/@])(?:file://)?([\w.~%/+-]*[\w%-]\.{FILE_ENDINGS})\b"
    r"(?:#page=(\d{1,6})|:(\d{1,6}))?",
    re.IGNORECASE,
)
_UNITS = r"pages?|pp?\.?|pg\.?|seite|s\.|lines?|ll?\.|slide|section|paragraph|rows?"
_CELL = r"\$?[A-Z]{1,3}\$?(\d{1,7})(?::\$?[A-Z]{1,3}\$?(\d{1,7}))?(?!\w)"
_NUMBER = re.compile(
    rf"(?<!\w)(?:#page=|({_UNITS})\s?)(\d{{1,6}})(?:\s?(?:[-‐-―]|to)\s?(\d{{1,6}}))?(?!\w)"
    rf"|(?:!|(?<!\w)cells?\s){_CELL}",
    re.IGNORECASE,
)
# between a place and a name after it: "page 3 of ", "page 3 ("
_OF = re.compile(
    r"(?:\s(?:of|in|from)\s(?:the\s)?(?:file\s|document\s|workbook\s|spreadsheet\s)?|\s?[(\[])"
    r"\W{0,2}\Z",
    re.IGNORECASE,
)
_SHEET_WORD = r"(?<!\w)(?:(?:work)?sheet|tab|blatt)"
_SHEET = re.compile(
    rf"{_SHEET_WORD}\s[\"'“„«‘]?([^,;:()\[\]\"”“»]{{1,31}}?)[\"'”“»’]?"
    rf"(?=\s?[,;:()\[\]!.]|\s?\Z|\s(?:{_UNITS}|of|in|from)\s)"
    rf"|'([^']{{1,31}})'!{_CELL}|(?<!\w)(\w[\w.]{{0,30}})!{_CELL}",
    re.IGNORECASE,
)
# brackets or a dash at once after the quotation, and what they hold
_CITED = re.compile(r"\W{0,4}(?:\(([^()]{1,150})\)|\[([^\[\]]{1,150})\]|[—–―~-]{1,3}\s*(.{1,150}))")
_NEXT = re.compile(r"[.!?]\s+(?=[^\W\d_a-z])")  # where another sentence begins
_AT_ONCE = re.compile(r"[\s,;:]{0,3}(?:on\s|at\s)?")


class Names:
    """The names of documents, by which a draft may name them."""

    def __init__(
        self,
        paths: Iterable[str],
        sheets: Callable[[str], Sequence[str]] = lambda _: (),
        attachments: Callable[[str], Mapping[str, Sequence[str]]] = lambda _: {},
    ) -> None:
        """`sheets` gives the names of the sheets of a document.

        `attachments` gives those that end with a name, with the messages that hold them.
        """
        self._attachments = functools.lru_cache(maxsize=None)(attachments)
        self._sheets = functools.lru_cache(maxsize=None)(sheets)
        self._known = functools.lru_cache(maxsize=None)(self._sheets_of)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        stems: dict[str, list[str]] = defaultdict(list)
        for path in dict.fromkeys(paths):
            name = Path(path).name
            self._by_name[name.casefold()].append(path)
            stem = _words(Path(path).stem)
            if len(stem) >= _SHORTEST:
                stems[stem].append(path)
        self._stems = stems
        self._spaced = [name for name in self._by_name if " " in name]

    def with_blanks(self, text: str) -> re.Match[str] | None:
        """Where a text has the name of a document with blanks in it."""
        low = text.casefold()
        for name in self._spaced:
            if name in low and (found := re.search(re.escape(name), text, re.IGNORECASE)):
                return found
        return None

    def documents(self, name: str) -> tuple[str, ...]:
        """The documents whose path is a name, or ends with it, or that a file of it is attached to.

        >>> Names(["/a/old/lease.pdf", "/a/lease.pdf"]).documents("old/lease.pdf")
        ('/a/old/lease.pdf',)
        """
        name = name.split("#")[0].removeprefix("./").replace("%20", " ")
        end = os.sep + name.lstrip("./").casefold()
        same = self._by_name.get(Path(name).name.casefold(), [])
        found = tuple(path for path in same if (os.sep + path.casefold()).endswith(end))
        return found or self.attached(name, name)[1]

    def attached(self, text: str, name: str) -> tuple[str, tuple[str, ...]]:
        """The attachment with which some words end, whose last word is `name`, and its messages.

        >>> names = Names([], attachments=lambda name: {"New Offer.pdf": ["a.eml"]})
        >>> names.attached("See New Offer.pdf", "Offer.pdf")
        ('New Offer.pdf', ('a.eml',))
        >>> names.attached("See Offer.pdf", "Offer.pdf")
        ('Offer.pdf', ())
        """
        low = text.casefold()
        found = self._attachments(name)
        full = [one for one in found if low.endswith(one.casefold())]
        best = max(full, key=len, default="")
        return (best, tuple(found[best])) if best else (name, ())

    def sheet(self, text: str, documents: Iterable[str]) -> str:
        """The sheet that some words name: one of the documents', else as the words have it.

        >>> names = Names(["stock.xlsx"], lambda _: ["Prices", "Prices, 2026"])
        >>> [names.sheet(words, ["stock.xlsx"]) for words in (", Prices, 2026", "Prices!B4")]
        ['Prices, 2026', 'Prices']
        >>> names.sheet("sheet 2, row 4", ["stock.xlsx"]), names.sheet("sheet Costs", [])
        ('Prices, 2026', 'Costs')
        """
        known, by_name = self._known(tuple(documents))
        low = text.casefold()
        size = len(low)
        if len(by_name) < size * size:
            there = [name for name in by_name if name in low]
        else:  # more sheets than pieces of the text
            pieces = {low[start:end] for start in range(size) for end in range(start, size + 1)}
            there = [piece for piece in pieces if piece in by_name]
        for sheet in sorted((by_name[name] for name in there), key=len, reverse=True):
            name = re.escape(sheet)
            ways = (
                rf"{_SHEET_WORD}\s\W?{name}(?!\w)",
                rf"(?<!\w){name}\W?\s(?:(?:work)?sheet|tab)(?!\w)",
                rf"(?<!\w){name}'?!{_CELL}",
                rf"[,;(\[]\s*\W?{name}\W?\s*(?=[,;)\]]|\Z)",
            )
            if re.search("|".join(ways), text, re.IGNORECASE):
                return sheet
        if not (found := _SHEET.search(text)):
            return ""
        name = found[1] or found[2] or found[5]
        if name.isdecimal():  # "sheet 2"
            return known[int(name) - 1] if 0 < int(name) <= len(known) else ""
        return "" if name[0].islower() else name  # "the sheet of prices"

    def _sheets_of(self, documents: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
        """All sheets of some documents, and each by its name in lower case."""
        known = [sheet for document in documents for sheet in self._sheets(document)]
        return known, {sheet.casefold(): sheet for sheet in reversed(known)}

    def placed(self, named: Named, text: str) -> Named:
        """The same with the numbers and the sheet in some words."""
        sheet = self.sheet(text[:_NEAR_SHEET], named.documents)
        unit, number, until = _numbers(text if sheet else text[:_AFTER])
        return replace(named, unit=unit, number=number, until=until, sheet=sheet)

    def titled(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The name in some words, without an ending, and its documents.

        >>> Names(["/a/house-rules.docx"]).titled("House rules, p. 2")
        ('House rules', ('/a/house-rules.docx',))
        """
        title = re.split(r"[,;:]|\s(?:pp?\.|page|line|#)", text)[0].strip(' ."“”*_')
        return title, tuple(self._stems.get(_words(title), ()))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def named(quotation: Quotation, names: Names) -> Named | None:
    """What a draft names as the source of a quotation; None if it names nothing."""
    if quotation.source or quotation.number is not None or quotation.sheet:
        return _explicit(quotation, names)
    citation = quotation.citation
    cited = _CITED.match(citation)
    words = next((one for one in cited.groups() if one), "") if cited else ""
    rest = citation[cited.end() :] if cited else ""
    title, documents = names.titled(words) if words else ("", ())
    if found := _file(words, names):
        return found if _has_place(found) else _at_once(found, rest, names)
    if found := _file(citation, names):
        return found
    bare = bool(words and (_NUMBER.match(words.strip()) or _SHEET.match(words.strip())))
    if found := _file(quotation.before, names, last=True):
        return found if _has_place(found) or not bare else names.placed(found, words)
    if documents:
        found = names.placed(Named(title, documents), words)
        return found if _has_place(found) else _at_once(found, rest, names)
    return names.placed(Named(""), words) if bare else None


def _file(text: str, names: Names, *, last: bool = False) -> Named | None:
    """The first name of a file in some words, or the last, and the place beside it."""
    if found := names.with_blanks(text):
        name, page, line = found[0], None, None
    else:
        files = list(_FILE.finditer(text))
        if not files:
            return None
        found = files[-1 if last else 0]  # of what stands before, the last name is the nearest
        name, page, line = found.groups()
    documents = names.documents(name)
    if not documents:
        name, documents = names.attached(text[: found.end(1)], name)
    if page or line:
        number = page or line or ""
        return Named(name, documents, "page" if page else "line", int(number))
    after = names.placed(Named(name, documents), _NEXT.split(text[found.end() :])[0])
    if not _has_place(after) and (of := _OF.search(text, 0, found.start())):
        # without other files before it
        before = _NEXT.split(_FILE.split(text[: of.start()])[-1])[-1][-_NEAR_SHEET:]
        sheet = names.sheet(before, documents)
        numbers = list(_NUMBER.finditer(before))
        if sheet or (numbers and numbers[-1].end() == len(before)):
            unit, number, until = _numbers(numbers[-1][0] if numbers else "")
            return Named(name, documents, unit, number, sheet, until)
    return after


def _has_place(named: Named) -> bool:
    return named.number is not None or bool(named.sheet)


def _at_once(named: Named, rest: str, names: Names) -> Named:
    """The same with the place that follows its brackets at once: "(lease.pdf), p. 3"."""
    begin = _AT_ONCE.match(rest)
    at = begin.end() if begin else 0
    follows = _NUMBER.match(rest, at) or _SHEET.match(rest, at)
    return names.placed(named, rest[at:]) if follows else named


def _explicit(quotation: Quotation, names: Names) -> Named:
    """The source and place that JSON or HTML names; the source may be "lease.pdf, page 3"."""
    source = quotation.source
    documents = names.documents(source) or names.titled(source)[1]
    found = names.placed(Named(source, documents), source)
    if not documents and (file := _file(source, names)) and file.documents:
        found = file
    if quotation.number is not None:
        number, until = quotation.number, quotation.until
        found = replace(found, unit=quotation.unit, number=number, until=until)
    sheet = quotation.sheet
    if sheet.isdecimal():  # its number, unless it is the name of one
        sheet = names.sheet(f"sheet {sheet}", found.documents) or sheet
    return replace(found, sheet=sheet or found.sheet)


def _numbers(text: str) -> tuple[str, int | None, int | None]:
    """The unit in some words, its number, and the last of several.

    >>> _numbers("p. 3"), _numbers("lines 112-14"), _numbers("Prices!B4:C6")
    (('page', 3, None), ('line', 112, 114), ('row', 4, 6))
    """
    if not (found := _NUMBER.search(text)):
        return "", None, None
    word, first, last, row, last_row = found.groups()
    if row:
        return "row", int(row), range_end(row, last_row and last_row.zfill(len(row)))
    return unit_of(word or "page"), int(first), range_end(first, last)
