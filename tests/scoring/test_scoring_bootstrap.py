"""Bootstrap intervals: coverage of a known mean, and cases with an exact answer."""

from __future__ import annotations

import numpy as np
import pytest

from pullquote.errors import DataError
from pullquote.scoring.bootstrap import FEWEST, estimates


def sample(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores of 60 paragraphs of 8 correlated questions each, with a true mean of 0."""
    paragraphs = np.repeat(np.arange(60), 8)
    return random.normal(size=60)[paragraphs] + random.normal(size=480), paragraphs


def covered(how_grouped: str) -> float:
    """The share of 200 samples whose interval covers the true mean."""
    random, hits = np.random.default_rng(1), 0
    for _ in range(200):
        scores, paragraphs = sample(random)
        groups = paragraphs if how_grouped == "paragraphs" else np.arange(len(scores))
        found = estimates({"x": scores}, groups.tolist(), resamples=200)["x"]
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    return hits / 200


def test_95_percent_intervals_cover_the_true_mean_about_95_percent_of_the_time() -> None:
    assert 0.90 <= covered("paragraphs") <= 0.98


def test_resampling_single_questions_gives_intervals_that_are_too_narrow() -> None:
    assert covered("questions") < 0.75


def test_the_width_of_an_interval_matches_the_standard_error_of_paragraph_means() -> None:
    scores, paragraphs = sample(np.random.default_rng(2))
    found = estimates({"x": scores}, paragraphs.tolist(), resamples=4000)["x"]
    means = scores.reshape(60, 8).mean(axis=1)
    expected = 2 * 1.96 * means.std() / np.sqrt(60)
    assert found.high - found.low == pytest.approx(expected, rel=0.05)  # type: ignore[operator]
    assert found.value == pytest.approx(scores.mean())


def test_a_constant_column_has_an_interval_of_zero_width() -> None:
    found = estimates({"ones": np.ones(30), "zeros": np.zeros(30)}, list(range(30)))
    assert (found["ones"].low, found["ones"].value, found["ones"].high) == (1.0, 1.0, 1.0)
    assert (found["zeros"].low, found["zeros"].value, found["zeros"].high) == (0.0, 0.0, 0.0)


def test_all_columns_use_the_same_resamples() -> None:
    """So the difference of two columns has a narrow interval: here it is always exactly 1."""
    scores, paragraphs = sample(np.random.default_rng(3))
    found = estimates({"a": scores, "b": scores + 1}, paragraphs.tolist())
    for end in ("low", "value", "high"):
        difference = getattr(found["b"], end) - getattr(found["a"], end)
        assert difference == pytest.approx(1.0)


def test_nan_leaves_a_question_out_of_a_column() -> None:
    scores, paragraphs = sample(np.random.default_rng(4))
    rows = np.arange(len(scores)) % 3 == 0
    part = np.where(rows, scores, np.nan)
    found = estimates({"part": part}, paragraphs.tolist())["part"]
    alone = estimates({"part": scores[rows]}, paragraphs[rows].tolist())["part"]
    assert found == alone
    assert (found.total, found.value) == (rows.sum(), pytest.approx(scores[rows].mean()))


def test_resamples_without_a_question_of_a_column_are_left_out_of_its_interval() -> None:
    part = np.full(200, np.nan)
    part[:FEWEST] = np.arange(FEWEST)  # of 200 paragraphs, in which none of the ten may be drawn
    found = estimates({"part": part}, list(range(200)))["part"]
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < found.value < found.high <= FEWEST - 1


def test_fewer_than_ten_paragraphs_give_no_interval() -> None:
    scores = np.random.default_rng(5).normal(size=90)
    few = estimates({"x": scores}, (np.arange(90) % (FEWEST - 1)).tolist())["x"]
    assert (few.low, few.high, few.total) == (None, None, 90)
    assert not few.excludes_zero
    enough = estimates({"x": scores}, (np.arange(90) % FEWEST).tolist())["x"]
    assert enough.low is not None


def test_the_seed_determines_the_interval() -> None:
    scores, paragraphs = sample(np.random.default_rng(6))
    first, again, other = (
        estimates({"x": scores}, paragraphs.tolist(), seed=seed)["x"] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_mismatched_lengths_and_empty_columns_are_errors() -> None:
    with pytest.raises(DataError, match="2 and 3 groups"):
        estimates({"x": [1.0, 2.0]}, ["a", "b", "c"])
    with pytest.raises(DataError, match="HasAns_f1 has no questions"):
        estimates({"f1": [1.0], "HasAns_f1": [np.nan]}, ["a"])
