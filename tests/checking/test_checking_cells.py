"""Rows of tables, quoted as their files show them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote import Checker, Index, check
from pullquote.checking.cells import only_cells

ROWS = "Item: oak door; Stock: 3; Price: 840\n\nItem: pine door; Price: 310.50"


def test_cells_stay_where_they_are_and_names_are_blank() -> None:
    cells = only_cells(ROWS)
    assert len(cells) == len(ROWS)
    assert cells.split() == ["oak", "door", "3", "840␞", "pine", "door", "310.50"]
    assert cells.index("310.50") == ROWS.index("310.50")


def test_other_lines_are_no_cells_and_part_rows() -> None:
    cells = only_cells(f"Our doors\n\n{ROWS}\n\nNote: dear; see below\n\n{ROWS}")
    assert cells.split("¶")[0] == ""
    words = [piece.replace("␞", " ").split() for piece in cells.split("¶")]
    assert [len(piece) for piece in words] == [0, 7, 7]


def test_a_title_above_each_row_does_not_part_them() -> None:
    titled = "Doors\n\nItem: oak door; Price: 840\n\nDoors\n\nItem: pine door; Price: 310"
    found = check("oak door,840\npine door,310", {"id": "doors", "text": titled})
    assert (found.match, found.found[0].text) == ("typographic", titled[titled.index("oak") :])


@pytest.mark.parametrize(
    "text",
    [
        "The rent is due; note: on the third.",
        "Anna: The rent is due.\nBen: It is not.\nAnna: It is.",  # who says it is not left out
        "Landlord: Rosa Klein\n\nRent: 930 euros",  # a form
        "He says; note: one; at: two\nShe says; note: one; at: two",  # none begins with a name
        "",
    ],
)
def test_texts_without_rows(text: str) -> None:
    assert only_cells(text) == ""


@given(st.text("ab:; .\n|,é", max_size=80))
def test_the_length_stays(text: str) -> None:
    assert len(only_cells(text)) in (0, len(text))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of doors as CSV, as JSON, and in an index."""
    folder = tmp_path_factory.mktemp("doors")
    (folder / "doors.csv").write_text(
        "Item,Wood,Stock,Price\ngarden door,oak,3,840 crowns\n"
        'cellar door,"pine, painted",,"1,310 crowns"\n',
        "utf-8",
    )
    with (folder / "doors.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    (folder / "doors.json").write_text(json.dumps(rows), "utf-8")
    with Index.create(folder / "doors.db", encoder=None) as index:
        index.add([folder / "doors.csv"])
    return folder


@pytest.mark.parametrize("source", ["doors.json", "doors.db"])
@pytest.mark.parametrize(
    ("quote", "there"),
    [
        ("garden door,oak,3,840 crowns", "garden door; Wood: oak; Stock: 3; Price: 840 crowns"),
        ("oak | 3 | 840 crowns", "oak; Stock: 3; Price: 840 crowns"),
        ("garden door\toak\t3\t840 crowns", "garden door; Wood: oak; Stock: 3; Price: 840 crowns"),
        (
            'cellar door,"pine, painted",,"1,310 crowns"',
            "cellar door; Wood: pine, painted; Price: 1,310 crowns",
        ),
        (
            "3,840 crowns\ncellar door",
            "3; Price: 840 crowns\n\nItem: cellar door",
        ),
    ],
)
def test_a_row_of_a_sheet_or_an_index_may_be_quoted_as_the_file_shows_it(
    folder: Path, source: str, quote: str, there: str
) -> None:
    found = check(quote, folder / source)
    assert (found.match, found.similarity) == ("typographic", 1.0)
    assert found.found[0].text == there


@pytest.mark.parametrize("source", ["doors.json", "doors.db"])
@pytest.mark.parametrize(
    ("quote", "match", "differences"),
    [
        ("garden door,oak,3,480 crowns", "drifted", ['"480" for "840"']),
        ("garden door,pine,3,840 crowns", "drifted", ['"pine" for "oak"']),
        ("cellar door,pine,1310 crowns", "drifted", ['"1310" for "painted; Price: 1,310"']),
        ("door, oak, 840 crowns", "drifted", ['left out "3"']),
    ],
)
def test_another_cell_is_no_typography(
    folder: Path, source: str, quote: str, match: str, differences: list[str]
) -> None:
    found = check(quote, folder / source)
    assert (found.match, [str(one) for one in found.differences]) == (match, differences)


def test_a_row_as_it_is_read_is_still_exact_and_offsets_hold(folder: Path) -> None:
    with Index.open(folder / "doors.db", encoder=None) as index:
        checker = Checker(index)
        assert checker.check("Item: garden door; Wood: oak").match == "exact"
        (found,) = checker.check("pine, painted, 1,310 crowns").found
        (passage,) = index.passages(found.at.path, found.start, limit=1)
    assert passage.text[found.start - passage.start :].startswith(found.text)
    assert (found.text, found.at.number) == ("pine, painted; Price: 1,310 crowns", 3)


@pytest.mark.parametrize("quote", ["1,200 crowns per month pine door", "640 pine", "oak door 310"])
def test_a_line_does_not_go_on_in_the_next_row(quote: str) -> None:
    text = (
        "Item: oak door; Stock: 640; Price: 1,200 crowns per month\n\n"
        "Item: pine door; Stock: 310; Price: 90 crowns"
    )
    found = check(quote, {"id": "doors", "text": text})
    assert found.match not in ("exact", "typographic")


def test_a_row_of_the_named_file_is_preferred_to_the_same_words_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Item,Qty,Total\nBrake cable,4,12.80\nChain,1,24.90\n")
    (tmp_path / "b.txt").write_text("We bought: Brake cable; 4; 12.80 of them.")
    draft = '"Brake cable; 4; 12.80" (a.csv, line 2)'
    checker = Checker([tmp_path / "a.csv", tmp_path / "b.txt"])
    ((_, found),) = checker.check_draft(draft)
    assert (found.match, found.place) == ("typographic", "as named")


def test_a_name_behind_a_sentence_that_no_other_row_has_is_a_part_of_its_cell() -> None:
    text = (
        "Item: oak oil; Use: It is safe for food. Never: drink it; Price: 840\n\n"
        "Item: pine oil; Use: It is allowed; but not: indoors; Price: 310\n\n"
        "Item: tar; Use: none; Price: 3"
    )
    source = {"id": "oils", "text": text}
    assert check("oak oil, It is safe for food. Never: drink it", source).match == "typographic"
    assert check("oak oil, It is safe for food. drink it, 840", source).match == "drifted"


@pytest.mark.parametrize(
    ("quote", "match"),
    [
        ("gate, Larch, 1,250", "typographic"),
        ("gate,Larch,1,250", "typographic"),
        ("gate, Larch, 1", "absent"),
        ("door,Oak,3,840", "typographic"),
        ("The rent of it is 1", "drifted"),
        ("The rent of it is 1,250", "exact"),
        ("250 crowns a year", "absent"),
    ],
)
def test_a_number_is_not_cut(quote: str, match: str) -> None:
    text = (
        "Item: gate; Wood: Larch; Price: 1,250\n\nItem: door; Wood: Oak; Stock: 3; Price: 840\n\n"
        "The rent of it is 1,250 crowns a year."
    )
    assert check(quote, {"id": "doors", "text": text}).match == match
