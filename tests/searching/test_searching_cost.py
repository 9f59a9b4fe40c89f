"""What reading costs grows with a file's size, whatever it holds; more is reported, not read."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest
from searching_helpers import MILL

import fuzz_documents
from pullquote.errors import DocumentError
from pullquote.searching import archives, contents, pages, pool, process
from pullquote.searching.documents import Notes, SourceFile, find, read

MIB = 1 << 20
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def packed(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def docx(body: str) -> dict[str, str | bytes]:
    return {"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"}


def epub(texts: dict[str, str], order: list[str]) -> bytes:
    """A book of some files, in an order."""
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in texts)
    spine = "".join(f'<itemref idref="{name}"/>' for name in order)
    package = f"<manifest>{items}</manifest><spine>{spine}</spine>"
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="p.opf"/></rootfiles></container>'
    )
    package = f'<package xmlns="http://www.idpf.org/2007/opf">{package}</package>'
    return packed({"META-INF/container.xml": container, "p.opf": package, **texts})


def cost(path: Path, content: bytes) -> float:
    """Seconds of processor time that reading a file takes in this process."""
    path.write_bytes(content)
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    begin = time.process_time()
    sum(1 for _ in read(file))
    return time.process_time() - begin


# each at most two seconds on an old processor, and ten times as much if it were quadratic
LONG = {
    "paragraph.txt": b"The mill was built of stone, and burnt. " * (4 * MIB // 40),
    "word.txt": b"x" * (4 * MIB),
    "dots.txt": b"." * (4 * MIB),
    "marks.txt": b"?!" * (2 * MIB),
    "lines.txt": b"word after word\n" * (4 * MIB // 16),
    "blanks.txt": b"x" + b" " * (4 * MIB) + b"x",
    "leading.txt": b" " * (4 * MIB) + b"x\n\n",
    "empty-lines.txt": b" \n" * (2 * MIB) + b"x",
    "returns.txt": b"\r" * (4 * MIB) + b"x",
    "headings.txt": (b"#" + b" " * 16_000 + b"x\n\n") * 250,
    "line.jsonl": b'{"text": "' + b"The mill was built, and burnt. " * (4 * MIB // 31) + b'"}',
    "escapes.jsonl": b'{"text": "' + b"\\n" * (2 * MIB) + b'x"}',
    "cell.csv": b"text\n" + b"The mill was built and burnt " * (4 * MIB // 29) + b"\n",
    "punycode.html": b'<meta charset="punycode"><p>' + b"\xe9 word and word " * (MIB // 16),
    "links.html": b"<div>" * 2000 + b"<a href=x>y</a>" * 2000 + b"</div>" * 2000,
    "tables.html": b"<table><tr><td>x<td>y" * 600 + b"<td>z" * 50_000,
    "rowspans.html": b"<table><tr>" + b"<td rowspan=0>x" * 49 + b"<tr><td>y<td>z" * 40_000,
    "names.csv": b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"x\n" * 20_000,
    "columns.html": b"<table><tr><th>x<th>y" + b"<tr><td colspan=50>x<td>y" * 30_000,
    "names.html": b"<div class='comment related'>w" * 1000 + b"<p class=promo>x" * 40_000,
    "buttons.html": b"<button aria-expanded=true>question" * 2000 + b"x" * MIB,
    "formula.html": b"<math><mfrac>" + b"<mi>y</mi>" * 100_000,
    "headers.html": b"<div>" * 2000 + b"<header>y</header>" * 5_000,
    "breaks.html": b"<p>" + b"<br> " * 50_000,
}


@pytest.mark.parametrize("name", LONG)
def test_the_cost_is_linear(tmp_path: Path, name: str) -> None:
    assert cost(tmp_path / name, LONG[name]) < 8


@pytest.mark.parametrize("text", ["7{}x", "{}7{}x", "page{}x", "7 of{}x", "a{}7", "a{}.{}7"])
def test_the_cost_of_finding_page_numbers_and_contents_is_linear(text: str) -> None:
    begin = time.process_time()
    for blank in (" ", ".", ". ", "a-", "i"):
        line = text.replace("{}", blank * 50_000)
        pages.running([[line.replace("7", str(number))] for number in (7, 8, 9)])
        pages.paragraphs([line + "-", line], pages.Words([line, line + "-"]))
        contents.listed(["Contents", *[line] * 5])
        contents.listed(["Index", ", 7" * 20_000 + " " + line])
    assert time.process_time() - begin < 4  # quadratic: 25 s


@pytest.mark.parametrize(
    "piece",
    [
        *("[a](", "](", "![", "`a", "``", "<a ", "<!--", "*a", "**a", "_a", "&am", "[a][", "\\["),
        *("- [a](b)\n", "[a]: b\n", "> ", "# a\n", "```\n", "|-", "---\n", "[^a]"),
    ],
)
def test_the_cost_of_markdown_is_linear(tmp_path: Path, piece: str) -> None:
    assert cost(tmp_path / "a.md", (piece * (MIB // 4 // len(piece))).encode()) < 8


def reason(path: Path, content: bytes) -> str:
    """Why a file is not read, within the limits of a process."""
    path.write_bytes(content)
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    notes = Notes()
    with pool.Pool([file]) as readers:
        try:
            assert list(readers.read(file, notes)) == []
        except DocumentError as error:
            return str(error)
    return str(notes.problem("x"))


def test_a_small_file_of_millions_of_tags(tmp_path: Path) -> None:
    bomb = packed(docx("<a/>" * 16_000_000))
    assert len(bomb) < 70_000
    assert "16,000,004 tags, expected at most 5,000,000" in reason(tmp_path / "a.docx", bomb)
    assert "tags, expected at most" in reason(tmp_path / "a.html", b"<b>" * 5_000_001)


def test_what_cells_repeat_is_bounded(tmp_path: Path) -> None:
    cell = b"<td rowspan=60000>" + b"word " * 20
    page = b"<table><tr>" + cell * 49 + b"<tr><td>x<td>y" * 1000
    (tmp_path / "a.html").write_bytes(page)
    (file,) = find([tmp_path / "a.html"])
    assert isinstance(file, SourceFile)
    assert sum(len(passage.text) for passage in read(file)) < 20 * len(page)


def test_a_small_book_that_unpacks_to_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_LARGEST", 8 * MIB)
    texts = {f"{number}.html": " " * (3 * MIB) for number in range(30)}
    book = epub(texts, [*texts])
    (tmp_path / "a.epub").write_bytes(book)
    (file,) = find([tmp_path / "a.epub"])
    assert isinstance(file, SourceFile)
    notes = Notes()
    assert list(read(file, notes)) == []
    most = 200 * len(book) // MIB
    assert 8 < most < 30
    assert notes.skipped == len(texts) - most // 3
    assert str(notes.first[0]).endswith(f": unpacks to more than {most} MiB, an attack or a fault")


def test_a_section_that_a_book_repeats_is_read_once(tmp_path: Path) -> None:
    book = epub({"a.html": "<p>The mill."}, ["a.html"] * 1000)
    (tmp_path / "a.epub").write_bytes(book)
    (file,) = find([tmp_path / "a.epub"])
    assert isinstance(file, SourceFile)
    notes = Notes()
    assert [passage.text for passage in read(file, notes)] == ["The mill."]
    assert str(notes.first[0]) == "section 2 (a.html): an earlier section again"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_file_with_broken_bytes(tmp_path: Path, method: int) -> None:
    whole = packed(docx("<w:p/>" * 1000), method)
    at = whole.index(b"word/document.xml") + 40
    broken = whole[:at] + b"\xff" * 30 + whole[at + 30 :]
    assert "word/document.xml in it cannot be unpacked" in reason(tmp_path / "a.docx", broken)


def test_a_packed_size_that_is_a_lie_makes_no_room(tmp_path: Path) -> None:
    """A bit of a small file made its reader ask for 788 MB at once."""
    data = packed(docx("<w:p/>"), zipfile.ZIP_STORED)
    at = data.rindex(b"PK\x01\x02") + 20  # of the packed size, in the directory at the end
    said = reason(
        tmp_path / "a.docx", data[:at] + (788 * MIB).to_bytes(4, "little") + data[at + 4 :]
    )
    assert "longer than the whole file" in said


def test_what_is_nested_deeply(tmp_path: Path) -> None:
    deep = packed(docx("<w:sdt>" * 100_000 + "</w:sdt>" * 100_000))
    assert "word/document.xml in it is broken" in reason(tmp_path / "a.docx", deep)
    assert "not JSON" in reason(tmp_path / "a.jsonl", b"[" * 200_000)
    assert "not JSON" in reason(tmp_path / "a.json", b'["a",' + b"[" * 200_000)


def test_a_parser_whose_cost_is_quadratic_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SECONDS", 1)
    monkeypatch.setattr(process, "PATIENCE", 100)
    attributes = b" ".join(b"a%d=1" % number for number in range(100_000))
    said = reason(tmp_path / "a.html", b"<p " + attributes + b">x")
    assert "more than 1 s of processor time" in said


def test_made_files_of_every_format_keep_within_their_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECONDS", "MEMORY"):
        monkeypatch.setattr(pool, name, getattr(pool, name))  # fuzz sets them
    count, complaints = fuzz_documents.fuzz(10, seed=2, keep=tmp_path)
    assert complaints == []
    assert count > 5


def test_the_fuzzer_complains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lease.pdf").write_bytes((MILL / "lease.pdf").read_bytes())
    assert fuzz_documents.complaint(tmp_path / "lease.pdf") == ""
    monkeypatch.setattr(pool, "_PROGRAM", "import os; os.abort()")
    pool.end_idle()
    assert "its reader crashed (SIGABRT)" in fuzz_documents.complaint(tmp_path / "lease.pdf")
