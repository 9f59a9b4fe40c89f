"""pullquote highlight: marked sentences of texts and documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_helpers import Run

TEXT = "For the bread you need flour.\nIt rains. You also need salt for the bread.\n"
QUESTION = "What do I need for the bread?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "bread.txt").write_text(TEXT)
    (folder / "mill.md").write_text("# The mill\n\nThe mill is old.\n")
    return folder


def test_sentences_with_their_places(call: Run, folder: Path) -> None:
    done = call("highlight", QUESTION, folder / "bread.txt").succeeded()
    name, first, second = done.out.splitlines()
    assert name.endswith("bread.txt")
    assert first.endswith("%  For the bread you need flour. (line 1)")
    assert second.endswith("%  You also need salt for the bread. (line 2)")


def test_json_of_a_folder(call: Run, folder: Path) -> None:
    done = call("highlight", QUESTION, folder, "--json", "--least", "0.5").succeeded()
    highlights = json.loads(done.out)["highlights"]
    assert [one["quote"]["text"] for one in highlights] == ["flour", "salt"]
    assert {one["document"] for one in highlights} == {str(folder / "bread.txt")}
    assert [(one["unit"], one["number"]) for one in highlights] == [("line", 1), ("line", 2)]
    assert all(TEXT[one["start"] : one["end"]] == one["text"] for one in highlights)


def test_nothing_is_said_plainly(call: Run, folder: Path) -> None:
    done = call("highlight", QUESTION, folder / "mill.md", "--least", "99%").succeeded()
    assert done.out == "1 document has nothing that bears on the question\n"


def test_of_several_documents_only_those_with_something_are_listed(call: Run, folder: Path) -> None:
    (folder / "wheel.txt").write_text("The wheel is of oak.\n")
    done = call("highlight", QUESTION, folder, "--least", "50%").succeeded()
    name, *sentences, last = done.out.splitlines()
    assert name.endswith("bread.txt")
    assert [sentence[:2] for sentence in sentences] == ["  ", "  "]
    assert last == "2 documents have nothing that bears on the question"


def test_all_sentences_at_least_0(call: Run, folder: Path) -> None:
    done = call("highlight", QUESTION, folder / "bread.txt", "--least", "0").succeeded()
    assert "It rains." in done.out


def test_a_document_that_cannot_be_read(call: Run, folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    done = call("highlight", QUESTION, folder)
    assert done.code == 0
    assert "flour" in done.out
    assert "not read:" in done.err
    assert "broken.pdf" in done.err
    call("highlight", QUESTION, folder / "broken.pdf").failed(
        "none of 1 document could be read", "broken.pdf"
    )


def test_a_document_that_is_read_in_part_counts_as_read(call: Run, folder: Path) -> None:
    rows = folder.parent / "rows.jsonl"
    rows.write_text('{"text": "For the bread you need flour."}\n{"text":\n')
    done = call("highlight", QUESTION, rows)
    assert done.code == 0
    assert "flour" in done.out
    note, told = done.err.split("rows.jsonl: ")
    assert note == "pullquote: note: read in part: "
    assert told.startswith("line 2: not JSON")
    (folder / "page.html").write_text("<p>")
    done = call("highlight", QUESTION, folder / "mill.md", folder / "page.html", "--least", "99%")
    assert done.out == "1 document has nothing that bears on the question\n"
    assert "page.html: there is no text in it" in done.err


def test_what_it_refuses(call: Run, folder: Path) -> None:
    call("highlight", QUESTION, "-", folder).failed("- is one text", code=2)
    (folder.parent / "empty").mkdir()
    call("highlight", QUESTION, folder.parent / "empty").failed("no documents in it")
    call("highlight", QUESTION, "nowhere").failed("no such file or folder")
    call("index", folder, "-o", folder.parent / "n.db").succeeded()
    said = "n.db: a database, such as an index, and no document; give the files and folders"
    call("highlight", QUESTION, folder.parent / "n.db").failed(said)
    call("highlight", QUESTION, folder, folder.parent / "n.db").failed(said)
    call("highlight", QUESTION, folder, "--least", "many").failed("is not between", code=2)
    call("highlight", " ", folder).failed("blank")
    call("highlight", QUESTION, folder, "--least", "2").failed("is not between 0 and 1", code=2)


def test_the_sheet_of_a_workbook_is_named(call: Run) -> None:
    pytest.importorskip("xlrd")
    doors = Path(__file__).parents[1] / "searching/files/doors.xls"
    asked = ("highlight", "What is the price of the oak door?", doors, "--least", "10%")
    assert re.search(r"\(sheet Doors, row \d+\)$", call(*asked).succeeded().out, re.MULTILINE)
    (first, *_) = json.loads(call(*asked, "--json").succeeded().out)["highlights"]
    assert (first["sheet"], first["unit"]) == ("Doors", "row")
