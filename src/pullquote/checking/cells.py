"""Rows of tables as their files show them: the cells without the names of their columns.

    only_cells("Item: oak door; Price: 840\n\nItem: pine door; Price: 310")
    #          "      oak door         840␞\n      pine door         310"

Tables are read with the names of their columns (`searching.rows`); people quote "oak door, 840".
Texts keep their length, so that offsets stay. Knows neither documents nor quotes.
"""

from __future__ import annotations

import re
from collections import Counter

# what stands before a cell: "Item: ", "; Price: ", and " Price: " after the end of a sentence
_NAME = re.compile(r"(?:^|; |(?<=[.!?…]) )([^\n;]{1,80}?): ", re.MULTILINE)
_LONGEST = 82  # characters of a name and its colon
_LINE = re.compile(r"[^\n]+")
_FEWEST = 2  # names that a row shares, and rows that share one: else "Note: ..." would be a name
_BETWEEN = re.compile(r"[;|]|(?<!\d),|,(?!\d)")
_BLANKS = str.maketrans(dict.fromkeys(",;|", " "))
_ELSE = "¶"  # stands for a line that is no row, so that the rows around it do not touch
ROW_END = "␞"  # before a row, so that what is quoted in one line does not go on in the next row


def only_cells(text: str) -> str:
    """A text with blanks for all but the cells of its rows, and the ends of rows; "" without rows.

    A row begins with the name of a column, and shares two names or more with other rows.
    """
    found = [(line, _names(text, line)) for line in _LINE.finditer(text)]
    lines = Counter(line[0] for line, _ in found)
    rows = Counter(name for _, names in found for name in {match[1] for match in names})
    pieces: list[str] = []
    at = 0
    some = False
    for line, names in found:
        between = text[at : line.start()]
        at = line.end()
        shared = sum(rows[match[1]] >= _FEWEST for match in names)
        if shared < _FEWEST:
            # a title is read above each row of its table, which it does not part
            sign = _ELSE if lines[line[0]] == 1 else ""
            pieces += [between, sign.ljust(len(line[0]))]
            continue
        pieces.append(between.replace("\n", ROW_END, 1))
        some = True
        # behind a sentence it may be a part of a cell
        names = [one for one in names if one[0][0] != " " or rows[one[1]] >= _FEWEST]
        ends = [*(match.start() for match in names[1:]), line.end()]
        for match, end in zip(names, ends, strict=True):
            pieces += [
                " " * len(match[0]),
                without_separators(text[match.end() : end], inside=False),
            ]
    return "".join([*pieces, text[at:]]) if some else ""


def _names(text: str, line: re.Match[str]) -> list[re.Match[str]]:
    """The names of columns in a line, if it begins with one."""
    start, end = line.span()
    if text.find(": ", start, min(end, start + _LONGEST)) < 0:  # most lines
        return []
    names = list(_NAME.finditer(text, start, end))
    return names if names and names[0].start() == start else []


def without_separators(text: str, *, inside: bool = True) -> str:
    """A text with blanks for the signs that may stand between cells.

    >>> without_separators("oak door,840|x")
    'oak door 840 x'

    Those inside of numbers are left without `inside`: "1,250" may be one cell or two.
    """
    return text.translate(_BLANKS) if inside else _BETWEEN.sub(" ", text)
