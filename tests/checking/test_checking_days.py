"""Whole dates in any notation."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.checking.days import has_day, with_days

NOTATIONS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%d.%m.%y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d-%b-%y",
    "%d. %B %Y",
    "%d %B, %Y",
    "%b. %d, %Y",
    "%B %dth %Y",
    "%A, %d %B %Y",
    "%a %d %b %Y",
]


def sign(text: str, day_first: bool = True) -> str:
    """A text without what is not seen."""
    return with_days(text, day_first=day_first).replace("\u2060", "")


@given(
    st.dates(datetime.date(1930, 1, 1), datetime.date(2029, 12, 31)),
    st.sampled_from(NOTATIONS),
    st.booleans(),
)
def test_a_day_has_one_sign_in_all_notations(
    day: datetime.date, notation: str, day_first: bool
) -> None:
    written = day.strftime(notation)
    assert has_day(written)
    assert len(with_days(written)) == len(written)
    assert sign(written) == sign(day.isoformat())
    if notation == "%d/%m/%Y":
        assert sign(day.strftime("%m/%d/%Y"), day_first=False) == sign(day.isoformat())
    other = day + datetime.timedelta(1)
    assert sign(other.strftime(notation)) != sign(written)


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2026",
        "2026-13-01",
        "0000-00-00",
        "November 2026",
        "27 Nov",
        "1.2.2026.4",
        "v1.2.26",
        "5/27/11/2026",
        "the month 27 of 2026",
        "10:30",
    ],
)
def test_what_is_no_whole_date_stays(text: str) -> None:
    assert with_days(text) == text


def test_numbers_of_parts_that_only_one_order_takes_for_a_day_stay_apart() -> None:
    for day_first in (True, False):
        assert sign("13-05-12", day_first) != sign("05-13-12", day_first)


def test_what_stands_around_a_date_stays() -> None:
    assert sign("from 1 May 2026, 840") == f"from {sign('2026-05-01')}, 840"
    assert with_days("the month 27 Nov 2026").startswith("the month ð")


@pytest.mark.parametrize(
    ("cell", "is_changed"),
    [
        ("27/11/2026", True),
        ("2026-11-27 14:30", True),
        ("2026-11-27 14:30:05", True),
        ("2026-11-27T14:30", True),
        ("due 27/11/2026", False),
        ("27/11/2026 or later", False),
    ],
)
def test_of_cells_those_that_are_dates_are_changed(cell: str, is_changed: bool) -> None:
    changed = with_days(cell, whole=True)
    assert (changed != cell) is is_changed
    assert changed.endswith(cell[10:])


def test_another_weekday_stays() -> None:
    assert with_days("Friday, 27 November 2026").startswith("ð")
    changed = with_days("Tuesday, 27 November 2026")
    assert changed.startswith("Tuesday, ð")
    assert len(changed) == len("Tuesday, 27 November 2026")
    assert sign(changed.removeprefix("Tuesday, ")) == sign("27th of November 2026")


def test_a_month_may_have_a_long_s() -> None:
    assert sign("27 ſept. 1768").rstrip("\u2060") == sign("27 sept. 1768")
