"""Text files, in bounded memory: characters to paragraphs.

    with open("notes.txt", "rb") as file:
        for part in read_text(file): ...

Knows empty lines and headings, no other markup.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import BinaryIO

from pullquote import text
from pullquote.errors import DocumentError, TextError
from pullquote.searching.parts import Note, Part, guessed
from pullquote.text import Encoding
from pullquote.types import line_breaks

_LONGEST = 1 << 15  # characters of a paragraph that are held at once

# \r(?!\n): the halves of one \r\n are not two line ends
_EMPTY_LINE = re.compile(r"(?:\r\n|\n|\r(?!\n))[^\S\r\n]*(?:\r\n|\n|\r)\s*")
# "# Heading", or a line that is underlined, without the whitespace around it
_HEADING = re.compile(r"#{1,6}(?:\s[^\r\n]*)?|[^\r\n]+(?:\r\n|\n|\r)(?:=+|-+|~+|\^+)")


def read_text(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs of a text file, separated by empty lines; headings are `open`."""
    with _explained():
        encoding = text.find_encoding(file)
    yield from guessed(encoding)
    line, held = 1, ""
    for block in characters(file, encoding):
        held += block
        begin = 0
        # An empty line at the end may continue in the next block, and is left until then.
        for gap in _EMPTY_LINE.finditer(held):
            if gap.end() == len(held):
                break
            paragraph = held[begin : gap.end()]
            yield Part(paragraph, line, open=_HEADING.fullmatch(paragraph.strip()) is not None)
            line += line_breaks(paragraph, 0, len(paragraph))
            begin = gap.end()
        held = held[begin:]
        while len(held) > _LONGEST:
            cut = max(held.rfind("\n", 0, _LONGEST), held.rfind(" ", 0, _LONGEST)) + 1
            cut = cut or _LONGEST - held[:_LONGEST].endswith("\r")  # never inside a \r\n
            yield Part(held[:cut], line, open=True)
            line += line_breaks(held, 0, cut)
            held = held[cut:]
    if held:
        yield Part(held, line)


def characters(file: BinaryIO, encoding: Encoding | None = None) -> Iterator[str]:
    """Yield the text of a file in blocks, line ends as they are.

    Raises `DocumentError` for a binary file and for an encoding that is not recognised.
    """
    with _explained():
        yield from text.characters(file, encoding)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except TextError as error:
        raise DocumentError(str(error)) from None
