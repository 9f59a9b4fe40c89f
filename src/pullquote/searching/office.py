"""Word and PowerPoint files.

    for part in read_docx(file): ...     # numbers are paragraphs
    for part in read_pptx(file): ...     # numbers are slides

Knows the two formats' markup; `packages` finds and parses it.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from pullquote.errors import DocumentError, TextError
from pullquote.searching.archives import Archive, local_name
from pullquote.searching.charts import charted
from pullquote.searching.formulas import formula
from pullquote.searching.html import blocks, decoded
from pullquote.searching.mail import read_mht
from pullquote.searching.packages import (
    Relation,
    main_part,
    open_package,
    relation_id,
    relations,
)
from pullquote.searching.parts import Note, Part, Skipped, guessed, numbered, paragraph
from pullquote.searching.rows import LONGEST_REPEATED, one_line, row_parts, table_rows
from pullquote.text import decode

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_W = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# parts beside the main one, in the order in which they are read
_BESIDE = ("header", "footer", "footnotes", "endnotes", "comments", "diagramData", "chart")
_BESIDE_NAME = re.compile(r"(header|footer|footnotes|endnotes|comments)\d*\.xml", re.IGNORECASE)
_PAGE_ENDINGS = (".htm", ".html", ".xhtml")
_REPEATED = ("dt", "ftr", "hdr")  # placeholders of PowerPoint that all slides show: date, footer


# --- DOCX


def read_docx(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs and rows of tables of a Word document.

    Then what stands around them: headers, footers, notes, comments, diagrams. Skipped are those of
    them that are broken, and files that are embedded.
    """
    yield from numbered(_read_docx(file, inner=False))


def _read_docx(file: BinaryIO, *, inner: bool) -> Iterator[Part | Note]:
    with open_package(file, "DOCX", "doc") as archive:
        name, tree = main_part(archive, "document", "word/document.xml", "Word document")
        word = _Word(archive, relations(archive, name), *_styles(archive, name), inner)
        seen: set[str] = set()  # a header is the same in many sections
        for kind, beside in [("document", name), *_beside(archive, name, word.related.values())]:
            try:
                root = tree if beside == name else archive.tree(beside)
            except DocumentError as error:
                yield Skipped(beside, str(error))
                continue
            for part in _said(kind, root) or word.paragraphs(root):
                if isinstance(part, Skipped) or kind not in ("header", "footer"):
                    yield part
                elif part.text not in seen:
                    seen.add(part.text)
                    yield part
        yield from word.notes
        for packed in archive.names:
            if "/embeddings/" in packed:
                yield Skipped(packed, "an embedded file; save it as a file of its own")


def _beside(archive: Archive, main: str, related: Iterable[Relation]) -> list[tuple[str, str]]:
    """The kinds and names of the parts that are read after the main one."""
    found: dict[str, str] = {}
    for relation in related:
        name = None if relation.outside else archive.find(relation.target)
        if name and relation.kind in _BESIDE:
            found[name] = relation.kind
    for name in archive.names:  # some programs forget to relate them
        folder, base = posixpath.split(name)
        if folder == posixpath.dirname(main) and (said := _BESIDE_NAME.fullmatch(base)):
            found.setdefault(name, said[1].lower())
    return sorted(
        ((kind, name) for name, kind in found.items()),
        key=lambda one: (_BESIDE.index(one[0]), len(one[1]), one[1]),
    )


@dataclass(slots=True)
class _Word:
    """The paragraphs of a Word document's parts, and what is noted meanwhile."""

    archive: Archive
    related: dict[str, Relation]
    headings: set[str]
    """The ids of their styles."""
    contents: set[str]
    """The ids of the styles of tables of contents, which repeat headings."""
    inner: bool
    """Whether the document is itself inside one."""
    notes: list[Note] = field(default_factory=list)

    def paragraphs(self, element: Any) -> Iterator[Part]:
        """The paragraphs below an element; a table's row is one."""
        for child in element:
            tag = _tag(child)
            if tag == "p":
                space = _space(child)
                style = child.find(f"{space}pPr/{space}pStyle")
                named = "" if style is None else style.get(f"{space}val", "")
                if named in self.contents:
                    continue
                yield paragraph(_text(child), heading=named in self.headings)
                for box in child.iter(f"{space}txbxContent"):  # text boxes in it
                    # a box for older programs repeats the one for newer ones
                    repeated = any(parent.tag == f"{_MC}Fallback" for parent in box.iterancestors())
                    if _around(box) is child and not repeated:
                        yield from self.paragraphs(box)
            elif tag == "tbl":
                yield from self._table(child)
            elif tag == "altChunk":
                yield from self._chunk(child)
            elif tag not in ("sectPr", "tblPr", "tblGrid", "del", "moveFrom"):
                yield from self.paragraphs(child)

    def _table(self, table: Any) -> Iterator[Part]:
        rows: list[list[str]] = []
        space = _space(table)
        found = [row for row in table.iter(f"{space}tr") if _around(row, "tbl") is table]
        if all(len(_cells(row)) < 2 for row in found):  # a frame around text
            for row in found:
                for cell in _cells(row):
                    yield from self.paragraphs(cell)
            return
        for row in found:
            texts: list[str] = []
            for cell in _cells(row):
                paragraphs = (one_line(part.text) for part in self.paragraphs(cell))
                text = " ".join(filter(None, paragraphs))
                merged = cell.find(f"{space}tcPr/{space}vMerge")
                if merged is not None and merged.get(f"{space}val") != "restart" and rows:
                    above = "".join(rows[-1][len(texts) : len(texts) + 1])
                    text = text or (above if len(above) <= LONGEST_REPEATED else "")
                texts += [text, *[""] * (_span(cell) - 1)]
            rows.append(texts)
        first = found[0].find(f"{space}trPr/{space}tblHeader") is not None
        yield from row_parts(table_rows(enumerate(rows, 1), header=first))

    def _chunk(self, element: Any) -> Iterator[Part]:
        """The text of a file in another format that stands for some paragraphs."""
        relation = self.related.get(relation_id(element))
        name = self.archive.find(relation.target) if relation and not relation.outside else None
        if name is None:
            self.notes.append(Skipped("a part in another format", "missing from the file"))
            return
        try:
            for part in self._parts(name, self.archive.content(name)):
                if isinstance(part, Part):
                    yield replace(part, text=f"{part.text.strip()}\n\n")
                else:
                    self.notes.append(part)
        except (DocumentError, TextError) as error:
            self.notes.append(Skipped(name, str(error)))

    def _parts(self, name: str, data: bytes) -> Iterator[Part | Note]:
        ending = posixpath.splitext(name)[1].lower()
        if ending in _PAGE_ENDINGS:
            page = decoded(data)
            yield from guessed(page.encoding)
            yield from blocks(page.text, 1, whole=True)
        elif ending == ".txt":
            text = decode(data)
            yield from guessed(text.encoding)
            yield Part(text.text, 1)
        elif ending in (".mht", ".mhtml"):
            yield from read_mht(io.BytesIO(data))
        elif ending == ".docx" and not self.inner:  # not documents in documents without end
            yield from _read_docx(io.BytesIO(data), inner=True)
        else:
            yield Skipped(name, f"a part in another format ({ending}), which is not read")


def _cells(row: Any) -> list[Any]:
    """The cells of a row, those in content controls, too."""
    space = _space(row)
    return [cell for cell in row.iter(f"{space}tc") if _around(cell, "tr") is row]


def _span(cell: Any) -> int:
    """How many columns a cell takes."""
    space = _space(cell)
    said = cell.find(f"{space}tcPr/{space}gridSpan")
    value = "" if said is None else said.get(f"{space}val", "")
    usable = value.isascii() and value.isdecimal() and len(value) < 8
    return max(1, min(int(value), 100)) if usable else 1


def _text(paragraph: Any) -> str:
    pieces = []
    for run in paragraph.iter():
        tag = _tag(run)
        if local_name(run) == "oMath" and not tag:
            # the blanks are those of the text around it
            pieces.append(formula(run) if _around(run) is paragraph else "")
            continue
        if tag not in ("t", "tab", "br", "cr", "noBreakHyphen"):
            continue
        moved = any(_tag(parent) in ("del", "moveFrom") for parent in run.iterancestors())
        if _around(run) is paragraph and not moved:
            pieces.append(
                (run.text or "")
                if tag == "t"
                else {"tab": " ", "noBreakHyphen": "\u2011"}.get(tag, "\n")
            )
    return "".join(pieces)


def _around(element: Any, tag: str = "p") -> Any:
    """The innermost element of Word's around another one, usually a paragraph."""
    return next((parent for parent in element.iterancestors() if _tag(parent) == tag), None)


def _styles(archive: Archive, main: str) -> tuple[set[str], set[str]]:
    """The ids of the styles of headings, and of tables of contents.

    Their names are English in every language, the ids are not.
    """
    path = archive.find(posixpath.join(posixpath.dirname(main), "styles.xml"))
    headings: set[str] = set()
    contents: set[str] = set()
    for style in archive.tree(path).iter() if path else ():
        if _tag(style) == "style":
            name = style.find(f"{_space(style)}name")
            said = "" if name is None else name.get(f"{_space(style)}val", "").lower()
            id = style.get(f"{_space(style)}styleId", "")
            if said.startswith(("heading", "title", "subtitle")):
                headings.add(id)
            elif re.fullmatch(r"toc \d", said):
                contents.add(id)
    return headings, contents


def _tag(element: Any) -> str:
    """The name of an element of Word's own, "" for any other."""
    tag = element.tag if isinstance(element.tag, str) else ""
    for space in (_W, _STRICT_W):
        if tag.startswith(space):
            return tag[len(space) :]
    return ""


def _space(element: Any) -> str:
    return _STRICT_W if element.tag.startswith(_STRICT_W) else _W


# --- PPTX


def read_pptx(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs and rows of tables of a presentation, slide by slide, with notes.

    Skipped are slides that are missing or broken, and files that are embedded. What all slides show
    is read once.
    """
    with open_package(file, "PPTX", "ppt") as archive:
        name, tree = main_part(archive, "presentation", "ppt/presentation.xml", "presentation")
        related = relations(archive, name)
        seen: set[str] = set()
        lists = (one for one in tree if local_name(one) == "sldIdLst")  # sections have others
        slides = [slide for one in lists for slide in one if local_name(slide) == "sldId"]
        for number, slide in enumerate(slides, 1):
            relation = related.get(relation_id(slide))
            path = archive.find(relation.target) if relation and not relation.outside else None
            if path is None:
                yield Skipped(f"slide {number}", "missing from the file")
                continue
            beside = [
                (one.kind, archive.find(one.target))
                for one in relations(archive, path).values()
                if one.kind in ("notesSlide", "comments", "diagramData", "chart")
                and not one.outside
            ]
            for kind, part in [("slide", path), *beside]:
                if part is None:
                    continue
                try:
                    root = archive.tree(part)
                except DocumentError as error:
                    yield Skipped(f"slide {number}", str(error))
                    continue
                found: list[Part] = []
                for one in _said(kind, root) or drawn(root, seen):
                    if isinstance(one, Skipped):
                        yield Skipped(f"slide {number}, {one.where}", one.reason)
                    else:
                        found.append(one)
                yield from (replace(one, number=number) for one in found if one.text.strip())
                is_picture = kind == "slide" and any(
                    local_name(one) == "pic" for one in root.iter()
                )
                if is_picture and not any(one.text.strip() for one in found):
                    yield Skipped(f"slide {number}", "no text in it, but pictures")
        for packed in archive.names:
            if "/embeddings/" in packed:
                yield Skipped(packed, "an embedded file; save it as a file of its own")


def _said(kind: str, root: Any) -> Iterator[Part | Skipped] | None:
    """The paragraphs and rows of a diagram or a chart; None for another part."""
    if kind == "chart":
        return charted(root, drawn)
    return drawn(root) if kind == "diagramData" else None


def drawn(element: Any, seen: set[str] | None = None) -> Iterator[Part]:
    """The paragraphs of drawn shapes; a table's row is one. `seen` holds what is read once."""
    seen = set() if seen is None else seen
    for child in element:
        tag = local_name(child)
        if tag == "p" and isinstance(child.tag, str) and child.tag.endswith("/main}p"):
            yield paragraph(_drawn_text(child))
        elif tag == "tbl":
            rows = [
                [" ".join(one_line(part.text) for part in drawn(cell, seen)) for cell in row]
                for row in child
                if local_name(row) == "tr"
            ]
            style = next((one for one in child if local_name(one) == "tblPr"), None)
            first = style is not None and style.get("firstRow") in ("1", "true")
            yield from row_parts(table_rows(enumerate(rows, 1), header=first))
        elif tag == "sp":
            place = next((one for one in child.iter() if local_name(one) == "ph"), None)
            kind = "" if place is None else place.get("type", "")
            if kind == "sldNum":
                continue
            for part in drawn(child, seen):
                if kind not in _REPEATED or part.text not in seen:
                    yield replace(part, open=kind in ("title", "ctrTitle"))
                if kind in _REPEATED:
                    seen.add(part.text)
        elif tag == "text" and not len(child):  # a comment
            yield paragraph(child.text or "")
        elif tag != "Fallback":  # repeats, for older programs, what stands before it
            yield from drawn(child, seen)


def _drawn_text(paragraph: Any) -> str:
    pieces = []
    for run in paragraph.iter():
        tag = local_name(run)
        if tag == "t" and run.tag.endswith("/main}t"):
            pieces.append(run.text or "")
        elif tag == "br":
            pieces.append("\n")
        elif tag == "oMath":
            pieces.append(formula(run))
    return "".join(pieces)
