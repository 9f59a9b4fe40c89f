"""Highlights of documents: offsets of the document, and quotes within one cell of a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullquote import Reader
from pullquote.reading.backends import native_library
from pullquote.searching.documents import SourceFile, find, read
from pullquote.searching.highlight import highlight
from pullquote.searching.passages import joined
from pullquote.types import Passage

ROWS = "Item,Stock,Price,Supplier\noak door,22,840 crowns,Milo Franke\npine door,5,310 crowns,Ann\n"
COST = "How much does an oak door cost?"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def passages(path: Path) -> list[Passage]:
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    return list(read(file))


def test_a_quote_of_a_row_keeps_within_one_cell(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text(ROWS)
    text = "".join(joined(passages(path)))
    over_cells = [one.quote.text for one in reader.highlight(COST, text, least=0)]
    if native_library.available():  # what the model marks, read in int8
        assert any("; Price: " in quote for quote in over_cells)
    found = list(highlight(reader, COST, passages(path), least=0))
    assert len(found) == 2
    for one in found:
        assert "; " not in one.quote.text
        assert ": " not in one.quote.text
        assert text[one.quote.start : one.quote.end] == one.quote.text
        assert text[one.start : one.end] == one.text


def test_lines_of_a_plain_text_are_no_rows(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "stock.txt"
    path.write_text("Item: oak door; Stock: 22; Price: 840 crowns\n")
    (found,) = highlight(reader, COST, passages(path), least=0)
    (same,) = reader.highlight(COST, path.read_text(), least=0)
    assert found == same


def test_offsets_are_those_of_the_document(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("The mill is old.\n\n" * 200 + "An oak door costs 840 crowns.\n")
    whole = "".join(joined(passages(path)))
    last = passages(path)[-1:]
    assert last[0].start > 1000
    (found,) = highlight(reader, COST, last)
    assert whole[found.start : found.end] == found.text == "An oak door costs 840 crowns."
    assert whole[found.quote.start : found.quote.end] == found.quote.text
