"""Chooses a threshold for a goal: the best F1 or exact match, or a precision or a coverage.

Knows question scores and numbers, never a model.

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
    """What a threshold is chosen for: the best `f1` or `exact`, or so much precision or coverage.

    `precision`: of the answers given, the share that are right (`QuestionScore.right`); `coverage`:
    of the questions, the share that are answered. Both in (0, 1].
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
    """A threshold, and what the reader does there, both kinds of questions weighted equally."""

    threshold: float
    precision: float
    """The share of the given answers that are right; 1 when none is given."""
    coverage: float
    """The share of the questions that are answered."""


def operating_point(
    goal: Goal, quotes: Sequence[QuestionScore], value: ArrayLike
) -> OperatingPoint:
    """The threshold for a goal; `quotes` are the marks of the best quotes, were they all given.

    For a precision, the one that answers most; for a coverage, the one that answers just as many,
    or a few more where values are equal. Raises `DataError` where no threshold does it, and as
    `fit_threshold` does.
    """
    right = np.array([mark.right for mark in quotes], dtype=np.float64)
    _, answerable, values = checked(right, [mark.has_answer for mark in quotes], value)
    weight = balanced_weights(answerable)
    if goal.kind in ("f1", "exact"):
        scores = [getattr(mark, goal.kind) for mark in quotes]
        cut = fit_threshold(scores, answerable, values).threshold
    else:
        order = np.argsort(values, kind="stable")
        ends = np.append(values[order][1:] != values[order][:-1], True)  # no cut between equals
        found = np.cumsum((right * weight)[order])
        given = np.cumsum(weight[order])
        if goal.kind == "precision":
            good = np.flatnonzero(ends & (found >= goal.level * given - 1e-12))
            if not len(good):
                raise DataError(
                    f"no threshold gives a precision of {goal.level:g}; the best is "
                    f"{(found / given)[ends].max():.3f}"
                )
            last = int(good[-1])
        else:
            last = int(np.flatnonzero(ends & (given >= goal.level - 1e-12))[0])
        cut = middle(*edges(values[order])[last + 1 : last + 3].tolist())
    answered = values <= cut
    share = float(weight[answered].sum())
    correct = float((right * weight)[answered].sum())
    return OperatingPoint(cut, correct / share if share else 1.0, share)
