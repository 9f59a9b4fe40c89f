"""Values of quotes: a date or an amount, only where there is no doubt which.

    date_value("the 3 March 2025")      # ("2025-03-03", "")
    date_value("03/04/2025")            # ("", "day or month first?")
    amount_value("£46,500")             # ("46500", "")
    amount_value("10 lakh")             # ("", "which amount?")

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
_FACTORS = {
    **{"dozen": 12, "hundred": 10**2, "thousand": 10**3, "million": 10**6},
    **{"billion": 10**9, "bn": 10**9, "trillion": 10**12},
}
_OF_MONEY = {"k": 10**3, "m": 10**6, "mn": 10**6, "b": 10**9}  # else, 5 m may be metres
_SIGN = "[$£¥฿\u20a0-\u20c0]"
_CODE = (
    "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|ILS|INR|JPY|KRW|MXN|NOK|NZD|PLN|RON|SEK|SGD|TRY|"
    "USD|ZAR|Fr|Kč|R|Rs|kr|zł"
)
_MONEY = re.compile(
    rf"(?:{_CODE}|(?i:(?:crown|dollar|euro|franc|peso|pound|rand|rupee)s?|kron\w+|yen|yuan|zloty))\Z"
)
_MAGNITUDE = re.compile(
    rf"\b(?:(?:{'|'.join(_FACTORS)})s?|lakhs?|lacs?|crores?|cr|mil|mill|mille|milliards?|mio|mrd|mln|"
    r"bln|tn|trn|tis|tsd|quadrillions?|gross|score|pairs?)\b",
    re.I,
)
# words after a number that make it another one
_NO_UNIT = re.compile(
    r"(?:per\s*cent\w*|pct|bps|basis|points?|half|halves|quarters?|thirds?|tenths?|and|or|to|plus|"
    r"less|times|x)\b",
    re.I,
)
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|"
    "nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million"
)
# the words of "sixty (60) days"
_IN_WORDS = re.compile(rf"\b(?:(?:{_WORDS})[\s-]+(?:and\s+)?)*(?:{_WORDS})\s*\(\Z", re.I)
_WORD_BEFORE = re.compile(rf"\b(?:{_WORDS})\s*\Z", re.I)
_AND_MORE = re.compile(rf"\band\s+(?:an?\s+)?(?:{_WORDS}|half|quarter|third)\b", re.I)
_MINUS = re.compile(r"\b(?:minus|negative)\b", re.I)
_BEFORE = re.compile(
    rf"(?<![^\s\"'“‘«:=])(?P<minus>(?i:minus|negative)\s+)?"
    rf"(?P<money>[A-Z]{{0,3}}{_SIGN}|(?:{_CODE})\.?)?\s*\Z"
)
_STEP = re.compile(rf"(?P<space>\s*|-)(?:(?P<sign>{_SIGN})|(?P<word>[^\W\d_]+)\.?)")
_END = re.compile(r"\s*(?:\Z|[.,;:!?\"'”’»]+(?:\s|\Z)|/\s*[^\W\d_])")


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
    before, after = quote[: number.start()], quote[number.end() :]
    if re.search(rf"[-−–]\s*(?:{_SIGN}\s*)?\Z", before):
        return "", "negative, or a range?"
    if (factor := _factor(before, after)) is None:
        return "", "which amount?"
    # neither rounds a long number
    value = value.copy_negate() if factor < 0 else value
    if abs(factor) > 1:
        value *= abs(factor)
    plain = f"{value:f}"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain), ""


def _factor(before: str, after: str) -> int | None:
    """What a number is multiplied by, after the texts on both sides; None where that is in doubt.

    >>> _factor("$", "bn"), _factor("minus ", " euros"), _factor("", " lakh"), _factor("", "%")
    (1000000000, -1, None, None)
    """
    if after.startswith(")") and (words := _IN_WORDS.search(before)):
        before, after = before[: words.start()], after[1:]
    start = _BEFORE.search(before)
    if not start or _MAGNITUDE.search(before) or _WORD_BEFORE.search(before):
        return None
    if bool(_MINUS.search(before)) != bool(start["minus"]) or _MINUS.search(after):
        return None
    if _AND_MORE.search(after):
        return None
    factor, money, of_money, at = 1, bool(start["money"]), 1, 0
    while step := _STEP.match(after, at):
        word = step["word"] or ""
        name = word.lower()
        if step["sign"] or _MONEY.match(word):
            money = True
        elif name.removesuffix("s") in _FACTORS:
            factor *= _FACTORS[name.removesuffix("s")]
        elif name in _OF_MONEY and of_money == 1:
            of_money = _OF_MONEY[name]
        else:  # a plain unit, apart from the number
            unit = word.rstrip("²³").isalpha() and (step["space"] or at)
            if not unit or _NO_UNIT.match(after, step.start("word")):
                return None
            break
        at = step.end()
    else:
        if not _END.match(after, at) and not (at and re.match(r"\s*\(", after[at:])):
            return None
    if _MAGNITUDE.search(after, at) or (of_money > 1 and not money):
        return None
    return factor * of_money * (-1 if start["minus"] else 1)
