"""RTF files: paragraphs, rows of tables, and the notes, headers and footers that stand in them.

    for part in read_rtf(file): ...     # numbers are paragraphs

Knows the format's control words. Its text is ASCII, with other characters as bytes of the encoding
that the file or the font declares, or as numbers of Unicode.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from pullquote.errors import DocumentError
from pullquote.searching.parts import Note, Part, numbered, paragraph
from pullquote.searching.rows import one_line, row_parts, table_rows

_LARGEST = 64 << 20  # bytes
_DEEPEST = 10_000  # groups in groups
_TOKEN = re.compile(
    r"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|[\r\n\0]+"
    r"|([^\\{}\r\n\0]+)"
)

_SIGNS = {
    **{"tab": " ", "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ", "qmspace": " "},
    **{"bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”"},
    **{"line": "\n", "~": "\xa0", "_": "\u2011", "{": "{", "}": "}", "\\": "\\"},
}
_ENDS = ("par", "sect", "page", "\n", "\r")  # of a paragraph
_FLOWS = (  # texts of their own, which are read after the paragraph that they stand in
    *("footnote", "annotation", "shptxt", "header", "headerl", "headerr", "headerf"),
    *("footer", "footerl", "footerr", "footerf"),
)
_MARGINS = ("header", "footer")
_LEFT_OUT = {
    *("author", "buptim", "category", "colortbl", "comment", "company", "creatim", "datafield"),
    *("datastore", "defchp", "defpap", "do", "doccomm", "fldinst", "generator", "info"),
    *("keywords", "latentstyles", "listoverridetable", "listtable", "manager", "mmathPr"),
    *("nonesttables", "objclass", "objdata", "objname", "operator", "pgdsctbl", "picprop"),
    *("pict", "pntext", "pntxta", "pntxtb", "printim", "revtim", "rsidtbl", "rxe", "sn", "sp"),
    *("subject", "sv", "tc", "themedata", "title", "txe", "userprops", "xe", "xmlnstbl"),
}
# of groups that are marked as unknown to old programs, those that hold text
_KNOWN_AFTER_STAR = ("shpinst", "ud", "shptxt", "footnote", "annotation")
_CHARSETS = {
    **{77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950"},
    **{161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257"},
    **{204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850"},
}
_PAGES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850", "ansi": "cp1252"}


@dataclass(slots=True)
class _Group:
    """What a group of an RTF file inherits from the one around it, and may change."""

    out: bool = False
    """Its text is left out."""
    skip: int = 1
    """How many characters after one of Unicode stand for it in older programs."""
    font: int | None = None
    table: str = ""
    """"fonttbl" or "stylesheet": what its text defines."""
    deleted: bool = False


@dataclass(slots=True)
class _Flow:
    """A text that is being read: the body, a footnote, a header."""

    margin: bool = False
    depth: int = 0
    """How many groups are around it."""
    text: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    header: bool = False
    """The first row of the table names its columns."""
    in_table: bool = False
    heading: bool = False


def read_rtf(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs and rows of tables; a header or footer is read once."""
    file.seek(0)
    data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise DocumentError(f"more than {_LARGEST >> 20} MiB; save it without its pictures")
    if not data.lstrip().startswith(b"{\\rtf"):
        raise DocumentError("not RTF (it does not begin with {\\rtf); give it the right ending")
    yield from numbered(_once(_Reader(data.decode("latin-1")).paragraphs()))


def _once(paragraphs: Iterable[tuple[Part, bool]]) -> Iterator[Part]:
    """All paragraphs; those of headers and footers once."""
    seen: set[str] = set()
    for part, margin in paragraphs:
        if not (margin and part.text in seen):
            yield part
        if margin:
            seen.add(part.text)


class _Reader:
    """Follows the control words of one file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}  # the encodings of some
        self._default = -1  # the font of text that names none
        self._headings: set[int] = set()  # their styles
        self._flows = [_Flow()]
        self._bytes = bytearray()  # of characters that are not decoded yet
        self._to_skip = 0
        self._style: int | None = None  # that is being defined
        self._font: int | None = None
        self._style_name = ""
        self._done: list[tuple[Part, bool]] = []  # paragraphs that are read

    def paragraphs(self) -> Iterator[tuple[Part, bool]]:
        """Yield each paragraph, and whether it is of a header or footer."""
        groups = [_Group()]
        star = False
        at = 0
        while match := _TOKEN.match(self._text, at):
            at = match.end()
            word, number, byte, sign, brace, text = match.groups()
            group = groups[-1]
            if byte is None and self._bytes:
                text = self._decode(group, text)
            if brace == "{":
                if len(groups) > _DEEPEST:
                    raise DocumentError(f"more than {_DEEPEST:,} groups in groups; save it as DOCX")
                groups.append(replace(group))
                self._to_skip = 0
            elif brace == "}":
                if group.table == "stylesheet":
                    self._end_style()
                if len(groups) > 1:
                    groups.pop()
                if len(self._flows) > 1 and len(groups) < self._flows[-1].depth:
                    self._end_flow()
                self._to_skip = 0
            elif byte is not None:
                if self._to_skip:
                    self._to_skip -= 1
                elif not group.out:
                    self._bytes.append(int(byte, 16))
            elif sign is not None:
                if sign == "*":
                    star = True
                    continue
                self._to_skip = 0
                self._word(group, sign, None, groups, starred=False)
            elif word is not None:
                value = int(number) if number else None
                if word == "bin":
                    at += max(value or 0, 0)
                else:
                    self._word(group, word, value, groups, starred=star)
            elif text is not None:
                self._add_text(group, text)
            star = False
            if len(self._flows) == 1 and self._done:
                yield from self._done
                self._done.clear()
        self._decode(groups[-1], None)
        while self._flows:
            self._end_flow()
        yield from self._done

    def _word(
        self, group: _Group, word: str, value: int | None, groups: list[_Group], *, starred: bool
    ) -> None:
        flow = self._flows[-1]
        if word in _LEFT_OUT or (starred and word not in _KNOWN_AFTER_STAR):
            group.out = True
        elif word in ("fonttbl", "stylesheet"):
            group.table = word
        elif word == "ansicpg" and value:
            self._encoding = _codec(f"cp{value}") or self._encoding
        elif word in _PAGES:
            self._encoding = _PAGES[word]
        elif word == "f":
            group.font = self._font = value
        elif word == "deff" and value is not None:
            self._default = value
        elif word == "plain":
            group.font = None
        elif word == "fcharset" and group.table == "fonttbl" and self._font is not None:
            if encoding := _CHARSETS.get(value or 0):
                self._fonts[self._font] = encoding
        elif word == "uc":
            group.skip = max(value or 0, 0)
        elif word == "u" and value is not None:
            if not group.out:
                self._add(group, chr(value % 0x10000))
            self._to_skip = group.skip
        elif word == "s":
            if group.table == "stylesheet":
                self._style = value
            else:
                flow.heading = value in self._headings
        elif group.out or group.table:
            return
        elif word == "outlinelevel":
            flow.heading = value is not None and value < 9
        elif word == "deleted":
            group.deleted = value != 0
        elif word in _FLOWS:
            margin = word.startswith(_MARGINS)
            self._flows.append(_Flow(margin=margin, depth=len(groups)))
        elif word == "pard":
            flow.heading = flow.in_table = False
        elif word == "intbl":
            flow.in_table = True
        elif word == "trhdr":
            flow.header = flow.header or not flow.rows
        elif word in ("cell", "nestcell"):
            self._end_cell(nested=word == "nestcell")
        elif word == "row":
            self._end_row()
        elif word in _ENDS:
            self._end_paragraph()
        elif word in _SIGNS:
            self._add(group, _SIGNS[word])

    def _add_text(self, group: _Group, text: str) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(text))
            self._to_skip -= skipped
            text = text[skipped:]
        if text and not group.out:
            if text.isascii():
                self._add(group, text)
            else:  # bytes that should have been escaped
                self._add(group, text.encode("latin-1").decode(self._encoding_of(group), "replace"))

    def _add(self, group: _Group, text: str) -> None:
        if group.table == "stylesheet":
            self._style_name += text
        elif not group.table and not group.out and not group.deleted:
            self._flows[-1].text.append(text)

    def _decode(self, group: _Group, text: str | None) -> str | None:
        """Add the characters whose bytes have been collected; what is left of the text after them.

        The second byte of a Chinese or Japanese character may be a letter, which is not escaped.
        """
        data = bytes(self._bytes)
        self._bytes.clear()
        if text and text[0].isascii():
            decoder = codecs.getincrementaldecoder(self._encoding_of(group))("replace")
            decoder.decode(data)
            if decoder.getstate()[0]:
                data, text = data + text[0].encode(), text[1:]
        self._add(group, data.decode(self._encoding_of(group), "replace"))
        return text

    def _encoding_of(self, group: _Group) -> str:
        font = self._default if group.font is None else group.font
        return self._fonts.get(font, self._encoding)

    def _end_style(self) -> None:
        if self._style is not None and self._style_name.lower().startswith(("heading", "title")):
            self._headings.add(self._style)
        self._style, self._style_name = None, ""

    def _end_paragraph(self) -> None:
        flow = self._flows[-1]
        if flow.in_table:
            flow.text.append("\n")  # within a cell
            return
        self._end_table()
        text = _joined(flow.text).strip()
        flow.text.clear()
        self._done.append((paragraph(text, heading=flow.heading), flow.margin))

    def _end_cell(self, *, nested: bool) -> None:
        flow = self._flows[-1]
        if nested:
            flow.text.append(" ")
            return
        flow.cells.append(one_line(_joined(flow.text)))
        flow.text.clear()

    def _end_row(self) -> None:
        flow = self._flows[-1]
        if flow.cells:
            flow.rows.append(flow.cells)
        flow.cells, flow.in_table = [], False

    def _end_table(self) -> None:
        flow = self._flows[-1]
        if flow.rows:
            rows = table_rows(enumerate(flow.rows, 1), header=flow.header)
            self._done += ((part, flow.margin) for part in row_parts(rows))
        flow.rows, flow.header = [], False

    def _end_flow(self) -> None:
        flow = self._flows[-1]
        flow.in_table = False
        self._end_row()
        self._end_paragraph()
        self._flows.pop()


def _joined(pieces: list[str]) -> str:
    """Pieces as one text; characters beyond U+FFFF were written as two halves."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _codec(name: str) -> str | None:
    try:
        return codecs.lookup({"cp10000": "mac_roman", "cp65001": "utf-8"}.get(name, name)).name
    except LookupError:
        return None
