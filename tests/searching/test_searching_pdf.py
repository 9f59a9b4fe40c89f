"""PDFs: what is read of their pages."""

from __future__ import annotations

import gc
import tracemalloc
import zlib
from pathlib import Path

import pytest
from searching_helpers import FILES, pdf, text_and_notes

from pullquote.errors import DocumentError
from pullquote.searching import pdf as pdfs
from pullquote.searching.documents import SourceFile, find, read
from pullquote.searching.parts import Part
from pullquote.searching.pdf import read_pdf
from pullquote.types import Passage

pytest.importorskip("pypdfium2")


def passages(path: Path) -> list[Passage]:
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    return list(read(file))


def text(path: Path) -> str:
    return "\n\n".join(passage.text for passage in passages(path))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["It was designed by Anna Berg-", "Larsen of Oslo in 1904."], "Anna Berg-Larsen of Oslo"),
        (["The pump must satisfy ISO-", "9001 at all times."], "satisfy ISO-9001 at all"),
        (["The mill was completely recon-", "structed in 1702."], "completely reconstructed in"),
        (["It is a well-known mill, and well-", "known it remains."], "and well-known it remains"),
        (["Invoice", "The total in crowns:", "12400"], "12400"),
        (["1984", "The year of the flood."], "1984\nThe year of the flood."),
    ],
)
def test_what_the_author_wrote_stays(tmp_path: Path, lines: list[str], expected: str) -> None:
    assert expected in text(pdf(tmp_path / "a.pdf", lines))


def test_pages_are_joined_around_their_heads_and_numbers(tmp_path: Path) -> None:
    pages = [
        [
            "The Mill Manual",
            "The wheel is built of oak and turns when the",
            "gate is open. It is recon-",
            "1",
        ],
        ["The Mill Manual", "structed every ten years by", "2"],
        ["The Mill Manual", "carpenters from Norrhavn.", "3"],
    ]
    (passage,) = passages(pdf(tmp_path / "a.pdf", *pages))
    assert passage.text == (
        "The Mill Manual\n\nThe wheel is built of oak and turns when the gate is open. It is "
        "reconstructed every ten years by\n\fcarpenters from Norrhavn."
    )
    places = [
        passage.place(passage.text.index(word)).number for word in ("Mill", "structed", "Norr")
    ]
    assert places == [1, 2, 3]


def test_a_head_does_not_stand_inside_a_sentence(tmp_path: Path) -> None:
    pages = [
        ["The wheel is built of", "Water 1"],
        ["oak.", "It turns when the", "Water 2"],
        ["gate is open.", "Wood 3"],
    ]
    assert text(pdf(tmp_path / "a.pdf", *pages)) == (
        "Water\n\nThe wheel is built of\n\foak.\n\nIt turns when the\n\fgate is open.\n\nWood"
    )


def test_contents_and_their_pages_are_left_out(tmp_path: Path) -> None:
    lines = [f"{number} Rent {'. ' * 20}{number + 1}" for number in range(1, 6)]
    pages = [["Contents", *lines[:3]], [*lines[3:], "1 Rent", "It is 840 crowns."]]
    assert text(pdf(tmp_path / "a.pdf", *pages)) == "1 Rent\nIt is 840 crowns."


def test_values_of_fields_stand_behind_their_labels(tmp_path: Path) -> None:
    text_field = "Subtype/Widget/FT/Tx"
    fields = [
        (text_field, 200, 780, "Sea Otter"),
        (text_field, 300, 752, "12 metres"),
        ("Subtype/Widget/FT/Ch/Ff 131072/Opt[(Oslo)(Bergen)]", 200, 766, "Bergen"),
        (text_field, 400, 300, "alone"),
        (text_field, 200, 738, " "),
        ("Subtype/FreeText", 200, 738, "by hand"),
    ]
    lines = ["Name of the boat:", "Harbour:", "Its length and more:", "Signed", "The end."]
    assert text(pdf(tmp_path / "a.pdf", lines, fields=fields)) == (
        "Name of the boat: Sea Otter\nHarbour: Bergen\n"
        "Its length and more: 12 metres Signed by hand\nThe end. alone"
    )
    empty = pdf(tmp_path / "b.pdf", [], fields=[(text_field, 200, 780, "Sea Otter")])
    assert text(empty) == "Sea Otter"


def test_comments_are_read_and_files_at_a_place_are_told(tmp_path: Path) -> None:
    notes = [
        ("Subtype/Text", 200, 780, "Ask Ann about it."),
        ("Subtype/Highlight/QuadPoints[72 790 200 790 72 778 200 778]", 72, 780, "Too long?"),
        ("Subtype/Highlight/QuadPoints[72 790 200 790 72 778 200 778]", 72, 760, " "),
        ("Subtype/FileAttachment", 300, 780, "plan.dwg"),
        ("Subtype/Link", 72, 740, "a link"),
    ]
    lines = ["The mill stands by", "the weir."]
    path = pdf(tmp_path / "a.pdf", lines, ["It turns."], fields=notes)
    said, told = text_and_notes(path)
    assert told == ["attachment on page 1 plan.dwg: files in a PDF are not read; save it"]
    assert said.replace("\n\f", " / ") == (
        "The mill stands by the weir. / It turns. / Ask Ann about it. / Too long?"
    )
    alone = pdf(tmp_path / "b.pdf", [], fields=notes[:1])
    assert text_and_notes(alone) == ("Ask Ann about it.", [])


def test_letters_as_far_apart_as_words_are_two_words(tmp_path: Path) -> None:
    """As Ghostscript writes a blank: between two letters that are spaced out."""
    shown = (
        b"BT /F 12 Tf 72 700 Td (an) Tj 3.3 Tc 13.34 0 Td (yo) Tj 0 Tc 15.97 0 Td (ther z%s) Tj ET"
    )
    pages = [zlib.compress(shown % name) for name in (b"qa", b"qb", b"qc")]
    words = text(pdf(tmp_path / "a.pdf", *pages)).split()
    assert " ".join(words) == "any other zqa any other zqb any other zqc"


def test_blanks_that_pdfium_forgets(tmp_path: Path) -> None:
    """A movement before an empty string, as gropdf writes it where the font changes."""
    shown = b"BT /F 12 Tf 72 700 Td [(Any) -278 ()] TJ [(numeric) -278 (value)] TJ ET"
    stream = zlib.compress(shown + b"\n" * 50, 1)
    assert text(pdf(tmp_path / "a.pdf", stream)) == "Anynumeric value"
    groff = pdf(tmp_path / "b.pdf", stream, producer="gropdf version 1.22.4")
    assert text(groff) == "Any numeric value"


def test_a_stream_of_groff_that_cannot_be_unpacked_is_left_as_it_is(tmp_path: Path) -> None:
    path = pdf(tmp_path / "a.pdf", ["The rent."], b"no zlib", producer="gropdf version 1.22.4")
    assert text(path) == "The rent."


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"no pdf"])
def test_what_is_no_pdf(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(content)
    with pytest.raises(DocumentError, match="not readable as a PDF"):
        passages(tmp_path / "a.pdf")


def test_parts_make_the_text_of_the_offsets(tmp_path: Path) -> None:
    pages = [[f"Line {n} of the page {p} is here" for n in range(40)] for p in range(9)]
    path = pdf(tmp_path / "a.pdf", *pages)
    with open(path, "rb") as file:
        whole = "".join(part.text for part in read_pdf(file) if isinstance(part, Part))
    found = passages(path)
    assert len(found) > 5
    for passage in found:
        assert whole[passage.start : passage.end] == passage.text


def test_a_text_that_pages_repeat_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages and comments may be the same object, so that a small file has any length of text."""
    path = tmp_path / "a.pdf"
    pdf(path, ["The rent of the mill is 840 crowns."])
    monkeypatch.setattr(pdfs, "MOST_UNPACKED", 0)
    monkeypatch.setattr(pdfs, "_MOST_TEXT", 35)
    assert text(path) == "The rent of the mill is 840 crowns."
    monkeypatch.setattr(pdfs, "_MOST_TEXT", 34)
    with pytest.raises(DocumentError, match="a text of more than 0 MiB, an attack or a fault"):
        passages(path)


def test_a_large_file_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(FILES / "pages.pdf", "rb") as file:
        at_once = [*read_pdf(file)]
        monkeypatch.setattr(pdfs, "_MOST_IN_MEMORY", 1)
        assert [*read_pdf(file)] == at_once


def test_what_was_read_of_pages_is_freed_without_the_garbage_collector() -> None:
    with open(FILES / "pages.pdf", "rb") as file:
        [*read_pdf(file)]  # once for what is kept
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            [*read_pdf(file)]
            gc.collect()
            left = {type(one).__module__ for one in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert not {name for name in left if name.startswith("pullquote")}


@pytest.mark.parametrize("count", [1, 7])
def test_boxes_are_asked_for_a_number_at_a_time(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(FILES / "pages.pdf", "rb") as file:
        at_once = [*read_pdf(file)]
        monkeypatch.setattr(pdfs, "_BOXES_AT_ONCE", count)
        assert [*read_pdf(file)] == at_once


def test_a_page_of_many_letters_takes_little_memory(tmp_path: Path) -> None:
    path = pdf(tmp_path / "a.pdf", ["wxyz " * 20_000])
    text(path)  # once for what is kept
    tracemalloc.start()
    try:
        text(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 << 20  # 4.1; with an address for each letter 12
