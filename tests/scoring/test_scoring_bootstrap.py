"""Intervals against a truth that is known, and where they are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from pullquote.errors import DataError
from pullquote.scoring.bootstrap import FEWEST, estimates


def sample(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Marks of 60 paragraphs of 8 questions each, with a true mean of 0; neighbours resemble."""
    paragraphs = np.repeat(np.arange(60), 8)
    return random.normal(size=60)[paragraphs] + random.normal(size=480), paragraphs


def covered(how_grouped: str) -> float:
    """How often an interval holds the truth, over 200 samples."""
    random, hits = np.random.default_rng(1), 0
    for _ in range(200):
        marks, paragraphs = sample(random)
        groups = paragraphs if how_grouped == "paragraphs" else np.arange(len(marks))
        found = estimates({"x": marks}, groups.tolist(), resamples=200)["x"]
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    return hits / 200


def test_95_percent_intervals_hold_the_truth_about_so_often() -> None:
    assert 0.90 <= covered("paragraphs") <= 0.98


def test_resampling_single_questions_would_claim_far_too_much() -> None:
    assert covered("questions") < 0.75


def test_an_interval_is_as_wide_as_the_spread_of_paragraph_means_says() -> None:
    marks, paragraphs = sample(np.random.default_rng(2))
    found = estimates({"x": marks}, paragraphs.tolist(), resamples=4000)["x"]
    means = marks.reshape(60, 8).mean(axis=1)
    expected = 2 * 1.96 * means.std() / np.sqrt(60)
    assert found.high - found.low == pytest.approx(expected, rel=0.05)  # type: ignore[operator]
    assert found.value == pytest.approx(marks.mean())


def test_what_never_varies_has_an_interval_of_no_width() -> None:
    found = estimates({"ones": np.ones(30), "zeros": np.zeros(30)}, list(range(30)))
    assert (found["ones"].low, found["ones"].value, found["ones"].high) == (1.0, 1.0, 1.0)
    assert (found["zeros"].low, found["zeros"].value, found["zeros"].high) == (0.0, 0.0, 0.0)


def test_columns_see_the_same_paragraphs() -> None:
    """So that a difference is far surer than either side: here it is always exactly 1."""
    marks, paragraphs = sample(np.random.default_rng(3))
    found = estimates({"a": marks, "b": marks + 1}, paragraphs.tolist())
    for end in ("low", "value", "high"):
        difference = getattr(found["b"], end) - getattr(found["a"], end)
        assert difference == pytest.approx(1.0)


def test_nan_marks_questions_that_are_no_part_of_a_column() -> None:
    marks, paragraphs = sample(np.random.default_rng(4))
    rows = np.arange(len(marks)) % 3 == 0
    part = np.where(rows, marks, np.nan)
    found = estimates({"part": part}, paragraphs.tolist())["part"]
    alone = estimates({"part": marks[rows]}, paragraphs[rows].tolist())["part"]
    assert found == alone
    assert (found.total, found.value) == (rows.sum(), pytest.approx(marks[rows].mean()))


def test_a_column_that_some_resamples_miss_has_an_interval_of_the_others() -> None:
    part = np.full(200, np.nan)
    part[:FEWEST] = np.arange(FEWEST)  # of 200 paragraphs, in which none of the ten may be drawn
    found = estimates({"part": part}, list(range(200)))["part"]
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < found.value < found.high <= FEWEST - 1


def test_few_paragraphs_give_no_interval_however_many_questions() -> None:
    marks = np.random.default_rng(5).normal(size=90)
    few = estimates({"x": marks}, (np.arange(90) % (FEWEST - 1)).tolist())["x"]
    assert (few.low, few.high, few.total) == (None, None, 90)
    assert not few.excludes_zero
    enough = estimates({"x": marks}, (np.arange(90) % FEWEST).tolist())["x"]
    assert enough.low is not None


def test_a_seed_decides() -> None:
    marks, paragraphs = sample(np.random.default_rng(6))
    first, again, other = (
        estimates({"x": marks}, paragraphs.tolist(), seed=seed)["x"] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_numbers_that_have_no_mean() -> None:
    with pytest.raises(DataError, match="2 and 3 groups"):
        estimates({"x": [1.0, 2.0]}, ["a", "b", "c"])
    with pytest.raises(DataError, match="HasAns_f1 has no questions"):
        estimates({"f1": [1.0], "HasAns_f1": [np.nan]}, ["a"])
