"""Finds documents in folders and reads each into passages, by the format that its name tells.

    for file in find(["contracts/"]):
        if isinstance(file, SourceFile):        # else a Problem
            for passage in read(file): ...

Knows file names and folders; each format has a module of its own. Text, Markdown, JSON Lines and
CSV need no extra; HTML, PDF, DOCX and EPUB need `pip install "pullquote[files]"`.
"""

from __future__ import annotations

import errno
import os
import stat
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from pullquote.errors import DocumentError
from pullquote.searching.html import read_html
from pullquote.searching.office import read_docx, read_epub
from pullquote.searching.parts import Part
from pullquote.searching.passages import passages
from pullquote.searching.pdf import read_pdf
from pullquote.searching.tables import read_csv, read_jsonl
from pullquote.searching.text import read_text
from pullquote.types import Document, Passage


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its reader, the unit of its places, and the endings of its file names."""

    read: Callable[[BinaryIO], Iterator[Part]]
    unit: str
    endings: tuple[str, ...]


TEXT = Kind(
    read_text,
    "line",
    (".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log"),
)
KINDS = (
    TEXT,
    Kind(read_html, "block", (".html", ".htm", ".xhtml")),
    Kind(read_pdf, "page", (".pdf",)),
    Kind(read_docx, "paragraph", (".docx", ".docm", ".dotx")),
    Kind(read_epub, "section", (".epub",)),
    Kind(read_jsonl, "block", (".jsonl", ".ndjson")),
    Kind(read_csv, "block", (".csv",)),
)
_BY_ENDING = {ending: kind for kind in KINDS for ending in kind.endings}
_PLAIN_NAMES = {"README", "LICENSE", "NOTICE", "COPYING", "AUTHORS", "CHANGELOG", "CHANGES", "TODO"}

Stamp: TypeAlias = "tuple[int, int, int]"
"""Size in bytes, `st_mtime_ns` and `st_ctime_ns`; programs can set the first time only."""

_CLOCK_TICK = 20_000_000  # nanoseconds: file systems update their clock some 100 times a second


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A document's file, its format, and its stamp when it was found."""

    path: str
    kind: Kind
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder that could not be read, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def kind_of(path: str) -> Kind | None:
    """The format of a file by its name; None if it is not a document, such as a picture."""
    name = Path(path).name
    return TEXT if name in _PLAIN_NAMES else _BY_ENDING.get(Path(path).suffix.lower())


def find(paths: Iterable[str | os.PathLike[str]]) -> Iterator[SourceFile | Problem]:
    """Yield the documents at some paths and in all folders below them, each once, sorted by name.

    Left out in folders: hidden files and folders, and files whose ending is not a document's. A
    file that is itself among the paths is yielded in any case, as text if its ending is unknown.
    Links are followed, but no folder is listed twice. Raises `DocumentError` for a path that does
    not exist.

    >>> from pathlib import Path
    >>> from pullquote.searching.documents import find
    >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
    >>> [Path(file.path).name for file in find(["."])]
    ['notes.txt']
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        # with links resolved, a file has the same name whichever path led to it
        full = os.path.realpath(path)
        status = existing(path)
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(full, seen)
        elif stat.S_ISREG(status.st_mode):
            if _first_time(status, seen):
                yield SourceFile(full, kind_of(full) or TEXT, stamp(status))
        else:
            raise DocumentError(f"{os.fspath(path)}: no file or folder, but a device or pipe")


def existing(path: str | os.PathLike[str]) -> os.stat_result:
    """The status of a file or folder. Raises `DocumentError` if it does not exist."""
    try:
        return Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DocumentError(
            f"{os.fspath(path)}: no such file or folder; expected documents or a folder"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(f"{os.fspath(path)}: cannot be read ({reason})") from None


def _walk(top: str, seen: set[tuple[int, int]]) -> Iterator[SourceFile | Problem]:
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            if not _first_time(Path(folder).stat(), seen):
                continue  # listed before: a link to a folder above, or a second path to it
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield Problem(folder, f"cannot be listed ({error.strerror or error})")
            continue
        below = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    below.append(entry.path)
                elif (kind := kind_of(entry.name)) and stat.S_ISREG(entry.stat().st_mode):
                    # follows a link, whose file may also be found under its own name
                    status = Path(entry.path).stat()
                    if _first_time(status, seen):
                        yield SourceFile(entry.path, kind, stamp(status))
            except OSError as error:  # a broken link, or a file that was removed meanwhile
                if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
                    continue
                yield Problem(entry.path, error.strerror or str(error))
        folders.extend(reversed(below))


def _first_time(status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    key = status.st_dev, status.st_ino
    if key in seen and status.st_ino:  # 0 on file systems without inode numbers
        return False
    seen.add(key)
    return True


def stamp(status: os.stat_result) -> Stamp:
    """What tells whether a file has changed."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read(file: SourceFile) -> Iterator[Passage]:
    """Yield the passages of a file, a few parts in memory at a time.

    Raises `DocumentError` for a file that is not of the format that its name tells,
    `MissingExtraError` if the library for the format is not installed, and `ChangedError` at the
    end if the file has changed since it was found: the passages may then mix old and new text.

    >>> from pathlib import Path
    >>> from pullquote.searching.documents import find, read
    >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
    >>> [passage.text for file in find(["notes.txt"]) for passage in read(file)]
    ['The rent is 840 crowns.']
    """
    try:
        with open(file.path, "rb") as opened:
            parts = file.kind.read(opened)
            yield from passages(Document(file.path, file.kind.unit), parts)
            _wait_for_next_tick(file.stamp)
            now = os.fstat(opened.fileno()), Path(file.path).stat()
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror or error})") from None
    except UnicodeError as error:
        raise DocumentError(f"not the text it seemed to be ({error})") from None
    if any(stamp(status) != file.stamp for status in now):
        raise ChangedError("changed while it was read")


def _wait_for_next_tick(found: Stamp) -> None:
    """Wait until a further change of the file would get a later time than the stamp's."""
    age = time.time_ns() - max(found[1:])
    if 0 <= age < _CLOCK_TICK:
        time.sleep((_CLOCK_TICK - age) / 1e9)


class ChangedError(DocumentError):
    """A file that was written to while it was read; reading it again may succeed."""


if not TYPE_CHECKING:  # so that a type checker still reports unknown names

    def __getattr__(name: str) -> Any:
        if name != "File":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(
            f"{__name__}.File was renamed to SourceFile", DeprecationWarning, stacklevel=2
        )
        return SourceFile
