"""Array types, argument checks and class weights that the scoring modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullquote.errors import DataError

Floats = NDArray[np.float64]


def checked(
    score_if_answered: ArrayLike, has_answer: ArrayLike, value: ArrayLike
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """The arguments as arrays `(N,)`: scores, has-answer flags and no-answer values.

    Raises `DataError` for lengths that differ, empty input, NaN and infinity.
    """
    score = np.asarray(score_if_answered, dtype=np.float64)
    answerable = np.asarray(has_answer, dtype=np.bool_)
    values = np.asarray(value, dtype=np.float64)
    if not score.shape == answerable.shape == values.shape or score.ndim != 1:
        raise DataError(
            f"{score.shape} scores, {answerable.shape} has_answer flags and {values.shape} "
            "no-answer values: expected one of each per question, in flat sequences"
        )
    if not len(score):
        raise DataError("no questions: a threshold needs at least one")
    for name, numbers in (("score", score), ("no-answer value", values)):
        if len(bad := np.flatnonzero(~np.isfinite(numbers))):
            raise DataError(
                f"{name} {bad[0]} is {numbers[bad[0]]}, expected a finite number "
                f"({len(bad)} of {len(numbers)} are not)"
            )
    return score, answerable, values


def balanced_weights(has_answer: NDArray[np.bool_]) -> Floats:
    """Weights (N,) that sum to 1: answerable and unanswerable questions get one half each.

    Raises `DataError` when one of the two kinds is missing.
    """
    kinds = [np.count_nonzero(has_answer), np.count_nonzero(~has_answer)]
    if 0 in kinds:
        raise DataError(
            f"{kinds[0]} answerable and {kinds[1]} unanswerable questions: a balanced "
            "threshold needs both kinds; add the missing one or pass balanced=False"
        )
    return np.where(has_answer, 0.5 / kinds[0], 0.5 / kinds[1])
