"""Batches: each row once, in order, through kills, changes and bad rows."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.errors import ConfigError, DataError, InputError, OutputError
from pullquote.scale import blocks as module
from pullquote.scale.answering import Columns
from pullquote.scale.batch import batch
from pullquote.scale.folders import folder_at
from pullquote.scale.plan import find

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")

CONTEXT = "The Norse, led by Rollo, came by sea in 911."
QUESTIONS = ["Who led the Norse?", "When did they come?", "How did they come?", "Why?"]
READER = Reader("tiny", threads=1)


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": f"q{n}", "question": QUESTIONS[n % 4], "context": f"{CONTEXT} {n}.", "n": n}
        for n in range(first, first + count)
    ]


def write(path: Path, content: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in content), encoding="utf-8")
    return path


def read(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return found


def answers(content: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(row["id"], READER.answer(row["question"], row["context"]).text) for row in content]


def test_a_folder_of_all_formats(tmp_path: Path) -> None:
    content = rows(7)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    write(tmp_path / "in" / "a.jsonl", content[:3])
    csv = "".join(f'{r["id"]},{r["question"]},"{r["context"]}",{r["n"]}\r\n' for r in content[3:5])
    (tmp_path / "in" / "b.csv").write_text(f"id,question,context,n\r\n{csv}")
    pq.write_table(pa.Table.from_pylist(content[5:]), tmp_path / "in" / "deep" / "c.parquet")
    (tmp_path / "in" / "notes.txt").write_text("no questions")
    out = tmp_path / "out"
    done = batch(READER, tmp_path / "in", out, columns=Columns(("n",)), rows=2)
    assert (done.rows, done.errors, done.resumed) == (7, 0, 0)
    found = read(out)
    assert [(row["id"], row["answer"] or "") for row in found] == [
        (id, text or "") for id, text in answers(content)
    ]
    assert [row["n"] for row in found] == [str(n) for n in range(7)]
    assert list(found[0]) == [
        *("id", "n", "answer", "start", "end", "score", "no_answer_score", "error")
    ]
    assert all(
        row["context"][one["start"] : one["end"]] == one["answer"]
        for row, one in zip(content, found, strict=True)
        if one["answer"]
    )
    # a glob, and several paths, name the same files
    assert find(str(tmp_path / "in" / "**" / "*.*[lvt]"))[0] == find(tmp_path / "in")[0]
    assert len(find([tmp_path / "in", tmp_path / "in" / "a.jsonl"])) == 3


def test_a_bad_row_is_a_row_with_an_error(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in rows(4)]
    lines[1], lines[2] = "no JSON", json.dumps({"id": "q2", "context": "x"})
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(lines))
    done = batch(READER, source, tmp_path / "out", rows=3)
    assert (done.rows, done.errors) == (4, 2)
    found = read(tmp_path / "out")
    assert [row["id"] for row in found] == ["q0", "2", "q2", "q3"]
    assert "no question" in found[2]["error"]
    assert found[1]["error"]
    assert found[3]["error"] is None


def test_a_text_that_no_file_can_hold_is_replaced(tmp_path: Path) -> None:
    row = {"id": "a\ud800", "question": "Who?", "context": "x", "team": "b\udfff"}
    (tmp_path / "in.jsonl").write_text(json.dumps(row))
    done = batch(READER, tmp_path / "in.jsonl", tmp_path / "out", columns=Columns(("team",)))
    (found,) = read(tmp_path / "out")
    assert (found["id"], found["team"], done.rows) == ("a\ufffd", "b\ufffd", 1)


def test_results_within_the_folder_of_questions_are_no_questions(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows(3))
    for number in range(2):
        done = batch(READER, tmp_path, tmp_path / "answers", rows=2)
        assert (done.rows, done.resumed) == (3, 3 * number)
    assert len(find(str(tmp_path / "**" / "*.*"), without=tmp_path / "answers")) == 1


@pytest.mark.packed
def test_a_retrained_model_of_the_same_size_is_another(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(open_model("tiny").path, model)
    source, out = write(tmp_path / "in.jsonl", rows(2)), tmp_path / "out"
    batch(Reader(model), source, out)
    weights = bytearray((model / "packed.safetensors").read_bytes())
    weights[-3] ^= 1
    (model / "packed.safetensors").write_bytes(weights)
    with pytest.raises(ConfigError, match="was begun with weights"):
        batch(Reader(model), source, out)


def test_a_kill_before_the_plan_was_written_is_forgotten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".pullquote-half.json").write_text("{")
    assert batch(READER, write(tmp_path / "in.jsonl", rows(1)), out).rows == 1


def test_what_was_answered_is_not_answered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(10)), tmp_path / "out"
    batch(READER, source, out, rows=4)
    before = read(out)
    (out / "part-00000-0000001.parquet").unlink()
    (out / ".pullquote-half.parquet").write_bytes(b"half a file")
    asked: list[int] = []
    original = module.answer_rows

    def watched(reader: Reader, items: list[Any], *rest: Any, **options: Any) -> Any:
        asked.append(len(items))
        return original(reader, items, *rest, **options)

    monkeypatch.setattr(module, "answer_rows", watched)
    done = batch(READER, source, out, rows=4)
    assert (done.rows, done.resumed, asked) == (10, 6, [4])
    assert read(out) == before
    assert not list(out.glob(".pullquote-*"))


def test_a_file_that_is_added_is_answered_and_ids_tell_files_apart(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("b.jsonl", "c.jsonl"):
        write(
            folder / name, [{key: row[key] for key in ("question", "context")} for row in rows(2)]
        )
    out = tmp_path / "out"
    batch(READER, folder, out)
    write(folder / "a.jsonl", rows(1, first=7))
    done = batch(READER, folder, out)
    assert (done.rows, done.resumed) == (5, 4)
    ids = [row["id"] for row in read(out)]
    # those of the first file keep their numbers, also when there are more files
    assert ids == ["1", "2", "c.jsonl:1", "c.jsonl:2", "q7"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 5}, r"was begun with rows 4, not 5"),
        ({"columns": Columns(("n",))}, r'was begun with columns\.keep \[\], not \["n"\]; give'),
        ({"answerable": 0.2}, r"was begun with decision\.answerable 0\.\d+, not 0\.2; give"),
        (
            {"reader": Reader("tiny", spelling=False)},
            r"was begun with reader\.spelling true, not false; give",
        ),
        ({"reader": Reader("small")}, r'was begun with model "tiny", not "small"; give'),
    ],
    ids=["rows", "columns", "decision", "spelling", "model"],
)
def test_other_settings_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(2)), tmp_path / "out"
    batch(READER, source, out, rows=4)
    reader = change.pop("reader", READER)
    with pytest.raises(ConfigError, match=message):
        batch(reader, source, out, **{"rows": 4, **change})
    assert len(read(out)) == 2


def test_files_that_changed_or_are_gone_are_refused(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(2)), tmp_path / "out"
    batch(READER, source, out)
    write(source, rows(3))
    with pytest.raises(ConfigError, match=r"in\.jsonl: has changed since"):
        batch(READER, source, out)
    with pytest.raises(ConfigError, match="is not among the files now"):
        batch(READER, write(tmp_path / "other.jsonl", rows(2)), out)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((content, r"_batch\.json: is damaged \([^)]") for content in ("{", "[]", "\xff")),
        ('{"format": 3}', r"_batch\.json: is damaged \('settings'\)"),
        *(
            (f'{{"format": 3, "settings": {{}}, "files": {files}}}', r"_batch\.json: is damaged")
            for files in ("[1]", "null", '[{"path": ["a"], "size": 1, "modified": 1}]')
        ),
        *(
            (f'{{"format": {number}}}', r"_batch\.json: is damaged")
            for number in ("1e999", "NaN", "true", '"3"', "null", "[]", "9" * 5000)
        ),
        ("[" * 100_000, r"_batch\.json: is damaged"),
        ('{"format": 99}', r"_batch\.json: has format 99, written by a newer"),
        ('{"format": 2}', r"out: was begun by an older pullquote; choose another folder"),
    ],
)
def test_a_plan_that_cannot_be_gone_on_with_is_named(
    tmp_path: Path, content: str, message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "_batch.json").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=message):
        batch(READER, write(tmp_path / "in.jsonl", rows(1)), out)


def test_files_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    question = [{key: row[key] for key in ("question", "context")} for row in rows(1)]
    for folder in "xyz":
        (tmp_path / "in" / folder).mkdir(parents=True)
        write(tmp_path / "in" / folder / "a.jsonl", question)
    batch(READER, tmp_path / "in", tmp_path / "out")
    assert [row["id"] for row in read(tmp_path / "out")] == ["1", "a.jsonl:1", "z/a.jsonl:1"]


def test_a_part_that_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(3)), tmp_path / "out"
    batch(READER, source, out)
    part = out / "part-00000-0000000.parquet"
    with pq.ParquetFile(part) as file:
        column = file.metadata.row_group(0).column(file.schema.names.index("error"))
    content = bytearray(part.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start + 8 : start + column.total_compressed_size] = bytes(
        column.total_compressed_size - 8
    )
    part.write_bytes(content)
    with pytest.raises(OutputError, match=r"part-00000-0000000\.parquet: is damaged .*remove it"):
        batch(READER, source, out)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(6)), tmp_path / "out"
    batch(READER, source, out, rows=3)
    part = out / "part-00000-0000001.parquet"
    content = part.read_bytes()
    for damaged in (content[: len(content) // 2], (out / "_batch.json").read_bytes(), b""):
        part.write_bytes(damaged)
        with pytest.raises(
            OutputError, match=r"part-00000-0000001\.parquet: is damaged .*remove it"
        ):
            batch(READER, source, out, rows=3)
    pq.write_table(pq.read_table(out / "part-00000-0000000.parquet").slice(0, 2), part)
    with pytest.raises(OutputError, match="has 2 rows, expected 3; remove it"):
        batch(READER, source, out, rows=3)


@pytest.mark.skipif(os.name == "nt", reason="has no pipes with names in folders")
@pytest.mark.parametrize("name", ["_batch.json", "part-00000-0000001.parquet"])
def test_a_pipe_among_the_files_of_a_batch_is_an_error(tmp_path: Path, name: str) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(6)), tmp_path / "out"
    batch(READER, source, out, rows=3)
    (out / name).unlink()
    os.mkfifo(out / name)
    with pytest.raises(OutputError, match=f"{name}: cannot be read .a pipe, not a file"):
        batch(READER, source, out, rows=3)


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        batch(READER, source, tmp_path / "full")
    with pytest.raises(OutputError, match=r"in\.jsonl: cannot be written"):
        batch(READER, source, source)
    for nothing in (tmp_path / "full", tmp_path / "none.csv", tmp_path / "*.csv"):
        with pytest.raises(DataError, match="no file of questions; expected"):
            batch(READER, nothing, tmp_path / "out")


def test_options_that_the_reader_refuses_begin_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(1))
    with pytest.raises(InputError, match="top_k is 50, expected 1 to 20"):
        batch(READER, source, tmp_path / "out", columns=Columns(top_k=50))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock there")
def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(1)), tmp_path / "out"
    with folder_at(out).locked(), pytest.raises(OutputError, match="another process is writing"):
        batch(READER, source, out)
    batch(READER, source, out)


def test_progress_counts_bytes_and_says_the_rate(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(9))
    size = source.stat().st_size
    seen: list[tuple[int, int, str]] = []
    batch(READER, source, tmp_path / "out", rows=3, progress=lambda *step: seen.append(step))
    assert [total for _, total, _ in seen] == [size] * 4
    done = [done for done, _, _ in seen]
    assert done == sorted(done)
    assert done[-1] == size
    assert seen[0][2].startswith("3 rows, ")
    assert seen[0][2].endswith(" a second")


def run(source: Path, out: Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pullquote", "batch", str(source), str(out)]
    command += ["--model", "tiny", "--rows", "8", "--threads", "1"]
    return subprocess.Popen(command, text=True, **options)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_no_kill_loses_or_doubles_a_row(tmp_path: Path) -> None:
    content = rows(400)
    source, out = write(tmp_path / "in.jsonl", content), tmp_path / "out"
    random.seed(11)
    killed = 0
    for _ in range(40):
        process = run(source, out)
        before = len(list(out.glob("part-*")))
        while process.poll() is None and len(list(out.glob("part-*"))) < before + 2:
            time.sleep(0.005)
        time.sleep(random.random() / 50)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        if process.wait() == 0:
            break
    assert killed >= 3
    assert run(source, out).wait() == 0
    found = read(out)
    assert [row["id"] for row in found] == [row["id"] for row in content]
    whole = tmp_path / "whole"
    assert run(source, whole).wait() == 0
    assert read(whole) == found
    assert not list(out.glob(".pullquote-*"))


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="no Ctrl-C here")
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", rows(4000)), tmp_path / "out"
    process = run(source, out, stderr=subprocess.PIPE)
    while not list(out.glob("part-*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    source = tmp_path / "in.jsonl"
    write(source, [{**row, "context": row["context"] + " " * 20_000} for row in rows(3000)])
    assert source.stat().st_size > 60e6
    process = run(source, tmp_path / "out")
    peak = 0
    while process.poll() is None:
        peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        time.sleep(0.02)
    assert process.returncode == 0
    assert peak < 200e6
    assert (tmp_path / "out" / "_batch.json").stat().st_size < 2000
