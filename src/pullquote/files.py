"""Writing files so that nothing is ever lost: whole under its name, or not there at all.

Knows nothing of what is written. A full disk, a read-only folder, Ctrl-C or a power cut leaves the
old file as it was, and no half-written one beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pullquote.errors import OutputError


def cache_directory() -> Path:
    """Where what can be made again is kept: `PULLQUOTE_CACHE`, or the user's own cache."""
    root = os.environ.get("PULLQUOTE_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullquote"


def cannot_write(path: str | os.PathLike[str], error: OSError, also: str = "") -> OutputError:
    """What to raise for an error of the file system; one that says so already stays as it is."""
    if isinstance(error, OutputError):
        return error
    return OutputError(
        f"{path}: cannot be written ({error.strerror or error}); "
        f"choose another place or make room{also}"
    )


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes its name, else it is removed.

    A link is followed, and a device or pipe (/dev/stdout) is written as it is. Raises `OutputError`
    for what the file system refuses.
    """
    path = Path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path  # nothing is lost there, and root could replace /dev/null by a file
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        # a suffix as the name has it, since some writers choose their format by it; not more of
        # the name, which may be as long as names can be
        handle, name = tempfile.mkstemp(
            prefix=".pullquote-", suffix=target.suffix[:20], dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(_mode(target))  # mkstemp makes files that only the owner can read
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
    """The permissions of the file that is replaced, or those of any new one."""
    if target.exists():
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open `path` for writing (UTF-8, or bytes with mode "wb") so that it appears whole or not.

    >>> with atomic_write("notes.txt") as file:
    ...     _ = file.write("whole or not at all")
    >>> Path("notes.txt").read_text()
    'whole or not at all'
    """
    encoding = None if "b" in mode else "utf-8"
    # a lone surrogate has no UTF-8; as "\ud800" it is what JSON can read back
    errors = None if "b" in mode else "backslashreplace"
    newline = None if "b" in mode else "\n"
    with (
        replacing(path) as temporary,
        open(temporary, mode, encoding=encoding, errors=errors, newline=newline) as file,
    ):
        yield file


def write_json(path: str | os.PathLike[str], value: Any, *, indent: int | None = 2) -> None:
    """Write `value` as JSON text, atomically, with a newline at its end."""
    write_all_json({Path(path): value}, indent=indent)


def write_all_json(contents: Mapping[Path, Any], *, indent: int | None = 2) -> None:
    """Write several files; none takes its name before all of them are written."""
    with contextlib.ExitStack() as stack:
        for path, value in contents.items():
            file = stack.enter_context(atomic_write(path))
            json.dump(value, file, ensure_ascii=False, indent=indent, allow_nan=False)
            file.write("\n")
            file.flush()  # a full disk is met here, before the first of them is renamed
