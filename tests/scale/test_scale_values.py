"""Dates and amounts of quotes: read where there is no doubt, else a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.scale.values import amount_value, date_value

pytest.importorskip("dateutil")


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("1 April 2024", "2024-04-01"),
        ("the 3rd of March 2025", "2025-03-03"),
        ("May 15th, 2021", "2021-05-15"),
        ("Monday 4 November 2024", "2024-11-04"),
        ("13/04/2025", "2025-04-13"),
        ("2025-03-04", "2025-03-04"),
        ("on 2025-03-04,", "2025-03-04"),
        ("5/5/2025", "2025-05-05"),
    ],
)
def test_dates_without_doubt(quote: str, value: str) -> None:
    assert date_value(quote) == (value, "")


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        ("03/04/2025", "day or month first?"),
        ("12.06.2024", "day or month first?"),
        ("15.10.21", "which century?"),
        ("April 2024", "not one whole date"),
        ("4 September", "not one whole date"),
        ("2024", "not one whole date"),
        ("10:30", "not one whole date"),
        ("the third", "not one whole date"),
        ("28 August 2023 to 3 May 2024", "not one whole date"),
        ("31 February 2024", "not one whole date"),
        ("2024-02-31", "no such date"),
        ("", "not one whole date"),
        ("9" * 5000, "not one whole date"),
    ],
)
def test_dates_in_doubt(quote: str, why: str) -> None:
    assert date_value(quote) == ("", why)


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("£46,500", "46500"),
        ("840 crowns a month", "840"),
        ("€1.234,56", "1234.56"),
        ("1,234,567.80", "1234567.8"),
        ("1.234.567", "1234567"),
        ("0.50", "0.5"),
        ("100", "100"),
        ("$3.4 million", "3400000"),
        ("2 thousand", "2000"),
        ("sixty (60) days", "60"),
    ],
)
def test_amounts_without_doubt(quote: str, value: str) -> None:
    assert amount_value(quote) == (value, "")


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        ("1.234", "thousands or decimals?"),
        ("three hundred", "no number in figures"),
        ("5 to 7 crowns", "several numbers"),
        ("12,34,56", "not one number"),
        ("-840", "negative, or a range?"),
        ("− £840", "negative, or a range?"),
    ],
)
def test_amounts_in_doubt(quote: str, why: str) -> None:
    assert amount_value(quote) == ("", why)


@given(st.text(max_size=40) | st.from_regex(r"[\d.,/ ]{1,20}[a-z]{0,9}", fullmatch=True))
def test_any_quote_has_a_value_or_a_reason(quote: str) -> None:
    for read in (date_value, amount_value):
        value, why = read(quote)
        assert bool(value) != bool(why)
