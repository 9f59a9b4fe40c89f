"""Finds documents in folders and reads each into passages, by the format that its name tells.

    for file in find(["contracts/"]):
        if isinstance(file, SourceFile):        # else a Problem
            for passage in read(file): ...

Knows file names and folders; each format has a module of its own. Text, source code, Markdown,
subtitles, RTF, e-mail, JSON, JSON Lines and CSV need no extra; HTML, PDF, EPUB and the files of
offices need `pip install "pullquote[files]"`, Parquet the extra `parquet`.
"""

from __future__ import annotations

import contextlib
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
from pullquote.errors import DocumentError, MissingExtraError, first_line
from pullquote.files import no_such_path, open_file
from pullquote.searching import plain
from pullquote.searching.books import read_epub
from pullquote.searching.html import read_html
from pullquote.searching.mail import mailbox_reader, message_reader, read_mht
from pullquote.searching.markdown import read_markdown
from pullquote.searching.office import read_docx, read_pptx
from pullquote.searching.opendocument import read_odp, read_odt
from pullquote.searching.parts import Note, Part, Skipped
from pullquote.searching.passages import passages
from pullquote.searching.pdf import read_pdf
from pullquote.searching.rtf import read_rtf
from pullquote.searching.sheets import read_ods, read_xls, read_xlsx
from pullquote.searching.signatures import HEAD, OLD_OR_ENCRYPTED, recognised
from pullquote.searching.subtitles import read_subtitles
from pullquote.searching.tables import reader
from pullquote.searching.text import read_text
from pullquote.text import decode_beginning
from pullquote.types import Document, Passage
from pullquote.urls import without_password


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: its reader, the unit of its places, and the endings of its file names."""

    read: Callable[[BinaryIO], Iterator[Part | Note]]
    unit: str
    endings: tuple[str, ...]
    apart: bool = False
    """Its files may be hostile, or its parser is compiled: read in a process of its own."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a number, since readers do not pickle; the other side has this version, too."""
        return _kind, (KINDS.index(self),)


def _kind(number: int) -> Kind:
    return KINDS[number]


def _reader_of(name: str) -> Callable[[BinaryIO], Iterator[Part | Note]] | None:
    """The reader of a file that is attached to a message."""
    kind = _by_name(name)
    return kind.read if kind else None


TEXT = Kind(read_text, "line", plain.ENDINGS + plain.CODE)
_LISTS = Kind(reader("json"), "row", (".json",))
KINDS = (
    TEXT,
    Kind(read_markdown, "line", (".md", ".markdown")),
    Kind(read_html, "block", (".html", ".htm", ".xhtml"), apart=True),
    Kind(read_pdf, "page", (".pdf",), apart=True),
    Kind(read_docx, "paragraph", (".docx", ".docm", ".dotx", ".dotm"), apart=True),
    Kind(read_pptx, "slide", (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), apart=True),
    Kind(read_odt, "paragraph", (".odt", ".ott", ".fodt"), apart=True),
    Kind(read_odp, "slide", (".odp", ".otp", ".fodp"), apart=True),
    Kind(read_rtf, "paragraph", (".rtf",), apart=True),
    Kind(read_xlsx, "row", (".xlsx", ".xlsm", ".xltx", ".xltm"), apart=True),
    Kind(read_xls, "row", (".xls", ".xlt"), apart=True),
    Kind(read_ods, "row", (".ods", ".ots", ".fods"), apart=True),
    Kind(read_epub, "section", (".epub",), apart=True),
    Kind(message_reader(_reader_of), "message", (".eml",), apart=True),
    Kind(mailbox_reader(_reader_of), "message", (".mbox",), apart=True),
    Kind(read_mht, "section", (".mht", ".mhtml"), apart=True),
    Kind(read_subtitles, "block", (".srt", ".vtt")),
    Kind(reader("jsonl"), "block", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")),
    Kind(reader("csv"), "block", (".csv", ".csv.gz")),
    Kind(reader("tsv"), "block", (".tsv", ".tab", ".tsv.gz")),
    Kind(reader("parquet"), "row", (".parquet",), apart=True),
    _LISTS,
)
_OLD = {".doc": ".docx", ".ppt": ".pptx", ".xlsb": ".xlsx"}
_BY_ENDING = {ending: kind for kind in KINDS for ending in kind.endings}

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
    """A file or folder that was not read, or not all of it, and why."""

    path: str
    reason: str
    partly: bool = False
    """The document was read, except for some parts."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def kind_of(path: str) -> Kind | None:
    """The format of a file by its name; None if it is not a document, such as a picture.

    A JSON file is a document if it holds a list of objects or of texts, rather than the settings of
    some program; so such a file is opened.
    """
    kind = _by_name(path)
    return None if kind is _LISTS and not _is_list(path) else kind


def _by_name(name: str) -> Kind | None:
    """The format that a name tells, whatever the file holds."""
    if plain.is_plain(name):
        return TEXT
    endings = Path(Path(name).name.lower()).suffixes
    ending = "".join(endings[-2:] if endings[-1:] == [".gz"] else endings[-1:])
    return _BY_ENDING.get(ending)


def _is_list(path: str) -> bool:
    """Whether a JSON file begins as a list of objects or texts does."""
    try:
        with open(path, "rb") as file:
            head = decode_beginning(file.read(4096)).lstrip("\ufeff")
            return re.match(r"\s*\[\s*[{\"]", head) is not None
    except OSError:
        return False


def find(
    paths: Iterable[str | os.PathLike[str]],
    left_out: Callable[[Problem], object] = lambda _: None,
) -> Iterator[SourceFile | Problem]:
    """Yield the documents at some paths and in all folders below them, each once, sorted by name.

    Left out in folders: hidden files and folders, and files whose ending is not a document's, for
    each of which `left_out` is called. A file that is itself among the paths is yielded in any
    case, as text if its ending is unknown, or as a problem if it is a picture, an archive or the
    like. Links are followed, but no folder is listed twice. Raises `DocumentError` for a path that
    does not exist.

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
            yield from _walk(full, seen, left_out)
        elif stat.S_ISREG(status.st_mode):
            if _first_time(status, seen):
                yield (
                    is_old(full)
                    or _unknown(full)
                    or SourceFile(full, kind_of(full) or TEXT, stamp(status))
                )
        else:
            raise DocumentError(f"{os.fspath(path)}: no file or folder, but a device or pipe")


def existing(path: str | os.PathLike[str]) -> os.stat_result:
    """The status of a file or folder. Raises `DocumentError` if it does not exist."""
    try:
        return Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DocumentError(no_such_path(path, "expected documents or a folder")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(f"{without_password(path)}: cannot be read ({reason})") from None


def _walk(
    top: str, seen: set[tuple[int, int]], left_out: Callable[[Problem], object]
) -> Iterator[SourceFile | Problem]:
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
                elif not stat.S_ISREG(entry.stat().st_mode):
                    left_out(Problem(entry.path, "no file, but a device, pipe or socket"))
                elif kind := kind_of(entry.path):
                    # follows a link, whose file may also be found under its own name
                    status = Path(entry.path).stat()
                    if _first_time(status, seen):
                        yield SourceFile(entry.path, kind, stamp(status))
                else:
                    left_out(Problem(entry.path, why_left_out(entry.name)))
            except OSError as error:  # a broken link, or a file that was removed meanwhile
                if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
                    continue
                yield Problem(entry.path, error.strerror or str(error))
        folders.extend(reversed(below))


def why_left_out(name: str) -> str:
    """Why a file with this name is no document."""
    ending = Path(name).suffix.lower()
    if ending in _OLD:
        return f"an old format; save it as {_OLD[ending]}"
    if ending == ".json":
        return "JSON, but no list of objects or texts"
    return f"{ending} is no ending of documents" if ending else "its name has no ending"


def is_old(path: str) -> Problem | None:
    """What to do with a file of an old format; None for another file, whatever its name is."""
    if Path(path).suffix.lower() not in _OLD:
        return None
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if file.read(4) == OLD_OR_ENCRYPTED:
            return Problem(path, why_left_out(path))
    return None


def _unknown(path: str) -> Problem | None:
    """What a file is whose name is no document's, if it is no text; None for another file."""
    if _by_name(path):
        return None
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if what := recognised(file.read(HEAD)):
            return Problem(path, what)
    return None


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
    """Collects what a reader reports about a document beside its text: some rows, and a count."""

    encoding: str = ""
    """The encoding that was guessed; "" if none was."""
    skipped: int = 0
    first: list[Skipped] = field(default_factory=list)
    without_text: str = ""
    """Why the document gave no passage; "" if it gave some."""
    most: int = 3
    """How many skipped parts are kept in `first`."""

    def add(self, note: Note) -> None:
        if isinstance(note, Skipped):
            self.skipped += 1
            if len(self.first) < self.most:
                self.first.append(note)
        else:
            self.encoding = note.encoding

    def clear(self) -> None:
        """Forget everything, because the document is read again."""
        self.encoding, self.skipped, self.first, self.without_text = "", 0, [], ""

    def problem(self, path: str) -> Problem | None:
        """What was skipped of a document, or that it has no text; None if all of it was read."""
        listed = "; ".join(map(str, self.first))
        if (more := self.skipped - len(self.first)) > 0:
            listed = f"{listed}; and {more:,} more"
        if self.skipped > 1:
            listed = f"{self.skipped:,} skipped: {listed}"
        if self.without_text:
            return Problem(path, "; ".join(filter(None, [self.without_text, listed])))
        return Problem(path, listed, partly=True) if self.skipped else None


def read(file: SourceFile, notes: Notes | None = None) -> Iterator[Passage]:
    """Yield the passages of a file, a few parts in memory at a time.

    `notes` collects skipped parts and a guessed encoding. Raises `DocumentError` for a file that is
    not of the format that its name tells, and for every failure of the format's library;
    `MissingExtraError` if that library is not installed; and `ChangedError` at the end if the file
    has changed since it was found: the passages may then mix old and new text. Reads in this
    process; `pool` reads in others, within limits of time and memory.

    >>> from pathlib import Path
    >>> from pullquote.searching.documents import find, read
    >>> _ = Path("notes.txt").write_text("The rent is 840 crowns.")
    >>> [passage.text for file in find(["notes.txt"]) for passage in read(file)]
    ['The rent is 840 crowns.']
    """
    try:
        yield from _read(file, Notes() if notes is None else notes)
    except (DocumentError, MissingExtraError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except OSError as error:
        raise DocumentError(f"cannot be read ({error.strerror or error})") from None
    except UnicodeError as error:
        raise DocumentError(f"not the text it seemed to be ({error})") from None
    except MemoryError:
        raise DocumentError("needs more memory than there is for it; split it") from None
    except RecursionError:
        raise DocumentError("nested too deeply; save it in another format") from None
    except BaseException as error:  # noqa: BLE001 -- of libraries: Rust's panics are no `Exception`
        raise DocumentError(
            f"broken, or its reader has a fault ({first_line(error)}); save it in another format"
        ) from None


def _read(file: SourceFile, notes: Notes) -> Iterator[Passage]:
    empty = True
    with open_file(file.path) as opened:  # it was one when it was found
        read = file.kind.read(opened) if file.stamp[0] else ()  # whatever its format would say
        parts = _without_notes(read, notes)
        for passage in passages(Document(file.path, file.kind.unit), parts):
            empty = False
            yield passage
        _wait_for_next_tick(file.stamp)
        now = os.fstat(opened.fileno()), Path(file.path).stat()
    if any(stamp(status) != file.stamp for status in now):
        raise ChangedError("changed while it was read")
    if empty:
        notes.without_text = "there is no text in it" if file.stamp[0] else "empty (0 bytes)"


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
