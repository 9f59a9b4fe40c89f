"""Spreadsheets."""

from __future__ import annotations

import io
import itertools
import re
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searching_helpers import FILES, RELATED, related, text_and_notes, zipped

from pullquote import Index
from pullquote.errors import DocumentError
from pullquote.searching import archives, sheets
from pullquote.searching.archives import parse_xml
from pullquote.searching.documents import Problem, SourceFile, find, read
from pullquote.searching.numbers import Formats, formatted

pytest.importorskip("lxml")

SPACE = f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{RELATED}"'


def cell(place: str, value: str | float, style: int = 0) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}" s="{style}"><v>{value}</v></c>'


def sheet(*rows: tuple[int, str], merged: str = "") -> str:
    """A sheet of rows with their numbers."""
    inner = "".join(f'<row r="{number}">{cells}</row>' for number, cells in rows)
    merge = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
    return f"<worksheet {SPACE}><sheetData>{inner}</sheetData>{merge}</worksheet>"


def xlsx(path: Path, **sheets: str) -> Path:
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"/>' for n, name in enumerate(names, 1)
    )
    targets = [(f"s{n}", "worksheet", f"sheet{n}.xml") for n in range(1, len(names) + 1)]
    dates = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="9"/></cellXfs>'
    files = {
        "_rels/.rels": related(("b", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f"<workbook {SPACE}><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": related(*targets, ("st", "styles", "styles.xml")),
        "xl/styles.xml": f"<styleSheet {SPACE}>{dates}</styleSheet>",
    }
    named = {f"xl/sheet{n}.xml": sheets[name] for n, name in enumerate(names, 1)}
    return zipped(path, files | named)


DOORS = sheet(
    (3, cell("B3", "Our doors")),
    (5, cell("B5", "Item") + cell("C5", "Price") + cell("D5", "Since")),
    (6, cell("B6", "oak door") + cell("C6", 840) + cell("D6", 43597, 1)),
    (7, cell("B7", "pine door") + cell("C7", 310.5)),
)


def test_rows_have_the_names_of_their_columns_and_the_numbers_of_the_sheet(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", Doors=DOORS)
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    assert [(passage.text, str(passage.place())[-6:]) for passage in read(file)] == [
        ("Our doors\n\nItem: oak door; Price: 840; Since: 2019-05-12", " row 3"),
        ("Our doors\n\nItem: pine door; Price: 310.5", " row 7"),
    ]


def test_rows_of_several_sheets_have_the_names_of_theirs(tmp_path: Path) -> None:
    eels = sheet(
        (1, cell("A1", "Day") + cell("B1", "Eels")), (2, cell("A2", "Monday") + cell("B2", 7))
    )
    text, notes = text_and_notes(xlsx(tmp_path / "a.xlsx", Doors=DOORS, Eels=eels, Empty=sheet()))
    row = "Doors / Our doors / Item: oak door; Price: 840; Since: 2019-05-12"
    assert text.split("\n")[0] == row
    assert text.split("\n")[-1] == "Eels / Day: Monday; Eels: 7"
    assert notes == []


def test_places_name_the_sheet_of_several(tmp_path: Path) -> None:
    pytest.importorskip("xlrd")
    for path in (FILES / "doors.xls", xlsx(tmp_path / "a.xlsx", Doors=DOORS, Staff=DOORS)):
        (file,) = find([path])
        assert isinstance(file, SourceFile)
        first, *_, last = read(file)
        names = {mark.sheet for mark in first.marks}
        assert (names, last.place(len(last.text) - 1).sheet) == ({"Doors"}, "Staff")
        title = first.place(first.text.index("Our doors"))
        assert title.within == f"sheet Doors, row {1 if path.suffix == '.xls' else 3}"
        shown = last.to_dict()
        assert (shown["sheet"], shown["marks"][-1]["sheet"]) == ("Staff", "Staff")
    (file,) = find([xlsx(tmp_path / "b.xlsx", Doors=DOORS)])
    assert isinstance(file, SourceFile)
    assert {mark.sheet for passage in read(file) for mark in passage.marks} == {""}


def test_an_index_keeps_the_names_of_sheets(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", **{"Our doors: 50 %": DOORS, "Staff": DOORS})
    with Index.create(tmp_path / "i.db") as index:
        index.add([path])
        names = {found.passage.place().sheet for found in index.search("oak door")}
    assert names == {"Our doors: 50 %", "Staff"}


def test_a_cell_over_several_rows_is_in_each_of_them(tmp_path: Path) -> None:
    rows = sheet(
        (1, cell("A1", "Item") + cell("B1", "Wood") + cell("C1", "Price")),
        (2, cell("A2", "door") + cell("B2", "oak") + cell("C2", 840)),
        (3, cell("B3", "pine") + cell("C3", 310)),
        (4, cell("B4", "ash") + cell("C4", 500)),
        merged="A2:A3",
    )
    text, _ = text_and_notes(xlsx(tmp_path / "a.xlsx", Doors=rows))
    assert text.split("\n")[1:] == ["Item: door; Wood: pine; Price: 310", "Wood: ash; Price: 500"]


def ods(path: Path, rows: str) -> Path:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "calcext")
    )
    files = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "META-INF/manifest.xml": "<manifest/>",
        "content.xml": f"<office:document-content {names}><office:body><office:spreadsheet>"
        f'<table:table table:name="Doors">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>",
    }
    return zipped(path, files)


def test_formulas_and_errors_of_open_document(tmp_path: Path) -> None:
    shown = "<text:p>5</text:p></table:table-cell>"
    cells = (
        "<table:table-cell><text:p>oak</text:p></table:table-cell>"
        '<table:table-cell table:formula="of:=1+1"/>'
        '<table:table-cell table:formula="of:=NA()" office:value-type="string"'
        ' calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>'
        f'<table:table-cell table:formula="of:=2+3" office:value-type="float">{shown}'
        f'<table:table-cell table:formula="of:=2+3">{shown}'
        '<table:table-cell table:formula="of:=T(0)" office:value-type="string"/>'
    )
    path = ods(tmp_path / "a.ods", f"<table:table-row>{cells}</table:table-row>")
    assert text_and_notes(path) == (
        "oak; 5; 5",
        [
            "sheet Doors: 1 formula without a stored value; open and save it in a spreadsheet"
            " program",
            "sheet Doors: 1 cell with an error (#N/A)",
        ],
    )


def test_a_sheet_of_open_document(tmp_path: Path) -> None:

    def row(*cells: str, times: int = 1) -> str:
        inner = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>'
            for c in cells
        )
        return f'<table:table-row table:number-rows-repeated="{times}">{inner}</table:table-row>'

    far = '<table:table-cell table:number-columns-repeated="16000"/>'
    rows = row("Item", "Wood", "Glass") + row("door", "oak", "no")
    rows = rows.replace("</table:table-row>", f"{far}</table:table-row>")
    rows += row("", times=1_000_000) + row("The end.")
    path = ods(tmp_path / "a.ods", rows)
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    assert [(passage.text, passage.marks[0].number) for passage in read(file)] == [
        ("Item: door; Wood: oak; Glass: no", 2),
        ("The end.", 1_000_003),
    ]


def test_values_as_the_cells_show_them(tmp_path: Path) -> None:
    kinds = "".join(
        f'<c r="{place}" t="{kind}"><v>{value}</v></c>'
        for place, kind, value in [
            ("A2", "b", 1),
            ("B2", "e", "#N/A"),
            ("C2", "str", "a"),
            ("D2", "s", 0),
        ]
    )
    head = "".join(cell(f"{letter}1", letter) for letter in "ABCDE")
    path = xlsx(tmp_path / "a.xlsx", A=sheet((1, head), (2, kinds + cell("E2", 0.15, 2))))
    with zipfile.ZipFile(path, "a") as archive:
        texts = "<si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></si>"
        archive.writestr("xl/sharedStrings.xml", f"<sst {SPACE}>{texts}</sst>")
    assert text_and_notes(path)[0] == "A: TRUE; C: a; D: rich; E: 15%\nB"


def test_formulas_without_a_value_and_errors_are_told(tmp_path: Path) -> None:
    head = "".join(cell(f"{letter}1", letter) for letter in "ABCD")
    cells = (
        cell("A2", "oak")
        + '<c r="B2"><f>1+1</f><v></v></c><c r="C2" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
        + '<c r="D2" t="str"><f>""</f><v></v></c>'  # no text, which is a value
    )
    rows = sheet((1, head), (2, cells), (3, cell("A3", "ash") + '<c r="D3"><f t="shared"/></c>'))
    errors = "".join(f'<c r="{place}" t="e"><v>#N/A</v></c>' for place in ("B2", "C2"))
    more = sheet((1, head), (2, cell("A2", "elm") + errors + '<c r="D2" s="1"/>'))
    assert text_and_notes(xlsx(tmp_path / "a.xlsx", Wood=rows, More=more)) == (
        "Wood / A: oak\nWood / A: ash\nWood / B; C; D\nMore / A: elm\nMore / B; C; D",
        [
            "sheet Wood: 2 formulas without a stored value; open and save it in a spreadsheet"
            " program",
            "sheet Wood: 1 cell with an error (#DIV/0!)",
            "sheet More: 2 cells with an error (#N/A)",
        ],
    )


def test_an_error_of_an_old_workbook_is_told(tmp_path: Path) -> None:
    pytest.importorskip("xlrd")
    content = (FILES / "doors.xls").read_bytes()
    record = re.search(rb"\x05\x02\x08\0.{6}\x01\0", content, re.DOTALL)  # TRUE
    assert record
    end = record.end()
    (tmp_path / "a.xls").write_bytes(content[: end - 2] + b"\x2a\x01" + content[end:])
    text, notes = text_and_notes(tmp_path / "a.xls")
    assert "Off: 15%" in text
    assert "TRUE" not in text
    assert notes == ["sheet Doors: 1 cell with an error (#N/A)"]


def test_a_note_names_a_few_kinds_of_errors() -> None:
    unread = sheets._Unread("A")
    for number in range(1_000):
        unread.error(f"#{number}" * 1_000)
    (note,) = unread.notes()
    assert note.reason.startswith("1,000 cells with an error (#0#0#")
    assert len(note.reason) < 200


def test_a_cell_far_away_costs_nothing(tmp_path: Path) -> None:
    rows = sheet((1, cell("A1", "door")), (1_048_576, cell("XFD1048576", "end")))
    begin = time.process_time()
    assert text_and_notes(xlsx(tmp_path / "a.xlsx", A=rows))[0] == "door\nend"
    assert time.process_time() - begin < 2


def test_a_broken_or_missing_sheet_costs_that_sheet(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", Doors=DOORS.replace("</sheetData>", "<c"), Gone="", Eels=DOORS)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    del files["xl/sheet2.xml"]
    text, notes = text_and_notes(zipped(path, files))
    assert text.count("oak door") == 2
    assert notes[0].startswith("sheet Doors: broken from here on (XMLSyntaxError")
    assert notes[1] == "sheet Gone: missing from the file"


def test_comments_and_drawings_of_a_sheet(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", A=DOORS)
    space = "http://schemas.openxmlformats.org/drawingml/2006/main"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(
            "xl/_rels/sheet1.xml.rels",
            related(("c", "comments", "c.xml"), ("d", "drawing", "d.xml")),
        )
        archive.writestr(
            "xl/c.xml", '<comments><comment ref="B6"><t>Sold.</t></comment></comments>'
        )
        archive.writestr("xl/d.xml", f'<d xmlns:a="{space}"><a:p><a:t>In a box.</a:t></a:p></d>')
        archive.writestr("xl/_rels/d.xml.rels", related(("c", "chart", "chart.xml")))
        archive.writestr("xl/chart.xml", f'<c xmlns:a="{space}"><a:p><a:t>Sales</a:t></a:p></c>')
    assert text_and_notes(path)[0].endswith("310.5\nSold. / In a box. / Sales")


def test_what_stands_beside_a_sheet_is_no_caption_of_the_next_one(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", A=DOORS, B=DOORS)
    space = "http://schemas.openxmlformats.org/drawingml/2006/main"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/_rels/sheet1.xml.rels", related(("d", "drawing", "d.xml")))
        archive.writestr("xl/d.xml", f'<d xmlns:a="{space}"><a:p><a:t>In a box</a:t></a:p></d>')
    lines = text_and_notes(path)[0].split("\n")
    assert "In a box" in lines
    assert sum("In a box" in line for line in lines) == 1


def test_headers_and_footers_of_a_sheet(tmp_path: Path) -> None:
    margins = (
        '<headerFooter><oddHeader>&amp;L&amp;"Arial,Bold"&amp;14Mill Trust&amp;R&amp;D</oddHeader>'
        "<oddFooter>&amp;CPage &amp;P of &amp;N&amp;RAnn &amp;amp;&amp;amp; Bob</oddFooter>"
        "<evenHeader>&amp;LMill Trust</evenHeader></headerFooter>"
    ).replace("&amp;amp;&amp;amp;", "&amp;&amp;")
    rows = DOORS.replace("</worksheet>", f"{margins}</worksheet>")
    assert text_and_notes(xlsx(tmp_path / "a.xlsx", A=rows))[0].endswith("\nMill Trust / Ann & Bob")


def test_a_sheet_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LARGEST", 2_000)
    rows = sheet(*((n, cell(f"A{n}", "x")) for n in range(1, 500)))
    text, notes = text_and_notes(xlsx(tmp_path / "a.xlsx", Doors=rows))
    assert text == ""
    assert "unpacks to" in notes[0]


def test_files_that_are_no_spreadsheets(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(DocumentError, match=r"encrypted, or an old \.xls; save it as \.xlsx"):
        text_and_notes(tmp_path / "a.xlsx")
    with pytest.raises(DocumentError, match="no workbook in it"):
        text_and_notes(zipped(tmp_path / "a.xlsx", {"a": "b"}))
    left_out: list[Problem] = []
    (tmp_path / "old.xlsb").write_bytes(b"")
    assert all(isinstance(file, SourceFile) for file in find([tmp_path], left_out.append))
    assert [problem.reason for problem in left_out] == ["an old format; save it as .xlsx"]


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [
        (840.0, "General", "840"),
        (0.1 + 0.2, "", "0.3"),
        (1234.5, "#,##0.00", "1,234.50"),
        (1234.5, "0.0#", "1234.5"),
        (-840, '"$"#,##0;[Red]\\-"$"#,##0', "-$840"),
        (840, "[$€-407] #,##0", "€ 840"),
        (840, '0 "kg"', "840 kg"),
        (0.156, "0%", "16%"),
        (0.156, "0.0 %", "15.6 %"),
        (0.5, "# ?/?", "0.5"),
        (1.5e20, "0", "150000000000000000000"),
        (1.5e20, "", "1.5e+20"),
        (43597, "dd/mm/yyyy", "2019-05-12"),
        (43597.4375, "d/m/yy h:mm", "2019-05-12 10:30"),
        (0.4375, "h:mm AM/PM", "10:30"),
        (0.43756, "h:mm:ss", "10:30:05"),
        (1.5, "[h]:mm", "36:00"),
        (43597, "[$-F800]dddd\\, mmmm dd\\, yyyy", "2019-05-12"),
        (9e9, "yyyy", "9000000000"),
        (2958465, "yyyy-mm-dd", "9999-12-31"),
        (2958465.9999999, "yyyy-mm-dd", "2958465.9999999"),
        (float("inf"), "yyyy-mm-dd", "inf"),
        (7, '"Day" 0', "Day 7"),
        (7, "@", "7"),
    ],
)
def test_numbers_in_their_formats(number: float, code: str, expected: str) -> None:
    assert formatted(number, code) == expected


def test_days_from_1904() -> None:
    styles = '<s><cellXfs><xf numFmtId="14"/></cellXfs></s>'
    assert Formats(parse_xml(styles.encode(), "x"), True).shown("42135", "0") == "2019-05-12"
    assert Formats(None, True).shown("x", "9") == "x"
    assert Formats(parse_xml(styles.encode(), "x"), True).shown("2958465", "0") == "2958465"


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [  # as Excel shows them
        (1067, "00000", "01067"),
        (12, "00000", "00012"),
        (5551234, "000-0000", "555-1234"),
        (123456789, "000\\-00\\-0000", "123-45-6789"),
        (12345678, "00-00-00", "1234-56-78"),
        (1234, "000,000", "001,234"),
        (1234567.5, "# ##0.0", "1234 567.5"),
        (5551234, "(###) ###-####", "() 555-1234"),
        (5551234, "[<=9999999]###\\-####;\\(###\\)\\ ###\\-####", "555-1234"),
        (5551234567, "[<=9999999]###\\-####;\\(###\\)\\ ###\\-####", "(555) 123-4567"),
        (5000, '[>=1000]#,##0,"K";[=0]"none";0.0', "5K"),
        (0, '[>=1000]#,##0,"K";[=0]"none";0.0', "none"),
        (7, '[>=1000]#,##0,"K";[=0]"none";0.0', "7.0"),
        (0.5, "#.##", ".5"),
        (5.25, ".00", "5.25"),
        (5, "0.##", "5"),
        (5, "0.0??", "5.0"),
        (0, "#", ""),
        (4111111111111110, "0", "4111111111111110"),
        # halves are rounded away from zero, of the 15 digits that Excel keeps
        (0.225, "0%", "23%"),
        (-0.225, "0%", "-23%"),
        (2.5, "0", "3"),
        (1234.5, "#,##0", "1,235"),
        (0.125, "0.00", "0.13"),
        (1.005, "0.00", "1.01"),
        (9.995, "0.00", "10.00"),
        (-0.001, "0.00", "0.00"),
        # sections
        (-5.5, "0.0;(0.0)", "(5.5)"),
        (5.5, "0.0_);(0.0)", "5.5"),
        (-1234, "#,##0_);[Red](#,##0)", "(1,234)"),
        (-1234, "#,##0;[Red]#,##0", "-1,234"),  # told by the colour alone
        (-3, '"€" #,##0.00;[Red]-"€" #,##0.00', "-€ 3.00"),
        (1, '"yes";;"no"', "yes"),
        (-1, '"yes";;"no"', ""),
        (0, '"yes";;"no"', "no"),
        (5, ";;;", ""),
        (0, '_(* #,##0.00_);_(* \\(#,##0.00\\);_(* "-"??_);_(@_)', "-"),
        (-5, "0;@", "-5"),
        (5, '0;-0;0;"note: "@', "5"),
        (5, 'General" kg";-General" kg"', "5 kg"),
        (-0.5, 'General" kg";-General" kg"', "-0.5 kg"),
        # E notation
        (12345.678, "0.00E+00", "1.23E+04"),
        (9.999, "0.00E+00", "1.00E+01"),
        (0.000123, "0.0E+00", "1.2E-04"),
        (-12, "0.0E-0", "-1.2E1"),
        (12345.678, "##0.0E+0", "12.3E+3"),
        (999999, "##0.0E+0", "1.0E+6"),
        (0, "0.00E+00", "0.00E+00"),
        (1500, '0.0E+0" g"', "1.5E+3 g"),
    ],
)
def test_numbers_as_excel_shows_them(number: float, code: str, expected: str) -> None:
    assert formatted(number, code) == expected


@pytest.mark.parametrize(
    "code",
    [
        *("# ?/?", "0.0.0", "Standard", "kr. #,##0", "[Red]", "0.00E+00%", "0General", "0@"),
        *("0.0,0", "0, 0", "General%", "0[", "0E+0.0", "0;0;0;0;0", "[>5]0", "[<3]0", "0;[>5]0.0"),
        *("kr. 0", "#,##0E+0", '0"x",', "0\\"),
    ],
)
def test_a_number_whose_format_is_not_understood_is_plain(code: str) -> None:
    assert formatted(4.25, code) == "4.25"


@settings(max_examples=200, deadline=None)
@given(
    st.floats(),
    st.lists(st.sampled_from([*'0#?.,%;"\\_*[]/@x', "E+00", "[<5]", "General", "mm"])).map("".join),
)
def test_every_code_shows_every_number_somehow(number: float, code: str) -> None:
    assert isinstance(formatted(number, code), str)  # and raises nothing


def test_a_negative_number_without_a_section_of_its_own() -> None:
    assert formatted(-3, "yyyy-mm-dd;@") == "-3"
    assert formatted(-4.25, "0.0;") == "-4.3"
    assert formatted(-4.25, "[<3]0;0.0") == "-4.25"


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [
        (1234567, '#,##0,"K"', "1,235K"),
        (1234567, '0.0,,"M"', "1.2M"),
        (1234567, "#,##0", "1,234,567"),
    ],
)
def test_commas_at_the_end_of_a_format_scale(number: float, code: str, expected: str) -> None:
    assert formatted(number, code) == expected


def test_the_cost_of_a_format_is_bounded() -> None:
    begin = time.process_time()
    formatted(7, "[$" * 100_000)
    for number in range(100):
        formatted(7, f"{number:03}" + "[$" * 126)
    assert time.process_time() - begin < 1  # cubic: minutes


def test_a_long_cell_is_not_repeated_in_the_rows_that_it_spans() -> None:
    rows = [(1, ["word " * 30, "a"], [(0, 3)]), (2, ["", "b"], []), (3, ["", "c"], [])]
    assert [cells for _, cells in sheets._filled(rows)][1:] == [["", "b"], ["", "c"]]
    rows = [(1, ["oak", "a"], [(0, 3)]), (2, ["", "b"], [])]
    assert [cells for _, cells in sheets._filled(rows)] == [["oak", "a"], ["oak", "b"]]


def test_an_old_workbook() -> None:
    pytest.importorskip("xlrd")
    assert text_and_notes(FILES / "doors.xls") == (
        "Doors / Our doors / Wood: oak; Item: front door; Price: € 840.00; Since: 2019-05-12; "
        "Off: 15%; Sold: TRUE\n"
        "Doors / Our doors / Wood: oak; Item: gate with a lock; Price: 1250.5\n"
        "Doors / Our doors / Wood: pine; Price: 310\n"
        "Staff / Name: Åsa Ødegård; Born: 1971\n"
        "Staff / Name: Пётр; Born: 1984",
        [],
    )
    (file,) = find([FILES / "doors.xls"])
    assert isinstance(file, SourceFile)
    assert [one.place().number for one in read(file)] == [4, 5, 6, 2, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x09\x08\x10\x00\x00\x06\x05\x00" + bytes(12) + b"\x2f\x00\x00\x00", "encrypted; save"),
        (b"<html><table>", "not readable as XLS .*save it as .xlsx"),
        (b"PK\x03\x04", "not readable as XLS .*save it as .xlsx"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "not readable as XLS .*save it as .xlsx"),
    ],
)
def test_what_is_no_old_workbook(tmp_path: Path, content: bytes, reason: str) -> None:
    pytest.importorskip("xlrd")
    (tmp_path / "a.xls").write_bytes(content)
    with pytest.raises(DocumentError, match=reason):
        text_and_notes(tmp_path / "a.xls")


def test_a_damaged_workbook_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    pytest.importorskip("xlrd")
    whole = (FILES / "doors.xls").read_bytes()
    for cut in (700, 2_000, len(whole) // 2):
        (tmp_path / "a.xls").write_bytes(whole[:cut])
        with pytest.raises(DocumentError):
            text_and_notes(tmp_path / "a.xls")


def test_a_broken_old_workbook_is_told_as_one() -> None:
    pytest.importorskip("xlrd")
    data = bytearray((FILES / "doors.xls").read_bytes())
    data[30] = 0  # xlrd divides by it
    with pytest.raises(DocumentError, match=r"not readable as XLS \(.*\); save it as \.xlsx$"):
        list(sheets.read_xls(io.BytesIO(data)))
    with pytest.raises(DocumentError, match=r"^not readable as XLS \(it begins otherwise\)"):
        list(sheets.read_xls(io.BytesIO(b"%PDF-1.7")))


def test_merged_cells_repeat_no_more_than_a_few_megabytes() -> None:
    merged = [(0, ["x" * 100] * 250, [(column, 9_999) for column in range(250)])]
    rows = sheets._filled(itertools.chain(merged, ((row, ["y"], []) for row in range(1, 10_000))))
    assert 1 << 20 < sum(len(cell) for _, cells in rows for cell in cells) < 1 << 23
