"""Format codes of numbers as Excel has them: "0.0%", "000-0000", "#,##0;(#,##0)", "0.00E+00".

    section = section_for(Decimal(-5), "0.0;(0.0)")     # the part of the code for negative numbers
    section.shown(Decimal(5))                           # "(5.0)"

Knows sections and their conditions, digits with text between them, thousands, decimals, percent and
E notation. A code with anything else (fractions, a sign out of place) is not understood: None.
Numbers are decimal, and halves are rounded away from zero.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TypeAlias

_LONGEST = 255  # characters of a code, as in Excel
_EXACT = Context(prec=1_000, rounding=ROUND_HALF_UP)  # more digits than a float and a code have
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|\[(?P<option>[^\]]*)\]'
    r"|[_*].|(?P<sign>general|e[+-][0#?]+|.)",  # "_x" and "*x" are blanks
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?[0-9]+(?:\.[0-9]+)?)")
_DIGITS = frozenset("0#?")
_UNKNOWN = frozenset("/@[]\\_*")  # of fractions, of texts, and what is not closed
_DATE = frozenset("dmyhs")
_DATE_LETTERS = _DATE | frozenset("apbegr")  # of "AM/PM", and of eras

_Piece: TypeAlias = "tuple[str, str]"
"""A sign of the code and what it shows; the sign of plain text is ""."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a format code."""

    date: str
    """The signs of a date or a time: "yyyy-mm-dd"; "" in a section for other numbers."""
    elapsed: bool
    """Whether hours or minutes are counted on: "[h]:mm"."""
    condition: tuple[str, Decimal] | None
    layout: _Layout | None
    """None if a number cannot be shown so."""

    def shown(self, amount: Decimal) -> str | None:
        """How a number that is not negative is shown; None if that is not understood."""
        return self.layout.filled(amount) if self.layout else None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the digits of a number stand, and what stands between them."""

    whole: list[_Piece]
    decimals: list[_Piece]
    places: str = ""  # the signs that stand for digits before the point
    places_after: str = ""
    grouped: bool = False
    power: int = 0  # of ten, by which a number is multiplied
    exponent: str = ""  # "e+00"
    end: str = ""  # the text after the exponent

    def filled(self, amount: Decimal) -> str:
        if not self.places:
            plain = f"{float(amount):.15g}"
            return "".join(plain if sign == "general" else text for sign, text in self.whole)
        amount = _EXACT.scaleb(amount, self.power)
        exponent, decimals = 0, len(self.places_after)
        if self.exponent and amount:
            exponent = _exponent(amount, len(self.places), decimals)
            amount = _EXACT.scaleb(amount, -exponent)
        before, _, after = f"{_rounded(amount, decimals):f}".partition(".")
        text = self._before(before.lstrip("0")) + self._after(after)
        if self.exponent:
            sign = "-" if exponent < 0 else self.exponent[1].strip("-")
            text += f"E{sign}{abs(exponent):0{self.exponent.count('0')}}"
        return text + self.end

    def _before(self, digits: str) -> str:
        """What is shown before the point; the first place takes the digits that have none."""
        places = len(self.places)
        digits = digits.zfill(places - self.places.find("0") if "0" in self.places else 0)
        marks = [*digits]
        for comma in range(len(digits) - 4, -1, -3) if self.grouped else ():
            marks[comma] += ","
        extra = len(marks) - places
        parts = iter(
            "".join(marks[max(extra + place, 0) if place else 0 : max(extra + place + 1, 0)])
            for place in range(places)
        )
        return "".join(next(parts) if sign in _DIGITS else text for sign, text in self.whole)

    def _after(self, digits: str) -> str:
        """What is shown from the point on; the point only before a digit."""
        kept = digits[: max(self.places_after.rfind("0") + 1, len(digits.rstrip("0")))]
        rest = iter(kept)
        shown = (next(rest, "") if sign in _DIGITS else text for sign, text in self.decimals)
        return "." * bool(kept) + "".join(shown)


def section_for(amount: Decimal, code: str) -> Section | None:
    """The section of a code for a number; None if the code is not understood."""
    sections = _sections(code) if 0 < len(code) <= _LONGEST else ()
    if any(one.condition for one in sections):
        if amount < 0 or not sections[0].condition:
            return None
        held = (one for one in sections if one.condition and _holds(amount, *one.condition))
        last = sections[-1] if len(sections) > 1 and not sections[-1].condition else None
        return next(held, last)
    if amount < 0 and len(sections) > 1:
        return sections[1]
    if amount == 0 and len(sections) > 2:
        return sections[2]
    return sections[0] if sections else None


def _holds(amount: Decimal, sign: str, bound: Decimal) -> bool:
    if sign in ("=", "<>"):
        return (amount == bound) is (sign == "=")
    if amount == bound:
        return "=" in sign
    return (amount < bound) is (sign[0] == "<")


@functools.lru_cache(maxsize=1_000)
def _sections(code: str) -> tuple[Section, ...]:
    """The sections for numbers: of all, or of those above, below and at zero."""
    parts: list[list[re.Match[str]]] = [[]]
    for token in _TOKEN.finditer(code):
        if token["sign"] == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    is_text = len(parts) > 1 and any(token["sign"] == "@" for token in parts[-1])
    unclear = len(parts) == 2 and not parts[1]  # "0;": programs differ
    if len(parts) == 4 or is_text or unclear:
        parts.pop()
    return tuple(map(_section, parts)) if len(parts) < 4 else ()


def _section(tokens: list[re.Match[str]]) -> Section:
    pieces: list[_Piece] = []
    condition = None
    elapsed = False
    for token in tokens:
        option = token["option"] or ""
        currency = option[1:].partition("-")[0] if option.startswith("$") else ""
        if text := token["quoted"] or token["escaped"] or currency:
            pieces.append(("", text))
        elif token["sign"]:
            pieces.append((token["sign"].lower(), token["sign"]))
        else:
            elapsed = elapsed or re.fullmatch("h+|m+", option.lower()) is not None
            if found := _CONDITION.fullmatch(option):
                condition = found[1], Decimal(found[2])
    signs = "".join(sign for sign, _ in pieces if sign != "general")
    letters = _letters(signs)
    is_date = elapsed or (bool(letters & _DATE) and letters <= _DATE_LETTERS)
    usable = not is_date and (pieces or not tokens)  # "[Red]" is no empty section
    return Section(signs * is_date, elapsed, condition, _layout(pieces) if usable else None)


def _layout(pieces: list[_Piece]) -> _Layout | None:
    """The layout of a section's pieces; None if they are not understood."""
    signs = [sign for sign, _ in pieces]
    only_text = _DIGITS.isdisjoint(signs)
    if not _UNKNOWN.isdisjoint(signs) or ("general" in signs and not only_text):
        return None
    if only_text:
        known = "%" not in signs and _letters("".join(signs).replace("general", "")) == set()
        return _Layout(pieces, []) if known else None
    at = next((at for at, sign in enumerate(signs) if len(sign) > 1), len(pieces))
    exponent, end = "".join(signs[at : at + 1]), pieces[at + 1 :]
    whole: list[_Piece] = []
    decimals: list[_Piece] = []
    now = whole
    power = 2 * signs.count("%")
    commas = 0  # since the last digit
    grouped = False
    before = ""
    for (sign, text), following in zip(pieces[:at], [*signs[1:], ""], strict=False):
        if sign in _DIGITS:
            if commas and (now is decimals or before != ","):
                return None
            grouped = grouped or commas > 0
            commas = 0
            now.append((sign, text))
        elif sign == ",":
            if before not in (*_DIGITS, ","):
                return None
            commas += 1
        elif sign == ".":
            beside = before in _DIGITS or before == "," or following in _DIGITS
            if now is decimals or not beside:
                return None
            power -= 3 * commas
            commas = 0
            now = decimals
        else:
            now.append(("", text))
        before = sign
    power -= 3 * commas
    if not _digits(whole):  # ".00"
        whole.append(("#", ""))
    is_text = all(sign not in _DIGITS and sign not in (".", ",") for sign, _ in end)
    if (exponent and (power or grouped)) or not is_text:
        return None
    ending = "".join(text for _, text in end)
    places = _digits(whole), _digits(decimals)
    return _Layout(whole, decimals, *places, grouped, power, exponent, ending)


def _digits(pieces: list[_Piece]) -> str:
    """The signs that stand for digits."""
    return "".join(sign for sign, _ in pieces if sign in _DIGITS)


def _letters(signs: str) -> set[str]:
    return set(re.findall("[a-z]", signs))


def _rounded(amount: Decimal, decimals: int) -> Decimal:
    return _EXACT.quantize(amount, Decimal(1).scaleb(-decimals))


def _exponent(amount: Decimal, places: int, decimals: int) -> int:
    """The exponent of a number, a multiple of the places before the point."""
    exponent = amount.adjusted() // places * places
    overflows = _rounded(_EXACT.scaleb(amount, -exponent), decimals).adjusted() >= places
    return exponent + places if overflows else exponent
