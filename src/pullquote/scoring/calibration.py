"""Calibration: turns logits into the probability of no answer and of each quote being right.

Knows numbers, not questions or models.

    calibration = fit(readings, agreement, has_answer)
    probabilities = probabilities_of(calibration, readings, answerable=0.8)

A question has one of three outcomes: its best quote is *right*, the answer is another part of the
text (*elsewhere*), or there is *none*. Their probabilities are a softmax over 0 and two log odds
against "right" (multinomial logistic regression). With null_score_diff d, the share s of the best
quote, n windows, and weights of their own, both log odds are

    bias - below softplus(-d) + above softplus(d) + windows log n - share f(s)

where f(s) is log s for "none", and log(s / (1 - s)) for "elsewhere". Two slopes for d, one on
either side of 0, are those of beta calibration (Kull, Silva Filho and Flach 2017): "there is an
answer" is wrong more often than the logits suggest. The terms with n correct for the maximum over
windows: the best span of ten windows scores higher than it should. s is the product of a softmax
over the start logits and one over the end logits, as the model was trained. The defaults of
`Calibration` give the plain softmax: the log odds of no answer are d, and a quote has its share.

Calibration is fitted as if half of the questions had an answer. Where another share a of them has
one, the odds of "none" change by Bayes' rule (Saerens, Latinne and Decaestecker 2002): its log odds
become lower by log(a / (1 - a)), and those of "elsewhere" stay.

The other quotes get found P(elsewhere), shared by a softmax with a temperature over their logits;
the rest is the probability that the answer is none of the quotes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pullquote.errors import DataError
from pullquote.scoring.arrays import Floats, balanced_weights
from pullquote.settings import Calibration, LogOdds

_EXAMPLES = 20
"""The fewest answerable, and the fewest unanswerable, questions that anything is fitted on."""
_TINY = 1e-12
_SIGNS = np.array([False, True, True, True, False])
"""Which weights of `LogOdds`, in the order of its fields, must not be negative."""


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Uncalibrated reader outputs for N questions: K quotes each, best first."""

    null_score_diff: Floats  # (N,)
    share: Floats  # (N,) of the best quote among all spans of all windows, in (0, 1]
    logits: Floats  # (N, K) start + end; -inf where there are fewer quotes
    windows: Floats  # (N,) how many were read

    def __len__(self) -> int:
        return len(self.null_score_diff)


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """Of N questions. `none`, `elsewhere` and the first column of `quotes` sum to 1."""

    none: Floats  # (N,) that the text has no answer
    elsewhere: Floats  # (N,) that another part of the text answers than the best quote
    quotes: Floats  # (N, K) that each quote is right; 0 where there are fewer


def probabilities_of(
    calibration: Calibration, readings: Readings, *, answerable: float = 0.5
) -> Probabilities:
    """The probabilities where the share `answerable`, in (0, 1], of questions has an answer."""
    columns = (readings.null_score_diff, readings.share, readings.logits, readings.windows)
    none, elsewhere, quotes = [], [], np.zeros(readings.logits.shape)
    for row, reading in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        p = probabilities_of_one(calibration, *reading, answerable=answerable)
        none.append(p[0])
        elsewhere.append(p[1])
        quotes[row] = p[2]
    return Probabilities(np.array(none), np.array(elsewhere), quotes)


def probabilities_of_one(
    calibration: Calibration,
    null_score_diff: float,
    share: float,
    logits: Sequence[float],
    windows: float,
    *,
    answerable: float = 0.5,
) -> tuple[float, float, list[float]]:
    """The same of one question: `none`, `elsewhere` and `quotes`.

    Without numpy, which takes five times as long for so few numbers.
    """
    c, d = calibration, null_score_diff
    share = min(max(share, _TINY), 1 - _TINY)
    below = max(-d, 0.0) + math.log1p(math.exp(-abs(d)))  # softplus(-d)
    above, log_windows, log_share = d + below, math.log(windows), math.log(share)

    def log_odds(line: LogOdds, f: float) -> float:
        sides = line.above * above - line.below * below
        return line.bias + sides + line.windows * log_windows - line.share * f

    prior = math.log(answerable / (1 - answerable)) if answerable < 1 else math.inf
    right, elsewhere, none = _softmax_of_one(
        [
            0.0,
            log_odds(c.elsewhere, log_share - math.log1p(-share)),
            log_odds(c.none, log_share) - prior,
        ]
    )
    quotes = [right]
    if max(logits[1:], default=-math.inf) > -math.inf:
        shares = _softmax_of_one([logit / c.temperature for logit in logits[1:]])
        # no quote is likelier than the best one
        quotes += [min(c.found * elsewhere * share, right) for share in shares]
    else:
        quotes += [0.0] * (len(logits) - 1)
    return none, elsewhere, quotes


def _softmax_of_one(x: Sequence[float]) -> list[float]:
    highest = max(x)
    weights = [math.exp(value - highest) for value in x]
    total = sum(weights)
    return [weight / total for weight in weights]


def fit(readings: Readings, agreement: ArrayLike, has_answer: ArrayLike) -> Calibration:
    """Fit all parameters of `Calibration` by maximum likelihood; `fitted_on` stays empty.

    `agreement` (N, K) is the share of annotators, in [0, 1], who agree with each quote,
    `has_answer` (N,) says whether the text has an answer; answerable and unanswerable questions get
    half of the weight each. Raises `DataError` for fewer than 20 of either.
    """
    agree, answerable = np.asarray(agreement, np.float64), np.asarray(has_answer, np.bool_)
    if agree.shape != readings.logits.shape or answerable.shape != readings.null_score_diff.shape:
        raise DataError(
            f"{len(readings)} readings, agreement of the shape {agree.shape} and "
            f"{answerable.size} has_answer flags: expected one of each per quote and question"
        )
    check_kinds(answerable)
    right = np.where(answerable, agree[:, 0], 0.0)
    outcomes = np.stack([right, answerable - right, ~answerable], axis=1)
    none, elsewhere = _fit_odds(readings, outcomes, balanced_weights(answerable))
    missed = outcomes[:, 1]
    others = np.minimum(agree[:, 1:].sum(axis=1), missed)  # not who agrees with the best one, too
    found = float(others.sum() / max(missed.sum(), _TINY))
    return Calibration(none, elsewhere, found, _fit_temperature(readings, agree, missed))


def check_kinds(has_answer: ArrayLike) -> None:
    """Raise `DataError` for fewer than 20 answerable or unanswerable questions."""
    answerable = int(np.count_nonzero(has_answer))
    unanswerable = np.size(has_answer) - answerable
    if min(answerable, unanswerable) < _EXAMPLES:
        raise DataError(
            f"{answerable} answerable and {unanswerable} unanswerable questions: calibration needs "
            f"at least {_EXAMPLES} of each kind"
        )


def _features(readings: Readings) -> tuple[Floats, Floats]:
    """What the weights of `LogOdds` are multiplied by, (5, N), for `none` and for `elsewhere`."""
    d, share = readings.null_score_diff, np.clip(readings.share, _TINY, 1 - _TINY)
    none = np.ones((5, len(readings)))
    below = np.logaddexp(0, -d)
    none[1], none[2] = -below, d + below
    none[3] = -np.log(share)
    none[4] = np.log(readings.windows)
    elsewhere = none.copy()
    elsewhere[3] += np.log1p(-share)
    return none, elsewhere


def _weights(line: LogOdds) -> Floats:
    return np.array([line.bias, line.below, line.above, line.share, line.windows])


def _fit_odds(readings: Readings, outcomes: Floats, weights: Floats) -> tuple[LogOdds, LogOdds]:
    """Multinomial logistic regression; returns `none` and `elsewhere`.

    `outcomes` (N, 3) are the shares of right, elsewhere and none. Newton's method, projected to
    slopes of at least 0 (Bertsekas 1982).
    """
    none, elsewhere = _features(readings)
    features, targets = (elsewhere, none), (outcomes[:, 1], outcomes[:, 2])
    x = np.zeros((2, len(none)))

    def odds_of(x: Floats) -> Floats:
        lines = [row @ f for f, row in zip(features, x, strict=True)]
        return np.stack([np.zeros(len(readings)), *lines], axis=1)

    def loss(x: Floats) -> float:
        likely = np.log(np.maximum(_softmax(odds_of(x)), _TINY))
        # a small ridge penalty, without which separable data would have no finite fit
        return 5e-7 * float(np.square(x).sum()) - float(weights @ (outcomes * likely).sum(axis=1))

    current = loss(x)
    for _ in range(200):
        p = _softmax(odds_of(x))[:, 1:]  # (N, 2)
        rows = []
        for a in range(2):
            row = []
            for b in range(2):
                # the derivative of probability a with respect to the log odds b
                slope = weights * p[:, a] * ((a == b) - p[:, b])
                row.append((features[a] * slope) @ features[b].T)
            rows.append(row)
        curvature = np.block(rows) + 1e-6 * np.eye(x.size)
        gradient = np.stack(
            [
                f @ (weights * (p[:, a] - target)) + 1e-6 * x[a]
                for a, (f, target) in enumerate(zip(features, targets, strict=True))
            ]
        )
        stay = _SIGNS & (x == 0) & (gradient > 0)  # slopes that the data would have negative
        used = ~stay.reshape(-1)
        step = np.zeros(x.size)
        step[used] = np.linalg.solve(curvature[np.ix_(used, used)], gradient.reshape(-1)[used])
        size = 1.0
        while True:
            moved = x - size * step.reshape(x.shape)
            moved = np.where(_SIGNS, np.maximum(moved, 0.0), moved)
            if (lower := loss(moved)) <= current or size < 1e-6:
                break
            size /= 2
        change, x, current = np.abs(moved - x).max(), moved, lower
        if change < 1e-9:
            break
    return LogOdds(*x[1].tolist()), LogOdds(*x[0].tolist())


def _fit_temperature(readings: Readings, agreement: Floats, missed: Floats) -> float:
    """The temperature under which the right one of the other quotes is likeliest, from 0.1 to 10.

    `missed` (N,) is the share of annotators for whom the answer is not the best quote.
    """
    right = agreement[:, 1:] * missed[:, None]
    rows = right.any(axis=1)
    if not rows.any():
        return 1.0

    def loss(log_temperature: float) -> float:
        shares = _softmax(readings.logits[rows, 1:] / math.exp(log_temperature))
        return -float((right[rows] * np.log(np.maximum(shares, _TINY))).sum())

    return math.exp(_minimum(loss, math.log(0.1), math.log(10.0)))


def _softmax(x: Floats) -> Floats:
    """The softmax of each row; rows may hold -inf, but not alone."""
    weights: Floats = np.exp(x - x.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


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
