"""Whole quotes: widens a span that would be cut inside a bracket, a number, a code or an address.

Knows text, not models.

    context = "The tenant may leave after sixty (60) days. Write to priya@acme.example."
    whole_quote(context, 34, 42)            # "60) days"       -> "sixty (60) days"
    whole_quote(context, 59, 71)            # "@acme.example"  -> "priya@acme.example"

Each rule left exact match and F1 on held-out data as they were (EXPERIMENTS.md). A date and its
year stay apart where the month is a word, and so do a sum of money and its unit: whoever asks for a
year wants the year.
"""

from __future__ import annotations

import re

_NEAR = 64  # characters on either side of an end that are looked at
_LONGEST = 2000  # the same, in an address without blanks

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_UNIT = r"(?:k[gmWV]|[cm]m|[GMk]B|MW|mph|°[CF]|days|hours|minutes|weeks|months)"
_EMAIL = r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
_OTHERS = "|".join(
    (
        r"\b(?:https?://|www\.)[^\s<>\"')\]]*[\w/]",
        r"(?<!\w)[@#]\w[\w.-]*\w",
        r"(?<![\w-])\d+([-./:])\d+(?:\1\d+){1,8}(?:T\d\d[\d:.]*(?:Z|[+-]\d\d:?\d\d)?)?\b",  # a date
        r"(?<![\w-])\d{4}-(?:0[1-9]|1[0-2])\b",  # a month, or a season: "2026-11"
        r"(?<![\w-])(?=[A-Z\d./-]{0,64}\d)[A-Z][A-Z\d]*(?:[-./][A-Z\d]+)+\b",  # "ISO-9001"
        r"(?<![\w/])\d+/\d+\b",
        rf"\b\d{{1,2}}(?:st|nd|rd|th)? {_MONTH}\b",
        rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?\b",
        rf"\b\d[\d.,]*(?: {_UNIT}\b| (?:million|billion|trillion)\b)",
        r"(?<![\w.,:-])[-−+]?[$€£¥]?\d+(?:[.,:]\d+)*(?: ?°[CF]\b|%)?",
        r"\b\d+(?:[.,:]\d+)*%?",
    )
)
# Only for speed: none begins inside a word, and the others begin with few characters.
_WHOLE = rf"(?:(?<!\w)|(?=[.+-]))(?:{_EMAIL}|(?=[\dA-Z@#hw$€£¥−+-])(?:{_OTHERS}))"
_OPEN = {"(": ")", "[": "]", "{": "}", "<": ">", "“": "”", "«": "»"}
_CLOSE = {closing: opening for opening, closing in _OPEN.items()}
_BRACKETS = frozenset((*_OPEN, *_CLOSE))
_MAY_CUT = re.compile(r"\d|[@#%$€£¥/]|\w[.:_+-]\w")
_WORD_BEFORE = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)? \Z")


def whole_quote(context: str, start: int, end: int) -> tuple[int, int]:
    """The span, or a wider one whose ends are not inside one of the things above."""
    start, _ = _around(context, start)
    _, end = _around(context, end)
    if not _BRACKETS.isdisjoint(context[start:end]):
        start, end = _closed(context, start, end)
    # "sixty (60) days": the number in brackets repeats the word
    if context[start] == "(" and context[start + 1 : start + 2].isdigit():
        word = _WORD_BEFORE.search(context, max(0, start - _NEAR), start)
        start = word.start() if word else start
    return start, end


def _around(context: str, at: int) -> tuple[int, int]:
    """The whole thing that a place is inside of, or the place itself, twice."""
    if _MAY_CUT.search(context, max(0, at - 2), at + 2):  # the search below takes longer
        # a long address is read as far as the next blank
        before = context[max(0, at - _LONGEST) : at].rsplit(None, 1)
        after = context[at : at + _LONGEST].split(None, 1)
        first = at - max(_NEAR, len(before[-1]) if before else 0)
        last = at + max(_NEAR, len(after[0]) if after else 0)
        whole = re.compile(_WHOLE)  # `re` keeps it; few answers of a single question need it
        for found in whole.finditer(context, max(0, first), last):
            if found.end() > at:
                return found.span() if found.start() < at else (at, at)
    return at, at


def _closed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the other half of its one lone bracket or quotation mark, if that is near."""
    opened, closed = [], []
    for character in text[start:end]:
        if character in _OPEN:
            opened.append(character)
        elif character in _CLOSE:
            if opened and opened[-1] == _CLOSE[character]:
                opened.pop()
            else:
                closed.append(character)
    if len(closed) == 1:
        opening = text.rfind(_CLOSE[closed[0]], max(0, start - _NEAR), start)
        if opening >= 0 and _may_close(text[opening:start], closed[0]):
            start = opening
    if len(opened) == 1:
        closing = text.find(_OPEN[opened[0]], end, end + _NEAR)
        if closing >= 0 and _may_close(text[end:closing], opened[0]):
            end = closing + 1
    return start, end


def _may_close(between: str, other: str) -> bool:
    """Whether a bracket may belong to the one on the other side of some text."""
    if other in "<>" and any(character.isspace() for character in between):
        return False  # "<5 minutes or >10 minutes"
    return "\n" not in between and other not in between
