"""Files that are no documents, by how they begin."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from searching_helpers import FILES

from pullquote.searching.documents import Problem, SourceFile, find
from pullquote.searching.signatures import HEAD, recognised


def zip_file() -> bytes:
    sink = io.BytesIO()
    zipfile.ZipFile(sink, "w").writestr("a.txt", "The rent.")
    return sink.getvalue()


def tar_file() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG picture; .*ocrmypdf"),
        (lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG picture"),
        (lambda: b"RIFF\x24\0\0\0WEBPVP8 ", "WebP picture"),
        (lambda: b"\0\0\0\x20ftypisom", "film or sound; .*subtitles"),
        (zip_file, "ZIP archive; unpack it, and name its folder"),
        (tar_file, "tar archive"),
        (lambda: gzip.compress(b"The rent."), "packed by gzip; unpack it"),
        (lambda: bz2.compress(b"The rent."), "packed by bzip2"),
        (lambda: lzma.compress(b"The rent."), "packed by xz"),
        ((FILES / "blank.pdf").read_bytes, r"PDF; .*\.pdf"),
        ((FILES / "doors.xls").read_bytes, "an old Office file"),
    ],
)
def test_what_a_file_is(data: Callable[[], bytes], words: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data())
    (problem,) = find([tmp_path / "file"])
    assert isinstance(problem, Problem)
    assert problem.path.endswith("file")
    assert re.match(words, problem.reason.removeprefix("a "))
    assert recognised(data()[:HEAD]) == problem.reason


@pytest.mark.parametrize(
    "text", ["", "MZ is a town.", "ID3 tags of songs", "BZh and GIF8", "PK", "The rent is due."]
)
def test_texts_are_texts(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    (found,) = find([tmp_path / "file"])
    assert isinstance(found, SourceFile)


def test_the_name_of_a_document_counts_more_than_how_it_begins(tmp_path: Path) -> None:
    """Its reader says what is wrong with it."""
    (tmp_path / "a.docx").write_bytes(zip_file())
    (found,) = find([tmp_path / "a.docx"])
    assert isinstance(found, SourceFile)


@pytest.mark.parametrize("name", ["[Content_Types].xml", "docProps/app.xml", "mimetype"])
def test_files_of_offices_are_to_be_named_and_not_unpacked(name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "x")
    assert "ends in .docx" in (recognised(packed.getvalue()[:HEAD]) or "")


@pytest.mark.parametrize("text", [b"The ftyp box begins an MP4 file.", b"GIF89a is of 1989."])
def test_a_text_that_begins_like_another_file_is_a_text(text: bytes) -> None:
    assert recognised(text) is None
