"""Tells plain texts and indexes from other files, without loading what reads those."""

from __future__ import annotations

import os
from pathlib import Path

ENDINGS = (".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log")
"""Of the names of plain texts."""
_NAMES = {"README", "LICENSE", "NOTICE", "COPYING", "AUTHORS", "CHANGELOG", "CHANGES", "TODO"}


def is_plain(path: str) -> bool:
    """Whether a file is a plain text by its name."""
    name = Path(path).name
    return name in _NAMES or Path(name.lower()).suffix in ENDINGS


def is_sqlite(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins with SQLite's signature."""
    try:
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False
