"""Web pages: their main content, block by block, each with its line in the file.

    for part in read_html(file): ...

Knows HTML as lxml (extra `files`) parses it; also reads the chapters of EPUB books. Menus, footers,
scripts and lists of links are left out. If `<main>` or `<article>` holds much of a page's text,
only that is read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from pullquote.errors import DocumentError, MissingExtraError, TextError, first_line
from pullquote.searching.boilerplate import BLOCKS, HEADINGS, NEVER, Layout
from pullquote.searching.html_tables import caption, is_table, page_rows, tags
from pullquote.searching.mathml import formula
from pullquote.searching.parts import Note, Part, Skipped, guessed
from pullquote.searching.rows import one_line, row_parts
from pullquote.text import Decoded, decode

_LARGEST = 64 << 20  # bytes; the parsed tree takes several times as much
MOST_TAGS = 5_000_000
"""How many tags a page, or a part of a document, may have: each takes some 150 bytes of memory."""

# of what is content as a whole, such as a chapter of a book
_CODE = frozenset(["head", "script", "style", "template"])
_SCOPES = tags("article aside blockquote details dialog dl fieldset figure")
_FIRST = 20  # parts among which a heading may repeat the title
_BLANKS = re.compile(r" *\n[ \n]*|  +")
_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML_DECLARED = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")


def read_html(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the blocks of a page; numbers are lines of the file."""
    file.seek(0)
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise DocumentError(f"a page of more than {_LARGEST >> 20} MiB; save it as text")
    found = decoded(data)
    yield from guessed(found.encoding)
    yield from blocks(found.text)


def blocks(
    text: str, number: int | None = None, *, whole: bool = False
) -> Iterator[Part | Skipped]:
    """Yield the blocks of a page's content, numbered by line, or all with `number`.

    With `whole`, all of it is content, as in a chapter of a book: it has no menus.
    """
    etree, html = lxml()
    # huge_tree: without it, a page ends silently at 256 nested elements or 10 MB of one text
    parser = html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
    )
    source = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    check_tags(source)
    try:
        page = html.document_fromstring(source, parser=parser) if source.strip() else None
    except etree.LxmlError as error:
        if "empty" in str(error).lower():
            return
        raise DocumentError(f"not readable as HTML ({first_line(error)})") from None
    if page is None:
        return
    body = page.find("body")
    body = page if body is None else body
    parts = _walk(etree, body, number, None if whole else Layout(etree, body), _CODE)
    # of a book's sections the title is often the name of their file
    title = "" if number else " ".join(page.findtext(".//head/title", default="").split())
    first = list(itertools.islice(parts, _FIRST))
    if not (first or whole):  # a page of nothing but menus
        first = list(_walk(etree, body, number, None, NEVER))
    if title and not any(part.open and _same(title, part.text.strip()) for part in first):
        yield Part(f"{title}\n\n", 1, open=True)
    yield from first
    yield from parts
    for entry in parser.error_log:
        if entry.level_name == "FATAL":  # such as 2,048 nested elements
            where = f"section {number}, line {entry.line}" if number else f"line {entry.line}"
            yield Skipped(where, f"cannot be read from here on ({entry.message})")
            return


def _same(title: str, heading: str) -> bool:
    """Whether a heading says what a title says, except for the name of the site."""
    return title in heading or (2 * len(heading) > len(title) and heading in title)


def check_tags(source: bytes) -> None:
    """Raise `DocumentError` for markup whose tree would fill the memory."""
    if (tags := source.count(b"<")) > MOST_TAGS:
        raise DocumentError(f"{tags:,} tags, expected at most {MOST_TAGS:,}; save it as text")


def _walk(
    etree: Any, body: Any, number: int | None, layout: Layout | None, never: frozenset[str]
) -> Iterator[Part]:
    """The blocks of a page, without its boilerplate, or else all but what is in some elements."""
    pieces: list[str] = []  # of the current block
    words = False  # whether they hold more than whitespace
    line, kept, heading = body.sourceline or 1, 0, False

    tabs = _tabs(body)
    parted = False  # whether the next words are those of the next cell
    depth = 0  # how many elements stand around whose headings end with them

    def add(text: str) -> None:
        nonlocal words, parted
        if blank := text == "" or text.isspace():
            text = "" if parted else text
        elif parted:
            pieces.append(" " if pieces[-1].endswith(":") else "; ")
            text, parted = text.lstrip(), False
        pieces.append(text)
        words = words or not blank

    def flush(end: str) -> Iterator[Part]:
        nonlocal words, parted
        words = parted = False
        text = "".join(pieces)
        text = text.strip("\r\n") if kept else _BLANKS.sub(_one_blank, text).strip()
        pieces.clear()
        if text.strip():
            yield Part(text + end, number or line, open=heading, depth=depth)

    def is_left_out(element: Any, tag: str, at: int) -> bool:
        return at > 0 and (layout.is_boilerplate(element, tag, at) if layout else tag in never)

    at = -1  # the position of the element
    skipped = None
    walk = etree.iterwalk(body, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            at += 1
            if tag == "table" and is_table(element) and not is_left_out(element, tag, at):
                yield from flush("\n\n")
                for part in row_parts(page_rows(etree, element), caption(element)):
                    yield replace(part.at(number) if number else part, depth=depth)
                skip = True
            elif tag == "math":
                add(formula(etree, element))
                skip = True
            else:
                skip = is_left_out(element, tag, at) or _opened_by(element) in tabs
            if skip:
                walk.skip_subtree()
                skipped = element
                at = layout.end(at) - 1 if layout else at
                continue
            if tag in BLOCKS:
                yield from flush("\n\n")
                heading = tag in HEADINGS
                line = element.sourceline or line
                kept += tag == "pre"
                depth += _ends_headings(element, tag)
                if element.get("role") == "tabpanel" and (title := tabs.get(element.get("id"))):
                    yield Part(f"{title}\n\n", number or line, open=True, depth=depth)
            elif tag == "br":
                add("\n")
            elif tag in ("td", "th") and words and not parted:
                while not pieces[-1].strip():
                    pieces.pop()
                pieces[-1] = pieces[-1].rstrip()
                parted = True
            if not pieces:
                line = element.sourceline or line
            add(_inline(element.text, kept))
        else:
            if tag in BLOCKS and element is not skipped:
                yield from flush("\n" if tag in ("li", "tr") else "\n\n")
                heading = False
                kept -= tag == "pre"
                depth -= _ends_headings(element, tag)
            if element is not body:
                add(_inline(element.tail, kept))
    yield from flush("\n\n")


def _ends_headings(element: Any, tag: str) -> bool:
    """Whether the headings in a block stand above nothing after it; a `<section>` is often none."""
    return tag in _SCOPES or element.get("role") == "tabpanel"


def _tabs(body: Any) -> dict[str, str]:
    """The titles of panels by their ids: the tabs, which stand in a list above all the panels."""
    panels = body.xpath(".//*[@role='tabpanel'][@id]/@id")
    tabs = body.iterfind(".//*[@role='tab']") if panels else ()
    titles = {_opened_by(tab): one_line("".join(tab.itertext())) for tab in tabs}
    return {id: titles[id] for id in panels if id in titles}


def _opened_by(element: Any) -> str | None:
    """The id of the panel that a tab opens; None if an element is no tab."""
    if element.get("role") != "tab":
        return None
    return str(element.get("aria-controls") or element.get("href", "").removeprefix("#"))


def _one_blank(blanks: re.Match[str]) -> str:
    return "\n" * blanks[0].count("\n") or " "


def _inline(text: str | None, kept: int) -> str:
    """Blanks as one, except in `<pre>`."""
    return (text or "") if kept else re.sub(r"\s+", " ", text or "")


def decoded(data: bytes) -> Decoded:
    """The characters of a page, with the encoding that it names in its head."""
    declared = _XML_DECLARED.search(data[:200]) or _DECLARED.search(data[:4096])
    name = declared[1].decode("ascii", "replace") if declared else None
    try:
        return decode(data, declared=name, nul=True)
    except TextError as error:
        raise DocumentError(str(error)) from None


def lxml() -> tuple[Any, Any]:
    """`lxml.etree` and `lxml.html`. Raises `MissingExtraError`."""
    try:
        from lxml import etree, html
    except ImportError:
        what = "lxml, which reads HTML, EPUB and the files of offices,"
        raise MissingExtraError(what, "files") from None
    return etree, html
