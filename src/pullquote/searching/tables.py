"""JSON Lines and CSV files whose rows are passages. Knows rows, not what their texts say.

    {"text": "Henry Winstanley built the first.", "title": "Lights"}

A row's text is under `text`, or one of the other names below; a `title`, if there is one, is put
before it. Numbers are lines of the file.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from pullquote.errors import DocumentError
from pullquote.searching.parts import Part
from pullquote.searching.text import lines

TEXT = ("text", "passage", "context", "content", "contents", "body")
"""Where the text of a row stands: the first of these that it has."""


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read_jsonl(file: BinaryIO) -> Iterator[Part]:
    """Yield a passage for each line, an object with a text, or a text alone."""
    for number, line in enumerate(lines(file), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DocumentError(f"line {number}: not JSON ({error})") from None
        except RecursionError:
            raise DocumentError(f"line {number}: JSON nested too deep") from None
        yield from _part({"text": row} if isinstance(row, str) else row, number)


def read_csv(file: BinaryIO) -> Iterator[Part]:
    """Yield a passage for each row; the first line names the columns."""
    rows = csv.reader(lines(file))
    try:
        header = [name.strip() for name in next(rows, [])]
        if not set(header) & set(TEXT):
            raise DocumentError(
                f"no column with texts among {', '.join(header)[:80] or 'none'}; expected one of "
                f"{', '.join(TEXT)}"
            )
        number = rows.line_num + 1
        for cells in rows:
            if cells:
                yield from _part(dict(zip(header, cells, strict=False)), number)
            number = rows.line_num + 1
    except csv.Error as error:
        raise DocumentError(f"not CSV: {error} at line {rows.line_num}") from None


def _part(row: object, number: int) -> Iterator[Part]:
    if not isinstance(row, Mapping):
        raise DocumentError(f"line {number}: found {type(row).__name__}, expected an object")
    name = next((name for name in TEXT if row.get(name) is not None), None)
    if name is None:
        raise DocumentError(
            f"line {number}: no text, only {', '.join(map(str, row))[:80] or 'nothing'}; "
            f"expected one of {', '.join(TEXT)}"
        )
    text, title = row[name], row.get("title")
    if not isinstance(text, str):
        raise DocumentError(f"line {number}: {name} is {type(text).__name__}, expected text")
    if isinstance(title, str) and title.strip():
        text = f"{title.strip()}\n\n{text}"
    # JSON may hold halves of UTF-16 pairs, which no index can; one for one, so that offsets stay
    text = _LONE_SURROGATE.sub("\ufffd", text)
    if text.strip():
        yield Part(f"{text}\n\n", number, alone=True)
