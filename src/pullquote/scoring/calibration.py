"""Logits to probabilities: how likely a text has no answer, and how likely each quote is right.

Knows numbers, not questions or models. A probability speaks of a world in which half of the
questions have an answer, as the threshold does.

    calibration = fit(readings, right, has_answer)
    null, quotes = scores(calibration, readings)           # (N,), (N, K)

With null_score_diff d, the quotes' logits l_1 >= l_2 >= ... and n windows:

    log odds of no answer   -below softplus(-d) + above softplus(d)
                            + spread log sum_j exp(l_j - l_1) + windows log n + bias
    quote k is right        (1 - that probability) softmax(l / T)_k,
                            with T = temperature n^windows_temperature

The first line is beta calibration (Kull, Silva Filho and Flach 2017), one slope on either side of
0: a reader is more often wrong about "there is an answer" than its logits say. The second weighs
rivals: many quotes that are nearly as good speak for or against an answer. The last is temperature
scaling (Guo et al. 2017). All windows of a text compete, so that the best of ten looks better than
it is; the terms with n take that back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullquote.errors import DataError
from pullquote.scoring.arrays import Floats, balanced_weights
from pullquote.types import Calibration

_EXAMPLES = 20
"""Questions of each kind without which nothing is fitted."""
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What a reader said of N questions, before calibration: K quotes each, best first."""

    null_score_diff: Floats  # (N,)
    logits: Floats  # (N, K) start + end; -inf where there are fewer quotes
    windows: NDArray[np.int64]  # (N,)

    def __len__(self) -> int:
        return len(self.null_score_diff)

    def part(self, rows: NDArray[np.bool_]) -> Readings:
        return Readings(self.null_score_diff[rows], self.logits[rows], self.windows[rows])


def scores(
    calibration: Calibration, readings: Readings, *, among: int | None = None
) -> tuple[Floats, Floats]:
    """The probabilities that a text has no answer, (N,), and that each quote is right, (N, K).

    The K + 1 numbers of a question sum to 1. `among` lets only so many of the best quotes, which
    the calibration was fitted on, speak of an answer and share what is left; those after them are
    measured by the same scale.
    """
    best = replace(readings, logits=readings.logits[:, :among])
    null = no_answer_probability(calibration, best)
    worth = shares(calibration, readings)
    if among is not None:
        worth = worth / worth[:, :among].sum(axis=1, keepdims=True)
    return null, (1.0 - null)[:, None] * worth


def no_answer_probability(calibration: Calibration, readings: Readings) -> Floats:
    """The probability that a text has no answer, (N,)."""
    c = calibration
    weights = np.array([c.below, c.above, c.spread, c.bias])
    return _logistic(_features(readings) @ weights + c.windows * np.log(readings.windows))


def shares(calibration: Calibration, readings: Readings) -> Floats:
    """How likely each quote is right if there is an answer, (N, K); they sum to 1."""
    c = calibration
    temperature: Floats = c.temperature * np.power(readings.windows, c.windows_temperature)
    relative = (readings.logits - readings.logits[:, :1]) / temperature[:, None]  # <= 0
    weights: Floats = np.exp(relative)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def fit(readings: Readings, right: ArrayLike, has_answer: ArrayLike) -> Calibration:
    """Fit all numbers but `fitted_on`, by the likelihood of what came true.

    `right` (N,) says whether the best quote is right, `has_answer` (N,) whether the text has an
    answer; both kinds of questions get half of the weight. What depends on the number of windows is
    fitted on texts of several, where there are enough, and 0 otherwise. Raises `DataError` for
    fewer than 20 questions of either kind.
    """
    true, answerable = np.asarray(right, dtype=np.float64), np.asarray(has_answer, dtype=np.bool_)
    if not true.shape == answerable.shape == readings.null_score_diff.shape:
        raise DataError(
            f"{len(readings)} readings, {true.size} marks and {answerable.size} has_answer flags: "
            "expected one of each per question"
        )
    several = readings.windows > 1
    single = ~several if _enough(answerable[~several]) else np.ones_like(several)
    if not _enough(answerable[single]):
        counts = np.count_nonzero(answerable), np.count_nonzero(~answerable)
        raise DataError(
            f"{counts[0]} answerable and {counts[1]} unanswerable questions: calibration needs at "
            f"least {_EXAMPLES} of each kind"
        )
    calibration = _fit_odds(readings.part(single), answerable[single])
    calibration = replace(
        calibration, temperature=_fit_temperature(readings, true, single & answerable)
    )
    if not _enough(answerable[several]):
        return calibration
    return _fit_windows(calibration, readings, true, answerable, several)


def _enough(answerable: NDArray[np.bool_]) -> bool:
    return bool(_EXAMPLES <= np.count_nonzero(answerable) <= len(answerable) - _EXAMPLES)


def _features(readings: Readings) -> Floats:
    """What the slopes, `spread` and `bias` are multiplied with, (N, 4)."""
    d = readings.null_score_diff
    rivals = np.exp(readings.logits - readings.logits[:, :1]).sum(axis=1)
    ones = np.ones_like(d)
    return np.stack([-np.logaddexp(0, -d), np.logaddexp(0, d), np.log(rivals), ones], axis=1)


def _fit_odds(readings: Readings, answerable: NDArray[np.bool_]) -> Calibration:
    """Logistic regression by Newton's method, again without a slope that comes out negative."""
    features, weights = _features(readings), balanced_weights(answerable)
    free = np.ones(features.shape[1], dtype=np.bool_)
    while True:
        x = np.zeros(len(free))
        for _ in range(50):
            p = _logistic(features @ x)
            used = features[:, free]
            # a trace of ridge, for data that can be told apart without error
            gradient = used.T @ (weights * (p - ~answerable)) + 1e-6 * x[free]
            curvature = (used * (weights * p * (1 - p))[:, None]).T @ used
            step = np.linalg.solve(curvature + 1e-6 * np.eye(used.shape[1]), gradient)
            x[free] -= step
            if np.abs(step).max() < 1e-10:
                break
        negative = free & (x < 0) & np.array([True, True, False, False])
        if not negative.any():
            below, above, spread, bias = (float(value) for value in x)
            return Calibration(below=below, above=above, spread=spread, bias=bias)
        free &= ~negative


def _fit_temperature(readings: Readings, right: Floats, rows: NDArray[np.bool_]) -> float:
    answerable, true = readings.part(rows), right[rows]

    def loss(log_temperature: float) -> float:
        share = shares(Calibration(temperature=math.exp(log_temperature)), answerable)[:, 0]
        return _surprise(share, true, np.ones_like(true))

    return math.exp(_minimum(loss, -3.0, 3.0))


def _fit_windows(
    calibration: Calibration,
    readings: Readings,
    right: Floats,
    answerable: NDArray[np.bool_],
    several: NDArray[np.bool_],
) -> Calibration:
    long, weights = readings.part(several), balanced_weights(answerable[several])

    def odds_loss(value: float) -> float:
        p = no_answer_probability(replace(calibration, windows=value), long)
        return _surprise(p, (~answerable[several]).astype(np.float64), weights)

    calibration = replace(calibration, windows=_minimum(odds_loss, -5.0, 5.0))
    rows = several & answerable
    found, true = readings.part(rows), right[rows]

    def share_loss(value: float) -> float:
        share = shares(replace(calibration, windows_temperature=value), found)[:, 0]
        return _surprise(share, true, np.ones_like(true))

    return replace(calibration, windows_temperature=_minimum(share_loss, -2.0, 2.0))


def _surprise(p: Floats, true: Floats, weights: Floats) -> float:
    """Minus the log likelihood of what came true, a weighted mean."""
    likely = true * np.log(np.maximum(p, _TINY)) + (1 - true) * np.log(np.maximum(1 - p, _TINY))
    return -float(np.average(likely, weights=weights))


def _minimum(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is lowest between two points, by golden section."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-4:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return (low + high) / 2


def _logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    p: Floats = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return p
