"""Precision-recall curves over all no-answer thresholds, as evaluate-v2.0.py draws them.

Knows numbers only.

    curve = precision_recall(exact, has_answer, no_answer_probability)
    curve.average                            # pr_exact_ap
    histogram(no_answer_probability)         # one for answerable, one for unanswerable questions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pullquote.errors import DataError
from pullquote.scoring.arrays import Floats, checked
from pullquote.scoring.squad import QuestionScore

BINS = 20


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecall:
    """Points from answering nothing (precision 1, recall 0) to answering every question."""

    recall: Floats  # (P,) score per answerable question
    precision: Floats  # (P,) score per answered question
    average: float
    """Average precision, in percent: the area below the step curve."""


def precision_recall(
    score_if_answered: ArrayLike, has_answer: ArrayLike, value: ArrayLike
) -> PrecisionRecall:
    """The curve for answering questions in the order of their no-answer values, lowest first.

    >>> precision_recall([1, 0, 1], [True, False, True], [0.1, 0.2, 0.3]).average
    83.33333333333333

    All arguments are `(N,)`. Scores of unanswerable questions count as 0. Questions of equal value
    are answered together. Raises `DataError` as `best_threshold` does, and where no question is
    answerable.
    """
    score, answerable, values = checked(score_if_answered, has_answer, value)
    if not answerable.any():
        raise DataError("no question has an answer: there is no recall")
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) != 0, True)  # the last of equal values
    true = np.cumsum((score * answerable)[order])
    precision = np.append(1.0, (true / np.arange(1, len(true) + 1))[last])
    recall = np.append(0.0, (true / np.count_nonzero(answerable))[last])
    return PrecisionRecall(recall, precision, 100.0 * float(precision[1:] @ np.diff(recall)))


def precision_recall_curves(
    quotes: Sequence[QuestionScore], no_answer_probabilities: Mapping[str, float]
) -> dict[str, PrecisionRecall]:
    """The three official curves: `exact`, `f1`, and `oracle`, where any answer to an answerable
    question is right. Empty when no question is answerable.

    `quotes` are the scores of the best quotes, whether or not the reader abstains.
    """
    has_answer = [score.has_answer for score in quotes]
    if not any(has_answer):
        return {}
    value = [no_answer_probabilities[score.id] for score in quotes]
    columns: dict[str, ArrayLike] = {
        "exact": [score.exact for score in quotes],
        "f1": [score.f1 for score in quotes],
        "oracle": has_answer,
    }
    return {name: precision_recall(column, has_answer, value) for name, column in columns.items()}


def histogram(probability: ArrayLike) -> Floats:
    """The share of questions in each of 20 bins of equal width over [0, 1], (20,)."""
    values = np.asarray(probability, dtype=np.float64)
    counts, _ = np.histogram(values, bins=BINS, range=(0.0, 1.0))
    return counts / max(len(values), 1)
