"""The values of charts in Word and PowerPoint files, as rows: "2019; Sales: 840".

    for part in charted(root): ...

Knows DrawingML's markup of charts. A chart keeps what it shows of a workbook: titles, the names of
series, labels and values. Charts of spreadsheets are not read: their values stand in the cells.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from pullquote.searching.archives import local_name
from pullquote.searching.numbers import formatted
from pullquote.searching.parts import Part, Skipped
from pullquote.searching.rows import one_line, row_parts, table_rows

_LABELS, _VALUES = ("cat", "xVal"), ("val", "yVal")
_MOST_SERIES = 255  # of Excel; each has a cell in every row
_MOST_LEVELS = 8  # of labels


def charted(root: Any, drawn: Callable[[Any], Iterator[Part]]) -> Iterator[Part | Skipped]:
    """Yield the texts of a chart, which `drawn` finds, and a row for each of its labels.

    Skipped are series and levels of labels beyond those of Excel.
    """
    title = ""
    chart = _child(root, "chart")
    if (said := _child(chart, "title")) is not None:
        title = one_line(" ".join(part.text for part in drawn(said)))
    series = (one for one in root.iter() if local_name(one) == "ser" and not _is_within(one))
    shown = [(_points(one, _LABELS), one) for one in itertools.islice(series, _MOST_SERIES)]
    tables = [
        (labels, [one for _, one in group])
        for labels, group in itertools.groupby(shown, key=lambda one: one[0])
    ]
    for part in drawn(root):
        if not tables or one_line(part.text) != title:
            yield part
    for labels, group in tables:
        names = ["", *(_name(one) for one in group)]
        columns = [labels, *(_points(one, _VALUES) for one in group)]
        places = sorted(set().union(*columns))
        rows = [[column.get(at, "") for column in columns] for at in places]
        if any(names):
            rows.insert(0, names)
        yield from row_parts(table_rows(enumerate(rows, 1), header=any(names)), title)
    where = f"the chart “{title}”" if title else "a chart"
    if rest := sum(1 for _ in series):
        count = _MOST_SERIES + rest
        yield Skipped(where, f"{count:,} series, of which {_MOST_SERIES} are read")
    if (levels := max((len(_levels(one)) for _, one in shown), default=0)) > _MOST_LEVELS:
        yield Skipped(where, f"labels of {levels:,} levels, of which {_MOST_LEVELS} are read")


def _is_within(series: Any) -> bool:
    """Whether it stands in another series, whose points would be read for each of them."""
    return any(local_name(one) == "ser" for one in series.iterancestors())


def _child(element: Any, *names: str) -> Any:
    """The first child of some names; None if there is none."""
    children = () if element is None else element
    return next((one for one in children if local_name(one) in names), None)


def _name(series: Any) -> str:
    """The name of a series."""
    said = _child(series, "tx")
    texts = () if said is None else (one.text for one in said.iter() if local_name(one) == "v")
    return one_line(" ".join(filter(None, texts)))


def _points(series: Any, names: tuple[str, ...]) -> dict[int, str]:
    """The labels or values of a series by their numbers, as they are shown.

    Labels of several levels are put together, "2019 spring": the first level is the one next to the
    values, and a label of another stands once, at the first of those that it is about.
    """
    levels = _levels(series, names)[:_MOST_LEVELS] or [_child(series, *names)]
    points, *outer = map(_numbered, levels)
    for level in outer:
        label = ""
        for at in sorted(points.keys() | level.keys()):
            label = level.get(at, label)
            if at in points:
                points[at] = one_line(f"{label} {points[at]}")
    return points


def _levels(series: Any, names: tuple[str, ...] = _LABELS) -> list[Any]:
    """The levels of labels of a series; none where there is one alone."""
    data = _child(series, *names)
    return [one for one in (() if data is None else data.iter()) if local_name(one) == "lvl"]


def _numbered(data: Any) -> dict[int, str]:
    """The points of a level, or of values, by their numbers."""
    code, points = "", dict[int, str]()
    for one in () if data is None else data.iter():
        if local_name(one) == "formatCode":
            code = one.text or ""
        elif local_name(one) == "pt":
            number, value = one.get("idx", ""), _child(one, "v")
            if number.isascii() and number.isdecimal() and len(number) < 9 and value is not None:
                points[int(number)] = _shown(value.text or "", code)
    return points


def _shown(value: str, code: str) -> str:
    """A value in its format; labels have none."""
    try:
        return formatted(float(value), code) if code else one_line(value)
    except ValueError:
        return one_line(value)
