"""Reads the text of PDF files, page by page, with PDFium (extra `files`).

    for part in read_pdf(file): ...

Knows lines of text, not their positions on the page. A form feed separates pages. A paragraph that
continues on the next page is one paragraph.
"""

from __future__ import annotations

import contextlib
import re
import statistics
from collections.abc import Iterator
from typing import Any, BinaryIO

from pullquote.errors import DocumentError, MissingExtraError, first_line
from pullquote.searching.parts import Part, Skipped

_PASSWORD = 4  # FPDF_ERR_PASSWORD
# PDFium's character for the hyphen of a word that is split over two lines
_HYPHENATED = re.compile("[\ufffe\x02][ \t]*(?:\r\n|\r|\n)?")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": "\ufffd"}
)
# a line that ends like this may end a paragraph: with a sentence, or as the head of a list
_CLOSED = re.compile(r"""[.!?:;…。！？]["'”’»)\]]*\Z""")

# "7", "- 7 -" or "Page 7 of 9", alone in the first or the last line of a page
_PAGE_NUMBER = re.compile(
    r"\A\s*(?:page\s+)?\W{0,3}\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?[^\w\n]*(?:\n|\Z)"
    r"|(?:\A|(?<=\n))[^\w\n]*(?:page\s+)?\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?[^\w\n]*(?:\n\s*)?\Z",
    re.IGNORECASE,
)


def read_pdf(file: BinaryIO) -> Iterator[Part | Skipped]:
    """Yield the paragraphs of a PDF; their numbers are pages.

    Skipped are pages that cannot be read, pages that hold pictures or drawings and no text, as
    scanned ones do, and attached files. Raises `DocumentError` for a file that is broken,
    encrypted, or without text (a scan), and `MissingExtraError` without pypdfium2.
    """
    pdfium = _pdfium()
    file.seek(0)
    try:
        pdf = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise DocumentError("encrypted; save a copy that opens without a password") from None
        raise DocumentError(f"not readable as a PDF ({first_line(error)})") from None
    with contextlib.closing(pdf):
        pages, found = len(pdf), False
        skipped: list[Skipped] = []
        for index in range(pages):
            text, why = _page(pdfium, pdf, index)
            found = found or bool(text.strip())
            if why:
                skipped.append(Skipped(f"page {index + 1}", why))
            last = index == pages - 1
            paragraphs = _paragraphs(text)
            for paragraph in paragraphs[:-1]:
                yield Part(paragraph, index + 1)
            final = paragraphs[-1]
            # a page that ends in mid-sentence continues on the next
            goes_on = not last and bool(final.strip()) and not _CLOSED.search(final.rstrip())
            if not last:
                final = f"{final.rstrip()}\n\f"
            yield Part(final, index + 1, open=goes_on)
        skipped += [
            Skipped(f"attachment {_name(pdf, number)}", "files in a PDF are not read; save it")
            for number in range(pdf.count_attachments())
        ]
    if not found:
        raise DocumentError(
            f"no text in its {pages:,} page{'s' * (pages != 1)}, as in scanned ones; "
            "recognise it first, such as: ocrmypdf in.pdf out.pdf"
        )
    yield from skipped


def _page(pdfium: Any, pdf: Any, index: int) -> tuple[str, str]:
    """The text of a page, and why there is none, if it has something to show."""
    try:
        page = pdf[index]
        with contextlib.closing(page), contextlib.closing(page.get_textpage()) as text:
            raw: str = text.get_text_range()
            shows = not raw.strip() and pdfium.raw.FPDFPage_CountObjects(page) > 0
    except pdfium.PdfiumError as error:
        return "", f"cannot be read ({first_line(error)})"  # the other pages can still be
    if shows:
        return "", "no text in it, as in scanned ones; recognise it: ocrmypdf in.pdf out.pdf"
    raw = _HYPHENATED.sub("", raw).replace("\r\n", "\n").replace("\r", "\n")
    return _PAGE_NUMBER.sub("", raw.translate(_LIGATURES).replace("\f", "\n")), ""


def _name(pdf: Any, number: int) -> str:
    """The name of an attached file."""
    return pdf.get_attachment(number).get_name() or str(number + 1)


def _paragraphs(text: str) -> list[str]:
    """Split a page: a paragraph ends at an empty line, or with a sentence in a short line."""
    lines = text.splitlines(keepends=True)
    if not lines:
        return [""]
    lengths = [len(line.strip()) for line in lines if line.strip()]
    usual = statistics.quantiles(lengths, n=4)[2] if len(lengths) > 1 else 0
    paragraphs = [""]
    for line in lines:
        paragraphs[-1] += line
        words = line.strip()
        if not words or (len(words) < 0.85 * usual and _CLOSED.search(words)):
            paragraphs.append("")
    return [paragraph for paragraph in paragraphs if paragraph] or [""]


def _pdfium() -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise MissingExtraError("pypdfium2, which reads PDF,", "files") from None
    return pypdfium2
