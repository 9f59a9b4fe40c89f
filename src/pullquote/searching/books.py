"""EPUB books: chapters of HTML in a ZIP file, in the order that the book's package names.

    for part in read_epub(file): ...     # numbers are sections, as the book orders them

Knows the package; `html` reads the chapters. lxml is in the extra `files`.
"""

from __future__ import annotations

import html
import posixpath
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

from pullquote.errors import DocumentError
from pullquote.searching.archives import Archive, local_name, open_archive
from pullquote.searching.html import blocks, decoded
from pullquote.searching.parts import Note, Part, Skipped, guessed

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = {
    *("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"),
    *("application/xml", "text/xml", "image/svg+xml"),
}
_PAGE_ENDINGS = (".xhtml", ".html", ".htm", ".xml", ".svg")


def read_epub(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the blocks of a book's sections in reading order.

    Skipped are sections that are missing, broken or of another type; their numbers count.
    """
    with open_archive(file, "EPUB") as archive:
        if archive.encoding:
            yield from guessed(archive.encoding)
        package = _package(archive)
        book = archive.tree(package)
        items = {one.get("id"): one for one in book.iter() if local_name(one) == "item"}
        protected = _protected(archive)
        number = 0
        read: set[str] = set()
        for reference in book.iter():
            if local_name(reference) != "itemref":
                continue
            item = items.get(reference.get("idref"))
            # the table of contents
            if item is not None and "nav" in item.get("properties", "").split():
                continue
            number += 1
            where = f"section {number}"
            if item is None:
                yield Skipped(where, f"not among the files of the book ({reference.get('idref')})")
                continue
            href = item.get("href", "")
            path = _path(archive, package, href)
            if path in protected:
                raise DocumentError("copy-protected (DRM); expected a book without protection")
            if path is None:
                yield Skipped(f"{where} ({href})", "missing from the book")
            elif not _is_page(item.get("media-type", ""), path):
                kind = item.get("media-type")
                yield Skipped(f"{where} ({path})", f"{kind}, which is not read")
            elif path in read:
                yield Skipped(f"{where} ({path})", "an earlier section again")
            else:
                read.add(path)
                try:
                    yield from _chapter(archive, path, number)
                except DocumentError as error:
                    yield Skipped(where, str(error))
        if not number:
            raise DocumentError("no sections in the book's order (its spine is empty)")


def _package(archive: Archive) -> str:
    """The name of the package document, which names all others."""
    container = archive.find(_CONTAINER)
    if container is None:
        raise DocumentError(f"no book in it (no {_CONTAINER})")
    roots = (one for one in archive.tree(container).iter() if local_name(one) == "rootfile")
    said = next((root.get("full-path", "") for root in roots), "")
    name = archive.find(said) if said else None
    if name is None:
        raise DocumentError(f"no package document in it ({said or 'none named'})")
    return name


def _path(archive: Archive, package: str, href: str) -> str | None:
    """The name of the file that a reference means.

    A name may hold what a reference would have to escape: "#", "?".
    """
    folder = posixpath.dirname(package)
    try:
        address = urlsplit(href).path
    except ValueError:
        address = ""
    for written in (address, href.partition("#")[0], href):
        if written and (found := archive.find(posixpath.join(folder, written))):
            return found
    # one that is absolute from the top of the book, without a slash
    return archive.find(address) if address else None


def _is_page(kind: str, path: str) -> bool:
    """Whether a section is read: by its type, or, where that is none or wrong, its ending."""
    kind = kind.partition(";")[0].strip().lower()
    if kind.startswith(("audio/", "video/", "font/")) or (
        kind.startswith("image/") and kind not in _PAGES
    ):
        return False
    return kind in _PAGES or path.lower().endswith(_PAGE_ENDINGS)


def _chapter(archive: Archive, path: str, number: int) -> Iterator[Part | Note]:
    page = decoded(archive.content(path))
    yield from guessed(page.encoding)
    text = _without_cdata(page.text)
    yield from blocks(text, number, whole=True)


def _protected(archive: Archive) -> set[str]:
    """The files that are encrypted; of many books it is the fonts alone."""
    path = archive.find(_ENCRYPTION)
    if path is None:
        return set()
    found = (one for one in archive.tree(path).iter() if local_name(one) == "CipherReference")
    names = (archive.find(reference.get("URI", "")) for reference in found)
    return {name for name in names if name}


def _without_cdata(text: str) -> str:
    """A page whose CDATA sections are text like any other."""
    pieces, at = [], 0
    while (begin := text.find("<![CDATA[", at)) >= 0 and (end := text.find("]]>", begin)) >= 0:
        pieces += [text[at:begin], html.escape(text[begin + len("<![CDATA[") : end])]
        at = end + len("]]>")
    return "".join([*pieces, text[at:]])
