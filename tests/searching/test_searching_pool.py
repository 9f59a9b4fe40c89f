"""Documents read in processes: a crash, a hang, or much time or memory costs one document."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from searching_helpers import FILES, MILL, MakeFolder

from pullquote import Index
from pullquote.errors import DocumentError
from pullquote.searching import documents, pool, process
from pullquote.searching.documents import KINDS, Kind, Notes, SourceFile, find, read
from pullquote.searching.parts import Part
from pullquote.searching.pool import Pool
from pullquote.types import Passage

# Replaces the readers of all formats in the processes: what a file says happens.
FAULTS = """
import ctypes, dataclasses, lzma, os, struct, sys, time, zlib
from pullquote.searching import documents, worker
from pullquote.searching.parts import Part
def fault(file):
    text = file.read().decode()
    yield Part("first" * 9000, 1)
    if text == "crash": ctypes.string_at(0)
    if text == "abort": os.abort()
    if text == "exit": os._exit(3)
    if text == "sleep": time.sleep(999)
    if text == "spin":
        while True: pass
    if text == "memory": yield Part("x" * (900 << 20), 1)
    if text == "deep":
        def down(): down()
        down()
    if text == "stop": sys.exit("stop")
    if text == "print": print("{}", flush=True); os.write(1, b"{}")
    yield Part(text, 2)
worker.KINDS = [dataclasses.replace(kind, read=fault) for kind in documents.KINDS]
worker.main()
"""


@pytest.fixture(autouse=True)
def new_processes() -> Iterator[None]:
    pool.end_idle()
    yield
    pool.end_idle()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PROGRAM", f"exec({FAULTS!r})")


def sources(folder: Path) -> list[SourceFile]:
    return [found for found in find([folder]) if isinstance(found, SourceFile)]


def read_all(files: Sequence[SourceFile]) -> dict[str, str]:
    """The texts of files, or why they were not read."""
    found = {}
    with Pool(files) as readers:
        for file in files:
            try:
                text = " ".join(passage.text for passage in readers.read(file))
            except DocumentError as error:
                text = f"! {error}"
            found[Path(file.path).name] = text
    return found


def told(reading: Callable[[SourceFile, Notes], Iterator[Passage]], file: SourceFile) -> object:
    """All that reading a file gives: passages, notes, and the error."""
    notes = Notes()
    found: list[object] = []
    try:
        found += reading(file, notes)
    except DocumentError as error:
        found.append(str(error))
    return found, notes


def test_processes_read_what_this_process_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_cores", lambda: 3)
    monkeypatch.setattr(pool, "_MUCH", 0)
    monkeypatch.setattr(pool, "SHARE", 1)
    files = sources(MILL) + sources(FILES)
    with Pool(files) as readers:
        assert len(readers._threads) == 3
        for file in files:
            assert told(readers.read, file) == told(read, file)
    assert len(pool._idle) == pool._KEPT


def test_notes_come_back(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_cores", lambda: 2)
    monkeypatch.setattr(pool, "_MUCH", 0)
    rows = b'{"text": "Ren\xe9e pays."}\n{\n' + b"[]\n" * 9
    folder = make_folder({"a.jsonl": rows, "b.html": "<p>", "c.txt": ""})
    files = sources(folder)
    with Pool(files) as readers:
        found = [told(readers.read, file) for file in files]
    assert found == [told(read, file) for file in files]
    assert [notes.problem("x") is not None for _, notes in found] == [True, True, True]


@pytest.mark.usefixtures("faults")
def test_a_fault_in_a_parser_costs_one_document(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SECONDS", 1)
    monkeypatch.setattr(process, "PATIENCE", 60)
    monkeypatch.setattr(pool, "MEMORY", 500 << 20)
    whats = ("crash", "abort", "exit", "spin", "memory", "deep", "stop", "print", "good")
    files = {f"{number}.{what}.pdf": what for number, what in enumerate(whats)}
    found = read_all(sources(make_folder(files)))
    reasons = {name.split(".")[1]: text for name, text in found.items()}
    assert reasons["good"].endswith("good")
    assert reasons["print"].endswith("print")
    expected = {
        "crash": "its reader crashed (SIGSEGV)",
        "abort": "its reader crashed (SIGABRT)",
        "exit": "its reader ended (exit code 3)",
        "spin": "its reader was stopped: more than 1 s of processor time",
        "memory": "needs more memory than there is for it",
        "deep": "nested too deeply",
        "stop": "its reader stopped (SystemExit)",
    }
    for what, words in expected.items():
        assert reasons[what].startswith(f"! {words}"), reasons[what]


@pytest.mark.usefixtures("faults")
def test_a_parser_that_hangs_is_stopped(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SECONDS", 1)
    monkeypatch.setattr(process, "PATIENCE", 3)
    (text,) = read_all(sources(make_folder({"a.pdf": "sleep"}))).values()
    assert text == "! its reader was stopped: it did not go on for 3 s"


@pytest.mark.usefixtures("faults")
def test_an_index_goes_on_after_a_crash_and_remembers_it(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"a.pdf": "good", "b.pdf": "crash", "c.pdf": "good"})
    with Index.create(tmp_path / "i.db") as index:
        done = index.add([folder])
        assert done.added == 2
        assert [problem.reason[:18] for problem in done.problems] == ["its reader crashed"]
        assert index.add().problems == done.problems == tuple(index.problems())
        assert {Path(document.path).name for document in index.documents()} == {"a.pdf", "c.pdf"}


def test_a_process_is_used_again_and_the_next_call_finds_it() -> None:
    file = sources(MILL / "lease.pdf")[0]
    read_all([file])
    (first,) = pool._idle
    read_all([file])
    assert pool._idle == [first]
    first.process.kill()
    first.process.wait()
    assert "840 crowns" in read_all([file])["lease.pdf"]


def test_a_process_that_held_much_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = "from pullquote.searching import worker; worker._FULL = 1; worker.main()"
    monkeypatch.setattr(pool, "_PROGRAM", program)
    files = sources(MILL / "lease.pdf") + sources(MILL / "history.epub")
    found = read_all(files)
    assert "840 crowns" in found["lease.pdf"]
    assert "Hedda Kroon" in found["history.epub"]
    assert pool._idle == []


def test_small_harmless_files_start_no_process(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_cores", lambda: 4)
    names = ["a.txt", "b.csv", "c.jsonl", "d.json", "e.md"]
    folder = make_folder(dict.fromkeys(names, '["text"]\nThe rent is due.\n'))
    with Pool(sources(folder)) as readers:
        assert readers._threads == []
        assert list(readers.read(sources(folder / "a.txt")[0]))
        readers._tasks.clear()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.endings[0])
def test_formats_with_a_parser_of_their_own_are_read_apart(kind: Kind) -> None:
    ours = {".txt", ".md", ".srt", ".jsonl", ".csv", ".tsv", ".json"}
    assert kind.apart != bool(ours.intersection(kind.endings))


class Panic(BaseException):
    """As Rust's libraries raise it."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.endings[0])
@pytest.mark.parametrize(
    "error",
    [
        *(MemoryError(), RecursionError(), ValueError("x"), TypeError("x"), KeyError("x")),
        *(__import__("lzma").LZMAError("x"), __import__("struct").error("x")),
        *(__import__("zlib").error("x"), UnicodeError("x"), OSError(5, "x"), Panic("x")),
        *(AssertionError(), NotImplementedError(), StopIteration(), EOFError(), ImportError("x")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_exception_of_a_reader_ends_a_run(
    kind: Kind, error: BaseException, make_folder: MakeFolder, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def broken(file: object) -> Iterator[Part]:
        yield Part("The rent.", 1)
        raise error

    name = f"a{kind.endings[0]}"
    broken_kind = Kind(broken, kind.unit, kind.endings)  # type: ignore[arg-type]
    by_name = {name: broken_kind, "b.text": documents.TEXT}
    monkeypatch.setattr(documents, "kind_of", lambda path: by_name[Path(path).name])
    folder = make_folder({name: "x", "b.text": "The rent is due."})
    with Index.create(tmp_path / "i.db") as index:
        done = index.add([folder])
        assert done.added == 1
        assert [Path(problem.path).name for problem in done.problems] == [name]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_the_user_stops_is_stopped(
    stop: type[BaseException], make_folder: MakeFolder, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def stopping(file: SourceFile, notes: Notes) -> object:
        raise stop

    monkeypatch.setattr(pool, "read", stopping)
    folder = make_folder({"a.txt": "The rent is due."})
    shutil.copy(MILL / "lease.pdf", folder)
    with Index.create(tmp_path / "i.db") as index, pytest.raises(stop):
        index.add([folder])
    assert pool._idle == []


@pytest.mark.usefixtures("faults")
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_a_run_and_its_processes(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"a.pdf": "sleep"})
    code = (
        "import sys; from pullquote import Index; from pullquote.searching import pool\n"
        f"pool._PROGRAM = {pool._PROGRAM!r}\n"
        "print('ready', flush=True); Index.create(sys.argv[1]).add([sys.argv[2]])"
    )
    program = [sys.executable, "-c", code, tmp_path / "i.db", folder]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as run:
        assert run.stdout is not None
        run.stdout.readline()
        time.sleep(1)
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode in (-signal.SIGINT, 1, 130)
    assert said.count(b"KeyboardInterrupt") == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)  # nobody of the group is left
    with Index.open(tmp_path / "i.db") as index:
        assert len(index) == 0


def test_a_system_without_room_for_a_process_reports_the_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(process.subprocess, "Popen", full)
    found = read_all(sources(MILL / "lease.pdf"))
    assert found["lease.pdf"].startswith("! no process for its reader (BlockingIOError: ")
    assert "Resource temporarily unavailable" in found["lease.pdf"]


def test_a_script_without_a_main_guard_can_index_a_pdf(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import sys\nfrom pullquote import Index\n"
        "with Index.create('i.db') as index:\n    print(index.add([sys.argv[1]]).added)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py", MILL / "lease.pdf"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
