"""Atomic file writing: a file is complete under its name, or the old file stays.

Also says what to do about a path at which there is nothing to read.

After a full disk, a read-only folder, Ctrl-C or a power cut, the old file is unchanged and no
half-written file is left beside it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, TextIO, TypeAlias, overload

from pullquote.errors import OutputError
from pullquote.urls import is_url, without_password

_Bytes: TypeAlias = Literal["rb", "wb", "ab", "a+b"]
_Text: TypeAlias = Literal["r", "w", "a"]
PATIENCE = 10
"""Seconds that a pipe may have no reader before what should be written to it is an error."""


def cache_directory() -> Path:
    """The folder for cached files: `PULLQUOTE_CACHE`, or pullquote's part of the user's cache."""
    root = os.environ.get("PULLQUOTE_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullquote"


def no_such_path(path: str | os.PathLike[str], todo: str, what: str = "file or folder") -> str:
    """The message for a path at which there is nothing: what was found, and what to do.

    >>> no_such_path("lease.pdf", "expected documents or a folder")
    'lease.pdf: no such file or folder; expected documents or a folder'
    >>> no_such_path("https://example.org/lease.pdf", "expected documents or a folder")
    'https://example.org/lease.pdf: a URL, which is not fetched; save it, and give its file'

    A pattern such as "*.pdf" comes here where a shell has not put what matches in its place.
    """
    return f"{without_password(path)}: {why_missing(path, todo, what)}"


def why_missing(path: str | os.PathLike[str], todo: str = "", what: str = "file") -> str:
    """The same without the path."""
    import glob  # only for an error

    text = os.fspath(path)
    if is_url(text):
        scheme = text.partition("://")[0].lower()
        if scheme == "file":
            return "a URL; give the path alone"
        web = scheme in ("http", "https")
        save = "save it, and give its file" if web else "copy its files here, and give those"
        return f"a URL, which is not fetched; {save}"
    if re.search(r"[*?]|\[.+\]", text):
        with contextlib.suppress(OSError, ValueError):  # NUL characters
            for first in glob.iglob(text):  # noqa: PTH207 -- of any path
                return (
                    f"a pattern; expected the paths that match it, such as {first} (the shell "
                    "gives them where the pattern has no quotation marks around it)"
                )
        if re.fullmatch(r"[^*?[]+ [^*?[]+\?", text):
            return f"no such {what}; a question stands before the paths"
        return f"no {what} matches this pattern; check it, or give a whole folder"
    if text.startswith("~"):
        return f"no such {what}; the shell replaces ~ only outside quotation marks"
    return f"no such {what}; {todo}" if todo else f"no such {what}"


def cannot_write(path: str | os.PathLike[str], error: OSError, also: str = "") -> OutputError:
    """The `OutputError` for an error of the file system; an `OutputError` is returned as it is."""
    if isinstance(error, OutputError):
        return error
    return OutputError(
        f"{path}: cannot be written ({error.strerror or error}); "
        f"choose another place or make room{also}"
    )


@overload
def open_file(
    path: str | os.PathLike[str], mode: _Bytes = "rb", *, links: bool = True
) -> BinaryIO: ...
@overload
def open_file(path: str | os.PathLike[str], mode: _Text, *, links: bool = True) -> TextIO: ...
def open_file(path: str | os.PathLike[str], mode: str = "rb", *, links: bool = True) -> IO[Any]:
    """Open a file that has a name of pullquote's choice, where somebody may have put anything.

    A pipe, which would be waited for, or a device is an `OSError`; without `links`, so is a link:
    what is written would go elsewhere. A file that the user names may be any of them: use `open`.
    """
    path = Path(path)

    def check(status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, f"{_kind(status.st_mode)}, not a file", str(path))

    def opened(name: str, flags: int) -> int:
        with contextlib.suppress(FileNotFoundError):
            check(path.stat() if links else path.lstat())  # opening a device may do something
        # from here on: whoever changes it now is not waited for, nor followed
        flags |= getattr(os, "O_NONBLOCK", 0) | (0 if links else getattr(os, "O_NOFOLLOW", 0))
        return os.open(name, flags, 0o666)

    encoding = None if "b" in mode else "utf-8"
    file: IO[Any] = open(path, mode, encoding=encoding, opener=opened)  # noqa: SIM115 -- given out
    try:
        check(os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(mode), "a device or socket")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, links: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, else removed.

    Links are followed; a device or pipe (/dev/stdout) is written directly. Without `links`, for a
    name of pullquote's choice, any of them is replaced as a file is: somebody else may have put it
    there. Raises `OutputError` for errors of the file system.
    """
    import tempfile  # reading does not need it

    path = Path(path)
    temporary = None
    try:
        if links and path.exists() and not path.is_file() and not path.is_dir():
            with _read_by_somebody(path):
                yield path  # not replaced: as root, that would turn /dev/null into a file
            return
        target = Path(os.path.realpath(path) if links else path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Keeps the suffix, by which some writers choose their format, but not the name, which may
        # already have the maximal length.
        handle, name = tempfile.mkstemp(
            prefix=".pullquote-", suffix=target.suffix[:20], dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(_mode(target))  # files of mkstemp can be read by their owner only
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _read_by_somebody(path: Path) -> Iterator[None]:
    """Hold a pipe open, once it is read. Raises an `OSError` for one that nobody reads.

    Whoever opens such a pipe waits without end.
    """
    if not path.is_fifo():
        yield
        return
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            held = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > ends:
                raise OSError(errno.ENXIO, f"a pipe that nobody reads for {PATIENCE} s") from None
            time.sleep(0.05)
    try:
        yield
    finally:
        os.close(held)


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or of a new file."""
    if target.is_file() and not target.is_symlink():
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: str = "w", *, links: bool = True
) -> Iterator[IO[Any]]:
    """Open `path` for atomic writing: UTF-8 text, or bytes with mode "wb".

    `links` is that of `replacing`.

    >>> with atomic_write("notes.txt") as file:
    ...     _ = file.write("whole or not at all")
    >>> Path("notes.txt").read_text()
    'whole or not at all'
    """
    encoding = None if "b" in mode else "utf-8"
    # a lone surrogate cannot be encoded; it is written as "\ud800", which JSON reads back
    errors = None if "b" in mode else "backslashreplace"
    newline = None if "b" in mode else "\n"
    with (
        replacing(path, links=links) as temporary,
        open(temporary, mode, encoding=encoding, errors=errors, newline=newline) as file,
    ):
        yield file


def write_json(
    path: str | os.PathLike[str], value: Any, *, indent: int | None = 2, links: bool = True
) -> None:
    """Write `value` atomically as JSON, with a newline at the end."""
    write_all_json({Path(path): value}, indent=indent, links=links)


def write_all_json(
    contents: Mapping[Path, Any], *, indent: int | None = 2, links: bool = True
) -> None:
    """Write several JSON files; none is renamed before all of them are written."""
    with contextlib.ExitStack() as stack:
        for path, value in contents.items():
            file = stack.enter_context(atomic_write(path, links=links))
            json.dump(value, file, ensure_ascii=False, indent=indent, allow_nan=False)
            file.write("\n")
            file.flush()  # so that a full disk fails here, before the first file is renamed
