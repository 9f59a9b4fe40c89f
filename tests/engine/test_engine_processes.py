"""Readers in threads, in children after a fork, under Ctrl-C, and beside a foreign library."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from engine_helpers import random_weights

from pullquote import Example, Reader
from pullquote.errors import ModelError
from pullquote.reading.backends import native_library as c
from pullquote.reading.backends.native import NativeBackend

pytestmark = pytest.mark.skipif(not c.LIBRARY.is_file(), reason="no engine here: make engine")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
# of a fork with threads, which is what is tested
forks = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FACTS = "The Norse, led by Rollo, came by sea. Winstanley built the first lighthouse in 1698. "
EXAMPLES = [
    Example(str(n), question, FACTS * repeats)
    for n, (question, repeats) in enumerate(
        [("Who led the Norse?", 1), ("Who built the first lighthouse?", 40), ("How?", 15)]
    )
]


@pytest.fixture(scope="module")
def reader() -> Reader:
    reader = Reader("tiny", threads=2)
    assert isinstance(reader.backend, NativeBackend)
    return reader


def answers(reader: Reader) -> list[tuple[str, float]]:
    return [(p.text, p.no_answer_score) for p in reader.answer_all(EXAMPLES)]


def test_readers_in_threads_answer_as_one_alone(reader: Reader) -> None:
    wanted = answers(reader)
    readers = [reader, reader, Reader("tiny", threads=1), Reader("tiny", threads=3)]
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(answers, readers * 4):
            assert found == wanted


@needs_fork
@forks
def test_processes_that_were_forked_answer_with_the_reader_of_their_parent(reader: Reader) -> None:
    wanted = answers(reader)  # its threads run now
    with multiprocessing.get_context("fork").Pool(2, _inherit, (reader,)) as pool:
        for found in pool.map_async(_answer_inherited, range(4)).get(timeout=60):
            assert found == wanted


def _inherit(reader: Reader) -> None:
    globals()["inherited"] = reader


def _answer_inherited(_: int) -> list[tuple[str, float]]:
    return answers(globals()["inherited"])


@needs_fork
@forks
def test_a_child_can_read_though_a_thread_of_its_parent_was_at_work() -> None:
    """The lock that this thread held at the fork is held in the child, too, and by nobody."""
    backend = NativeBackend(random_weights())
    ids = np.ones(5, np.int64)
    wanted = backend.read(ids, ids * 0, np.array([5]))
    with backend._lock:
        child = os.fork()
        if child == 0:  # pragma: no cover - in another process
            signal.alarm(20)
            found = backend.read(ids, ids * 0, np.array([5]))
            backend.close()
            freed = not backend._model
            os._exit(0 if freed and np.array_equal(found, wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0


def read_long(backend: NativeBackend) -> Any:
    """Logits of a single window that two threads share."""
    ids = np.arange(300) % 50
    return np.stack(backend.read(ids, ids * 0, np.array([300]), threads=2))


def shared_backend() -> NativeBackend:
    return NativeBackend(random_weights(hidden=128, intermediate=512, layers=4, positions=300))


@needs_fork
@forks
def test_a_child_shares_a_window_among_threads_of_its_own() -> None:
    """Those of its parent were not forked."""
    backend = shared_backend()
    wanted = read_long(backend)
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        signal.alarm(20)
        alone = psutil.Process().num_threads()
        helpers = 0
        while not helpers:  # the first ones are read alone where the machine was busy
            found = read_long(backend)
            helpers = psutil.Process().num_threads() - alone
        os._exit(0 if helpers == 1 and np.array_equal(found, wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0


def close_while(reads: Callable[[threading.Event], None], backend: Any) -> None:
    """Close a backend with which three threads read: each ends with an error that says so."""
    begun, errors = threading.Event(), []

    def until_closed() -> None:
        try:
            reads(begun)
        except ModelError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=until_closed, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    backend.close()
    for thread in threads:
        thread.join(timeout=60)
    assert len(errors) == 3
    assert all("closed" in error for error in errors)


def test_a_window_that_several_threads_share_ends_when_the_backend_is_closed() -> None:
    backend = shared_backend()
    wanted = read_long(backend)

    def reads(begun: threading.Event) -> None:
        while np.array_equal(read_long(backend), wanted):
            begun.set()

    close_while(reads, backend)


def endless(example: Example = EXAMPLES[0]) -> Iterator[Example]:
    while True:
        yield example


def test_a_reader_that_is_closed_ends_what_other_threads_read() -> None:
    reader = Reader("tiny", threads=2)

    def reads(begun: threading.Event) -> None:
        for _ in reader.answer_all(endless()):
            begun.set()

    close_while(reads, reader.backend)


CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from test_engine_processes import EXAMPLES, Reader, endless
reader = Reader("tiny", threads=int(sys.argv[2]))
for number, _ in enumerate(reader.answer_all(endless(EXAMPLES[1]))):
    if number == 0:
        print("reading", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_ends_a_long_read_within_a_second(threads: str) -> None:
    """A second of processor time, since the machine may be busy with other things."""
    import resource

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(Path(__file__).parent), threads],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        times = psutil.Process(process.pid).cpu_times()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert spent() - before - times.user - times.system < 1


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "int pq_abi_version(void) { return 99; }",
            "an engine with interface 99, but this version",
        ),
        ("int pq_abi_version_1(void) { return 1; }", "not an engine that can be loaded here"),
    ],
)
def test_a_foreign_library_is_refused_in_one_line(
    tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "engine.c").write_text(source)
    library = tmp_path / "engine.so"
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "engine.c", "-o", library], check=True)
    (tmp_path / "text.txt").write_text(FACTS)
    done = subprocess.run(
        [sys.executable, "-m", "pullquote", "ask", "Who?", tmp_path / "text.txt"],
        env={**os.environ, "PULLQUOTE_ENGINE": str(library)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"{library}: {message}" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
