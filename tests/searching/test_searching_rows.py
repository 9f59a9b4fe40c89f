"""Rows of tables as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from searching_helpers import related, zipped

from pullquote import Index, Reader, Searcher
from pullquote.searching.documents import SourceFile, find, read
from pullquote.searching.passages import passages
from pullquote.searching.rows import (
    TableRow,
    has_header,
    row_parts,
    row_text,
    table_rows,
    within_cell,
)
from pullquote.types import Document


def test_each_cell_has_the_name_of_its_column() -> None:
    header = ["Item", "Material", "Price"]
    assert row_text(header, ["door", "oak", "840"]) == "Item: door; Material: oak; Price: 840"


def test_empty_cells_and_empty_names_are_left_out() -> None:
    assert row_text(["Item", "", "Price"], ["", "oak", " 840 "]) == "oak; Price: 840"
    assert row_text(["Item"], ["  "]) == row_text([], []) == ""


def test_a_row_may_be_longer_or_shorter_than_the_header() -> None:
    assert row_text(["Item"], ["door", "oak"]) == "Item: door; oak"
    assert row_text(["Item", "Price"], ["door"]) == "Item: door"


def test_a_row_is_one_line() -> None:
    assert (
        row_text(["Unit\nprice:"], ["840\r\n crowns\t a door"]) == "Unit price: 840 crowns a door"
    )


def test_a_sentence_is_followed_by_no_semicolon() -> None:
    assert row_text(["Note", "Price"], ["It is oak.", "840"]) == "Note: It is oak. Price: 840"


@pytest.mark.parametrize(
    ("quoted", "kept"),
    [
        ("Price: 840 crowns", "840 crowns"),
        ("22; Price: 840 crowns", "22"),
        ("Doors\n\nItem: oak door", "oak door"),
        ("door; Stock", "door"),
        ("840", "840"),
        ("Stock", "Stock"),
        ("Doors", "Doors"),
        ("tems: all of", "tems: all of"),
    ],
)
def test_a_quote_of_a_row_keeps_within_one_cell(quoted: str, kept: str) -> None:
    text = "Items: all of oak.\nDoors\n\nItem: oak door; Stock: 22; Price: 840 crowns"
    start, end = within_cell(text, text.index(quoted), text.index(quoted) + len(quoted))
    assert text[start:end] == kept


def test_a_quote_of_a_row_whose_first_cell_has_no_name() -> None:
    text = "Adults; 2023/24: 1,938; the year before: 1,412"
    assert [text[slice(*within_cell(text, 0, end))] for end in (6, 22)] == ["Adults", "1,938"]


@pytest.mark.parametrize(
    ("quoted", "kept"),
    [
        ("840\n\nItem: pine", "840"),
        ("Price: 840\n\nItem: pine door; Price", "840"),
        ("310\n\nThe mill", "310"),
        ("oak.\n\nItem: oak", "oak"),
        ("mill is\n\nold", "mill is\n\nold"),
    ],
)
def test_a_quote_over_rows_keeps_within_the_first_cell(quoted: str, kept: str) -> None:
    rows = ["Item: oak door; Price: 840", "Item: pine door; Price: 310"]
    text = "\n\n".join(["All of oak.", *rows, "The mill is", "old"])
    start = text.index(quoted)
    assert text[slice(*within_cell(text, start, start + len(quoted)))] == kept


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("item,price|oak door,840|pine door,310", True),
        ("Name,Born|Ann Lee,1736-02-29|Henry,14 May 1644", True),
        ("Country,2019,2020|Norway,5,6|Chile,19,20", True),  # years as names
        ("Ann Lee,1990|Bob Ray,1985|Eve Low,1971", False),  # and as values
        ("oak door,840|pine door,310", False),
        ("door,oak|door,pine", False),  # the same in another row
        ("Country,Capital|Norway,Oslo|Chile,Santiago", None),
        ("Country,Capital", False),
        ("Contract,€ 12.50|Rent,€ 840", False),
        (f"Item,{'long ' * 20}|door,oak", False),
        ("Landlord,Rosa Klein|Tenant,Milo Franke|Rent,930 euros|Deposit,1860 euros", False),
        ("Landlord,Rosa Klein|Tenant,Milo Franke|Rent,930 euros", False),
        ("Tenant,Milo Franke|Born,12 May 1980|Since,2019-05-12|Rent,930 euros", False),
        ("Tenant,Milo Franke|Rent,930 euros|Term,12 months|Area,65 m²", False),
        ("Tenant:,Milo Franke|Rent:,930 euros|Deposit:,1860 euros", False),
        ("Landlord,Rosa Klein|Tenant,Milo Franke", None),  # or people and their tasks
        ("Item,Price|oak door,840|pine door,-|ash door,310", True),
        ("Item,Due|rent,1 day|heating,14 days|deposit,30 days", True),
        ("Item,Price|door,840|door,310|door,on request", True),  # no names of values
        ("Day,Price,Note|Monday,840,none|Sunday,310,cash", True),
        (f"Item,Price|{'|'.join(f'door no. {n}a,{n}' for n in range(15))}|gate,free", True),
    ],
)
def test_a_header_is_told_by_what_is_below(table: str, expected: bool | None) -> None:
    assert has_header([row.split(",") for row in table.split("|")]) is expected


def texts(*rows: str, header: bool = False) -> list[str]:
    cells = [(number, row.split(",")) for number, row in enumerate(rows, 1)]
    return [f"{row.number} {row.text}" for row in table_rows(cells, header=header)]


def test_rows_of_a_table_with_a_title_and_a_header() -> None:
    assert texts("Doors,", "", "item,price", "oak door,840", "pine door,310") == [
        "1 Doors",
        "4 item: oak door; price: 840",
        "5 item: pine door; price: 310",
    ]


def test_an_empty_row_does_not_end_a_header() -> None:
    assert texts("item,price", "oak door,840", ",", "pine door,310")[-1] == (
        "4 item: pine door; price: 310"
    )
    # but another table below has names of its own
    assert (
        texts("item,price", "door,840", "", "day,eels", "Monday,7")[-1] == "5 day: Monday; eels: 7"
    )


def test_pairs_of_a_name_and_a_text_need_no_header() -> None:
    assert texts("Name,Ann Lee", "Place,Aldwater") == ["1 Name: Ann Lee", "2 Place: Aldwater"]
    assert texts("Name,Place", "Ann Lee,Aldwater", header=True) == [
        "2 Name: Ann Lee; Place: Aldwater"
    ]


def test_a_form_has_no_header_because_of_its_amounts() -> None:
    form = ["Landlord,Rosa Klein", "Tenant,Milo Franke", "Rent,930 euros"]
    assert texts(*form) == [
        "1 Landlord: Rosa Klein",
        "2 Tenant: Milo Franke",
        "3 Rent: 930 euros",
    ]
    assert texts(*form, header=True)[1] == "3 Landlord: Rent; Rosa Klein: 930 euros"


def test_a_corner_may_be_empty() -> None:
    assert texts(",Price", "oak door,840", "pine door,310")[-1] == "3 pine door: 310"
    assert texts(",Stock,Price", "oak door,9,840")[-1] == "2 oak door; Stock: 9; Price: 840"


def test_three_columns_of_words_have_a_header() -> None:
    assert texts("a,b,c", "d,e,f") == ["2 a: d; b: e; c: f"]


def test_a_table_of_one_row_is_a_line() -> None:
    assert texts("a,b,c") == ["1 a; b; c"]
    assert texts("a,b,c", header=True) == ["1 a; b; c"]


def test_no_row_of_a_long_table_is_lost() -> None:
    rows = ["n,m", *(f"{number},{number + 1}" for number in range(500))]
    assert len(texts(*rows)) == 500
    assert texts(*rows)[-1] == "501 n: 499; m: 500"


def test_a_list_of_single_cells_has_no_titles() -> None:
    rows = table_rows((number, [str(number)]) for number in range(9))
    assert [(row.number, row.is_title) for row in rows] == [(number, False) for number in range(9)]
    rows = table_rows([*((number, ["a note"]) for number in range(4)), (4, ["a", "b", "c"])])
    assert not any(row.is_title for row in rows)


def test_a_long_title_is_not_repeated_in_each_row() -> None:
    note, other = "They are sold as they are. " * 9, "Caption " * 30
    cells = [(1, [note]), (2, ["Doors"]), (3, ["Item", "Price"]), (4, ["oak", "840"])]
    cells.append((5, ["pine", "310"]))
    found = [(part.number, part.text.strip()) for part in row_parts(table_rows(cells), other)]
    assert found == [
        (1, other.strip()),
        (1, note.strip()),
        (2, "Doors\n\nItem: oak; Price: 840"),
        (5, "Doors\n\nItem: pine; Price: 310"),
    ]


def test_records_have_passages_of_their_own_below_the_titles() -> None:
    rows = [
        *(TableRow(1, "Doors", is_title=True), TableRow(2, "item: oak", is_record=True)),
        *(TableRow(3, "Gates", is_title=True), TableRow(4, "of oak", is_title=True)),
        *(TableRow(5, "height: 2 m"), TableRow(6, "width: 1 m"), TableRow(7, "End", is_title=True)),
    ]
    assert [(part.text, part.number, part.alone) for part in row_parts(rows, "Prices")] == [
        ("Prices\n\nDoors\n\nitem: oak\n\n", 2, True),
        ("Prices\n\nGates\n\nof oak\n\nheight: 2 m\n\n", 5, False),
        ("width: 1 m\n\n", 6, False),
        ("End\n\n", 7, False),
    ]
    assert all(part.alone for part in row_parts(rows, alone=True))
    assert list(row_parts([], "Prices")) == []


def test_a_title_has_its_own_number_above_the_first_row() -> None:
    cells = [(1, ["Prices of 2024"]), (2, ["Doors"]), (3, ["Item", "Price"]), (4, ["oak", "840"])]
    cells += [
        (5, ["pine", "310"]),
        (6, []),
        (7, ["Gates"]),
        (8, ["Item", "Height"]),
        (9, ["a", "2"]),
    ]
    found = passages(Document("a.xlsx", "row"), row_parts(table_rows(cells), "Sheet", alone=True))
    assert [
        [(line, one.place(one.text.index(line)).number) for line in one.text.split("\n\n")]
        for one in found
    ] == [
        [("Sheet", 4), ("Prices of 2024", 1), ("Doors", 2), ("Item: oak; Price: 840", 4)],
        [("Sheet", 5), ("Prices of 2024", 5), ("Doors", 5), ("Item: pine; Price: 310", 5)],
        [("Sheet", 9), ("Gates", 7), ("Item: a; Height: 2", 9)],
    ]


# ---- tables in documents: the seventh of twelve rows is asked for

Writer: TypeAlias = Callable[[Path], Path]
THINGS = (
    *("pine door", "oak gate", "pine gate", "oak window", "ash door", "pine window"),
    *("oak door", "ash gate", "beech door", "ash window", "beech gate", "beech window"),
)
Cells: TypeAlias = "Sequence[Sequence[str]]"
ROWS: Cells = [
    ("Item", "Stock", "Price"),
    *((thing, str(40 - 3 * n), f"{310 + 53 * n} crowns") for n, thing in enumerate(THINGS)),
]


def rows_of(row: str, cell: str, rows: Cells = ROWS) -> str:
    return "".join(row % "".join(cell % text for text in cells) for cells in rows)


def write_html(folder: Path) -> Path:
    table = rows_of("<tr>%s</tr>\n", "<td>%s</td>").replace("td>", "th>", 6)
    path = folder / "a.html"
    path.write_text(f"<h1>The joiner</h1>\n<h2>Price list</h2>\n<table>\n{table}</table>")
    return path


def write_markdown(folder: Path) -> Path:
    head, *lines = (f"| {' | '.join(cells)} |" for cells in ROWS)
    path = folder / "a.md"
    path.write_text("\n".join(["# The joiner", "## Price list", head, "|---|:-:|--:|", *lines]))
    return path


def write_docx(folder: Path, rows: Cells = ROWS) -> Path:
    text = "<w:p><w:r><w:t>%s</w:t></w:r></w:p>"
    table = f"<w:tbl>{rows_of('<w:tr>%s</w:tr>', f'<w:tc>{text}</w:tc>', rows)}</w:tbl>"
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = f"{text % 'The joiner.'}{text % 'Table 1. Price list.'}{table}{text % 'End.'}"
    files = {
        "_rels/.rels": related(("rId1", "officeDocument", "word/document.xml")),
        "word/document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>",
    }
    return zipped(folder / "a.docx", files)


def write_odt(folder: Path, rows: Cells = ROWS) -> Path:
    cell = "<table:table-cell><text:p>%s</text:p></table:table-cell>"
    table = rows_of("<table:table-row>%s</table:table-row>", cell, rows)
    names = ("office", "text", "table")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:{name}:1.0"' for name in names)
    body = f"<text:h>Price list</text:h><table:table>{table}</table:table>"
    content = f"<office:text>{body}</office:text>"
    return zipped(
        folder / "a.odt",
        {"content.xml": f"<a {spaces}><office:body>{content}</office:body></a>"},
    )


def write_pptx(folder: Path) -> Path:
    main = "http://schemas.openxmlformats.org"
    spaces = (
        f'xmlns:a="{main}/drawingml/2006/main" xmlns:p="{main}/presentationml/2006/main" '
        f'xmlns:r="{main}/officeDocument/2006/relationships"'
    )
    text = "<a:p><a:r><a:t>%s</a:t></a:r></a:p>"
    table = rows_of("<a:tr>%s</a:tr>", f"<a:tc><a:txBody>{text}</a:txBody></a:tc>")
    title = (
        '<p:sp><p:nvSpPr><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr><p:txBody>'
        f"{text % 'Price list'}</p:txBody></p:sp>"
    )
    other = table.replace("door", "boat").replace("Price", "Length")
    slides = '<p:sldIdLst><p:sldId id="1" r:id="s1"/><p:sldId id="2" r:id="s2"/></p:sldIdLst>'
    files = {
        "ppt/presentation.xml": f"<p:presentation {spaces}>{slides}</p:presentation>",
        "ppt/_rels/presentation.xml.rels": related(
            ("s1", "slide", "slides/1.xml"), ("s2", "slide", "slides/2.xml")
        ),
        "ppt/slides/1.xml": f"<p:sld {spaces}>{title}<a:tbl>{table}</a:tbl></p:sld>",
        "ppt/slides/2.xml": f"<p:sld {spaces}><a:tbl>{other}</a:tbl></p:sld>",
    }
    return zipped(folder / "a.pptx", files)


def write_plain_html(folder: Path, rows: Cells) -> Path:
    path = folder / "a.html"
    path.write_text(f"<table>{rows_of('<tr>%s</tr>', '<td>%s</td>', rows)}</table>")
    return path


def write_csv(folder: Path, rows: Cells) -> Path:
    path = folder / "a.csv"
    path.write_text("".join(f"{';'.join(cells)}\n" for cells in rows))
    return path


def write_xlsx(folder: Path, rows: Cells) -> Path:
    cell = '<c t="inlineStr"><is><t>%s</t></is></c>'
    main = "http://schemas.openxmlformats.org"
    spaces = (
        f'xmlns="{main}/spreadsheetml/2006/main" xmlns:r="{main}/officeDocument/2006/relationships"'
    )
    sheets = '<sheets><sheet name="Lease" sheetId="1" r:id="s1"/></sheets>'
    table = f"<sheetData>{rows_of('<row>%s</row>', cell, rows)}</sheetData>"
    files = {
        "_rels/.rels": related(("rId1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f"<workbook {spaces}>{sheets}</workbook>",
        "xl/_rels/workbook.xml.rels": related(("s1", "worksheet", "worksheets/1.xml")),
        "xl/worksheets/1.xml": f"<worksheet {spaces}>{table}</worksheet>",
    }
    return zipped(folder / "a.xlsx", files)


WRITERS: list[Writer] = [write_html, write_markdown, write_docx, write_odt, write_pptx]
TITLES = {".docx": "Table 1. Price list."}


@pytest.mark.parametrize("write", WRITERS)
def test_each_row_of_a_table_is_a_passage_below_its_title(write: Writer, tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    path = write(tmp_path)
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    found = [passage.text for passage in read(file)]
    title = TITLES.get(path.suffix, "Price list")
    row = f"{title}\n\nItem: oak door; Stock: 22; Price: 628 crowns"
    assert found.count(row) == 1
    assert sum("Item: " in text for text in found) in (12, 24)
    assert all(text.count("Item: ") <= 1 for text in found)


FORM = [
    *(("Landlord", "Rosa Klein"), ("Tenant", "Milo Franke"), ("Rent", "930 euros")),
    ("Deposit", "1,860 euros"),
]


@pytest.mark.parametrize("write", [write_docx, write_odt, write_plain_html, write_csv, write_xlsx])
def test_forms_and_headers_in_all_formats(
    write: Callable[[Path, Cells], Path], tmp_path: Path
) -> None:
    pytest.importorskip("lxml")

    def lines(rows: Cells) -> list[str]:
        (file,) = find([write(tmp_path, rows)])
        assert isinstance(file, SourceFile)
        said = "\n".join(passage.text for passage in read(file)).split("\n")
        return [line for line in said if ": " in line]

    for form in (FORM, FORM[:3]):
        assert lines(form) == [f"{name}: {value}" for name, value in form]
    prices = [("Item", "Price"), ("oak door", "840 euros"), ("gate", "310 euros")]
    assert lines(prices) == ["Item: oak door; Price: 840 euros", "Item: gate; Price: 310 euros"]
    born = [("Name", "Born"), ("Ann", "12 May 1980"), ("Bob", "1 June 1975")]
    assert lines(born) == ["Name: Ann; Born: 12 May 1980", "Name: Bob; Born: 1 June 1975"]
    three = [("Item", "Wood", "Price"), ("door", "oak", "840 euros")]
    assert lines(three) == ["Item: door; Wood: oak; Price: 840 euros"]


def write_pipes(folder: Path, rows: Cells) -> Path:
    head, *lines = (f"| {' | '.join(cells)} |" for cells in rows)
    path = folder / "a.md"
    path.write_text("\n".join([head, "|---" * len(rows[0]) + "|", *lines]))
    return path


@pytest.mark.parametrize(
    "write", [write_docx, write_odt, write_plain_html, write_csv, write_xlsx, write_pipes]
)
@pytest.mark.parametrize("rows", [[], [("", "", "")], [("oak door", "840", "")]])
def test_names_of_columns_without_cells_are_not_lost(
    write: Callable[[Path, Cells], Path], rows: Cells, tmp_path: Path
) -> None:
    pytest.importorskip("lxml")
    (file,) = find([write(tmp_path, [("Item", "Price", "Signature"), *rows])])
    assert isinstance(file, SourceFile)
    said = "\n\n".join(passage.text for passage in read(file)).replace(" | ", "; ")
    full = rows == [("oak door", "840", "")]
    shown = "Item: oak door; Price: 840\n\nSignature" if full else "Item; Price; Signature"
    assert said.count(shown) == 1
    assert said.count("Item") == said.count("Signature") == 1


@pytest.mark.parametrize("write", WRITERS)
def test_the_row_that_is_asked_for_is_quoted(write: Writer, tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    with Index.in_memory() as index:
        index.add([write(tmp_path)])
        searcher = Searcher(Reader(), index)
        hits = {
            question: searcher.ask(question)
            for question in (
                "What is the price of the oak door?",
                "How many oak doors are in stock?",
            )
        }
    assert [hit.text for found in hits.values() for hit in found] == [
        "628 crowns",
        "22",
    ]


def test_the_title_of_a_slide_ends_with_it(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    (file,) = find([write_pptx(tmp_path)])
    assert isinstance(file, SourceFile)
    titled = [passage.text.startswith("Price list") for passage in read(file)]
    assert titled == 12 * [True] + 12 * [False]


def test_rows_of_markdown_have_their_lines(tmp_path: Path) -> None:
    (file,) = find([write_markdown(tmp_path)])
    assert isinstance(file, SourceFile)
    places = {passage.text: passage.place(passage.text.index("Item")) for passage in read(file)}
    row = "Price list\n\nItem: oak door; Stock: 22; Price: 628 crowns"
    assert places[row].number == 11
