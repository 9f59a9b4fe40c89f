"""Whole dates in any notation, so that a cell may be quoted as one program or another shows it.

    with_days("oak door, 27 Nov 2026")      # "oak door, ð<day>ð"
    with_days("2026-11-27", whole=True)     # "ð<day>ð": both are that day

A text keeps its length: a sign is filled up with characters that are not seen. Knows English names
of months and figures, and both orders of day and month, not tables.
"""

from __future__ import annotations

import datetime
import re

import numpy as np

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = r"((?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?[.,]{0,2}\s{1,3})?"
_DATE = re.compile(
    rf"(?<![\w./-]){_WEEKDAY}(?:"
    r"(\d{4})([-/.])(\d{1,2})\3(\d{1,2})"  # 2026-11-27
    r"|(\d{1,2})([-/.])(\d{1,2})\7(\d{4}|\d\d)"  # 27/11/2026 or 11/27/2026
    rf"|{_DAY}\.?[\s-]{{1,3}}(?:of\s{{1,3}})?({_MONTH}),?[\s-]{{1,3}}(\d{{4}}|\d\d)"  # 27-Nov-26
    rf"|({_MONTH})\s{{1,3}}{_DAY},?\s{{1,3}}(\d{{4}})"  # November 27, 2026
    r")(?!(?!T\d\d:)\w|[./-]\d)",
    re.IGNORECASE,
)
_TIME = re.compile(r"(?:[T\s]\s{0,2}\d{1,2}:\d\d(?::\d\d)?)?\s*")
_FIRST_OF_LAST_CENTURY = 30  # of years with two figures, as in spreadsheet programs
_EDGE = "ð"  # around the four letters and figures of a day, so that no quote begins inside
_UNSEEN = "\u2060"  # the word goes on behind it


def has_day(text: str) -> bool:
    """Whether a text may hold a whole date."""
    return _DATE.search(text) is not None


def with_days(text: str, *, day_first: bool = True, whole: bool = False) -> str:
    """A text with a sign for the day in place of each date, of the same length.

    >>> with_days("01/02/26") == with_days("1 Feb 26") == with_days("02/01/26", day_first=False)
    True

    Where day and month are both figures, `day_first` tells the order, if both are possible. With
    `whole`, only a text that is one date, with or without a time of day, is changed.
    """
    if whole:
        found = _DATE.match(text)
        if not found or not _TIME.fullmatch(text, found.end()):
            return text
        return _sign(found, day_first) + text[found.end() :]
    return _DATE.sub(lambda found: _sign(found, day_first), text)


def _sign(found: re.Match[str], day_first: bool) -> str:
    """What stands for a date; a date that is none stays, as does a weekday that is another."""
    day = _day(found, day_first)
    if day is None:
        return found[0]
    kept = ""
    if found[1] and found[1][:3].casefold() != _WEEKDAYS[day.weekday()]:
        kept = found[1]  # "Tuesday, 27 November 2026" was a Friday
    sign = f"{_EDGE}{np.base_repr(day.toordinal(), 36).lower()}"
    return kept + sign.ljust(len(found[0]) - len(kept) - 1, _UNSEEN) + _EDGE


def _day(found: re.Match[str], day_first: bool) -> datetime.date | None:
    if found[2]:
        return _date(found[2], found[4], found[5])
    if found[6]:
        one, other = (found[6], found[8]) if day_first else (found[8], found[6])
        either = _date(found[9], one, other) if len(found[9]) == 4 else None  # else a part's number
        return _date(found[9], other, one) or either
    day, month, year = (
        (found[10], found[11], found[12]) if found[10] else (found[14], found[13], found[15])
    )
    return _date(year, str(1 + _MONTHS.index(month[:3].casefold())), day)


def _date(year: str, month: str, day: str) -> datetime.date | None:
    century = (1900 if int(year) >= _FIRST_OF_LAST_CENTURY else 2000) if len(year) == 2 else 0
    try:
        return datetime.date(century + int(year), int(month), int(day))
    except ValueError:
        return None
