"""Reads the text of PDF files, page by page, with PDFium (extra `files`).

    for part in read_pdf(file): ...

Knows PDFium; `pdf_lines` finds where paragraphs begin, and `pdf_tables` tables, which become rows.
What is made of the lines of pages is in `pages` and `contents`. A form feed separates pages. A
paragraph that continues on the next page is one paragraph. The value of a filled field is put
behind its label.
"""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import functools
import io
import itertools
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

from pullquote.errors import DocumentError, MissingExtraError, first_line
from pullquote.searching.archives import MOST_UNPACKED
from pullquote.searching.contents import listed
from pullquote.searching.pages import Page, Words, closed, goes_on, paragraphs, running
from pullquote.searching.parts import Part, Skipped
from pullquote.searching.pdf_lines import WIDTHLESS, Box, Boxes, flow
from pullquote.searching.pdf_tables import Table, tables
from pullquote.searching.rows import has_header, one_line, row_parts, table_rows
from pullquote.searching.words import common_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PASSWORD = 4  # FPDF_ERR_PASSWORD
# PDFium's character for the hyphen of a word that is split over two lines, without the line's end
_HYPHENATED = re.compile("[\ufffe\x02][ \t]*(?:\r\n|\r|\n)?")
_LIGATURES = {
    "ﬀ": "ff",
    "ﬁ": "fi",
    "ﬂ": "fl",
    "ﬃ": "ffi",
    "ﬄ": "ffl",
    "ﬅ": "st",
    "ﬆ": "st",
    "\0": "\ufffd",
    WIDTHLESS: "",
}
_LIGATURE = re.compile(f"[{''.join(_LIGATURES)}]")
_LINE_END = re.compile(r"\r\n|[\r\n\f\v\x85\u2028\u2029]")

_FREE_TEXT, _FILE, _WIDGET = 3, 17, 20  # FPDF_ANNOT_*
_COMMENTS = {1, *range(4, 16)}  # notes, and what is said of shapes, of highlighted and deleted text
_WITH_VALUES = (4, 5, 6)  # FPDF_FORMFIELD_*: combo box, list box, text field
_LABEL_WITHIN = 10, 60, 250  # points to the left of a field
_LABEL_ABOVE = 10, 30

_ATTACHED = "files in a PDF are not read; save it"

_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{2,}")
_WORD_END = re.compile(r"\s|\Z")
_GAP = 0.15  # of the height of a letter: letters touch, and the narrowest blanks are .25
_FOUR_FLOATS = ctypes.c_float * 4
_BOXES_AT_ONCE = 1000  # as many as most pages need
_MOST_OBJECTS = 10_000  # of a page that are looked at for ruling lines
_LARGEST_STREAM = 64 << 20  # bytes, unpacked
_MOST_IN_MEMORY = 64 << 20  # bytes of a file; others are read piece by piece, which takes longer
_MOST_TEXT = 64 << 20  # characters of a small file
_LONGEST_NOTE = 200  # characters of what is said of an attached file


class _Table(str):
    """A table among the lines of a page: its text, with which it may be a running head."""

    rows: tuple[tuple[tuple[str, ...], ...], ...]
    """Of each row the cells, of each cell the lines."""
    header: bool
    """The first row is known to name the columns."""

    def __new__(cls, rows: Iterable[tuple[tuple[str, ...], ...]], *, header: bool) -> _Table:
        rows = tuple(rows)
        table = super().__new__(cls, "\n".join(" ".join(itertools.chain(*row)) for row in rows))
        table.rows, table.header = rows, header
        return table


class _Rows(NamedTuple):
    """The rows of a table on one page, each a list of cells."""

    texts: list[list[str]]
    header: bool


class _PageRead(NamedTuple):
    """What was read of a page."""

    lines: list[str]
    """Tables among them."""
    why: str = ""
    """Why there is no text, if the page has more."""
    comments: Sequence[str] = ()
    attached: Sequence[str] = ()
    """What is said of files that are attached to a place of the page."""


_Block: TypeAlias = "tuple[int, _Rows | list[str]]"
"""A page, and a table or lines of text."""


def read_pdf(file: BinaryIO) -> Iterator[Part | Skipped]:
    """Yield the paragraphs of a PDF; their numbers are pages.

    Running heads and feet come once each, after the paragraph that they would interrupt, and
    comments at the end; page numbers, tables of contents and indexes are left out. Skipped are
    pages that cannot be read, pages that hold pictures or drawings and no text, as scanned ones do,
    and attached files. Raises `DocumentError` for a file that is broken, encrypted, or without text
    (a scan), and `MissingExtraError` without pypdfium2.
    """
    pdfium = _pdfium()
    pages: list[list[str]] = []
    comments: list[Part] = []
    skipped: list[Skipped] = []
    with contextlib.closing(_opened(pdfium, file)) as pdf:
        form = _form(pdf)
        glyphs, known = _Glyphs(pdfium.raw), set(common_words())
        room = most = max(_MOST_TEXT, MOST_UNPACKED * file.seek(0, io.SEEK_END))
        for index in range(len(pdf)):
            page = _page(pdfium, pdf, form, index, glyphs, known)
            said = itertools.chain(*map(_said, page.lines), page.comments)
            if (room := room - sum(map(len, said))) < 0:  # pages and comments may be repeated
                raise DocumentError(
                    f"has a text of more than {most >> 20:,} MiB, an attack or a fault"
                )
            pages.append(page.lines)
            comments += (Part(f"{text}\n\n", index + 1) for text in page.comments)
            if page.why:
                skipped.append(Skipped(f"page {index + 1}", page.why))
            skipped += (
                Skipped(f"attachment on page {index + 1} {text}".rstrip(), _ATTACHED)
                for text in page.attached
            )
        skipped += [
            Skipped(f"attachment {_name(pdf, number)}", _ATTACHED)
            for number in range(pdf.count_attachments())
        ]
    if not comments and not any(line.strip() for lines in pages for line in lines):
        raise DocumentError(
            f"no text in its {len(pages):,} page{'s' * (len(pages) != 1)}, as in scanned ones; "
            "recognise it first, such as: ocrmypdf in.pdf out.pdf"
        )
    yield from _parts(pages)
    yield from comments
    yield from skipped


def _parts(pages: list[list[str]]) -> Iterator[Part]:
    """The paragraphs of some pages, and the rows of their tables."""
    words = Words(itertools.chain(*(_said(line) for page in pages for line in page)))
    flowing = running(pages)
    filled = (line for page in flowing for line in page.lines if line.strip())
    left_out = iter(listed([*map(_unless_table, filled)]))
    bodies = [
        [
            line
            for line in page.lines
            if not line.strip() or not next(left_out) or isinstance(line, _Table)
        ]
        for page in flowing
    ]
    blocks: list[_Block] = []
    for number, body in enumerate(bodies, start=1):
        for _, group in itertools.groupby(body, lambda line: isinstance(line, _Table)):
            lines = list(group)
            tabular = [_texts(line, words) for line in lines if isinstance(line, _Table)]
            blocks += ((number, table) for table in tabular)
            if not tabular and any(map(str.strip, lines)):
                blocks.append((number, lines))
    waiting: list[Part] = []  # heads, feet, and tables at the top of a page, till a paragraph ends
    begun: list[tuple[int, _Rows]] = []  # a table that may continue
    page, open_end = 0, False
    for place, (number, block) in enumerate(blocks, start=1):
        waiting += _heads(flowing[page:number], page + 1)
        page = number
        if isinstance(block, _Rows):
            begun.append((number, block))
            if not _continues(begun, blocks[place : place + 1]):
                waiting += _rows(begun)
                begun = []
            if not open_end:
                yield from waiting
                waiting = []
            continue
        page_text = [line for line in bodies[number - 1] if not isinstance(line, _Table)]
        found = paragraphs(block, words, page=page_text)
        if place < len(blocks) and isinstance(blocks[place][1], _Rows):
            found[-1:] = _title_apart(found[-1])
        for count, text in enumerate(found, start=1):
            if not open_end:
                yield from waiting
                waiting = []
            open_end = False
            following = _following(number, blocks[place : place + 2]) if count == len(found) else []
            if following:
                open_end = goes_on(block, following, page=page_text)
                text = _end_of_page(text, following, words)
            else:
                text += "\n\n"
            yield Part(text, number, open=open_end)
    yield from waiting
    yield from _heads(flowing[page:], page + 1)


def _said(line: str) -> Iterable[str]:
    """A line, or the lines of a table's cells."""
    if isinstance(line, _Table):
        return itertools.chain.from_iterable(itertools.chain(*line.rows))
    return [line]


def _unless_table(line: str) -> str:
    """A line of text, which may be part of a table of contents; other tables are none."""
    return "" if isinstance(line, _Table) else line


def _texts(table: _Table, words: Words) -> _Rows:
    """The cells of a table, each on one line."""
    texts = [[one_line(" ".join(paragraphs(cell, words))) for cell in row] for row in table.rows]
    return _Rows(texts, table.header)


def _heads(pages: Sequence[Page], first: int) -> Iterator[Part]:
    """The running heads and feet of some pages, of which the first has a number."""
    for number, page in enumerate(pages, start=first):
        yield from (Part(f"{head}\n\n", number) for head in page.heads)


def _title_apart(text: str) -> list[str]:
    """A paragraph above a table; its last line may be the title of the table."""
    before, _, last = text.rpartition("\n")
    return [before, last] if before and not closed(last) else [text]


def _continues(begun: Sequence[tuple[int, _Rows]], following: Sequence[_Block]) -> bool:
    """Whether a table goes on at the top of the next page: with its header, or without any."""
    names = begun[0][1].texts[0]
    return any(
        isinstance(block, _Rows)
        and number > begun[-1][0]
        and len(block.texts[0]) == len(names)
        and (block.texts[0] == names or not has_header(block.texts))
        for number, block in following
    )


def _following(number: int, blocks: Sequence[_Block]) -> list[str]:
    """The lines of a later page with which a paragraph may go on, perhaps behind a table."""
    match blocks:
        case [(page, list(lines)), *_] if page > number:
            return lines
        case [(page, _Rows()), (_, list(lines))] if page > number:
            return lines if next(filter(str.strip, lines)).strip()[0].islower() else []
    return []


def _rows(pages: Sequence[tuple[int, _Rows]]) -> Iterator[Part]:
    """The rows of a table, each with its page; a header that pages repeat counts once."""
    (first, table), *later = pages
    names = table.texts[0]
    rows = [(first, row) for row in table.texts]
    for number, more in later:
        rows += ((number, row) for row in more.texts[more.texts[0] == names :])
    if not table.header and has_header([row for _, row in rows]) is False:
        # it is a row like others
        rows = [(number, row) for number, part in pages for row in part.texts]
    yield from row_parts(table_rows(rows, header=table.header))


def _end_of_page(text: str, following: list[str], words: Words) -> str:
    """The last paragraph of a page, with what stands between it and the next page."""
    beginning = next(filter(None, map(str.strip, following)), "")
    hyphen = words.joined(text, beginning)
    return f"{text}\n\f" if hyphen is None else text[:-1] + hyphen


# ---- what PDFium reads


def _opened(pdfium: Any, file: BinaryIO) -> Any:
    """The document, which is to be closed."""
    small = file.seek(0, io.SEEK_END) <= _MOST_IN_MEMORY
    file.seek(0)
    try:
        pdf = pdfium.PdfDocument(file.read() if small else file)
        if pdf.get_metadata_value("Producer").startswith("gropdf"):
            file.seek(0)
            data = _with_blanks(file.read())
            pdf.close()
            pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise DocumentError("encrypted; save a copy that opens without a password") from None
        raise DocumentError(f"not readable as a PDF ({first_line(error)})") from None
    return pdf


def _with_blanks(data: bytes) -> bytes:
    """The same file with blanks at changes of the font that PDFium does not lose.

    groff writes `[(Any) -250 ()] TJ` for a blank before a word in italics. PDFium forgets a
    movement if an empty string follows, so that the next word touches this one: "Anynumeric".
    """

    def repaired(stream: re.Match[bytes]) -> bytes:
        try:
            content = zlib.decompressobj().decompress(stream[1], _LARGEST_STREAM)
        except zlib.error:
            return stream[0]
        packed = zlib.compress(content.replace(b" ()] TJ", b"] TJ"), 9)
        if b" ()] TJ" not in content or len(packed) > len(stream[1]):
            return stream[0]
        # of the same length, since the file says where each object begins
        return stream[0].replace(stream[1], packed.ljust(len(stream[1]), b"\n"))

    return _STREAM.sub(repaired, data)


def _page(
    pdfium: Any, pdf: Any, form: Any, index: int, glyphs: _Glyphs, known: set[str]
) -> _PageRead:
    """Read a page. `known` are words that are not looked at for gaps; those of it are added."""
    try:
        page = pdf[index]
        with contextlib.closing(page), contextlib.closing(page.get_textpage()) as found:
            raw: str = found.get_text_range()
            shows = not raw.strip() and pdfium.raw.FPDFPage_CountObjects(page) > 0
            values, said, attached = _annotated(pdfium.raw, form, page, found, raw)
            breaks: list[tuple[int, str]] = []
            tabular: list[Table] = []
            # a character for each glyph
            if raw.strip() and pdfium.raw.FPDFText_CountChars(found) == len(raw):
                boxes = functools.partial(glyphs.boxes, found)
                raw, starts, firsts = flow(raw, boxes)
                breaks += _gaps(raw, boxes, known)
                breaks += ((at, "\n") for at in starts)
                tabular += tables(raw, firsts, glyphs.box_of(found), _drawn(pdfium.raw, page))
    except pdfium.PdfiumError as error:
        return _PageRead([], f"cannot be read ({first_line(error)})")  # others can still be
    added = sorted([*breaks, *values], key=lambda one: one[0])
    lines: list[str] = []
    end = 0
    for table in tabular:
        if any(table.begin <= offset <= table.end for offset, _ in values):
            continue  # a form
        lines += _LINE_END.split(_clean(_with(raw, added, end, table.begin)))
        rows = (
            tuple(tuple(_clean(_with(raw, added, *run)).strip() for run in cell) for cell in row)
            for row in table.rows
        )
        lines.append(_Table(rows, header=table.header))
        end = table.end
    lines += _LINE_END.split(_clean(_with(raw, added, end, len(raw) + 1)))
    why = ""
    if shows and not any(map(str.strip, lines)):
        lines, why = [], "no text in it, as in scanned ones; recognise it: ocrmypdf in.pdf out.pdf"
    return _PageRead(lines, why, [*map(_clean, said)], [*map(one_line, attached)])


def _clean(text: str) -> str:
    """Text without ligatures, and with plain hyphens."""
    plain = _LIGATURE.sub(lambda found: _LIGATURES[found[0]], text)  # few, in a long text
    return _HYPHENATED.sub("-\n", plain)


def _with(text: str, added: Sequence[tuple[int, str]], begin: int, end: int) -> str:
    """A part of a text, with others put in at some offsets, in order."""
    at = functools.partial(bisect.bisect_left, added)
    inside = added[at((begin,)) : at((end,))]
    offsets = [begin, *(offset for offset, _ in inside), end]
    pieces = [text[begin:end] for begin, end in itertools.pairwise(offsets)]
    return "".join(itertools.chain(*zip(pieces, [*(one for _, one in inside), ""], strict=True)))


class _Glyphs:
    """Tells where characters of pages stand.

    Its room is used for all pages: to make the addresses in it takes as long as to ask for boxes,
    and an address takes eight times the memory of a box.
    """

    def __init__(self, raw: Any) -> None:
        import numpy as np  # most formats need none of it

        self._get = _untyped(raw.FPDFText_GetLooseCharBox, _INT_FUNCTION)
        self._room = np.empty((_BOXES_AT_ONCE, 4), np.float32)
        first, size = self._room.ctypes.data, self._room.strides[0]
        self._rows = [ctypes.c_void_p(first + at * size) for at in range(len(self._room))]

    def boxes(self, text: Any, places: Sequence[int]) -> NDArray[np.float32]:
        """The boxes of some characters of a page, (N, 4)."""
        import numpy as np

        found = np.empty((len(places), 4), np.float32)
        for begin in range(0, len(places), len(self._rows)):
            some = places[begin : begin + len(self._rows)]
            room = self._room[: len(some)]
            room[:] = 0.0  # for a character without a box
            deque(map(self._get, itertools.repeat(text.raw), some, self._rows), maxlen=0)
            # PDFium's are left, top, right, bottom
            found[begin : begin + len(some)] = room[:, [0, 3, 2, 1]]
        return found

    def box_of(self, text: Any) -> Callable[[int], Box]:
        """Tells the box of a character of a page; few are asked for, and some of them often."""
        get, page = self._get, text.raw
        sides, place = _four_floats()

        def box(at: int) -> Box:
            get(page, at, place)
            left, top, right, bottom = sides.tolist()
            return left, bottom, right, top

        return functools.cache(box)


def _four_floats() -> tuple[memoryview[float], ctypes.c_void_p]:
    """Room for the sides of a box, and its address; its items themselves would take longer."""
    room = _FOUR_FLOATS()
    return memoryview(room).cast("B").cast("f"), ctypes.c_void_p(ctypes.addressof(room))


class _Object(ctypes.c_void_p):
    """An object of a page: not a number, as `c_void_p` would be that is returned."""


_INT_FUNCTION, _OBJECT_FUNCTION = ctypes.PYFUNCTYPE(ctypes.c_int), ctypes.PYFUNCTYPE(_Object)


def _untyped(function: Any, kind: Callable[[int], Callable[..., Any]]) -> Callable[..., Any]:
    """A function of PDFium that converts no arguments, which would take as long as its work.

    It wants its pointers as such: an address as a number would be cut to 32 bits.
    """
    return kind(ctypes.cast(function, ctypes.c_void_p).value or 0)


def _drawn(raw: Any, page: Any) -> list[Box]:
    """The lines and rectangles that a page draws, as boxes around them."""
    get = _untyped(raw.FPDFPage_GetObject, _OBJECT_FUNCTION)
    kind = _untyped(raw.FPDFPageObj_GetType, _INT_FUNCTION)
    bounds = _untyped(raw.FPDFPageObj_GetBounds, _INT_FUNCTION)
    count = min(raw.FPDFPage_CountObjects(page), _MOST_OBJECTS)
    objects = list(map(get, itertools.repeat(page.raw), range(count)))
    is_path = map(raw.FPDF_PAGEOBJ_PATH.__eq__, map(kind, objects))
    sides, first = _four_floats()  # left, bottom, right, top
    places = [
        ctypes.c_void_p((first.value or 0) + at) for at in range(0, sides.nbytes, sides.itemsize)
    ]
    return [sides.tolist() for one in itertools.compress(objects, is_path) if bounds(one, *places)]


def _gaps(characters: str, boxes: Boxes, known: set[str]) -> list[tuple[int, str]]:
    """Where letters of one word stand as far apart as words do, and a blank is missing.

    Known words are not looked at: common ones, and those that had no gap on an earlier page.
    """
    import numpy as np

    words: list[tuple[str, int, int]] = []
    for word in _WORD.finditer(characters):
        if (written := word[0]) in known:
            continue
        if (low := written.lower()) in known:
            known.add(written)  # "The"
        else:
            words.append((low, *word.span()))
    letters = [*itertools.chain.from_iterable(range(begin, end) for _, begin, end in words)]
    if not letters:
        return []
    left, bottom, right, top = boxes(letters).T  # (N,) each
    apart = left[1:] - right[:-1] > _GAP * (top - bottom)[1:]
    of_one_word = np.diff(letters) == 1
    gaps = [letters[at + 1] for at in np.flatnonzero(apart & of_one_word)]
    known.update(low for low, _, _ in words)
    if gaps:
        known.difference_update(
            low
            for low, begin, end in words
            if bisect.bisect(gaps, begin) < bisect.bisect(gaps, end)
        )
    return [(at, " ") for at in gaps]


def _form(pdf: Any) -> Any:
    """PDFium's handle of the form in a document; None if there is none."""
    pdf.init_forms()
    return pdf.formenv and pdf.formenv.raw


def _annotations(raw: Any, page: Any) -> Iterator[tuple[int, Any]]:
    """The kinds of a page's annotations, and the annotations while they are open."""
    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        try:
            yield raw.FPDFAnnot_GetSubtype(annotation), annotation
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _annotated(
    raw: Any, form: Any, page: Any, text: Any, characters: str
) -> tuple[list[tuple[int, str]], list[str], list[str]]:
    """What was filled in on a page, the comments, and what is said of attached files.

    A value is an offset in the page's text, behind its label, and what is put there.
    """
    values: list[tuple[int, str]] = []
    comments: list[str] = []
    attached: list[str] = []
    for kind, annotation in _annotations(raw, page):  # most are links
        if kind in (_FREE_TEXT, _WIDGET):
            value = _value(raw, form, kind, annotation)
            box = raw.FS_RECTF()
            if value and raw.FPDFAnnot_GetRect(annotation, box):
                label = _label(raw, text, box)
                end = _WORD_END.search(characters, label) if label is not None else None
                values.append((end.start() if end else len(characters), f" {value}"))
        elif kind == _FILE:
            attached.append(_contents(raw, annotation))
        elif kind in _COMMENTS and (comment := _contents(raw, annotation)):
            comments.append(comment)
    return sorted(values), comments, attached


def _value(raw: Any, form: Any, kind: int, annotation: Any) -> str:
    """What was filled in at a place of a page."""
    if kind == _FREE_TEXT:
        return _contents(raw, annotation)
    if form and raw.FPDFAnnot_GetFormFieldType(form, annotation) in _WITH_VALUES:
        return _string(raw.FPDFAnnot_GetFormFieldValue, form, annotation).strip()
    return ""


def _contents(raw: Any, annotation: Any) -> str:
    return _string(raw.FPDFAnnot_GetStringValue, annotation, b"Contents").strip()


def _label(raw: Any, text: Any, box: Any) -> int | None:
    """The offset of the character that is next to a field on the left, else above it."""
    middle, height = (box.top + box.bottom) / 2, abs(box.top - box.bottom)
    places = [(box.left, middle, 2 * within, height) for within in _LABEL_WITHIN]
    places += [(box.left + 10, box.top, 40, 2 * within) for within in _LABEL_ABOVE]
    for place in places:
        if (at := raw.FPDFText_GetCharIndexAtPos(text, *place)) >= 0:
            return max(int(raw.FPDFText_GetTextIndexFromCharIndex(text, at)), 0)
    return None


def _string(get: Callable[..., int], *of: Any) -> str:
    """A text that a function of PDFium writes: two calls, for its size and for itself."""
    size = get(*of, None, 0)
    buffer = (ctypes.c_ushort * max(size // 2, 1))()
    get(*of, buffer, size)
    return bytes(buffer).decode("utf-16-le", "replace").rstrip("\0").replace("\0", "")


def _name(pdf: Any, number: int) -> str:
    """The name of an attached file."""
    return pdf.get_attachment(number).get_name() or str(number + 1)


def _pdfium() -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise MissingExtraError("pypdfium2, which reads PDF,", "files") from None
    return pypdfium2
