"""Calibration metrics against hand-computed values and brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.errors import DataError
from pullquote.scoring.calibration_metrics import (
    area_under_risk_coverage,
    brier_score,
    coverage_at,
    expected_calibration_error,
    macro_calibration_error,
    measure_calibration,
    reader_calibration,
    reliability,
    risk_coverage,
)
from pullquote.scoring.squad import QuestionScore
from pullquote.types import Answer, Prediction

P = [0.95, 0.9, 0.9, 0.4, 0.35, 0.1]
RIGHT = [1, 1, 0, 1, 0, 0]

decisions = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]) | st.floats(0, 1), st.booleans()),
    min_size=1,
    max_size=40,
)


def test_bins_hold_mean_confidence_accuracy_and_count() -> None:
    table = reliability(P, RIGHT, bins=5)  # 0-0.2, 0.2-0.4, 0.4-0.6, 0.8-1
    assert table.count.tolist() == [1, 1, 1, 3]
    assert table.confidence.tolist() == pytest.approx([0.1, 0.35, 0.4, 2.75 / 3])
    assert table.accuracy.tolist() == pytest.approx([0, 0, 1, 2 / 3])


def test_expected_calibration_error_by_hand() -> None:
    gaps = [0.1 * 1, 0.35 * 1, 0.6 * 1, abs(2.75 / 3 - 2 / 3) * 3]
    assert expected_calibration_error(P, RIGHT, bins=5) == pytest.approx(sum(gaps) / 6)


def test_macro_error_is_not_averaged_away_within_bins() -> None:
    """Half are right at a confidence of 0.5: no error in the bin, and no discrimination."""
    p, right = [0.5] * 10, [1, 0] * 5
    assert expected_calibration_error(p, right) == 0.0
    assert macro_calibration_error(p, right) == 0.5
    # wrong ones count as much as right ones, however few they are
    assert macro_calibration_error([0.9] * 9 + [0.8], [1] * 9 + [0]) == pytest.approx(0.45)
    assert macro_calibration_error([0.9], [1]) == pytest.approx(0.1)


def test_half_right_is_the_mean_of_right_and_wrong() -> None:
    """A share of annotators is as if each of them had a question of their own."""
    p, right = [0.9, 0.3, 0.6], [1.0, 0.5, 0.25]
    p_each, right_each = [*[0.9] * 4, *[0.3] * 4, *[0.6] * 4], [1] * 4 + [1, 1, 0, 0] + [1, 0, 0, 0]
    for figure in (expected_calibration_error, macro_calibration_error, area_under_risk_coverage):
        assert figure(p, right) == pytest.approx(figure(p_each, right_each))


def test_brier_score_by_hand() -> None:
    assert brier_score([0.9, 0.2], [1, 1]) == pytest.approx((0.01 + 0.64) / 2)


def test_equal_confidences_are_taken_together() -> None:
    coverage, risk = risk_coverage(P, RIGHT)
    assert coverage.tolist() == pytest.approx([1 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert risk.tolist() == pytest.approx([0, 1 / 3, 1 / 4, 2 / 5, 1 / 2])
    assert coverage_at(0.75, P, RIGHT) == pytest.approx(4 / 6)
    assert coverage_at(0.8, P, RIGHT) == pytest.approx(1 / 6)
    assert coverage_at(0.8, [0.5, 0.5], [1, 0]) == 0.0


@given(decisions)
def test_risk_and_coverage_against_brute_force(made: list[tuple[float, bool]]) -> None:
    p, right = zip(*made, strict=True)
    stops = sorted(set(p), reverse=True)
    taken = [[r for q, r in made if q >= stop] for stop in stops]
    coverage, risk = risk_coverage(p, right)
    assert coverage.tolist() == pytest.approx([len(t) / len(made) for t in taken])
    assert risk.tolist() == pytest.approx([1 - sum(t) / len(t) for t in taken])
    steps = [0, *coverage]
    area = sum(r * (steps[i + 1] - steps[i]) for i, r in enumerate(risk))
    assert area_under_risk_coverage(p, right) == pytest.approx(area)
    for accuracy in (0.5, 0.9, 1.0):
        able = [c for c, t in zip(coverage, taken, strict=True) if sum(t) >= accuracy * len(t)]
        assert coverage_at(accuracy, p, right) == pytest.approx(max(able, default=0))


@given(decisions)
def test_all_metrics_are_between_zero_and_one(made: list[tuple[float, bool]]) -> None:
    found = measure_calibration(*zip(*made, strict=True))
    figures = [found.ece, found.macro_ce, found.brier, found.aurc, *found.coverage.values()]
    assert all(0.0 <= figure <= 1.0 for figure in figures)


def test_the_confidence_of_a_decision_is_the_score_of_the_quote_or_of_no_answer() -> None:
    """Two questions: a right answer with score 0.8 and a wrong abstention with 0.7."""

    def prediction(name: str, score: float, null: float, diff: float) -> Prediction:
        quote = Answer("Rollo", 0, 5, score, 0.0, 0.0)
        return Prediction(name, quote if diff <= 0 else None, (quote,), null, diff)

    predictions = [prediction("1", 0.8, 0.1, -2.0), prediction("2", 0.2, 0.7, 1.0)]
    scores = [QuestionScore(name, True, True, 0.0, 0.6, agreement=1.0) for name in ("1", "2")]
    found = reader_calibration(predictions, scores)
    assert found["decisions"] == measure_calibration([0.8, 0.7], [1, 0])
    assert found["quotes"] == measure_calibration([0.8, 0.2], [1, 1])
    assert found["no answer"] == measure_calibration([0.1, 0.7], [0, 0])
    # answering both is right twice
    both = [predictions[0], prediction("2", 0.2, 0.7, -1.0)]
    expected = measure_calibration([0.8, 0.2], [1, 1])
    assert reader_calibration(both, scores)["decisions"] == expected
    # half as right where one of two annotators agrees
    half = [scores[0], replace(scores[1], agreement=0.5)]
    assert reader_calibration(both, half)["quotes"] == measure_calibration([0.8, 0.2], [1, 0.5])


def test_a_quote_on_an_unanswerable_question_is_never_right() -> None:
    blank = Prediction("1", None, (), 1.0, 10_000.0)
    mark = QuestionScore("1", False, False, 1.0, 1.0)  # "" is exact there
    found = reader_calibration([blank], [mark])
    assert found["quotes"] == measure_calibration([0.0], [0])
    assert found["decisions"] == measure_calibration([1.0], [1])


@pytest.mark.parametrize(
    ("p", "right", "message"),
    [
        ([0.5, 0.5], [1], r"\(2,\) confidences and \(1,\) right flags"),
        ([], [], "one of each per question"),
        ([1.2], [1], "confidence 0 is 1.2, expected 0 to 1"),
        ([0.5, float("nan")], [1, 0], "confidence 1 is nan, expected 0 to 1"),
        ([0.5], [1.5], "right flags are not all from 0 to 1"),
        ([0.5], [-0.1], "not all from 0 to 1"),
    ],
)
def test_invalid_confidences_are_errors(p: list[float], right: list[float], message: str) -> None:
    for figure in (measure_calibration, reliability, risk_coverage, brier_score):
        with pytest.raises(DataError, match=message):
            figure(np.array(p), np.array(right))
