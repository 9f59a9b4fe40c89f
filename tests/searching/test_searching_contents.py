"""Tables of contents and indexes are told from other lists."""

from __future__ import annotations

import io

import pytest

from pullquote.searching.contents import listed, number_of
from pullquote.searching.parts import Part
from pullquote.searching.text import read_text

CONTENTS = ["1 Rent ........ 3", "1.1 Due . . . . . 3", "2 Notice …… 5", "A Forms ...... 12"]


def test_dotted_lines_with_growing_numbers() -> None:
    lines = ["The rent is due.", *CONTENTS, "1 Rent", "It is 840 crowns."]
    assert listed(lines) == [False, *[True] * 4, False, False]


def test_lines_between_them_belong_to_them() -> None:
    lines = ["Contents", "Preface ...... iv", "Part I", *CONTENTS[:2], "A title of", *CONTENTS[2:]]
    assert all(listed(lines))


def test_pages_before_the_first_chapter_have_roman_numbers() -> None:
    lines = ["Thanks ... iii", "Preface ... v", "Figures ... ix", "Tables ... xii"]
    assert listed(["The rent is due.", *lines]) == [False, *[True] * 4]


def test_a_heading_stands_for_the_dots() -> None:
    lines = ["1 Rent 3", "1.1 Due 3", "2 Notice 5", "A Forms 12"]
    assert listed(["Table of Contents", *lines]) == [True] * 5
    assert listed(["Inhaltsverzeichnis", *lines]) == [True] * 5
    assert listed(["Doors and their number", *lines]) == [False] * 5


@pytest.mark.parametrize(
    "lines",
    [
        ["Soup ........ 6.50", "Bread ...... 2.00", "Fish ....... 14.00", "Cake ....... 5.00"],
        ["Soup ........ 6", "Bread ...... 2", "Fish ....... 14", "Cake ....... 5"],
        ["Name .......... 12", "Age .......... 40", "Town ......... 41"],
        ["Soup ... £6", "Bread ... £7", "Fish ... £8", "Cake ... £9"],
        ["........ 1", "........ 2", "........ 3", "........ 4"],
    ],
)
def test_other_dotted_lists_stay(lines: list[str]) -> None:
    assert not any(listed(lines))


def test_indexes() -> None:
    words = [f"{word}, {at}, {at + 3}–{at + 5}" for at, word in enumerate("abcdefghijkl", start=7)]
    assert listed(["Index", *words, "The end."]) == [True] * 13 + [False]
    assert listed(["Subject Index", "A", *words]) == [True] * 14
    assert not any(listed(["Populations", *words]))
    assert not any(listed(["Index", *words[:9]]))


def test_contents_of_texts_are_left_out_and_lines_stay_right() -> None:
    text = "\n\n".join(["The lease", "Table of Contents", *CONTENTS, "1 Rent", "It is due."])
    parts = [part for part in read_text(io.BytesIO(text.encode())) if isinstance(part, Part)]
    assert [(part.text.strip(), part.number) for part in parts] == [
        ("The lease", 1),
        ("1 Rent", 13),
        ("It is due.", 15),
    ]


def test_a_paragraph_that_is_partly_contents() -> None:
    text = "\n".join(["The lease", *CONTENTS, "It is due.", "", "The end."])
    parts = [part for part in read_text(io.BytesIO(text.encode())) if isinstance(part, Part)]
    assert [(part.text.strip(), part.number) for part in parts] == [
        ("The lease", 1),
        ("It is due.", 6),
        ("The end.", 8),
    ]


@pytest.mark.parametrize(
    ("page", "number"), [("7", 7), ("iv", 4), ("XIV", 14), ("mcm", 1900), ("ı", 0), ("İ", 0)]
)
def test_numbers_of_pages(page: str, number: int) -> None:
    """A small "ı" of Turkish was an error that cost the whole document."""
    assert number_of(page) == number
