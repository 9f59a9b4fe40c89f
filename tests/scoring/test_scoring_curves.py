"""Precision-recall curves against brute force over thresholds, and official numbers."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.errors import DataError
from pullquote.scoring import curves, slices
from pullquote.scoring.curves import histogram, precision_recall, precision_recall_curves
from pullquote.scoring.squad import score_questions
from pullquote.types import Example, Span

GOLDEN = Path(__file__).parent / "golden" / "dev60.json"

QUESTIONS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.booleans(),
        st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),  # few values: ties
    ),
    min_size=1,
    max_size=12,
).filter(lambda questions: any(has_answer for _, has_answer, _ in questions))


def by_hand(
    questions: list[tuple[float, bool, float]],
) -> tuple[list[float], list[float], float]:
    """Recall, precision and average precision, by trying every threshold."""
    recall, precision, area = [0.0], [1.0], 0.0
    answerable = sum(has_answer for _, has_answer, _ in questions)
    for threshold in sorted({value for _, _, value in questions}):
        given = [question for question in questions if question[2] <= threshold]
        score = sum(score for score, has_answer, _ in given if has_answer)
        recall.append(score / answerable)
        precision.append(score / len(given))
        area += (recall[-1] - recall[-2]) * precision[-1]
    return recall, precision, 100 * area


@given(QUESTIONS)
def test_a_curve_has_a_point_for_each_threshold(
    questions: list[tuple[float, bool, float]],
) -> None:
    curve = precision_recall(*zip(*questions, strict=True))
    recall, precision, average = by_hand(questions)
    assert curve.recall.tolist() == pytest.approx(recall)
    assert curve.precision.tolist() == pytest.approx(precision)
    assert curve.average == pytest.approx(average)


def test_average_precisions_are_the_official_ones() -> None:
    """Of evaluate-v2.0.py's make_precision_recall_eval on sixty questions of dev."""
    content = json.loads(GOLDEN.read_text(encoding="utf-8"))
    examples = [
        Example(qa["id"], qa["question"], "", tuple(Span(a["text"], 0, 0) for a in qa["answers"]))
        for article in content["squad"]["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    quotes = score_questions(examples, content["predictions"])
    found = precision_recall_curves(quotes, content["no_answer_probabilities"])
    assert {name: curve.average for name, curve in found.items()} == pytest.approx(
        {"exact": 57.654499669312074, "f1": 66.61151705067742, "oracle": 79.42757904544733}
    )


def test_without_answers_there_are_no_curves() -> None:
    quotes = score_questions([Example("1", "Who?", "Rollo came.")], {"1": "Rollo"})
    assert precision_recall_curves(quotes, {"1": 0.5}) == {}
    with pytest.raises(DataError, match="no question has an answer"):
        precision_recall([1.0], [False], [0.5])
    with pytest.raises(DataError, match="expected one of each"):
        precision_recall([1.0], [True, True], [0.5])


def test_a_histogram_has_twenty_bins_and_shares_that_sum_to_one() -> None:
    shares = histogram([0.0, 0.04, 0.05, 0.5, 1.0])
    assert shares.tolist() == pytest.approx([0.4, 0.2, *[0] * 8, 0.2, *[0] * 8, 0.2])
    assert np.sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("module", [curves, slices])
def test_the_examples_of_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
