"""Markdown tables of figures. Knows `Quality` and `Estimate`, not where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from figures import Group, Quality

from pullquote.scoring.bootstrap import Estimate

FIRST = (
    "answered, right",
    "answered, wrong",
    "abstained, best quote right",
    "best quote right",
    "right among five",
    "unanswerable, abstained",
)
"""The first figures, which are also given for each kind, wording and sort."""


def percent(estimate: Estimate | None) -> str:
    """`61.3 (54.9–67.2)`, or without an interval; "" for nothing."""
    return _cell(estimate, "{:.1f}")


def number(estimate: Estimate | None) -> str:
    """`.613 (.549–.672)`."""
    return _cell(estimate, "{:.3f}").replace("0.", ".")


def _cell(estimate: Estimate | None, form: str) -> str:
    if estimate is None:
        return ""
    value = form.format(estimate.value)
    # without an interval, or where all questions are alike, so that resampling says nothing
    if estimate.low is None or estimate.low == estimate.high:
        return value
    to = "–" if estimate.low >= 0 else " to "
    return f"{value} ({form.format(estimate.low)}{to}{form.format(estimate.high)})"


def table(corner: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """A table of cells by column and row; the rows are in the order of the longest column."""
    longest = max(columns.values(), key=len)
    lines = [f"| {corner} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for row in longest:
        cells = (column.get(row, "") for column in columns.values())
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def column(quality: Quality) -> dict[str, str]:
    """All figures of some questions, as the column of a table."""
    q = quality
    cells = {
        "questions (answerable), texts": f"{q.questions:,} ({q.answerable:,}), {q.texts:,}",
        **{f"{name}, %": percent(share) for name, share in q.shares.items()},
        "right − wrong, per question": number(q.utility),
    }
    if q.best:
        best = f"{q.best.utility:.3f}".replace("0.", ".")
        cells["... if it always answered"] = number(q.always)
        cells["... with the best share for this split"] = f"{best} (at {q.best.answerable:.2f})"
    for name, area in (q.auroc or {}).items():
        cells[f"AUROC, {name}"] = number(area)
    for name, error in (q.calibration or {}).items():
        numbers = [f"{x:.3f}".replace("0.", ".") for x in (error.ece, error.floor, error.high)]
        cells[f"ECE of {name} (floor, 95 % below)"] = "{} ({}, {})".format(*numbers)
    return cells


def by_group(groups: Mapping[str, Group], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The columns of a table with a row for each group: the shares that any of them has."""
    columns = {
        "questions": {row: f"{group.questions:,}" for row, group in groups.items()},
        "texts": {row: f"{group.texts:,}" for row, group in groups.items()},
    }
    for name in names:
        if any(name in group.shares for group in groups.values()):
            cells = {row: percent(group.shares.get(name)) for row, group in groups.items()}
            columns[f"{name}, %"] = cells
    return columns
