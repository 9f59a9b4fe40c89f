"""Fitted calibration recovers the probabilities that simulated data was drawn with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pullquote.errors import DataError
from pullquote.scoring.calibration import (
    Readings,
    fit,
    no_answer_probability,
    scores,
    shares,
)
from pullquote.scoring.calibration_metrics import expected_calibration_error
from pullquote.types import Calibration

PLAIN = Calibration()
TRUE = Calibration(
    below=0.3,
    above=0.6,
    spread=-0.4,
    bias=0.5,
    windows=0.4,
    temperature=1.7,
    windows_temperature=0.2,
)


def world(
    calibration: Calibration, count: int = 40_000, windows: int = 1, seed: int = 0
) -> tuple[Readings, np.ndarray, np.ndarray]:
    """Readings, `right` and `has_answer` of questions that are drawn from a calibration.

    Half of the questions have an answer, as calibrated probabilities assume.
    """
    random = np.random.default_rng(seed)
    d = random.normal(-0.5, 5, 4 * count)
    logits = -np.sort(random.exponential(3, (4 * count, 6)), axis=1)
    readings = Readings(d, logits - logits[:, :1], np.full(4 * count, windows))
    has_answer = random.random(4 * count) > no_answer_probability(calibration, readings)
    right = has_answer & (random.random(4 * count) < shares(calibration, readings)[:, 0])
    half = [np.flatnonzero(has_answer == kind)[: count // 2] for kind in (True, False)]
    # the slopes that separate are unharmed by drawing halves; the bias moves by the log odds
    rows = np.concatenate(half)
    part = Readings(d[rows], readings.logits[rows], readings.windows[rows])
    return part, right[rows], has_answer[rows]


def together(*worlds: tuple[Readings, np.ndarray, np.ndarray]) -> tuple:
    parts = [world[0] for world in worlds]
    joined = Readings(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("null_score_diff", "logits", "windows")
        )
    )
    return joined, *(np.concatenate([world[index] for world in worlds]) for index in (1, 2))


def test_without_a_fit_the_probabilities_are_the_logistic_function_and_the_softmax() -> None:
    readings = Readings(np.array([-2.0, 3.0]), np.array([[1.0, 0.0], [5.0, -np.inf]]), np.ones(2))
    expected = [1 / (1 + math.exp(2)), 1 / (1 + math.exp(-3))]
    assert no_answer_probability(PLAIN, readings).tolist() == pytest.approx(expected)
    share = 1 / (1 + math.exp(-1))
    assert shares(PLAIN, readings).tolist() == [pytest.approx([share, 1 - share]), [1.0, 0.0]]


def test_extreme_logits_give_probabilities_without_a_warning() -> None:
    readings = Readings(np.array([-1e6, 1e6]), np.array([[1e6, -1e6]] * 2), np.array([1, 10**6]))
    for calibration in (PLAIN, TRUE):
        p = no_answer_probability(calibration, readings)
        assert (p[0], p[1]) == pytest.approx((0.0, 1.0))
        assert np.isfinite(shares(calibration, readings)).all()


def test_a_fit_recovers_the_parameters_of_simulated_data() -> None:
    fitted = fit(*world(TRUE))
    for name in ("below", "above", "spread", "temperature"):
        assert getattr(fitted, name) == pytest.approx(getattr(TRUE, name), abs=0.06), name
    assert (fitted.windows, fitted.windows_temperature) == (0.0, 0.0)  # nothing to see


def test_windows_are_fitted_where_texts_have_several() -> None:
    fitted = fit(*together(world(TRUE), world(TRUE, 20_000, windows=9, seed=1)))
    assert fitted.windows_temperature == pytest.approx(0.2, abs=0.05)
    # as fit by halves: each number of windows has a bias of its own to take up
    long = world(TRUE, windows=9, seed=2)
    p = no_answer_probability(fitted, long[0])
    assert expected_calibration_error(p, ~long[2]) < 0.02
    assert expected_calibration_error(no_answer_probability(PLAIN, long[0]), ~long[2]) > 0.1


def test_a_fit_is_calibrated_on_new_data_from_the_same_distribution() -> None:
    fitted, (readings, right, has_answer) = fit(*world(TRUE)), world(TRUE, seed=3)
    for calibration, most in ((fitted, 0.02), (PLAIN, 1.0)):
        p = no_answer_probability(calibration, readings)
        quote = (1 - p) * shares(calibration, readings)[:, 0]
        errors = [expected_calibration_error(p, ~has_answer)]
        errors.append(expected_calibration_error(quote, right))
        assert max(errors) < most
    assert max(errors) > 0.05  # what the fit mended


def test_a_mix_of_answerable_and_unanswerable_questions_does_not_matter() -> None:
    readings, right, has_answer = world(TRUE)
    rows = has_answer | (np.arange(len(has_answer)) % 4 == 0)  # an eighth is unanswerable
    some = fit(readings.part(rows), right[rows], has_answer[rows])
    all_of_them = fit(readings, right, has_answer)
    assert some.bias == pytest.approx(all_of_them.bias, abs=0.1)
    assert some.below == pytest.approx(all_of_them.below, abs=0.05)


def test_a_negative_slope_is_set_to_zero() -> None:
    """A higher null logit must never make an answer more likely, even if a few questions do."""
    d = np.linspace(-6, 6, 400)
    readings = Readings(d, np.zeros((400, 1)), np.ones(400, dtype=int))
    # the odds of no answer fall with d below 0, against the rule, and rise above 0
    has_answer = np.where(d < 0, np.arange(400) % 10 < d + 6, np.arange(400) % 10 > d + 3)
    fitted = fit(readings, has_answer, has_answer)
    assert fitted.below == 0.0
    assert fitted.above > 0.0
    p = no_answer_probability(fitted, readings)
    assert (np.diff(p) >= 0).all()


def test_separable_data_gives_finite_parameters() -> None:
    d = np.concatenate([np.full(50, -5.0), np.full(50, 5.0)])
    readings = Readings(d, np.zeros((100, 1)), np.ones(100, dtype=int))
    fitted = fit(readings, d < 0, d < 0)
    p = no_answer_probability(fitted, readings)
    assert p[0] < 0.01
    assert p[-1] > 0.99


@pytest.mark.parametrize("kinds", [(19, 500), (500, 19), (0, 0)])
def test_too_few_questions_of_a_kind(kinds: tuple[int, int]) -> None:
    has_answer = np.repeat([True, False], kinds)
    count = len(has_answer)
    readings = Readings(np.zeros(count), np.zeros((count, 2)), np.ones(count, dtype=int))
    message = f"{kinds[0]} answerable and {kinds[1]} unanswerable .* at least 20 of each"
    with pytest.raises(DataError, match=message):
        fit(readings, has_answer, has_answer)


def test_twenty_of_a_kind_are_enough() -> None:
    readings, right, has_answer = world(TRUE, count=400)
    for kind in (True, False):
        few = np.flatnonzero(has_answer == kind)[:20]
        rows = (has_answer != kind) | np.isin(np.arange(len(has_answer)), few)
        assert np.count_nonzero(has_answer[rows] == kind) == 20
        fit(readings.part(rows), right[rows], has_answer[rows])


def test_lengths_that_differ() -> None:
    readings = Readings(np.zeros(50), np.zeros((50, 2)), np.ones(50, dtype=int))
    with pytest.raises(DataError, match="50 readings, 49 right flags and 50 has_answer flags"):
        fit(readings, np.ones(49), np.ones(50))


def test_among_keeps_the_scores_of_the_best_quotes_when_more_are_given() -> None:
    readings, _, _ = world(TRUE, count=200, windows=3)
    first = Readings(readings.null_score_diff, readings.logits[:, :4], readings.windows)
    null, quotes = scores(TRUE, first)
    assert null + quotes.sum(axis=1) == pytest.approx(1)
    same_null, more = scores(TRUE, readings, among=4)
    assert same_null == pytest.approx(null)
    assert more[:, :4] == pytest.approx(quotes)
    assert (more[:, 4] <= more[:, 3]).all()
    assert (more[:, 4:] > 0).all()
