"""The page at `/`: three files and an example text, read into memory once, so that no path is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/example.txt": ("example.txt", "text/plain; charset=utf-8"),
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page."""

    content: bytes
    kind: str


def load() -> dict[str, File]:
    """Each path of the page to its file."""
    folder = resources.files(__name__)
    return {
        path: File(folder.joinpath(name).read_bytes(), kind)
        for path, (name, kind) in _FILES.items()
    }
