"""Calibration metrics: ECE, Brier score, risk-coverage curves, coverage at an accuracy.

Knows numbers and predictions, not models. Throughout, `confidence` (N,) in [0, 1] is the
probability given to each of N decisions, and `right` (N,), in [0, 1], says whether the decision was
right: the share of annotators who agree with it.

    expected_calibration_error(confidence, right)
    coverage_at(0.9, confidence, right)      # the share of questions that can be answered at 90 %
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullquote.errors import DataError
from pullquote.scoring.arrays import Floats
from pullquote.scoring.squad import QuestionScore
from pullquote.types import Prediction

BINS = 15
ACCURACIES = (0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class CalibrationMetrics:
    """All metrics of this module for one kind of confidence, as shares of 1, not percent."""

    ece: float
    macro_ce: float
    brier: float
    aurc: float
    coverage: dict[float, float]
    """Accuracy to coverage: see `coverage_at`."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The confidence of N decisions, and which of them were right."""

    confidence: Floats  # (N,)
    right: Floats  # (N,) in [0, 1]: the share of annotators who agree


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """A reliability diagram in bins of equal width; empty bins are left out."""

    confidence: Floats  # (B,) mean confidence
    accuracy: Floats  # (B,) share of right decisions
    count: NDArray[np.int64]  # (B,)


def measure_calibration(confidence: ArrayLike, right: ArrayLike) -> CalibrationMetrics:
    """All metrics for one kind of confidence. Raises `DataError`, as every function here does, for
    lengths that differ, empty input and values outside [0, 1].
    """
    return CalibrationMetrics(
        expected_calibration_error(confidence, right),
        macro_calibration_error(confidence, right),
        brier_score(confidence, right),
        area_under_risk_coverage(confidence, right),
        {accuracy: coverage_at(accuracy, confidence, right) for accuracy in ACCURACIES},
    )


def reader_calibration(
    predictions: Sequence[Prediction], quotes: Sequence[QuestionScore]
) -> dict[str, CalibrationMetrics]:
    """All metrics for each kind of confidence that `outcomes_of` returns."""
    return {
        name: measure_calibration(outcomes.confidence, outcomes.right)
        for name, outcomes in outcomes_of(predictions, quotes).items()
    }


def outcomes_of(
    predictions: Sequence[Prediction], quotes: Sequence[QuestionScore]
) -> dict[str, Outcomes]:
    """Three kinds of confidence, each with whether it was right.

    - `decisions`: what the reader says, a quote or no answer, with its score
    - `quotes`: the best quote, whether or not the reader abstains
    - `no answer`: that the text has no answer

    `quotes` are the scores of the best quotes; `QuestionScore.agreement` says how right they are.
    """
    quote = np.array([p.answers[0].score if p.answers else 0.0 for p in predictions])
    null = np.array([p.no_answer_score for p in predictions])
    answered = np.array([p.answer is not None for p in predictions])
    impossible = np.array([not score.has_answer for score in quotes])
    quote_right = np.array([score.agreement for score in quotes])
    right = np.where(answered, quote_right, impossible)
    return {
        "decisions": Outcomes(np.where(answered, quote, null), right),
        "quotes": Outcomes(quote, quote_right),
        "no answer": Outcomes(null, impossible.astype(np.float64)),
    }


def reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Bin decisions by confidence, for a reliability diagram."""
    p, true = _checked(confidence, right)
    index = np.minimum((p * bins).astype(np.intp), bins - 1)
    count = np.bincount(index, minlength=bins)
    full = count > 0
    mean_confidence = np.bincount(index, p, bins)[full] / count[full]
    accuracy = np.bincount(index, true, bins)[full] / count[full]
    return Reliability(mean_confidence, accuracy, count[full])


def expected_calibration_error(
    confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS
) -> float:
    """The gap between confidence and accuracy, averaged over bins by size (Guo et al. 2017).

    >>> round(expected_calibration_error([0.9, 0.9, 0.1], [1, 0, 0]), 4)
    0.3
    """
    table = reliability(confidence, right, bins=bins)
    return float(np.average(np.abs(table.confidence - table.accuracy), weights=table.count))


def macro_calibration_error(confidence: ArrayLike, right: ArrayLike) -> float:
    """The gap between confidence and correctness of single decisions (Si et al. 2022).

    Right and wrong decisions get half of the weight each. A reader that gives every answer its
    overall accuracy as confidence has an expected calibration error of 0 and a macro error of 0.5.
    Where all decisions are right (or all wrong), it is the mean over those.

    >>> round(macro_calibration_error([0.9, 0.5, 0.1], [1, 0, 0]), 4)
    0.2
    """
    p, true = _checked(confidence, right)
    kinds = ((1 - p, true), (p, 1 - true))  # gaps of right and of wrong decisions, and weights
    return float(np.mean([np.average(gap, weights=w) for gap, w in kinds if w.any()]))


def brier_score(confidence: ArrayLike, right: ArrayLike) -> float:
    """The mean squared difference of confidence and correctness (Brier 1950)."""
    p, true = _checked(confidence, right)
    return float(np.square(p - true).mean())


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    """The risk-coverage curve: the risk (share of wrong decisions) at each coverage.

    Decisions are taken by confidence, highest first. Those of equal confidence cannot be told
    apart, so there is one point for all of them.

    >>> risk_coverage([0.9, 0.8, 0.8, 0.2], [1, 1, 0, 0])
    (array([0.25, 0.75, 1.  ]), array([0.        , 0.33333333, 0.5       ]))
    """
    p, true = _checked(confidence, right)
    order = np.argsort(-p, kind="stable")
    last = np.append(np.diff(p[order]) != 0, True)  # the last of equal confidences
    taken = np.arange(1, len(p) + 1)
    wrong = np.cumsum(1 - true[order])
    return (taken / len(p))[last], (wrong / taken)[last]


def area_under_risk_coverage(confidence: ArrayLike, right: ArrayLike) -> float:
    """The mean risk over all coverages (Geifman and El-Yaniv 2017); lower is better."""
    coverage, risk = risk_coverage(confidence, right)
    return float(np.sum(risk * np.diff(coverage, prepend=0.0)))


def coverage_at(accuracy: float, confidence: ArrayLike, right: ArrayLike) -> float:
    """The largest coverage at which the share of right decisions is at least `accuracy`.

    >>> coverage_at(0.6, [0.9, 0.8, 0.8, 0.2], [1, 1, 0, 0])
    0.75
    """
    coverage, risk = risk_coverage(confidence, right)
    good = 1 - risk >= accuracy - 1e-12
    return float(coverage[good].max()) if good.any() else 0.0


def _checked(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    p, true = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if p.shape != true.shape or p.ndim != 1 or not len(p):
        raise DataError(
            f"{p.shape} confidences and {true.shape} right flags: expected one of each per "
            "question, in flat sequences"
        )
    if not ((p >= 0) & (p <= 1)).all():  # nor NaN
        bad = int(np.flatnonzero(~((p >= 0) & (p <= 1)))[0])
        raise DataError(f"confidence {bad} is {p[bad]}, expected 0 to 1")
    if not ((true >= 0) & (true <= 1)).all():
        raise DataError("right flags are not all from 0 to 1")
    return p, true
