"""Bootstrap intervals: how far a mean would move, had other paragraphs been drawn.

Knows numbers and groups, not what they are numbers of.

    found = estimates({"f1": f1, "HasAns_f1": np.where(has_answer, f1, np.nan)}, contexts)
    found["f1"].low, found["f1"].value, found["f1"].high

Questions on one paragraph are right or wrong together more often than chance would have it, so that
whole paragraphs are drawn, with replacement, and each brings all of its questions (the cluster
bootstrap; Davison and Hinkley 1997, 3.8). Two models are compared by the differences of their
marks, question by question: whatever is drawn is drawn for both.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from pullquote.errors import DataError
from pullquote.scoring.arrays import Floats

Name = TypeVar("Name", bound=Hashable)

RESAMPLES = 1000
LEVEL = 0.95
FEWEST = 10
"""Paragraphs below which no interval is given: from three of them, it would be far too narrow."""
_AT_ONCE = 100  # resamples, which bounds the memory


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `total` questions and the interval around it; its ends are `None` together."""

    value: float
    low: float | None
    high: float | None
    total: int

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


def estimates(
    columns: Mapping[Name, ArrayLike],
    groups: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Name, Estimate]:
    """The mean of each column with its 95 % interval, by the percentiles of resampled means.

    Columns are `(N,)`; NaN marks a question that is no part of one. `groups` (N,) says what
    belongs together. All columns see the same resamples. A column that fewer than 10 groups have a
    part in gets no interval. Raises `DataError` for lengths that differ and for an empty column.
    """
    names = list(columns)
    values = np.stack([np.asarray(columns[name], dtype=np.float64) for name in names], axis=1)
    if values.ndim != 2 or len(values) != len(groups):
        raise DataError(f"columns of {len(values)} and {len(groups)} groups: expected one each")
    part = ~np.isnan(values)  # (N, K)
    totals = part.sum(axis=0)  # (K,)
    if not totals.all():
        raise DataError(f"{names[int(np.argmin(totals))]} has no questions to take a mean of")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    sums = np.zeros((len(numbers), 2 * len(names)))  # (G, 2K) of the values, of the questions
    np.add.at(sums, index, np.hstack([np.where(part, values, 0.0), part]))
    sum_of_all, _ = np.split(sums.sum(axis=0), 2)
    low, high = _percentiles(sums, resamples, np.random.default_rng(seed))
    enough = np.count_nonzero(sums[:, len(names) :], axis=0) >= FEWEST
    return {
        name: Estimate(
            float(sum_of_all[k] / totals[k]),
            float(low[k]) if enough[k] else None,
            float(high[k]) if enough[k] else None,
            int(totals[k]),
        )
        for k, name in enumerate(names)
    }


def _percentiles(
    sums: Floats, resamples: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Where the middle 95 % of the resampled means begin and end, (K,) each."""
    groups = len(sums)
    means = []
    for start in range(0, resamples, _AT_ONCE):
        rows = min(_AT_ONCE, resamples - start)
        drawn = random.integers(groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        times = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
        total, count = np.split(times.astype(np.float64) @ sums, 2, axis=1)  # (R, K) each
        # where none of a column's questions was drawn it has no mean, and the others decide
        means.append(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(np.concatenate(means), [tail, 100 - tail], axis=0)
    return low, high
