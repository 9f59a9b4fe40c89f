"""What the tests of searching share: where their documents are, and an encoder."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pullquote.searching.documents import Notes, SourceFile, find, read

MILL = Path(__file__).parent.parent.parent / "examples" / "mill"
FILES = Path(__file__).parent / "files"

MakeFolder: TypeAlias = Callable[..., Path]


SAME = {"pet": "dog", "pets": "dog", "dogs": "dog", "money": "rent", "owed": "due"}


class HashEncoder:
    """An encoder for tests: a vector for each word, the same for words that mean the same."""

    dimensions = 64

    def __init__(self, name: str = "hash") -> None:
        self.name = name
        self.texts: list[str] = []  # all that it was given

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                seed = zlib.crc32(SAME.get(word, word).encode())
                vector += np.random.default_rng(seed).normal(size=self.dimensions)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)


def text_and_notes(path: Path) -> tuple[str, list[str]]:
    """The passages of a document, one a line, and what is reported of it."""
    notes = Notes(most=20)
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    found = [" / ".join(passage.text.split("\n\n")) for passage in read(file, notes)]
    guess = [f"read as {notes.encoding}"] if notes.encoding else []
    return "\n".join(found), [*map(str, notes.first), *guess]


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a ZIP file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def related(*entries: tuple[str, str, str]) -> str:
    """A file of relationships: ids, kinds and targets."""
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    inner = "".join(
        f'<Relationship Id="{id}" Type="{RELATED}/{kind}" Target="{target}"/>'
        for id, kind, target in entries
    )
    return f'<Relationships xmlns="{space}">{inner}</Relationships>'
