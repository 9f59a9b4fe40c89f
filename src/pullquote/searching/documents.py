"""Files of every kind to passages: finds them in folders and reads each by its kind.

    for file in find(["contracts/"]):
        for passage in read(file): ...

Knows names and folders; each format has a module of its own. Text, Markdown, JSON, JSON Lines and
CSV need no extra; HTML, PDF, DOCX and EPUB need `pip install "pullquote[files]"`, Parquet the extra
`parquet`.
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
from typing import BinaryIO, TypeAlias

from pullquote.errors import DocumentError
from pullquote.searching.html import read_html
from pullquote.searching.office import read_docx, read_epub
from pullquote.searching.parts import Note, Part, Skipped
from pullquote.searching.passages import passages
from pullquote.searching.pdf import read_pdf
from pullquote.searching.tables import reader
from pullquote.searching.text import read_text
from pullquote.types import Document, Passage


@dataclass(frozen=True, slots=True)
class Kind:
    """How files of some endings are read, and what their places are counted in."""

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
"""Size, time of the last change, and time of the last change to that (which nobody can set)."""


_TICK = 20_000_000  # nanoseconds
_SHOWN = 3  # rows of a document that are named


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be read, and the state in which it was found."""

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
    """The kind of a file by its name; None for what is no document, such as a picture.

    Of JSON only lists are documents, of objects or texts, and settings of programs are none: that
    needs a look into the file.
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
            return re.match(rb"(?:\xef\xbb\xbf)?\s*\[\s*[{\"]", file.read(4096)) is not None
    except OSError:
        return False


def find(paths: Iterable[str | os.PathLike[str]]) -> Iterator[File | Problem]:
    """Yield the documents at some paths and in all folders below them, each once, by name.

    Hidden files and folders are left out, unless they are named, and so are files that are no
    documents by their name; a file that is named is read as text if its name does not say more.
    Links are followed; one that leads back to a folder above it ends there. Raises `DocumentError`
    for a path that does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        # with its links resolved, a file has one name only, however it was come by
        full = os.path.realpath(path)
        status = existing(path)
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(full, seen)
        elif stat.S_ISREG(status.st_mode):
            if _first_time(status, seen):
                yield File(full, kind_of(full) or TEXT, stamp(status))
        else:
            raise DocumentError(f"{os.fspath(path)}: no file or folder, but a device or pipe")


def existing(path: str | os.PathLike[str]) -> os.stat_result:
    """What a path leads to. Raises `DocumentError` if that is nothing."""
    try:
        return Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DocumentError(
            f"{os.fspath(path)}: no such file or folder; expected documents or a folder"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(f"{os.fspath(path)}: cannot be read ({reason})") from None


def _walk(top: str, seen: set[tuple[int, int]]) -> Iterator[File | Problem]:
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            if not _first_time(Path(folder).stat(), seen):
                continue  # a link to a folder above, or to one that another path holds
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
                    # a link leads to a file that may be found under its own name, too
                    status = Path(entry.path).stat()
                    if _first_time(status, seen):
                        yield File(entry.path, kind, stamp(status))
            except OSError as error:  # a link to nothing or to itself, or a file gone by now
                if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
                    continue
                yield Problem(entry.path, error.strerror or str(error))
        folders.extend(reversed(below))


def _first_time(status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    key = status.st_dev, status.st_ino
    if key in seen and status.st_ino:  # 0 where a file system has no such numbers
        return False
    seen.add(key)
    return True


def stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(slots=True)
class Notes:
    """Collects what a reader says of a document beside its text, without holding all of it."""

    encoding: str = ""
    """The one that was guessed, "" for none."""
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
        """Forget everything: the document is read again."""
        self.encoding, self.skipped, self.first = "", 0, []

    def problem(self, path: str) -> Problem | None:
        """What was left out of a document, if anything was."""
        if not self.skipped:
            return None
        listed = "; ".join(map(str, self.first))
        if self.skipped == 1:
            return Problem(path, listed)
        more = f"; and {self.skipped - _SHOWN:,} more" if self.skipped > _SHOWN else ""
        return Problem(path, f"{self.skipped:,} rows: {listed}{more}")


def read(file: File, notes: Notes | None = None) -> Iterator[Passage]:
    """Yield the passages of a file, holding little of it at once.

    `notes` collects what was left out, and a guess of the encoding. Raises `DocumentError` for a
    file that is not what its name says, and at its end for one that has changed since it was found:
    what was yielded may then be half of the old and half of the new. `MissingExtraError` where a
    library is not installed.
    """
    notes = Notes() if notes is None else notes
    empty = True
    try:
        with open(file.path, "rb") as opened:
            parts = _without_notes(file.kind.read(opened), notes)
            for passage in passages(Document(file.path, file.kind.unit), parts):
                empty = False
                yield passage
            _let_pass(file.stamp)
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


def _let_pass(found: Stamp) -> None:
    """Wait until a later change has a later time: clocks of file systems tick some 100 a second."""
    age = time.time_ns() - max(found[1:])
    if 0 <= age < _TICK:
        time.sleep((_TICK - age) / 1e9)


class ChangedError(DocumentError):
    """A file that somebody was writing to: to be tried again."""
