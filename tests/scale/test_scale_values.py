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
        ("two hundred and sixty (260) days", "260"),
        ("five (5) million crowns", "5000000"),
        ("$3bn", "3000000000"),
        ("US$1.5bn.", "1500000000"),
        ("5k euros", "5000"),
        ("€40K", "40000"),
        ("£2m", "2000000"),
        ("EUR 3 mn", "3000000"),
        ("CHF40", "40"),
        ("3.4 trillion", "3400000000000"),
        ("4 dozen", "48"),
        ("7 hundred euros", "700"),
        ("2 hundred thousand", "200000"),
        ("minus 12 euros", "-12"),
        ("minus €12", "-12"),
        ("a rent of 840 crowns (heating included)", "840"),
        ("a 12-month term", "12"),
        ("840/month", "840"),
        ("840 EUR", "840"),
        ("45 m²", "45"),
        ("840, each month", "840"),
        ("1" * 40, "1" * 40),
        (f"minus {'1' * 40}", f"-{'1' * 40}"),
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
        *(
            (quote, "which amount?")
            for quote in (
                *(
                    "1.5 Mio",
                    "3 mn",
                    "10 lakh",
                    "3 crore",
                    "$5 US million",
                    "5 Mrd. Euro",
                    "5 EUR tn",
                ),
                *("2½ million", "2 ½ million", "5 and a half crowns", "5 million and a half", ".5"),
                *("(1,200)", "loss of (1,200)", "1.250,50-", "5%", "5 %", "5 per cent", "5²"),
                *(
                    "5 m",
                    "5m",
                    "5k run",
                    "A4",
                    "4th",
                    "5kg",
                    "in thousands: 840",
                    "12 thousand minus",
                ),
                *("minus about 12 euros", "twenty 5", "5 or six crowns", "5 to seven crowns"),
            )
        ),
    ],
)
def test_amounts_in_doubt(quote: str, why: str) -> None:
    assert amount_value(quote) == ("", why)


@given(st.text(max_size=40) | st.from_regex(r"[\d.,/ ]{1,20}[a-z]{0,9}", fullmatch=True))
def test_any_quote_has_a_value_or_a_reason(quote: str) -> None:
    for read in (date_value, amount_value):
        value, why = read(quote)
        assert bool(value) != bool(why)
