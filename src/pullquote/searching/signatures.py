"""Recognises files that are no documents, such as pictures and archives, by how they begin.

    recognised(b"\x89PNG\r\n")     # "a PNG picture; text in pictures is not read, ..."

Knows the first bytes of common formats, and nothing else of them.
"""

from __future__ import annotations

READ = (
    "text, Markdown, HTML, PDF, DOCX, EPUB, PPTX, XLSX, ODT, RTF, e-mail, subtitles, CSV, JSON "
    "Lines or Parquet"
)
"""What can be read, for error messages."""

OLD_OR_ENCRYPTED = b"\xd0\xcf\x11\xe0"
"""How an old Word, Excel or PowerPoint file begins, and an encrypted new one."""

_PICTURE = "picture; text in pictures is not read, so make a PDF with text of it: ocrmypdf"
_FILM = "a film or sound; of these, subtitles are read (.srt, .vtt)"
_ARCHIVE = "archive; unpack it, and name its folder"
_OFFICE = "a file of an office, or a book; give it a name that ends in .docx, .xlsx, .odt or .epub"
# the first file in the archives that these are
_IN_OFFICE = (b"[Content_Types].xml", b"_rels/.rels", b"docProps/", b"mimetype")
_PACKED = "; unpack it, and name what is in it"
_SIGNATURES = (
    (0, b"\xff\xd8\xff", f"a JPEG {_PICTURE}"),
    (0, b"\x89PNG", f"a PNG {_PICTURE}"),
    (0, b"GIF89a", f"a GIF {_PICTURE}"),
    (0, b"II*\0", f"a TIFF {_PICTURE}"),
    (0, b"MM\0*", f"a TIFF {_PICTURE}"),
    (8, b"WEBPVP8", f"a WebP {_PICTURE}"),
    (4, b"ftyp", _FILM),
    (0, b"ID3\x03", _FILM),
    (0, b"OggS\0", _FILM),
    (0, b"fLaC\0", _FILM),
    (8, b"WAVEfmt", _FILM),
    (8, b"AVI LIST", _FILM),
    (0, b"\x1aE\xdf\xa3", _FILM),
    *((30, name, _OFFICE) for name in _IN_OFFICE),
    (0, b"PK\x03\x04", f"a ZIP {_ARCHIVE}"),
    (0, b"PK\x05\x06", f"a ZIP {_ARCHIVE}"),
    (0, b"7z\xbc\xaf", f"a 7-Zip {_ARCHIVE}"),
    (0, b"Rar!\x1a", f"a RAR {_ARCHIVE}"),
    (257, b"ustar", f"a tar {_ARCHIVE}"),
    (0, b"\x1f\x8b", f"packed by gzip{_PACKED}"),
    (4, b"1AY&SY", f"packed by bzip2{_PACKED}"),
    (0, b"\xfd7zXZ", f"packed by xz{_PACKED}"),
    (0, b"\x28\xb5\x2f\xfd", f"packed by Zstandard{_PACKED}"),
    (0, b"%PDF-", "a PDF; give it a name that ends in .pdf, or take its text: pdftotext"),
    (0, OLD_OR_ENCRYPTED, "an old Office file, or an encrypted one; save it as .docx or .xlsx"),
    (0, b"SQLite format 3\0", "an SQLite database; give an index's documents, or tables as CSV"),
    (0, b"\x7fELF", f"a program; expected {READ}"),
    (0, b"MZ\x90\0", f"a program; expected {READ}"),
)
_WORDS = (b"GIF89a", b"ftyp")  # with which a text may begin, too; a text has no NUL
HEAD = max(offset + len(begin) for offset, begin, _ in _SIGNATURES)
"""How many bytes of a file are enough to recognise it."""


def recognised(head: bytes) -> str | None:
    """What a file with this beginning is, and what to do with it; None if nothing tells.

    >>> recognised(b"PK\\x03\\x04")
    'a ZIP archive; unpack it, and name its folder'
    """
    for at, begin, what in _SIGNATURES:
        if head.startswith(begin, at) and (begin not in _WORDS or b"\0" in head[:HEAD]):
            return what
    return None
