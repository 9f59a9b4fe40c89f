"""Text files, in bounded memory: bytes to characters in any encoding, characters to paragraphs.

    with open("notes.txt", "rb") as file:
        for part in read_text(file): ...

Knows lines and encodings, not what the lines mean. UTF-8 and what a byte order mark names need
nothing else; another encoding is guessed by charset-normalizer (extra `files`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from pullquote.errors import DocumentError, MissingExtraError
from pullquote.searching.parts import Part
from pullquote.types import line_breaks

_BLOCK = 1 << 16  # bytes read at once
_SAMPLE = 1 << 15  # bytes from which an encoding is guessed
_LONGEST = 1 << 15  # characters of a paragraph that are held at once
_LONGEST_LINE = 1 << 25

_MARKS = (  # UTF-32 first: its mark begins as that of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_EMPTY_LINE = re.compile(r"(?:\r\n|\n|\r)[^\S\r\n]*(?:\r\n|\n|\r)\s*")
# "# Heading", or a line that is underlined; it belongs to what follows
_HEADING = re.compile(r"\s*(?:#{1,6}\s[^\r\n]*|[^\r\n]+(?:\r\n|\n|\r)(?:=+|-+|~+|\^+))\s*\Z")


def read_text(file: BinaryIO) -> Iterator[Part]:
    """Yield the paragraphs of a text file, which empty lines part; headings are `open`."""
    line, held = 1, ""
    for block in characters(file):
        held += block
        begin = 0
        # An empty line at the very end may go on in the next block, and is left for then.
        for gap in _EMPTY_LINE.finditer(held):
            if gap.end() == len(held):
                break
            paragraph = held[begin : gap.end()]
            yield Part(paragraph, line, open=_HEADING.match(paragraph) is not None)
            line += line_breaks(paragraph, 0, len(paragraph))
            begin = gap.end()
        held = held[begin:]
        while len(held) > _LONGEST:
            cut = max(held.rfind("\n", 0, _LONGEST), held.rfind(" ", 0, _LONGEST)) + 1
            cut = cut or _LONGEST - held[:_LONGEST].endswith("\r")  # no half of a \r\n
            yield Part(held[:cut], line, open=True)
            line += line_breaks(held, 0, cut)
            held = held[cut:]
    if held:
        yield Part(held, line)


def lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines of a text file with their ends; \\\\n alone ends a line."""
    held: list[str] = []
    size = 0
    for block in characters(file):
        first, *rest = block.split("\n")
        held.append(first)
        size += len(first)
        for piece in rest:
            yield "".join([*held, "\n"])
            held, size = [piece], len(piece)
        if size > _LONGEST_LINE:
            raise DocumentError(f"a line of more than {_LONGEST_LINE:,} characters")
    if size:
        yield "".join(held)


def characters(file: BinaryIO) -> Iterator[str]:
    """Yield the text of a file from its beginning in blocks, line ends as they are.

    Raises `DocumentError` for a binary file and for an encoding that nobody knows.
    """
    name = encoding(file)
    decoder = codecs.getincrementaldecoder(name)()
    file.seek(0)
    while True:
        data = file.read(_BLOCK)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise DocumentError(f"not text in {name}, as it seemed ({error.reason})") from None
        if "\0" in text:
            raise DocumentError("a binary file: it has NUL characters; expected text")
        if text:
            yield text
        if not data:
            return


def encoding(file: BinaryIO) -> str:
    """The encoding of a text file, by its mark, its bytes, or a guess where it is not UTF-8."""
    file.seek(0)
    head = file.read(_SAMPLE)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\0" in head:
        raise DocumentError("a binary file: it has NUL bytes; expected text")
    # all of it is looked at, since the first accent may stand at the end of a long file
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    while True:
        where = file.tell()
        data = file.read(_BLOCK)
        try:
            decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            file.seek(max(where + error.start - _SAMPLE // 2, 0))
            return guess(file.read(_SAMPLE))
        if not data:
            return "utf-8"


def guess(sample: bytes) -> str:
    """The encoding of some bytes that are not UTF-8."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        raise MissingExtraError("charset-normalizer, which knows encodings,", "files") from None
    # English lines around one foreign word say nothing, and mislead the guess
    telling = b"".join(line for line in sample.splitlines(keepends=True) if not line.isascii())
    found = from_bytes(telling).best()
    if found is None:
        raise DocumentError(
            "text in an encoding that is not recognised; save it as UTF-8, "
            "such as: iconv -f ENCODING -t utf8"
        )
    return str(found.encoding)
