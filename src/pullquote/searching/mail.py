"""E-mail: a message (EML) or a mailbox of many (MBOX), with attached documents; saved pages (MHT).

    read_eml = message_reader(kind_of)
    for part in read_eml(file): ...     # numbers are messages: attached ones count
    for part in read_mht(file): ...     # numbers are pages: those in frames count

Knows MIME as Python's `email` parses it. Attachments that are documents are read as files of their
names are; `kind_of` gives the reader for a name. All others are skipped, and named, but for
signatures and for pictures that the text shows, such as a logo.
"""

from __future__ import annotations

import functools
import html
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from typing import BinaryIO, TypeAlias
from urllib.parse import unquote

from pullquote.errors import DocumentError, MissingExtraError, TextError
from pullquote.searching.html import blocks, decoded
from pullquote.searching.parts import Note, Part, Skipped, guessed
from pullquote.searching.rows import one_line
from pullquote.searching.text import read_text
from pullquote.text import Decoded, decode

Read: TypeAlias = Callable[[BinaryIO], Iterator["Part | Note"]]
Readers: TypeAlias = "Callable[[str], Read | None]"
"""The reader for files of a name; None if they are no documents."""

_LARGEST = 128 << 20  # bytes of a message, which is held whole
_DEEPEST = 50  # messages and parts in one another
_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_TEXTS = ("text/plain", "text/html")
_NO_CONTENT = ("application/pgp-signature", "application/pkcs7-signature")
_NAMES = ("Content-ID", "Content-Location")
_SHOWN = re.compile(r"""(?:\bcid:|\bsrc\s*=\s*["']?(?:cid:)?)([^"'\s<>)]{1,998})""", re.IGNORECASE)
_FROM = re.compile(rb"From .*\d\d:\d\d")  # between the messages of a mailbox
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def message_reader(readers: Readers) -> Read:
    """A reader of EML files."""
    return functools.partial(_read_eml, readers)


def mailbox_reader(readers: Readers) -> Read:
    """A reader of MBOX files."""
    return functools.partial(_read_mbox, readers)


def read_mht(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the content of a web page that a browser saved in one file, and of its frames."""
    message = _parsed(_data(file, "save it as HTML"))
    pages = [part for part in message.walk() if part.get_content_type() == "text/html"]
    if not pages:
        raise DocumentError("no saved page (no text/html in it); save the page again, as HTML")
    if title := header_text(message.get("Subject")):
        yield Part(f"{title}\n\n", 1, open=True)
    for number, part in enumerate(pages, 1):
        try:
            page = _page(part)
        except TextError as error:
            yield Skipped(f"page {number}", str(error))
            continue
        yield from guessed(page.encoding)
        yield from blocks(page.text, number)


def _read_eml(readers: Readers, file: BinaryIO) -> Iterator[Part | Note]:
    data = _data(file, "save its attachments")
    if not BytesParser(policy=_Raw()).parsebytes(data, headersonly=True).keys():
        raise DocumentError("no e-mail (no headers in it); give it the right ending")
    yield from _Messages(readers).read(data)


def _data(file: BinaryIO, what_to_do: str) -> bytes:
    file.seek(0)
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise DocumentError(f"a message of more than {_LARGEST >> 20} MiB; {what_to_do}")
    return data


def _parsed(data: bytes) -> Message:
    return BytesParser(policy=_Raw()).parsebytes(data)


def _page(part: Message) -> Decoded:
    """The characters of a web page, by the encoding that the message names, or else the page."""
    data, charset = _content(part), part.get_content_charset()
    return decode(data, declared=charset, nul=True) if charset else decoded(data)


def _read_mbox(readers: Readers, file: BinaryIO) -> Iterator[Part | Note]:
    file.seek(0)
    if file.read(5) != b"From ":  # one message
        yield from _read_eml(readers, file)
        return
    file.seek(0)
    messages = _Messages(readers)
    for data in _split(file):
        if len(data) > _LARGEST:
            messages.count += 1
            yield Skipped(f"message {messages.count}", f"more than {_LARGEST >> 20} MiB")
        else:
            yield from messages.read(_QUOTED_FROM.sub(rb"\1", data))


def _split(file: BinaryIO) -> Iterator[bytes]:
    """The messages of a mailbox; of one that is too large, no more than shows it."""
    held: list[bytes] = []
    size, blank = 0, True
    for line in iter(lambda: file.readline(1 << 20), b""):
        if blank and _FROM.match(line):
            if held:
                yield b"".join(held)
            held, size = [], 0
            continue
        blank = not line.strip(b"\r\n")
        if size <= _LARGEST:
            held.append(line)
            size += len(line)
    if held:
        yield b"".join(held)


class _Raw(Compat32):
    """Gives headers as they stand in the file, with surrogates for bytes that are not ASCII."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


@dataclass(slots=True)
class _Body:
    """What is known of a message while its parts are read."""

    number: int
    shown: frozenset[str]
    """The Content-IDs and locations that web pages show, also those of messages around it."""
    has_text: bool = False
    has_pictures: bool = False

    def shows(self, part: Message) -> bool:
        """Whether a part is a picture that the text shows, as far as its page says so.

        Its disposition does not tell: programs call a logo "attachment", and a photograph "inline".
        """
        names = {part.get(name, "").strip("<> \t\r\n") for name in _NAMES}  # maybe on a line below
        is_picture = part.get_content_maintype() in ("image", "application")
        return is_picture and not names.isdisjoint(self.shown)


class _Messages:
    """Reads messages, and counts them."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self.count = 0

    def read(self, data: bytes) -> Iterator[Part | Note]:
        message = _parsed(data)
        yield from self._message(message, 0, _shown_by(message))

    def _message(
        self, message: Message, depth: int, shown: frozenset[str]
    ) -> Iterator[Part | Note]:
        self.count += 1
        headers = ((name, header_text(message.get(name))) for name in _HEADERS)
        text = "\n".join(f"{name}: {value}" for name, value in headers if value)
        if text:
            yield Part(f"{text}\n\n", self.count, open=True)
        body = _Body(self.count, shown)
        yield from self._part(message, body, depth)
        if body.has_pictures and not body.has_text:
            yield Skipped(f"message {body.number}", "no text in it, but pictures")

    def _part(
        self, part: Message, body: _Body, depth: int, *, files: bool = False
    ) -> Iterator[Part | Note]:
        """The text of a message's part, or of the parts in it; with `files`, attachments alone."""
        kind = part.get_content_type()
        name = header_text(part.get_filename())
        where = f"message {body.number}"
        if depth > _DEEPEST:
            yield Skipped(where, f"more than {_DEEPEST} parts in parts")
        elif kind == "multipart/alternative" and _inner(part):
            best = _best(part)
            yield from self._part(best, body, depth + 1, files=files)
            for form in _inner(part):  # a form that is not read may hold what is attached
                if form is not best and form.is_multipart():
                    yield from self._part(form, body, depth + 1, files=True)
        elif kind == "message/rfc822" and isinstance(part.get_payload(), list):
            for inner in _inner(part):
                yield from self._message(inner, depth + 1, body.shown)
        elif part.is_multipart():
            for inner in _inner(part):
                yield from self._part(inner, body, depth + 1, files=files)
        elif kind in _NO_CONTENT:
            return
        elif body.shows(part) and not (name and self._readers(name)):
            body.has_pictures = True
        elif part.get_content_disposition() != "attachment" and (
            kind in _TEXTS or (kind.startswith(("text/", "multipart/")) and not name)
        ):
            for found in () if files else self._text(part, kind, body.number):
                body.has_text = body.has_text or isinstance(found, Part)
                yield found
        else:
            yield from self._attachment(part, name, where, body.number)

    def _text(self, part: Message, kind: str, number: int) -> Iterator[Part | Note]:
        data, charset = _content(part), part.get_content_charset()
        try:
            if kind == "text/html":
                page = _page(part)
                yield from guessed(page.encoding)
                yield from blocks(page.text, number, whole=True)
                return
            text = decode(data, declared=charset, nul=True)
            yield from guessed(text.encoding)
            plain = text.text.replace("\0", "\ufffd").encode("utf-8", "replace")
            for found in read_text(io.BytesIO(plain)):
                if isinstance(found, Part):
                    end = found.text if found.open else f"{found.text.rstrip()}\n\n"
                    yield Part(end, number, open=found.open)
        except (TextError, DocumentError) as error:
            yield Skipped(f"message {number}", f"{kind}: {error}")

    def _attachment(
        self, part: Message, name: str, where: str, number: int
    ) -> Iterator[Part | Note]:
        where = f"{where}, attachment {name or 'without a name'}"
        read = self._readers(name) if name else None
        if read is None:
            yield Skipped(where, f"{part.get_content_type()}, which is not read")
            return
        last = ""  # character; no text was read yet
        why = "there is no text in it"
        try:
            for found in read(io.BytesIO(_content(part))):
                if isinstance(found, Part) and found.text.strip():
                    if not last:
                        yield Part(f"{name}\n\n", number, open=True)
                    yield found.at(number)
                    last = found.text[-1:]
                elif isinstance(found, Skipped):
                    yield Skipped(f"{where}, {found.where}", found.reason)
                    why = ""
                elif not isinstance(found, Part):
                    yield found
        except (DocumentError, MissingExtraError) as error:
            yield Skipped(where, str(error))
            why = ""
        if not last and why:
            yield Skipped(where, why)
        if last not in ("", "\n"):
            yield Part("\n\n", number)


def _shown_by(message: Message) -> frozenset[str]:
    """What the web pages of a message show: pictures by their Content-IDs, and others by links."""
    pages = (part for part in message.walk() if part.get_content_type() == "text/html")
    found = (one for page in pages for one in _SHOWN.findall(_content(page).decode("latin-1")))
    return frozenset(unquote(html.unescape(one)) for one in found) - {""}  # as of "&#1;"


def _inner(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _best(part: Message) -> Message:
    """Of the forms of one text, the plain one if it has text, else the last, which is richest."""
    forms = _inner(part)
    for form in forms:
        if form.get_content_type() == "text/plain" and _content(form).strip():
            return form
    return forms[-1]


def _content(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def header_text(value: str | None) -> str:
    """The text of a header, which may hold encoded words, or bytes that no encoding is named for.

    >>> header_text("=?utf-8?q?The_rent=3A_=C2=A3840?=")
    'The rent: £840'
    """
    if value is None:
        return ""
    raw = value.encode("utf-8", "surrogateescape")
    try:
        text = decode(raw, nul=True).text
        pieces = [_piece(piece, charset) for piece, charset in decode_header(text)]
    except (MessageError, TextError, MissingExtraError, ValueError):
        return one_line(raw.decode("utf-8", "replace"))
    return one_line("".join(pieces))


def _piece(piece: str | bytes, charset: str | None) -> str:
    """The text of a piece that `decode_header` gives."""
    if isinstance(piece, str):
        return piece
    if charset is None:  # what stands beside encoded words, in an encoding of Python's own
        return piece.decode("raw-unicode-escape")
    return decode(piece, declared=charset, nul=True).text
