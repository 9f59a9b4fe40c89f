"""Tables of results: the same rows in every format, whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pullquote.errors import OutputError
from pullquote.scale.answering import Columns
from pullquote.scale.output import write

COLUMNS = Columns(("team",), top_k=2)
QUOTE = {"text": "Rollo", "start": 18, "end": 23, "score": 0.5}
RESULTS: list[dict[str, Any]] = [
    {
        **{"id": "1", "team": 'B, "x"\n', "answer": "Rollo", "start": 18, "end": 23, "score": 0.5},
        **{"no_answer_score": 0.25, "answers": [QUOTE], "error": None},
    },
    {**dict.fromkeys(COLUMNS.names()), "id": "2", "error": "line 3: the question is blank"},
]


def test_the_same_rows_in_every_format(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    for kind in ("parquet", "jsonl", "csv", "tsv"):
        results = [dict(result) for result in RESULTS]
        assert write(tmp_path / f"x.{kind}", results, COLUMNS) == (2, 1)
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == RESULTS
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == RESULTS
    for kind, delimiter in (("csv", ","), ("tsv", "\t")):
        with open(tmp_path / f"x.{kind}", newline="") as file:
            found = list(csv.DictReader(file, delimiter=delimiter))
        assert [row["id"] for row in found] == ["1", "2"]
        assert found[0]["team"] == RESULTS[0]["team"]
        assert (found[0]["start"], found[0]["score"]) == ("18", "0.5")
        assert json.loads(found[0]["answers"]) == [QUOTE]
        assert (found[1]["answer"], found[1]["error"]) == ("", RESULTS[1]["error"])


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    assert write(tmp_path / "x.parquet", [], Columns()) == (0, 0)
    assert pq.read_table(tmp_path / "x.parquet").column_names == list(Columns().names())
    write(tmp_path / "x.csv", [], Columns())
    assert (tmp_path / "x.csv").read_text().strip() == ",".join(Columns().names())


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_error_leaves_the_older_file(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / f"x.{kind}"
    path.write_text("older")

    def failing() -> Iterator[dict[str, Any]]:
        yield dict(RESULTS[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, failing(), COLUMNS)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x\.doc: its ending is none of \.parquet"):
        write(tmp_path / "x.doc", [], COLUMNS)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        *(("=1+1", "'=1+1"), ("@x", "'@x"), ("+1", "'+1"), ("-840+1", "'-840+1"), ("\tx", "'\tx")),
        *(("-840", "-840"), ("-8.5", "-8.5"), ("840", "840"), ("'x", "'x")),
    ],
)
def test_no_cell_of_a_csv_file_is_a_formula(tmp_path: Path, text: str, cell: str) -> None:
    row = {**dict.fromkeys(Columns(("team",)).names()), "id": "1", "team": text, "start": -1}
    for kind, delimiter in (("csv", ","), ("tsv", "\t")):
        write(tmp_path / f"x.{kind}", [dict(row)], Columns(("team",)))
        with open(tmp_path / f"x.{kind}", newline="") as file:
            (found,) = csv.DictReader(file, delimiter=delimiter)
        assert (found["team"], found["start"]) == (cell, "-1")
    write(tmp_path / "x.jsonl", [dict(row)], Columns(("team",)))
    assert json.loads((tmp_path / "x.jsonl").read_text())["team"] == text


def test_no_name_of_a_column_is_a_formula(tmp_path: Path) -> None:
    columns = Columns(("=1+1",))
    row = {**dict.fromkeys(columns.names()), "id": "1", "=1+1": "x"}
    write(tmp_path / "x.csv", [row], columns)
    with open(tmp_path / "x.csv", newline="") as file:
        (found,) = csv.DictReader(file)
    assert found["'=1+1"] == "x"
