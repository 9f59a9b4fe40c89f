"""Reads documents in worker processes: in parallel, ahead, within limits, and in order.

    with Pool(files) as pool:
        for file in files:                          # in this order
            for passage in pool.read(file, notes): ...

`read` yields and raises what `documents.read` does. A document whose parser crashes, hangs, or
needs too much time or memory is a `DocumentError`. Formats that are harmless are read in this
process, unless there is much to read. Knows processes and limits; `worker` is the other end. Where
Python cannot start itself again, as in a program that was frozen, all is read in this process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from pullquote.errors import first_line
from pullquote.searching import process
from pullquote.searching.documents import Notes, SourceFile, read
from pullquote.searching.process import Process, can_start
from pullquote.searching.worker import passages_in, request
from pullquote.types import Passage

SECONDS = 30
"""Processor time that any document may take."""
SECONDS_PER_MIB = 4
"""Processor time that it may take beside, for each MiB of its file: about ten times the usual."""
MEMORY = 2 << 30
"""Bytes of memory that a document may take."""
SHARE = 1 << 20
"""Bytes for each process beside the first."""

_MUCH = 8 << 20  # bytes of harmless files from which processes are worth their start
_AHEAD = 64  # documents that are read ahead
_HELD = 4  # answers for each that wait in memory
_PROGRAM = "from pullquote.searching.worker import main; main()"
_KEPT = 1  # processes that wait for further calls

_idle: list[_Worker] = []
_idle_lock = threading.Lock()


class DocumentReader(Protocol):
    """What reads the files of a list, in its order."""

    def read(self, file: SourceFile, notes: Notes | None = None) -> Iterator[Passage]:
        """Yield and raise what `documents.read` does."""


MakePool: TypeAlias = Callable[[Sequence[SourceFile]], AbstractContextManager[DocumentReader]]
"""Begins to read a list of files: a `Pool`, or another one that reads on other machines."""


class Pool:
    """Reads the files of a list, which are asked for in their order.

    Notes of processes name `most` skipped parts of each file. With `apart`, harmless formats are
    read in processes, too. Soon after `abandoned()` is true, reading stops: `read` raises
    `DocumentError`.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        *,
        most: int = Notes().most,
        apart: bool = False,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._most = most
        self._abandoned = abandoned
        cores = _cores()
        sizes = dict.fromkeys((True, False), 0)
        for file in files:
            sizes[file.kind.apart] += file.stamp[0]
        every = apart or (cores > 1 and sizes[False] > _MUCH)
        self._tasks = {
            file: _Task(file) for file in files if (file.kind.apart or every) and can_start()
        }
        self._waiting = deque(self._tasks.values())
        size = sizes[True] + (sizes[False] if every else 0)
        count = min(cores, len(self._waiting), 1 + size // SHARE)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        self._ahead = threading.Semaphore(_AHEAD)
        self._take = threading.Lock()
        self._workers: set[_Worker] = set()
        self._closed = threading.Event()

    def __enter__(self) -> Pool:
        if self._threads:
            for thread in (*self._threads, threading.Thread(target=self._watch, daemon=True)):
                thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._tasks:  # nobody will read them: an error, or Ctrl-C
            self._closed.set()
            for worker in list(self._workers):
                worker.process.kill()
        for thread in self._threads:
            thread.join()
        self._closed.set()

    def read(self, file: SourceFile, notes: Notes | None = None) -> Iterator[Passage]:
        """Yield the passages of a file of the list, as `documents.read` does."""
        notes = Notes() if notes is None else notes
        if file in self._tasks:
            yield from passages_in(self.answers(file), file, notes)
        else:
            yield from read(file, notes)

    def answers(self, file: SourceFile) -> Iterator[dict[str, Any]]:
        """Yield the answers of the process that reads a file, as `worker` has them.

        Raises `KeyError` for a file that no process reads.
        """
        task = self._tasks[file]
        answer: dict[str, Any] = {}
        while "error" not in answer:
            answer = task.answers.get()
            yield answer
        del self._tasks[file]
        self._ahead.release()

    def _work(self) -> None:
        """Let a process read one file after another: the work of one thread."""
        worker: _Worker | None = None
        try:
            while (task := self._next()) is not None:
                if worker and not worker.goes_on:
                    self._end(worker)
                    worker = None
                try:
                    worker = worker or self._start()
                    answers = worker.answers(task.file, self._most)
                    wanted = all(self._put(task, answer) for answer in answers)
                except (OSError, MemoryError, RecursionError) as error:
                    # no room for another process, or an answer that cannot be parsed
                    reason = f"no process for its reader ({first_line(error)})"
                    wanted = self._put(task, _failed(reason))
                if not wanted:
                    return
        finally:
            if worker:
                self._end(worker)

    def _next(self) -> _Task | None:
        while not self._ahead.acquire(timeout=0.2):
            if self._closed.is_set():
                return None
        with self._take:
            return self._waiting.popleft() if self._waiting else None

    def _put(self, task: _Task, answer: dict[str, Any]) -> bool:
        """Hand an answer over when there is room for it; False if nobody wants it any more."""
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                task.answers.put(answer, timeout=0.2)
                return True
        return False

    def _start(self) -> _Worker:
        worker = _take_idle() or _Worker()
        self._workers.add(worker)
        if self._closed.is_set():  # after the others were ended
            worker.process.kill()
        return worker

    def _end(self, worker: _Worker) -> None:
        """Keep a process for a further call, or end it."""
        self._workers.discard(worker)
        with _idle_lock:
            if worker.goes_on and len(_idle) < _KEPT and not self._closed.is_set():
                _idle.append(worker)
                return
        worker.end()

    def _watch(self) -> None:
        """End processes that are silent for too long, or whose work nobody waits for."""
        while not self._closed.wait(0.25):
            for worker in list(self._workers):
                if time.monotonic() > worker.deadline or self._abandoned():
                    worker.stop()


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A file that a process reads, and its answers so far."""

    file: SourceFile
    answers: queue.Queue[dict[str, Any]] = field(default_factory=lambda: queue.Queue(_HELD))


class _Worker(Process):
    """A process that reads, as the threads of a pool see it."""

    def __init__(self) -> None:
        super().__init__(_PROGRAM)
        self.deadline = float("inf")
        self.goes_on = True
        """Whether it can be asked for another file."""

    def answers(self, file: SourceFile, most: int) -> Iterator[dict[str, Any]]:
        """Yield the answers for a file; the last has an "error", which may be empty."""
        seconds = SECONDS + SECONDS_PER_MIB * (file.stamp[0] >> 20)
        self.send(request(file, seconds=seconds, memory=MEMORY, most=most))
        self.goes_on = False
        answer: dict[str, Any] = {}
        while "error" not in answer:
            self.deadline = time.monotonic() + process.PATIENCE * seconds
            answer = self.receive() or _failed(self._reason(seconds))
            self.deadline = float("inf")
            self.goes_on = answer.get("goes_on", False)
            yield answer

    def _reason(self, seconds: int) -> str:
        """Why the process has ended."""
        reason = f"its reader {self.how_it_ended(seconds)}"
        return reason if self.is_late else f"{reason}; split it, or save it in another format"


def _failed(reason: str) -> dict[str, Any]:
    """The last answer of a process that could not give it."""
    found = {"encoding": "", "skipped": 0, "first": [], "without_text": ""}
    return {"error": ("document", reason), **found}


def _cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _take_idle() -> _Worker | None:
    with _idle_lock:
        while _idle:
            if (worker := _idle.pop()).is_alive():
                return worker
            worker.end()
    return None


@atexit.register
def end_idle() -> None:
    """End the processes that wait for further calls."""
    with _idle_lock:
        while _idle:
            _idle.pop().end()
