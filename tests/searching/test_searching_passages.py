"""Parts to passages: exact offsets and places, whole paragraphs, overlaps, sizes."""

from __future__ import annotations

import io
import itertools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.reading.sentences import sentence_around
from pullquote.searching.parts import Part
from pullquote.searching.passages import LIMIT, OVERLAP, _reach, joined, passages
from pullquote.searching.text import read_text
from pullquote.types import Document

TXT, PDF, HTML = Document("a.txt", "line"), Document("a.pdf", "page"), Document("a.html", "block")

WORDS = ["", "river", "hill.", "The", "Zoë", "\u6c34。", "9", "\u05d0\u05d1", "e\u0301", "x" * 30]
texts = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from([" ", "  ", "\n", "\r\n", "\r", "\n\n \n"])),
    max_size=150,
).map(lambda pairs: "".join(word + blank for word, blank in pairs))


@given(text=texts, limit=st.integers(20, 300))
def test_passages_hold_their_text_and_every_word_of_it(text: str, limit: int) -> None:
    found = list(passages(TXT, read_text(io.BytesIO(text.encode())), limit=limit, overlap=15))
    covered = set()
    for passage in found:
        assert text[passage.start : passage.end] == passage.text == passage.text.strip()
        assert len(passage.text.encode()) <= limit
        covered |= set(range(passage.start, passage.end))
    assert {i for i, c in enumerate(text) if not c.isspace()} <= covered
    starts = [passage.start for passage in found]
    assert starts == sorted(set(starts))


@given(text=texts, limit=st.integers(20, 300))
def test_joined_passages_are_the_text_again(text: str, limit: int) -> None:
    found = passages(TXT, read_text(io.BytesIO(text.encode())), limit=limit, overlap=15)
    assert "".join(joined(found)).split() == text.split()


def test_between_joined_passages_is_an_empty_line_where_there_was_one() -> None:
    parts = [Part("Rent\n", 1, alone=True), Part("840\n\n\n", 2, alone=True), Part("End", 3)]
    found = list(passages(TXT, parts))
    assert "".join(joined(found, blanks=2)) == "Rent\n840\n\nEnd"
    assert "".join(joined(found)) == "Rent\n840\n\n\nEnd"  # as long as the document
    assert "".join(joined(found[1:], found[1].start)) == "840\n\n\nEnd"


@given(text=texts)
def test_a_place_is_the_line_that_an_editor_shows(text: str) -> None:
    for passage in passages(TXT, read_text(io.BytesIO(text.encode())), limit=60, overlap=15):
        for offset in range(0, len(passage.text), 7):
            if passage.text[offset] in "\r\n":
                continue
            before = text[: passage.start + offset]
            line = len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
            assert passage.place(offset).number == line


def test_paragraphs_stay_whole_and_small_ones_share_a_passage() -> None:
    one, two, three = (f"{name} {'word ' * 80}\n\n" for name in ("One", "Two", "Three"))
    parts = [Part(text, number) for number, text in enumerate((one, two, three), 1)]
    found = list(passages(HTML, parts, limit=900))
    assert [passage.text.split()[0] for passage in found] == ["One", "Three"]
    assert found[0].text == f"{one}{two}".strip()
    assert [(mark.offset, mark.number) for mark in found[0].marks] == [(0, 1), (len(one), 2)]
    assert found[0].place(len(one) - 3).number == 1
    assert found[0].place(len(one)).number == 2


def test_a_heading_stays_with_what_follows() -> None:
    parts = [
        Part("a word " * 100 + "\n\n", 1),
        Part("Rent\n\n", 2, open=True),
        Part("It is due on the third.\n\n", 3),
    ]
    assert [p.text for p in passages(HTML, parts, limit=720)][
        1
    ] == "Rent\n\nIt is due on the third."


def test_a_long_paragraph_is_cut_after_sentences_with_an_overlap() -> None:
    sentences = [f"This is sentence number {n} of a long paragraph." for n in range(100)]
    text = " ".join(sentences)
    found = list(passages(TXT, [Part(text, 1)]))
    assert len(found) > 4
    for passage, following in itertools.pairwise(found):
        assert passage.text.endswith(".")
        assert following.text.startswith("This")
        assert OVERLAP <= passage.end + 1 - following.start < LIMIT / 2  # with a blank
    # any thirty words in a row are whole in some passage
    words = text.split()
    for first in range(len(words) - 30):
        stretch = " ".join(words[first : first + 30])
        assert any(stretch in passage.text for passage in found), stretch


def test_a_long_paragraph_is_cut_where_the_quoted_sentences_end() -> None:
    sentences = [f"On day {n} Dr. Hale and J. R. Smith met St. Olaf.[{n}] " for n in range(100)]
    text = "".join(sentences)
    found = list(passages(TXT, [Part(text, 1)], limit=300, overlap=60))
    assert len(found) > 10
    for passage in found:
        assert passage.text.startswith("On day")
        assert passage.text.endswith("]")
        assert sentence_around(text, passage.start, passage.start + 1).start == passage.start


def test_a_paragraph_over_a_page_break_is_one_and_knows_both_pages() -> None:
    parts = [Part("It goes on\n\f", 1, open=True), Part("and ends here.\n\f", 2), Part("New.", 3)]
    (passage,) = passages(PDF, parts)
    assert passage.place(passage.text.index("goes")).link == "a.pdf#page=1"
    assert passage.place(passage.text.index("ends")).link == "a.pdf#page=2"
    assert str(passage.place(passage.text.index("New"))) == "a.pdf, page 3"


def test_every_word_knows_its_page_wherever_passages_are_cut() -> None:
    words = [[f"p{page}w{n}" for n in range(page * 5 % 17 + 1)] for page in range(1, 20)]
    parts = [
        Part(" ".join(on_page) + "\n\f", page, open=page % 3 > 0)
        for page, on_page in enumerate(words, 1)
    ]
    seen = set()
    for passage in passages(PDF, parts, limit=90, overlap=20):
        for word in re.finditer(r"p(\d+)w\d+", passage.text):
            assert passage.place(word.start()).number == int(word[1])
            seen.add(word[0])
    assert seen == {word for on_page in words for word in on_page}


def test_rows_are_passages_of_their_own() -> None:
    rows = [Part(f"row {n}\n\n", n, alone=True) for n in (2, 3, 5)]
    found = list(passages(HTML, rows))
    assert [passage.text for passage in found] == ["row 2", "row 3", "row 5"]
    assert [passage.place().number for passage in found] == [2, 3, 5]


def test_a_row_shares_no_passage_with_what_stands_around_it() -> None:
    parts = [Part("Before.\n\n", 1), Part("row\n\n", 2, alone=True), Part("After.\n\n", 3)]
    found = list(passages(HTML, parts))
    assert [passage.text for passage in found] == ["Before.", "row", "After."]
    assert [passage.place().number for passage in found] == [1, 2, 3]


def test_chinese_is_counted_in_bytes_since_each_letter_is_a_token() -> None:
    text = "水从山上流下来。" * 200
    sizes = [len(passage.text) for passage in passages(TXT, [Part(text, 1)])]
    assert max(sizes) <= LIMIT // 3


@pytest.mark.parametrize("open_part", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_a_huge_part_is_cut_as_if_it_came_at_once(
    open_part: bool, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = random.Random(16)
    words = [
        "river",
        "hills",
        "It rises.",
        "Dr. Hale",
        "\n",
        "   ",
        "mühle",
        "and so on!",
        "x" * 70,
    ]
    for _ in range(30):
        texts = [" ".join(generator.choices(words, k=generator.randrange(900))) for _ in range(3)]
        parts = [Part(f"{text}\n\n", 1, open=open_part, alone=alone) for text in texts]
        monkeypatch.setattr("pullquote.searching.passages._PIECE", 1 << 30)
        whole = list(passages(Document("a.txt", "line"), parts, limit=200, overlap=40))
        monkeypatch.setattr("pullquote.searching.passages._PIECE", 1 << 6)
        assert list(passages(Document("a.txt", "line"), parts, limit=200, overlap=40)) == whole


def test_headings_and_captions_stand_with_every_row_of_a_table() -> None:
    rows = [Part("Size: 10\n\n", 5, alone=True), Part("Size: 12\n\n", 6, alone=True)]
    intro = Part("We sell tools.\n\n", 1)
    heading, caption = Part("Saws\n\n", 2, open=True), Part("Prices:\n\n", 4)

    def said(*above: Part) -> list[tuple[str, int]]:
        found = passages(Document("a.md", "line"), [*above, *rows])
        return [(one.text, one.place(len(one.text) - 1).number) for one in found]

    both = [("Saws\n\nSize: 10", 5), ("Saws\n\nSize: 12", 6)]
    assert said(intro, heading) == [("We sell tools.", 1), *both]
    text = Part("They are sharp.\n\n", 3)
    assert said(intro, heading, text)[1:] == both
    both = [("Saws\n\nPrices:\n\nSize: 10", 5), ("Saws\n\nPrices:\n\nSize: 12", 6)]
    assert said(heading, caption) == both
    assert said(intro, heading, caption) == [("We sell tools.", 1), *both]
    assert said(heading, text, caption) == [("Saws\n\nThey are sharp.", 3), *both]


def test_of_a_huge_part_little_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is copied for each passage: of one row with 32 MB this took minutes."""
    held: list[int] = []

    def reach(text: str, limit: int) -> int:
        held.append(len(text))
        return _reach(text, limit)

    monkeypatch.setattr("pullquote.searching.passages._reach", reach)
    part = Part("The river rises in the hills. " * 10_000, 1, alone=True)
    assert sum(1 for _ in passages(Document("a.csv", "block"), [part])) > 250
    assert max(held) < 50_000


def test_a_heading_of_a_pdf_stays_with_what_follows() -> None:
    sentence = "The harvest came to sixty tonnes of apples in the year of the frost."
    texts = ["Harvest", sentence, sentence, "Staff", sentence, sentence]
    found = list(passages(PDF, [Part(f"{text}\n\n", 1) for text in texts], limit=160))
    assert [passage.text.splitlines()[0] for passage in found] == ["Harvest", "Staff"]
    found = list(passages(PDF, [Part(f"{text}\n\n", 1) for text in ["Staff"] * 60], limit=160))
    assert len(found) == 3  # a list is no heading
