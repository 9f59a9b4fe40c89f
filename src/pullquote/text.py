"""Bytes to characters, by one rule for all of pullquote.

    decode(data).text                       # of some bytes
    for block in characters(file): ...      # of a file of any size, in bounded memory

The encoding is that of the byte order mark, else the declared one, else UTF-8, else a guess
(`charsets`). A declaration that does not fit the bytes is ignored. The user must be told of a
guess: see `Encoding.note`. This holds for texts, documents and data files, JSON included. Files of
our own formats (models, predictions, recipes) are UTF-8, or what their byte order mark says,
without a guess: `decode_utf8`. Knows no formats.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from pullquote.errors import TextError

_BLOCK = 1 << 16  # bytes read at once
_TELLING = 1 << 18  # bytes of lines with other characters than ASCII that are held for a guess
_LONGEST_LINE = 1 << 25  # characters

_MARKS = (  # UTF-32 first: its mark begins as that of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_UTF8 = (  # compiled where a text needs it, which takes a millisecond
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_HALF_PAIR = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")  # of UTF-16, as no UTF-8 has it
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_NON_ASCII = re.compile(rb"[\x80-\xff]")
# lines with their ends, or what is left of a line at the end of a block
_PIECES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_PIECES_LF = re.compile(r"[^\n]*\n|[^\n]+")
# codecs of Python that are not encodings of text files
_NO_ENCODINGS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"}
_SAVE = "save it as UTF-8, such as: iconv -f ENCODING -t utf8"


_BROKEN = "UTF-8 with broken bytes"


def guess_note(label: str) -> str:
    """What to tell the user of an encoding that was guessed, by its `Encoding.label`."""
    if label == _BROKEN:
        return f"{label}, which are read as U+FFFD"
    return f"not UTF-8; read as {label}, which is a guess"


class Encoding(NamedTuple):
    """How bytes are to be read."""

    name: str
    """Python's name of it."""
    guessed: bool = False
    errors: str = "strict"

    @property
    def label(self) -> str:
        """The name that people know: `"Windows-1252"`."""
        from pullquote.charsets import LABELS

        if self.guessed and self.name == "utf-8":
            return _BROKEN
        return LABELS.get(self.name, self.name.upper().replace("-SIG", ""))

    @property
    def note(self) -> str:
        """What to tell the user; "" unless it was guessed."""
        return guess_note(self.label) if self.guessed else ""


class Decoded(NamedTuple):
    """A text, and the encoding that it was in."""

    text: str
    encoding: Encoding


def decode(data: bytes, *, declared: str | None = None, nul: bool = False) -> Decoded:
    """The text of some bytes.

    >>> decode(b"The rent is \\xa3840.").text
    'The rent is £840.'

    `declared` is an encoding that the data's format or its sender names; `nul` allows NUL
    characters. Raises `TextError` for what is no text, `MissingExtraError` where a guess needs
    charset-normalizer.
    """
    file = io.BytesIO(data)
    encoding = find_encoding(file, declared=declared)
    return Decoded("".join(characters(file, encoding, nul=nul)), encoding)


def decode_utf8(data: bytes) -> str:
    """The text of bytes that must be UTF-8 or have a byte order mark; nothing is guessed.

    Raises `TextError` with the place of the first wrong byte.
    """
    name = _marked(data) or "utf-8"
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if name != "utf-8":
            label = Encoding(name).label
            raise TextError(
                f"not UTF-8: {label} text that is cut or broken ({error.reason} at {error.start}); "
                "save it again as UTF-8"
            ) from None
        raise TextError(
            f"not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start} (line {line}); "
            "save it again as UTF-8"
        ) from None


def decode_beginning(data: bytes) -> str:
    """The first characters of a text, by its byte order mark or as UTF-8, to recognise a format."""
    return codecs.getincrementaldecoder(_marked(data) or "utf-8")("replace").decode(data)


def _marked(data: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def characters(
    file: BinaryIO, encoding: Encoding | None = None, *, nul: bool = False
) -> Iterator[str]:
    """Yield the text of a file from its beginning in blocks, line ends as they are.

    `encoding` is what `find_encoding` gives. Raises what `decode` does.
    """
    if encoding is None:
        encoding = find_encoding(file)
    decoder = codecs.getincrementaldecoder(encoding.name)(encoding.errors)
    file.seek(0)
    line = 1
    while True:
        data = file.read(_BLOCK)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise TextError(
                f"not UTF-8: a binary file, or {encoding.label} text that is cut or broken "
                f"({error.reason})"
            ) from None
        if not nul and (place := text.find("\0")) >= 0:
            line += text.count("\n", 0, place)
            raise TextError(
                f"a binary file: it has NUL characters (NUL byte in line {line}); expected text"
            )
        line += text.count("\n")
        if text:
            yield text
        if not data:
            return


def lines(blocks: Iterable[str], *, carriage_returns: bool = False) -> Iterator[str]:
    """Yield lines with their ends: \\n, with `carriage_returns` also \\r\\n and \\r.

    Raises `TextError` for lines that are too long to be held in memory.
    """
    pieces, ends = (_PIECES, "\r\n") if carriage_returns else (_PIECES_LF, "\n")
    held: list[str] = []
    size = 0
    half = ""  # a \r at the end of a block, which may be the first half of a \r\n
    for block in blocks:
        block = half + block
        half = "\r" if carriage_returns and block.endswith("\r") else ""
        for piece in pieces.findall(block[: len(block) - len(half)]):
            held.append(piece)
            size += len(piece)
            if piece[-1] in ends:
                yield "".join(held)
                held, size = [], 0
        if size > _LONGEST_LINE:
            raise TextError(f"a line of more than {_LONGEST_LINE:,} characters")
    if held or half:
        yield "".join([*held, half])


def find_encoding(file: BinaryIO, *, declared: str | None = None) -> Encoding:
    """The encoding of a text file: by its mark, as declared, UTF-8, or a guess, in this order."""
    file.seek(0)
    head = file.read(_BLOCK)
    if marked := _marked(head):
        return Encoding(marked)
    broken = _first_broken(file, "utf-8")
    named = _declared(declared) if declared else None
    if named and _fits(file, head, named, broken):
        return Encoding(named)
    if b"\0" in head and (unmarked := _unmarked_utf16(head)):
        return Encoding(unmarked, guessed=True, errors="replace")
    # its bytes are valid UTF-8, too
    if re.search(rb"\x1b\$[@B]", head) and _first_broken(file, "iso2022_jp") is None:
        return Encoding("iso2022_jp", guessed=True)
    if broken is None:
        return Encoding("utf-8")
    return _guessed(_telling(file), broken)


def _declared(name: str) -> str | None:
    """Python's name of a declared encoding; None for one that is unknown, or no text encoding."""
    try:
        found = codecs.lookup(name.strip())
        "".encode(found.name)
    except (LookupError, ValueError):
        return None
    if found.name in _NO_ENCODINGS:
        return None
    # what browsers do: texts that say Latin-1 mean Windows' superset of it
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030"}.get(
        found.name, found.name
    )


def _fits(file: BinaryIO, head: bytes, name: str, broken: int | None) -> bool:
    """Whether a file can be in its declared encoding."""
    if name.startswith(("utf-16", "utf-32", "utf_16", "utf_32")) and b"\0" not in head:
        return False  # all its characters would be Asian, and the declaration was ASCII
    if broken is None and not name.startswith("utf") and len(re.findall(_UTF8, head)) >= 2:
        # In an encoding with one byte for each letter, text is rarely valid UTF-8 by chance.
        try:
            single = len(b"\xd0\xd1".decode(name)) == 2
        except UnicodeDecodeError:
            single = False
        if single:
            return False
    return _first_broken(file, name) is None


def _first_broken(file: BinaryIO, name: str) -> int | None:
    """The offset of the first byte that cannot be decoded; None if all can."""
    decoder = codecs.getincrementaldecoder(name)()
    file.seek(0)
    where = 0
    while True:
        data = file.read(_BLOCK)
        waiting = len(decoder.getstate()[0])  # bytes of a character that the last block began
        try:
            decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            return where - waiting + error.start
        if not data:
            return None
        where += len(data)


def _unmarked_utf16(head: bytes) -> str | None:
    """Recognise UTF-16 without a mark: the high bytes are nearly all 0 or one other value."""
    head = head[: len(head) & ~1]
    if len(head) < 16:
        return None
    for name, high in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if b"\0" not in high:
            continue
        common = max(range(1, 256), key=high.count)
        if high.count(0) + high.count(common) < 0.9 * len(high):
            continue
        try:
            text = head.decode(name)
        except UnicodeDecodeError:
            continue
        kinds = {unicodedata.category(c) for c in set(text) - set("\t\n\r\f\v")}
        if not kinds & {"Cc", "Cn", "Co"}:
            return name
    return None


def _telling(file: BinaryIO) -> bytes:
    """The lines of a file that have non-ASCII bytes, up to a limit.

    ASCII lines hold no evidence, and many of them would mislead a guess. The only other line may be
    at the end of a long file. It is safe to split at \\n: in no encoding it is the second byte of a
    character.
    """
    kept: list[bytes] = []
    size, held = 0, b""
    file.seek(0)
    while size < _TELLING and (data := file.read(_BLOCK)):
        *some, held = (held + data).split(b"\n")
        if len(held) > _BLOCK:
            cut = held.rfind(b" ") + 1 or len(held)
            some.append(held[:cut])
            held = held[cut:]
        found = [line for line in some if not line.isascii()]
        kept += found
        size += sum(map(len, found))
    return b"\n".join([*kept, held] if not held.isascii() else kept)


def _guessed(telling: bytes, broken: int) -> Encoding:
    from pullquote.charsets import guess  # most texts are UTF-8

    valid = sum(map(len, re.findall(_UTF8, telling)))
    rest = re.sub(_UTF8, b"", telling)
    if valid >= 4 * len(_NON_ASCII.findall(rest)):
        return Encoding("utf-8", guessed=True, errors="replace")
    if len(_CONTROL.findall(telling)) > len(telling) / 50:
        raise TextError(
            f"a binary file, or UTF-16 without a mark (not UTF-8 text: byte {broken}); expected "
            f"text; {_SAVE}"
        )
    name = None if _HALF_PAIR.sub(b"", rest).isascii() else guess(telling)
    if name is None:
        raise TextError(
            f"not UTF-8 text (byte {broken}), nor in another encoding that is recognised; {_SAVE}"
        )
    return Encoding(name, guessed=True, errors="replace")


def plain_letters(text: str) -> str:
    """A text with ligatures, full-width letters, raised digits and the like as plain ones.

    >>> plain_letters("The oﬃce has 40 m² and costs １２ €½ ™.")
    'The office has 40 m2 and costs 12 €½ ™.'

    These are Unicode's compatibility forms of letters and digits. Signs stay; the length may
    change.
    """
    if text.isascii() or unicodedata.is_normalized("NFKC", text):
        return text
    forms = {one: unicodedata.normalize("NFKC", one) for one in set(text)}
    plain = {
        ord(one): form
        for one, form in forms.items()
        if form != one and form.isalnum() and unicodedata.category(one) != "So"
    }
    return unicodedata.normalize("NFC", text.translate(plain))


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """A text with U+FFFD for each lone surrogate, which no UTF-8 file holds; offsets stay."""
    return _LONE_SURROGATE.sub("\ufffd", text)
