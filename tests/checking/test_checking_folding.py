"""Folding: what typography changes is gone, offsets lead back to the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.checking.folding import Folded, same_marks


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the “rent” is due", "the 'rent' is due"),
        ("don’t", "don't"),
        ("the oﬃce", "the office"),
        ("THE RENT", "the rent"),
        ("12 £", "１２ £"),
        ("cafe\u0301", "café"),
        ("recon-\nstructed", "reconstructed"),
        ("well-known", "well\u2011known"),
        ("1939–1945", "1939-1945"),
        ("so — it is", "so -- it is"),
        ("the rent\f\n is due", "the rent is due"),
        ("due.[3] The", "due. The"),
        ("trustees³ met", "trustees met"),
        ("so [sic] it is", "so it is"),
        ("[t]he rent", "the rent"),
        ("so\u00adlid ze\u200bro", "solid zero"),
        ("* the † rent", "the rent"),
        ("Straße", "STRASSE"),
    ],
)
def test_typography_is_folded(one: str, other: str) -> None:
    assert Folded(one).folded == Folded(other).folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("its rent", "it's rent"),
        ("−5 degrees", "5 degrees"),
        ("less -£40", "less £40"),
        ("5 %", "5"),
        ("< 5", "> 5"),
        ("1.5", "15"),
        ("café", "cafe"),
        ("the rent, due", "the rent due"),
        ("[2019] 3", "3"),
        ("40 m²", "40 m"),
        ("No. 5", "No."),
    ],
)
def test_what_says_something_else_is_not_folded(one: str, other: str) -> None:
    assert Folded(one).folded != Folded(other).folded


def test_tokens_are_words_numbers_and_signs() -> None:
    text = "It cost £6,200.50 at 09:30 (−5 °C), a well-\nknown 1939–1945 price.... 東京"
    assert Folded(text).tokens() == [
        *("it", "cost", "£", "6,200.50", "at", "09:30", "(", "-5", "°", "c", ")", ",", "a"),
        *("wellknown", "1939-1945", "price", "....", "東", "京"),
    ]


def test_words_are_not_punctuation() -> None:
    folded = Folded("So — it, is 5 %.")
    assert [folded.tokens()[at] for at in folded.words] == ["so", "it", "is", "5", "%"]


def test_equal_tokens_have_equal_keys_in_any_text() -> None:
    one, other = Folded("the rent is the rent"), Folded("rent of the house")
    assert one.keys[0] == one.keys[3] == other.keys[2]
    assert one.keys[1] == other.keys[0]
    assert len(set(one.keys.tolist())) == 3


@given(st.text(alphabet=st.sampled_from("aB1é ﬁ½'’-–\n\u00ad\u200b.[]³“,東\u0301ß"), max_size=60))
def test_offsets_lead_back_to_what_was_folded(text: str) -> None:
    folded = Folded(text)
    assert (folded.offsets[1:] >= folded.offsets[:-1]).all()
    assert "".join(folded.tokens()) == folded.folded
    for begin in range(len(folded)):
        start, end = folded.span(begin, begin + 1)
        assert end == start + 1
        # a character by itself folds to what stands there, where its neighbours do not matter
        alone = Folded(text[start:end]).folded
        assert folded.folded[begin] in alone or text[start] in "'’-–\u00ad"


def test_a_blank_text_has_no_tokens() -> None:
    folded = Folded(" \n“”")
    assert (folded.folded, folded.tokens(), len(folded.by_key[0]), len(folded.runs)) == (
        "",
        [],
        0,
        0,
    )


def test_same_marks() -> None:
    assert same_marks("“", '"')
    assert same_marks("—", "-")
    assert not same_marks("—", "“")


def test_a_number_without_its_minus_is_part_of_another_one() -> None:
    assert not Folded("it was -5").is_edge(6)
    assert not Folded("-5, 6").is_edge(1)
    assert Folded("10-20 days").is_edge(3)
    assert Folded("- 5 days").is_edge(1)
