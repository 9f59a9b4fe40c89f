"""The text of a document that a client sends: a PDF, a Word file, a book, a web page and so on.

Knows documents, nothing of HTTP. A document is a temporary file for as long as it is read, in a
process of its own, within the limits of `searching.pool`.

    read_document("lease.pdf", data, most=300_000).text
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from pullquote.errors import DocumentError, OutputError, TextError
from pullquote.searching.documents import TEXT, Notes, SourceFile, kind_of, stamp, why_left_out
from pullquote.searching.passages import joined
from pullquote.searching.pool import Pool
from pullquote.serving.schema import DocumentText
from pullquote.text import decode, guess_note

_log = logging.getLogger("pullquote.serving")


def read_document(
    name: str, data: bytes, *, most: int, abandoned: Callable[[], bool] = lambda: False
) -> DocumentText:
    """The first `most` characters of a document's text; its format is what its `name` tells.

    Plain text, and what has an unknown name, is read as it is. Raises `DocumentError` for a
    document that cannot be read, or has no text; soon after `abandoned()` is true, too.
    `MissingExtraError` where a format's library is not installed, `OutputError` where there is no
    room for a temporary file.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="pullquote-") as folder:
            # no other character of the name reaches the disk
            path = Path(folder, "document-" + re.sub(r"[^A-Za-z0-9.]", "_", name[-100:]))
            path.write_bytes(data)
            kind = kind_of(str(path))
            if kind is None or kind is TEXT:
                return _plain(data, most, "" if kind else why_left_out(path.name))
            file = SourceFile(str(path), kind, stamp(path.stat()))
            return _read(file, most, abandoned)
    except OSError as error:
        _log.error("no temporary file for a document (%s)", error)
        raise OutputError("documents cannot be read at the moment") from None


def _plain(data: bytes, most: int, unknown: str) -> DocumentText:
    """What is text; `unknown` says why the file is no document if it is none."""
    try:
        decoded = decode(data)
    except TextError as error:
        raise DocumentError(unknown or str(error)) from None
    if not decoded.text.strip():
        raise DocumentError("there is no text in it" if data else "empty (0 bytes)")
    return _text(decoded.text, most, decoded.encoding.note)


def _read(file: SourceFile, most: int, abandoned: Callable[[], bool]) -> DocumentText:
    notes = Notes()
    pieces: list[str] = []
    length = 0
    with Pool([file], apart=True, abandoned=abandoned) as pool:
        for piece in joined(pool.read(file, notes), blanks=2):
            pieces.append(piece)
            length += len(piece)
            if length > most:
                break
    problem = notes.problem("")
    if not pieces:
        raise DocumentError(problem.reason if problem else "there is no text in it")
    guess = guess_note(notes.encoding) if notes.encoding else ""
    said = [problem.reason if problem else "", guess]
    return _text("".join(pieces), most, "; ".join(filter(None, said)))


def _text(text: str, most: int, note: str) -> DocumentText:
    return DocumentText(text=text[:most], is_whole=len(text) <= most, note=note)
