"""Names of sources near a quotation."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from pullquote.checking.drafts import Quotation, read_draft
from pullquote.checking.naming import Names, named
from pullquote.types import Place

NAMES = Names(["/a/lease.pdf", "/a/b/House Rules.docx", "/a/old/notes.txt", "/a/notes.txt"])
SHEETS = {
    "/a/stock.xlsx": ["Prices", "Prices 2027", "Costs, old"],
    "/a/prices.ods": ["Oak", "Pine"],
}
BOOKS = Names([*SHEETS, "/a/lease.pdf"], lambda document: SHEETS.get(document, ()))


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("“x y z” (lease.pdf, p. 3).", ("/a/lease.pdf", "page", 3)),
        ("“x y z” (lease.pdf, pages 3–4).", ("/a/lease.pdf", "page", 3)),
        ("“x y z” [the lease](a/lease.pdf#page=3)", ("/a/lease.pdf", "page", 3)),
        ("“x y z” [LEASE.PDF, S. 9]", ("/a/lease.pdf", "page", 9)),
        ("As lease.pdf (p. 4) says, “x y z”.", ("/a/lease.pdf", "page", 4)),
        ("As House Rules.docx says, “x y z”.", ("/a/b/House Rules.docx", "", None)),
        ("> x y z\n> — House rules, paragraph 2", ("/a/b/House Rules.docx", "paragraph", 2)),
        ("“x y z” (lease)", ("/a/lease.pdf", "", None)),
        ("“x y z” (old/notes.txt:12)", ("/a/old/notes.txt", "line", 12)),
        ("“x y z”[^1]\n\n[^1]: lease.pdf, line 9", ("/a/lease.pdf", "line", 9)),
        ("As page 4 of lease.pdf says, “x y z”.", ("/a/lease.pdf", "page", 4)),
        ("notes.txt, line 2, and page 4 of the lease.pdf: “x y z”", ("/a/lease.pdf", "page", 4)),
        ("“x y z”, page 4 (lease.pdf)", ("/a/lease.pdf", "page", 4)),
        ("As lease.pdf says, “x y z” (p. 4).", ("/a/lease.pdf", "page", 4)),
        ("In “b/House Rules.docx” it is “x y z” [p. 4]", ("/a/b/House Rules.docx", "page", 4)),
        ("As lease.pdf says, “x y z” (in 4 days)", ("/a/lease.pdf", "", None)),
        ("“x y z” (lease.pdf), p. 4", ("/a/lease.pdf", "page", 4)),
        ("“x y z” (lease) on page 4.", ("/a/lease.pdf", "page", 4)),
        ("“x y z” (lease.pdf). Page 4 is blank.", ("/a/lease.pdf", "", None)),
        ("“x y z” (lease.pdf) and page 4", ("/a/lease.pdf", "", None)),
    ],
)
def test_a_named_source(draft: str, expected: tuple[str, str, int | None]) -> None:
    found = named(read_draft(draft).quotations[0], NAMES)
    assert found
    assert (*found.documents, found.unit, found.number) == expected


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("“x y z” (stock.xlsx, sheet Prices, row 4)", "stock.xlsx, sheet Prices, row 4"),
        ("“x y z” (stock.xlsx, sheet “Prices”, row 4)", "stock.xlsx, sheet Prices, row 4"),
        ("“x y z” (stock.xlsx, the 'Prices 2027' sheet)", "stock.xlsx, sheet Prices 2027"),
        ("“x y z” (stock.xlsx, Costs, old, row 4)", "stock.xlsx, sheet Costs, old, row 4"),
        ("“x y z” (stock.xlsx, prices!B4)", "stock.xlsx, sheet Prices, row 4"),
        (
            "“x y z” (stock.xlsx, 'Prices 2027'!$B$4:$C$6)",
            "stock.xlsx, sheet Prices 2027, row 4 to 6",
        ),
        ("“x y z” (stock.xlsx, sheet 2, row 4)", "stock.xlsx, sheet Prices 2027, row 4"),
        ("“x y z” (stock.xlsx, cell B4)", "stock.xlsx, row 4"),
        ("Row 4 of sheet Prices in stock.xlsx says “x y z”.", "stock.xlsx, sheet Prices, row 4"),
        ("In the “Prices” sheet of stock.xlsx it says “x y z”.", "stock.xlsx, sheet Prices"),
        ("> x y z\n> — stock.xlsx, tab Prices, row 4", "stock.xlsx, sheet Prices, row 4"),
        ("“x y z” (stock, sheet Prices)", "stock, sheet Prices"),
        ("“x y z” (sheet Prices, row 4)", "sheet Prices, row 4"),
        ("“x y z” (stock.xlsx, sheet Other, row 4)", "stock.xlsx, sheet Other, row 4"),
        ("“x y z” (other.xlsx, sheet Other)", "other.xlsx, sheet Other"),
        ("“x y z” (prices, row 4)", "prices, row 4"),
        ("“x y z” (prices.ods, oak)", "prices.ods, sheet Oak"),
        ("“x y z” (stock.xlsx, the sheet of prices)", "stock.xlsx"),
        ("“x y z” (stock.xlsx, sheet 9)", "stock.xlsx"),
        ("“x y z” (lease.pdf, a data sheet)", "lease.pdf"),
    ],
)
def test_a_named_sheet(draft: str, expected: str) -> None:
    (quotation,) = read_draft(draft).quotations
    assert str(named(quotation, BOOKS)) == expected


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ({"source": "stock.xlsx", "sheet": "Prices", "row": 4}, "stock.xlsx, sheet Prices, row 4"),
        ({"source": "stock.xlsx, sheet Prices, row 4"}, "stock.xlsx, sheet Prices, row 4"),
        (
            {"document": "stock.xlsx", "sheet": "Prices", "unit": "row", "number": 4},
            "stock.xlsx, sheet Prices, row 4",
        ),
        ({"source": "lease.pdf, p. 3"}, "lease.pdf, page 3"),
        ({"source": "lease.pdf", "page": "pp. 3-4"}, "lease.pdf, page 3 to 4"),
        ({"source": "lease.pdf", "page": "112-14"}, "lease.pdf, page 112 to 114"),
        ({"source": "lease.pdf", "page": "5-3"}, "lease.pdf, page 5"),
        ({"source": "lease.pdf", "page": True}, "lease.pdf"),
        ({"page": 3}, "page 3"),
        ({"sheet": "Prices"}, "sheet Prices"),
        ({"unit": "words", "number": 4}, "None"),
        ({"unit": "pages", "number": 4}, "page 4"),
        ({"unit": "Pp.", "number": "4-6"}, "page 4 to 6"),
        ({"Source": "lease.pdf", "Page-No": 4}, "lease.pdf, page 4"),
        ({"fileName": "lease.pdf", "pageNumber": 4.0}, "lease.pdf, page 4"),
        ({"source": "lease.pdf", "pages": [4, 6]}, "lease.pdf, page 4 to 6"),
        ({"source": "lease.pdf", "lines": "4–6"}, "lease.pdf, line 4 to 6"),
        ({"source": {"name": "lease.pdf", "page": 4}}, "lease.pdf, page 4"),
        ({"source": ["lease.pdf"], "page": 4}, "lease.pdf, page 4"),
        ({"source": [{"name": "lease.pdf", "page": 4}]}, "lease.pdf, page 4"),
        ({"page": None, "unit": "page", "number": 4}, "page 4"),
        ({"source": "stock.xlsx", "sheet": 2}, "stock.xlsx, sheet Prices 2027"),
        ({"source": "stock.xlsx", "sheet": "2"}, "stock.xlsx, sheet Prices 2027"),
    ],
)
def test_a_source_of_json(draft: dict[str, object], expected: str) -> None:
    text = json.dumps({"quote": "x y z", **draft})
    (quotation,) = read_draft(text, "json").quotations
    assert str(named(quotation, BOOKS)) == expected


def test_a_page_of_json_belongs_to_its_source() -> None:
    inner = [{"quote": "a b c"}, {"quote": "x y z", "source": "stock.xlsx"}]
    draft = {"source": "lease.pdf", "page": 3, "claims": [*inner, {"quote": "o o o", "line": 2}]}
    found = read_draft(json.dumps(draft), "json").quotations
    expected = ["lease.pdf, page 3", "stock.xlsx", "lease.pdf, line 2"]
    assert [str(named(one, BOOKS)) for one in found] == expected


@pytest.mark.parametrize(
    "draft",
    [
        "The lease says “x y z”.",
        "“x y z” and the lease too.",
        "lease.pdf is long. He said “x y z”.",
        "“x y z” (he laughed)",
        "“x y z” costs 3.50",
    ],
)
def test_no_named_source(draft: str) -> None:
    assert named(read_draft(draft).quotations[0], NAMES) is None


def test_a_name_of_several_documents_is_any_of_them() -> None:
    found = named(Quotation("x", "line 1", citation="(notes.txt)"), NAMES)
    assert found
    assert found.documents == ("/a/old/notes.txt", "/a/notes.txt")


def test_a_name_that_is_not_among_the_sources_has_no_documents() -> None:
    found = named(Quotation("x", "line 1", source="other.pdf", unit="page", number=2), NAMES)
    assert found
    assert (found.name, found.documents, str(found)) == ("other.pdf", (), "other.pdf, page 2")


def test_a_page_by_itself() -> None:
    found = named(Quotation("x", "line 1", citation="(p. 7)"), NAMES)
    assert found
    assert found.is_at(Place("any.pdf", "page", 6), Place("any.pdf", "page", 7))
    assert not found.is_at(Place("any.pdf", "page", 8), Place("any.pdf", "page", 8))


def test_a_sheet_is_compared_where_there_are_several() -> None:
    found = named(Quotation("x", "line 1", citation="(stock.xlsx, sheet Prices, row 4)"), BOOKS)
    assert found
    there = Place("/a/stock.xlsx", "row", 4, "Prices")
    assert found.is_at(there, there)
    for other in (replace(there, sheet="Costs, old"), replace(there, number=5)):
        assert not found.is_at(other, other)
    only = replace(there, sheet="")
    assert found.is_at(only, only)


@pytest.mark.parametrize(
    ("words", "inside"), [("pp. 7-9", (7, 8, 9)), ("p. 107–9", (107, 109)), ("pages 7 to 9", (9,))]
)
def test_a_range_of_pages(words: str, inside: tuple[int, ...]) -> None:
    found = named(Quotation("x", "line 1", citation=f"(lease.pdf, {words})"), NAMES)
    assert found
    pages = {number: Place("/a/lease.pdf", "page", number) for number in (*range(6, 111),)}
    assert all(found.is_at(pages[number], pages[number]) for number in inside)
    for number in (inside[0] - 1 if len(inside) > 1 else 6, inside[-1] + 1):
        assert not found.is_at(pages[number], pages[number])
    assert found.is_at(pages[6], pages[110])


def test_a_page_of_a_document_without_pages_is_not_held_against_it() -> None:
    found = named(Quotation("x", "line 1", citation="(lease.pdf, p. 7)"), NAMES)
    assert found
    assert found.is_at(Place("/a/lease.pdf", "line", 1), Place("/a/lease.pdf", "line", 1))


def test_a_sheet_of_many_is_found_as_one_of_few() -> None:
    sheets = [f"Sheet of {n}" for n in range(20_000)]
    few, many = (Names(["a.xlsx"], lambda _, most=most: sheets[:most]) for most in (50, 20_000))
    for words in ("sheet “Sheet of 7”, row 4", "Sheet of 49!B4", "no such thing", ", sheet of 12,"):
        assert many.sheet(words, ["a.xlsx"]) == few.sheet(words, ["a.xlsx"])
    began = time.process_time()
    for n in range(500):  # 4 s when each citation is compared with each sheet
        assert many.sheet(f"sheet “Sheet of {n}”, row 4", ["a.xlsx"]) == f"Sheet of {n}"
    assert time.process_time() - began < 2
