"""Highlights: which sentences, how sure, their quotes; and the pieces of lists and tables."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pullquote import Reader
from pullquote.errors import InputError
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.reading.decode import Candidates, ScoredSpan
from pullquote.reading.highlight import highlight, read_pieces
from pullquote.reading.sentences import pieces

TEXT = "The Norse came by sea. Rollo led them. It rained. A duke led the others."


def candidates(*quotes: tuple[str, float], null: float = 0.0, text: str = TEXT) -> Candidates:
    spans = [
        ScoredSpan(text.index(quote), text.index(quote) + len(quote), logit / 2, logit / 2)
        for quote, logit in quotes
    ]
    return Candidates(tuple(spans), null, 0.0, 20.0)


def probability(margin: float, rank: int) -> float:
    return 1 / (1 + math.exp(-(0.154 * margin - 0.87 * math.log(rank) - 0.08)))


def test_several_sentences_in_the_order_of_the_text_with_their_probabilities() -> None:
    read = candidates(("A duke", 9.0), ("Rollo", 7.0), ("sea", -9.0), null=1.0)
    first, second = highlight(TEXT, [read], least=0.3)
    assert (first.text, first.quote.text) == ("Rollo led them.", "Rollo")
    assert (second.text, second.quote.text) == ("A duke led the others.", "A duke")
    assert TEXT[first.start : first.end] == first.text
    assert TEXT[second.quote.start : second.quote.end] == "A duke"
    assert second.score == pytest.approx(probability(8.0, 1))
    assert first.score == pytest.approx(probability(6.0, 2))


def test_a_sentence_is_as_good_as_its_best_span_against_the_null_of_its_window() -> None:
    low = candidates(("Rollo", 3.0), ("led them", 1.0), null=-4.0)
    high = candidates(("Rollo", 5.0), ("duke", 4.0), null=5.0)
    margins = {piece.span.text: piece.margin for piece in read_pieces(TEXT, [low, high])}
    assert margins["Rollo led them."] == 7.0
    assert margins["A duke led the others."] == -1.0
    assert margins["It rained."] == -1.0  # the worst: no span is known there
    assert len(highlight(TEXT, [low, high], least=0)) == 2  # and so it is no highlight


def test_a_span_over_two_sentences_belongs_where_its_middle_is() -> None:
    read = candidates(("Rollo led them. It", 5.0))
    (found,) = highlight(TEXT, [read], least=0)
    assert (found.text, found.quote.text) == ("Rollo led them.", "Rollo led them. It")


def test_a_text_without_windows_has_none() -> None:
    assert highlight("", [], least=0) == []
    assert [piece.margin for piece in read_pieces("It rained.", [])] == [0.0]


@pytest.mark.parametrize("least", [-0.1, 1.1, math.nan])
def test_a_least_that_is_no_probability(least: float) -> None:
    with pytest.raises(InputError, match="expected a probability from 0 to 1"):
        highlight(TEXT, [], least=least)


def test_the_reader_highlights_in_all_windows(
    make_model: Callable[..., Path], tmp_path: Path, wordpiece: Tokenizer
) -> None:
    rollo = wordpiece.token_to_id("rollo")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        row = [0.0] + [10.0 if id == rollo else -10.0 for id in ids[1:]]
        return row, row

    reader = Reader(make_model(tmp_path / "m"), backend=ScriptedBackend(script))
    text = "Rollo led. " + "The river ends at the sea. " * 9 + "By sea came rollo."
    found = reader.highlight("Who led the Norse?", text)
    assert [one.quote.text for one in found] == ["Rollo", "rollo"]
    assert reader.highlight("Who led the Norse?", " ") == []
    with pytest.raises(InputError, match="blank"):
        reader.highlight(" ", text)


# ---- pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two\nlines. Three.", ["One.", "Two\nlines.", "Three."]),
        ("We need:\n- bread\n- milk from\n  a farm\n\nThanks", 4),
        ("Householder:   Morag Tulloch\nLodger:        Ifeanyi", 2),
        ("| a | b |\n| 1 | 2 |", 2),
        (
            "Terms\n1. Rent is due. It is paid.\n2. Dogs",
            ["Terms", "1.", "Rent is due.", "It", "2."],
        ),
        ("(a) keep quiet\n(b) pay the rent", 2),
        ("a long line that goes on\nin the next one", 1),
    ],
)
def test_pieces_are_sentences_and_entries(text: str, expected: int | list[str]) -> None:
    found = [piece.text for piece in pieces(text)]
    if isinstance(expected, int):
        assert len(found) == expected
    else:
        assert [one[: len(other)] for one, other in zip(found, expected, strict=False)] == expected


@given(st.text("a.- |:\n1)(", max_size=60))
def test_pieces_have_all_that_is_not_blank_once_and_in_order(text: str) -> None:
    found = list(pieces(text))
    assert "".join("".join(piece.text for piece in found).split()) == "".join(text.split())
    assert all(text[piece.start : piece.end] == piece.text for piece in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


# ---- the benchmark


def test_its_questions_have_no_problem() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "highlight" / "questions.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "test: 52 questions, 148 answers" in done.stdout
