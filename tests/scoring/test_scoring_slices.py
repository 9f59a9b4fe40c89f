"""Question types: every question is in exactly one slice of each division."""

from __future__ import annotations

import numpy as np
import pytest

from pullquote.scoring.slices import WORDS, answer_length, context_length, question_word, slices
from pullquote.scoring.squad import score_questions
from pullquote.types import Example, Span


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What is it?", "what"),
        ("In WHAT year did Rollo come?", "what"),
        ("What's the river called?", "what"),
        ("Whom did the king fear?", "who"),
        ("Whose land was it?", "who"),
        ("How many ships came, and when?", "how many/much"),
        ("How \n much did it cost?", "how many/much"),
        ("How manyfold was it?", "how"),
        ("How did they come?", "how"),
        ("Which of those who came was first?", "which"),
        ("Somewhat late, whoever came was whatever?", "other"),
        ("Name the river.", "other"),
        ("¿Quién?", "other"),
    ],
)
def test_the_first_question_word_counts(question: str, word: str) -> None:
    assert question_word(question) == word
    assert word in WORDS


def with_answers(*texts: str) -> Example:
    return Example("1", "?", "", tuple(Span(text, 0, len(text)) for text in texts))


def test_lengths_have_classes_without_gaps() -> None:
    lengths = [answer_length(with_answers(" ".join("w" * n))) for n in (1, 2, 3, 4, 5, 6, 10, 11)]
    assert lengths == ["1", "2", "3", "4 to 5", "4 to 5", "6 to 10", "6 to 10", "over 10"]
    contexts = [context_length(Example("1", "?", "w " * n)) for n in (0, 50, 51, 1000, 5001)]
    assert contexts == ["1 to 50", "1 to 50", "51 to 100", "501 to 1,000", "over 5,000"]


def test_an_answers_length_is_that_of_its_shortest_gold() -> None:
    assert answer_length(with_answers("in the old hills", "the hills")) == "2"
    assert answer_length(Example("1", "?", "")) == "no answer"


def test_the_slices_of_a_division_add_up_to_all_questions() -> None:
    random = np.random.default_rng(0)
    asked = ["Who?", "What?", "Why?", "How many?", "Where?", "Tell me."]
    examples = [
        Example(
            str(i),
            asked[random.integers(len(asked))],
            "land " * int(random.integers(1, 400)),
            (Span("land " * int(random.integers(1, 9)), 0, 4),) if random.random() < 0.6 else (),
        )
        for i in range(300)
    ]
    scores = score_questions(examples, {e.id: random.choice(["", "land"]) for e in examples})
    for division, kinds in slices(examples, scores).items():
        assert sum(kind.f1.total for kind in kinds) == 300, division
        for name in ("f1", "exact"):
            total = sum(getattr(kind, name).value * kind.f1.total for kind in kinds)
            assert total / 300 == pytest.approx(100 * np.mean([getattr(m, name) for m in scores]))
        # a kind's F1 is that of its two halves, and a half that is empty is none
        for kind in kinds:
            halves = [half for half in (kind.has_answer_f1, kind.no_answer_f1) if half]
            assert sum(half.total for half in halves) == kind.f1.total
            assert sum(half.value * half.total for half in halves) == pytest.approx(
                kind.f1.value * kind.f1.total
            )


def test_slices_without_questions_are_left_out_and_the_others_keep_their_order() -> None:
    examples = [Example(str(i), q, "Land.") for i, q in enumerate(["Why?", "Who?", "What?"])]
    found = slices(examples, score_questions(examples, {"0": "", "1": "", "2": "land"}))
    assert [kind.name for kind in found["question word"]] == ["what", "who", "why"]
    assert [kind.f1.value for kind in found["question word"]] == [0.0, 100.0, 100.0]
    assert found["question word"][0].has_answer_f1 is None
