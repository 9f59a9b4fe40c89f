"""Values of quotes: a date or an amount, only where there is no doubt which.

    date_value("the 3 March 2025")      # ("2025-03-03", "")
    date_value("03/04/2025")            # ("", "day or month first?")
    amount_value("£46,500")             # ("46500", "")

Knows English dates and figures. A quote whose value is in doubt stays as it is, and a note says
why.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from pullquote.errors import MissingExtraError

_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# 1,234,567.89 or 1234.5: one reading in English
_ENGLISH = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?\Z")
_CONTINENTAL = re.compile(r"(?:\d{1,3}(?:\.\d{3})+|\d+),\d+\Z|\d{1,3}(?:\.\d{3}){2,}\Z")
_THREE = re.compile(r"\d{1,3}\.\d{3}\Z")  # 1.234: thousands, or three decimals?
_FACTORS = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_FACTOR = re.compile(rf"\s*({'|'.join(_FACTORS)})\b", re.I)


def check_installed() -> None:
    """Raise `MissingExtraError` without the library that reads dates."""
    try:
        import dateutil.parser  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("python-dateutil", "fill") from error


def date_value(quote: str) -> tuple[str, str]:
    """The date of a quote in the form of ISO 8601, and ""; or "", and why it has none.

    >>> date_value("1 April 2024"), date_value("April 2024"), date_value("03/04/2025")
    (('2024-04-01', ''), ('', 'not one whole date'), ('', 'day or month first?'))
    """
    found = _ISO.findall(quote)
    if len(found) == 1:
        try:
            return date(*map(int, found[0])).isoformat(), ""
        except ValueError:
            return "", "no such date"
    if len(years := _YEAR.findall(quote)) > 1:
        return "", "not one whole date"
    read = [_read(quote, day_first) for day_first in (True, False)]
    if None in read:
        return "", "not one whole date"
    if not years:
        return "", "which century?"
    if read[0] != read[1]:
        return "", "day or month first?"
    assert read[0] is not None
    return read[0].isoformat(), ""


def _read(quote: str, day_first: bool) -> date | None:
    """The date that dateutil reads; None where it lacks a day, a month or a year."""
    from dateutil import parser

    text = re.sub(r"(?<=\d)(st|nd|rd|th)\b|\b(the|on|of|from|by|until)\b", " ", quote, flags=re.I)
    found = set()
    # what is missing comes from the default: two of them tell
    for default in (datetime(2000, 1, 1), datetime(2001, 2, 2)):
        try:
            found.add(parser.parse(text, dayfirst=day_first, default=default).date())
        except (ValueError, OverflowError, TypeError):
            return None
    return found.pop() if len(found) == 1 else None


def amount_value(quote: str) -> tuple[str, str]:
    """The number of a quote in plain figures, and ""; or "", and why it has none.

    >>> amount_value("£46,500"), amount_value("3.4 million crowns"), amount_value("1.234 kg")
    (('46500', ''), ('3400000', ''), ('', 'thousands or decimals?'))
    """
    numbers = list(_NUMBER.finditer(quote))
    if len(numbers) != 1:
        return "", "several numbers" if numbers else "no number in figures"
    number = numbers[0]
    text = number[0]
    if _THREE.match(text):
        return "", "thousands or decimals?"
    if _ENGLISH.match(text):
        value = Decimal(text.replace(",", ""))
    elif _CONTINENTAL.match(text):
        value = Decimal(text.replace(".", "").replace(",", "."))
    else:
        return "", "not one number"
    if factor := _FACTOR.match(quote, number.end()):
        value *= _FACTORS[factor[1].lower()]
    before = quote[: number.start()].rstrip(" $€£¥")
    if before.endswith(("-", "−", "–")):
        return "", "negative, or a range?"
    plain = f"{value:f}"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain), ""
