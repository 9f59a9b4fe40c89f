"""The words of a question that are searched for."""

from __future__ import annotations

import pytest

from pullquote.searching.words import query_words


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("When was the first lighthouse lit?", ["first", "lighthouse", "lit"]),
        ("Who is the Who?", ["Who", "is", "the"]),  # all are stop words
        ("What’s O'Brien's state-of-the-art?", ["O'Brien's", "state", "art"]),
        ("rent rent Rent", ["rent", "Rent"]),
        ("Cafe\u0301 или 川?", ["Caf\u00e9", "или", "川"]),
        ("Where is the oﬃce of １２ m²?", ["office", "12", "m2"]),
        ("?! --", []),
    ],
)
def test_stop_words_are_dropped_unless_there_is_nothing_else(
    question: str, words: list[str]
) -> None:
    assert query_words(question) == words


def test_no_question_is_endless() -> None:
    assert len(query_words(" ".join(f"word{n}" for n in range(500)))) == 64
