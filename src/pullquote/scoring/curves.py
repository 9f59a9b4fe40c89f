"""Precision and recall over all no-answer thresholds, as evaluate-v2.0.py draws them.

Knows numbers alone.

    curve = precision_recall(exact, has_answer, no_answer_probability)
    curve.average                            # pr_exact_ap
    histogram(no_answer_probability)         # of which it makes one for each kind of question
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
    """From answering nothing to answering everything; begins at precision 1, recall 0."""

    recall: Floats  # (P,) of what all answerable questions could score
    precision: Floats  # (P,) score per answered question
    average: float
    """Average precision, in percent: the area below the steps."""


def precision_recall(
    score_if_answered: ArrayLike, has_answer: ArrayLike, value: ArrayLike
) -> PrecisionRecall:
    """Answer the questions by their no-answer values, the lowest first; all are `(N,)`.

    >>> precision_recall([1, 0, 1], [True, False, True], [0.1, 0.2, 0.3]).average
    83.33333333333333

    A score counts on answerable questions alone. Questions of equal value are answered together.
    Raises `DataError` for what `best_threshold` does, and where no question is answerable.
    """
    score, answerable, values = checked(score_if_answered, has_answer, value)
    if not answerable.any():
        raise DataError("no question has an answer: there is no recall")
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) != 0, True)  # of its equals
    true = np.cumsum((score * answerable)[order])
    precision = np.append(1.0, (true / np.arange(1, len(true) + 1))[last])
    recall = np.append(0.0, (true / np.count_nonzero(answerable))[last])
    return PrecisionRecall(recall, precision, 100.0 * float(precision[1:] @ np.diff(recall)))


def precision_recall_curves(
    quotes: Sequence[QuestionScore], no_answer_probabilities: Mapping[str, float]
) -> dict[str, PrecisionRecall]:
    """The official three: `exact`, `f1`, and `oracle`, where any answer to an answerable question
    is right. Empty when no question is answerable.

    `quotes` are the marks of the best quotes, given or not.
    """
    has_answer = [mark.has_answer for mark in quotes]
    if not any(has_answer):
        return {}
    value = [no_answer_probabilities[mark.id] for mark in quotes]
    scores: dict[str, ArrayLike] = {
        "exact": [mark.exact for mark in quotes],
        "f1": [mark.f1 for mark in quotes],
        "oracle": has_answer,
    }
    return {name: precision_recall(score, has_answer, value) for name, score in scores.items()}


def histogram(probability: ArrayLike) -> Floats:
    """The share of questions in each of 20 bins of equal width over [0, 1], (20,)."""
    values = np.asarray(probability, dtype=np.float64)
    counts, _ = np.histogram(values, bins=BINS, range=(0.0, 1.0))
    return counts / max(len(values), 1)
