"""Tantivy in a process of its own: what its files do to a process ends that one.

    engine = TantivyProcess(Path("notes.db.tantivy"))     # calls are those of TantivyEngine

Tantivy believes its files. Of damaged ones whose checksums are right, some end the process that
reads or merges them, or ask for any memory; here, each is an `IndexFileError`, and the next call
begins anew. Knows calls and their limits, not what they do. Where Python cannot start itself again,
Tantivy works in this process.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pullquote.errors import (
    IndexBusyError,
    IndexFileError,
    IndexUnreachableError,
    MissingExtraError,
    OutputError,
    PullquoteError,
    first_line,
)
from pullquote.searching.engines import Among, IndexedPassage, Match
from pullquote.searching.engines.tantivy import TantivyEngine, not_readable
from pullquote.searching.process import Process, can_start, limit, requests

SECONDS = 30
"""Processor time of a call."""
SECONDS_PER_MIB = 4
"""Processor time of a call beside, for each MiB of the files, which it may check or merge."""
MEMORY = 2 << 30
"""Bytes that a call may take, beside what was used before; the size of the files comes to that."""

_PROGRAM = "from pullquote.searching.engines.tantivy_process import main; main()"
_ROWS = 1000  # passages of a call
_LARGEST = 1 << 40  # bytes: a file of holes says any size
_ERRORS = {kind.__name__: kind for kind in (IndexBusyError, IndexFileError, OutputError)}


def open_engine(folder: Path) -> TantivyProcess | TantivyEngine:
    """Tantivy's engine for a folder, in another process where there can be one."""
    return TantivyProcess(folder) if can_start() else TantivyEngine(folder)


class TantivyProcess:
    """A `TantivyEngine` in another process, which starts with the first call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: Process | None = None
        self._seen = -1  # the generation that searches see
        self._ending: Any = None  # ends the process when this object is gone
        self._call("open")

    @property
    def generation(self) -> int:
        return int(self._call("generation"))

    def add(self, rows: Iterable[IndexedPassage]) -> None:
        self._call_with_rows("add", rows)

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        self._call_with_rows("remove", rows)

    def clear(self) -> None:
        self._call("clear")

    def commit(self, generation: int) -> None:
        self._call("commit", generation)

    def rollback(self) -> None:
        if self._process:  # else what was not committed is gone with it
            self._call("rollback")

    def settle(self, share: float) -> None:
        if self._process:
            self._call("settle", share)

    def refresh(self, generation: int) -> None:
        self._seen = generation  # told with each search, which is one call in place of two

    def search(self, words: Sequence[str], limit: int, among: Among | None) -> list[Match]:
        within = among and (among.column, list(among.ids))
        found = self._call("search", self._seen, list(words), limit, within)
        return [Match(*match) for match in found]

    def close(self) -> None:
        with suppress(IndexFileError):
            self.settle(0.0)
        self._end()

    def _call_with_rows(self, name: str, rows: Iterable[IndexedPassage]) -> None:
        left = iter(rows)
        while some := [(row.id, row.document, row.text) for row in itertools.islice(left, _ROWS)]:
            self._call(name, some)

    def _call(self, name: str, *arguments: object) -> Any:
        """The value of a call. Raises pullquote's errors, an `IndexFileError` if it ends there, and
        `IndexUnreachableError` if someone else ends it.
        """
        size = _size(self.folder)
        seconds = SECONDS + SECONDS_PER_MIB * (size >> 20)
        request = {
            "folder": os.fspath(self.folder),
            "call": name,
            "arguments": arguments,
            "seconds": seconds,
            "bytes": MEMORY + size,
        }
        process = self._started()
        try:
            answer = process.ask(request, seconds)
        except BaseException:  # Ctrl-C: whose answer comes next is not known
            self._end()
            raise
        if answer is None:
            how, was_killed = process.how_it_ended(seconds), process.was_killed()
            self._end()
            if was_killed:  # which says nothing about the files
                raise IndexUnreachableError(
                    f"{self.folder}: the process that reads it was killed, as by a system whose "
                    "memory is full; make the same call again"
                )
            raise not_readable(self.folder, f"its process {how}")
        match answer.get("error"):
            case ["MissingExtraError", what, extra]:
                raise MissingExtraError(what, extra)
            case [kind, message]:
                raise _ERRORS[kind](message)
        return answer["value"]

    def _started(self) -> Process:
        if self._process is None or not self._process.is_ours:
            try:
                self._process = Process(_PROGRAM)
            except OSError as error:
                raise OutputError(
                    f"{self.folder}: no process for its engine ({first_line(error)}); make room"
                ) from None
            self._ending = weakref.finalize(self, self._process.end)
        return self._process

    def _end(self) -> None:
        if self._process:
            self._process = None
            self._ending()


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; 0 for what is none, which the engine tells."""
    size = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                size += entry.stat(follow_symlinks=False).st_size
    return min(size, _LARGEST)


# ---- the other end


def main() -> None:
    """Answer calls until the process that asks has ended."""
    asked, write = requests()
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    # in a thread, so that nothing goes on for nobody, and the lock of the folder is let go
    threading.Thread(target=_receive, args=(asked, waiting), daemon=True).start()
    engine: TantivyEngine | None = None
    while True:
        request = waiting.get()
        limit(request["seconds"], request["bytes"])
        try:
            if engine is None:
                engine = TantivyEngine(Path(request["folder"]))
            write({"value": _answer(engine, request["call"], request["arguments"])})
        except MissingExtraError as error:
            write({"error": ["MissingExtraError", error.what, error.extra]})
        except PullquoteError as error:
            write({"error": [type(error).__name__, str(error)]})


def _receive(asked: Iterator[dict[str, Any]], waiting: queue.SimpleQueue[dict[str, Any]]) -> None:
    for request in asked:
        waiting.put(request)
    os._exit(0)


def _answer(engine: TantivyEngine, name: str, arguments: list[Any]) -> Any:
    match name:
        case "open":
            return None
        case "generation":
            return engine.generation
        case "search":
            generation, words, limit, within = arguments
            engine.refresh(generation)
            among = within and Among(*within)
            return [(found.id, found.score) for found in engine.search(words, limit, among)]
        case "add" | "remove":
            return getattr(engine, name)(IndexedPassage(*row) for row in arguments[0])
        case _:
            return getattr(engine, name)(*arguments)
