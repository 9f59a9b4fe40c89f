"""All engines rank, filter and forget passages alike; what they keep is of one moment."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from searching_helpers import ENGINES

from pullquote.errors import (
    IndexBusyError,
    IndexFileError,
    IndexUnreachableError,
    OutputError,
)
from pullquote.searching import process
from pullquote.searching.engines import Among, IndexedPassage, Match, tantivy_process
from pullquote.searching.engines.tantivy import TantivyEngine
from pullquote.searching.engines.tantivy_process import TantivyProcess
from pullquote.searching.index import Index

ROWS = [
    IndexedPassage(1, 7, "The rent of the mill is due."),
    IndexedPassage(2, 7, "The mill stands by the river, and the rent of the meadow is paid."),
    IndexedPassage(3, 8, "Rent, rent and rent again."),
    IndexedPassage(4, 9, "A ferry leaves at noon."),
]


class Shelf:
    """An engine and the passages that belong to it, as an index has them."""

    def __init__(self, kind: str, place: Path | str) -> None:
        self.index = Index.create(place, engine=kind, encoder=None)
        self.store, self.engine = self.index._store, self.index._engine
        self.generation = 0
        self.writing = False

    def add(self, *rows: IndexedPassage) -> None:
        self.begin()
        self.store.execute_many(
            "INSERT INTO passages VALUES (?, ?, 0, '0:1', ?)",
            [(row.id, row.document, row.text) for row in rows],
        )
        self.engine.add(rows)

    def remove(self, *rows: IndexedPassage) -> None:
        self.begin()
        self.engine.remove(rows)
        self.store.execute(
            f"DELETE FROM passages WHERE id {self.store.AMONG}", [row.id for row in rows]
        )

    def begin(self) -> None:
        if not self.writing:
            self.store.begin()
        self.writing = True

    def commit(self) -> None:
        self.generation += 1
        self.engine.commit(self.generation)
        self.store.commit()
        self.writing = False

    def rollback(self) -> None:
        self.engine.rollback()
        self.store.rollback()
        self.writing = False

    def search(self, *words: str, limit: int = 9, among: Among | None = None) -> list[int]:
        return [match.id for match in self.matches(*words, limit=limit, among=among)]

    def matches(self, *words: str, limit: int = 9, among: Among | None = None) -> list[Match]:
        self.engine.refresh(self.generation)
        return self.engine.search(words, limit, among)


@pytest.fixture(params=ENGINES)
def shelf(request: pytest.FixtureRequest, place: Callable[[str], Path | str]) -> Iterator[Shelf]:
    shelf = Shelf(request.param, place(request.param))
    shelf.add(*ROWS)
    shelf.commit()
    yield shelf
    shelf.index.close()


def test_the_best_passages_come_first(shelf: Shelf) -> None:
    assert shelf.search("rent")[0] == 3
    assert sorted(shelf.search("rent")) == [1, 2, 3]
    assert shelf.search("rent", limit=1) == [3]
    assert shelf.search("ferries", "rents")[0] == 4  # the rarer word counts for more
    scores = [match.score for match in shelf.matches("rent", "mill")]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


@pytest.mark.parametrize("operator", ["NOT", "AND", "OR", "NEAR", "-", "+", '"'])
def test_no_word_is_an_operator(shelf: Shelf, operator: str) -> None:
    assert set(shelf.search("rent", operator, "ferry")) == {1, 2, 3, 4}


def test_a_filter_changes_what_is_found_and_no_score(shelf: Shelf) -> None:
    all_scores = {match.id: match.score for match in shelf.matches("rent", "mill")}
    for among in (Among("document", [7, 9]), Among("id", [1, 2, 4])):
        some = {match.id: match.score for match in shelf.matches("rent", "mill", among=among)}
        assert some == {id: pytest.approx(all_scores[id]) for id in (1, 2)}
    assert shelf.search("rent", limit=1, among=Among("document", [7])) == [1]
    assert shelf.search("rent", limit=1, among=Among("id", [2, 4])) == [2]
    assert shelf.search("rent", among=Among("document", [])) == []
    assert shelf.search("rent", among=Among("id", [])) == []


def test_a_filter_that_many_passages_pass_costs_little(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.db", encoder=None) as index:
        rows = [{"text": f"The rent of house {n} by the river.", "n": n % 2} for n in range(2000)]
        index.add_texts(rows)
        seconds = []
        for where in (None, {"n": 1}):
            begin = time.process_time()
            assert len(index.search("What is the rent of the house?", where=where)) == 20
            seconds.append(time.process_time() - begin)
    assert seconds[1] < 10 * seconds[0] + 0.1


def test_what_is_removed_takes_no_place_among_the_best(shelf: Shelf) -> None:
    shelf.search("rent")
    shelf.remove(ROWS[2])
    shelf.commit()
    assert shelf.search("rent", limit=2) == [1, 2]
    assert shelf.search("again") == []
    shelf.remove(*ROWS[:2])
    shelf.add(IndexedPassage(5, 7, "The rent of the mill was raised."))
    shelf.commit()
    assert shelf.search("rent", limit=1) == [5]


def test_what_is_rolled_back_was_never_there(shelf: Shelf) -> None:
    shelf.remove(*ROWS[:3])
    shelf.add(IndexedPassage(6, 9, "Nothing about rent."))
    shelf.rollback()
    shelf.add(IndexedPassage(7, 9, "A ferry comes back."))
    shelf.commit()
    assert sorted(shelf.search("rent")) == [1, 2, 3]
    assert sorted(shelf.search("ferry")) == [4, 7]


def test_each_search_sees_what_was_committed_before_it(shelf: Shelf) -> None:
    for number in range(10, 15):
        shelf.add(IndexedPassage(number, 9, f"A word{number}."))
        shelf.commit()
        assert shelf.search(f"word{number}") == [number]


def test_tantivy_tells_the_generation_that_was_committed_last(tmp_path: Path) -> None:
    engine = TantivyEngine(tmp_path / "t")
    assert engine.generation == -1
    for generation in (3, 4, 11, 12):
        engine.commit(generation)
        assert engine.generation == generation
    engine.close()
    again = TantivyEngine(tmp_path / "t")
    assert again.generation == 12
    again.close()


def test_files_of_a_killed_commit_are_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    folder, before = tmp_path / "t", tmp_path / "before"
    engine = TantivyEngine(folder)
    engine.add(ROWS)
    engine.commit(1)
    engine.close()
    shutil.copytree(folder, before)
    engine = TantivyEngine(folder)
    engine.remove(ROWS[:1])
    engine.commit(2)
    engine.close()
    # as it is when a commit has written all but the file that makes it count
    shutil.copy(before / "meta.json", folder)
    for file in before.iterdir():
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    engine = TantivyEngine(folder)
    assert engine.generation == 1
    engine.remove(ROWS[:1])
    engine.commit(2)
    assert engine.generation == 2
    assert [match.id for match in engine.search(["mill"], 9, None)] == [2]
    engine.close()


@pytest.mark.parametrize("ending", ["term", "idx", "store", "fieldnorm", "json"])
def test_a_damaged_file_of_tantivy_is_an_error_and_no_crash(tmp_path: Path, ending: str) -> None:
    """A panic in a thread that merges files would end the process."""
    engine = TantivyEngine(tmp_path / "t")
    engine.add(ROWS)
    engine.commit(1)
    engine.close()
    for file in (tmp_path / "t").glob(f"*.{ending}"):
        data = file.read_bytes()
        half = len(data) // 2
        file.write_bytes(data[:half] + bytes([data[half] ^ 255]) + data[half + 1 :])

    def use() -> None:
        for _ in range(10):  # until files are merged
            engine = TantivyEngine(tmp_path / "t")
            engine.add([IndexedPassage(5, 9, "The ferry is late.")])
            engine.commit(2)
            engine.settle(1.0)

    with pytest.raises(IndexFileError, match=r"not readable \(.*remove it, and it is made again"):
        use()


@pytest.mark.parametrize("ending", ["term", "idx", "store", "fieldnorm"])
@pytest.mark.parametrize("kept", [0, 0.5, 1])
def test_a_file_that_is_damaged_while_it_is_open_is_not_read(
    tmp_path: Path, ending: str, kept: float
) -> None:
    """The file is mapped: what is read behind its end ends the process."""
    with contextlib.closing(TantivyEngine(tmp_path / "t")) as engine:
        engine.add(ROWS)
        engine.commit(1)
        engine.settle(1.0)
        engine.refresh(1)
        assert engine.search(["mill"], 9, None)
        (file,) = (tmp_path / "t").glob(f"*.{ending}")
        data = file.read_bytes()
        with file.open("r+b") as opened:
            opened.write(bytes([data[0] ^ 1]))
            opened.truncate(int(kept * len(data)))
        os.utime(file, (1, 1))  # clocks of files are coarse
        with pytest.raises(IndexFileError, match=f"{file.name} is damaged"):
            engine.refresh(1)
        with pytest.raises(IndexFileError, match=r"is damaged\); remove it, and it is made again"):
            TantivyEngine(tmp_path / "t")
        file.write_bytes(data)
        engine.refresh(1)
        assert engine.search(["mill"], 9, None)


def test_files_of_tantivy_are_checked_in_blocks_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TantivyEngine(tmp_path / "t")
    engine.add(ROWS)
    engine.commit(1)
    engine.close()
    checked: list[int] = []
    crc32 = zlib.crc32

    def counted(data: bytes, value: int = 0) -> int:
        checked.append(len(data))
        return crc32(data, value)

    monkeypatch.setattr("pullquote.searching.engines.tantivy._BLOCK", 7)
    monkeypatch.setattr(zlib, "crc32", counted)
    for _ in range(2):
        engine = TantivyEngine(tmp_path / "t")
        engine.add(ROWS[:0])
        assert engine.writer
        engine.close()
        sizes = [len(file.read_bytes()) for file in (tmp_path / "t").iterdir()]
        assert max(checked) == 7
        assert 0 < sum(checked) < sum(sizes)


def test_two_writers_of_tantivy_are_told_apart_from_damage(tmp_path: Path) -> None:
    first, second = TantivyEngine(tmp_path / "t"), TantivyEngine(tmp_path / "t")
    first.add(ROWS[:1])
    with pytest.raises(IndexBusyError, match="another process is writing to it"):
        second.add(ROWS[1:])
    first.rollback()
    first.close()


def test_a_full_disk_is_told_apart_from_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def add_document(self, document: object) -> None:
            raise ValueError("An IO error occurred: 'No space left on device (os error 28)'")

    engine = TantivyEngine(tmp_path / "t")
    monkeypatch.setattr(engine, "_writer", Full())
    with pytest.raises(OutputError, match="the disk is full"):
        engine.add(ROWS)


@pytest.mark.parametrize("name", ["../mine.txt", "{}/mine.txt", "mine.txt"])
def test_tantivy_deletes_no_file_but_its_own(tmp_path: Path, name: str) -> None:
    """It deletes what its list names, wherever that is."""
    pytest.importorskip("tantivy")
    TantivyEngine(tmp_path / "t").commit(1)
    name = name.format(tmp_path)
    mine = tmp_path / "t" / name
    mine.write_text("mine")
    managed = tmp_path / "t/.managed.json"
    managed.write_text(json.dumps([*json.loads(managed.read_text()), name]))
    with pytest.raises(IndexFileError, match=r"\.managed\.json lists '.*; remove it"):
        TantivyProcess(tmp_path / "t").commit(2)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", [".tantivy-writer.lock", ".tantivy-meta.lock", "new", ""])
def test_tantivy_follows_no_link(tmp_path: Path, name: str) -> None:
    pytest.importorskip("tantivy")
    TantivyEngine(tmp_path / "t").commit(1)
    link = tmp_path / "t" / name
    if name:
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / "elsewhere")
    else:
        link.rename(tmp_path / "folder")
        link.symlink_to(tmp_path / "folder")
    with pytest.raises(IndexFileError, match="not readable"):
        TantivyProcess(tmp_path / "t").commit(2)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["meta.json", ".managed.json", "more.idx"])
def test_a_pipe_among_the_files_of_tantivy_is_an_error(tmp_path: Path, name: str) -> None:
    """Whoever opens a pipe waits for another program."""
    TantivyEngine(tmp_path / "t").close()
    (tmp_path / "t" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "t" / name)
    with pytest.raises(IndexFileError, match=f"{name} is no file"):
        TantivyEngine(tmp_path / "t")


def test_a_score_that_is_no_number_is_damage(tmp_path: Path) -> None:
    hits = SimpleNamespace(hits=[(float("nan"), 0)])
    searcher = SimpleNamespace(search=lambda query, limit: hits)
    with contextlib.closing(TantivyEngine(tmp_path / "t")) as engine:
        engine.index = SimpleNamespace(
            parse_query_lenient=lambda text, fields: (None, None), searcher=lambda: searcher
        )
        with pytest.raises(IndexFileError, match=r"not readable \(ValueError: a score is nan\)"):
            engine.search(["rent"], 9, None)


# ---- in a process of its own


def kill_with(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """What happens in the process when a passage with "zeppelin" is added, or searched for."""
    program = f"""
import os, time
from pullquote.searching.engines import tantivy_process
from pullquote.searching.engines.tantivy import TantivyEngine
def fault(held=[]):
    {what}
search, add = TantivyEngine.search, TantivyEngine.add
def searched(self, words, *more):
    return fault() if "zeppelin" in words else search(self, words, *more)
def added(self, rows):
    rows = list(rows)
    return fault() if any("zeppelin" in row.text for row in rows) else add(self, rows)
TantivyEngine.search, TantivyEngine.add = searched, added
tantivy_process.main()
"""
    monkeypatch.setattr(tantivy_process, "_PROGRAM", f"exec({program!r})")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("os.abort()", r"crashed \(SIGABRT\)"),
        ("os._exit(3)", r"ended \(exit code 3\)"),
        ("while True: pass", "was stopped: more than 1 s of processor time"),
        ("time.sleep(99)", "was stopped: it did not go on for 3 s"),
        ("held.append(bytearray(600 << 20))", r"ended \(exit code 1\)"),
        ("raise RuntimeError('of no known kind')", r"ended \(exit code 1\)"),
    ],
)
def test_what_ends_tantivys_process_is_an_error_and_the_next_call_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, told: str
) -> None:
    """A thread that merges files ends its process over hostile ones, as some reads do."""
    kill_with(monkeypatch, what)
    monkeypatch.setattr(tantivy_process, "SECONDS", 1)
    monkeypatch.setattr(tantivy_process, "MEMORY", 500 << 20)
    monkeypatch.setattr(process, "PATIENCE", 3 if "sleep" in what else 60)
    error = f"t: not readable \\(its process {told}\\); remove it, and it is made again"
    with contextlib.closing(TantivyProcess(tmp_path / "t")) as engine:
        engine.add(ROWS[:2])
        engine.commit(1)
        with pytest.raises(IndexFileError, match=error):
            engine.search(["zeppelin"], 9, None)
        engine.refresh(1)
        assert [match.id for match in engine.search(["meadow"], 9, None)] == [2]
        with pytest.raises(IndexFileError, match=error):
            engine.add([ROWS[2], IndexedPassage(9, 9, "The zeppelin.")])
        engine.rollback()
        engine.add(ROWS[3:])
        engine.commit(2)
        assert engine.generation == 2
        engine.refresh(2)
        assert [match.id for match in engine.search(["rent", "ferry"], 9, None)] == [4, 1, 2]


def test_a_process_of_tantivy_that_someone_kills_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_with(monkeypatch, "import signal; os.kill(os.getpid(), signal.SIGKILL)")
    with contextlib.closing(TantivyProcess(tmp_path / "t")) as engine:
        with pytest.raises(IndexUnreachableError, match=r"t: the process .* the same call again"):
            engine.search(["zeppelin"], 9, None)
        assert engine.search(["meadow"], 9, None) == []


def test_an_index_whose_tantivy_dies_is_whole_when_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "i.db", engine="tantivy", encoder=None) as index:
        index.add_texts([{"id": "lease", "text": "The rent is due."}])
    with monkeypatch.context() as patch:
        kill_with(patch, "os.abort()")
        with Index.open(tmp_path / "i.db", encoder=None) as index:
            with pytest.raises(IndexFileError, match="SIGABRT"):
                index.add_texts([{"id": "flight", "text": "The zeppelin lands."}])
            assert [found.passage.text for found in index.search("rent")] == ["The rent is due."]
    with Index.open(tmp_path / "i.db", encoder=None) as index:
        assert len(index) == 1
        index.add_texts([{"id": "flight", "text": "The zeppelin lands."}])
        assert len(index.search("zeppelin")) == 1


def test_no_process_of_tantivy_is_left(tmp_path: Path) -> None:
    """Neither of an engine that is closed, nor of one that is forgotten, nor after a kill."""
    closed, forgotten = TantivyProcess(tmp_path / "a"), TantivyProcess(tmp_path / "b")
    ended = [engine._process for engine in (closed, forgotten)]
    closed.close()
    del forgotten
    gc.collect()
    assert not any(one.is_alive() for one in ended if one)
    program = (
        "import os, sys; from pathlib import Path; "
        "from pullquote.searching.engines import IndexedPassage; "
        "from pullquote.searching.engines.tantivy_process import TantivyProcess; "
        f"engine = TantivyProcess(Path({os.fspath(tmp_path / 'c')!r})); "
        "engine.add([IndexedPassage(1, 1, 'rent')]); "  # it holds the lock of the folder
        "print(engine._process.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    number = int(done.stdout)
    wait_for_end_of(number)
    with contextlib.closing(TantivyProcess(tmp_path / "c")) as engine:
        engine.add(ROWS)  # nobody holds the lock
        engine.commit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_processes_that_are_forked_have_processes_of_their_own(tmp_path: Path) -> None:
    """Else each would read the answers of others, and hold theirs when they have ended."""
    with contextlib.closing(TantivyProcess(tmp_path / "t")) as engine:
        engine.add(ROWS)
        engine.commit(1)
    program = f"""
import os, signal, sys
from pathlib import Path
from pullquote.searching.engines.tantivy_process import TantivyProcess
engine = TantivyProcess(Path({os.fspath(tmp_path / "t")!r}))
asked = engine._process.process
engine.refresh(1)
child = os.fork()
for _ in range(100):
    word, id = ("ferry", 4) if child else ("meadow", 2)
    assert [found.id for found in engine.search([word], 9, None)] == [id]
if not child:
    engine.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert asked.poll() is None  # what the other one ended was its own
if os.fork():
    print(asked.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""
    fork = [sys.executable, "-W", "ignore", "-c", program]
    with subprocess.Popen(fork, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout
        number = int(begun.stdout.readline())
        wait_for_end_of(number)  # though one that was forked goes on
        begun.communicate("")


def wait_for_end_of(number: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        with contextlib.suppress(OSError):  # where nobody asks for what has ended
            if ") Z " in Path(f"/proc/{number}/stat").read_text():
                return
        time.sleep(0.02)
    raise AssertionError(f"process {number} goes on")


def test_errors_keep_their_kinds_from_process_to_process(tmp_path: Path) -> None:
    with (
        contextlib.closing(TantivyProcess(tmp_path / "t")) as first,
        contextlib.closing(TantivyProcess(tmp_path / "t")) as second,
    ):
        first.add(ROWS[:1])
        with pytest.raises(IndexBusyError, match="another process is writing to it"):
            second.add(ROWS[1:])
        first.rollback()
    (tmp_path / "file").touch()
    with pytest.raises(IndexFileError, match=r"not readable \(FileExistsError"):
        TantivyProcess(tmp_path / "file")


def test_where_python_cannot_start_itself_tantivy_works_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    engine = tantivy_process.open_engine(tmp_path / "t")
    assert isinstance(engine, TantivyEngine)
    engine.close()


def test_a_path_that_is_no_text_reaches_the_process(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(IndexFileError, match="not readable"):
        TantivyProcess(folder)  # Tantivy's own paths are text
