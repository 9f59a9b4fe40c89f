"""Writes rows as a workbook of Excel, by XlsxWriter, with a few rows in memory.

    write("answers.xlsx", rows, ("id", "answer", "score", "error"))

Texts are written as texts, whatever they begin with: "=1+1" is no formula, and no address a link.
One that is longer than a cell may be is cut, and ends with "…".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pullquote.errors import MissingExtraError, OutputError

Shade: TypeAlias = Callable[[Mapping[str, Any], str], str]
"""`shade(row, column)` is "low", "none" or "" for the colour of a cell."""

LONGEST = 32_767
"""UTF-16 units of a cell, at most, in Excel."""
_ROWS, _COLUMNS = 1_048_576, 16_384
_COLOURS = {"low": {"bg_color": "#fff2b3"}, "none": {"font_color": "#8c8c8c", "italic": True}}


def unshaded(_row: Mapping[str, Any], _column: str) -> str:
    """A `Shade` without colours."""
    return ""


def xlsxwriter() -> Any:
    """The library. Raises `MissingExtraError` where it is not installed."""
    try:
        import xlsxwriter as module
    except ImportError as error:
        raise MissingExtraError("XlsxWriter", "fill") from error
    return module


def write(
    path: Path, rows: Iterable[Mapping[str, Any]], names: Sequence[str], shade: Shade = unshaded
) -> None:
    """Write a sheet with a header. Raises `OutputError` for more rows or columns than Excel has."""
    if len(names) > _COLUMNS:
        raise OutputError(
            f"{len(names):,} columns; a workbook has at most {_COLUMNS:,}: write CSV or Parquet"
        )
    module = xlsxwriter()
    book = module.Workbook(path, {"constant_memory": True})
    try:
        sheet = book.add_worksheet()
        formats = {name: book.add_format(colour) for name, colour in _COLOURS.items()}
        bold = book.add_format({"bold": True})
        for column, name in enumerate(names):
            sheet.write_string(0, column, cut(name), bold)
        sheet.freeze_panes(1, 1)
        for number, row in enumerate(rows, 1):
            if number >= _ROWS:
                raise OutputError(
                    f"more than {_ROWS - 1:,} rows, which no workbook has: write CSV or Parquet"
                )
            for column, name in enumerate(names):
                value, form = row.get(name), formats.get(shade(row, name))
                if isinstance(value, (int, float)):
                    sheet.write_number(number, column, value, form)
                elif value is not None and value != "":
                    sheet.write_string(number, column, cut(str(value)), form)
    finally:
        try:
            book.close()
        except module.exceptions.FileCreateError as error:
            raise OutputError(f"{path}: cannot be written ({error})") from None


def cut(text: str) -> str:
    """A text as a cell can hold it.

    >>> cut("é" * 40_000)[-3:], len(cut("é" * 40_000))
    ('éé…', 32767)
    """
    encoded = text.encode("utf-16-le", "replace")
    if len(encoded) <= 2 * LONGEST:
        return encoded.decode("utf-16-le")
    return encoded[: 2 * (LONGEST - 1)].decode("utf-16-le", "ignore") + "…"
