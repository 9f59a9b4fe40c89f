"""Text files: encodings, paragraphs, line numbers, memory."""

from __future__ import annotations

import io
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.errors import DocumentError
from pullquote.searching.documents import SourceFile, find, read
from pullquote.searching.parts import Part
from pullquote.searching.text import characters, read_text
from pullquote.text import lines

GERMAN = "Die Mühle am Fluß wurde im Frühjahr für Gäste geöffnet. Später schloß sie.\r\n" * 20
RUSSIAN = "Мельница стоит на реке. Её построили в тысяча шестьсот сорок первом году.\n" * 20
JAPANESE = "川のほとりに水車小屋がある。それは大工の娘によって建てられた。\n" * 20


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-32"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
    ],
)
def test_encodings_are_told_apart(text: str, encoding: str) -> None:
    assert "".join(characters(io.BytesIO(text.encode(encoding)))) == text


def test_an_accent_at_the_end_of_a_long_file_is_seen() -> None:
    text = "plain words, one after another\n" * 5000 + GERMAN
    assert "".join(characters(io.BytesIO(text.encode("cp1252")))) == text


@pytest.mark.parametrize("data", [b"\x7fELF\0\0\1", b"text, " * 20000 + b"\0\0"])
def test_binary_files_are_no_text(data: bytes) -> None:
    with pytest.raises(DocumentError, match="binary"):
        list(characters(io.BytesIO(data)))


@given(st.text(alphabet="ab \n\r\té\u2028#", max_size=200))
def test_paragraphs_together_are_the_file(text: str) -> None:
    parts = list(read_text(io.BytesIO(text.encode())))
    assert "".join(part.text for part in parts) == text


def test_paragraphs_and_headings() -> None:
    text = "# Rent\n\nDue on\nthe third.\n \nNotice\n======\n\nThree months."
    parts = list(read_text(io.BytesIO(text.encode())))
    assert [(part.text.strip(), part.number, part.open) for part in parts] == [
        ("# Rent", 1, True),
        ("Due on\nthe third.", 3, False),
        ("Notice\n======", 6, True),
        ("Three months.", 9, False),
    ]


def test_lines_end_at_line_feeds_alone() -> None:
    assert list(lines(characters(io.BytesIO("a\u2028b\r\nc\x85\n\nd".encode())))) == [
        "a\u2028b\r\n",
        "c\x85\n",
        "\n",
        "d",
    ]


@pytest.mark.parametrize("line_end", [" ", "\n", "\n\n"], ids=["one line", "lines", "paragraphs"])
def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path, line_end: str) -> None:
    """20 MB by default; PULLQUOTE_LARGE=200 for the full size."""
    size = int(os.environ.get("PULLQUOTE_LARGE", "20")) * 1_000_000
    block = ("The river rises in the hills and ends at the sea." + line_end) * 2000
    path = tmp_path / "large.txt"
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(size // len(block) + 1):
            file.write(block)
    (found,) = find([path])
    assert isinstance(found, SourceFile)
    tracemalloc.start()
    try:
        last = 0
        for passage in read(found):
            assert passage.end > last
            last = passage.end
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last > size * 0.99
    assert peak < 5_000_000


def test_lines_that_end_as_on_windows_are_no_paragraphs() -> None:
    lines = (
        "# Lights\r\n\r\nThe first\r\nwas wooden.\r\n \r\nIt stood\rfive years.\r\r\nThe second\r\n"
    )
    expected = [
        "# Lights\r\n\r\n",
        "The first\r\nwas wooden.\r\n \r\n",
        "It stood\rfive years.\r\r\n",
    ]
    parts = [part.text for part in read_text(io.BytesIO(lines.encode())) if isinstance(part, Part)]
    assert parts == [*expected, "The second\r\n"]


def test_a_long_run_of_spaces_takes_no_long_time() -> None:
    text = " " * 60_000 + "x\n\nA heading\n---\n\n## Another \n\nText"
    begin = time.process_time()
    parts = [part for part in read_text(io.BytesIO(text.encode())) if isinstance(part, Part)]
    assert time.process_time() - begin < 2  # with a quadratic pattern 23 seconds
    assert [part.open for part in parts] == [False, True, True, False]


RFC = """\
   The internet protocol delivers datagrams from a source to a
   destination; it does not carry

Postel                                                          [Page 1]
{}
RFC 791                   Internet Protocol               September 1981

   streams. It has two functions.

Postel                                                          [Page 2]
{}
RFC 791                   Internet Protocol               September 1981

   One is fragmentation, which

Postel                                                          [Page 3]
{}
RFC 791                   Internet Protocol               September 1981

   splits datagrams.
"""


@pytest.mark.parametrize("end", ["\f", ""])
def test_heads_and_feet_of_pages_come_once(end: str) -> None:
    parts = [
        p for p in read_text(io.BytesIO(RFC.format(*[end] * 3).encode())) if isinstance(p, Part)
    ]
    text = "".join(part.text for part in parts)
    assert text.count("Postel") == text.count("September 1981") == 1
    assert "One is fragmentation, which\nsplits datagrams." in text
    assert [(part.text.split()[0], part.number) for part in parts] == [
        *(("The", 1), ("Postel", 4), ("RFC", 6), ("streams.", 8), ("One", 14), ("splits", 20))
    ]


@pytest.mark.parametrize(
    ("heads", "kept"),
    [
        (["The Mill, page 7", "The Mill, page 8", "The Mill, page 9"], 1),
        (["The Mill", "The Mill", "The Mill"], 1),
        (["page ix", "page x", "page xi"], 1),
        (["A 12", "B 13", "A 14", "B 15"], 2),  # left and right pages
        (["7", "8", "45", "46"], 2),
        (["Bill 7, total 840", "Bill 8, total 310", "Bill 9, total 95"], 3),
        (["The rent is 840 crowns.", "The rent is 310 crowns."], 2),
        (["9" * 5000, "8" * 5000], 2),
    ],
)
def test_only_the_number_of_a_page_may_differ_in_its_head(heads: list[str], kept: int) -> None:
    pages = [f"{head}\n\nText {letter}." for head, letter in zip(heads, "abcd", strict=False)]
    found = list(read_text(io.BytesIO("\f".join(["", *pages]).encode())))
    assert sum(bool(part.text.strip()) for part in found) == len(heads) + kept  # type: ignore[union-attr]


def test_a_page_of_one_short_paragraph_stays() -> None:
    pages = ["Ann Lee\nRoom 7", "Ann Lee\nRoom 8", "Ann Lee\nRoom 9", "The end."]
    found = [part.text.split() for part in read_text(io.BytesIO("\f".join(pages).encode()))]  # type: ignore[union-attr]
    assert found == [page.split() for page in pages]


def test_a_sentence_over_a_form_feed_goes_on() -> None:
    text = "The rent is due on\n\fthe third.\n\n12\n\fHeat is not.\n\n13\n\fThe end.\n"
    parts = [part for part in read_text(io.BytesIO(text.encode())) if isinstance(part, Part)]
    assert [(part.text.strip(), part.number, part.open) for part in parts] == [
        ("The rent is due on", 1, False),
        ("the third.", 2, False),
        ("12", 4, False),
        ("Heat is not.", 5, False),
        ("The end.", 8, False),
    ]
