"""pullquote ask --questions: a table with a row for each question."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from cli_helpers import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "lease.txt").write_text("Lease of the mill.\n\nThe rent is 840 crowns a month.\n")
    (folder / "mill.txt").write_text("The mill was built by Ann Harker in 1790.\n")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_question(call: Run, tmp_path: Path, folder: Path) -> None:
    questions = tmp_path / "questions.csv"
    questions.write_text("id,question\na,How much is the rent?\nb,\nc,Who built the mill?\n")
    out = tmp_path / "answers.csv"
    options = ("--model", "small", "--answerable", "90%")
    done = call("ask", "--questions", questions, folder, "-o", out, *options)
    assert done.code == 0
    assert "answers.csv: 3 questions" in done.out
    assert "1 row could not be asked: see the column error" in done.err
    found = rows(out)
    assert [row["id"] for row in found] == ["a", "b", "c"]
    assert found[0]["answer"] == "840 crowns"
    assert Path(found[0]["document"]) == folder / "lease.txt"
    assert (found[0]["unit"], found[0]["number"]) == ("line", "3")
    text = (folder / "lease.txt").read_text()
    assert text[int(found[0]["start"]) : int(found[0]["end"])] == "840 crowns"
    assert found[1]["error"] == "line 3: the question is blank"
    assert found[2]["answer"] == "Ann Harker"
    assert 0 < float(found[2]["score"]) <= 1
    # the same as one by one
    one = json.loads(call("ask", "Who built the mill?", folder, "--json", *options).succeeded().out)
    assert one["answer"]["score"] == float(found[2]["score"])


def test_questions_a_line_and_filters(call: Run, tmp_path: Path, folder: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("Who built the mill?\n\nHow much is the rent?\n")
    out = tmp_path / "answers.jsonl"
    call(
        *("ask", "--questions", questions, folder, "-o", out, "--top-k", 2),
        *("--filter", "path=mill*", "--answerable", "100%"),
    ).succeeded()
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in found] == ["1", "3"]
    assert found[0]["document"].endswith("mill.txt")
    assert found[1]["document"] is None  # no other document is searched
    assert found[1]["no_answer_score"] == 1.0
    assert found[0]["answers"][0]["text"] == found[0]["answer"] == "Ann Harker"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--questions", "q.csv", "docs"), "--questions and -o are given together"),
        (("Who?", "docs", "-o", "x.csv"), "--questions and -o are given together"),
        ((), "no question: give QUESTION, or --questions FILE"),
        (("--questions", "q.csv", "-o", "x.csv"), "--questions is for folders"),
        (("--questions", "q.csv", "docs", "-o", "x.csv", "--json"), "are for one question"),
    ],
)
def test_what_does_not_fit_together(call: Run, arguments: tuple[str, ...], message: str) -> None:
    call("ask", *arguments).failed(message, code=2)


def test_a_table_of_an_unknown_kind(call: Run, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "q.txt").write_text("Who?")
    done = call("ask", "--questions", tmp_path / "q.txt", folder, "-o", tmp_path / "x.doc")
    done.failed("its ending is none of .parquet")


def test_the_sheet_of_a_workbook_is_a_column(call: Run, tmp_path: Path) -> None:
    pytest.importorskip("xlrd")
    questions = tmp_path / "questions.txt"
    questions.write_text("What is the price of the oak door?\n")
    out = tmp_path / "answers.csv"
    doors = Path(__file__).parents[1] / "searching/files/doors.xls"
    call("ask", "--questions", questions, doors, "-o", out, "--answerable", "100%").succeeded()
    (row,) = rows(out)
    assert (row["sheet"], row["unit"]) == ("Doors", "row")
