"""The index: incremental, whole after a kill, read while it is written, safe to open."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from searching_helpers import ENGINES, FILES, MILL, HashEncoder

from pullquote import Index
from pullquote.errors import (
    DocumentError,
    IndexFileError,
    InputError,
    MissingExtraError,
    OutputError,
)
from pullquote.searching import pool, stores, update
from pullquote.searching.documents import TEXT, Notes, Problem, SourceFile, find, read
from pullquote.searching.stores import sqlite

IN_FILES = ENGINES[:2]


@pytest.fixture(params=ENGINES)
def index(request: pytest.FixtureRequest, place: Callable[[str], Path | str]) -> Iterator[Index]:
    with Index.create(place(request.param), engine=request.param) as index:
        yield index


def texts(index: Index, question: str, **options: Any) -> list[str]:
    return [found.passage.text for found in index.search(question, **options)]


def counts(index: Index, *paths: Path) -> tuple[int, int, int, int]:
    done = index.add(paths)
    return done.added, done.changed, done.unchanged, done.removed


# ---- adding


def test_passages_come_back_as_they_were_read(index: Index) -> None:
    index.add([MILL])
    with index:
        assert {Path(d.path).name for d in index.documents()} == {p.name for p in MILL.iterdir()}
        expected = {
            (p.document.path, p.start): p
            for file in find([MILL])
            if isinstance(file, SourceFile)
            for p in read(file)
        }
        assert len(index) == len(expected)
        found = index.search("Who visits the mill, the ferry, the boiler, the weir?", limit=50)
        assert len(found) > 5
        for entry in found:
            assert expected[entry.passage.document.path, entry.passage.start] == entry.passage
        assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)


def test_only_what_is_new_or_changed_is_read(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"The rent of {name} is due.")
    opened: list[str] = []

    def reading(file: SourceFile, notes: Notes) -> object:
        opened.append(Path(file.path).name)
        return read(file)

    monkeypatch.setattr(pool, "read", reading)
    assert counts(index, folder) == (3, 0, 0, 0)
    assert counts(index, folder) == (0, 0, 3, 0)
    (folder / "b.txt").write_text("The rent of beta is paid.")
    (folder / "d.txt").write_text("The rent of d is due.")
    (folder / "a.txt").unlink()
    opened.clear()
    assert counts(index) == (1, 1, 1, 1)  # of the earlier paths, without naming them
    assert opened == ["b.txt", "d.txt"]
    assert sorted(texts(index, "rent")) == [
        "The rent of beta is paid.",
        "The rent of c is due.",
        "The rent of d is due.",
    ]
    assert texts(index, "beta paid")
    assert not texts(index, "alpha")


def test_a_change_that_keeps_size_and_time_is_seen(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The rent is 840.")
    before = path.stat()
    index.add([path])
    path.write_text("The rent is 910.")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert counts(index, path) == (0, 1, 0, 0)
    assert texts(index, "rent") == ["The rent is 910."]


def test_a_file_that_is_written_right_after_it_was_read_is_read_again(
    index: Index, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    for number in range(5):
        path.write_text(f"The rent is {number}.")
        index.add([path])
        assert texts(index, "rent") == [f"The rent is {number}."]


def test_paths_are_kept_apart_and_a_folder_that_is_gone_stays_unless_it_should_go(
    index: Index, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"The rent of {name}.")
    index.add([tmp_path / "one"])
    index.add([tmp_path / "two"])
    assert len(index) == 2
    shutil.rmtree(tmp_path / "one")
    done = index.add()
    assert (done.unchanged, done.removed) == (1, 0)
    assert [str(problem) for problem in done.problems] == [
        f"{os.path.realpath(tmp_path / 'one')}: no such folder any more; what was read there stays "
        "(1 document), unless you update with --drop-missing (drop_missing=True)"
    ]
    assert len(index) == 2
    assert index.add(drop_missing=True).removed == 1
    assert index.add().problems == ()
    assert texts(index, "rent") == ["The rent of two."]
    with pytest.raises(DocumentError, match="no such file or folder"):
        index.add([tmp_path / "one"])


def test_what_cannot_be_read_is_reported_and_costs_nothing_else(
    index: Index, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("blank.pdf", "encrypted.pdf"):
        shutil.copy(FILES / name, folder)
    (folder / "good.txt").write_text("The rent is due.")
    (folder / "binary.txt").write_bytes(b"\0\1\2")
    done = index.add([folder])
    assert done.added == 1
    assert [Path(problem.path).name for problem in done.problems] == [
        "binary.txt",
        "blank.pdf",
        "encrypted.pdf",
    ]
    # not tried again, but told again
    again = index.add([folder])
    assert (again.problems, again.unchanged) == (done.problems, 4)
    # what could be read once and no longer can has no passages any more
    (folder / "good.txt").write_bytes(b"\0")
    assert index.add([folder]).changed == 0
    assert texts(index, "rent") == []
    (folder / "good.txt").write_text("The rent is late.")
    index.add([folder])
    assert texts(index, "rent") == ["The rent is late."]


def test_rows_that_were_left_out_and_guessed_encodings_are_in_the_update(
    index: Index, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "The rent is due."}\n{\n')
    (tmp_path / "b.txt").write_bytes("The rent is £840.".encode("cp1252"))
    done = index.add([tmp_path])
    assert done.added == 2
    assert next(str(problem) for problem in done.problems).startswith(
        f"{tmp_path}/a.jsonl: line 2:"
    )
    assert [(Path(g.path).name, g.encoding) for g in done.guessed] == [("b.txt", "Windows-1252")]
    assert texts(index, "rent") == ["The rent is £840.", "The rent is due."]
    assert not index.problems()  # it could be read


def test_a_missing_library_is_tried_again(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(MILL / "lease.pdf", tmp_path)
    with monkeypatch.context() as without:
        hidden = "import sys; sys.modules['pypdfium2'] = None"
        without.setattr(pool, "_PROGRAM", f"{hidden}; {pool._PROGRAM}")
        without.setattr(pool, "_KEPT", 0)
        pool.end_idle()
        (problem,) = index.add([tmp_path / "lease.pdf"]).problems
    assert "pullquote[files]" in problem.reason
    assert index.add([tmp_path / "lease.pdf"]).read == 1


def test_a_long_file_that_changes_while_it_is_read_leaves_no_half(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "PASSAGES_HELD", 3)
    path = tmp_path / "a.txt"
    path.write_text("An old word about rent.\n\n" * 1000)
    times = 0

    def reading(file: SourceFile, notes: Notes) -> object:
        nonlocal times
        times += 1
        for number, passage in enumerate(read(file, notes)):
            if number == 6 and times <= changes:
                path.write_text(f"New word {times} about rent.\n\n" * 1000)
            yield passage

    monkeypatch.setattr(pool, "read", reading)
    changes = 1  # then it holds still
    assert index.add([path]).read == 1
    assert all("New word 1" in text and "old" not in text for text in texts(index, "rent"))
    path.write_text("Another word about rent.\n\n" * 1000)
    times, changes = 0, 9
    (problem,) = index.add([path]).problems
    assert "changed while it was read" in problem.reason
    assert len(index) == 0
    times, changes = 0, 0
    assert index.add([path]).read == 1


def test_nobody_sees_half_of_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "PASSAGES_HELD", 3)
    monkeypatch.setattr(stores, "BATCH_SECONDS", 0.0)
    index = Index.create(tmp_path / "i.db")
    path = tmp_path / "a.txt"
    path.write_text("A word about rent.\n\n" * 1000)
    seen: list[int] = []
    remove = update.DocumentWriter.remove

    def removing(self: update.DocumentWriter, name: str) -> None:
        with Index.open(tmp_path / "i.db") as other:
            seen.append(len(other))
        remove(self, name)

    def reading(file: SourceFile, notes: Notes) -> object:
        for number, passage in enumerate(read(file, notes)):
            if number == 6:
                raise DocumentError("broken in the middle")
            yield passage

    monkeypatch.setattr(update.DocumentWriter, "remove", removing)
    monkeypatch.setattr(pool, "read", reading)
    assert index.add([path]).problems
    assert set(seen) == {0}
    index.close()


def test_what_an_update_reads_and_removes() -> None:
    def file(path: str, modified: int = 1) -> SourceFile:
        return SourceFile(path, TEXT, (5, modified, 1))

    folder, locked = str(Path("/d")), str(Path("/d/x"))
    same, edited, new, removed, below, other, away = (
        str(Path("/d", name)) for name in ("same", "edited", "new", "gone", "x/y", "xy", "/e")
    )
    stamp = (5, 1, 1)
    known = dict.fromkeys([same, edited, removed, below, other, away], stamp)
    problem = Problem(locked, "cannot be listed")
    changes = update.compare([file(same), file(edited, 2), problem, file(new)], known, [folder])
    assert [f.path for f in changes.to_read] == [edited, new]
    # what is in a folder that cannot be listed stays, and so does what is under no root
    assert changes.gone == (removed, other)
    assert (changes.unchanged, changes.problems) == (1, (problem,))
    # a root that is a file, and is gone
    assert update.compare([], {same: stamp, f"{same}2": stamp}, [same]).gone == (same,)


@pytest.mark.parametrize("name", ["договор.txt", "عقد.txt", os.fsdecode(b"\xff\xfe.txt")])
def test_names_of_any_bytes(index: Index, tmp_path: Path, name: str) -> None:
    try:
        (tmp_path / name).write_text("The rent is due.")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    index.add([tmp_path / name])
    (found,) = index.search("rent", path=f"*{name[-5]}.txt")
    assert found.passage.document.path == str(tmp_path / name)


class Mirror(RuleBasedStateMachine):
    """Whatever is done to a folder, the index is what a new one of it would be."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.top = Path(tempfile.mkdtemp())
        (self.top / "f").mkdir()
        self.index = Index.create(self.top / "i.db")

    @rule(name=st.sampled_from("abcd"), word=st.sampled_from(["rent", "river", "\0"]))
    def write(self, name: str, word: str) -> None:
        (self.top / "f" / f"{name}.txt").write_text(f"{word} of {name}\n\n" * 90)

    @rule(name=st.sampled_from("abcd"))
    def remove(self, name: str) -> None:
        (self.top / "f" / f"{name}.txt").unlink(missing_ok=True)

    @rule()
    def update(self) -> None:
        self.index.add([self.top / "f"])
        expected = {}
        for path in (self.top / "f").iterdir():
            if "\0" not in path.read_text():
                (file,) = find([path])
                assert isinstance(file, SourceFile)
                expected.update({(file.path, p.start): p.text for p in read(file)})
        found = [f.passage for f in self.index.search("rent river", limit=1000)]
        assert {(p.document.path, p.start): p.text for p in found} == expected
        assert len(self.index) == len(expected) == len(found)

    @invariant()
    def whole(self) -> None:
        with sqlite3.connect(self.top / "i.db") as other:
            assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            # with rank 1 the words are compared with the passages, too
            other.execute("INSERT INTO words(words, rank) VALUES ('integrity-check', 1)")
        other.close()

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.top)


TestMirror = Mirror.TestCase
TestMirror.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)


# ---- searching


def test_a_question_finds_what_shares_its_words(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '"The lighthouses stood on rocks."\n"A mill stands by the river."\n"Who is it?"'
    )
    index.add([path])
    assert texts(index, "Where does the lighthouse stand?")[0] == "The lighthouses stood on rocks."
    assert texts(index, "What of rivers?") == ["A mill stands by the river."]
    assert texts(index, "zebra") == texts(index, "?!") == texts(index, "") == []


@pytest.mark.parametrize(
    "question",
    ['"', "NEAR(a b)", "a AND OR NOT", "text:x", "*", "a-b c^2", "don't", "(", "\\", "a\0b"],
)
def test_a_question_is_words_and_never_an_order(index: Index, question: str) -> None:
    index.add([MILL])
    index.search(question)
    index.search(f"{question} weir")
    assert "weir" in " ".join(texts(index, f"weir {question}"))


@pytest.mark.parametrize("operator", ["NOT", "OR NOT", "AND", "AND NOT", "-", "+", "NEAR"])
def test_operators_between_words_exclude_and_require_nothing(
    index: Index, tmp_path: Path, operator: str
) -> None:
    (tmp_path / "a.jsonl").write_text('"The rent of the mill."\n"The rent."\n"The mill."')
    index.add([tmp_path / "a.jsonl"])
    found = texts(index, f"rent {operator} mill")
    assert sorted(found) == sorted(texts(index, "rent mill"))
    assert sorted(found) == ["The mill.", "The rent of the mill.", "The rent."]


def test_filters_match_names_and_folders(index: Index, tmp_path: Path) -> None:
    for name in ("x/a.txt", "x/a.md", "y/a.txt"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_text(f"rent {name}")
    index.add([tmp_path / "d"])
    for glob, expected in {
        "*.txt": {"rent x/a.txt", "rent y/a.txt"},
        "x/*": {"rent x/a.txt", "rent x/a.md"},
        "a.md": {"rent x/a.md"},
        str(tmp_path / "d/y/*"): {"rent y/a.txt"},
        "*.pdf": set(),
    }.items():
        assert set(texts(index, "rent", path=glob)) == expected


def test_both_engines_find_the_same_passages_first(tmp_path: Path) -> None:
    firsts = []
    for engine in IN_FILES:
        with Index.create(tmp_path / f"{engine}.db", engine=engine) as index:
            index.add([MILL])
            questions = ("Who built the mill?", "When does the ferry leave?", "What is the rent?")
            firsts.append([index.search(q)[0].passage.text for q in questions])
    assert firsts[0] == firsts[1]


# ---- several processes, and kills


def test_readers_go_on_while_a_writer_writes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent is due.")
    with Index.create(tmp_path / "i.db") as writer, Index.open(tmp_path / "i.db") as reader:
        writer.add([tmp_path / "a.txt"])
        batch = stores.Transaction(writer._store, writer._engine)
        batch.begin()
        documents = update.DocumentWriter(writer._store, writer._engine, batch)
        documents.remove(str(tmp_path / "a.txt"))
        assert texts(reader, "rent") == ["The rent is due."]  # of the last moment that was whole
        batch.commit()
        assert texts(reader, "rent") == []


def test_a_writer_commits_while_a_reader_is_in_the_middle_of_a_search(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent is due.")
    with Index.create(tmp_path / "i.db") as writer:
        writer.add([tmp_path / "a.txt"])
        reader = sqlite3.connect(tmp_path / "i.db", isolation_level=None)
        reader.execute("BEGIN")
        passages = "SELECT text FROM passages"
        assert reader.execute(passages).fetchall() == [("The rent is due.",)]
        (tmp_path / "a.txt").write_text("The rent is paid.")
        # without a write-ahead log this waits for the reader, and fails after 30 seconds
        assert writer.add([tmp_path / "a.txt"]).changed == 1
        assert texts(writer, "rent") == ["The rent is paid."]
        assert reader.execute(passages).fetchall() == [("The rent is due.",)]
        reader.execute("COMMIT")
        assert reader.execute(passages).fetchall() == [("The rent is paid.",)]
        reader.close()


def test_threads_share_an_index(index: Index) -> None:
    index.add([MILL])
    expected = texts(index, "Who visits the weir?")
    failures = []

    def ask() -> None:
        for _ in range(20):
            if texts(index, "Who visits the weir?") != expected:
                failures.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_writers_take_turns(tmp_path: Path) -> None:
    for name in range(40):
        (tmp_path / f"{name}.txt").write_text(f"The rent of {name} is due.\n\n" * 50)
    code = (
        "import sys; from pullquote import Index; index = Index.open_or_create(sys.argv[1]); "
        "index.add([sys.argv[2]]); index.close()"
    )
    program = [sys.executable, "-c", code, tmp_path / "i.db", tmp_path]
    writers = [subprocess.Popen(program) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with Index.open(tmp_path / "i.db") as index:
        assert sum(1 for _ in index.documents()) == 40
        assert counts(index) == (0, 0, 40, 0)
        assert len(index) == len(
            {(f.passage.document, f.passage.start) for f in index.search("rent", 9999)}
        )


@pytest.mark.parametrize("engine", IN_FILES)
def test_the_index_is_whole_after_a_kill_at_any_moment(tmp_path: Path, engine: str) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in range(60):
        (folder / f"{name}.txt").write_text(f"The rent of number{name} is due.\n\n" * 200)
    code = (
        "import sys; from pullquote.searching import index, stores; stores.BATCH_SECONDS = 0.0\n"
        "made = index.Index.open_or_create(sys.argv[1], engine=sys.argv[3])\n"
        "print('ready', flush=True); made.add([sys.argv[2]])"
    )
    program = [sys.executable, "-c", code, tmp_path / "i.db", folder, engine]
    seen = []
    for wait in (0.0, 0.02, 0.1, 0.2):
        writer = subprocess.Popen(program, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        with Index.open(tmp_path / "i.db") as index:
            seen.append(len(index))
            found = index.search("rent", limit=100_000)
            assert len(found) == len(index)
            assert index._store.rows("PRAGMA integrity_check") == [("ok",)]
    assert seen == sorted(seen)
    with Index.open(tmp_path / "i.db") as index:
        index.add([folder])
        assert sum(1 for _ in index.documents()) == 60
        assert len(index.search("rent", limit=100_000)) == len(index)


def test_tantivys_folder_is_made_again_when_it_is_not_of_the_index(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent is due.")
    with Index.create(tmp_path / "i.db", engine="tantivy") as index:
        index.add([tmp_path / "a.txt"])
    shutil.rmtree(tmp_path / "i.db.tantivy")
    with Index.open(tmp_path / "i.db") as index:
        assert texts(index, "rent") == ["The rent is due."]
    # a kill between tantivy's commit and SQLite's
    with Index.open(tmp_path / "i.db") as index:
        from pullquote.searching.engines import IndexedPassage

        index._engine.add([IndexedPassage(99, 1, "ghost")])
        index._engine.commit(12345)
    with Index.open(tmp_path / "i.db") as index:
        assert texts(index, "ghost") == []
        assert texts(index, "rent") == ["The rent is due."]


def test_tantivys_folder_is_not_made_again_without_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pullquote.searching.engines.tantivy_process import TantivyProcess

    Index.create(tmp_path / "i.db", engine="tantivy").close()
    monkeypatch.setattr(TantivyProcess, "clear", lambda self: pytest.fail("made again"))
    for number in range(15):
        (tmp_path / "a.txt").write_text(f"The rent is {number}.")
        with Index.open(tmp_path / "i.db") as index:
            index.add([tmp_path / "a.txt"])
            assert texts(index, "rent", limit=1) == [f"The rent is {number}."]


def test_creating_an_index_again_leaves_the_old_one_alone(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.db", engine="tantivy") as index:
        index.add([MILL])
        files = sorted(path.name for path in (tmp_path / "i.db.tantivy").iterdir())
        with pytest.raises(IndexFileError, match="exists already"):
            Index.create(tmp_path / "i.db", engine="tantivy")
        assert sorted(path.name for path in (tmp_path / "i.db.tantivy").iterdir()) == files


def test_one_file_is_left_when_it_is_closed(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.db") as index:
        index.add([MILL])
    assert [path.name for path in tmp_path.iterdir()] == ["i.db"]


def test_a_kill_while_the_file_is_made_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    for path in (tmp_path / "empty.db", tmp_path / "begun.db"):
        path.touch()
    with sqlite3.connect(tmp_path / "begun.db") as begun:
        begun.execute("PRAGMA journal_mode = WAL")
    begun.close()
    for path in (tmp_path / "empty.db", tmp_path / "begun.db"):
        with Index.open_or_create(path) as index:
            assert counts(index, MILL)[0] == 8


# ---- files that are no index


def refused(path: Path) -> str:
    with pytest.raises(IndexFileError) as raised:
        Index.open(path)
    return str(raised.value)


def test_what_is_no_index(tmp_path: Path) -> None:
    path = tmp_path / "i.db"
    assert "no such index" in refused(path)
    assert "a folder" in refused(tmp_path)
    path.write_bytes(b"SQLite format 3\0 or so it says" * 100)
    assert "no index of pullquote" in refused(path) or "damaged" in refused(path)
    path.write_bytes(os.urandom(9000))
    assert "no index of pullquote" in refused(path)
    path.unlink()
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE notes (text)")
    foreign.close()
    assert "an SQLite file, but no index of pullquote" in refused(path)
    with pytest.raises(IndexFileError, match="exists already"):
        Index.create(path)


def changed(path: Path, statement: str) -> str:
    with Index.create(path) as index:
        index.add([MILL])
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()
    return refused(path)


def test_an_index_of_a_newer_format(tmp_path: Path) -> None:
    assert stores.FORMAT == 3
    message = changed(tmp_path / "i.db", "PRAGMA user_version = 4")
    assert "made by a newer pullquote (format 4, this one reads up to 3)" in message
    assert "upgrade, or index again" in message


def test_an_index_without_a_format(tmp_path: Path) -> None:
    message = changed(tmp_path / "i.db", "PRAGMA user_version = 0")
    assert "format 0, which no pullquote has written; make it again" in message


# What pullquote 0.2 wrote. A file like this has to open for as long as format 1 is read.
FORMAT_1 = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE roots (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, \
unit TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, changed INTEGER NOT NULL, \
problem TEXT);
CREATE TABLE passages (id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL, \
start INTEGER NOT NULL, marks TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX passages_of_document ON passages (document);
CREATE VIRTUAL TABLE words USING fts5(text, content='passages', content_rowid='id', \
tokenize='porter unicode61 remove_diacritics 2');
INSERT INTO settings VALUES ('engine', 'fts5'), ('generation', 2);
INSERT INTO roots VALUES (CAST('/old/lease.pdf' AS BLOB));
INSERT INTO documents VALUES (1, CAST('/old/lease.pdf' AS BLOB), 'page', 9, 8, 7, NULL);
INSERT INTO passages VALUES (1, 1, 40, '0:2 9:3', 'The rent is due.');
INSERT INTO words(rowid, text) VALUES (1, 'The rent is due.');
PRAGMA application_id = 0x70756C71;
PRAGMA user_version = 1;
"""


def test_an_older_index_opens(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "i.db") as old:
        old.executescript(FORMAT_1)
    old.close()
    with Index.open(tmp_path / "i.db") as index:
        (found,) = index.search("When are the rents due?")
        assert (found.passage.text, found.passage.start) == ("The rent is due.", 40)
        assert str(found.passage.place(9)) == "/old/lease.pdf, page 3"
        assert not index.left_out()
        assert not index.partly_read()
        assert counts(index) == (0, 0, 0, 1)  # the file is gone
    newer = "format 3, this one reads up to 1"
    with Index.open(tmp_path / "i.db") as index, pytest.MonkeyPatch.context() as older:
        older.setattr(sqlite, "FORMAT", 1)
        assert newer in refused(tmp_path / "i.db")


def test_documents_of_an_older_index_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent is due.")
    with Index.create(tmp_path / "i.db") as index:
        index.add([tmp_path / "a.txt"])
    with sqlite3.connect(tmp_path / "i.db") as old:
        old.executescript(
            "DROP TABLE skipped; DROP TABLE metadata;"
            "DELETE FROM settings WHERE name IN ('reading', 'identity');"
            "UPDATE passages SET start = 7; PRAGMA user_version = 1"
        )
    old.close()
    with Index.open(tmp_path / "i.db") as index:
        done = index.add()
        assert (done.changed, done.unchanged, done.reread) == (1, 0, True)
        assert [found.passage.start for found in index.search("rent")] == [0]
        again = index.add()
        assert (again.changed, again.unchanged, again.reread) == (0, 1, False)


def test_a_path_with_the_signs_of_a_glob_finds_itself(index: Index, tmp_path: Path) -> None:
    for name in ("rent [draft].txt", "rent d.txt", "rent.txt"):
        (tmp_path / name).write_text(f"The rent of {name}.")
    index.add(sorted(tmp_path.glob("*.txt")))
    for path in ("rent [draft].txt", os.path.realpath(tmp_path / "rent [draft].txt")):
        assert texts(index, "rent", path=path)[0] == "The rent of rent [draft].txt."
    assert len(texts(index, "rent", path="rent [draft].txt")) == 2  # the glob counts, too
    assert texts(index, "rent", path="t [draft].txt") == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_document_of_an_index_of_an_older_format_is_removed(tmp_path: Path, number: int) -> None:
    with closing(sqlite3.connect(tmp_path / "i.db")) as old:
        old.executescript(FORMAT_1)
        if number == 2:
            old.executescript(f"{sqlite._SKIPPED}; PRAGMA user_version = 2")
    with Index.open(tmp_path / "i.db") as index:
        assert index.remove(["/old/lease.pdf"]) == 1
        assert (len(index), index.search("rent")) == (0, [])


@pytest.mark.parametrize("by", ["remove", "add_texts"])
def test_words_that_an_older_pullquote_indexed_are_gone_with_their_document(
    tmp_path: Path, by: str
) -> None:
    """A word that was indexed in another form would stay, and count for later passages."""
    path = tmp_path / "a.txt"
    path.write_text("The oﬃce keeper is Ann Lee.", encoding="utf-8")
    with Index.create(tmp_path / "i.db") as index:
        index.add([path])
    with closing(sqlite3.connect(tmp_path / "i.db")) as old:
        old.executescript(
            "INSERT INTO words(words) VALUES ('delete-all');"
            "INSERT INTO words(rowid, text) SELECT id, text FROM passages;"
            "UPDATE settings SET value = 2 WHERE name = 'reading'"
        )
    with Index.open(tmp_path / "i.db") as index:
        if by == "remove":
            assert index.remove([os.path.realpath(path)]) == 1
        else:
            index.add_texts([{"id": os.path.realpath(path), "text": "The mill."}])
        index._store.connection.execute("INSERT INTO words(words) VALUES ('integrity-check')")
        assert index._store.rows("SELECT rowid FROM words WHERE words MATCH '\"oﬃce\"'") == []


def test_texts_alone_are_not_taken_for_those_of_an_older_index(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.db") as index:
        index.add_texts(["The rent is due."])
        assert not index.add().reread


def read_by_older(path: Path) -> None:
    """Make an index one whose documents were read by older rules."""
    with closing(sqlite3.connect(path)) as old:
        old.execute("DELETE FROM settings WHERE name = 'reading'")
        old.execute("UPDATE passages SET start = 7")
        old.commit()


def test_a_folder_that_was_gone_when_all_was_read_again_is_read_when_it_is_back(
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"The rent of {name}.")
    with Index.create(tmp_path / "i.db") as index:
        index.add([tmp_path / "one", tmp_path / "two"])
        text = {"id": "notice", "text": "The rent of a text."}
        index.add_texts([text])
    read_by_older(tmp_path / "i.db")
    (tmp_path / "one").rename(tmp_path / "away")
    with Index.open(tmp_path / "i.db") as index:
        done = index.add()
        assert (done.changed, done.unchanged, done.reread) == (1, 0, True)
        assert len(index) == 3
        (tmp_path / "away").rename(tmp_path / "one")
        done = index.add()
        assert (done.changed, done.unchanged, done.reread) == (1, 1, False)
        assert sorted(one.passage.start for one in index.search("rent")) == [0, 0, 7]
        assert index.add_texts([text]).unchanged == 1  # it is no file that could be read again


def test_reading_all_again_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullquote.searching.update.PASSAGES_HELD", 1)  # a batch a document
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text("The rent is due.")
    with Index.create(tmp_path / "i.db") as index:
        index.add(sorted(tmp_path.glob("*.txt")))
    read_by_older(tmp_path / "i.db")

    def interrupted(done: int, total: int, path: str) -> None:
        if path.endswith("c.txt"):
            raise KeyboardInterrupt

    with Index.open(tmp_path / "i.db") as index:
        with pytest.raises(KeyboardInterrupt):
            index.add(progress=interrupted)
        done = index.add()
        assert (done.changed, done.unchanged) == (1, 2)
        assert [one.passage.start for one in index.search("rent")] == [0, 0, 0]


def test_ligatures_are_found_by_plain_letters_and_passages_keep_them(
    index: Index, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("The oﬃce keeper is Ann Lee.", encoding="utf-8")
    (tmp_path / "b.txt").write_text("The keeper of the mill.", encoding="utf-8")
    index.add([tmp_path / "a.txt", tmp_path / "b.txt"])
    for question in ("Whose office?", "Whose oﬃce?"):
        (found,) = index.search(question)
        assert found.passage.text == "The oﬃce keeper is Ann Lee."
    (tmp_path / "a.txt").unlink()
    assert index.add().removed == 1
    assert index.search("office") == []
    assert len(index.search("keeper")) == 1


def test_an_index_among_its_documents_is_not_one_of_the_files_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The rent is due.")
    (tmp_path / "other.db").write_text("")
    with Index.create(tmp_path / "i.db", encoder=HashEncoder()) as index:
        index.add([tmp_path])
        done = index.add([tmp_path])  # now with its vectors
    assert [Path(problem.path).name for problem in done.left_out] == ["other.db"]


def test_words_of_an_older_index_are_indexed_again(tmp_path: Path) -> None:
    """Else what is removed would not be what was added."""
    (tmp_path / "a.txt").write_text("The oﬃce keeper is Ann Lee.", encoding="utf-8")
    with Index.create(tmp_path / "i.db") as index:
        index.add([tmp_path / "a.txt"])
    with sqlite3.connect(tmp_path / "i.db") as old:
        old.executescript(
            "INSERT INTO words(words) VALUES ('delete-all');"
            "INSERT INTO words(rowid, text) SELECT id, text FROM passages;"
            "UPDATE settings SET value = 2 WHERE name = 'reading'"
        )
    old.close()
    (tmp_path / "a.txt").write_text("The keeper of the mill.", encoding="utf-8")
    with Index.open(tmp_path / "i.db") as index:
        assert index.search("office") == []
        assert index.add().reread
        assert [found.passage.text for found in index.search("keeper")] == [
            "The keeper of the mill."
        ]
        (words,) = index._store.rows(
            "SELECT count(*) FROM words WHERE words MATCH 'lee OR \"oﬃce\"'"
        )
        assert words == (0,)


def test_old_names_still_import_and_warn() -> None:
    from pullquote.searching import documents
    from pullquote.searching import index as module

    with pytest.warns(DeprecationWarning, match=r"Found is now .*RetrievedPassage"):
        assert module.Found is module.RetrievedPassage
    with pytest.warns(DeprecationWarning, match=r"VERSION is now .*FORMAT"):
        assert module.VERSION == module.FORMAT
    with pytest.warns(DeprecationWarning, match=r"File is now .*SourceFile"):
        assert documents.File is SourceFile
    for place in (module, documents):
        with pytest.raises(AttributeError, match="has no attribute 'Fund'"):
            _ = place.Fund


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON passages BEGIN DELETE FROM documents; END",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE passages ADD COLUMN more",
    ],
)
def test_an_index_with_anything_more_in_it_is_not_opened(tmp_path: Path, statement: str) -> None:
    assert "not as pullquote makes an index" in changed(tmp_path / "i.db", statement)


def test_a_damaged_index_says_so(tmp_path: Path) -> None:
    path = tmp_path / "i.db"
    with Index.create(path) as index:
        index.add([MILL])
    data = path.read_bytes()

    def use() -> str:
        try:
            with Index.open(path) as index:
                index.search("Who visits the mill, the ferry, the boiler, the weir?", limit=50)
                index.add([MILL])
        except IndexFileError as error:
            return str(error)
        return ""

    said = set()
    for start in range(4096, len(data), 4096):
        path.write_bytes(data[:start] + b"\xa5" * 4096 + data[start + 4096 :])
        said.add(use())
    assert len(said - {""}) >= 1
    assert all("damaged" in message for message in said - {""})
    path.write_bytes(data[: len(data) // 2])
    assert "damaged" in use()


def test_an_index_that_is_closed_says_so(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "i.db")
    index.close()
    with pytest.raises(IndexFileError, match="closed"):
        len(index)


def test_a_medium_that_is_read_only_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "i.db") as index:
        index.add([MILL])
    connect = sqlite._connect

    def refusing(path: Path, mode: str) -> sqlite3.Connection:
        if mode == "rw":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path, mode)

    monkeypatch.setattr(sqlite, "_connect", refusing)
    with Index.open(tmp_path / "i.db") as index:
        assert "weir" in texts(index, "Who visits the weir?")[0]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
@pytest.mark.parametrize("engine", ["fts5", "tantivy"])
def test_an_index_on_a_full_disk_can_be_asked(tmp_path: Path, engine: str) -> None:
    import resource

    path = tmp_path / "i.db"
    with Index.create(path, engine=engine) as index:
        index.add([MILL])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # no byte more in any file
    try:
        with Index.open(path) as index:
            found = index.search("Who visits the weir?")
            with pytest.raises((OutputError, IndexFileError)):
                index.add_texts(["Dogs may stay."])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert any("weir" in entry.passage.text for entry in found)


def test_options_and_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="expected fts5 or tantivy"):
        Index.create(tmp_path / "i.db", engine="lucene")
    Index.create(tmp_path / "i.db").close()
    with pytest.raises(IndexFileError, match="its engine is fts5, not tantivy"):
        Index.open_or_create(tmp_path / "i.db", engine="tantivy")
    monkeypatch.setitem(sys.modules, "tantivy", None)
    with pytest.raises(MissingExtraError, match=r'pip install "pullquote\[tantivy\]"'):
        Index.create(tmp_path / "t.db", engine="tantivy")
    assert not (tmp_path / "t.db").exists()


def test_a_tantivy_that_is_too_old_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.25.1")
    with pytest.raises(
        MissingExtraError, match=r"0\.26 or newer \(found 0\.25\.1\) is not installed"
    ):
        Index.create(tmp_path / "t.db", engine="tantivy")
    assert not (tmp_path / "t.db").exists()


# ---- damage


def damaged(tmp_path: Path, *statements: str) -> Path:
    """An index in which some statements were run."""
    path = tmp_path / "notes.db"
    (tmp_path / "lease.txt").write_text("The rent is 840 crowns.\n")
    with Index.create(path) as index:
        index.add([tmp_path / "lease.txt"])
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def use(path: Path) -> None:
    """Read all of an index, search it, and update it."""
    with Index.open(path) as index:
        list(index.documents())
        index.search("rent")
        index.search("nothing of the kind")
        index.add([path.parent / "lease.txt"])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER words_x AFTER INSERT ON passages BEGIN DELETE FROM documents; END",
        "CREATE TRIGGER words_data_x AFTER INSERT ON passages BEGIN DELETE FROM documents; END",
        "CREATE VIEW words_view AS SELECT 1",
        "CREATE TABLE words_notes (text)",
        "CREATE INDEX words_more ON passages (start)",
    ],
)
def test_a_foreign_part_among_the_words_is_refused(tmp_path: Path, statement: str) -> None:
    with pytest.raises(IndexFileError, match="not as pullquote makes an index"):
        Index.open(damaged(tmp_path, statement))


def test_a_trigger_in_the_name_of_a_table_of_the_words_is_refused(tmp_path: Path) -> None:
    path = damaged(
        tmp_path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET type = 'trigger', tbl_name = 'passages', rootpage = 0, "
        "sql = 'CREATE TRIGGER words_config AFTER "
        "INSERT ON passages BEGIN DELETE FROM documents; END' WHERE name = 'words_config'",
    )
    with pytest.raises(IndexFileError, match="not as pullquote makes an index"):
        Index.open(path)


@pytest.mark.parametrize(
    "change",
    [
        *("documents SET path = 'text'", "documents SET path = 1.5", "documents SET unit = x'00'"),
        *("documents SET size = 'x'", "passages SET marks = x'00'", "passages SET marks = 'a:b'"),
        *("passages SET marks = '0'", "passages SET text = x'00'", "passages SET start = 'x'"),
        *("passages SET marks = ''", "passages SET marks = '5:1'", "passages SET marks = '0:-1'"),
        *("passages SET marks = '0:1 9:2 4:3'", "passages SET marks = '-1:1 0:1'"),
        *("roots SET path = 5", "settings SET value = 'x' WHERE name = 'generation'"),
        *("settings SET value = x'00'", "settings SET name = 'x' WHERE name = 'generation'"),
        "settings SET value = 9e999 WHERE name = 'reading'",
    ],
)
def test_a_cell_of_another_type_is_damage(tmp_path: Path, change: str) -> None:
    path = damaged(tmp_path, f"UPDATE {change}")
    with pytest.raises(IndexFileError, match=r"notes\.db: damaged .*make it again"):
        use(path)


def test_a_passage_that_is_longer_than_passages_are_is_damage(tmp_path: Path) -> None:
    path = damaged(tmp_path, "UPDATE passages SET text = text || hex(zeroblob(500000))")
    with pytest.raises(IndexFileError, match=r"damaged .*a passage has 1,000,\d+ characters"):
        use(path)


@pytest.mark.parametrize("fields", ["x", "[]", "[" * 50_000, '{"a":' * 50_000])
def test_metadata_that_are_no_fields_are_damage(tmp_path: Path, fields: str) -> None:
    path = tmp_path / "notes.db"
    with Index.create(path) as index:
        index.add_texts([{"text": "Dogs may stay.", "year": 2024}])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE metadata SET fields = ?", [fields])
        connection.commit()
    with Index.open(path) as index, pytest.raises(IndexFileError, match="metadata are"):
        index.search("dogs")


@pytest.mark.parametrize("value", ["NaN", "1e999", "null", "[1", '"x', "%ff"])
def test_fields_of_rows_that_are_no_values_are_damage(tmp_path: Path, value: str) -> None:
    path = tmp_path / "notes.db"
    (tmp_path / "a.jsonl").write_text('{"text": "Dogs may stay.", "year": 2024}')
    with Index.create(path) as index:
        index.add([tmp_path / "a.jsonl"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE passages SET marks = replace(marks, '2024', ?)", [value])
        connection.commit()
    with Index.open(path) as index:
        with pytest.raises(IndexFileError, match="a field is"):
            index.search("dogs", where={"year": 2024})
        with pytest.raises(IndexFileError, match="marks are"):
            index.search("dogs")


@pytest.mark.parametrize("rank", ["highlight(0, 'a', 'b')", "nothing()", "bm25(0.0)"])
def test_the_rank_that_a_file_chooses_is_not_used(tmp_path: Path, rank: str) -> None:
    path = damaged(tmp_path)
    with Index.open(path) as index:
        before = index.search("rent")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO words_config VALUES ('rank', ?)", [rank])
        connection.commit()
    with Index.open(path) as index:
        assert index.search("rent") == before


@pytest.mark.parametrize("table", ["words_docsize", "words_data"])
def test_missing_words_are_damage_and_no_empty_result(tmp_path: Path, table: str) -> None:
    path = damaged(tmp_path, f"DELETE FROM {table}")
    for words in ("rent", "zebra"):
        with pytest.raises(IndexFileError, match="damaged"), Index.open(path) as index:
            index.search(words)


@pytest.mark.parametrize(
    "change", ["sqlite_sequence SET seq = 1 << 62", "passages SET id = 1 << 62"]
)
def test_ids_that_have_come_to_their_end_are_damage_and_no_full_disk(
    tmp_path: Path, change: str
) -> None:
    path = damaged(tmp_path, f"UPDATE {change}")
    with pytest.raises(IndexFileError, match=r"damaged \(an id is \d+\)"):
        Index.open(path)


@pytest.mark.parametrize("root", ["", "lease.txt", "/" + "x" * 300])
def test_a_root_that_no_update_has_written_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    """An empty one would be the working directory, whatever that is."""
    path = damaged(tmp_path, f"UPDATE roots SET path = CAST('{root}' AS BLOB)")
    (tmp_path / "other.txt").write_text("Dogs may stay.\n")
    monkeypatch.chdir(tmp_path)
    with Index.open(path) as index:
        assert index.add().added == 0


@pytest.mark.skipif(os.name == "nt", reason="has no pipes with names in folders")
@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_pipe_in_the_place_of_a_file_of_sqlites_is_an_error(tmp_path: Path, end: str) -> None:
    """SQLite would wait for ever."""
    Index.create(tmp_path / "i.db").close()
    (tmp_path / f"i.db{end}").unlink(missing_ok=True)
    os.mkfifo(tmp_path / f"i.db{end}")
    for use in (Index.open, Index.open_or_create, Index.create):
        with pytest.raises(
            IndexFileError, match=rf"i\.db{end}: a pipe, expected a file; remove it"
        ):
            use(tmp_path / "i.db")


@pytest.mark.skipif(os.name == "nt", reason="has no pipes with names in folders")
@pytest.mark.parametrize("what", ["pipe", "link"])
def test_what_is_in_the_place_of_the_vectors_is_replaced_and_not_written_to(
    tmp_path: Path, what: str
) -> None:
    (tmp_path / "diary").write_text("mine")
    file = tmp_path / "i.db.vectors"
    with Index.create(tmp_path / "i.db", encoder=HashEncoder()) as index:
        if what == "pipe":
            os.mkfifo(file)
        else:
            file.symlink_to("diary")
        index.add_texts(["The rent is due."])
        assert index.search("rent")
        assert index.without_vectors() == 0
    assert (tmp_path / "diary").read_text() == "mine"
    assert file.is_file()
    assert not file.is_symlink()
