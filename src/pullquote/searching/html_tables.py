"""Tables of web pages as rows of text: "Item: oak door; Price: 840 crowns".

    if is_table(element):
        for part in row_parts(page_rows(etree, element), caption(element)): ...

Knows a table as lxml parses it. Many pages use tables for their layout: such a table has another in
it, or headings or lists in its cells. It is none here, and is read as the rest of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pullquote.searching.rows import (
    LONGEST_REPEATED,
    SAMPLE,
    EmptyColumns,
    TableRow,
    has_header,
    is_form,
    one_line,
    row_text,
)

_ROWS = 2  # fewest in a table that is not for the layout
_COLUMNS = 50  # up to which cells may span rows or columns
_LONGEST_NAME = 80  # characters of a column's name
_HEADER_ROWS = 3


def tags(*names: str) -> frozenset[str]:
    """A set of the names of elements."""
    return frozenset(" ".join(names).split())


_LAYOUT = tags("article form h1 h2 h3 h4 h5 h6 iframe ol pre section textarea ul")
_LEFT_OUT = tags("button noscript script select style svg template textarea")
_BREAKS = tags("address br dd div dl dt hr li p td th")


@dataclass(slots=True)
class _Cell:
    text: str
    is_name: bool
    columns: int
    rows: int


def is_table(element: Any) -> bool:
    """Whether a `<table>` holds rows of cells, rather than the layout of a page."""
    if element.get("role") in ("none", "presentation"):
        return False
    rows = cells = wide = names = 0
    layout = False
    for part in element.iter():
        tag = part.tag
        if tag == "table" and part is not element:
            return False
        if tag == "tr":
            rows += 1
            cells = 0
        elif tag in ("td", "th"):
            cells += 1
            wide += cells == 2
            names += tag == "th"
            if _span(part, "colspan") > _COLUMNS or (cells > _COLUMNS and _spans(part)):
                return False
        layout = layout or tag in _LAYOUT
    return rows >= _ROWS and 2 * wide > rows and (names > 1 or not layout)


def caption(table: Any) -> str:
    """The caption of a table; "" if it has none."""
    return " ".join(one_line("".join(one.itertext())) for one in table.iterchildren("caption"))


def page_rows(etree: Any, table: Any) -> Iterator[TableRow]:
    """Yield the rows of a table; those that name the columns are part of each row below them."""
    rows = list(_rows(etree, table))
    names: list[str] = []
    count = 0  # of rows that name the columns
    spanned = True  # whether a cell of the row above spans several columns or rows
    for _, head, cells in rows[:_HEADER_ROWS]:
        if not (head or (spanned and _are_names(cells))):
            break
        if any(len(cell.text) > _LONGEST_NAME for cell in cells):
            break
        spanned = any(cell.columns > 1 or cell.rows > 1 for cell in cells)
        count += 1
    grid = list(_grid([cells for _, _, cells in rows], count))
    if count in (0, len(rows)):
        count = int(has_header(grid[: SAMPLE + 1]) is True)
    form = not count and is_form(grid[: SAMPLE + 1])
    for header in grid[:count]:
        names += [""] * (len(header) - len(names))
        for column, name in enumerate(header):
            if name not in names[column].split(" – "):
                names[column] = f"{names[column]} – {name}" if names[column] else name
    empty = EmptyColumns(rows[0][0] if rows else 1, names)
    for (line, _, cells), texts in zip(rows[count:], grid[count:], strict=True):
        said = [text for text in texts if text]
        if not said:
            continue
        empty.drop(texts)
        is_pair = len(cells) == len(said) == 2 and not names
        if len(cells) == len(said) == 1 and 1 < cells[0].columns >= len(names):
            yield TableRow(line, row_text((), said), is_title=True)
        elif is_pair and (form or cells[0].is_name or said[0].endswith(":")):
            yield TableRow(line, row_text(said[:1], said[1:]))
        else:
            yield TableRow(line, row_text(names, texts), is_record=bool(names))
    yield from empty.rows()


def _are_names(cells: Sequence[_Cell]) -> bool:
    named = [cell.is_name for cell in cells if cell.text]
    return all(named) and (len(named) > 1 or not cells[0].text)


def _rows(etree: Any, table: Any) -> Iterator[tuple[int, bool, list[_Cell]]]:
    """The rows that have cells: their lines, whether they are in `<thead>`, and their cells."""
    cells: list[_Cell] = []
    pieces: list[str] = []
    line = table.sourceline or 1
    walk = etree.iterwalk(table, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if event == "start" and tag in _LEFT_OUT:
            walk.skip_subtree()
            continue
        if tag in _BREAKS:
            pieces.append(" ")
        if event == "start":
            if tag == "tr":
                cells, line = [], element.sourceline or line
            elif tag in ("td", "th"):
                pieces = []
            pieces.append(element.text or "")
            continue
        if tag in ("td", "th"):
            text = one_line("".join(pieces))
            spans = _span(element, "colspan"), _span(element, "rowspan")
            cells.append(_Cell(text, tag == "th" or _is_bold(element), *spans))
        elif tag == "tr" and cells:
            yield line, element.getparent().tag == "thead", cells
        pieces.append(element.tail or "")


def _grid(rows: list[list[_Cell]], header: int) -> Iterator[list[str]]:
    """The texts of rows by columns, where cells span several of them."""
    below: dict[int, tuple[int, str]] = {}  # columns that cells above span: up to which row
    for number, cells in enumerate(rows):
        texts: list[str] = []
        repeated = 0
        for cell in [*cells, None]:
            while (above := below.get(len(texts))) and number <= above[0]:
                repeated += 1  # no more often than the row has cells: the cost stays linear
                texts.append(above[1] if repeated <= len(cells) else "")
            if cell is None:
                break
            for span in range(cell.columns):
                text = cell.text if span == 0 or number < header else ""
                if cell.rows > 1:
                    again = text if len(text) <= LONGEST_REPEATED else ""
                    below[len(texts)] = number + cell.rows - 1, again
                texts.append(text)
        yield texts


def _is_bold(cell: Any) -> bool:
    if len(cell) != 1 or cell[0].tag not in ("b", "strong"):
        return False
    return not (cell.text or "").strip() and not (cell[0].tail or "").strip()


def _spans(cell: Any) -> bool:
    return _span(cell, "colspan") > 1 or _span(cell, "rowspan") > 1


def _span(cell: Any, name: str) -> int:
    """How many columns or rows a cell spans."""
    given = cell.get(name, "1").strip()
    if not given.isdecimal() or len(given) > 5:
        return 1
    return int(given) or (1 if name == "colspan" else 65_534)  # 0: all rows below
