"""pullquote batch: options of the command; what it does is tested in tests/scale."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import Run

pq = pytest.importorskip("pyarrow.parquet")


def test_questions_are_asked_of_an_index(call: Run, tmp_path: Path) -> None:
    (tmp_path / "lease.txt").write_text("The rent is 840 crowns a month.\n")
    (tmp_path / "mill.txt").write_text("The mill was built by Ann Harker in 1790.\n")
    questions = tmp_path / "questions.csv"
    questions.write_text("question,team\nHow much is the rent?,B\n,C\n")
    index, out = tmp_path / "index.db", tmp_path / "out"
    call("index", tmp_path / "lease.txt", tmp_path / "mill.txt", "-o", index).succeeded()
    arguments = ("batch", "--index", index, questions, out, "--keep", "team", "--answerable", "95%")
    done = call(*arguments, "--filter", "path=*lease*")
    assert done.code == 0
    assert "out: 2 rows; " in done.out
    assert "1 row could not be answered: see the column error" in done.err
    found = pq.read_table(out).to_pylist()
    assert [row["team"] for row in found] == ["B", "C"]
    assert (found[0]["unit"], found[0]["number"]) == ("line", 1)
    assert Path(found[0]["document"]) == tmp_path / "lease.txt"
    assert "2 rows, 2 of them earlier" in call(*arguments, "--filter", "path=*lease*").out
    done = call(*arguments)
    assert 'was begun with index.path "*lease*", not null; give the same' in done.err
    assert "the same command goes on from there" in done.err


def test_filters_that_leave_nothing_are_told(call: Run, tmp_path: Path) -> None:
    (tmp_path / "doors.csv").write_text("item,wood,price\ndoor,oak,840\nlamp,pine,95\n")
    (tmp_path / "q.csv").write_text("question\nWhat is the price?\n")
    call("index", "doors.csv", "-o", "i.db").succeeded()
    done = call("batch", "--index", "i.db", "q.csv", "out", "--filter", "wood=Oak")
    assert "no document or row of a table in these documents fits the filters" in done.err
    assert (done.code, pq.read_table(tmp_path / "out")["answer"].to_pylist()) == (0, [None])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", "2"), "--workers and --gpus are for --engine ray"),
        (("--gpus", "1"), "--workers and --gpus are for --engine ray"),
        (("--filter", "path=*.pdf"), "--filter is for the documents of an --index"),
        (("--threshold", "1", "--answerable", "50%"), "--answerable"),
    ],
)
def test_what_does_not_fit_together(call: Run, options: tuple[str, ...], message: str) -> None:
    call("batch", "in.csv", "out", *options).failed(message, code=2)


def test_a_file_that_is_no_index(call: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("question\nWho?\n")
    done = call("batch", "--index", tmp_path / "in.csv", tmp_path / "in.csv", tmp_path / "out")
    done.failed("in.csv")
    assert not (tmp_path / "out").exists()


def test_a_column_that_no_row_has_is_named(call: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("question,context,team\nWho led?,Rollo led.,B\nWho?,He.,\n")
    arguments = ("batch", "in.csv", "out", "--keep", "nocol", "--keep", "team", "--rows", "1")
    for _ in range(2):  # the second finds it answered
        done = call(*arguments, "--model", "tiny")
        assert done.code == 0
        assert "no row of the input has a value in the column to --keep: nocol\n" in done.err
        assert "without a context" not in done.err


def test_rows_without_a_context_have_a_hint(call: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("question\nWho led?\n")
    for command in (("batch", "in.csv", "out"), ("predict", "tiny", "in.csv", "-o", "a.csv")):
        done = call(*command)
        assert done.code == 0
        assert "rows without a context are asked of documents: pullquote batch --index" in done.err
