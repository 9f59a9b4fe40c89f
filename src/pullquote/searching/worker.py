"""A process that reads documents for another one, within limits of processor time and memory.

    python -c "from pullquote.searching.worker import main; main()"

`pool` has the other end. What a parser does to this process (a crash, a hang, a full memory) costs
one document. Knows files and passages, no index.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from pullquote.errors import DocumentError, MissingExtraError
from pullquote.searching.documents import KINDS, ChangedError, Notes, SourceFile, read
from pullquote.searching.parts import Skipped
from pullquote.searching.process import limit, most_memory, requests
from pullquote.types import Document, Mark, Passage

PASSAGES = 200
"""How many passages an answer holds at most."""

_FULL = 256 << 20  # bytes; a process that has held more ends, so that the next file has its room


def main() -> None:
    """Answer requests until standard input ends, or a file took much memory."""
    asked, write = requests()
    for request in asked:
        limit(request["seconds"], request["bytes"])
        file = SourceFile(request["path"], KINDS[request["kind"]], tuple(request["stamp"]))
        for answer in _read(file, request["most"]):
            write(answer)
        if not answer["goes_on"]:
            return


def request(file: SourceFile, *, seconds: int, memory: int, most: int) -> dict[str, Any]:
    """What asks for a file: within so many seconds, and bytes beside what is used now."""
    return {
        "path": file.path,
        "kind": KINDS.index(file.kind),
        "stamp": file.stamp,
        "seconds": seconds,
        "bytes": memory,
        "most": most,
    }


def passages_in(
    answers: Iterable[dict[str, Any]], file: SourceFile, notes: Notes
) -> Iterator[Passage]:
    """Yield the passages in all answers for a file; yields and raises what `read` does."""
    document = Document(file.path, file.kind.unit)
    answer: dict[str, Any] = {}
    for answer in answers:
        for text, start, marks in answer.get("passages", ()):
            yield Passage(document, text, start, tuple(itertools.starmap(_mark, marks)))
    _conclude(answer, notes)


def _mark(offset: int, number: int, sheet: str, fields: list[list[Any]]) -> Mark:
    return Mark(offset, number, sheet, tuple((name, value) for name, value in fields))


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
                        [(m.offset, m.number, m.sheet, m.fields) for m in passage.marks],
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
        "goes_on": most_memory() < _FULL,
    }
