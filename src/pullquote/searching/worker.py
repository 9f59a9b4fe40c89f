"""A process that reads documents for another one, within limits of processor time and memory.

    python -c "from pullquote.searching.worker import main; main()"

Each request is a line of JSON on standard input, each answer one on standard output; `pool` has the
other end. What a parser does to this process (a crash, a hang, a full memory) costs one document.
Nothing that is received is run, on either side. Knows files and passages, no index.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

from pullquote.errors import DocumentError, MissingExtraError
from pullquote.searching.documents import KINDS, ChangedError, Notes, SourceFile, read
from pullquote.searching.parts import Skipped
from pullquote.types import Document, Mark, Passage

# Windows has none; there, the other process watches the time.
resource: Any = importlib.import_module("resource") if os.name == "posix" else None

PASSAGES = 200
"""How many passages an answer holds at most."""

_FULL = 256 << 20  # bytes; a process that has held more ends, so that the next file has its room


def main() -> None:
    """Answer requests until standard input ends, or a file took much memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, which ends this
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        _limit(request["seconds"], request["bytes"])
        file = SourceFile(request["path"], KINDS[request["kind"]], tuple(request["stamp"]))
        for answer in _read(file, request["most"]):
            _write(answers, answer)
        if not answer["goes_on"]:
            return


def request(file: SourceFile, *, seconds: int, memory: int, most: int) -> bytes:
    """The line that asks for a file: within so many seconds, and bytes beside what is used now."""
    return _line(
        {
            "path": file.path,
            "kind": KINDS.index(file.kind),
            "stamp": file.stamp,
            "seconds": seconds,
            "bytes": memory,
            "most": most,
        }
    ).encode("ascii")


def passages_in(
    answers: Iterable[dict[str, Any]], file: SourceFile, notes: Notes
) -> Iterator[Passage]:
    """Yield the passages in all answers for a file; yields and raises what `read` does."""
    document = Document(file.path, file.kind.unit)
    answer: dict[str, Any] = {}
    for answer in answers:
        for text, start, marks in answer.get("passages", ()):
            yield Passage(document, text, start, tuple(Mark(*mark) for mark in marks))
    _conclude(answer, notes)


def _conclude(answer: dict[str, Any], notes: Notes) -> None:
    """Add what the last answer reports to the notes, and raise its error if there is one."""
    notes.encoding, notes.skipped = answer["encoding"], answer["skipped"]
    notes.first = [Skipped(*skipped) for skipped in answer["first"]]
    notes.without_text = answer["without_text"]
    match answer["error"]:
        case ["missing", what, extra]:
            raise MissingExtraError(what, extra)
        case ["changed", reason]:
            raise ChangedError(reason)
        case ["document", reason]:
            raise DocumentError(reason)


def _read(file: SourceFile, most: int) -> Iterator[dict[str, Any]]:
    notes = Notes(most=most)
    error: tuple[str, ...] = ()
    found = read(file, notes)
    try:
        while some := list(itertools.islice(found, PASSAGES)):
            yield {
                "passages": [
                    (
                        passage.text,
                        passage.start,
                        [(m.offset, m.number, m.sheet) for m in passage.marks],
                    )
                    for passage in some
                ]
            }
    except ChangedError as raised:
        error = ("changed", str(raised))
    except DocumentError as raised:
        error = ("document", str(raised))
    except MissingExtraError as raised:
        error = ("missing", raised.what, raised.extra)
    except (KeyboardInterrupt, SystemExit) as raised:  # raised by a library
        error = ("document", f"its reader stopped ({type(raised).__name__})")
    yield {
        "error": error,
        "encoding": notes.encoding,
        "skipped": notes.skipped,
        "first": [(skipped.where, skipped.reason) for skipped in notes.first],
        "without_text": notes.without_text,
        "goes_on": _most_memory() < _FULL,
    }


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _write(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(_line(answer))
    answers.flush()


def _limit(seconds: int, memory: int) -> None:
    """Limit this process for the next file, where the platform can."""
    if resource is None:
        return
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)
    _set(resource.RLIMIT_AS, _address_space() + memory)


def _set(limit: int, value: int) -> None:
    """Set a limit, or leave it as low as it is."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, hard))


def _address_space() -> int:
    """How many bytes this process has mapped; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * int(resource.getpagesize())
    except OSError:
        return 0


def _most_memory() -> int:
    """The most bytes that this process has held; 0 where the system does not say.

    Not `ru_maxrss`, which on Linux begins with what the process that started this one held.
    """
    try:
        with open("/proc/self/status") as file:
            held = next(line for line in file if line.startswith("VmHWM:"))
        return int(held.split()[1]) << 10
    except (OSError, StopIteration):
        return 0
