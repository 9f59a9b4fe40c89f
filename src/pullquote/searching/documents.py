"""Finds documents in folders and reads each into passages, by the format that its name tells.

    for file in find(["contracts/"]):
        if isinstance(file, SourceFile):        # else a Problem
            for passage in read(file): ...

Knows file names and folders; each format has a module of its own. Text, Markdown, JSON, JSON Lines
and CSV need no extra; HTML, PDF, DOCX and EPUB need `pip install "pullquote[files]"`, Parquet the
extra `parquet`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from pullquote.deprecated import moved_names
from pullquote.errors import DocumentError
from pullquote.searching.html import read_html
from pullquote.searching.office import read_docx, read_epub
from pullquote.searching.parts import Note, Part, Skipped
from pullquote.searching.passages import passages
from pullquote.searching.pdf import read_pdf
from pullquote.searching.tables import reader
from pullquote.searching.text import read_text
from pullquote.text import decode_beginning
from pullquote.types import Document, Passage


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its reader, the unit of its places, and the endings of its file names."""

    read: Callable[[BinaryIO], Iterator[Part | Note]]
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
    Kind(reader("jsonl"), "block", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")),
    Kind(reader("csv"), "block", (".csv", ".csv.gz")),
    Kind(reader("tsv"), "block", (".tsv", ".tab", ".tsv.gz")),
    Kind(reader("parquet"), "row", (".parquet",)),
)
_JSON_LIST = Kind(reader("json"), "row", (".json",))
_BY_ENDING = {ending: kind for kind in KINDS for ending in kind.endings}
_PLAIN_NAMES = {"README", "LICENSE", "NOTICE", "COPYING", "AUTHORS", "CHANGELOG", "CHANGES", "TODO"}

Stamp: TypeAlias = "tuple[int, int, int]"
"""Size in bytes, `st_mtime_ns` and `st_ctime_ns`; programs can set the first time only."""

_CLOCK_TICK = 20_000_000  # nanoseconds: file systems update their clock some 100 times a second
_SHOWN = 3  # skipped rows of a document that are named


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
    """The format of a file by its name; None if it is not a document, such as a picture.

    A JSON file is a document if it holds a list of objects or of texts, rather than the settings of
    some program; so such a file is opened.
    """
    name = Path(path).name
    if name in _PLAIN_NAMES:
        return TEXT
    endings = Path(name.lower()).suffixes
    ending = "".join(endings[-2:] if endings[-1:] == [".gz"] else endings[-1:])
    if ending == ".json" and _is_list(path):
        return _JSON_LIST
    return _BY_ENDING.get(ending)


def _is_list(path: str) -> bool:
    """Whether a JSON file begins as a list of objects or texts does."""
    try:
        with open(path, "rb") as file:
            head = decode_beginning(file.read(4096)).lstrip("\ufeff")
            return re.match(r"\s*\[\s*[{\"]", head) is not None
    except OSError:
        return False


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
                elif stat.S_ISREG(entry.stat().st_mode) and (kind := kind_of(entry.path)):
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


@dataclass(slots=True)
class Notes:
    """Collects what a reader reports about a document beside its text: a few rows, and a count."""

    encoding: str = ""
    """The encoding that was guessed; "" if none was."""
    skipped: int = 0
    first: list[Skipped] = field(default_factory=list)

    def add(self, note: Note) -> None:
        if isinstance(note, Skipped):
            self.skipped += 1
            if len(self.first) < _SHOWN:
                self.first.append(note)
        else:
            self.encoding = note.encoding

    def clear(self) -> None:
        """Forget everything, because the document is read again."""
        self.encoding, self.skipped, self.first = "", 0, []

    def problem(self, path: str) -> Problem | None:
        """The rows of a document that were skipped, as one problem; None if there are none."""
        if not self.skipped:
            return None
        listed = "; ".join(map(str, self.first))
        if self.skipped == 1:
            return Problem(path, listed)
        more = f"; and {self.skipped - _SHOWN:,} more" if self.skipped > _SHOWN else ""
        return Problem(path, f"{self.skipped:,} rows: {listed}{more}")


def read(file: SourceFile, notes: Notes | None = None) -> Iterator[Passage]:
    """Yield the passages of a file, a few parts in memory at a time.

    `notes` collects skipped rows and a guessed encoding. Raises `DocumentError` for a file that is
    not of the format that its name tells, `MissingExtraError` if the library for the format is not
    installed, and `ChangedError` at the end if the file has changed since it was found: the
    passages may then mix old and new text.

    >>> from pathlib import Path
    >>> from pullquote.searching.documents import find, read
    >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
    >>> [passage.text for file in find(["notes.txt"]) for passage in read(file)]
    ['The rent is 840 crowns.']
    """
    notes = Notes() if notes is None else notes
    empty = True
    try:
        with open(file.path, "rb") as opened:
            parts = _without_notes(file.kind.read(opened), notes)
            for passage in passages(Document(file.path, file.kind.unit), parts):
                empty = False
                yield passage
            _wait_for_next_tick(file.stamp)
            now = os.fstat(opened.fileno()), Path(file.path).stat()
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror or error})") from None
    except UnicodeError as error:
        raise DocumentError(f"not the text it seemed to be ({error})") from None
    if any(stamp(status) != file.stamp for status in now):
        raise ChangedError("changed while it was read")
    if empty and file.stamp[0]:
        notes.add(Skipped("all of it", "there is no text in it"))


def _without_notes(parts: Iterable[Part | Note], notes: Notes) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Part):
            yield part
        else:
            notes.add(part)


def _wait_for_next_tick(found: Stamp) -> None:
    """Wait until a further change of the file would get a later time than the stamp's."""
    age = time.time_ns() - max(found[1:])
    if 0 <= age < _CLOCK_TICK:
        time.sleep((_CLOCK_TICK - age) / 1e9)


class ChangedError(DocumentError):
    """A file that was written to while it was read; reading it again may succeed."""


if not TYPE_CHECKING:  # so that a type checker still reports unknown names
    __getattr__ = moved_names(__name__, {"File": f"{__name__}.SourceFile"})
