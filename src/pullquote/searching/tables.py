"""Tables whose rows are passages: CSV, JSON Lines, JSON lists, Parquet.

    {"text": "Henry Winstanley built the first.", "title": "Lights"}

A row's text is in the column `text`, or in one of the others in `TEXT`; a `title`, if there is one,
is put before it. Numbers are lines of the file, or rows in formats without lines. Rows are read by
`data.tables`; a row without text is a `Skipped`, and the others are read.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from pullquote.data.tables import BadRow, Row, read_rows
from pullquote.errors import DataError, DocumentError
from pullquote.searching.parts import Note, Part, Skipped, guessed
from pullquote.text import Encoding

TEXT = ("text", "passage", "context", "content", "contents", "body")
"""Names of columns with the text of a row; the first that a row has is used."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def reader(kind: str) -> Callable[[BinaryIO], Iterator[Part | Note]]:
    """A function that yields a passage for each row of a "csv", "tsv", "jsonl", ... file."""
    return functools.partial(_read, kind)


def _read(kind: str, file: BinaryIO) -> Iterator[Part | Note]:
    encodings: list[Encoding] = []
    first: Skipped | None = None
    used = False
    try:
        for row in read_rows(file, kind, tell=encodings.append):
            if encodings:
                yield from guessed(encodings.pop())
            if not used and not first:
                _check_columns(row, kind)
            try:
                if isinstance(row, BadRow):
                    raise DataError(row.reason)
                part = _part(row.value, row.number)
            except DataError as error:
                skipped = Skipped(row.where, str(error))
                first = first or skipped
                yield skipped
                continue
            used = True
            yield part
    except DataError as error:
        raise DocumentError(str(error)) from None
    if first and not used:
        raise DocumentError(f"none of its rows can be read; the first: {first}")


def _check_columns(row: Row | BadRow, kind: str) -> None:
    """Raise `DocumentError` if a file with columns has none with texts."""
    if kind in ("jsonl", "json") or not isinstance(row, Row) or not isinstance(row.value, Mapping):
        return
    if not set(TEXT).intersection(row.value):
        raise DocumentError(
            f"no column with texts among {', '.join(map(str, row.value))[:80]}; expected one of "
            f"{', '.join(TEXT)}"
        )


def _part(row: object, number: int) -> Part:
    if isinstance(row, str):
        row = {"text": row}
    if not isinstance(row, Mapping):
        raise DataError(f"found {type(row).__name__}, expected an object")
    found = [name for name in TEXT if row.get(name) not in (None, "")]
    if not found and (empty := [name for name in TEXT if name in row]):
        raise DataError(f"{empty[0]} is empty")
    if not found:
        raise DataError(
            f"no text, only {', '.join(map(str, row))[:80] or 'nothing'}; "
            f"expected one of {', '.join(TEXT)}"
        )
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
    # JSON may have lone surrogates, which an index cannot store; replaced one by one: offsets stay
    text = _LONE_SURROGATE.sub("\ufffd", text)
    return Part(f"{text}\n\n", number, alone=True)
