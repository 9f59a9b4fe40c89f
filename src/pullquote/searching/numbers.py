"""Numbers and dates as the cells of a spreadsheet show them: "15 %", "€ 840.00", "2019-05-12".

Knows the formats of cells and their codes, which `format_codes` reads. Dates are written as
ISO 8601 has them; a number whose format is not understood is plain.
"""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from typing import Any

from pullquote.searching.archives import local_name
from pullquote.searching.format_codes import section_for

_PERCENT = {9: "0%", 10: "0.00%"}  # of the codes that every program knows by number
_BUILT_IN = {
    **{1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00"},
    **_PERCENT,
    **dict.fromkeys((14, 15, 16, 17), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 45, 47), "hh:mm"),
    **{22: "yyyy-mm-dd hh:mm", 46: "[h]:mm"},
    **{11: "0.00E+00", 48: "##0.0E+0"},
    **dict.fromkeys((37, 38), "#,##0;(#,##0)"),
    **dict.fromkeys((39, 40), "#,##0.00;(#,##0.00)"),
}


class Formats:
    """The formats of a workbook's cells, by the numbers of their styles."""

    def __init__(self, styles: Any, begins_1904: bool) -> None:
        self._first = first_day(begins_1904)
        self._codes: list[str] = []
        if styles is None:
            return
        own = {
            one.get("numFmtId"): one.get("formatCode", "")
            for one in styles.iter()
            if local_name(one) == "numFmt"
        }
        for group in styles:
            if local_name(group) == "cellXfs":
                for style in group:
                    number = style.get("numFmtId", "0")
                    known = number.isascii() and number.isdecimal() and len(number) < 6
                    usual = _BUILT_IN.get(int(number), "") if known else ""
                    self._codes.append(own.get(number, usual))

    def shown(self, value: str, style: str) -> str:
        """A number as a cell of a style shows it; another text as it is.

        >>> Formats(None, False).shown("840.0", "")
        '840'
        """
        try:
            number = float(value)
        except ValueError:
            return value.strip()
        known = style.isascii() and style.isdecimal() and len(style) < 6
        code = self._codes[int(style)] if known and int(style) < len(self._codes) else ""
        return formatted(number, code, self._first)


def first_day(begins_1904: bool) -> datetime.datetime:
    """The day with the number 0: of a workbook that counts from 1904, as on old Macs, or another.

    >>> str(first_day(begins_1904=False).date())
    '1899-12-30'
    """
    return datetime.datetime(1904, 1, 1) if begins_1904 else datetime.datetime(1899, 12, 30)


def formatted(
    number: float, code: str, first: datetime.datetime = datetime.datetime(1899, 12, 30)
) -> str:
    """A number in a format; day 0 is `first`.

    >>> [formatted(0.225, "0%"), formatted(840, "[$€-407] #,##0.00"), formatted(43597, "d mmm yy")]
    ['23%', '€ 840.00', '2019-05-12']
    >>> [formatted(1067, "00000"), formatted(5551234, "000-0000"), formatted(-5.5, "0.0;(0.0)")]
    ['01067', '555-1234', '(5.5)']
    """
    plain = f"{number:.15g}"  # the digits that Excel keeps
    if code in ("", "General") or not math.isfinite(number):
        return plain
    amount = Decimal(plain)
    section = section_for(amount, code)
    if section is None:
        return plain
    if section.date or section.elapsed:
        # up to the year 9999, in which Python's dates end
        is_day = 0 <= number * 86_400 < (datetime.datetime.max - first).total_seconds() - 1
        if not is_day:
            return plain
        return (
            _duration(number, section.date)
            if section.elapsed
            else _date(number, section.date, first)
        )
    text = section.shown(abs(amount))
    if text is None:
        return plain
    if amount < 0 and any(map(str.isdigit, text)):
        above = section_for(-amount, code)
        same = above is None or above.shown(-amount) == text  # but for a colour
        text = f"-{text}" if same and re.search("[1-9]", text) else text
    return text.strip()


def _duration(number: float, code: str) -> str:
    minutes, seconds = divmod(round(number * 86_400), 60)
    end = f":{seconds:02}" if "s" in code else ""
    return f"{minutes // 60}:{minutes % 60:02}{end}"


def _date(number: float, code: str, first: datetime.datetime) -> str:
    moment = first + datetime.timedelta(seconds=round(number * 86_400))
    has_day, has_time = re.search("[dy]", code), re.search("[hs]", code)
    precision = "seconds" if "s" in code else "minutes"
    if has_day or not has_time:
        return moment.isoformat(" ", precision) if has_time else moment.date().isoformat()
    return moment.time().isoformat(precision)
