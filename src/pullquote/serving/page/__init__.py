"""The files of the page at `/`, read into memory at the start: no request can name a file."""

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
class PageFile:
    """The bytes of a file and its `Content-Type`."""

    content: bytes
    content_type: str


def load() -> dict[str, PageFile]:
    """URL path to file, for all files of the page."""
    folder = resources.files(__name__)
    return {
        path: PageFile(folder.joinpath(name).read_bytes(), content_type)
        for path, (name, content_type) in _FILES.items()
    }
