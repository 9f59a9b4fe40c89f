"""Sentences around quotes: their borders by example, and properties for any text."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote.reading import sentences
from pullquote.reading.sentences import sentence_around, sentence_ends


def around(text: str, quote: str = "Rollo", **options: int) -> str:
    start = text.index(quote)
    span = sentence_around(text, start, start + len(quote), **options)
    assert span.text == text[span.start : span.end]
    return span.text


@pytest.mark.parametrize(
    ("before", "sentence", "after"),
    [
        ("", "Rollo", ""),
        ("It rained. ", "Rollo came by sea.", " He stayed."),
        ("Did it rain? ", "Rollo came by sea!", " He stayed."),
        ("It rained… ", "Then came Rollo…", "\n"),
        ("It rained.\n", "Rollo came\nby sea.", "\nHe stayed."),
        ("A heading\n\n", "Rollo came by sea", "\n \nA heading"),
        ("A heading\r\n\r\n", "Rollo came by sea", "\r\n\r\nA heading"),
        ("  ", "Rollo came by sea.", "  "),
        # what closes after a full stop belongs to its sentence
        ("“It rained.” ", "Rollo came by sea.", " He stayed."),
        ('(She said "Go.") ', '"Rollo came by sea."', " He stayed."),
        ("It rained.[3] ", "Rollo came by sea.[12][b]", " He stayed."),
        # a full stop that ends no sentence
        ("It rained. ", "Dr. Rollo and J. R. Smith led them.", " They stayed."),
        ("It rained. ", "Some, e.g. Rollo and St. Olaf, came at 3.5 knots vs. the tide.", " OK."),
        ("It rained. ", "The U.S. fleet of Rollo sailed for D.C. Sunday.", " It sank."),
        ("It rained. ", 'Rollo asked "Who?" twice.', " No one knew."),
        ("It has no. ", "Rollo had plot no. 7 of vol. 2, fig. 3, pp. 4-5.", " 6 came."),
        # languages that need no blank between sentences
        ("雨が降った。", "Rolloは海から来た。", "彼は残った。"),
        ("「降る。」", "「Rolloが来た。」", "彼は残った。"),
        ("Шёл дождь. ", "Rollo пришёл с моря.", " Он остался."),
    ],
)
def test_where_a_sentence_begins_and_ends(before: str, sentence: str, after: str) -> None:
    assert around(before + sentence + after) == sentence


def test_all_ends_within_a_part_of_a_text() -> None:
    text = "One. Two came. Dr. Rollo led.[3] Three went.  Four"
    ends = list(sentence_ends(text))
    assert [text[:end].split()[-1] for end in ends] == ["One.", "came.", "led.[3]", "went."]
    assert all(text[end] == " " for end in ends)
    assert list(sentence_ends(text, 6, len(text))) == ends[1:]
    # the letter that tells an end lies beyond 15
    assert list(sentence_ends(text, 0, 15)) == ends[:1]
    assert list(sentence_ends(text, 0, 16)) == ends[:2]


def test_a_quote_of_several_sentences_is_kept_whole() -> None:
    text = "One. Two came. Rollo led. Three went. Four."
    assert around(text, "came. Rollo") == "Two came. Rollo led."


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "never ends and " * 50 + "Rollo" + " and never ends" * 50
    assert around(text, limit=20) == "and never ends and Rollo and never ends and"
    assert len(around(text)) <= 2 * 240 + len("Rollo")


def test_a_long_text_without_blanks_is_cut_anywhere() -> None:
    assert around("海" * 500 + "Rollo" + "海" * 500, limit=7) == "海" * 7 + "Rollo" + "海" * 7


def test_blanks_beyond_the_limit_do_not_count() -> None:
    assert around(" " * 300 + "Rollo" + "\n" * 300) == "Rollo"


def test_with_a_limit_of_zero_the_sentence_is_the_quote() -> None:
    assert around("Rollo came by sea. He stayed.", limit=0) == "Rollo"


# ---- what holds for any text

PIECES = [
    "Rollo",
    "a",
    "B",
    "Dr",
    ".",
    ".",
    "?",
    "…",
    "。",
    '"',
    ")",
    "[1]",
    " ",
    " ",
    "\n",
    "\n\n",
]
texts = st.one_of(st.lists(st.sampled_from(PIECES)).map("".join), st.text())


@st.composite
def quotes(draw: st.DrawFn) -> tuple[str, int, int, int]:
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, len(text)))
    return text, start, end, draw(st.integers(0, 30))


@settings(max_examples=1000, deadline=None)
@given(quotes())
def test_the_sentence_is_a_piece_of_the_text_that_holds_the_quote(
    case: tuple[str, int, int, int],
) -> None:
    text, start, end, limit = case
    span = sentence_around(text, start, end, limit=limit)
    assert 0 <= span.start <= start <= end <= span.end <= len(text)
    assert span.text == text[span.start : span.end]
    assert start - span.start <= limit
    assert span.end - end <= limit
    # no blank at its ends but the quote's own, and no empty line beside it
    assert span.start == start or not text[span.start].isspace()
    assert span.end == end or not text[span.end - 1].isspace()
    if start < len(text) and not text[start].isspace():
        assert "\n\n" not in text[span.start : start]
    assert "\n\n" not in text[end : span.end]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["Ab", "cd", "e", "f,"]), min_size=1), st.data())
def test_a_sentence_within_the_limit_is_found_whole(words: list[str], data: st.DataObject) -> None:
    sentence = "X" + " ".join(words) + " Y."
    before, after = "It rained. ", " Zed."
    start = data.draw(st.integers(0, len(sentence) - 1))
    while sentence[start].isspace():
        start += 1
    end = data.draw(st.integers(start + 1, len(sentence)))
    offset = len(before)
    found = sentence_around(before + sentence + after, offset + start, offset + end, limit=1000)
    assert found.text.startswith(sentence[: -len(" Y.")])


def test_the_time_does_not_depend_on_the_length_of_the_text() -> None:
    """Only the text within the limit is searched: a million full stops would take minutes."""
    text = ".\"')" * 250_000 + " Rollo " + "(. " * 250_000
    assert "Rollo" in around(text)


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(sentences).failed == 0
