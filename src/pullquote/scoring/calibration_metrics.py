"""Calibration metrics: ECE, Brier score, risk-coverage curves, coverage at an accuracy.

Knows numbers and predictions, never a model. Throughout, `confidence` (N,) in [0, 1] is the
probability that was given to each of N decisions, and `right` (N,) whether it was right.

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
    """By accuracy: see `coverage_at`."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The confidence of N decisions, and which of them were right."""

    confidence: Floats  # (N,)
    right: NDArray[np.bool_]  # (N,)


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """A reliability diagram in bins of equal width; empty bins are left out."""

    confidence: Floats  # (B,) mean confidence
    accuracy: Floats  # (B,) share of right decisions
    count: NDArray[np.int64]  # (B,)


def measure_calibration(confidence: ArrayLike, right: ArrayLike) -> CalibrationMetrics:
    """Measure one kind of confidence. Raises `DataError` as all functions here do."""
    return CalibrationMetrics(
        expected_calibration_error(confidence, right),
        macro_calibration_error(confidence, right),
        brier_score(confidence, right),
        area_under_risk_coverage(confidence, right),
        {accuracy: coverage_at(accuracy, confidence, right) for accuracy in ACCURACIES},
    )


def reader_calibration(
    predictions: Sequence[Prediction], quotes: Sequence[QuestionScore], threshold: float
) -> dict[str, CalibrationMetrics]:
    """Measure a reader's scores, those of `outcomes_of`."""
    outcomes = outcomes_of(predictions, quotes, threshold)
    return {
        name: measure_calibration(found.confidence, found.right) for name, found in outcomes.items()
    }


def outcomes_of(
    predictions: Sequence[Prediction], quotes: Sequence[QuestionScore], threshold: float
) -> dict[str, Outcomes]:
    """A reader's scores: of `decisions`, of `quotes`, and of `no answer`.

    `quotes` are the marks of the best quotes, given or not; see `QuestionScore.right`. A decision
    is what the reader says at `threshold`, with the score of just that.
    """
    quote = np.array([p.answers[0].score if p.answers else 0.0 for p in predictions])
    null = np.array([p.no_answer_score for p in predictions])
    answered = np.array([p.null_score_diff <= threshold for p in predictions])
    impossible = np.array([not mark.has_answer for mark in quotes])
    found = np.array([mark.right for mark in quotes])
    right = np.where(answered, found, impossible)
    return {
        "decisions": Outcomes(np.where(answered, quote, null), right),
        "quotes": Outcomes(quote, found),
        "no answer": Outcomes(null, impossible),
    }


def reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Sort decisions into bins by their confidence."""
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
    """The mean gap between confidence and accuracy over bins, by their sizes (Guo et al. 2017).

    >>> round(expected_calibration_error([0.9, 0.9, 0.1], [1, 0, 0]), 4)
    0.3
    """
    table = reliability(confidence, right, bins=bins)
    return float(np.average(np.abs(table.confidence - table.accuracy), weights=table.count))


def macro_calibration_error(confidence: ArrayLike, right: ArrayLike) -> float:
    """The mean gap of single decisions, right and wrong ones weighted equally (Si et al. 2022).

    A reader that outcomes its accuracy of every answer has no expected calibration error, and
    a macro error of 0.5. Where all decisions are right (or wrong), theirs alone.

    >>> round(macro_calibration_error([0.9, 0.5, 0.1], [1, 0, 0]), 4)
    0.2
    """
    p, true = _checked(confidence, right)
    gaps = [np.abs(p - true)[true == kind] for kind in (0.0, 1.0)]
    return float(np.mean([gap.mean() for gap in gaps if len(gap)]))


def brier_score(confidence: ArrayLike, right: ArrayLike) -> float:
    """The mean squared gap of single decisions (Brier 1950)."""
    p, true = _checked(confidence, right)
    return float(np.square(p - true).mean())


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    """Answering the surest first: coverage and risk (share of wrong ones) where it may stop.

    Decisions of equal confidence cannot be told apart, so that it stops after all of them.

    >>> risk_coverage([0.9, 0.8, 0.8, 0.2], [1, 1, 0, 0])
    (array([0.25, 0.75, 1.  ]), array([0.        , 0.33333333, 0.5       ]))
    """
    p, true = _checked(confidence, right)
    order = np.argsort(-p, kind="stable")
    last = np.append(np.diff(p[order]) != 0, True)  # of its equals
    taken = np.arange(1, len(p) + 1)
    wrong = np.cumsum(1 - true[order])
    return (taken / len(p))[last], (wrong / taken)[last]


def area_under_risk_coverage(confidence: ArrayLike, right: ArrayLike) -> float:
    """The mean risk over all coverages (Geifman and El-Yaniv 2017); lower is better."""
    coverage, risk = risk_coverage(confidence, right)
    return float(np.sum(risk * np.diff(coverage, prepend=0.0)))


def coverage_at(accuracy: float, confidence: ArrayLike, right: ArrayLike) -> float:
    """The largest share of questions, the surest first, of which so many are right.

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
            f"{p.shape} confidences and {true.shape} marks: expected one of each per question, "
            "in flat sequences"
        )
    if not ((p >= 0) & (p <= 1)).all():  # nor NaN
        bad = int(np.flatnonzero(~((p >= 0) & (p <= 1)))[0])
        raise DataError(f"confidence {bad} is {p[bad]}, expected 0 to 1")
    if not np.isin(true, (0.0, 1.0)).all():
        raise DataError("marks of right and wrong are not all 0 or 1")
    return p, true
