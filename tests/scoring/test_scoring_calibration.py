"""Calibration: its formula against an oracle, Bayes' rule, and fits of data drawn from it."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullquote.errors import DataError
from pullquote.scoring.calibration import Readings, fit, probabilities_of
from pullquote.scoring.calibration_metrics import expected_calibration_error
from pullquote.settings import Calibration, LogOdds

TRUE = Calibration(
    none=LogOdds(bias=-0.5, below=0.35, above=0.6, share=0.3, windows=-0.4),
    elsewhere=LogOdds(bias=0.4, below=0.15, above=0.1, share=0.8, windows=0.2),
    found=0.7,
    temperature=2.0,
)


def some_readings(count: int, seed: int = 0) -> Readings:
    random = np.random.default_rng(seed)
    logits = -np.cumsum(random.exponential(2.0, (count, 5)), axis=1)
    share = 1 / (1 + np.exp(random.normal(-0.5, 2, count)))
    return Readings(random.normal(0, 4, count), share, logits, random.choice([1, 4, 20], count))


def part(readings: Readings, rows: np.ndarray) -> Readings:
    return Readings(*(getattr(readings, name)[rows] for name in Readings.__slots__))


def chances(calibration: Calibration, readings: Readings) -> np.ndarray:
    """Right, elsewhere and none, (N, 3), by the formula in the docstring, a question at a time."""
    rows = []
    numbers = (readings.null_score_diff, readings.share, readings.windows)
    for d, share, windows in zip(*(column.tolist() for column in numbers), strict=True):
        weights = [1.0]
        for line, clear in (
            (calibration.elsewhere, math.log(share / (1 - share))),
            (calibration.none, math.log(share)),
        ):
            odds = line.bias - line.below * math.log1p(math.exp(-d))
            odds += line.above * math.log1p(math.exp(d))
            weights.append(math.exp(odds + line.windows * math.log(windows) - line.share * clear))
        rows.append([weight / sum(weights) for weight in weights])
    return np.array(rows)


def world(
    count: int = 20_000, annotators: int = 1, seed: int = 0
) -> tuple[Readings, np.ndarray, np.ndarray]:
    """Readings, agreement and has_answer of questions that are drawn from `TRUE`."""
    readings, random = some_readings(count, seed), np.random.default_rng([seed, 1])
    p = chances(TRUE, readings)
    has_answer = random.random(count) > p[:, 2]
    agreement = np.zeros((count, 5))
    others = np.exp(readings.logits[:, 1:] / TRUE.temperature)
    others /= others.sum(axis=1, keepdims=True)
    for _ in range(annotators):
        right = has_answer & (random.random(count) < p[:, 0] / (p[:, 0] + p[:, 1]))
        found = has_answer & ~right & (random.random(count) < TRUE.found)
        place = (random.random(count)[:, None] > others.cumsum(axis=1)).sum(axis=1)  # 0 to 3
        agreement[right, 0] += 1 / annotators
        agreement[found, 1 + np.minimum(place, 3)[found]] += 1 / annotators
    return readings, agreement, has_answer


# ---- probabilities


SLOPES = st.floats(0, 3)
LINES = st.builds(
    LogOdds,
    bias=st.floats(-5, 5),
    below=SLOPES,
    above=SLOPES,
    share=SLOPES,
    windows=st.floats(-1, 1),
)
CALIBRATIONS = st.builds(
    Calibration,
    none=LINES,
    elsewhere=LINES,
    found=st.floats(0, 1),
    temperature=st.floats(0.1, 10),
)


def test_without_a_fit_they_are_the_logistic_function_and_the_softmax() -> None:
    share = np.array([0.8, 0.3])
    readings = Readings(np.array([-2.0, 3.0]), share, np.array([[1.0, 0.0]] * 2), np.ones(2))
    found = probabilities_of(Calibration(), readings)
    none = [1 / (1 + math.exp(2)), 1 / (1 + math.exp(-3))]
    assert found.none == pytest.approx(none)
    assert found.quotes[:, 0] == pytest.approx((1 - found.none) * share)


@given(calibration=CALIBRATIONS, seed=st.integers(0, 99))
def test_none_elsewhere_and_the_best_quote_are_those_of_the_formula(
    calibration: Calibration, seed: int
) -> None:
    readings = some_readings(20, seed)
    found = probabilities_of(calibration, readings)
    three = np.stack([found.quotes[:, 0], found.elsewhere, found.none], axis=1)
    assert three == pytest.approx(chances(calibration, readings))
    assert three.sum(axis=1) == pytest.approx(1)


@given(calibration=CALIBRATIONS, seed=st.integers(0, 99))
def test_the_other_quotes_share_some_of_elsewhere(calibration: Calibration, seed: int) -> None:
    readings = some_readings(20, seed)
    found = probabilities_of(calibration, readings)
    others = found.quotes[:, 1:]
    assert (np.diff(found.quotes, axis=1) <= 0).all()
    assert (others.sum(axis=1) <= calibration.found * found.elsewhere + 1e-12).all()
    # their shares are a softmax, but for those that would be likelier than the best quote
    plain = np.exp(readings.logits[:, 1:] / calibration.temperature)
    plain *= (calibration.found * found.elsewhere / plain.sum(axis=1))[:, None]
    assert others == pytest.approx(np.minimum(plain, found.quotes[:, :1]))


def test_quotes_that_are_not_there_have_no_probability() -> None:
    logits = np.array([[3.0, 2.0, -np.inf], [3.0, -np.inf, -np.inf]])
    readings = Readings(np.zeros(2), np.array([0.6, 1.0]), logits, np.ones(2))
    found = probabilities_of(TRUE, readings)
    assert found.quotes[0, 1] == pytest.approx(TRUE.found * found.elsewhere[0])
    assert found.quotes[0, 2] == found.quotes[1, 1] == found.quotes[1, 2] == 0
    alone = probabilities_of(TRUE, replace(readings, logits=logits[:, :1]))
    assert alone.quotes[:, 0].tolist() == found.quotes[:, 0].tolist()


@given(calibration=CALIBRATIONS, seed=st.integers(0, 99), answerable=st.floats(0.01, 1))
def test_a_quote_is_likelier_the_more_the_model_believes_in_it(
    calibration: Calibration, seed: int, answerable: float
) -> None:
    readings = some_readings(50, seed)
    for name, direction in (("null_score_diff", -1), ("share", 1)):
        order = np.argsort(direction * getattr(readings, name))
        same = part(readings, np.zeros(50, dtype=int))
        rising = replace(same, **{name: getattr(readings, name)[order]})
        found = probabilities_of(calibration, rising, answerable=answerable)
        assert (np.diff(found.quotes[:, 0]) >= -1e-12).all()
        # so is the decision: whoever answers goes on to answer
        answers = found.none <= found.quotes[:, 0]
        assert (np.diff(answers.astype(int)) >= 0).all()


@given(calibration=CALIBRATIONS, answerable=st.floats(0.01, 0.99))
def test_another_share_of_answerable_questions_is_bayes_rule(
    calibration: Calibration, answerable: float
) -> None:
    readings = some_readings(20)
    half = probabilities_of(calibration, readings)
    found = probabilities_of(calibration, readings, answerable=answerable)
    odds = (1 - answerable) / answerable
    for event in ("quotes", "elsewhere"):
        before, after = (getattr(p, event).reshape(20, -1)[:, 0] for p in (half, found))
        assert found.none * before == pytest.approx(odds * half.none * after)
    assert found.none + found.elsewhere + found.quotes[:, 0] == pytest.approx(1)


def test_where_every_question_has_an_answer_none_is_impossible() -> None:
    readings = replace(some_readings(20), null_score_diff=np.full(20, 1e6))
    found = probabilities_of(TRUE, readings, answerable=1)
    assert found.none.tolist() == [0] * 20
    assert found.elsewhere + found.quotes[:, 0] == pytest.approx(1)


def test_extreme_logits_give_probabilities_without_a_warning() -> None:
    readings = Readings(
        np.array([-1e6, 1e6]), np.array([1.0, 1e-300]), np.array([[1e6, -1e6]] * 2), np.ones(2)
    )
    for calibration in (Calibration(), TRUE):
        found = probabilities_of(calibration, readings)
        assert found.none == pytest.approx([0, 1])
        assert np.isfinite(found.quotes).all()


# ---- fit


@pytest.mark.parametrize("annotators", [1, 3])
def test_a_fit_recovers_the_parameters_of_drawn_data(annotators: int) -> None:
    readings, agreement, has_answer = world(annotators=annotators)
    fitted = fit(readings, agreement, has_answer)
    # as if half of the questions had an answer: Bayes' rule moves one bias
    moved = math.log(has_answer.sum() / (~has_answer).sum())
    for name, shift in (("none", moved), ("elsewhere", 0.0)):
        true, found = asdict(getattr(TRUE, name)), asdict(getattr(fitted, name))
        true["bias"] += shift
        assert found == pytest.approx(true, abs=0.1), name
    assert fitted.found == pytest.approx(TRUE.found, abs=0.03)
    assert fitted.temperature == pytest.approx(TRUE.temperature, abs=0.15)
    assert fitted.fitted_on == ""


def test_a_fit_is_calibrated_on_new_data_from_the_same_distribution() -> None:
    fitted, (readings, agreement, has_answer) = fit(*world()), world(seed=3)
    errors = []
    for calibration in (fitted, Calibration()):
        p = probabilities_of(calibration, readings, answerable=has_answer.mean())
        pairs = ((p.none, ~has_answer), (p.quotes[:, 0], agreement[:, 0]))
        errors.append(max(expected_calibration_error(*pair) for pair in pairs))
    assert errors[0] < 0.02 < 0.1 < errors[1]  # what the fit mended


def test_the_mix_of_answerable_and_unanswerable_questions_does_not_matter() -> None:
    readings, agreement, has_answer = world()
    rows = has_answer | (np.arange(len(has_answer)) % 4 == 0)  # fewer are unanswerable
    some = fit(part(readings, rows), agreement[rows], has_answer[rows])
    whole = fit(readings, agreement, has_answer)
    assert asdict(some.none) == pytest.approx(asdict(whole.none), abs=0.15)
    assert asdict(some.elsewhere) == pytest.approx(asdict(whole.elsewhere), abs=0.15)


def loss(weights: np.ndarray, readings: Readings, right: np.ndarray, none: np.ndarray) -> float:
    """Minus the log likelihood, each kind of question with half of the weight; `weights` (10,)."""
    lines = (LogOdds(*weights[:5].tolist()), LogOdds(*weights[5:].tolist()))
    likely = np.log(chances(Calibration(*lines), readings))
    outcomes = np.stack([right, 1 - none - right, none], axis=1)
    each = (outcomes * likely).sum(axis=1)
    return -float(each[none == 0].mean() + each[none == 1].mean()) / 2


@pytest.mark.parametrize("rules", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_parameters_are_likelier(seed: int, rules: bool) -> None:
    """The likelihood has one maximum, so that it is enough to look around the fitted one."""
    readings, agreement, has_answer = world(120, annotators=2, seed=seed)
    random = np.random.default_rng(seed)
    if not rules:  # and some slopes are 0
        has_answer = readings.null_score_diff + random.normal(0, 4, 120) > 0
        agreement = random.random((120, 5)).round() * has_answer[:, None]
    fitted = fit(readings, agreement, has_answer)
    weights = np.array([*asdict(fitted.none).values(), *asdict(fitted.elsewhere).values()])
    slopes = np.array([0, 1, 1, 1, 0] * 2, dtype=bool)
    assert rules or (weights[slopes] == 0).any()
    data = (readings, agreement[:, 0], (~has_answer).astype(float))
    best = loss(weights, *data)
    for step in [*np.eye(10), *-np.eye(10), *random.normal(size=(40, 10))]:
        other = weights + 0.01 * step
        other[slopes] = np.maximum(other[slopes], 0)
        assert loss(other, *data) >= best - 1e-7


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["random", "reversed"]))
def test_slopes_are_never_negative(seed: int, kind: str) -> None:
    """A quote must not become likelier when the model believes less in it, whatever the data."""
    random = np.random.default_rng(seed)
    readings = some_readings(60, seed)
    has_answer = random.permutation(60) < 30
    agreement = random.random((60, 5)).round() * has_answer[:, None]
    if kind == "reversed":
        has_answer = readings.null_score_diff > np.median(readings.null_score_diff)
        agreement[:, 0] = has_answer & (readings.share < 0.4)
    fitted = fit(readings, agreement, has_answer)  # `LogOdds` refuses negative slopes
    if kind == "reversed":
        assert fitted.none.below == fitted.none.above == 0.0


def test_separable_data_gives_finite_parameters() -> None:
    d = np.repeat([-5.0, 5.0], 50)
    readings = Readings(d, np.full(100, 0.5), np.zeros((100, 1)), np.ones(100, dtype=int))
    p = probabilities_of(fit(readings, (d < 0)[:, None], d < 0), readings)
    assert p.none[0] < 0.01
    assert p.quotes[0, 0] > 0.98
    assert p.none[-1] > 0.99


def test_a_best_quote_that_is_always_right_leaves_the_others_as_they_were() -> None:
    readings, agreement, has_answer = world(400)
    agreement[:] = 0
    agreement[has_answer, 0] = 1
    assert fit(readings, agreement, has_answer).temperature == 1.0


@pytest.mark.parametrize("kinds", [(19, 500), (500, 19), (0, 0)])
def test_too_few_questions_of_a_kind(kinds: tuple[int, int]) -> None:
    has_answer = np.repeat([True, False], kinds)
    agreement = np.repeat(has_answer[:, None], 5, axis=1)
    message = f"{kinds[0]} answerable and {kinds[1]} unanswerable .* at least 20 of each"
    with pytest.raises(DataError, match=message):
        fit(some_readings(len(has_answer)), agreement, has_answer)


def test_twenty_of_a_kind_are_enough() -> None:
    readings, agreement, has_answer = world(400)
    for kind in (True, False):
        few = np.flatnonzero(has_answer == kind)[:20]
        rows = np.union1d(np.flatnonzero(has_answer != kind), few)
        fit(part(readings, rows), agreement[rows], has_answer[rows])


def test_shapes_that_differ() -> None:
    message = r"50 readings, agreement of the shape \(50, 4\) and 50 has_answer flags"
    with pytest.raises(DataError, match=message):
        fit(some_readings(50), np.ones((50, 4)), np.ones(50))
    with pytest.raises(DataError, match="and 49 has_answer flags"):
        fit(some_readings(50), np.ones((50, 5)), np.ones(49))
