"""Holds a folder or file, so that no two processes write to it.

with locked(out): ...     # OutputError where another process is in there
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pullquote.errors import OutputError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a path that exists; the system lets it go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        yield
        return
    held = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(f"{path}: another process is writing to it") from None
        yield
    finally:
        os.close(held)
