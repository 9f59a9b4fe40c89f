"""Rows of tables as text."""

from __future__ import annotations

import pytest

from pullquote.searching.rows import has_header, row_text, table_texts


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
    ],
)
def test_a_header_is_told_by_what_is_below(table: str, expected: bool | None) -> None:
    assert has_header([row.split(",") for row in table.split("|")]) is expected


def texts(*rows: str, header: bool = False) -> list[str]:
    cells = [(number, row.split(",")) for number, row in enumerate(rows, 1)]
    return [f"{number} {text}" for number, text in table_texts(cells, header=header)]


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


def test_three_columns_of_words_have_a_header() -> None:
    assert texts("a,b,c", "d,e,f") == ["2 a: d; b: e; c: f"]


def test_a_table_of_one_row_is_a_line() -> None:
    assert texts("a,b,c") == ["1 a; b; c"]
    assert texts("a,b,c", header=True) == ["1 a; b; c"]


def test_no_row_of_a_long_table_is_lost() -> None:
    rows = ["n,m", *(f"{number},{number + 1}" for number in range(500))]
    assert len(texts(*rows)) == 500
    assert texts(*rows)[-1] == "501 n: 499; m: 500"
