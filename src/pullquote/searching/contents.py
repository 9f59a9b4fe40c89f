"""Finds tables of contents and indexes by their lines: titles with growing page numbers.

    listed(["1 Rent ........ 3", "2 Notice ...... 4", ...])     # [True, True, ...]

They repeat the words of headings, and nothing in them answers a question. Knows lines of text. A
price list has dots before its numbers, too; but those of contents are whole and never fall.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_FEWEST = 4  # lines of a table of contents
_APART = 3  # lines between two of them: a long title, or the title of a chapter, without dots
_FEWEST_IN_INDEX = 10

_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_NUMBER_AT_END = re.compile(r"(?<![\w.,:$€£#-])(?:\d{1,4}|[ivxlc]{1,8})\Z")
_ROMAN_AT_END = tuple("ivxlc")
_LEADERS = " .·…_\t\xa0"
_DOTS = "..", ". .", "…", "··", "· ·", "__"
_LONGEST_HEADING = 100
_LETTER = re.compile(r"[^\W\d_]")
_HEADING = re.compile(
    r"[\W\d]*(?:(?:brief |short |table of )?contents|summary of contents|"
    r"inhalt(?:sverzeichnis|sübersicht)?|table des matières|sommaire|índice(?: general)?|"
    r"indice|sommario|inhoud(?:sopgave)?|innehåll(?:sförteckning)?|indhold(?:sfortegnelse)?|"
    r"innhold(?:sfortegnelse)?|spis treści|obsah|sumário)\W*",
    re.IGNORECASE,
)
_INDEX = re.compile(
    r"(?:[\w-]+ ){0,2}(?:index|register|stichwortverzeichnis|sachregister|índice alfabético)\W*",
    re.IGNORECASE,
)
_PAGES_AT_END = re.compile(r"[,\s]\d{1,4}(?:[-–]\d{1,4})?,?\Z")  # the last of them


def listed(lines: Sequence[str]) -> list[bool]:
    """Whether each line is part of a table of contents or of an index.

    >>> lines = ["Soup ... 1", "Bread ... 2", "Fish ... 3", "Cake ... 4", "We cook."]
    >>> listed(lines)
    [True, True, True, True, False]
    """
    found = [False] * len(lines)
    for begin, end in (*_contents(lines), *_indexes(lines)):
        found[begin:end] = [True] * (end - begin)
    return found


def may_be_listed(paragraph: str) -> bool:
    """Whether a paragraph looks like part of a table of contents: its heading, or dotted lines."""
    if any(dots in paragraph for dots in _DOTS):
        return any(_number(line, dotted=True) is not None for line in paragraph.splitlines())
    first = paragraph[:_LONGEST_HEADING].strip().partition("\n")[0].strip()
    return _HEADING.fullmatch(first) is not None


def _number(line: str, *, dotted: bool) -> int | None:
    """The page that a line ends with; None if there is none, or no title or no dots before it."""
    line = line.strip()
    if not line or not (line[-1].isdecimal() or line.endswith(_ROMAN_AT_END)):
        return None  # as most lines; the search takes five times as long
    match = _NUMBER_AT_END.search(line, max(len(line) - 9, 0))
    if not match or not match.start():
        return None
    before = line[: match.start()]
    title = before.rstrip(_LEADERS)
    dots = sum(before[len(title) :].count(sign) for sign in ".·_") + 3 * before.count("…")
    if not _LETTER.search(title) or (dotted and dots < 3):
        return None
    page = match[0]
    # those in Roman digits come before all others
    return number_of(page) - (0 if page.isdigit() else 10_000)


def number_of(page: str) -> int:
    """The value of a page's number in Arabic or Roman digits."""
    if page.isdigit():
        return int(page)
    # "ı" and "İ" of Turkish match "i", and are none of its digits
    values = [_ROMAN.get(digit.lower(), 0) for digit in page]
    after = [*values[1:], 0]
    return sum(-one if one < other else one for one, other in zip(values, after, strict=True))


def _contents(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where tables of contents begin and end."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        heading = _HEADING.fullmatch(lines[at].strip()) is not None
        if not heading and _number(lines[at], dotted=True) is None:
            at += 1
            continue
        begin = at
        last, count, value = at, 0, -20_000
        for place in range(at + heading, len(lines)):
            if place - last > _APART:
                break
            number = _number(lines[place], dotted=not heading)
            if number is None:
                continue
            if number < value:
                if _number(lines[place], dotted=True) is not None:
                    break
                continue  # a title that ends with a number
            last, count, value = place, count + 1, number
        if count >= _FEWEST:
            found.append((begin, last + 1))
        at = max(last, begin) + 1
    return found


def _indexes(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where indexes begin and end: behind their heading, most lines end with pages."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        if not _INDEX.fullmatch(lines[at].strip()):
            at += 1
            continue
        begin, last, count = at, at, 0
        for place in range(at + 1, len(lines)):
            if place - last > _APART:
                break
            if _PAGES_AT_END.search(lines[place].rstrip()):
                last, count = place, count + 1
        if count >= _FEWEST_IN_INDEX and 2 * count >= last - begin:
            found.append((begin, last + 1))
        at = last + 1
    return found
