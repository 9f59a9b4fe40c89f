"""Calibration: turns logits into the probability of no answer and of each quote being right.

Knows numbers, not questions or models. Probabilities assume that half of the questions have an
answer, as the fitted threshold does.

    calibration = fit(readings, right, has_answer)
    null, quotes = scores(calibration, readings)           # (N,), (N, K)

With null_score_diff d, the quotes' logits l_1 >= l_2 >= ... and n windows:

    log odds of no answer   -below softplus(-d) + above softplus(d)
                            + spread log sum_j exp(l_j - l_1) + windows log n + bias
    quote k is right        (1 - that probability) softmax(l / T)_k,
                            with T = temperature n^windows_temperature

The first line is beta calibration (Kull, Silva Filho and Flach 2017) with one slope on either side
of 0: "there is an answer" is wrong more often than the logits suggest. `spread` uses the other
quotes: many that score nearly as high are evidence for or against an answer. The last line is
temperature scaling (Guo et al. 2017). The terms with n correct for the maximum over windows: the
best span of ten windows scores higher than it should.
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
"""The fewest answerable, and the fewest unanswerable, questions that anything is fitted on."""
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Uncalibrated reader outputs for N questions: K quotes each, best first."""

    null_score_diff: Floats  # (N,)
    logits: Floats  # (N, K) start + end; -inf where there are fewer quotes
    windows: NDArray[np.int64]  # (N,)

    def __len__(self) -> int:
        return len(self.null_score_diff)

    def part(self, rows: NDArray[np.bool_]) -> Readings:
        """The questions where `rows` (N,) is true."""
        return Readings(self.null_score_diff[rows], self.logits[rows], self.windows[rows])


def scores(
    calibration: Calibration, readings: Readings, *, among: int | None = None
) -> tuple[Floats, Floats]:
    """The probabilities that a text has no answer, (N,), and that each quote is right, (N, K).

    The K + 1 numbers of a question sum to 1. With `among`, only the `among` best quotes decide the
    probability of no answer, and they share the remaining probability, as when the calibration was
    fitted; the other quotes are scored on the same scale.
    """
    best = replace(readings, logits=readings.logits[:, :among])
    null = no_answer_probability(calibration, best)
    quote_shares = shares(calibration, readings)
    if among is not None:
        quote_shares = quote_shares / quote_shares[:, :among].sum(axis=1, keepdims=True)
    return null, (1.0 - null)[:, None] * quote_shares


def no_answer_probability(calibration: Calibration, readings: Readings) -> Floats:
    """The probability that a text has no answer, (N,)."""
    c = calibration
    weights = np.array([c.below, c.above, c.spread, c.bias])
    return _logistic(_features(readings) @ weights + c.windows * np.log(readings.windows))


def shares(calibration: Calibration, readings: Readings) -> Floats:
    """The probability that each quote is right, given that there is an answer; (N, K) with rows
    that sum to 1.
    """
    c = calibration
    temperature: Floats = c.temperature * np.power(readings.windows, c.windows_temperature)
    relative = (readings.logits - readings.logits[:, :1]) / temperature[:, None]  # <= 0
    weights: Floats = np.exp(relative)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def fit(readings: Readings, right: ArrayLike, has_answer: ArrayLike) -> Calibration:
    """Fit all parameters of `Calibration` by maximum likelihood; `fitted_on` stays empty.

    `right` (N,) says whether the best quote is right, `has_answer` (N,) whether the text has an
    answer; answerable and unanswerable questions get half of the weight each. The two parameters
    that depend on the number of windows are fitted on texts of several windows, and are 0 where
    there are too few of those. Raises `DataError` for fewer than 20 answerable or unanswerable
    questions.
    """
    true, answerable = np.asarray(right, dtype=np.float64), np.asarray(has_answer, dtype=np.bool_)
    if not true.shape == answerable.shape == readings.null_score_diff.shape:
        raise DataError(
            f"{len(readings)} readings, {true.size} right flags and {answerable.size} has_answer "
            "flags: expected one of each per question"
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
    """The features of the logistic regression, (N, 4): for `below`, `above`, `spread`, `bias`."""
    d = readings.null_score_diff
    rivals = np.exp(readings.logits - readings.logits[:, :1]).sum(axis=1)
    ones = np.ones_like(d)
    return np.stack([-np.logaddexp(0, -d), np.logaddexp(0, d), np.log(rivals), ones], axis=1)


def _fit_odds(readings: Readings, answerable: NDArray[np.bool_]) -> Calibration:
    """Logistic regression by Newton's method, refitted with negative slopes fixed at 0."""
    features, weights = _features(readings), balanced_weights(answerable)
    free = np.ones(features.shape[1], dtype=np.bool_)
    while True:
        x = np.zeros(len(free))
        for _ in range(50):
            p = _logistic(features @ x)
            used = features[:, free]
            # a small ridge penalty, without which separable data would have no finite fit
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
        return _log_loss(share, true, np.ones_like(true))

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
        return _log_loss(p, (~answerable[several]).astype(np.float64), weights)

    calibration = replace(calibration, windows=_minimum(odds_loss, -5.0, 5.0))
    rows = several & answerable
    long_answerable, true = readings.part(rows), right[rows]

    def share_loss(value: float) -> float:
        share = shares(replace(calibration, windows_temperature=value), long_answerable)[:, 0]
        return _log_loss(share, true, np.ones_like(true))

    return replace(calibration, windows_temperature=_minimum(share_loss, -2.0, 2.0))


def _log_loss(p: Floats, true: Floats, weights: Floats) -> float:
    """The weighted mean of the negative log likelihood (cross entropy) of `true`."""
    likely = true * np.log(np.maximum(p, _TINY)) + (1 - true) * np.log(np.maximum(1 - p, _TINY))
    return -float(np.average(likely, weights=weights))


def _minimum(loss: Callable[[float], float], low: float, high: float) -> float:
    """Golden-section search: where a unimodal function is lowest in [low, high]."""
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
