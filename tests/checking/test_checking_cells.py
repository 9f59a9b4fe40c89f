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


@given(st.text("ab:; .\n|,é126/", max_size=80), st.booleans(), st.sampled_from([None, True, False]))
def test_the_length_stays(text: str, tables: bool, day_first: bool | None) -> None:
    assert len(only_cells(text, tables=tables, day_first=day_first)) in (0, len(text))


FORM = "Landlord: Rosa Klein\n\nTenant: Milo Franke, Jr\n\nRent: 930 euros"
UNNAMED = "rent; 2024: 840; 2025: 860\n\nheating; 2024: 96; 2025: 104\n\nwater; 2025: 31"


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        (FORM, "Landlord Rosa Klein␞Tenant Milo Franke Jr␞Rent 930 euros"),
        (UNNAMED, "rent 840 860␞heating 96 104␞water 31"),
        ("oak; Price: 840\npine; Price: 310", "oak 840␞pine 310"),
        # two forms, one below the other
        ("Name: Ann\nRole: cook\nName: Ben\nRole: smith", "Name Ann␞Role cook␞Name Ben␞Role smith"),
        ("Rent: 930 euros", ""),  # a line alone
        ("We met.\n\nNote: dear\n\nWe left.\n\nRent: 930 euros", ""),
        ("Anna: The rent is due.\nBen: It is not.", ""),  # sentences
        ("He says; note: one\nIt says; so: two", ""),  # names of one row each
        ("The tenant pays the rent; except: in May\nThe landlord mends it; except: the roof", ""),
    ],
)
def test_forms_and_rows_whose_first_cell_has_no_name(text: str, cells: str) -> None:
    shown = only_cells(text, tables=True)
    assert "␞".join(" ".join(row.split()) for row in shown.split("␞")).strip("␞") == cells
    assert only_cells(text) == ""


@pytest.mark.parametrize("name", ["lease.xlsx", "lease.docx", "lease.md"])
@pytest.mark.parametrize(
    ("text", "quote", "there"),
    [
        (FORM, "Landlord, Rosa Klein", "Landlord: Rosa Klein"),
        (FORM, "Tenant | Milo Franke, Jr", "Tenant: Milo Franke, Jr"),
        (FORM, "Rent 930 euros", "Rent: 930 euros"),
        (UNNAMED, "rent; 840; 860", "rent; 2024: 840; 2025: 860"),
        (UNNAMED, "heating | 96 | 104", "heating; 2024: 96; 2025: 104"),
    ],
)
def test_they_may_be_quoted_as_they_are_shown(name: str, text: str, quote: str, there: str) -> None:
    found = check(quote, {"id": name, "text": text})
    assert (found.match, found.found[0].text) == ("typographic", there)
    # a plain text is shown as it is
    assert check(quote, {"id": "lease.txt", "text": text}).match in ("drifted", "absent")


def test_of_a_form_the_other_value_is_told() -> None:
    found = check("Rent 390 euros", {"id": "lease.xlsx", "text": FORM}, document="lease.xlsx")
    assert [str(one) for one in found.differences] == ['"390" for "930"']


DAYS = (
    "Item: oak door; Bought: 2026-11-27; Price: 840\n\n"
    "Item: pine door; Bought: 2026-04-03 14:30; Price: 310\n\n"
    "Item: gate; Bought: 3/4/2026; Price: 12"
)


@pytest.mark.parametrize(
    ("quote", "there"),
    [
        ("oak door, 27/11/2026, 840", "oak door; Bought: 2026-11-27; Price: 840"),
        ("oak door, 11/27/26, 840", "oak door; Bought: 2026-11-27; Price: 840"),
        ("oak door | 27 Nov 2026", "oak door; Bought: 2026-11-27"),
        ("Bought: 27 Nov 2026", "Bought: 2026-11-27"),
        ("Fri, 27 November 2026 840", "2026-11-27; Price: 840"),
        ("pine door, 3.4.2026 14:30", "pine door; Bought: 2026-04-03 14:30"),
        ("pine door, 04/03/2026 14:30, 310", "pine door; Bought: 2026-04-03 14:30; Price: 310"),
        ("gate, 3 April 2026, 12", "gate; Bought: 3/4/2026; Price: 12"),
        ("gate, March 4, 2026, 12", "gate; Bought: 3/4/2026; Price: 12"),
    ],
)
def test_a_date_of_a_sheet_is_the_same_in_any_notation(quote: str, there: str) -> None:
    found = check(quote, {"id": "doors.csv", "text": DAYS})
    assert (found.match, found.similarity) == ("typographic", 1.0)
    (place,) = found.found
    assert place.text == there == DAYS[place.start : place.end]
    assert (place.quote_start, place.quote_end) == (0, len(quote))


@pytest.mark.parametrize(
    ("quote", "differences"),
    [
        ("oak door, 28/11/2026, 840", ['"28/11/2026" for "2026-11-27"']),
        ("oak door, Tuesday, 27 November 2026, 840", ['added "Tuesday"']),
        ("oak door, 27 Nov 2026, 480", ['"480" for "840"']),
        ("pine door, 3 April 2026 14:35, 310", ['"14:35" for "14:30"']),
        ("oak door, Monday, 27 November 2026, 840", ['added "Monday"']),
    ],
)
def test_another_day_is_no_other_notation(quote: str, differences: list[str]) -> None:
    found = check(quote, {"id": "doors.xlsx", "text": DAYS}, document="doors.xlsx")
    assert [str(one) for one in found.differences] == differences
    for one in found.differences:
        assert quote[one.quote_start : one.quote_end] in str(one)


@pytest.mark.parametrize("name", ["doors.docx", "doors.txt"])
def test_dates_of_documents_are_shown_as_they_are(name: str) -> None:
    found = check("oak door, 27/11/2026, 840", {"id": name, "text": DAYS})
    assert found.match not in ("exact", "typographic")


def test_a_date_within_a_cell_is_shown_as_it_is() -> None:
    text = "Item: oak door; Note: due 27/11/2026\n\nItem: pine door; Note: due 28/11/2026"
    found = check("oak door, due 27 Nov 2026", {"id": "doors.csv", "text": text})
    assert found.match not in ("exact", "typographic")


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
