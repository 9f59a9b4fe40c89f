"""What the marks of questions come to: shares with intervals, utility, AUROC, calibration error.

    figures = quality(asked)
    figures.shares["answered, right"]      # Estimate(value=61.3, low=54.9, high=67.2, total=300)

Knows `Asked`, not readers or files. README.md defines every figure. Intervals hold 95 % of 1,000
seeded resamples of whole texts. Fewer than ten texts give none, as in `scoring/bootstrap.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from asking import Asked
from numpy.typing import ArrayLike, NDArray

from pullquote.scoring.bootstrap import FEWEST, RESAMPLES, Estimate, estimates
from pullquote.scoring.calibration_metrics import expected_calibration_error

Floats = NDArray[np.float64]

DEPTHS = (1, 5, 20)
"""How many retrieved passages are looked at for the evidence."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the questions, such as those of one kind."""

    questions: int
    texts: int
    shares: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """An expected calibration error, and what scores that are exactly right would get."""

    ece: float
    floor: float  # the mean over 1,000 simulations
    high: float  # 95 % of the simulations are below


@dataclass(frozen=True, slots=True)
class Best:
    """The most utility that any `answerable` reaches, chosen on the questions themselves."""

    utility: float
    answerable: float


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures of some questions that were asked in one way."""

    questions: int
    answerable: int
    texts: int
    shares: dict[str, Estimate]
    """In percent: of the answerable questions, or of the unanswerable ones."""
    utility: Estimate
    """Right minus wrong answers per question, at the decision that is stored with the model."""
    always: Estimate | None = None
    """The utility if every question were answered."""
    best: Best | None = None
    auroc: dict[str, Estimate | None] | None = None
    calibration: dict[str, CalibrationError] | None = None


def quality(asked: Sequence[Asked], groups: Sequence[Hashable] | None = None) -> Quality:
    """All figures; `groups` (N,) are what is resampled: the texts, unless given."""
    groups = groups or [a.text for a in asked]
    answerable = np.array([a.answerable for a in asked])
    answered = np.array([a.answered for a in asked])
    right = np.array([a.best_right for a in asked])
    gain = np.where(right, 1.0, -1.0)
    counts = len(asked), int(answerable.sum()), len({a.text for a in asked})
    utilities = estimates({"stored": np.where(answered, gain, 0.0), "always": gain}, groups)
    if asked[0].score is None:  # the pipeline, whose quotes are not known where it abstains
        return Quality(*counts, shares(asked, groups), utilities["stored"])
    score = np.array([a.score for a in asked])
    no_answer = np.array([a.no_answer_score for a in asked])
    log_odds = np.array([a.log_odds for a in asked])
    decided, decided_right = np.where(answered, [score, right], [no_answer, ~answerable])
    return Quality(
        *counts,
        shares(asked, groups),
        utilities["stored"],
        utilities["always"],
        best_utility(gain, log_odds),
        {
            "answerable": auroc(-log_odds, answerable, groups),
            "best quote right": auroc(score, right, groups),
        },
        {
            "decisions": calibration_error(decided, decided_right),
            "best quotes": calibration_error(score, right),
        },
    )


def grouped(asked: Sequence[Asked], key: Callable[[Asked], str]) -> dict[str, Group]:
    """The shares of the questions of each kind, in the order of the alphabet; none for ""."""
    names = sorted({key(a) for a in asked} - {""})
    groups = {name: [a for a in asked if key(a) == name] for name in names}
    return {
        name: Group(len(some), len({a.text for a in some}), shares(some))
        for name, some in groups.items()
    }


def shares(asked: Sequence[Asked], groups: Sequence[Hashable] | None = None) -> dict[str, Estimate]:
    """Shares in percent; those of which there is no question are left out."""
    answerable = np.array([a.answerable for a in asked])
    answered = np.array([a.answered for a in asked])
    right = np.array([a.best_right for a in asked])
    columns = {
        "answered, right": (answerable, answered & right),
        "answered, wrong": (answerable, answered & ~right),
        "abstained": (answerable, ~answered),
    }
    if asked[0].score is not None:
        columns |= {
            "abstained, best quote right": (answerable, ~answered & right),
            "best quote right": (answerable, right),
            "right among five": (answerable, np.array([any(a.right) for a in asked])),
        }
    columns["unanswerable, abstained"] = ~answerable, ~answered
    if any(a.found for a in asked):
        evidence = np.array([a.found.evidence if a.found else 0 for a in asked])
        document = np.array([a.found.document if a.found else 0 for a in asked])
        quoted = np.array([a.found.quoted if a.found else False for a in asked])
        for depth in DEPTHS:
            found = (evidence > 0) & (evidence <= depth)
            passages = f"{depth} passages" if depth > 1 else "passage"
            columns[f"evidence in the first {passages}"] = answerable, found
        columns["first passage from the right document"] = answerable, document == 1
        columns["best quote from the right document"] = answerable, quoted
    kept = {
        name: np.where(which, 100.0 * values, np.nan)
        for name, (which, values) in columns.items()
        if which.any()
    }
    return estimates(kept, groups or [a.text for a in asked])


def best_utility(gain: ArrayLike, log_odds: ArrayLike) -> Best:
    """The best cut: `gain` (N,) is 1 or -1 where a question is answered.

    >>> best_utility([1, 1, -1, -1], [-2.0, 0.0, 1.0, 2.0])
    Best(utility=0.5, answerable=0.5)
    """
    values = np.asarray(log_odds)
    order = np.argsort(values, kind="stable")
    ends = np.append(np.diff(values[order]) != 0, True)  # no cut is between equal values
    total = np.cumsum(np.asarray(gain)[order])[ends] / len(values)
    if total.max() <= 0:
        return Best(0.0, 0.0)
    at = int(total.argmax())
    # a share a answers where the log odds are at most log(a / (1 - a))
    return Best(float(total[at]), 1 / (1 + math.exp(-values[order][ends][at])))


def auroc(value: ArrayLike, positive: ArrayLike, groups: Sequence[Hashable]) -> Estimate | None:
    """How often a positive has a higher value than a negative; ties count half.

    >>> auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False], "abcd").value
    0.875

    None where one of the two is missing.
    """
    values, which = np.asarray(value), np.asarray(positive)
    if which.all() or not which.any():
        return None
    high, low = values[which][:, None], values[~which]
    wins = (high > low) + 0.5 * (high == low)  # (P, M)
    times = drawn(groups)
    p, m = times[:, which], times[:, ~which]
    pairs = p.sum(axis=1) * m.sum(axis=1)
    won = ((p @ wins) * m).sum(axis=1)
    resampled = won[pairs > 0] / pairs[pairs > 0]
    return _estimate(float(wins.mean()), resampled, groups)


def change(plain: Sequence[Asked], other: Sequence[Asked]) -> Estimate | None:
    """Change in percent of the answered and right, where the same questions were asked otherwise.

    Paired: each resample holds the same texts on both sides. None if none was right before.
    """
    before, after = (np.array([a.answered and a.best_right for a in s]) for s in (plain, other))
    if not before.any():
        return None
    groups = [a.text for a in plain]
    times = drawn(groups)
    totals = times @ before
    resampled = 100 * ((times @ after)[totals > 0] / totals[totals > 0] - 1)
    return _estimate(100 * float(after.sum() / before.sum() - 1), resampled, groups)


def drawn(groups: Sequence[Hashable], seed: int = 0) -> Floats:
    """How often each question is part of each resample of whole groups, (R, N)."""
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    draws = np.random.default_rng(seed).integers(len(numbers), size=(RESAMPLES, len(numbers)))
    times = np.stack([np.bincount(row, minlength=len(numbers)) for row in draws])
    return times[:, index].astype(np.float64)


def _estimate(value: float, resampled: Floats, groups: Sequence[Hashable]) -> Estimate:
    low, high = np.percentile(resampled, [2.5, 97.5]).tolist()
    if len(set(groups)) < FEWEST:
        low = high = None
    return Estimate(value, low, high, len(groups))


def calibration_error(score: ArrayLike, right: ArrayLike, seed: int = 0) -> CalibrationError:
    """The ECE, and that of outcomes which are drawn from the scores themselves."""
    p = np.asarray(score, dtype=np.float64)
    dice = np.random.default_rng(seed)
    simulated = [expected_calibration_error(p, dice.random(len(p)) < p) for _ in range(RESAMPLES)]
    return CalibrationError(
        expected_calibration_error(p, right),
        float(np.mean(simulated)),
        float(np.percentile(simulated, 95)),
    )
