"""DOCX and EPUB: zipped XML. Nothing in it is run, and nothing is fetched.

    for part in read_docx(file): ...     # numbers are paragraphs
    for part in read_epub(file): ...     # numbers are sections, as the book orders them

Knows the two formats' markup as lxml (extra `files`) parses it.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

from pullquote.errors import DocumentError, MissingExtraError, first_line
from pullquote.searching.html import blocks, check_tags, decoded
from pullquote.searching.parts import Part, Skipped

_LARGEST = 256 << 20  # bytes of one unpacked file: a small zip file must not fill the memory
_MOST_UNPACKED = 200  # times its size, of all that is read; more is an attack on the memory
_OLE = b"\xd0\xcf\x11\xe0"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_W = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_OPF = "{http://www.idpf.org/2007/opf}"
_PAGES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}


def read_docx(file: BinaryIO) -> Iterator[Part | Skipped]:
    """Yield the paragraphs and rows of tables of a Word document, then its notes.

    Skipped are notes that are broken, and files that are embedded.
    """
    file.seek(0)
    if file.read(4) == _OLE:
        raise DocumentError("encrypted, or an old .doc; save it as .docx without a password")
    with _open(file, "DOCX") as packed:
        headings = _heading_styles(packed)
        number = 0
        for name in ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml"):
            if name not in packed.namelist():
                if name == "word/document.xml":
                    raise DocumentError("no Word document in it (no word/document.xml)")
                continue
            try:
                body = _parse(packed, name)
            except DocumentError as error:
                if name == "word/document.xml":
                    raise
                yield Skipped(name, str(error))
                continue
            for text, style in _paragraphs(body):
                if text.strip():
                    number += 1
                    yield Part(f"{text}\n\n", number, open=style in headings)
        for name in packed.namelist():
            if name.startswith("word/embeddings/") and not name.endswith("/"):
                yield Skipped(name, "an embedded file; save it as a file of its own")


def _paragraphs(element: Any) -> Iterator[tuple[str, str]]:
    """The text and the style of each paragraph; a table's row is one."""
    for child in element:
        tag = _tag(child)
        if tag == "p":
            style = child.find(f"{_space(child)}pPr/{_space(child)}pStyle")
            yield _text(child), "" if style is None else style.get(f"{_space(child)}val", "")
            for box in child.iter(f"{_space(child)}txbxContent"):  # text boxes in it
                # a box for older programs repeats the one for newer ones
                repeated = any(parent.tag == f"{_MC}Fallback" for parent in box.iterancestors())
                if _around(box) is child and not repeated:
                    yield from _paragraphs(box)
        elif tag == "tr":
            cells = [
                " ".join(text.strip() for text, _ in _paragraphs(cell) if text.strip())
                for cell in child
                if _tag(cell) in ("tc", "sdt")
            ]
            yield " | ".join(cell for cell in cells if cell), ""
        elif tag not in ("sectPr", "tblPr", "tblGrid", "del", "moveFrom"):
            yield from _paragraphs(child)


def _text(paragraph: Any) -> str:
    pieces = []
    for run in paragraph.iter():
        tag = _tag(run)
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


def _around(element: Any) -> Any:
    """The innermost paragraph around an element."""
    return next(parent for parent in element.iterancestors() if _tag(parent) == "p")


def _heading_styles(packed: _Packed) -> set[str]:
    """The ids of heading styles: their names are English in every language, the ids are not."""
    if "word/styles.xml" not in packed.namelist():
        return set()
    found = set()
    for style in _parse(packed, "word/styles.xml").iter():
        if _tag(style) == "style":
            name = style.find(f"{_space(style)}name")
            said = "" if name is None else name.get(f"{_space(style)}val", "").lower()
            if said.startswith(("heading", "title", "subtitle")):
                found.add(style.get(f"{_space(style)}styleId", ""))
    return found


def _tag(element: Any) -> str:
    """The name of an element of Word's own, "" for any other."""
    tag = element.tag if isinstance(element.tag, str) else ""
    for space in (_W, _STRICT_W):
        if tag.startswith(space):
            return tag[len(space) :]
    return ""


def _space(element: Any) -> str:
    return _STRICT_W if element.tag.startswith(_STRICT_W) else _W


def read_epub(file: BinaryIO) -> Iterator[Part | Skipped]:
    """Yield the blocks of a book's sections in reading order.

    Skipped are sections that are missing, broken or of another type; their numbers count.
    """
    with _open(file, "EPUB") as packed:
        names = set(packed.namelist())
        if "META-INF/container.xml" not in names:
            raise DocumentError("no book in it (no META-INF/container.xml)")
        root = _parse(packed, "META-INF/container.xml").find(f".//{_CONTAINER}rootfile")
        package = "" if root is None else root.get("full-path", "")
        if package not in names:
            raise DocumentError(f"no package document in it ({package or 'none named'})")
        book = _parse(packed, package)
        items = {item.get("id"): item for item in book.iter(f"{_OPF}item")}
        protected = _protected(packed, names)
        number = 0
        read: set[str] = set()
        for reference in book.iter(f"{_OPF}itemref"):
            item = items.get(reference.get("idref"))
            # the table of contents
            if item is not None and "nav" in item.get("properties", "").split():
                continue
            number += 1
            where = f"section {number}"
            if item is None:
                yield Skipped(where, f"not among the files of the book ({reference.get('idref')})")
                continue
            path = unquote(item.get("href", "").partition("#")[0])
            path = posixpath.normpath(posixpath.join(posixpath.dirname(package), path))
            kind = item.get("media-type", "application/xhtml+xml")
            if path in protected:
                raise DocumentError("copy-protected (DRM); expected a book without protection")
            if kind not in _PAGES:
                yield Skipped(f"{where} ({path})", f"{kind}, which is not read")
            elif path in read:
                yield Skipped(f"{where} ({path})", "an earlier section again")
            elif path not in names:
                yield Skipped(f"{where} ({path})", "missing from the book")
            else:
                read.add(path)
                try:
                    yield from blocks(decoded(_read(packed, path)).text, number)
                except DocumentError as error:
                    yield Skipped(where, str(error))


def _protected(packed: _Packed, names: set[str]) -> set[str]:
    """The files that are encrypted; of many books it is the fonts alone."""
    if "META-INF/encryption.xml" not in names:
        return set()
    found = _parse(packed, "META-INF/encryption.xml").iter(
        "{http://www.w3.org/2001/04/xmlenc#}CipherReference"
    )
    return {unquote(reference.get("URI", "")) for reference in found}


class _Packed(zipfile.ZipFile):
    """A zip file, and how much of it may still be unpacked."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.most = self.room = max(_LARGEST, _MOST_UNPACKED * file.seek(0, io.SEEK_END))


def _open(file: BinaryIO, kind: str) -> _Packed:
    try:
        return _Packed(file)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- zipfile's, struct's, and of broken names
        raise DocumentError(f"not readable as {kind} ({first_line(error)})") from None


def _read(packed: _Packed, name: str) -> bytes:
    size = packed.getinfo(name).file_size
    if size > _LARGEST:
        raise DocumentError(f"{name} in it unpacks to {size >> 20:,} MiB; expected less than 256")
    packed.room -= size
    if packed.room < 0:
        raise DocumentError(f"unpacks to more than {packed.most >> 20:,} MiB, an attack or a fault")
    try:
        return packed.read(name)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- zipfile's, zlib's, bz2's and lzma's own
        raise DocumentError(f"{name} in it cannot be unpacked ({first_line(error)})") from None


def _parse(packed: _Packed, name: str) -> Any:
    try:
        from lxml import etree
    except ImportError:
        raise MissingExtraError("lxml, which reads HTML, DOCX and EPUB,", "files") from None
    # no entity is expanded and nothing is fetched: a document must not read other files
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    source = _read(packed, name)
    try:
        check_tags(source)
        return etree.fromstring(source, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{name} in it is broken ({first_line(error)})") from None
