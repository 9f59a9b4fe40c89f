"""Spreadsheets, XLSX, XLS and ODS. Each row is a passage, with the names of its columns.

    for part in read_xlsx(file): ...     # numbers are rows of their sheet
    for part in read_xls(file): ...
    for part in read_ods(file): ...

Knows sheets and cells; `packages`, xlrd and `opendocument` open the files. A cell at the end of an
empty row costs nothing, and but for XLS, sheets are not held whole. Formulas without a value, and
errors such as #N/A, are skipped, and a note counts those of a sheet.
"""

from __future__ import annotations

import html
import io
import os
import posixpath
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO, TypeAlias

from pullquote.errors import DocumentError, MissingExtraError, first_line
from pullquote.searching.archives import Archive, local_name
from pullquote.searching.html import lxml
from pullquote.searching.numbers import Formats, first_day, formatted
from pullquote.searching.office import drawn
from pullquote.searching.opendocument import MOST_REPEATED, OpenDocument, repeated
from pullquote.searching.packages import (
    Relation,
    main_part,
    open_package,
    relation_id,
    relations,
)
from pullquote.searching.parts import Note, Part, Skipped
from pullquote.searching.rows import LONGEST_REPEATED, one_line, row_parts, table_rows
from pullquote.searching.signatures import OLD_OR_ENCRYPTED

_MOST_COLUMNS = 16_384  # of Excel
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_MARGIN = re.compile(rb"<(?:\w+:)?(?:odd|even|first)(?:Header|Footer)\b[^>]*>([^<]*)<")
_AMPERSAND = "\ufdd0"  # while codes are looked for: no character
_PLACES = re.compile("&[LCR]")
_FIELDS = re.compile("&[PNDTGAFZ]")  # the page, how many there are, the date, a picture, names
_CODES = re.compile(r'&(?:"[^"]*"|K[0-9A-F]{6}|K\d\d[+-]\d{3}|\d{1,3}|[A-Za-z])')  # fonts
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3}[0-9]{1,7}):[A-Z]{1,3}([0-9]{1,7})"')

_MOST_ERRORS = 5  # kinds of errors that a note names
_MOST_FILLED = 1 << 22  # characters of a sheet that merged cells repeat

# what xlrd raises for a broken file, beside errors of its own
_FAULTS = (
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_BARE = b"\x09"  # how an old workbook begins that is in no container

_Row: TypeAlias = "tuple[int, list[str]]"
_Span: TypeAlias = "tuple[int, int]"  # a column, and the last row that a cell of it reaches


def read_xlsx(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the rows of all sheets, then their comments and the text of their drawings.

    Rows of several sheets begin with the name of theirs. Skipped are sheets that are missing,
    broken, or charts.
    """
    with open_package(file, "XLSX", old="xls") as archive:
        name, tree = main_part(archive, "workbook", "xl/workbook.xml", "workbook")
        related = relations(archive, name)
        kinds = {one.kind: archive.find(one.target) for one in related.values() if not one.outside}
        folder = posixpath.dirname(name)
        usual = archive.find(posixpath.join(folder, "sharedStrings.xml"))
        strings = _strings(archive, kinds.get("sharedStrings") or usual)
        styles = kinds.get("styles") or archive.find(posixpath.join(folder, "styles.xml"))
        formats = Formats(archive.tree(styles) if styles else None, _begins_1904(tree))
        sheets = [one for one in tree.iter() if local_name(one) == "sheet"]
        for sheet in sheets:
            title = sheet.get("name", "") if len(sheets) > 1 else ""
            relation = related.get(relation_id(sheet))
            path = archive.find(relation.target) if relation and not relation.outside else None
            if path is None or relation is None:
                yield Skipped(f"sheet {sheet.get('name')}", "missing from the file")
            elif relation.kind != "worksheet":
                yield Skipped(f"sheet {sheet.get('name')}", f"a {relation.kind}, which is not read")
            else:
                faults: list[DocumentError] = []
                unread = _Unread(sheet.get("name", ""))
                rows = _until_fault(_cells(archive, path, strings, formats, unread), faults)
                yield from _named(title, row_parts(table_rows(rows), title, alone=True))
                yield from unread.notes()
                try:
                    yield from _named(title, _margins(archive.content(path)))
                    yield from _named(title, _beside(archive, path))
                except DocumentError as error:
                    faults.append(error)
                for fault in faults:
                    yield Skipped(f"sheet {sheet.get('name')}", str(fault))


def _named(sheet: str, parts: Iterable[Part]) -> Iterator[Part]:
    """Parts with the name of their sheet."""
    return (replace(part, sheet=sheet) for part in parts) if sheet else iter(parts)


def read_ods(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the rows of all sheets; those of several sheets begin with the name of theirs."""
    with OpenDocument(file, charts=False) as document:
        body = document.body("spreadsheet")
        sheets = [one for one in body if local_name(one) == "table"]
        for sheet in sheets:
            name = next((value for key, value in sheet.items() if key.endswith("}name")), "")
            title = name if len(sheets) > 1 else ""
            unread = _Unread(name)
            rows = _open_cells(document, sheet, unread)
            yield from _named(title, row_parts(table_rows(rows), title, alone=True))
            yield from unread.notes()
        yield from document.skipped


def read_xls(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the rows of all sheets of an old workbook, each sheet with its comments.

    Raises `DocumentError` for a file that is encrypted, or none, and `MissingExtraError` without
    xlrd.
    """
    xlrd = _xlrd()
    try:
        book = _old_workbook(xlrd, file)
        for number in range(book.nsheets):
            sheet = book.sheet_by_index(number)
            title = sheet.name if book.nsheets > 1 else ""
            unread = _Unread(sheet.name)
            rows = _old_cells(book, sheet, xlrd.error_text_from_code, unread)
            yield from _named(title, row_parts(table_rows(rows), title, alone=True))
            yield from unread.notes()
            for (row, _), comment in sorted(sheet.cell_note_map.items()):
                if text := one_line(comment.text):
                    yield Part(f"{text}\n\n", row + 1, sheet=title)
            book.unload_sheet(number)
    except DocumentError:
        raise
    except (xlrd.XLRDError, xlrd.compdoc.CompDocError, *_FAULTS) as error:
        if "encrypted" in str(error):
            raise DocumentError("encrypted; save it as .xlsx without a password") from None
        raise DocumentError(
            f"not readable as XLS ({first_line(error)}); save it as .xlsx"
        ) from None


class _Unread:
    """The cells of a sheet that show no value."""

    def __init__(self, sheet: str) -> None:
        self.formulas = 0
        self._sheet = sheet
        self._errors = 0
        self._kinds: dict[str, None] = {}  # the first, in their order

    def error(self, kind: str) -> None:
        """Count an error such as "#N/A"."""
        self._errors += 1
        if len(self._kinds) < _MOST_ERRORS:
            self._kinds[one_line(kind)[:20]] = None

    def notes(self) -> Iterator[Skipped]:
        """What was counted. Call it when the rows are read."""
        where = f"sheet {self._sheet}"
        if self.formulas:
            what = "1 formula" if self.formulas == 1 else f"{self.formulas:,} formulas"
            todo = "open and save it in a spreadsheet program"
            yield Skipped(where, f"{what} without a stored value; {todo}")
        if self._errors:
            what = "1 cell" if self._errors == 1 else f"{self._errors:,} cells"
            kinds = ", ".join(filter(None, self._kinds))
            yield Skipped(where, f"{what} with an error{f' ({kinds})' if kinds else ''}")


def _until_fault(rows: Iterable[_Row], faults: list[DocumentError]) -> Iterator[_Row]:
    """The rows before a fault, which is kept: those who read them look ahead."""
    try:
        yield from rows
    except DocumentError as fault:
        faults.append(fault)


def _filled(rows: Iterable[tuple[int, list[str], list[_Span]]]) -> Iterator[_Row]:
    """The rows; a cell that reaches over several is in each of them, and an empty row in a gap."""
    reach: dict[int, tuple[int, str]] = {}  # by the column: the last row, and the text
    before = filled = 0
    for number, cells, spans in rows:
        if number > before + 1:
            yield before + 1, []
        for column, (last, text) in list(reach.items()):
            if number > last:
                del reach[column]
            elif column >= len(cells) or not cells[column]:
                cells += [""] * (column + 1 - len(cells))
                cells[column] = text
                filled += len(text)
        if filled > _MOST_FILLED:
            reach.clear()
        for column, last in spans:
            if column < len(cells) and 0 < len(cells[column]) <= LONGEST_REPEATED:
                reach[column] = last, cells[column]
        yield number, cells
        before = number


# --- XLSX


def _strings(archive: Archive, name: str | None) -> list[str]:
    """The texts that cells name by their numbers."""
    if name is None:
        return []
    texts = []
    for entry in _stream(archive.content(name), "si"):
        texts.append(_rich(entry))
        _free(entry)
    return texts


def _rich(element: Any) -> str:
    """The text of runs, without what says how it is pronounced."""
    return "".join(
        run.text or ""
        for run in element.iter()
        if local_name(run) == "t" and local_name(run.getparent()) != "rPh"
    )


def _begins_1904(workbook: Any) -> bool:
    """Whether days are counted from 1904, as on old Macs."""
    settings = next((one for one in workbook.iter() if local_name(one) == "workbookPr"), None)
    return settings is not None and settings.get("date1904") in ("1", "true")


def _cells(
    archive: Archive, path: str, strings: list[str], formats: Formats, unread: _Unread
) -> Iterator[_Row]:
    """The rows of a sheet with their numbers."""
    source = archive.content(path)
    merged: dict[int, list[_Span]] = {}  # by the first row
    for first, last in _MERGED.findall(source, max(source.rfind(b"sheetData>"), 0)):
        column, row = _place(first.decode()) or (0, 0)
        if int(last) > row:
            merged.setdefault(row, []).append((column, int(last)))

    def rows() -> Iterator[tuple[int, list[str], list[_Span]]]:
        number = 0
        cells: list[str] = []
        column = 0
        for element in _stream(source, "c", "row"):
            if local_name(element) == "row":
                said = element.get("r", "")
                later = said.isascii() and said.isdecimal() and len(said) < 9 and int(said) > number
                number = int(said) if later else number + 1
                yield number, cells, merged.get(number, [])
                cells, column = [], 0
                _free(element)
                continue
            place = _place(element.get("r", ""))
            column = place[0] if place and place[0] >= column else column
            if column >= _MOST_COLUMNS:
                raise DocumentError(f"more than {_MOST_COLUMNS:,} columns")
            if text := _value(element, strings, formats, unread):
                cells += [""] * (column + 1 - len(cells))
                cells[column] = text
            column += 1
            element.clear()

    yield from _filled(rows())


def _value(cell: Any, strings: list[str], formats: Formats, unread: _Unread) -> str:
    """What a cell shows; nothing if it is counted as unread."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return one_line(_rich(cell))
    value = next((one.text or "" for one in cell if local_name(one) == "v"), "")
    if kind == "e":
        unread.error(value)
        return ""
    if not value and kind != "str":  # the text of a formula may be empty
        unread.formulas += any(local_name(one) == "f" for one in cell)
        return ""
    if kind == "s":
        known = value.isascii() and value.isdecimal() and len(value) < 9
        return one_line(strings[int(value)]) if known and int(value) < len(strings) else ""
    if kind == "b":
        return {"1": "TRUE", "0": "FALSE"}.get(value, value)
    if kind == "n":
        return formats.shown(value, cell.get("s", ""))
    return one_line(value)


def _place(name: str) -> tuple[int, int] | None:
    """The column, from 0, and the row of a cell: (27, 3) for "AB3"."""
    found = _PLACE.fullmatch(name)
    if found is None:
        return None
    column = 0
    for letter in found[1]:
        column = 26 * column + ord(letter) - 64
    return column - 1, int(found[2])


def _margins(source: bytes) -> Iterator[Part]:
    """The texts of a sheet's headers and footers, each once, without those with a page's number.

    They stand to the left, in the middle and to the right: "&LMill Trust&RPage &P of &N".
    """
    texts: dict[str, None] = {}  # in their order
    for found in _MARGIN.findall(source, max(source.rfind(b"sheetData>"), 0)):
        said = html.unescape(found.decode("utf-8", "replace")).replace("&&", _AMPERSAND)
        for place in _PLACES.split(said):
            if not _FIELDS.search(place):
                texts[one_line(_CODES.sub("", place)).replace(_AMPERSAND, "&")] = None
    yield from (Part(f"{text}\n\n", 1) for text in texts if text)


def _beside(archive: Archive, path: str) -> Iterator[Part]:
    """The comments of a sheet, the text in its drawings, and the titles of its charts."""
    for relation in relations(archive, path).values():
        name = None if relation.outside else archive.find(relation.target)
        if name is None:
            continue
        if relation.kind == "comments":
            for comment in archive.tree(name).iter():
                if local_name(comment) == "comment" and (text := one_line(_rich(comment))):
                    place = _place(comment.get("ref", ""))
                    yield Part(f"{text}\n\n", place[1] if place else 1)
        elif relation.kind == "drawing":
            inside = (archive.find(one.target) for one in _charts(archive, name))
            for shown in [name, *filter(None, inside)]:
                for part in drawn(archive.tree(shown)):
                    yield part.at(1)


def _charts(archive: Archive, drawing: str) -> Iterator[Relation]:
    """The charts and diagrams of a drawing."""
    for relation in relations(archive, drawing).values():
        if relation.kind in ("chart", "diagramData") and not relation.outside:
            yield relation


def _stream(source: bytes, *names: str) -> Iterator[Any]:
    """The elements of some names, one by one, so that a large part is not held whole."""
    etree, _ = lxml()
    found = etree.iterparse(
        io.BytesIO(source),
        tag=[f"{{*}}{name}" for name in names],
        resolve_entities=False,
        no_network=True,
        collect_ids=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for _, element in found:
            yield element
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"broken from here on ({first_line(error)})") from None


def _free(element: Any) -> None:
    """Forget an element and those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


# --- XLS


def _xlrd() -> Any:
    try:
        import xlrd
    except ImportError:
        raise MissingExtraError("xlrd, which reads XLS,", "files") from None
    return xlrd


def _old_workbook(xlrd: Any, file: BinaryIO) -> Any:
    file.seek(0)
    content = file.read()
    if not content.startswith((OLD_OR_ENCRYPTED, _BARE)):
        raise DocumentError("not readable as XLS (it begins otherwise); save it as .xlsx")
    with open(os.devnull, "w") as unheard:  # it prints warnings
        return xlrd.open_workbook(
            file_contents=content,
            formatting_info=True,  # how numbers are shown, and which cells are merged
            ragged_rows=True,
            on_demand=True,
            logfile=unheard,
        )


def _old_cells(book: Any, sheet: Any, errors: Mapping[int, str], unread: _Unread) -> Iterator[_Row]:
    """The rows of a sheet with their numbers."""
    first = first_day(begins_1904=book.datemode == 1)
    merged: dict[int, list[_Span]] = {}  # by the first row
    for top, bottom, left, _ in sheet.merged_cells:
        merged.setdefault(top, []).append((left, bottom))

    def value(cell: Any) -> str:
        match cell.ctype:
            case 1:  # text
                return one_line(cell.value)
            case 2 | 3:  # a number, or a date
                style = book.xf_list[cell.xf_index]
                code = book.format_map[style.format_key].format_str
                return formatted(cell.value, code, first)
            case 4:
                return "TRUE" if cell.value else "FALSE"
            case 5:
                unread.error(errors.get(cell.value, ""))
        return ""

    def rows() -> Iterator[tuple[int, list[str], list[_Span]]]:
        for number in range(sheet.nrows):
            cells = list(map(value, sheet.row(number)))
            if any(cells) or number in merged:
                yield number + 1, cells, merged.get(number, [])

    yield from _filled(rows())


# --- ODS


def _open_cells(document: OpenDocument, sheet: Any, unread: _Unread) -> Iterator[_Row]:
    """The rows of a sheet with their numbers."""

    def rows() -> Iterator[tuple[int, list[str], list[_Span]]]:
        number = 0
        for row in sheet.iter():
            if local_name(row) != "table-row":
                continue
            cells: list[str] = []
            spans: list[_Span] = []
            column = 0
            for cell in row:
                if local_name(cell) not in ("table-cell", "covered-table-cell"):
                    continue
                times = repeated(cell, "number-columns-repeated", most=_MOST_COLUMNS)
                text = " ".join(one_line(part.text) for part in document.paragraphs(cell))
                if any(key.endswith("}formula") for key in cell.attrib):
                    kinds = [said for key, said in cell.items() if key.endswith("}value-type")]
                    unread.formulas += not kinds and not text
                    if "error" in kinds:
                        unread.error(text)
                        text = ""
                over = repeated(cell, "number-rows-spanned", most=1 << 20)
                if over > 1:
                    spans.append((column, number + over))
                if text and column < _MOST_COLUMNS:
                    cells += [""] * (column - len(cells))
                    cells += [text] * min(times, MOST_REPEATED)
                column += times
            times = repeated(row, "number-rows-repeated", most=1 << 20)
            for again in range(min(times, MOST_REPEATED) if any(cells) else 0):
                yield number + again + 1, list(cells), spans
            number += times

    yield from _filled(rows())
