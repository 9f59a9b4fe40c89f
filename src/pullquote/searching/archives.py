"""ZIP files of XML, which most formats of offices and books are, unpacked within limits.

    with open_archive(file, "DOCX") as archive:
        name = archive.find("word/document.xml")
        root = archive.tree(name)               # lxml elements

Knows names, bytes and XML, not what they mean. Nothing in an archive is run, and nothing is
fetched. lxml is in the extra `files`.
"""

from __future__ import annotations

import io
import posixpath
import re
import unicodedata
import zipfile
from typing import Any, BinaryIO
from urllib.parse import unquote

from pullquote.errors import DocumentError, MissingExtraError, TextError, first_line
from pullquote.searching.html import check_tags, decoded, lxml
from pullquote.text import Encoding, decode

_LARGEST = 256 << 20  # bytes of one unpacked file: a small zip file must not fill the memory
MOST_UNPACKED = 200
"""Times the size of a file, of all that is read of it; more is an attack on the memory."""
_UTF8_NAME = 0x800  # the flag of a name that is in UTF-8
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


class Archive(zipfile.ZipFile):
    """A ZIP file, the right names of its files, and how much of them may still be unpacked."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.size = file.seek(0, io.SEEK_END)
        self.most = self.room = max(_LARGEST, MOST_UNPACKED * self.size)
        self.encoding: Encoding | None = None
        """Of the names, where it was guessed: many programs do not say."""
        self._infos = self._named()
        self._similar: dict[str, str] = {}
        for name, info in reversed(self._infos.items()):
            for written in (info.filename, unquote(name), name):
                self._similar[_plain(written)] = name

    @property
    def names(self) -> list[str]:
        """The names of its files, without folders."""
        return [name for name in self._infos if not name.endswith("/")]

    def find(self, path: str) -> str | None:
        """The name of the file that a path means: itself, or one that differs as names do.

        Programs write one name in capitals or not, in another Unicode form, or %-encoded.
        """
        path = posixpath.normpath(path).lstrip("/")
        for written in (path, unquote(path)):
            if written in self._infos:
                return written
        return self._similar.get(_plain(path)) or self._similar.get(_plain(unquote(path)))

    def content(self, name: str) -> bytes:
        """The bytes of a file in it. Raises `DocumentError` if they are broken or too many."""
        self._take_room(name)
        try:
            return self.read(self._infos[name])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 -- zipfile's, zlib's, bz2's and lzma's own
            raise DocumentError(f"{name} in it cannot be unpacked ({first_line(error)})") from None

    def tree(self, name: str) -> Any:
        """The root element of an XML file in it. Raises `DocumentError` if it is broken."""
        return parse_xml(self.content(name), name)

    def _take_room(self, name: str) -> None:
        info = self._infos[name]
        if info.compress_size > self.size:  # zipfile would make room for all of it
            raise DocumentError(f"{name} in it is broken: it would be longer than the whole file")
        if info.file_size > _LARGEST:
            raise DocumentError(
                f"{name} in it unpacks to {info.file_size >> 20:,} MiB; expected less than 256"
            )
        self.room -= info.file_size
        if self.room < 0:
            raise DocumentError(
                f"unpacks to more than {self.most >> 20:,} MiB, an attack or a fault"
            )

    def _named(self) -> dict[str, zipfile.ZipInfo]:
        """The files by their names. Undeclared bytes of names are read as all bytes are."""
        raw: dict[str, bytes] = {}
        for info in self.infolist():
            if not info.flag_bits & _UTF8_NAME and not info.filename.isascii():
                try:
                    raw[info.filename] = info.filename.encode("cp437")  # what zipfile took it for
                except UnicodeEncodeError:
                    continue  # the archive says its name in Unicode elsewhere
        if not raw:
            return {info.filename: info for info in self.infolist()}
        right: dict[str, str] = {}
        try:
            found = decode(b"\n".join(raw.values()))  # together, they tell more
            right = dict(zip(raw, found.text.split("\n"), strict=True))
            self.encoding = found.encoding if found.encoding.guessed else None
        except (TextError, MissingExtraError, ValueError):
            pass  # no guess: zipfile's names are as good as any
        return {right.get(info.filename, info.filename): info for info in self.infolist()}


def open_archive(file: BinaryIO, kind: str) -> Archive:
    """Open a ZIP file. Raises `DocumentError` if it is none; `kind` is what it should be."""
    try:
        return Archive(file)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- zipfile's, struct's, and of broken names
        raise DocumentError(f"not readable as {kind} ({first_line(error)})") from None


def parse_xml(source: bytes, name: str) -> Any:
    """The root element of XML. Raises `DocumentError` if it is broken, or has too many tags."""
    etree, _ = lxml()
    # no entity is expanded and nothing is fetched: a document must not read other files
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        collect_ids=False,  # or else an identifier that occurs twice is a fault
        remove_comments=True,
        remove_pis=True,
    )
    check_tags(source)
    try:
        return etree.fromstring(source, parser)
    except etree.XMLSyntaxError as error:
        broken = first_line(error)
    try:
        # another encoding than it declares, or something before its declaration
        text = _DECLARATION.sub("", decoded(source).text.lstrip("\ufeff"))
        return etree.fromstring(text.strip().encode("utf-8"), parser)
    except (etree.XMLSyntaxError, DocumentError, UnicodeEncodeError):
        raise DocumentError(f"{name} in it is broken ({broken})") from None


def local_name(element: Any) -> str:
    """The name of an element without its namespace; "" for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _plain(name: str) -> str:
    """What names have in common that differ in capitals, Unicode form or slashes alone."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()
