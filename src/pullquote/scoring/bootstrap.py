"""Bootstrap confidence intervals for mean scores, resampled by paragraph.

Knows numbers and groups, not what they measure.

    means = estimates({"f1": f1, "HasAns_f1": np.where(has_answer, f1, np.nan)}, contexts)
    means["f1"].low, means["f1"].value, means["f1"].high

Scores of questions on one paragraph are correlated. So whole paragraphs are drawn with replacement,
each with all of its questions (the cluster bootstrap; Davison and Hinkley 1997, 3.8). To compare
two models, pass the differences of their scores per question: every resample is then paired.
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
"""Fewer paragraphs than this give no interval: from three of them, it would be far too narrow."""
_RESAMPLES_AT_ONCE = 100  # bounds the memory


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `total` questions and its 95 % interval; without one, both ends are `None`."""

    value: float
    low: float | None
    high: float | None
    total: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


def estimates(
    columns: Mapping[Name, ArrayLike],
    groups: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Name, Estimate]:
    """The mean of each column with its 95 % interval: percentiles of the resampled means.

    Columns are `(N,)`; NaN marks a question that is not part of the column. `groups` (N,) holds
    the group of each question. All columns use the same resamples. A column with values from fewer
    than 10 groups gets no interval. Raises `DataError` for lengths that differ and for an empty
    column.
    """
    names = list(columns)
    values = np.stack([np.asarray(columns[name], dtype=np.float64) for name in names], axis=1)
    if values.ndim != 2 or len(values) != len(groups):
        raise DataError(f"columns of {len(values)} and {len(groups)} groups: expected one each")
    present = ~np.isnan(values)  # (N, K)
    totals = present.sum(axis=0)  # (K,)
    if not totals.all():
        raise DataError(f"{names[int(np.argmin(totals))]} has no questions to take a mean of")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    # a row for each of G groups: K sums of values, then K counts of questions
    sums = np.zeros((len(numbers), 2 * len(names)))  # (G, 2K)
    np.add.at(sums, index, np.hstack([np.where(present, values, 0.0), present]))
    overall_sums, _ = np.split(sums.sum(axis=0), 2)  # (K,)
    low, high = _percentiles(sums, resamples, np.random.default_rng(seed))
    enough = np.count_nonzero(sums[:, len(names) :], axis=0) >= FEWEST
    return {
        name: Estimate(
            float(overall_sums[k] / totals[k]),
            float(low[k]) if enough[k] else None,
            float(high[k]) if enough[k] else None,
            int(totals[k]),
        )
        for k, name in enumerate(names)
    }


def _percentiles(
    sums: Floats, resamples: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """The ends of the middle 95 % of the resampled means, (K,) each."""
    groups = len(sums)
    means = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = random.integers(groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        times = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
        total, count = np.split(times.astype(np.float64) @ sums, 2, axis=1)  # (R, K) each
        # NaN where a resample has no question of a column; nanpercentile leaves it out
        means.append(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(np.concatenate(means), [tail, 100 - tail], axis=0)
    return low, high
