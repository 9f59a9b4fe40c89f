"""OpenDocument texts and presentations: ODT, ODP, and their forms of one XML file.

    for part in read_odt(file): ...     # numbers are paragraphs
    for part in read_odp(file): ...     # numbers are slides

Knows the formats' markup; `archives` unpacks and parses it. `sheets` reads spreadsheets with it.
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator
from typing import Any, BinaryIO

from pullquote.errors import DocumentError
from pullquote.searching.archives import Archive, local_name, open_archive, parse_xml
from pullquote.searching.parts import Note, Part, Skipped, numbered, paragraph
from pullquote.searching.rows import one_line, row_parts, table_rows

_LARGEST = 256 << 20  # bytes of a document that is one XML file
MOST_REPEATED = 100
"""How many blanks, cells or rows an element may stand for; the last of a sheet says a million."""
_APART = ("note", "annotation", "text-box")  # what stands in a paragraph and is read after it
# what repeats headings, or was deleted
_LEFT_OUT = (
    *("tracked-changes", "table-of-content", "alphabetical-index", "illustration-index"),
    *("table-index", "object-index", "user-index", "ruby-text", "forms"),
)
_MARGINS = ("header", "header-left", "header-first", "footer", "footer-left", "footer-first")


def read_odt(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs and rows of tables of a text, then its headers and footers.

    Notes and comments follow the paragraph that they belong to. Skipped are embedded files.
    """
    with OpenDocument(file) as document:
        margins = {part.text: part for part in document.margins()}
        body = document.paragraphs(document.body("text"))
        yield from numbered(itertools.chain(body, margins.values()))
        yield from document.skipped


def read_odp(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs and rows of tables of a presentation, slide by slide, with notes."""
    with OpenDocument(file) as document:
        slides = (one for one in document.body("presentation") if local_name(one) == "page")
        for number, slide in enumerate(slides, 1):
            silent = True
            for part in document.paragraphs(slide):
                silent = False
                yield part.at(number)
            if silent and any(local_name(one) == "image" for one in slide.iter()):
                yield Skipped(f"slide {number}", "no text in it, but pictures")
        yield from document.skipped


class OpenDocument:
    """An open document: its trees, and what is skipped of it."""

    def __init__(self, file: BinaryIO, *, charts: bool = True) -> None:
        """Without `charts`, their texts and values are left out, as they stand in a sheet."""
        self._charts = charts
        self._seen: set[str] = set()  # charts, of which each is in one place
        file.seek(0)
        head = file.read(5)
        file.seek(0)
        self.archive: Archive | None = None
        self.skipped: list[Skipped] = []
        if head.startswith(b"<"):  # one XML file
            data = file.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise DocumentError(f"more than {_LARGEST >> 20} MiB; save it as .odt or .odp")
            self.content = self.styles = parse_xml(data, "the document")
            return
        self.archive = open_archive(file, "OpenDocument")
        content = self.archive.find("content.xml")
        if content is None:
            raise DocumentError("no OpenDocument file in it (no content.xml)")
        manifest = self.archive.find("META-INF/manifest.xml")
        if manifest and b":encryption-data" in self.archive.content(manifest):
            raise DocumentError("encrypted; save it without a password")
        self.content = self.archive.tree(content)
        self.styles = None

    def __enter__(self) -> OpenDocument:
        return self

    def __exit__(self, *_: object) -> None:
        if self.archive:
            self.archive.close()

    def body(self, kind: str) -> Any:
        """The element that holds the text."""
        body = next((one for one in self.content if local_name(one) == "body"), ())
        found = next((one for one in body if local_name(one) == kind), None)
        if found is None:
            other = ", ".join(filter(None, map(local_name, body))) or "nothing"
            raise DocumentError(f"no {kind} in it, but {other}; give it the right ending")
        return found

    def margins(self) -> Iterator[Part]:
        """The paragraphs of headers and footers."""
        name = self.archive.find("styles.xml") if self.archive else None
        try:
            styles = self.archive.tree(name) if self.archive and name else self.styles
        except DocumentError as error:
            self.skipped.append(Skipped("styles.xml", str(error)))
            return
        for element in () if styles is None else styles.iter():
            if local_name(element) in _MARGINS and local_name(element.getparent()) == "master-page":
                yield from self.paragraphs(element)

    def paragraphs(self, element: Any, heading: bool = False) -> Iterator[Part]:
        """The paragraphs below an element that have text; a table's row is one."""
        for child in element:
            tag = local_name(child)
            if tag in ("p", "h"):
                apart: list[Any] = []
                text = self._inline(child, apart)
                if text.strip():
                    yield paragraph(text, heading=heading or tag == "h")
                for other in apart:
                    yield from self.paragraphs(other)
            elif tag == "table":
                yield from self._table(child)
            elif tag == "object":
                apart = []
                if text := self._object(child, apart):
                    yield paragraph(text)
                for other in apart:
                    yield from self.paragraphs(other)
            elif tag not in _LEFT_OUT:
                title = any(
                    key.endswith("}class") and value == "title" for key, value in child.items()
                )
                yield from self.paragraphs(child, heading or title)

    def _inline(self, element: Any, apart: list[Any]) -> str:
        """The text of a paragraph; `apart` gets what is read after it."""
        pieces = [element.text or ""]
        for child in element:
            tag = local_name(child)
            if tag in _APART:
                apart.append(child)
            elif tag == "s":
                pieces.append(" " * repeated(child, "c"))
            elif tag in ("tab", "line-break"):
                pieces.append(" " if tag == "tab" else "\n")
            elif tag == "object":
                pieces.append(self._object(child, apart))
            elif tag not in _LEFT_OUT:
                pieces.append(self._inline(child, apart))
            pieces.append(child.tail or "")
        return "".join(pieces)

    def _object(self, element: Any, apart: list[Any]) -> str:
        """The text of an equation; `apart` gets a chart, and other objects are skipped."""
        said = next((value for key, value in element.items() if key.endswith("}href")), "")
        name = None
        if self.archive and said:
            name = self.archive.find(posixpath.join(said, "content.xml"))
        try:
            root = next(iter(element), None)
            root = self.archive.tree(name) if self.archive and name else root
        except DocumentError as error:
            self.skipped.append(Skipped(said, str(error)))
            return ""
        if root is None or local_name(root) != "math":
            if (chart := _chart(root)) is None:
                self.skipped.append(
                    Skipped(said or "an object", "an embedded file; save it as a file of its own")
                )
            elif self._charts and name not in self._seen:  # nor within itself
                self._seen.update([name] if name else [])
                apart.append(chart)
            return ""
        # the editor's own form of it, on one line
        notes = [one.text for one in root.iter() if local_name(one) == "annotation" and one.text]
        return one_line(notes[0] if notes else " ".join(root.itertext()))

    def _table(self, table: Any) -> Iterator[Part]:
        rows: list[list[str]] = []
        header = False
        for row in table.iter():
            if local_name(row) != "table-row" or _around(row) is not table:
                continue
            header = header or (not rows and local_name(row.getparent()) == "table-header-rows")
            cells: list[str] = []
            for cell in row:
                if local_name(cell) in ("table-cell", "covered-table-cell"):
                    texts = " ".join(one_line(part.text) for part in self.paragraphs(cell))
                    cells += [texts] * repeated(cell, "number-columns-repeated")
            rows.append(cells)
        if all(len(cells) < 2 for cells in rows):  # a frame around text
            for row in table.iter():
                if local_name(row) == "table-cell" and _around(row) is table:
                    yield from self.paragraphs(row)
            return
        yield from row_parts(table_rows(enumerate(rows, 1), header=header))


def _around(element: Any) -> Any:
    """The innermost table around an element of it."""
    return next(one for one in element.iterancestors() if local_name(one) == "table")


def _chart(root: Any) -> Any:
    """The chart in an object, with its table of values; None if it is something else."""
    body = next((one for one in (() if root is None else root) if local_name(one) == "body"), ())
    return next((one for one in body if local_name(one) == "chart"), None)


def repeated(element: Any, name: str, *, most: int = MOST_REPEATED) -> int:
    """How many blanks, cells or rows an element stands for, by one of its attributes."""
    said = next((value for key, value in element.items() if key.endswith(f"}}{name}")), "1")
    usable = said.isascii() and said.isdecimal() and len(said) < 8
    return max(1, min(int(said), most)) if usable else 1
