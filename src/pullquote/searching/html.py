"""Web pages: their main content, block by block, each with its line in the file.

    for part in read_html(file): ...

Knows HTML as lxml (extra `files`) parses it; also reads the chapters of EPUB books. Menus, footers,
scripts and lists of links are left out. If `<main>` or `<article>` holds much of a page's text,
only that is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from pullquote.errors import DocumentError, MissingExtraError, TextError, first_line
from pullquote.searching.parts import Note, Part, Skipped, guessed
from pullquote.text import Decoded, decode

_LARGEST = 64 << 20  # bytes; the parsed tree takes several times as much
MOST_TAGS = 5_000_000
"""How many tags a page, or a part of a document, may have: each takes some 150 bytes of memory."""

_HEADING_TAGS = "h1 h2 h3 h4 h5 h6 title dt caption summary"
_BLOCK_TAGS = """
address article aside blockquote body center dd details dialog div dl fieldset figcaption figure
footer form header hgroup hr html li main menu nav ol p pre section table tbody tfoot thead tr ul
"""
_LEFT_OUT_TAGS = """
aside audio button canvas datalist dialog embed footer form head iframe input link map math menu nav
noscript object script select style svg template textarea video
"""
_HEADINGS = frozenset(_HEADING_TAGS.split())
_BLOCKS = _HEADINGS.union(_BLOCK_TAGS.split())
_LEFT_OUT = frozenset(_LEFT_OUT_TAGS.split())
_ARTICLES = ("article", "main")  # in HTML, both are blocks
_LISTS = frozenset(["ul", "ol", "div", "table", "p"])  # of links, if there are many in it
_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "menu", "alert"}
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


def blocks(text: str, number: int | None = None) -> Iterator[Part | Skipped]:
    """Yield the blocks of a page's main content, numbered by line, or all with `number`."""
    etree, html = _lxml()
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
    main = _main(page)
    # of a book's sections the title is often the name of their file
    title = "" if number else " ".join(page.findtext(".//head/title", default="").split())
    if title and not any(title in _plain(heading) for heading in main.iter("h1")):
        yield Part(f"{title}\n\n", 1, open=True)
    yield from _walk(etree, main, number)
    for entry in parser.error_log:
        if entry.level_name == "FATAL":  # such as 2,048 nested elements
            where = f"section {number}, line {entry.line}" if number else f"line {entry.line}"
            yield Skipped(where, f"cannot be read from here on ({entry.message})")
            return


def check_tags(source: bytes) -> None:
    """Raise `DocumentError` for markup whose tree would fill the memory."""
    if (tags := source.count(b"<")) > MOST_TAGS:
        raise DocumentError(f"{tags:,} tags, expected at most {MOST_TAGS:,}; save it as text")


def _walk(etree: Any, main: Any, number: int | None) -> Iterator[Part]:
    pieces: list[str] = []  # of the current block
    words = False  # whether they hold more than whitespace
    line, kept, heading = main.sourceline or 1, 0, False
    menus = _menus(etree, main)
    articles = sum(parent.tag in _ARTICLES for parent in main.iterancestors())

    def add(text: str) -> None:
        nonlocal words
        pieces.append(text)
        words = words or not (text == "" or text.isspace())

    def flush(end: str) -> Iterator[Part]:
        nonlocal words
        words = False
        text = "".join(pieces)
        text = text.strip("\r\n") if kept else re.sub(r" ?\n ?", "\n", text).strip()
        pieces.clear()
        if text.strip():
            yield Part(text + end, number or line, open=heading)

    skipped = None
    walk = etree.iterwalk(main, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if element is not main and (element in menus or _left_out(element, tag, articles > 0)):
                walk.skip_subtree()
                skipped = element
                continue
            articles += tag in _ARTICLES
            if tag in _BLOCKS:
                yield from flush("\n\n")
                heading = tag in _HEADINGS
                line = element.sourceline or line
                kept += tag == "pre"
            elif tag == "br":
                add("\n")
            elif tag in ("td", "th") and words:
                add(" | ")
            if not pieces:
                line = element.sourceline or line
            add(_inline(element.text, kept))
        else:
            if tag in _BLOCKS and element is not skipped:
                yield from flush("\n" if tag in ("li", "tr") else "\n\n")
                heading = False
                kept -= tag == "pre"
                articles -= tag in _ARTICLES
            if element is not main:
                add(_inline(element.tail, kept))
    yield from flush("\n\n")


def _inline(text: str | None, kept: int) -> str:
    """Blanks as one, except in `<pre>`."""
    return (text or "") if kept else re.sub(r"\s+", " ", text or "")


def _main(page: Any) -> Any:
    """The element with the main content: one that says so and has most of the text, or all."""
    body = page.find("body")
    body = page if body is None else body
    whole = len(_plain(body))
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = body.findall(path)
        if len(found) == 1 and len(_plain(found[0])) > whole / 3:
            return found[0]
    return body


def _left_out(element: Any, tag: str, in_article: bool) -> bool:
    if tag in _LEFT_OUT or element.get("role") in _ROLES or element.get("hidden") is not None:
        return True
    if element.get("aria-hidden") == "true":
        return True
    return tag == "header" and not in_article  # of the page; that of an article has its title


def _menus(etree: Any, main: Any) -> set[Any]:
    """The elements that hold little but links: menus, or "related articles".

    Counted in one walk, since elements may be nested deeply.
    """
    menus: set[Any] = set()
    # for each element around the current place: links, and characters in them and in all
    counts = [[0, 0, 0]]
    inside = hidden = 0  # how many links, scripts and styles the current place is in

    def count(text: str | None) -> None:
        if text and not hidden:
            size = sum(map(len, text.split()))
            counts[-1][1] += size if inside else 0
            counts[-1][2] += size

    for event, element in etree.iterwalk(main, events=("start", "end")):
        link, code = element.tag == "a", element.tag in ("script", "style")
        if event == "start":
            inside += link
            hidden += code
            counts.append([0, 0, 0])
            count(element.text)
            continue
        inside -= link
        hidden -= code
        links, linked, total = counts.pop()
        if element.tag in _LISTS and links >= 4 and linked > 0.75 * total:
            menus.add(element)
        around = counts[-1]
        around[0] += links + link
        around[1] += linked
        around[2] += total
        if element is not main:
            count(element.tail)
    return menus


def _plain(element: Any) -> str:
    """The text of an element on one line, without scripts."""
    texts = element.xpath("descendant-or-self::*[not(self::script or self::style)]/text()")
    return " ".join("".join(texts).split())


def decoded(data: bytes) -> Decoded:
    """The characters of a page, with the encoding that it names in its head."""
    declared = _XML_DECLARED.search(data[:200]) or _DECLARED.search(data[:4096])
    name = declared[1].decode("ascii", "replace") if declared else None
    try:
        return decode(data, declared=name, nul=True)
    except TextError as error:
        raise DocumentError(str(error)) from None


def _lxml() -> tuple[Any, Any]:
    try:
        from lxml import etree, html
    except ImportError:
        raise MissingExtraError("lxml, which reads HTML, DOCX and EPUB,", "files") from None
    return etree, html
