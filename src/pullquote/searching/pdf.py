"""Reads the text of PDF files, page by page, with PDFium (extra `files`).

    for part in read_pdf(file): ...

Knows PDFium; what is made of the lines of pages is in `pages` and `contents`. A form feed separates
pages. A paragraph that continues on the next page is one paragraph. The value of a filled field is
put behind its label.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from pullquote.errors import DocumentError, MissingExtraError, first_line
from pullquote.searching.contents import listed
from pullquote.searching.pages import CLOSED, Words, paragraphs, running
from pullquote.searching.parts import Part, Skipped
from pullquote.searching.words import common_words

_PASSWORD = 4  # FPDF_ERR_PASSWORD
# PDFium's character for the hyphen of a word that is split over two lines, without the line's end
_HYPHENATED = re.compile("[\ufffe\x02][ \t]*(?:\r\n|\r|\n)?")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": "\ufffd"}
)
_LINE_END = re.compile(r"\r\n|[\r\n\f\v\x85\u2028\u2029]")

_FREE_TEXT, _WIDGET = 3, 20  # FPDF_ANNOT_*
_WITH_VALUES = (4, 5, 6)  # FPDF_FORMFIELD_*: combo box, list box, text field
_LABEL_WITHIN = 10, 60, 250  # points to the left of a field
_LABEL_ABOVE = 10, 30

_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{2,}")
_WORD_END = re.compile(r"\s|\Z")
_GAP = 0.15  # of the height of a letter: letters touch, and the narrowest blanks are .25
_LARGEST_STREAM = 64 << 20  # bytes, unpacked


def read_pdf(file: BinaryIO) -> Iterator[Part | Skipped]:
    """Yield the paragraphs of a PDF; their numbers are pages.

    Running heads and feet come once each, after the paragraph that they would interrupt; page
    numbers, tables of contents and indexes are left out. Skipped are pages that cannot be read,
    pages that hold pictures or drawings and no text, as scanned ones do, and attached files. Raises
    `DocumentError` for a file that is broken, encrypted, or without text (a scan), and
    `MissingExtraError` without pypdfium2.
    """
    pdfium = _pdfium()
    texts: list[str] = []
    skipped: list[Skipped] = []
    with contextlib.closing(_opened(pdfium, file)) as pdf:
        form = _form(pdf)
        for index in range(len(pdf)):
            text, why = _text(pdfium, pdf, form, index)
            texts.append(text)
            if why:
                skipped.append(Skipped(f"page {index + 1}", why))
        skipped += [
            Skipped(f"attachment {_name(pdf, number)}", "files in a PDF are not read; save it")
            for number in range(pdf.count_attachments())
        ]
    if not any(text.strip() for text in texts):
        raise DocumentError(
            f"no text in its {len(texts):,} page{'s' * (len(texts) != 1)}, as in scanned ones; "
            "recognise it first, such as: ocrmypdf in.pdf out.pdf"
        )
    yield from _parts([_LINE_END.split(text) for text in texts])
    yield from skipped


def _parts(pages: list[list[str]]) -> Iterator[Part]:
    """The paragraphs of some pages."""
    words = Words(line for page in pages for line in page)
    flowing = running(pages)
    left_out = iter(listed([line for page in flowing for line in page.lines]))
    bodies = [[line for line in page.lines if not next(left_out)] for page in flowing]
    heads: list[Part] = []  # and feet; they wait until a paragraph ends
    goes_on = False
    last = max((number for number, body in enumerate(bodies, start=1) if body), default=0)
    for number, (page, body) in enumerate(zip(flowing, bodies, strict=True), start=1):
        heads += [Part(f"{head}\n\n", number) for head in page.heads]
        found = paragraphs(body, words)
        for place, text in enumerate(found, start=1):
            if not goes_on:
                yield from heads
                heads.clear()
            goes_on = False
            if place < len(found) or number == last:
                text += "\n\n"
            else:
                # a page that ends in mid-sentence continues on the next one with text
                goes_on = not CLOSED.search(text)
                text = _end_of_page(text, next(filter(None, bodies[number:])), words)
            yield Part(text, number, open=goes_on)
    yield from heads


def _end_of_page(text: str, following: list[str], words: Words) -> str:
    """The last paragraph of a page, with what stands between it and the next page."""
    beginning = next(filter(None, map(str.strip, following)), "")
    hyphen = words.joined(text, beginning)
    return f"{text}\n\f" if hyphen is None else text[:-1] + hyphen


# ---- what PDFium reads


def _opened(pdfium: Any, file: BinaryIO) -> Any:
    """The document, which is to be closed."""
    file.seek(0)
    try:
        pdf = pdfium.PdfDocument(file)
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


def _text(pdfium: Any, pdf: Any, form: Any, index: int) -> tuple[str, str]:
    """The text of a page, and why there is none, if it has something to show."""
    try:
        page = pdf[index]
        with contextlib.closing(page), contextlib.closing(page.get_textpage()) as found:
            raw: str = found.get_text_range()
            shows = not raw.strip() and pdfium.raw.FPDFPage_CountObjects(page) > 0
            values = list(_values(pdfium.raw, form, page, found, raw))
            added = sorted([*_gaps(pdfium.raw, found, raw), *values], key=lambda one: one[0])
            raw = _with(raw, added)
    except pdfium.PdfiumError as error:
        return "", f"cannot be read ({first_line(error)})"  # the other pages can still be
    if shows and not raw.strip():
        return "", "no text in it, as in scanned ones; recognise it: ocrmypdf in.pdf out.pdf"
    return _HYPHENATED.sub("-\n", raw.translate(_LIGATURES)), ""


def _with(text: str, added: list[tuple[int, str]]) -> str:
    """A text with others put in at some offsets, in order."""
    offsets = [0, *(offset for offset, _ in added), len(text)]
    pieces = [text[begin:end] for begin, end in itertools.pairwise(offsets)]
    return "".join(itertools.chain(*zip(pieces, [*(one for _, one in added), ""], strict=True)))


def _gaps(raw: Any, text: Any, characters: str) -> Iterator[tuple[int, str]]:
    """Where letters of one word stand as far apart as words do, and a blank is missing."""
    if raw.FPDFText_CountChars(text) != len(characters):
        return  # not a character for each glyph
    box, get, page = raw.FS_RECTF(), raw.FPDFText_GetLooseCharBox, text.raw
    common = common_words()
    for word in _WORD.finditer(characters):
        if word[0].lower() in common:
            continue  # looked up faster than measured
        right = math.inf
        for at in range(*word.span()):
            get(page, at, box)
            if box.left - right > _GAP * (box.top - box.bottom):
                yield at, " "
            right = box.right


def _form(pdf: Any) -> Any:
    """PDFium's handle of the form in a document; None if there is none."""
    pdf.init_forms()
    return pdf.formenv and pdf.formenv.raw


def _values(
    raw: Any, form: Any, page: Any, text: Any, characters: str
) -> Iterator[tuple[int, str]]:
    """What was filled in on a page: an offset in its text, behind the label, and the value."""
    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        try:
            kind = raw.FPDFAnnot_GetSubtype(annotation)
            value = ""
            if kind == _FREE_TEXT:
                value = _string(raw.FPDFAnnot_GetStringValue, annotation, b"Contents")
            elif kind == _WIDGET and form and _may_have_value(raw, form, annotation):
                value = _string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)
            box = raw.FS_RECTF()
            if value.strip() and raw.FPDFAnnot_GetRect(annotation, box):
                label = _label(raw, text, box)
                end = _WORD_END.search(characters, label) if label is not None else None
                yield (end.start() if end else len(characters)), f" {value.strip()}"
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _may_have_value(raw: Any, form: Any, annotation: Any) -> bool:
    return raw.FPDFAnnot_GetFormFieldType(form, annotation) in _WITH_VALUES


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
