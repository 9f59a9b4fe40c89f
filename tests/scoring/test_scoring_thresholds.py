"""Threshold search against brute force over every possible threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.errors import ConfigError, DataError
from pullquote.scoring.operating_points import (
    Goal,
    OperatingPoint,
    best_answerable,
    operating_point,
)
from pullquote.scoring.squad import QuestionScore
from pullquote.scoring.thresholds import best_threshold, fit_threshold

# Halves and quarters add up without rounding, so that equality below is exact. Few values: ties.
QUESTIONS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.booleans(),
        st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0]),
    ),
    min_size=1,
    max_size=12,
)
FINITE = st.floats(-1.7e308, 1.7e308)


def at(threshold, questions):
    """The score of every question when abstaining above `threshold`."""
    return [
        float(not has_answer) if value > threshold else score
        for score, has_answer, value in questions
    ]


def balanced(scores, questions):
    kinds = [
        [s for s, (_, has_answer, _) in zip(scores, questions, strict=True) if has_answer is kind]
        for kind in (True, False)
    ]
    return sum(50 * sum(kind) / len(kind) for kind in kinds)


def candidates(questions):
    return [-math.inf, *(value for _, _, value in questions)]


@given(QUESTIONS)
def test_best_threshold_is_the_best_of_all(questions):
    found = best_threshold(*zip(*questions, strict=True))
    scores = [100 * sum(at(t, questions)) / len(questions) for t in candidates(questions)]
    assert found.score == max(scores)
    assert sum(at(found.threshold, questions)) * 100 / len(questions) == found.score


@given(QUESTIONS, st.randoms())
def test_the_order_of_questions_does_not_matter(questions, random):
    shuffled = random.sample(questions, len(questions))
    expected = best_threshold(*zip(*questions, strict=True))
    assert best_threshold(*zip(*shuffled, strict=True)) == expected


@given(QUESTIONS)
def test_an_unbalanced_fit_reaches_the_best_score(questions):
    columns = list(zip(*questions, strict=True))
    found = fit_threshold(*columns, balanced=False)
    assert found.score == pytest.approx(best_threshold(*columns).score)
    assert 100 * np.mean(at(found.threshold, questions)) == pytest.approx(found.score)


@given(QUESTIONS.filter(lambda questions: len({has for _, has, _ in questions}) == 2))
def test_a_balanced_fit_is_the_best_of_all_weighted(questions):
    found = fit_threshold(*zip(*questions, strict=True))
    scores = [balanced(at(t, questions), questions) for t in candidates(questions)]
    assert found.score == pytest.approx(max(scores))
    assert balanced(at(found.threshold, questions), questions) == pytest.approx(found.score)


@given(st.lists(FINITE, min_size=1, max_size=8), st.data())
def test_a_fitted_threshold_cuts_where_it_should_between_any_two_floats(values, data):
    # answerable below a pivot, unanswerable above it: the best threshold is right everywhere
    pivot = data.draw(st.sampled_from([-math.inf, *values]))
    questions = [(float(value <= pivot), value <= pivot, value) for value in values]
    for found in (
        fit_threshold(*zip(*questions, strict=True), balanced=False),
        best_threshold(*zip(*questions, strict=True)),
    ):
        assert math.isfinite(found.threshold)
        assert at(found.threshold, questions) == [1.0] * len(values)


def test_equal_values_are_answered_together_or_not_at_all():
    # Abstaining from the last alone would give 100, but 0.5 > t holds for both or for neither.
    found = best_threshold([1.0, 1.0, 0.0], [True, True, False], [0.1, 0.5, 0.5])
    assert (found.score, found.threshold) == (pytest.approx(200 / 3), 0.1)


def test_the_smallest_value_of_equal_scores_is_reported_as_officially():
    # the second answer is wrong: answering it as well changes nothing
    assert best_threshold([1.0, 0.0, 0.0], [True, True, False], [0.1, 0.2, 0.3]).threshold == 0.1


def test_abstaining_always_is_reported_as_zero_only_where_zero_abstains():
    assert best_threshold([0.0], [False], [0.4]).threshold == 0.0
    assert best_threshold([0.0], [False], [0.0]).threshold < 0.0
    assert best_threshold([0.0], [False], [-7.5]).threshold < -7.5


def test_a_fitted_threshold_lies_halfway_or_beyond_the_ends():
    values = [-1.0, 2.0, 4.0]
    assert fit_threshold([1.0, 1.0, 0.0], [True, True, False], values).threshold == 3.0
    assert fit_threshold([1.0] * 3, [True] * 3, values, balanced=False).threshold > 4.0
    assert fit_threshold([0.0] * 3, [False] * 3, values, balanced=False).threshold < -1.0


def test_between_neighbouring_floats_a_fitted_threshold_is_the_lower():
    low = 1.0
    for _ in range(4):  # halfway rounds up for every other pair
        high = math.nextafter(low, 2.0)
        assert fit_threshold([1.0, 0.0], [True, False], [low, high]).threshold == low
        low = high


def test_balance_gives_the_rarer_kind_its_half():
    # Two of three answerable questions go right. By count, answering all (2 of 4) beats abstaining
    # (1 of 4); by halves, abstaining (1/2) beats answering (2/3 of 1/2).
    score, has_answer, value = [0.0, 1.0, 0.0, 1.0], [False, True, True, True], [1.0, 2.0, 3.0, 4.0]
    unbalanced = fit_threshold(score, has_answer, value, balanced=False)
    assert (unbalanced.score, unbalanced.threshold > 4.0) == (50.0, True)
    weighted = fit_threshold(score, has_answer, value)
    assert (weighted.score, weighted.threshold < 1.0) == (50.0, True)


@pytest.mark.parametrize("function", [best_threshold, fit_threshold])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1.0], [True, False], [0.1, 0.2]), r"\(1,\) scores, \(2,\) has_answer flags"),
        (([[1.0]], [[True]], [[0.1]]), "flat"),
        (([], [], []), "no questions"),
        (([1.0, 0.0], [True, False], [0.1, math.nan]), "no-answer value 1 is nan"),
        (([1.0, 0.0], [True, False], [math.inf, 0.1]), "no-answer value 0 is inf"),
        (([math.nan, math.nan], [True, False], [0.1, 0.2]), r"score 0 is nan.*\(2 of 2"),
    ],
)
def test_numbers_that_cannot_be_used(function, columns, message):
    with pytest.raises(DataError, match=message):
        function(*columns)


def test_a_balanced_fit_needs_both_kinds():
    with pytest.raises(DataError, match=r"2 answerable and 0 unanswerable.*balanced=False"):
        fit_threshold([1.0, 0.0], [True, True], [0.1, 0.2])


# ---- a threshold for a goal


# In the order of VALUE: right, wrong, right, unanswerable (a quote is wrong there), right,
# unanswerable.
VALUE = np.array([-5.0, -4.0, -3.0, -2.0, -1.0, 0.0])
EXACT = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
F1 = np.array([1.0, 0.5, 1.0, 0.0, 1.0, 0.0])
HAS = np.array([True, True, True, False, True, False])


def question_scores(has_answer: np.ndarray = HAS) -> list[QuestionScore]:
    rows = zip(has_answer.tolist(), EXACT.tolist(), F1.tolist(), strict=True)
    return [QuestionScore(str(n), has, True, e, f) for n, (has, e, f) in enumerate(rows)]


def point(goal: str) -> OperatingPoint:
    return operating_point(Goal.parse(goal), question_scores(), VALUE)


def test_a_goal_of_precision_answers_as_much_as_it_can() -> None:
    # answerable ones weigh 1/8, unanswerable ones 1/4; of the first k given, right are
    #   1/1   1/2   2/3   (2/8)/(5/8) = 0.4   (3/8)/(6/8) = 0.5   (3/8)/1
    assert point("precision=1").threshold == -4.5
    assert point("precision=0.6").threshold == -2.5
    assert point("precision=0.5").threshold == -0.5
    found = point("precision=0.6")
    assert (found.precision, found.coverage) == pytest.approx((2 / 3, 3 / 8))


def test_a_goal_of_coverage_answers_the_lowest_no_answer_values() -> None:
    assert point("coverage=0.25").threshold == -3.5
    assert point("coverage=0.3").threshold == -2.5
    assert point("coverage=1").coverage == pytest.approx(1.0)


def test_goals_of_the_best_score_are_fit_threshold() -> None:
    assert point("f1").threshold == fit_threshold(F1, HAS, VALUE).threshold
    assert point("exact").threshold == fit_threshold(EXACT, HAS, VALUE).threshold


def test_a_goal_never_tells_equal_values_apart() -> None:
    same = operating_point(Goal.parse("coverage=0.2"), question_scores(), np.zeros(6))
    assert (same.threshold, same.coverage) == (pytest.approx(0.5), pytest.approx(1.0))
    with pytest.raises(
        DataError, match=r"no threshold gives a precision of 0.9; the best is 0.375"
    ):
        operating_point(Goal.parse("precision=0.9"), question_scores(), np.zeros(6))


def test_a_goal_needs_both_kinds() -> None:
    with pytest.raises(DataError, match="6 answerable and 0 unanswerable"):
        operating_point(Goal.parse("coverage=0.5"), question_scores(np.ones(6, dtype=bool)), VALUE)


@pytest.mark.parametrize(
    "text", ["", "F1", "f1=0.5", "precision", "precision=0", "precision=1.1", "coverage=x", "=1"]
)
def test_an_unknown_goal_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="expected f1, exact, precision=P or coverage=C"):
        Goal.parse(text)


def test_a_goal_as_text() -> None:
    names = [str(Goal.parse(text)) for text in ("f1", "exact", "precision=0.9", "coverage=.8")]
    assert names == ["best F1", "best exact match", "precision 0.9", "coverage 0.8"]


# ---- a share of answerable questions


def log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def test_the_share_that_gives_most_right_minus_wrong_answers() -> None:
    # right below log odds of a share of 0.6, wrong above
    values = [log_odds(share) for share in (0.31, 0.41, 0.51, 0.59, 0.61, 0.71)]
    assert best_answerable([1, 1, 1, 1, 0, 0], values) == 0.6
    assert best_answerable([1, 1, 1, 1, 0.5, 0.5], values) == 0.95  # these neither help nor harm
    assert best_answerable([1, 1, 1, 1, 0.4, 0.0], values) == 0.6


def test_of_shares_that_are_as_good_the_boldest_is_chosen() -> None:
    """One wrong answer of a hundred is within the tolerance, four are not."""
    right = np.ones(100)
    values = np.full(100, -9.0)
    for wrong, expected in ((1, 0.95), (4, 0.7)):
        right[:wrong], values[:wrong] = 0, log_odds(0.71)
        assert best_answerable(right, values) == expected


def test_a_reader_that_is_never_right_is_to_abstain() -> None:
    assert best_answerable(np.zeros(9), np.linspace(log_odds(0.06), log_odds(0.9), 9)) == 0.05


@pytest.mark.parametrize("bad", [[math.nan], [], [1.0, 2.0]])
def test_no_share_for_bad_numbers(bad: list[float]) -> None:
    with pytest.raises(DataError):
        best_answerable([1.0], bad)


def test_nothing_to_be_right_about_is_no_reason_to_be_bold() -> None:
    """All values are above every limit, so that all shares do equally well."""
    assert best_answerable([0, 0, 0], [4.0, 5.0, 6.0]) == 0.05
