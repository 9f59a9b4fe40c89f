"""Numbers and dates as the cells of a spreadsheet show them: "15 %", "€ 840.00", "2019-05-12".

Knows the format codes of Excel as far as they change what a number says: decimals, thousands,
percent, currencies and units, dates, times. Dates are written as ISO 8601 has them.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from pullquote.searching.archives import local_name

_PERCENT = {9: "0%", 10: "0.00%"}  # of the codes that every program knows by number
_BUILT_IN = {
    **{1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00"},
    **_PERCENT,
    **dict.fromkeys((14, 15, 16, 17), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 45, 47), "hh:mm"),
    **{22: "yyyy-mm-dd hh:mm", 46: "[h]:mm"},
    **dict.fromkeys((37, 38), "#,##0"),
    **dict.fromkeys((39, 40), "#,##0.00"),
}
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]{0,50})[^\]]{0,50}\]|_.|\*.|\[[^\]]*\]')
_SHOWN = re.compile(
    _LITERAL.pattern + "|[#0?,@]"
)  # what is left are signs that stand for themselves
_DIGITS = re.compile(r"[#0?][#0?,.]*(?:[Ee][+-]?[#0]+)?")
_LONGEST = 255  # characters of a format, as in Excel


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

    >>> [formatted(0.15, "0%"), formatted(840, '[$€-407] #,##0.00'), formatted(43597, "d mmm yy")]
    ['15%', '€ 840.00', '2019-05-12']
    """
    code = code.split(";")[0][:_LONGEST]
    plain = _LITERAL.sub("", code).lower()
    # up to the year 9999, in which Python's dates end
    is_day = 0 <= number * 86_400 < (datetime.datetime.max - first).total_seconds() - 1
    if re.search(r"\[h+\]|\[m+\]", code.lower()) and is_day:
        minutes, seconds = divmod(round(number * 86_400), 60)
        end = f":{seconds:02}" if "s" in plain else ""
        return f"{minutes // 60}:{minutes % 60:02}{end}"
    if plain.strip() != "general" and re.search("[dmyhs]", plain) and is_day:
        return _date(number, plain, first)
    digits = _DIGITS.search(_LITERAL.sub(lambda found: "\0" * len(found[0]), code))
    if digits is None or "e" in plain or "?" in plain or abs(number) >= 1e15:
        return f"{number:.15g}"
    before, after = (_literals(part) for part in (code[: digits.start()], code[digits.end() :]))
    percent = "%" in plain
    number /= 1000 ** (len(digits[0]) - len(digits[0].rstrip(",")))  # "0,": in thousands
    decimals = len(digits[0].partition(".")[2].rstrip(", "))
    comma = "," if "," in digits[0].partition(".")[0].rstrip(", ") else ""
    text = f"{abs(number) * (100 if percent else 1):{comma}.{min(decimals, 15)}f}"
    if "#" in digits[0].partition(".")[2]:
        text = text.rstrip("0").rstrip(".")
    sign = "-" if number < 0 and text.strip("0.,") else ""
    return f"{sign}{before}{text}{after}".strip()


def _literals(part: str) -> str:
    """The text that a part of a format shows: a currency, a unit, "%"."""
    return _SHOWN.sub(lambda found: found[1] or found[2] or found[3] or "", part)


def _date(number: float, code: str, first: datetime.datetime) -> str:
    moment = first + datetime.timedelta(seconds=round(number * 86_400))
    has_day, has_time = re.search("[dy]", code), re.search("[hs]", code)
    precision = "seconds" if "s" in code else "minutes"
    if has_day or not has_time:
        return moment.isoformat(" ", precision) if has_time else moment.date().isoformat()
    return moment.time().isoformat(precision)
