"""Holds a folder or file, so that no two processes write to it.

with locked(out): ...           # OutputError where another process is in there
with locked(path, file): ...    # a file that is open
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pullquote.errors import OutputError


@contextlib.contextmanager
def locked(path: Path, file: IO[bytes] | None = None) -> Iterator[None]:
    """Hold a folder, or an open file; the system lets go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        yield
        return
    held = os.dup(file.fileno()) if file else os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(f"{path}: another process is writing to it") from None
        yield
    finally:
        os.close(held)
