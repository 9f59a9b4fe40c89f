"""Operating points: the no-answer threshold for best F1, best EM, a precision or a coverage.

Knows question scores and numbers, not models.

    goal = Goal.parse("precision=0.9")
    operating_point(goal, score_questions(examples, quotes), null_score_diff).threshold
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pullquote.errors import ConfigError, DataError
from pullquote.scoring.arrays import balanced_weights, checked
from pullquote.scoring.squad import QuestionScore
from pullquote.scoring.thresholds import edges, fit_threshold, middle


@dataclass(frozen=True, slots=True)
class Goal:
    """What a threshold is chosen for: the best `f1` or `exact`, or a `precision` or `coverage`.

    `precision` is the share of the given answers that are right (`QuestionScore.right`),
    `coverage` the share of the questions that are answered; their `level` is in (0, 1].
    """

    kind: str
    level: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Read `f1`, `exact`, `precision=0.9` or `coverage=0.8`.

        Raises `ConfigError` for anything else.
        """
        kind, equals, level = text.partition("=")
        if kind in ("f1", "exact") and not equals:
            return cls(kind)
        if kind in ("precision", "coverage") and equals:
            with contextlib.suppress(ValueError):
                if 0.0 < (share := float(level)) <= 1.0:
                    return cls(kind, share)
        raise ConfigError(
            f"threshold for {text!r}: expected f1, exact, precision=P or coverage=C, with P and C "
            "above 0 and at most 1"
        )

    def __str__(self) -> str:
        names = {"f1": "best F1", "exact": "best exact match"}
        return names.get(self.kind) or f"{self.kind} {self.level:g}"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold with its precision and coverage.

    Answerable and unanswerable questions get half of the weight each.
    """

    threshold: float
    precision: float
    """The share of the given answers that are right; 1 when no answer is given."""
    coverage: float
    """The share of the questions that are answered."""


def operating_point(
    goal: Goal, quotes: Sequence[QuestionScore], value: ArrayLike
) -> OperatingPoint:
    """The threshold for a goal.

    `quotes` (N,) are the scores of the best quotes as if all were given, `value` (N,) the
    no-answer values. For a precision, it is the threshold that answers most; for a coverage, the
    lowest that reaches it, which answers a few more where values are equal. Raises `DataError`
    where no threshold reaches the goal, and as `fit_threshold` does.
    """
    right = np.array([score.right for score in quotes], dtype=np.float64)
    _, answerable, values = checked(right, [score.has_answer for score in quotes], value)
    weight = balanced_weights(answerable)
    if goal.kind in ("f1", "exact"):
        scores = [getattr(score, goal.kind) for score in quotes]
        cut = fit_threshold(scores, answerable, values).threshold
    else:
        order = np.argsort(values, kind="stable")
        # no threshold can cut between equal values
        ends = np.append(values[order][1:] != values[order][:-1], True)
        correct = np.cumsum((right * weight)[order])
        given = np.cumsum(weight[order])
        if goal.kind == "precision":
            good = np.flatnonzero(ends & (correct >= goal.level * given - 1e-12))
            if not len(good):
                raise DataError(
                    f"no threshold gives a precision of {goal.level:g}; the best is "
                    f"{(correct / given)[ends].max():.3f}"
                )
            last = int(good[-1])
        else:
            last = int(np.flatnonzero(ends & (given >= goal.level - 1e-12))[0])
        cut = middle(*edges(values[order])[last + 1 : last + 3].tolist())
    answered = values <= cut
    coverage = float(weight[answered].sum())
    right_share = float((right * weight)[answered].sum())
    return OperatingPoint(cut, right_share / coverage if coverage else 1.0, coverage)


TOLERANCE = 0.03
"""See `best_answerable`; a share of the questions."""


def best_answerable(right: ArrayLike, log_odds: ArrayLike) -> float:
    """The boldest share of answerable questions that gives most right answers minus wrong ones.

    `right` (N,) says in [0, 1] how right the best quotes are, 0 for unanswerable questions;
    `log_odds` (N,) are those of no answer against the best quote where half of the questions have
    an answer. A share a answers where they are at most log(a / (1 - a)). The shares that are
    compared are whole twentieths; the highest wins whose right minus wrong answers are within 3 %
    of the questions of the most, a difference that a few hundred questions cannot tell.

    >>> best_answerable([1, 1, 0], [-1.0, 1.0, 2.0])    # 0.75 to 0.85 answer the first two
    0.85
    """
    score, _, values = checked(right, np.ones(len(np.atleast_1d(right)), np.bool_), log_odds)
    shares = np.arange(1, 20) / 20
    limits = np.log(shares / (1 - shares))
    if not score.any():
        return float(shares[0])  # nothing can be answered rightly
    gained = ((values <= limits[:, None]) * (2 * score - 1)).mean(axis=1)
    return float(shares[np.flatnonzero(gained >= gained.max() - TOLERANCE)[-1]])
