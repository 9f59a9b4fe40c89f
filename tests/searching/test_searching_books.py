"""EPUB books: what references mean, and what chapters hold."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from searching_helpers import text_and_notes, zipped

from pullquote.errors import DocumentError
from pullquote.searching import books

pytest.importorskip("lxml")

CHAPTER = "<p>The mill was built in 1641.</p>"
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
)


def page(body: str, head: str = "<title/>") -> str:
    return (
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head>{head}</head><body>{body}</body></html>'
    )


def epub(
    path: Path, href: str, file: str, content: str | bytes, kind: str = "application/xhtml+xml"
) -> tuple[str, list[str]]:
    """A book of two sections: one that names its file by `href`, and a usual one."""
    items = (
        f'<item id="a" href="{href}" media-type="{kind}"/>'
        '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
    )
    order = '<itemref idref="a"/><itemref idref="b"/>'
    zipped(
        path,
        {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/content.opf": '<package xmlns="http://www.idpf.org/2007/opf">'
            f"<manifest>{items}</manifest><spine>{order}</spine></package>",
            file: content,
            "OEBPS/b.xhtml": page("<p>End.</p>"),
        },
    )
    return text_and_notes(path)


NFD = unicodedata.normalize("NFD", "în.xhtml")


@pytest.mark.parametrize(
    ("href", "file"),
    [
        ("chapter%201.xhtml", "OEBPS/chapter 1.xhtml"),
        ("chapter%201.xhtml", "OEBPS/chapter%201.xhtml"),
        ("chapter 1.xhtml", "OEBPS/chapter%201.xhtml"),
        (quote(NFD), "OEBPS/" + unicodedata.normalize("NFC", NFD)),
        ("Chap1.xhtml", "OEBPS/chap1.XHTML"),
        ("/OEBPS/a.xhtml", "OEBPS/a.xhtml"),
        ("OEBPS/a.xhtml", "OEBPS/a.xhtml"),
        ("a.xhtml#top", "OEBPS/a.xhtml"),
        ("a.xhtml?v=2", "OEBPS/a.xhtml"),
        ("a#1.xhtml", "OEBPS/a#1.xhtml"),
        ("./x/../a.xhtml", "OEBPS/a.xhtml"),
        ("file:///OEBPS/a.xhtml", "OEBPS/a.xhtml"),
        ("../a.xhtml", "a.xhtml"),
        ("x/a.xhtml", "OEBPS\\x\\a.xhtml"),
    ],
)
def test_a_chapter_is_found_however_it_is_named(tmp_path: Path, href: str, file: str) -> None:
    assert epub(tmp_path / "a.epub", href, file, page(CHAPTER)) == (
        "The mill was built in 1641. / End.",
        [],
    )


def test_a_name_in_bytes_that_nobody_declares(tmp_path: Path) -> None:
    path = tmp_path / "a.epub"
    epub(path, "%C3%AEn.xhtml", "OEBPS/XXn.xhtml", page(CHAPTER))
    path.write_bytes(path.read_bytes().replace(b"XXn.xhtml", "în.xhtml".encode()))
    assert text_and_notes(path) == ("The mill was built in 1641. / End.", [])


def test_a_name_in_the_encoding_of_old_programs(tmp_path: Path) -> None:
    path = tmp_path / "a.epub"
    epub(path, "%C3%A9t%C3%A9.xhtml", "OEBPS/XtX.xhtml", page(CHAPTER))
    path.write_bytes(path.read_bytes().replace(b"XtX.xhtml", b"\x82t\x82.xhtml"))  # cp437
    assert text_and_notes(path)[0] == "The mill was built in 1641. / End."


def test_missing_chapters_are_named(tmp_path: Path) -> None:
    assert epub(tmp_path / "a.epub", "gone.xhtml", "OEBPS/a.xhtml", page(CHAPTER)) == (
        "End.",
        ["section 1 (gone.xhtml): missing from the book"],
    )


@pytest.mark.parametrize("kind", ["text/x-oeb1-document", "text/html", "", "application/weird"])
def test_chapters_of_any_type_with_the_ending_of_a_page(tmp_path: Path, kind: str) -> None:
    found = epub(tmp_path / "a.epub", "a.htm", "OEBPS/a.htm", page(CHAPTER), kind)
    assert found == ("The mill was built in 1641. / End.", [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>It was built.</p><aside><p>At Aldwater.</p></aside>", "It was built. / At Aldwater."),
        (
            "<section><header><h1>The fire</h1></header><p>It burned.</p></section>",
            "The fire / It burned.",
        ),
        ("<p><![CDATA[The mill & <pond>]]> was built.</p>", "The mill & <pond> was built."),
        ("<svg xmlns='s'><text>The plan</text></svg>", "The plan"),
        ("<nav><ol><li>One</li></ol></nav><p>Text.</p>", "One\nText."),
        ("<script src='x.js'/><p>After.</p>", "After."),
        ("<p>Caf&eacute;&nbsp;noir</p>", "Café noir"),
    ],
)
def test_all_of_a_chapter_is_content(tmp_path: Path, body: str, expected: str) -> None:
    text, notes = epub(tmp_path / "a.epub", "a.xhtml", "OEBPS/a.xhtml", page(body))
    assert (text.removesuffix(" / End."), notes) == (expected, [])


def test_scripts_without_an_end_cost_nothing(tmp_path: Path) -> None:
    content = page(CHAPTER, '<title/><script src="a.js"/><style type="text/css"/>')
    assert "1641" in epub(tmp_path / "a.epub", "a.xhtml", "OEBPS/a.xhtml", content)[0]


@pytest.mark.parametrize("name", ["utf-8", "utf-16", "cp1252"])
def test_the_encodings_of_chapters(tmp_path: Path, name: str) -> None:
    content = page("<p>Renée pays £840 a month, a café says.</p>").encode(name)
    text, notes = epub(tmp_path / "a.epub", "a.xhtml", "OEBPS/a.xhtml", content)
    assert "Renée pays £840 a month, a café says." in text
    assert notes == (["read as Windows-1252"] if name == "cp1252" else [])


def test_a_book_without_an_order_says_so(tmp_path: Path) -> None:
    package = '<package xmlns="http://www.idpf.org/2007/opf"><manifest/><spine/></package>'
    files = {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": package}
    with pytest.raises(DocumentError, match="no sections in the book's order"):
        text_and_notes(zipped(tmp_path / "a.epub", files))


def test_the_cost_of_sections_without_an_end_is_linear() -> None:
    begin = time.process_time()
    books._without_cdata("<![CDATA[" * 50_000)
    assert time.process_time() - begin < 1  # quadratic: two minutes
    assert books._without_cdata("a<![CDATA[<b>]]>c<![CDATA[d") == "a&lt;b&gt;c<![CDATA[d"
