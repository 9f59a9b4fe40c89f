"""What the tests of searching share: where their documents are, makers of some, and an encoder."""

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

FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
ENGINES = ["fts5", "tantivy", "tsvector", "opensearch"]

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


def pdf(
    path: Path,
    *pages: Sequence[str] | bytes,
    fields: Sequence[tuple[str, int, int, str]] = (),
    producer: str = "",
) -> Path:
    """A PDF of some pages: lines of Helvetica, or a packed stream of PDF's own operators.

    `fields` are filled in on the first page: the entries that tell their kind, x and y in points
    from the lower left corner, and the value. They may be comments, too.
    """
    objects = [b"", b"", f"<</Producer({producer})>>".encode()]

    def add(content: bytes) -> int:
        objects.append(content)
        return len(objects)

    annotations = [
        add(
            f"<</Type/Annot/{kind}/F 4/T(f{y}){name}({value})/DA(/F 12 Tf)"
            f"/Rect[{x} {y - 4} {x + 150} {y + 12}]>>".encode("latin-1")
        )
        for kind, x, y, value in fields
        for name in ["/V" if "Widget" in kind else "/Contents"]
    ]
    kids = []
    for page in pages:
        if isinstance(page, bytes):
            stream = add(
                b"<</Filter/FlateDecode/Length %d>>stream\n" % len(page) + page + b"endstream"
            )
        else:
            lines = " ".join(f"({line}) Tj T*" for line in page)
            body = f"BT /F 12 Tf 72 780 Td 14 TL {lines} ET".encode("latin-1")
            stream = add(b"<</Length %d>>stream\n" % len(body) + body + b"\nendstream")
        shown = " ".join(f"{number} 0 R" for number in annotations)
        annotations = []
        kids.append(
            add(
                f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {stream} 0 R"
                f"/Resources<</Font<</F {FONT}>>>>/Annots[{shown}]>>".encode()
            )
        )
    refs = " ".join(f"{4 + place} 0 R" for place in range(len(fields)))
    form = f"/AcroForm<</Fields[{refs}]/DR<</Font<</F {FONT}>>>>>>" if fields else ""
    objects[0] = f"<</Type/Catalog/Pages 2 0 R{form}>>".encode()
    numbers = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = f"<</Type/Pages/Kids[{numbers}]/Count {len(kids)}>>".encode()
    out, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Size "
    end += f"{len(objects) + 1}/Root 1 0 R/Info 3 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    path.write_bytes(out + end.encode())
    return path
