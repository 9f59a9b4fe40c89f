"""Where to abstain: the threshold on a no-answer value that scores best.

Knows numbers, not questions or models. The rule throughout: abstain if and only if
`value > threshold`, where `value` is a no-answer probability or a `null_score_diff`.

    fit_threshold(score_if_answered, has_answer, null_score_diff).threshold
    goal = Goal.parse("precision=0.9")
    operating_point(goal, score_questions(examples, quotes), null_score_diff).threshold
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullquote.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pullquote.scoring.squad import QuestionScore


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """A threshold and the score it reaches, in percent like every score here."""

    score: float
    threshold: float


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
    weight = _balanced(answerable)
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
        cut = _middle(*_edges(values[order])[last + 1 : last + 3].tolist())
    answered = values <= cut
    share = float(weight[answered].sum())
    correct = float((right * weight)[answered].sum())
    return OperatingPoint(cut, correct / share if share else 1.0, share)


def best_threshold(
    score_if_answered: ArrayLike, has_answer: ArrayLike, value: ArrayLike
) -> BestThreshold:
    """The best mean score that any threshold reaches, and the smallest value that reaches it.

    >>> best_threshold([1.0, 0.0, 0.5], [True, False, True], [0.1, 0.6, 0.2])
    BestThreshold(score=83.33333333333333, threshold=0.2)

    All three are `(N,)`: the score in [0, 1] if the answer is given (for an unanswerable question
    that is 0, or 1 if the prediction is empty), whether there is an answer, and the no-answer
    value. The arithmetic and the choice of threshold are `find_best_thresh` of evaluate-v2.0.py,
    but a cut between equal values, which the official search allows and no threshold can make, is
    never counted. Raises `DataError` for lengths that differ, no numbers, NaN and infinity.
    """
    score, answerable, values = checked(score_if_answered, has_answer, value)
    total, low, _ = _best_cut(score - ~answerable, float(np.sum(~answerable)), values)
    if low < values.min() and values.min() > 0.0:
        low = 0.0  # abstain always, in the official words, where 0.0 does so
    return BestThreshold(100.0 * total / len(values), low)


def fit_threshold(
    score_if_answered: ArrayLike,
    has_answer: ArrayLike,
    value: ArrayLike,
    *,
    balanced: bool = True,
) -> BestThreshold:
    """The threshold to store with a model: halfway between the two values where it cuts.

    >>> fit_threshold([1.0, 0.0, 0.5], [True, False, True], [-4.0, 3.0, -1.0])
    BestThreshold(score=87.5, threshold=1.0)

    Arguments and errors as in `best_threshold`. `balanced` gives the answerable and the
    unanswerable questions half of the weight each (above: (1.0 + 0.5) / 2 and 1.0), since
    a threshold fitted on 30 % unanswerable questions costs a point of F1 on data with 50 %; the
    score is weighted likewise. It needs questions of both kinds.
    """
    score, answerable, values = checked(score_if_answered, has_answer, value)
    weight = _balanced(answerable) if balanced else np.full(len(values), 1 / len(values))
    total, low, high = _best_cut((score - ~answerable) * weight, weight[~answerable].sum(), values)
    return BestThreshold(100.0 * total, _middle(low, high))


def _balanced(answerable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights (N,) that sum to 1, half of it for either kind."""
    kinds = [np.count_nonzero(answerable), np.count_nonzero(~answerable)]
    if 0 in kinds:
        raise DataError(
            f"{kinds[0]} answerable and {kinds[1]} unanswerable questions: a balanced "
            "threshold needs both kinds; add the missing one or pass balanced=False"
        )
    return np.where(answerable, 0.5 / kinds[0], 0.5 / kinds[1])


def _middle(low: float, high: float) -> float:
    """Halfway between two values, of which the lower is answered."""
    middle = (low + high) / 2
    # between neighbouring floats there is no middle: it may round up to `high`, whose questions
    # would then be answered
    return middle if low <= middle < high else low


def _edges(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values in order, with one beyond either end, (N + 2,)."""
    # with some room, apart even where adding 1 is lost in rounding
    first = min(ordered[0] - 1, np.nextafter(ordered[0], -np.inf))
    last = max(ordered[-1] + 1, np.nextafter(ordered[-1], np.inf))
    return np.concatenate(([first], ordered, [last]))


def _best_cut(
    gain: NDArray[np.float64], abstained: float, values: NDArray[np.float64]
) -> tuple[float, float, float]:
    """The best total, and the neighbouring values `low` (answered) and `high` (not) of its cut.

    `abstained` is the total when no question is answered; answering question i adds `gain[i]`.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    # values 1 2 2 3: answer the first 0, 1, 3 or 4; two would tell equal values apart
    realisable = np.concatenate(([True], ordered[1:] != ordered[:-1], [True]))  # (N + 1,)
    totals = np.cumsum(np.concatenate(([abstained], gain[order])))  # (N + 1,)
    best = int(np.argmax(np.where(realisable, totals, -np.inf)))  # the first of equal totals
    edges = _edges(ordered)
    return float(totals[best]), float(edges[best]), float(edges[best + 1])


def checked(
    score_if_answered: ArrayLike, has_answer: ArrayLike, value: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """The arguments as arrays `(N,)`; raises `DataError` for what `best_threshold` does."""
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
