"""Finds the no-answer threshold that maximises EM or F1.

Knows numbers, not questions or models. The rule throughout: abstain if and only if
`value > threshold`, where `value` is a no-answer probability or a `null_score_diff`.

    fit_threshold(score_if_answered, has_answer, null_score_diff).threshold
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pullquote.deprecated import moved_names
from pullquote.scoring.arrays import Floats, balanced_weights, checked


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """A threshold and the score it reaches, in percent like every score here."""

    score: float
    threshold: float


def best_threshold(
    score_if_answered: ArrayLike, has_answer: ArrayLike, value: ArrayLike
) -> BestThreshold:
    """The best mean score that any threshold reaches, and the lowest such threshold.

    >>> best_threshold([1.0, 0.0, 0.5], [True, False, True], [0.1, 0.6, 0.2])
    BestThreshold(score=83.33333333333333, threshold=0.2)

    All three are `(N,)`: the score in [0, 1] if the answer is given (for an unanswerable question
    that is 0, or 1 if the prediction is empty), whether there is an answer, and the no-answer
    value. The search is `find_best_thresh` of evaluate-v2.0.py with one difference: the official
    search may cut between equal values, which no threshold can do; this one does not. Raises
    `DataError` for lengths that differ, empty input, NaN and infinity.
    """
    score, answerable, values = checked(score_if_answered, has_answer, value)
    total, low, _ = _best_cut(score - ~answerable, float(np.sum(~answerable)), values)
    if low < values.min() and values.min() > 0.0:
        low = 0.0  # the official threshold for "always abstain", where all values are above 0
    return BestThreshold(100.0 * total / len(values), low)


def fit_threshold(
    score_if_answered: ArrayLike,
    has_answer: ArrayLike,
    value: ArrayLike,
    *,
    balanced: bool = True,
) -> BestThreshold:
    """The best threshold to store with a model: halfway between the two values around the cut.

    >>> fit_threshold([1.0, 0.0, 0.5], [True, False, True], [-4.0, 3.0, -1.0])
    BestThreshold(score=87.5, threshold=1.0)

    Arguments and errors as in `best_threshold`. `balanced` gives the answerable and the
    unanswerable questions half of the weight each (above: (1.0 + 0.5) / 2 and 1.0), since
    a threshold fitted on 30 % unanswerable questions costs a point of F1 on data with 50 %; the
    score is weighted likewise. It needs questions of both kinds.
    """
    score, answerable, values = checked(score_if_answered, has_answer, value)
    weight = balanced_weights(answerable) if balanced else np.full(len(values), 1 / len(values))
    total, low, high = _best_cut((score - ~answerable) * weight, weight[~answerable].sum(), values)
    return BestThreshold(100.0 * total, middle(low, high))


def middle(low: float, high: float) -> float:
    """Halfway between two values, of which the lower is answered."""
    middle = (low + high) / 2
    # Between neighbouring floats the middle may round up to `high`, and the questions at `high`
    # would be answered.
    return middle if low <= middle < high else low


def edges(ordered: Floats) -> Floats:
    """Sorted values with one more below the first and one above the last, (N + 2,)."""
    # one apart; for very large values, where adding 1 changes nothing, the neighbouring float
    first = min(ordered[0] - 1, np.nextafter(ordered[0], -np.inf))
    last = max(ordered[-1] + 1, np.nextafter(ordered[-1], np.inf))
    return np.concatenate(([first], ordered, [last]))


def _best_cut(gain: Floats, abstained: float, values: Floats) -> tuple[float, float, float]:
    """The best total score, and the values around its cut: `low` is answered, `high` is not.

    `abstained` is the total when no question is answered; answering question i adds `gain[i]`.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    # values 1 2 2 3: a threshold can answer the first 0, 1, 3 or 4 questions, but not the first 2
    realisable = np.concatenate(([True], ordered[1:] != ordered[:-1], [True]))  # (N + 1,)
    totals = np.cumsum(np.concatenate(([abstained], gain[order])))  # (N + 1,)
    best = int(np.argmax(np.where(realisable, totals, -np.inf)))  # the first of equal totals
    borders = edges(ordered)
    return float(totals[best]), float(borders[best]), float(borders[best + 1])


if not TYPE_CHECKING:  # so that a type checker still reports unknown names
    __getattr__ = moved_names(
        __name__,
        {
            name: f"pullquote.scoring.operating_points.{name}"
            for name in ("Goal", "OperatingPoint", "operating_point")
        },
    )
