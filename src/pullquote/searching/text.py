"""Text files, in bounded memory: characters to paragraphs.

    with open("notes.txt", "rb") as file:
        for part in read_text(file): ...

Knows empty lines, headings and form feeds, no other markup. Heads and feet of pages are left out
where they come again, and so are tables of contents; of other files, the paragraphs together are
the file.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

from pullquote import text
from pullquote.errors import DocumentError, TextError
from pullquote.searching.contents import listed, may_be_listed, number_of
from pullquote.searching.pages import closed
from pullquote.searching.parts import Note, Part, guessed
from pullquote.text import Encoding
from pullquote.types import line_breaks

LONGEST = 1 << 15
"""Characters of a paragraph that are held at once."""
_MOST_LISTED = 1 << 20  # characters of a table of contents

# \r(?!\n): the halves of one \r\n are not two line ends
_EMPTY_LINE = re.compile(r"(?:\r\n|\n|\r(?!\n))[^\S\r\n]*(?:\r\n|\n|\r|\f)\s*|\f\s*")
# "# Heading", or a line that is underlined, without the whitespace around it
_HEADING = re.compile(r"#{1,6}(?:\s[^\r\n]*)?|[^\r\n]+(?:\r\n|\n|\r)(?:=+|-+|~+|\^+)")
# the foot of a page in a Request for Comments, also where form feeds were lost
_PAGE_FOOT = re.compile(r".*\[Page \w{1,6}\]")
_NUMBER = re.compile(r"\d{1,9}|\b[ivxlc]+\b")
_MOST_HEAD = 3  # lines
_NEAR = 3  # pages between a head and the same one again, at most


def read_text(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs of a text file, separated by empty lines; headings are `open`."""
    with explained():
        encoding = text.find_encoding(file)
    yield from guessed(encoding)
    yield from without_contents(_without_heads(paragraphs(characters(file, encoding))))


def paragraphs(blocks: Iterable[str]) -> Iterator[Part]:
    """Yield the paragraphs of a text that is given in blocks of any length."""
    line, held = 1, ""
    for block in blocks:
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
        while len(held) > LONGEST:
            cut = max(held.rfind("\n", 0, LONGEST), held.rfind(" ", 0, LONGEST)) + 1
            cut = cut or LONGEST - held[:LONGEST].endswith("\r")  # never inside a \r\n
            yield Part(held[:cut], line, open=True)
            line += line_breaks(held, 0, cut)
            held = held[cut:]
    if held:
        yield Part(held, line)


def _without_heads(parts: Iterable[Part]) -> Iterator[Part]:
    """Leave out heads and feet of pages that differ from earlier ones in the page's number only.

    They are the paragraphs next to a form feed, or to a foot with "[Page 7]", of a few lines; the
    only one of a page stays. A paragraph before them that ends in mid-sentence goes on behind them.

        # The Mill, page 7  / The Mill, page 8        the second is left out
        # Bill 7, total 840 / Bill 8, total 310       both stay
    """
    seen: dict[str, list[int]] = {}  # numbers, by the words around them
    waiting: Part | None = None
    after_page = False
    for part in parts:
        shown = part.text.strip()
        foot = shown.endswith("]") and _PAGE_FOOT.fullmatch(shown) is not None
        ends_page = foot or "\f" in part.text[len(part.text.rstrip()) :]
        lines = shown.count("\n") + 1
        if ends_page != after_page and lines <= _MOST_HEAD:
            form = " ".join(_NUMBER.sub("#", shown).split())
            earlier, seen[form] = seen.get(form), [*map(number_of, _NUMBER.findall(shown))]
            if earlier is not None and _count_on(earlier, seen[form]):
                if waiting and not closed(waiting.text.rstrip()):
                    waiting = replace(waiting, text=f"{waiting.text.rstrip()}\n", open=True)
                after_page = ends_page
                continue
        elif ends_page and shown and not closed(shown):
            part = replace(part, open=True)
        if waiting:
            yield waiting
        waiting, after_page = part, ends_page
    if waiting:
        yield waiting


def _count_on(earlier: list[int], numbers: list[int]) -> bool:
    """Whether one number at most differs from the earlier one, as that of a page does."""
    steps = [now - before for before, now in zip(earlier, numbers, strict=True) if now != before]
    return not steps or (len(steps) == 1 and 0 < steps[0] <= _NEAR)


def without_contents(parts: Iterable[Part]) -> Iterator[Part]:
    """Leave out tables of contents of documents whose numbers are lines."""
    held: list[Part] = []
    size = 0
    for part in parts:
        headed = bool(held) and "\n" not in held[-1].text.strip()
        if size < _MOST_LISTED and (headed or may_be_listed(part.text)):
            held.append(part)
            size += len(part.text)
            continue
        yield from _unlisted(held)
        held, size = [], 0
        yield part
    yield from _unlisted(held)


def _unlisted(parts: list[Part]) -> Iterator[Part]:
    """What is no table of contents in some parts."""
    lines = [part.text.splitlines(keepends=True) for part in parts]
    flags = iter(listed([line for some in lines for line in some if line.strip()]))
    for part, some in zip(parts, lines, strict=True):
        out = [bool(line.strip()) and next(flags) for line in some]
        if not any(out):
            yield part
            continue
        number = part.number
        for leave, group in itertools.groupby(zip(out, some, strict=True), lambda one: one[0]):
            found = "".join(line for _, line in group)
            if not leave and found.strip():
                yield replace(part, text=found, number=number)
            number += line_breaks(found, 0, len(found))


def characters(file: BinaryIO, encoding: Encoding | None = None) -> Iterator[str]:
    """Yield the text of a file in blocks, line ends as they are.

    Raises `DocumentError` for a binary file and for an encoding that is not recognised.
    """
    with explained():
        yield from text.characters(file, encoding)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except TextError as error:
        raise DocumentError(str(error)) from None
