"""Tables whose rows are passages: CSV, JSON Lines, JSON lists, Parquet.

    {"text": "Henry Winstanley built the first.", "title": "Lights"}
    {"item": "oak door", "price": 840}          # "item: oak door; price: 840"

A row's text is in the column `text`, or in one of the others in `TEXT`; a `title`, if there is one,
is put before it, and the other columns are fields to filter by. Of a table without such a column
all cells are read, each with the name of its column. Numbers are lines of the file, or rows in
formats without lines. Rows are read by `data.tables`; a row without text is a `Skipped`, and the
others are read.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from numbers import Real
from typing import BinaryIO, cast

from pullquote.data.tables import (
    BadRow,
    Row,
    column_names,
    is_missing,
    named,
    read_cells,
    read_rows,
)
from pullquote.errors import DataError, DocumentError
from pullquote.searching.parts import Note, Part, Skipped, guessed
from pullquote.searching.rows import cell_of, one_line, row_parts, row_text, table_rows
from pullquote.text import Encoding, without_surrogates

TEXT = ("text", "passage", "context", "content", "contents", "body")
"""Names of columns with the text of a row; the first that a row has is used."""

_MOST_NUMBERS = 20  # in a list that is read
_DEEPEST = 20  # objects and lists in one another
_LONGEST_NAME = 80  # characters of the names of all objects around a value
_LONGEST_FIELD = 200  # characters of a value beside a text; a longer one is a text, too
_FIELDS = 1200  # bytes of names and values beside a text, as many as a passage has


def reader(kind: str) -> Callable[[BinaryIO], Iterator[Part | Note]]:
    """A function that yields a passage for each row of a "csv", "tsv", "jsonl", ... file."""
    return functools.partial(_read, kind)


def _read(kind: str, file: BinaryIO) -> Iterator[Part | Note]:
    encodings: list[Encoding] = []
    first: Skipped | None = None
    used = False
    try:
        if kind in ("csv", "tsv"):
            rows = read_cells(file, kind, tell=encodings.append)
            parts = _of_cells(rows)
        else:
            rows = read_rows(file, kind, tell=encodings.append)
            parts = _of_values(rows)
        for part in parts:
            if encodings:
                yield from guessed(encodings.pop())
            if isinstance(part, Skipped):
                first = first or part
            used = used or isinstance(part, Part)
            yield part
    except DataError as error:
        raise DocumentError(str(error)) from None
    if first and not used:
        raise DocumentError(f"none of its rows can be read; the first: {first}")


def _of_cells(rows: Iterator[Row | BadRow]) -> Iterator[Part | Skipped]:
    """The rows of a CSV file: texts with titles, or all of their cells."""
    skipped: list[Skipped] = []
    head = next(rows, None)
    while isinstance(head, BadRow):
        yield Skipped(head.where, head.reason)
        head = next(rows, None)
    if head is None:
        raise DataError("empty; expected a first line with the names of the columns")
    again = itertools.chain([head], rows)
    if not set(TEXT).isdisjoint(column_names(cast("list[str]", head.value))):
        values = named(again)
        if (first := next(values, None)) is None:
            names = ", ".join(cast("list[str]", head.value))
            raise DataError(f"a header ({names[:_LONGEST_NAME]}), and no rows")
        yield from _of_values(itertools.chain([first], values))
        return
    for part in row_parts(table_rows(_even(again, skipped), likely=True), alone=True):
        yield replace(part, text=without_surrogates(part.text))
        yield from skipped
        skipped.clear()
    yield from skipped


def _even(rows: Iterable[Row | BadRow], skipped: list[Skipped]) -> Iterator[tuple[int, list[str]]]:
    """The cells of rows; those with more than the first row of several are skipped."""
    most = 0
    for row in rows:
        if isinstance(row, BadRow):
            skipped.append(Skipped(row.where, row.reason))
            continue
        cells = cast("list[str]", row.value)
        size = max(column for column, cell in enumerate(cells, 1) if cell.strip())
        if most and size > most:
            skipped.append(Skipped(row.where, f"found {size:,} cells, expected {most:,}"))
            continue
        most = most or (len(cells) if size > 1 else 0)
        yield row.number, cells


def _of_values(rows: Iterator[Row | BadRow]) -> Iterator[Part | Skipped]:
    """The rows of other tables, which need not have the same names."""
    for row in rows:
        try:
            if isinstance(row, BadRow):
                raise DataError(row.reason)
            yield _part(row.value, row.number)
        except DataError as error:
            yield Skipped(row.where, str(error))


def _part(row: object, number: int) -> Part:
    if isinstance(row, str):
        row = {"text": row}
    if not isinstance(row, Mapping):
        raise DataError(f"found {type(row).__name__}, expected an object")
    found = [name for name in TEXT if row.get(name) not in (None, "")]
    if not found and (empty := [name for name in TEXT if name in row]):
        raise DataError(f"{empty[0]} is empty")
    if not found:
        cells = list(_flat(row))
        text = row_text([name for name, _ in cells], [_cell(value) for _, value in cells])
        if not text:
            raise DataError(f"no text, only {', '.join(map(str, row))[:80] or 'nothing'}")
        return Part(f"{without_surrogates(text)}\n\n", number, alone=True)
    # a table may have a `text` column that is blank in rows with a `body`
    full = (name for name in found if isinstance(row[name], str) and row[name].strip())
    name = next(full, found[0])
    text, title = row[name], row.get("title")
    if not isinstance(text, str):
        raise DataError(f"{name} is {type(text).__name__}, expected text")
    if not text.strip():
        raise DataError(f"{name} is blank")
    if isinstance(title, str) and title.strip():
        text = f"{title.strip()}\n\n{text}"
    beside = {other: value for other, value in row.items() if other != name}
    return Part(f"{without_surrogates(text)}\n\n", number, alone=True, fields=_fields(beside))


def _fields(beside: Mapping[str, object]) -> tuple[tuple[str, str | float | bool], ...]:
    """What stands beside a text, as far as it is short: the index holds it for each passage.

    >>> _fields({"author": "Ann", "to": {"city": "Oslo"}, "year": 2024, "summary": "..." * 100})
    (('author', 'Ann'), ('to city', 'Oslo'), ('year', 2024))
    """
    fields: dict[str, str | float | bool] = {}
    left = _FIELDS
    for key, inner in beside.items():
        with contextlib.suppress(DataError):  # too deep; the text is read nevertheless
            for name, value in _flat(inner, str(key)[:_LONGEST_NAME]):
                name = without_surrogates(cell_of(name)[:-2])  # without ": "
                cell = one_line(without_surrogates(_cell(value)))
                size = len(f"{name}{cell}".encode())
                if name and 0 < len(cell) <= _LONGEST_FIELD and size <= left:
                    number = isinstance(value, (int, float)) and math.isfinite(value)
                    fields[name] = cast("float", value) if number else cell
                    left -= size
    return tuple(fields.items())


def _flat(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """The values in a value with their names: "address city" for {"address": {"city": ...}}.

    Bytes and long lists of numbers, such as vectors, are no text.

    >>> list(_flat({"door": {"wood": "oak", "sizes": [80, 90]}, "bought": 1896}))
    [('door wood', 'oak'), ('door sizes', '80, 90'), ('bought', 1896)]
    """
    if depth > _DEEPEST:
        raise DataError(f"more than {_DEEPEST} objects in objects")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name} {key}"[:_LONGEST_NAME].strip(), depth + 1)
    elif isinstance(value, (list, tuple)):
        simple = [item for item in value if not isinstance(item, (Mapping, list, tuple))]
        numbers = all(isinstance(item, Real) for item in simple)
        if simple and not (numbers and len(simple) > _MOST_NUMBERS):
            yield name, ", ".join(filter(None, map(_cell, simple)))
        for item in value:
            if isinstance(item, (Mapping, list, tuple)):
                yield from _flat(item, name, depth + 1)
    else:
        yield name, value


def _cell(value: object) -> str:
    if value is None or is_missing(value) or isinstance(value, (bytes, bytearray)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
