"""Rows of tables as text that a reader can quote from: "Item: oak door; Price: 840 crowns".

    rows = table_rows([(1, ["Item", "Price"]), (2, ["oak door", "840 crowns"])])
    for part in row_parts(rows, "Doors"): ...

Knows headers and cells, not the formats that have them: CSV, spreadsheets, tables of Word files, of
web pages and of Markdown.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pullquote.searching.parts import LONGEST_TITLE, Part
from pullquote.types import Mark

SAMPLE = 20
"""How many rows tell whether the first is a header."""

_SENTENCE_ENDS = (".", "!", "?", "…")
_LONGEST_NAME = 80  # characters of the name of a column
_LONGEST_VALUE = 40  # and of a number with its unit, or a date
# "840", "-1,204.50", "€ 12", "12 kg", "15 %", "2019-05-12", "10:30", "12 May 2019", "May 12, 2019"
_VALUE = re.compile(
    r"\W{0,3}\d[\d\s.,'’/:%+-]*[^\w\s]{0,2}(?:[^\W\d]{1,10}\.?)?"
    r"|\d{1,2}\.?\s[^\W\d]{3,}\.?\s\d{4}|[^\W\d]{3,}\.?\s\d{1,2},\s\d{4}"
)
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}|\d{1,2}:\d\d(:\d\d)?|.*[^\W\d]{3}.*\d{4}")
_NAME = re.compile(r"(?:^|; )[^\s:;][^:;\n]{0,79}: ", re.M)  # of a column, in a row as text
_CELL_BEGIN = r"(?:^|(?<=; )|(?<=[.!?…] ))"
_CELL_END = re.compile(r"(?=$|(?:;|(?<=[.!?…])) [^\s:;][^:;\n]{0,79}: )")
_NO_UNIT = re.compile(r"[\d\s.,'’/:+-]")
_YEAR = re.compile(r"(?:1[89]\d\d|20\d\d)(?:[/–-](?:\d\d){1,2})?")  # "2023", "2022/23"
_UNIFORM = 0.9  # the least share of a kind in a column that has a header
_MOST_TITLES = 3  # rows of one cell above a table
LONGEST_REPEATED = 100
"""Characters of a merged cell that is repeated in each of the rows that it spans."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row as text, with its number or its line."""

    number: int
    text: str
    is_title: bool = False
    """The row is a title of those below it: one cell alone, or across the table."""
    is_record: bool = False
    """Its cells have the names of their columns, so that it says by itself what they are."""


class EmptyColumns:
    """The names of the columns in which no row has a cell: they would be in no row's text.

    >>> empty = EmptyColumns(1, ["Item", "Signature"])
    >>> empty.drop(["oak door", ""])
    >>> [row.text for row in empty.rows()]
    ['Signature']
    """

    def __init__(self, number: int, names: Sequence[str]) -> None:
        self._number = number
        self._names = {column: name for column, name in enumerate(names) if name.strip()}

    def drop(self, cells: Sequence[str]) -> None:
        """Forget the columns in which a row has cells."""
        few = len(cells) < len(self._names)  # a short row below a wide header
        for column in range(len(cells)) if few else [*self._names]:
            if column < len(cells) and cells[column].strip():
                self._names.pop(column, None)

    def rows(self) -> Iterator[TableRow]:
        """The names that are left, as a row with the number of the header."""
        if self._names:
            yield TableRow(self._number, row_text((), [*self._names.values()]))


def row_parts(rows: Iterable[TableRow], title: str = "", *, alone: bool = False) -> Iterator[Part]:
    """Yield rows as parts: a record is a passage by itself, below the titles of the table.

    Other rows, such as the pairs of a form ("Name: Ann Lee"), say more together and share passages;
    with `alone`, they do not. A title that is too long to be repeated is a row. The number of a
    title is its own above the first row, and that of the row above others.
    """
    long = title if len(title) > LONGEST_TITLE else ""
    fixed = titles = [TableRow(0, title)] if title and not long else []
    above: list[TableRow] = []  # the titles of the row before
    after_title = False
    for row in rows:
        if long:
            yield Part(f"{long}\n\n", row.number, alone=alone)
            long = ""
        is_title = row.is_title and len(row.text) <= LONGEST_TITLE
        if is_title:
            titles = [*(titles if after_title else fixed), row]
        else:
            apart = alone or row.is_record
            said = titles if apart or titles != above else []
            if titles == above:
                said = [replace(one, number=row.number) for one in said]
            yield _joined([*said, row], alone=apart)
            above = titles
        after_title = is_title
    if after_title:
        yield _joined(titles[len(fixed) :], alone=alone)


def _joined(rows: Sequence[TableRow], *, alone: bool) -> Part:
    """Rows as one part; one with the number 0 stands where the last one does."""
    text, marks = "", list[Mark]()
    for row in rows:
        marks.append(Mark(len(text), row.number or rows[-1].number))
        text += f"{row.text}\n\n"
    others = tuple(
        mark for before, mark in itertools.pairwise(marks) if mark.number != before.number
    )
    return Part(text, marks[0].number, alone=alone, marks=others)


def row_text(header: Sequence[str], cells: Sequence[str]) -> str:
    """A row on one line, each cell after the name of its column; empty cells are left out.

    Of the ways to write a row, models quote from this one best: line breaks or "|" between the
    cells come into quotes. A cell without a name in the header stands alone.

    >>> row_text(["Item", "Stock", "Price"], ["oak door", "", "840 crowns"])
    'Item: oak door; Price: 840 crowns'
    >>> row_text(["Item"], ["It is of oak.", "840 crowns"])
    'Item: It is of oak. 840 crowns'
    """
    pieces: list[str] = []
    for column, cell in enumerate(cells):
        if not cell or not (cell := one_line(cell)):  # most cells of a wide table
            continue
        if pieces:
            pieces.append(" " if pieces[-1].endswith(_SENTENCE_ENDS) else "; ")
        pieces.append(cell_of(header[column] if column < len(header) else "", cell))
    return "".join(pieces)


def within_cell(text: str, start: int, end: int) -> tuple[int, int]:
    """A span of a row as `row_text` writes it, without names of columns and without other cells.

    Models quote across them, and across rows: the first cell counts. A span within a name, or of
    other lines, stays as it is.

    >>> row = "Item: oak door; Stock: 22; Price: 840 crowns"
    >>> start, end = within_cell(row, row.index("Stock"), row.index("; Price"))
    >>> row[start:end]
    '22'
    """
    line = text.rfind("\n", 0, start) + 1
    while line < end:
        close = text.find("\n", line)
        close = close if close >= 0 else len(text)
        names = list(_NAME.finditer(text, line, close))
        ends = [*(name.start() for name in names[1:]), close]
        for name, cell_end in zip(names, ends, strict=True) if len(names) > 1 else ():
            first, last = max(start, name.end()), min(end, cell_end)
            if first < last:
                return first, last
        line = close + 1
    return start, end


def cell_of(name: str, value: str = "") -> str:
    """A cell with the name of its column, as `row_text` writes it; without a value, its beginning.

    >>> cell_of("Price:", "840  crowns"), cell_of("", "840 crowns"), cell_of("Price")
    ('Price: 840 crowns', '840 crowns', 'Price: ')
    """
    name = one_line(name[:_LONGEST_NAME]).rstrip(": ")  # a long one would be in every row
    return f"{name}: {one_line(value)}" if name else one_line(value)


def values_of(text: str, column: str) -> Iterator[str]:
    """What the rows in a text may have in a column, which is as `cell_of` writes it.

    Of a value with "; " it is not known where it ends, unless a name follows: it ends at each.

    >>> list(values_of("Item: oak door; Price: 840 crowns; Note: new", "Price: "))
    ['840 crowns', '840 crowns; Note: new']
    """
    for begin in re.finditer(f"{_CELL_BEGIN}(?={re.escape(column)})", text, re.MULTILINE):
        start = begin.end() + len(column)
        close = text.find("\n", start)
        for end in _CELL_END.finditer(text, start, close if close >= 0 else len(text)):
            yield text[start : end.start()]


def has_header(rows: Sequence[Sequence[str]]) -> bool | None:
    """Whether the first of some rows names the columns; None if nothing tells.

    It does if some column holds numbers or dates below a word. It does not if it holds numbers or
    dates itself (but years may be names), long texts, or what another row has in the same column.
    A form has no header.

    >>> has_header([["item", "price"], ["oak door", "840"]])
    True
    >>> has_header([["oak door", "840"], ["pine door", "310"]])
    False
    """
    first = [cell.strip() for cell in rows[0]]
    body = rows[1 : 1 + SAMPLE]
    named = [column for column, cell in enumerate(first) if cell]
    if not body or (len(named) < 2 and max(map(len, body)) > 1):
        return False
    if is_form(rows):
        return False
    told: bool | None = None
    for column in named:
        name = first[column]
        below = [row[column].strip() for row in body if column < len(row) and row[column].strip()]
        values = sum(map(is_value, below))
        years = sum(_YEAR.fullmatch(cell) is not None for cell in below)
        is_year = _YEAR.fullmatch(name) is not None and 2 * years <= len(below)
        if len(name) > _LONGEST_NAME or name in below or (is_value(name) and not is_year):
            return False
        if below and 2 * values > len(below):
            told = True
    return told


def is_form(rows: Sequence[Sequence[str]]) -> bool:
    """Whether some rows, the first included, are pairs of a name and its value.

    Names differ and are no numbers. They end with colons, or the values below the first row are not
    of one kind: texts, dates, or numbers with a unit. A price list with few rows and a text among
    its prices is taken for a form, too, which costs it the names of two columns. A form with a
    header would have wrong names.

    >>> is_form([["Tenant", "Milo Franke"], ["Landlord", "Rosa Klein"], ["Rent", "930 euros"]])
    True
    >>> is_form([["Item", "Price"], ["oak door", "840 euros"], ["pine door", "310 euros"]])
    False
    """
    if max(map(_width, rows)) != 2:
        return False
    pairs = [[cell.strip() for cell in row[:2]] for row in rows if _width(row) == 2]
    names = [name for name, _ in pairs if name]
    if len(names) < 2 or len(set(names)) < len(names) or max(map(len, names)) > _LONGEST_NAME:
        return False
    if any(map(is_value, names)):
        return False
    # a dash or a question mark in place of a value is of any kind
    kinds = Counter(_kind(value) for _, value in pairs[1:] if any(map(str.isalnum, value)))
    mixed = bool(kinds) and max(kinds.values()) < _UNIFORM * kinds.total()
    return mixed or all(name.endswith(":") for name in names)


def _kind(cell: str) -> str:
    """What the cells of a column have in common: "date", "text", or the beginning of a unit.

    >>> [_kind(cell) for cell in ("12 May 2019", "oak", "€ 840", "1 crown", "80 crowns", "7")]
    ['date', 'text', '€', 'cr', 'cr', '']
    """
    if not is_value(cell):
        return "text"
    return "date" if _DATE.fullmatch(cell) else _NO_UNIT.sub("", cell)[:2].casefold()


def is_value(cell: str) -> bool:
    """Whether a cell is a number, with a unit or not, or a date."""
    return len(cell) <= _LONGEST_VALUE and _VALUE.fullmatch(cell) is not None


def table_rows(
    rows: Iterable[tuple[int, Sequence[str]]], *, header: bool = False, likely: bool = False
) -> Iterator[TableRow]:
    """Yield the rows of a table, each with its number, as text.

    An empty row ends a table; one cell alone above a table is its title. With `header`, the first
    row is known to name the columns. Otherwise `has_header` tells, and where nothing does: three
    columns or more have a header, and two, too, if it is `likely`; else the first of two names what
    is in the second. Names of columns without cells, as in a list to be filled in, are a row below.

    >>> rows = table_rows([(1, ["Item", "Price"]), (2, ["oak door", "840 crowns"])])
    >>> [row.text for row in rows]
    ['Item: oak door; Price: 840 crowns']
    >>> rows = table_rows([(1, ["Name", "Ann Lee"]), (2, ["Place", "Aldwater"])])
    >>> [row.text for row in rows]
    ['Name: Ann Lee', 'Place: Aldwater']
    """
    names: Sequence[str] = ()
    empty: EmptyColumns | None = None
    single: list[TableRow] = []  # rows of one cell, until it is clear whether they are titles
    titles = True
    for is_gap, table in itertools.groupby(rows, key=_is_empty):
        if is_gap:
            continue
        while (first := next(table, None)) and not header and _filled(first[1]) == 1:
            single.append(TableRow(first[0], row_text((), first[1]), is_title=True))
            if len(single) > _MOST_TITLES:  # a list
                titles = False
                yield replace(single.pop(0), is_title=False)
        if first is None:
            continue
        yield from (replace(row, is_title=titles) for row in single)
        single, titles = [], True
        head = [first, *itertools.islice(table, SAMPLE)]
        width = max(_width(cells) for _, cells in head)
        told = header or has_header([cells for _, cells in head])
        goes_on = _width(names) == width and not told  # below an empty row
        if told or (told is None and not goes_on and (likely or width > 2)):
            yield from empty.rows() if empty else ()
            number, names = head.pop(0)
            empty = EmptyColumns(number, names)
        elif not goes_on:
            yield from empty.rows() if empty else ()
            names, empty = (), None
        header = False
        for number, cells in itertools.chain(head, table):
            if empty:
                empty.drop(cells)
            if not names and width == 2 and len(cells[0]) <= _LONGEST_NAME and _width(cells) == 2:
                yield TableRow(number, row_text(cells[:1], cells[1:]))
            else:
                yield TableRow(number, row_text(names, cells), is_record=bool(names))
    yield from empty.rows() if empty else ()
    yield from (replace(row, is_title=False) for row in single)


def _is_empty(row: tuple[int, Sequence[str]]) -> bool:
    return _filled(row[1]) == 0


def _width(cells: Sequence[str]) -> int:
    """How many columns a row has, without empty ones at its end."""
    return max((column for column, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _filled(cells: Sequence[str]) -> int:
    """How many cells are not empty."""
    return sum(bool(cell.strip()) for cell in cells)


def one_line(text: str) -> str:
    """A text with single blanks in place of all its whitespace."""
    return " ".join(text.split())
