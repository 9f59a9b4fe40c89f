"""Atomic file writing: a file is complete under its name, or the old file stays.

After a full disk, a read-only folder, Ctrl-C or a power cut, the old file is unchanged and no
half-written file is left beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pullquote.errors import OutputError


def cache_directory() -> Path:
    """The folder for cached files: `PULLQUOTE_CACHE`, or pullquote's part of the user's cache."""
    root = os.environ.get("PULLQUOTE_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullquote"


def cannot_write(path: str | os.PathLike[str], error: OSError, also: str = "") -> OutputError:
    """The `OutputError` for an error of the file system; an `OutputError` is returned as it is."""
    if isinstance(error, OutputError):
        return error
    return OutputError(
        f"{path}: cannot be written ({error.strerror or error}); "
        f"choose another place or make room{also}"
    )


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, else removed.

    Links are followed; a device or pipe (/dev/stdout) is written directly. Raises `OutputError` for
    errors of the file system.
    """
    import tempfile  # reading does not need it

    path = Path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path  # not replaced: as root, that would turn /dev/null into a file
            return
        target = Path(os.path.realpath(path))
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


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or of a new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open `path` for atomic writing: UTF-8 text, or bytes with mode "wb".

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
        replacing(path) as temporary,
        open(temporary, mode, encoding=encoding, errors=errors, newline=newline) as file,
    ):
        yield file


def write_json(path: str | os.PathLike[str], value: Any, *, indent: int | None = 2) -> None:
    """Write `value` atomically as JSON, with a newline at the end."""
    write_all_json({Path(path): value}, indent=indent)


def write_all_json(contents: Mapping[Path, Any], *, indent: int | None = 2) -> None:
    """Write several JSON files; none is renamed before all of them are written."""
    with contextlib.ExitStack() as stack:
        for path, value in contents.items():
            file = stack.enter_context(atomic_write(path))
            json.dump(value, file, ensure_ascii=False, indent=indent, allow_nan=False)
            file.write("\n")
            file.flush()  # so that a full disk fails here, before the first file is renamed
