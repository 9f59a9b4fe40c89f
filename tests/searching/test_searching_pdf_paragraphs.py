"""Paragraphs and headings of PDFs stand apart, by the places of their lines.

The PDFs in `files/paragraphs` were made by several makers, one case a page (`make_pdfs.py` tells
how); the text beside each PDF has the paragraphs of its pages, which form feeds part.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from searching_helpers import FILES, pdf

from pullquote.searching import pdf_lines
from pullquote.searching.documents import SourceFile, find, read
from pullquote.searching.parts import Part
from pullquote.searching.pdf import read_pdf

pytest.importorskip("pypdfium2")

MAKERS = {"chromium": 9, "groff": 4, "ghostscript": 4, "libreoffice": 1, "reportlab": 3, "typst": 5}


def parts(path: Path) -> list[Part]:
    with open(path, "rb") as file:
        return [part for part in read_pdf(file) if isinstance(part, Part)]


def paragraphs(some: Iterable[Part]) -> list[str]:
    text = "".join(part.text for part in some)
    text = text.replace("−", "-")  # as Ghostscript has it
    return [one.strip() for one in text.split("\n\n") if one.strip()]


def cases() -> list[tuple[str, int]]:
    return [(maker, page) for maker, count in MAKERS.items() for page in range(1, count + 1)]


@pytest.mark.parametrize(("maker", "page"), cases())
def test_paragraphs_of_many_makers(maker: str, page: int) -> None:
    source = FILES / "paragraphs" / f"{maker}.pdf"
    name = "groff" if maker == "ghostscript" else maker
    expected = source.with_name(f"{name}.txt").read_text(encoding="utf-8").split("\f")
    assert len(expected) == MAKERS[maker]
    found = paragraphs(part for part in parts(source) if part.number == page)
    wanted = [one.strip() for one in expected[page - 1].split("\n\n")]
    if maker == "ghostscript":  # it has blanks inside of some words, and none between others
        found, wanted = (["".join(one.split()) for one in some] for some in (found, wanted))
    assert found == wanted


@pytest.mark.parametrize("maker", MAKERS)
def test_offsets_are_those_of_the_text(maker: str) -> None:
    source = FILES / "paragraphs" / f"{maker}.pdf"
    whole = "".join(part.text for part in parts(source))
    (file,) = find([source])
    assert isinstance(file, SourceFile)
    for passage in read(file):
        assert whole[passage.start : passage.end] == passage.text


# ---- pages that are written here: lines of Helvetica, each with x, y and a size


def shown(path: Path, *lines: tuple[float, float, str], sizes: tuple[float, ...] = ()) -> list[str]:
    """The paragraphs of a page of lines, of 12 points each if no sizes are given."""
    texts = " ".join(
        f"/F {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj"
        for (x, y, text), size in itertools.zip_longest(lines, sizes, fillvalue=12)
    )
    return paragraphs(parts(pdf(path / "a.pdf", zlib.compress(f"BT {texts} ET".encode()))))


FULL = "The wheel of the mill is built of oak and turns"
NEXT = "in the night. Its gate is opened by four turns"
END = "of the screw, and it takes all of a man."


def below(*steps: float, left: float = 72, top: float = 700) -> list[tuple[float, float]]:
    """Places of lines, from the top down."""
    return [(left, top - fallen) for fallen in itertools.accumulate(steps, initial=0)]


def lines(places: Iterable[tuple[float, float]], *texts: str) -> list[tuple[float, float, str]]:
    return [(x, y, text) for (x, y), text in zip(places, texts, strict=True)]


def test_a_gap_parts_full_lines(tmp_path: Path) -> None:
    texts = [FULL, NEXT, "Nobody lives in it now, and it is shut to all.", FULL]
    one = shown(tmp_path, *lines(below(14, 14, 14), *texts))
    assert one == [f"{FULL} {NEXT} {texts[2]} {FULL}"]
    two = shown(tmp_path, *lines(below(14, 18, 14), *texts))
    assert two == [f"{FULL} {NEXT}", f"{texts[2]} {FULL}"]


@pytest.mark.parametrize("step", [12, 14, 18, 24, 28])
def test_wide_lines_are_of_one_paragraph(tmp_path: Path, step: float) -> None:
    found = shown(tmp_path, *lines(below(step, step), FULL, NEXT, END))
    assert found == [f"{FULL} {NEXT} {END}"]


def test_a_sentence_goes_on_over_a_tall_line_and_not_over_a_wide_gap(tmp_path: Path) -> None:
    def read_with(step: float) -> list[str]:
        return shown(tmp_path, *lines(below(14, step, 14), FULL, FULL, NEXT, END))

    assert read_with(20) == [f"{FULL} {FULL} {NEXT} {END}"]
    assert read_with(30) == [f"{FULL} {FULL}", f"{NEXT} {END}"]


def test_a_heading_in_small_letters_is_no_part_of_the_text(tmp_path: Path) -> None:
    found = shown(tmp_path, *lines(below(20, 14, 14), "of the wheel", "it is " + FULL, NEXT, END))
    assert found[0] == "of the wheel"


def test_letters_of_another_size_part_lines(tmp_path: Path) -> None:
    places = below(14, 14, 14)
    texts = ["The wheel of the mill at Aldwater, and others", FULL, END, FULL]
    found = shown(tmp_path, *lines(places, *texts), sizes=(14, 12, 12, 9))
    assert found == [texts[0], f"{FULL} {END}", FULL]
    raised = shown(tmp_path, *lines(places, *texts), sizes=(12.5, 12, 12, 12))
    assert len(raised) == 1


def test_an_indent_begins_a_paragraph(tmp_path: Path) -> None:
    """Below a full line, where no gap tells; but not in a list, where all lines but one have it."""
    ends = "in the night, and it has four gates in all."
    other = "Nobody lives there now, and nobody goes there."  # closed, too
    texts = [FULL, ends, other, FULL, ends]
    places = [(72, 700), (72, 686), (90, 672), (72, 658), (72, 644)]
    assert shown(tmp_path, *lines(places, *texts)) == [
        f"{FULL} {ends}",
        f"{other} {FULL} {ends}",
    ]
    item = ["1. " + FULL + ".", FULL, ends]
    hanging = [(72, 700), (90, 686), (90, 672)]
    assert shown(tmp_path, *lines(hanging, *item)) == [f"{item[0]} {FULL} {ends}"]


def test_a_paragraph_goes_on_in_the_next_column(tmp_path: Path) -> None:
    column = below(14, 14) + below(14, left=400)
    texts = [FULL, FULL, NEXT, END, "It was burnt twice and built again by all."]
    assert shown(tmp_path, *lines(column, *texts)) == [f"{FULL} {FULL} {NEXT} {END} {texts[-1]}"]
    closed = [
        FULL,
        FULL,
        END + " Nobody else.",
        "It was burnt twice and built again by all, and",
        END,
    ]
    assert shown(tmp_path, *lines(column, *closed)) == [
        f"{FULL} {FULL} {closed[2]}",
        f"{closed[3]} {END}",
    ]


def test_a_word_that_is_split_goes_on_wherever_the_other_half_stands(tmp_path: Path) -> None:
    texts = [FULL, "and nobody knows by whom it was once recon-", "structed in 1702."]
    for places in (below(14, 60), [*below(14), (400, 700)]):
        (found,) = shown(tmp_path, *lines(places, *texts))
        assert found.endswith("once reconstructed in 1702.")


def test_lines_of_a_page_that_was_turned_are_of_one_paragraph(tmp_path: Path) -> None:
    texts = [FULL, FULL, NEXT, END]
    up = " ".join(
        f"0 1 -1 0 {200 + 60 * number} {100 + 9 * (number % 2)} Tm ({text}) Tj"
        for number, text in enumerate(texts)
    )
    page = zlib.compress(f"BT /F 12 Tf {up} ET".encode())
    assert paragraphs(parts(pdf(tmp_path / "a.pdf", page))) == [" ".join(texts)]


@pytest.mark.parametrize("matrix", ["-1 0 0 -1", "-1 0 0 1"])
def test_lines_that_are_upside_down_or_mirrored_are_read(tmp_path: Path, matrix: str) -> None:
    shown = "".join(
        f"{matrix} 540 {100 + 14 * line} Tm (the miller bought {line}) Tj " for line in range(9)
    )
    page = zlib.compress(f"BT /F 10 Tf {shown}ET".encode())
    text = "".join(part.text for part in parts(pdf(tmp_path / "a.pdf", page)))
    assert text.count("miller") == 9


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans())))
def test_the_usual_distance_is_the_least_of_those_near(lines: list[tuple[int, bool, bool]]) -> None:
    steps, together, goes_on = ([float(one[at]) for one in lines] for at in range(3))
    inside = [at for at in range(len(lines)) if together[at] and goes_on[at]]

    def usual(at: int) -> float:
        near = [other for other in (at - 1, at + 1) if 0 <= other < len(lines) and together[other]]
        # of two as near, the later one
        nearest = sorted(inside, key=lambda other: (abs(other - at), -other))[:1]
        return min((steps[other] for other in near + nearest), default=math.inf)

    found = pdf_lines._usual(steps, [*map(bool, together)], [*map(bool, goes_on)])
    assert found == [usual(at) for at in range(len(lines))]
