"""Tells plain texts and indexes from other files, without loading what reads those."""

from __future__ import annotations

import os
from pathlib import Path

from pullquote.files import open_file
from pullquote.searching.urls import is_index_url

ENDINGS = (".txt", ".text", ".rst", ".adoc", ".org", ".tex", ".log")
"""Of the names of plain texts, which are read as they are; Markdown is not."""
CODE = (
    *(".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".cs", ".java", ".kt", ".kts", ".scala"),
    *(".groovy", ".go", ".rs", ".swift", ".m", ".mm", ".d", ".zig", ".nim", ".v", ".f", ".f90"),
    *(".py", ".pyi", ".pyx", ".rb", ".pl", ".pm", ".php", ".lua", ".r", ".jl", ".tcl", ".awk"),
    *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".vue", ".css", ".scss", ".less", ".sql"),
    *(".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".cmd", ".hs", ".ml", ".mli", ".fs"),
    *(".ex", ".exs", ".erl", ".clj", ".lisp", ".el", ".scm", ".dart", ".pas", ".adb", ".ads"),
    *(".cmake", ".mk", ".gradle", ".tf", ".proto", ".toml", ".yaml", ".yml", ".ini", ".cfg"),
)
"""Of the names of source code and settings, which are read as text."""
_NAMES = {"README", "LICENSE", "NOTICE", "COPYING", "AUTHORS", "CHANGELOG", "CHANGES", "TODO"}
_CODE_NAMES = {"Makefile", "Dockerfile", "Jenkinsfile", "Rakefile", "Gemfile"}


def is_plain(path: str) -> bool:
    """Whether a file is a plain text by its name."""
    name = Path(path).name
    return name in _NAMES | _CODE_NAMES or Path(name.lower()).suffix in ENDINGS + CODE


def is_index(path: str | os.PathLike[str]) -> bool:
    """Whether this may be an index: an SQLite file, or the URL of one on a server."""
    return is_index_url(path) or is_sqlite(path)


def is_sqlite(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins with SQLite's signature."""
    try:
        with open_file(path) as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False
