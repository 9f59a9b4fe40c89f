"""Workbooks: texts stay texts, and what does not fit into a cell is cut or refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from pullquote.errors import OutputError
from pullquote.scale import workbook
from pullquote.searching.documents import SourceFile, find, read

pytest.importorskip("xlsxwriter")


def written(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> str:
    """The XML of the sheet, whose texts stand in it or among the shared ones."""
    path = tmp_path / "x.xlsx"
    workbook.write(path, rows, list(rows[0]), **options)
    with zipfile.ZipFile(path) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode("utf-8")


def test_our_own_reader_reads_it(tmp_path: Path) -> None:
    rows = [{"document": "a.txt", "rent": 840.5, "note": ""}, {"document": "b", "rent": "none"}]
    written(tmp_path, rows)
    (file,) = find([tmp_path / "x.xlsx"])
    assert isinstance(file, SourceFile)
    texts = [passage.text for passage in read(file)]
    assert texts == ["document: a.txt; rent: 840.5", "document: b; rent: none", "note"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", '=HYPERLINK("http://x")', "{=1}"])
def test_no_text_is_a_formula_or_link(tmp_path: Path, text: str) -> None:
    xml = written(tmp_path, [{"a": text, "b": "https://example.org"}])
    assert "<f>" not in xml
    assert "hyperlink" not in xml
    assert text.replace('"', '"') in xml


def test_a_long_text_is_cut_and_says_so(tmp_path: Path) -> None:
    xml = written(tmp_path, [{"a": "x" * 40_000}])
    assert "x" * (workbook.LONGEST - 1) + "…" in xml
    # a character of two units at the border is left out whole
    assert workbook.cut("x" * (workbook.LONGEST - 2) + "😀x").endswith("x…")
    assert workbook.cut("\ud800") == "?"


def test_colours(tmp_path: Path) -> None:
    row = {"a": "x", "b": "y"}
    plain = written(tmp_path, [row])
    shaded = written(tmp_path, [row], shade=lambda _, column: "low" if column == "a" else "")
    assert '<c r="A2" t=' in plain
    assert '<c r="A2" s=' in shaded
    assert '<c r="B2" t=' in shaded


def test_more_than_excel_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(number) for number in range(16_385)]
    with pytest.raises(OutputError, match="16,385 columns"):
        workbook.write(tmp_path / "x.xlsx", [], names)
    monkeypatch.setattr(workbook, "_ROWS", 3)
    workbook.write(tmp_path / "x.xlsx", [{"a": "x"}] * 2, ["a"])
    with pytest.raises(OutputError, match="more than 2 rows"):
        workbook.write(tmp_path / "x.xlsx", [{"a": "x"}] * 3, ["a"])
