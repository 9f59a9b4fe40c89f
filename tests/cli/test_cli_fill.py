"""pullquote fill: every kind of table, a kill, bad documents, bad options."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import ENVIRONMENT, Run

from pullquote.reading.backends import native_library
from pullquote.searching import index

LEASES = Path(__file__).parents[2] / "examples" / "leases"
QUESTIONS = """
[[question]]
name = "rent"
ask = ["How much is the rent?", "How much does the tenant pay each month?"]
kind = "amount"
[[question]]
name = "animals"
ask = "Are animals allowed?"
kind = "yes/no"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "leases"
    folder.mkdir()
    for name in ("boathouse.md", "mill-cottage.txt", "studio.txt"):
        shutil.copyfile(LEASES / name, folder / name)
    (tmp_path / "q.toml").write_text(QUESTIONS)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_table_that_goes_on(call: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (folder / "empty.txt").write_text("")
    shutil.copyfile(tmp_path / "q.toml", folder / "q.toml")  # among the documents, and none
    arguments = ("fill", folder / "q.toml", folder, "-o", folder / "table.csv")
    done = call(*arguments, "--review", tmp_path / "review.html")
    assert done.code == 0
    assert "table.csv: 5 documents" in done.out
    assert "2 documents not read, or in part: see the column error" in done.err
    boathouse, broken, empty, mill, studio = rows(folder / "table.csv")
    assert (boathouse["document"], boathouse["rent"]) == ("boathouse.md", "1250")
    assert (boathouse["rent quote"], boathouse["rent place"]) == ("1,250 crowns a month", "line 8")
    assert mill["animals"].startswith("Animals are not allowed in the cottage")
    assert studio["rent"] == "410"
    assert "PDF" in broken["error"]
    assert "0 bytes" in empty["error"]
    assert broken["rent"] == empty["rent"] == ""
    (folder / "new.txt").write_text("The rent of the barn is 90 crowns.")
    again = call(*arguments)
    assert "table.csv: 6 documents" in again.out
    assert "3 documents as before: not asked again" in again.err
    assert [row["rent"] for row in rows(folder / "table.csv")][4] == "90"


@pytest.mark.packed
@pytest.mark.skipif(not native_library.available(), reason="scores are those of the engine")
def test_the_table_of_the_docs(call: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (LEASES.parents[1] / "docs" / "fill.md").read_text("utf-8")
    start = page.index("| document |")
    shown = [line.strip("| ").split(" |") for line in page[start:].split("\n\n")[0].splitlines()]
    names, _, *body = [[cell.strip() for cell in line] for line in shown]
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PULLQUOTE_VECTORS", raising=False)  # as people have them
    # and not as an earlier test of this process found them
    monkeypatch.setattr(index, "bundled", index.bundled.__wrapped__)
    call("fill", LEASES / "questions.toml", LEASES, "-o", "leases.csv").succeeded()
    found = [
        [f"{float(row[name]):.2f}" if name.endswith("score") else row[name] for name in names]
        for row in rows(tmp_path / "leases.csv")
    ]
    assert [line + [""] * (len(names) - len(line)) for line in body] == found


def test_a_document_that_was_read_in_part_is_asked(call: Run, folder: Path, tmp_path: Path) -> None:
    text = '{"text": "The rent of the barn is 90 crowns."}\n{"text":\n'
    (folder / "rows.jsonl").write_text(text)
    first = call("fill", "q.toml", folder, "-o", "table.csv")
    assert first.err == ("pullquote: note: 1 document not read, or in part: see the column error\n")
    barn = rows(tmp_path / "table.csv")[2]
    assert (barn["document"], barn["rent"]) == ("rows.jsonl", "90")
    assert "line 2: not JSON" in barn["error"]
    again = call("fill", "q.toml", folder, "-o", "table.csv")
    assert "4 documents as before: not asked again" in again.err


def test_low_scores_are_marked_from_0_to_100_per_cent(
    call: Run, folder: Path, tmp_path: Path
) -> None:
    for low, note in (("0", ""), ("100%", "low score")):
        call("fill", "q.toml", folder, "-o", f"{low}.csv", "--low", low).succeeded()
        assert [row["rent note"] for row in rows(tmp_path / f"{low}.csv")] == [note] * 3
    call("fill", "q.toml", folder, "-o", "x.csv", "--low", "101%").failed("is not between", code=2)


def test_every_kind_of_table(call: Run, folder: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("xlsxwriter")
    for kind in ("parquet", "xlsx", "jsonl"):
        call("fill", "q.toml", folder, "-o", f"table.{kind}").succeeded()
    table = pq.read_table(tmp_path / "table.parquet").to_pylist()
    assert [row["rent"] for row in table] == ["1250", "640", "410"]
    assert isinstance(table[0]["rent score"], float)
    shown = call("passages", "table.xlsx").succeeded().out
    assert "document: boathouse.md; rent: 1250; rent quote: 1,250 crowns a month" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_kill_loses_nothing(call: Run, folder: Path, tmp_path: Path) -> None:
    for number in range(60):
        (folder / f"{number:02}.txt").write_text(f"The rent of house {number} is {number} crowns.")
    arguments = ["fill", "q.toml", "leases", "-o", "table.csv"]
    env = {**ENVIRONMENT, "PULLQUOTE_CACHE": str(tmp_path / "cache"), "PULLQUOTE_VECTORS": "off"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pullquote", *arguments], cwd=tmp_path, env=env
    )
    filled = tmp_path / ".table.csv.filled"
    while not (filled.exists() and filled.read_bytes().count(b"\n") > 5):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = filled.read_bytes().count(b"\n") - 1  # without the first line
    assert 5 <= before < 63
    done = call(*arguments)
    assert "table.csv: 63 documents" in done.out
    assert f"{before} documents as before" in done.err
    assert len(rows(tmp_path / "table.csv")) == 63


def test_decisions(call: Run, folder: Path, tmp_path: Path) -> None:
    call("fill", "q.toml", folder, "-o", "table.csv").succeeded()
    decision = {"document": "studio.txt", "question": "rent", "decision": "rejected"}
    quote = rows(tmp_path / "table.csv")[2]["rent quote"]
    text = str({"format": 1, "decisions": [{**decision, "quote": quote}]}).replace("'", '"')
    (tmp_path / "d.json").write_text(text)
    call("fill", "q.toml", folder, "-o", "table.csv", "--decisions", "d.json")
    call("fill", "q.toml", folder, "-o", "table.csv")  # kept
    row = rows(tmp_path / "table.csv")[2]
    assert (row["rent"], row["rent quote"], row["rent note"]) == ("", quote, "rejected")
    (tmp_path / "d.json").write_text(text.replace(quote, "other"))
    done = call("fill", "q.toml", folder, "-o", "table.csv", "--decisions", "d.json")
    done.failed("none of the decisions is on a quote of this table")


def test_a_cache_whose_damage_is_seen_late_is_made_again(
    call: Run, folder: Path, tmp_path: Path
) -> None:
    call("fill", "q.toml", folder, "-o", "table.csv").succeeded()
    (kept,) = (tmp_path / "cache" / "folders").glob("*.db")
    with contextlib.closing(sqlite3.connect(kept)) as connection:
        connection.execute("DELETE FROM words_docsize")
        connection.commit()
    call("fill", "q.toml", folder, "-o", "other.csv").failed("damaged", "ask again")
    call("fill", "q.toml", folder, "-o", "other.csv").succeeded()
    assert rows(tmp_path / "other.csv") == rows(tmp_path / "table.csv")


def test_what_it_refuses(call: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    call("fill", "q.toml", "none", "-o", "t.csv").failed("nothing to read in it")
    call("fill", "q.toml", "nowhere", "-o", "t.csv").failed("no such file or folder")
    call("fill", "nothing.toml", folder, "-o", "t.csv").failed("nothing.toml")
    call("fill", "q.toml", folder, "-o", "t.doc").failed("its ending is none of .parquet")
    call("fill", "q.toml", folder).failed("'-o'", code=2)
    (tmp_path / "bad.toml").write_text('[[question]]\nname = "a"\n')
    call("fill", "bad.toml", folder, "-o", "t.csv").failed("question 1 (a): no wordings")
    (tmp_path / "d.json").write_text('{"a": 1}')
    done = call("fill", "q.toml", folder, "-o", "t.csv", "--decisions", "d.json")
    done.failed("d.json: no decisions of a review; expected the file that its page saves: a format")
    call("index", folder, "-o", "n.db").succeeded()
    done = call("fill", "q.toml", "n.db", "-o", "t.csv")
    done.failed("n.db is an index; fill takes documents: folders, or files", code=2)
    assert not (tmp_path / "t.csv").exists()
