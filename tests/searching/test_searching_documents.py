"""Files found in folders, and real documents of every kind (made by examples/make_mill.py)."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import gzip
import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from searching_helpers import FILES, MILL

from pullquote.errors import DocumentError, MissingExtraError
from pullquote.searching import documents
from pullquote.searching.documents import ChangedError, Notes, Problem, SourceFile, find, read
from pullquote.searching.parts import Part
from pullquote.searching.passages import titled
from pullquote.types import Passage


def only(path: Path) -> SourceFile:
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    return file


def place_of(words: str, path: Path) -> str:
    """Where a document says something, as `place.link` has it, and its unit and number."""
    found = [p for p in read(only(path)) if words in p.text]
    assert found, [p.text for p in read(only(path))]
    place = found[0].place(found[0].text.index(words))
    return f"{place.unit} {place.number}"


def whole_text(path: Path) -> str:
    file = only(path)
    with open(path, "rb") as opened:
        parts = [part for part in file.kind.read(opened) if isinstance(part, Part)]
        return "".join(part.text for part in titled(file.kind.unit, parts))


# ---- finding


def names(*paths: Path) -> list[str]:
    return [Path(found.path).name for found in find(paths)]


def test_documents_are_found_in_all_folders_below_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.pdf", "a/b/c.MD", "README", ".git/x.txt", "a/.x.txt", "a/p.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(tmp_path) == ["README", "b.txt", "z.pdf", "c.MD"]
    assert names(tmp_path / "a" / "p.png") == ["p.png"]  # it was named
    assert names(tmp_path / "a", tmp_path) == ["z.pdf", "c.MD", "README", "b.txt"]  # each once


def test_loops_of_links_end_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("x")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "self").symlink_to(tmp_path / "real" / "self")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing.txt")
    (tmp_path / "again.txt").symlink_to(tmp_path / "real" / "a.txt")
    found = list(find([tmp_path]))
    assert [os.path.realpath(f.path) for f in found] == [str(tmp_path / "real" / "a.txt")]
    assert names(tmp_path / "linked") == ["a.txt"]


def test_pipes_are_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert names(tmp_path) == []
    with pytest.raises(DocumentError, match="device or pipe"):
        names(tmp_path / "pipe.txt")


@pytest.mark.parametrize("name", ["договор.txt", "契約書.txt", "عقد.txt", "e\u0301té \n'\".txt"])
def test_names_in_any_script(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("The rent is due.")
    (passage,) = read(only(tmp_path / name))
    assert passage.document.path == str(tmp_path / name)


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="nowhere: no such file or folder"):
        list(find([tmp_path / "nowhere"]))


def test_a_file_of_an_old_format_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (problem,) = find([tmp_path / "a.doc"])
    assert isinstance(problem, Problem)
    assert problem.reason == "an old format; save it as .docx"
    (tmp_path / "b.doc").write_text("Plain text of that name.")
    assert [passage.text for passage in read(only(tmp_path / "b.doc"))] == [
        "Plain text of that name."
    ]


# ---- reading


@pytest.mark.parametrize(
    ("name", "words", "place"),
    [
        ("lease.pdf", "840 crowns", "page 1"),
        ("lease.pdf", "clears the", "page 2"),
        ("lease.pdf", "three months", "page 3"),
        ("house-rules.docx", "fourteen nights", "paragraph 11"),
        ("house-rules.docx", "Bin: Blue; Collected on: the first Friday;", "paragraph 8"),
        ("history.epub", "Hedda Kroon", "section 2"),
        ("history.epub", "Per Aske", "section 3"),
        ("visiting.html", "six crowns", "line 14"),
        ("visiting.html", "nine cars", "line 17"),
        ("boiler.md", "forty minutes", "line 13"),
        ("journal.txt", "second gate", "line 8"),
        ("ferry.csv", "12.40", "line 2"),
        ("ferry.csv", "14 crowns", "line 5"),
        ("letters.jsonl", "eleven tiles", "line 3"),
    ],
)
def test_real_documents_and_their_places(name: str, words: str, place: str) -> None:
    assert place_of(words, MILL / name) == place


@pytest.mark.parametrize("path", sorted(MILL.iterdir()), ids=lambda path: path.name)
def test_offsets_are_those_of_the_documents_text(path: Path) -> None:
    text = whole_text(path)
    found = list(read(only(path)))
    assert found
    for passage in found:
        assert text[passage.start : passage.end] == passage.text


def test_a_sentence_over_a_page_break_is_whole_and_page_numbers_are_left_out() -> None:
    (passage,) = read(only(FILES / "pages.pdf"))
    words = " ".join(passage.text.split())
    assert words == (
        "The weir was repaired by masons from Norrhavn, who carried the stones over the frozen "
        "river on sledges and finished their extraordinarily laborious undertaking on the day "
        "before the thaw began. The bill came to ninety crowns."
    )
    assert passage.place(passage.text.index("weir")).number == 1
    assert passage.place(passage.text.index("thaw")).number >= 2
    file = only(FILES / "pages.pdf")
    with open(file.path, "rb") as opened:
        first, second, *_ = file.kind.read(opened)
    assert (first.number, first.open, second.number) == (1, True, 2)


def test_headings_of_word_belong_to_what_follows() -> None:
    file = only(MILL / "house-rules.docx")
    with open(file.path, "rb") as opened:
        headings = [part.text.strip() for part in file.kind.read(opened) if part.open]
    assert headings == ["House rules", "Quiet", "Animals", "Waste", "Guests"]


def test_a_file_that_was_written_just_now_is_given_time_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(documents.time, "sleep", slept.append)
    monkeypatch.setattr(documents, "_CLOCK_TICK", 5_000_000_000)
    (tmp_path / "a.txt").write_text("new")
    list(read(only(tmp_path / "a.txt")))
    assert 0 < sum(slept) <= 5
    monkeypatch.setattr(documents, "_CLOCK_TICK", 0)
    slept.clear()
    list(read(only(tmp_path / "a.txt")))
    assert slept == []


def test_a_page_without_its_menus_scripts_and_footers() -> None:
    text = whole_text(MILL / "visiting.html")
    assert text.startswith("Visiting the mill\n\nThe mill is open")
    assert text.rstrip().endswith("opens an hour before the mill.")
    for noise in ("ninety-nine", "Opening hours", "Shop", "rights reserved", "serif"):
        assert noise not in text


def html(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "page.html"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return whole_text(path)


def test_a_page_without_structure_keeps_its_text(tmp_path: Path) -> None:
    menu = "".join(f"<a href={n}>Entry {n}</a> " for n in range(9))
    page = f"<div>{menu}</div>One <i>word</i>,<!-- no --> two<br>three<p>Four <b>five</b>six"
    assert html(tmp_path, page) == "One word, two\nthree\n\nFour fivesix\n\n"


def test_blanks_of_pre_and_cells_of_tables(tmp_path: Path) -> None:
    page = "<pre>a\n  b</pre><table><tr><td>Red<td>Monday</table><p>end"
    assert html(tmp_path, page) == "a\n  b\n\nRed; Monday\nend\n\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_what_a_page_says_of_its_encoding(tmp_path: Path, encoding: str) -> None:
    said = "iso-8859-1" if encoding == "cp1252" else encoding
    page = f"<html><head><meta charset={said}></head><p>Café – naïve".encode(encoding)
    assert html(tmp_path, page).strip() == "Café – naïve"


@pytest.mark.parametrize(
    "page", ["", "  ", "<html></html>", "<!-- x -->", "\0", "<p>" * 9000 + "x"]
)
def test_odd_pages_do_no_harm(tmp_path: Path, page: str) -> None:
    html(tmp_path, page)


def test_elements_nested_deeply_and_long_texts_are_read_whole(tmp_path: Path) -> None:
    page = f"<p>first</p>{'<div>' * 1000}deep{'</div>' * 1000}<p>{'word ' * 2_200_000}</p><p>last"
    text = html(tmp_path, page)
    assert text.startswith("first\n\ndeep\n\nword")
    assert text.rstrip().endswith("word\n\nlast")
    assert len(text) > 11_000_000


def test_a_page_that_is_nested_too_deeply_is_read_whole_or_reported(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text(f"<p>first</p>{'<div>' * 3000}deep{'</div>' * 3000}<p>last")
    notes = Notes()
    (passage,) = read(only(tmp_path / "x.html"), notes)
    if passage.text == "first":  # newer releases of lxml stop at 2,048 nested elements
        assert "line 1: cannot be read from here on (" in str(notes.problem("x.html"))
    else:
        assert passage.text == "first\n\ndeep\n\nlast"
        assert notes.problem("x.html") is None


def test_the_cost_of_cells_and_of_nested_links_is_linear(tmp_path: Path) -> None:
    links = "<li><a href=x>one</a> and the words around it" * 10_000
    begin = time.process_time()
    assert html(tmp_path, "<table><tr>" + "<td>x" * 200_000).count("; ") == 199_999
    assert "words" in html(tmp_path, f"{'<div>' * 1000}<ul>{links}</ul>{'</div>' * 1000}")
    assert time.process_time() - begin < 30  # with quadratic cost some minutes


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_a_json_list_is_a_document_in_any_encoding(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.json").write_bytes('[{"text": "Müller came."}]'.encode(name))
    notes = Notes()
    assert [p.text for p in read(only(tmp_path / "x.json"), notes)] == ["Müller came."]
    assert notes.encoding == ("Windows-1252" if name == "cp1252" else "")


# ---- what cannot be read


def reason(path: Path) -> str:
    with pytest.raises(DocumentError) as raised:
        list(read(only(path)))
    return str(raised.value)


def test_an_encrypted_pdf() -> None:
    assert reason(FILES / "encrypted.pdf") == "encrypted; save a copy that opens without a password"


def test_a_scanned_pdf() -> None:
    assert reason(FILES / "blank.pdf").startswith("no text in its 2 pages")


@pytest.mark.parametrize("name", ["lease.pdf", "house-rules.docx", "history.epub"])
@pytest.mark.parametrize("kept", [1, 100, 0.5])
def test_broken_files_say_so(tmp_path: Path, name: str, kept: float) -> None:
    data = (MILL / name).read_bytes()
    broken = tmp_path / name
    broken.write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    assert any(word in reason(broken) for word in ("not readable as", "no text"))


@pytest.mark.parametrize("name", ["lease.pdf", "house-rules.docx", "history.epub"])
def test_files_with_any_byte_broken_never_crash(tmp_path: Path, name: str) -> None:
    data = bytearray((MILL / name).read_bytes())
    broken = tmp_path / name
    for place in range(7, len(data), len(data) // 60):
        changed = bytearray(data)
        changed[place : place + 3] = b"\xff\x00<"
        broken.write_bytes(changed)
        with contextlib.suppress(DocumentError):
            list(read(only(broken)))


def packed(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_docx_cannot_read_other_files_or_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish")
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    entity = (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
        f'<w:document xmlns:w="{space}">'
        "<w:body><w:p><w:r><w:t>a &e; b</w:t></w:r></w:p></w:body></w:document>"
    )
    path = packed(tmp_path / "a.docx", {"word/document.xml": entity})
    assert "swordfish" not in "".join(passage.text for passage in read(only(path)))
    path = packed(tmp_path / "b.docx", {"word/document.xml": "x" * (257 << 20)})
    assert "unpacks to 257 MiB" in reason(path)


def test_deleted_words_and_boxes_of_a_docx(tmp_path: Path) -> None:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    compatible = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    body = (
        f'<w:document xmlns:w="{space}" xmlns:mc="{compatible}"><w:body><w:p>'
        "<w:r><w:t>kept</w:t><w:tab/><w:t>too</w:t></w:r><w:del><w:r><w:t>gone</w:t></w:r></w:del>"
        f"<w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p></w:body></w:document>"
    )
    path = packed(tmp_path / "a.docx", {"word/document.xml": body})
    assert whole_text(path) == "kept too\n\nboxed\n\n"


def book(path: Path, files: dict[str, str], items: str, order: str) -> Path:
    """An EPUB of some files, with the items and the reading order of its package."""
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="p.opf"/></rootfiles></container>'
    )
    package = f"<manifest>{items}</manifest><spine>{order}</spine>"
    package = f'<package xmlns="http://www.idpf.org/2007/opf">{package}</package>'
    return packed(path, {"META-INF/container.xml": container, "p.opf": package, **files})


def test_sections_of_a_book_that_are_not_read_are_noted(tmp_path: Path) -> None:
    names = ("a.html", "gone.html", "c.png", "d.html", "e.html")
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in names)
    items = items.replace('href="c.png"', 'href="c.png" media-type="image/png"')
    order = "".join(f'<itemref idref="{name}"/>' for name in (*names[:4], "nobody", "e.html"))
    texts = dict.fromkeys(("a.html", "c.png", "e.html"), "<p>The mill.")
    path = book(tmp_path / "a.epub", texts | {"d.html": ""}, items, order)
    notes = Notes(most=9)
    (passage,) = read(only(path), notes)
    assert passage.text == "The mill.\n\nThe mill."
    assert [mark.number for mark in passage.marks] == [1, 6]
    assert list(map(str, notes.first)) == [
        "section 2 (gone.html): missing from the book",
        "section 3 (c.png): image/png, which is not read",
        "section 5: not among the files of the book (nobody)",
    ]
    problem = notes.problem("a.epub")
    assert str(problem).startswith("a.epub: 3 skipped: section 2 (gone.html): missing")
    assert problem is not None
    assert problem.partly


def test_files_in_a_word_document_and_broken_notes_are_noted(tmp_path: Path) -> None:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = f'<w:document xmlns:w="{space}"><w:p><w:r><w:t>Mill</w:t></w:r></w:p></w:document>'
    files = {
        "word/document.xml": body,
        "word/footnotes.xml": "<w:footnotes",
        "word/embeddings/rents.xlsx": "x",
    }
    notes = Notes()
    assert [p.text for p in read(only(packed(tmp_path / "a.docx", files)), notes)] == ["Mill"]
    first, second = map(str, notes.first)
    assert first.startswith("word/footnotes.xml: word/footnotes.xml in it is broken")
    assert second == "word/embeddings/rents.xlsx: an embedded file; save it as a file of its own"
    assert notes.problem("a.docx").partly  # type: ignore[union-attr]


def test_pages_without_text_and_files_in_a_pdf_are_noted(tmp_path: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    pdf = pdfium.PdfDocument(MILL / "lease.pdf")
    blank = pdf.new_page(300, 300)
    drawn = pdf.new_page(300, 300)
    line = pdfium.raw.FPDFPageObj_CreateNewRect(10, 10, 50, 50)
    pdfium.raw.FPDFPath_SetDrawMode(line, 1, 0)
    pdfium.raw.FPDFPage_InsertObject(drawn, line)
    drawn.gen_content()
    pdf.new_attachment("rents.csv").set_data(b"text")
    pdf.save(tmp_path / "a.pdf")
    for page in (blank, drawn, pdf):
        page.close()
    notes = Notes()
    assert sum(1 for _ in read(only(tmp_path / "a.pdf"), notes)) == 2
    assert [str(skipped) for skipped in notes.first] == [
        "page 5: no text in it, as in scanned ones; recognise it: ocrmypdf in.pdf out.pdf",
        "attachment rents.csv: files in a PDF are not read; save it",
    ]


def test_an_old_word_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "old.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1" + b"\0" * 500)
    assert "save it as .docx" in reason(tmp_path / "old.docx")


def test_a_protected_book(tmp_path: Path) -> None:
    with zipfile.ZipFile(MILL / "history.epub") as book:
        files = {name: book.read(name) for name in book.namelist()}
    page = next(name for name in files if name.endswith("ch001.xhtml"))
    files["META-INF/encryption.xml"] = (
        '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
        f'<e:CipherReference URI="{page}"/></encryption>'
    ).encode()
    path = packed(tmp_path / "a.epub", files)  # type: ignore[arg-type]
    assert "copy-protected" in reason(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.jsonl",
            '\n{"txet": " ", "photo": null}\n',
            "line 2: no text, only txet, photo",
        ),
        ("a.jsonl", '{"text": 3}\n', "line 1: text is int, expected text"),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.csv", "text,text\nx,3\n", "two columns have one name"),
    ],
)
def test_tables_that_hold_no_passages(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    assert words in reason(tmp_path / name)


ROWS = [
    {"title": "Mill", "text": "The mill; built | in 1641, they say."},
    {"title": "Pool", "text": "It opens at seven."},
]


@pytest.mark.parametrize(
    "name",
    [
        "a.csv",
        "a.csv.gz",
        "a.tsv",
        "semicolons.csv",
        "tabs.csv",
        "bars.csv",
        "a.jsonl",
        "a.jsonl.gz",
        "a.json",
        "a.parquet",
    ],
)
def test_tables_of_every_kind_give_the_same_passages(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(ROWS), path)
    else:
        if ".json" in name:
            lines = [json.dumps(row) for row in ROWS]
            text = f"[{','.join(lines)}]" if name == "a.json" else "\n".join(lines)
        else:
            delimiter = {"semicolons.csv": ";", "tabs.csv": "\t", "bars.csv": "|", "a.tsv": "\t"}
            sink = io.StringIO(newline="")
            writer = csv.writer(sink, delimiter=delimiter.get(name, ","))
            writer.writerows([[" Title", "TEXT "], *(row.values() for row in ROWS)])
            text = "\ufeff" + sink.getvalue()
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = list(read(only(path)))
    assert [passage.text for passage in found] == [
        "Mill\n\nThe mill; built | in 1641, they say.",
        "Pool\n\nIt opens at seven.",
    ]
    unit = "row" if path.suffix in (".json", ".parquet") else "line"
    assert found[1].place().unit == unit


def test_bad_rows_are_reported_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    bad = ["{", '{"text": null}', '{"text": 3}', "[1]", '{"txet": ""}']
    path.write_text("\n".join(['{"text": "", "body": "first"}', *bad, '"last"']))
    notes = Notes()
    assert [passage.text for passage in read(only(path), notes)] == ["first", "last"]
    assert str(notes.problem("a.jsonl")).startswith("a.jsonl: 5 skipped: line 2: not JSON (")
    assert str(notes.problem("a.jsonl")).endswith("line 4: text is int, expected text; and 2 more")


def test_a_json_file_is_a_document_if_it_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"text": "no"}')
    (tmp_path / "numbers.json").write_text("[1, 2]")
    (tmp_path / "texts.json").write_text('\n[ "yes"]')
    assert [Path(found.path).name for found in find([tmp_path])] == ["texts.json"]


@pytest.mark.parametrize("name", ["a.html", "a.jsonl", "a.docx"])
def test_a_document_without_text_is_noted(tmp_path: Path, name: str) -> None:
    content = {"a.html": "<noscript>seven</noscript>", "a.jsonl": "\n\n"}
    if name in content:
        (tmp_path / name).write_text(content[name])
    else:
        space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        packed(tmp_path / name, {"word/document.xml": f'<w:document xmlns:w="{space}"/>'})
    notes = Notes()
    assert list(read(only(tmp_path / name), notes)) == []
    assert "there is no text in it" in str(notes.problem(name))


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.csv", "a.html", "a.xls", "a.parquet"])
def test_an_empty_file_is_told_in_the_same_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    notes = Notes()
    assert list(read(only(tmp_path / name), notes)) == []
    assert notes.without_text == "empty (0 bytes)"


def test_a_list_of_texts_with_a_header_alone_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n")
    with pytest.raises(DocumentError, match=r"a header \(id, text\), and no rows"):
        list(read(only(tmp_path / "a.csv")))


def test_a_text_of_another_encoding_is_noted(tmp_path: Path) -> None:
    for name in ("a.txt", "a.html", "a.csv"):
        (tmp_path / name).write_bytes("text\nRenée pays £840.".encode("cp1252"))
        notes = Notes()
        assert "Renée pays £840." in "".join(p.text for p in read(only(tmp_path / name), notes))
        assert notes.encoding == "Windows-1252"


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old words. " * 1000)
    passages = read(only(path))
    assert isinstance(next(passages), Passage)
    path.write_text("new words. " * 1000)
    with pytest.raises(ChangedError, match="changed while it was read"):
        list(passages)


def test_a_folder_that_cannot_be_listed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.txt").write_text("x")
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = list(find([tmp_path]))
    assert [type(f) for f in found] == [SourceFile, Problem]
    assert str(found[1]) == f"{tmp_path / 'closed'}: cannot be listed (Permission denied)"


@pytest.mark.parametrize(
    ("package", "name"),
    [("pypdfium2", "lease.pdf"), ("lxml", "visiting.html"), ("lxml", "history.epub")],
)
def test_a_missing_library_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, name: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    shutil.copy(MILL / name, tmp_path)
    with pytest.raises(MissingExtraError, match=r'pip install "pullquote\[files\]"'):
        list(read(only(tmp_path / name)))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.jsonl", "a.epub"])
def test_a_guess_of_an_encoding_is_noted_in_every_format(tmp_path: Path, name: str) -> None:
    """And an encoding that the bytes contradict is no declaration."""
    rent = "Die Miete beträgt 840 Kronen für die Mühle, täglich fällig."
    texts = {
        "a.html": f"<meta charset=utf-8><p>{rent}</p>",
        "a.csv": f'text\n"{rent}"\n',
        "a.jsonl": json.dumps({"text": rent}, ensure_ascii=False) + "\n",
    }
    data = texts.get(name, rent).encode("cp1252")
    if name == "a.epub":
        with (
            zipfile.ZipFile(MILL / "history.epub") as book,
            zipfile.ZipFile(tmp_path / name, "w") as copy,
        ):
            for entry in book.namelist():
                chapter = entry.endswith("html") and "nav" not in entry
                page = b"<html><body><p>" + data + b"</p></body></html>"
                copy.writestr(entry, page if chapter else book.read(entry))
    else:
        (tmp_path / name).write_bytes(data)
    notes = Notes()
    found = [passage.text for passage in read(only(tmp_path / name), notes)]
    assert rent in found[0]
    assert notes.encoding == "Windows-1252"


def test_a_document_is_opened_once(tmp_path: Path) -> None:
    opened: list[BinaryIO] = []

    def reading(file: BinaryIO) -> Iterator[Part]:
        opened.append(file)
        return iter([Part("The rent.\n\n", 1)])

    (tmp_path / "a.txt").write_text("The rent.")
    file = only(tmp_path / "a.txt")
    file = dataclasses.replace(file, kind=dataclasses.replace(file.kind, read=reading))
    assert [passage.text for passage in read(file)] == ["The rent."]
    assert len(opened) == 1
