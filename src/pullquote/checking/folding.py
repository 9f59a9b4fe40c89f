"""Folds a text: what typography changes is gone, and each character knows where it came from.

    folded = Folded("The oﬃce re-\nopens, “at 9”.")
    folded.folded                     # "theofficereopens,at9."
    folded.span(3, 9)                 # (4, 8): the characters of "oﬃce" in the text

Gone are case, blanks and line breaks, quotation marks, square brackets, hyphens and dashes except
before a number, footnote marks, and compatibility forms such as ligatures. Letters, digits, signs
and punctuation stay. Tokens are the words and signs of the folded text; `joints` tell where blanks
and hyphens parted its words. Knows no quotes or sources.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RUN = 5
"""Words in a row that are looked up together."""

_APOSTROPHES = "'’‘ʼ`´′＇"
_QUOTES = '"“”„‟«»‹›‚‛「」『』″〝〞〟＂'
_HYPHENS = "-\u2010\u2011\u00ad"
_DASHES = "\u2012–—―−﹘﹣－⸺⸻"
_ORNAMENTS = "*†‡•▪◦‣●"
_BRACKETS = "[]［］"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys(_APOSTROPHES + _QUOTES, '"'),
        **dict.fromkeys(_HYPHENS + _DASHES, "-"),
    }
)

# "due.[3]", "due[a]", "due.³": not "[2019]", "[t]he" or "40 m²"
_BRACKETED = re.compile(
    r"\[(?:\d{1,3}(?:[,–-]\s?\d{1,3}){0,9}|[a-z]|\^[^\]\s]{1,20}|note \d{1,3}|sic!?)\](?!\w)"
)
_RAISED = re.compile("[¹²³⁰⁴-⁹]+")
_BEFORE_RAISED = re.compile(r"(?:[^\W\d_]{3}|[.,;:!?”’\"')\]])\Z")
# a word that goes on in the next line, or went on there before its lines were joined
_BROKEN = re.compile(rf"(?<=\w)[{_HYPHENS}]\s+(?=\w)")

_DROPPED, _WORD, _MARK, _SIGN, _APOSTROPHE, _DASH, _ALONE = range(7)
_DIGIT, _CURRENCY, _BLANK, _PARTS, _POINT, _RAISED_DIGIT = 1, 2, 4, 8, 16, 32
_PARTED, _HYPHENATED = 1, 2  # joints

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_POWERS = np.cumprod(np.full(256, _FACTOR))


@functools.lru_cache(maxsize=1 << 16)
def _form(character: str) -> tuple[str, int, int]:
    """The folded form of a character, what kind of token it is part of, and flags."""
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Zs", "Zl", "Zp") or character.isspace():
        hidden = category == "Cf"
        return "", _DROPPED, 0 if hidden else _BLANK | _PARTS
    if character in _APOSTROPHES:
        return "'", _APOSTROPHE, 0
    if character in _HYPHENS:
        return "-", _DASH, 0
    if character in _DASHES:
        return "-", _DASH, _PARTS
    if character in _QUOTES + _BRACKETS + _ORNAMENTS or category in ("Pi", "Pf"):
        return "", _DROPPED, 0
    plain = unicodedata.normalize("NFKD", character).casefold()
    form = "".join(unicodedata.normalize("NFKD", plain).split())
    if _is_alone(ord(character)):
        return form, _ALONE, 0
    if category[0] in "LNM" or character == "_":
        return form, _WORD, {"Nd": _DIGIT, "No": _RAISED_DIGIT}.get(category, 0)
    if category[0] == "S" or character in "%&@#§‰":
        return form, _SIGN, _CURRENCY if category == "Sc" else 0
    return form, _MARK, _POINT if character in ".,:" else 0


def _is_alone(code: int) -> bool:
    """Whether a character is a token by itself: of scripts that put no blanks between words."""
    return (
        0x2E80 <= code <= 0x2FFF
        or 0x3040 <= code <= 0x30FF
        or 0x3400 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
        or 0x0E00 <= code <= 0x0EFF  # Thai, Lao
        or 0x1000 <= code <= 0x109F  # Burmese
        or 0x1780 <= code <= 0x17FF  # Khmer
    )


_IN_NUMBER = re.compile(r"\d[.,]\d")  # "1,250": no number ends with its first part


class Folded:
    """A text, its folded form, and its tokens.

    >>> folded = Folded("It re-\\nopens “at 9”, for £5.")
    >>> folded.folded, folded.tokens()
    ('itreopensat9,for£5.', ['it', 'reopens', 'at', '9', ',', 'for', '£', '5', '.'])
    """

    def __init__(self, text: str, read_as: str = "") -> None:
        """`read_as` is what is folded in place of the text, if anything; it is as long."""
        self.text = text
        text = read_as or text
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)  # (N,)
        present = np.zeros(int(codes.max(initial=0)) + 1, bool)
        present[codes] = True
        known = np.flatnonzero(present)
        forms = [_form(chr(code)) for code in known]
        number = np.zeros(len(present), np.int32)
        number[known] = np.arange(len(known))
        which = number[codes]  # (N,) the character's place in `forms`
        kinds = np.array([kind for _, kind, _ in forms], np.uint8)[which]
        flags = np.array([flag for _, _, flag in forms], np.uint8)[which]
        lengths = np.array([len(form) for form, _, _ in forms], np.int32)
        shown = self._shown(text, kinds, flags)
        parts = ((flags & _PARTS) > 0) & ~shown
        for match in _BROKEN.finditer(text):
            parts[match.start() : match.end()] = False
        number_like = flags & (_DIGIT | _RAISED_DIGIT)
        parts[1:] |= (number_like[1:] | number_like[:-1]) == _DIGIT | _RAISED_DIGIT  # 10², 1½
        hyphens = (kinds == _DASH) & ~shown

        repeated = np.where(shown, lengths[which], 0)  # (N,) how many characters each one gives
        total = int(repeated.sum())
        self.offsets = np.repeat(np.arange(len(codes), dtype=np.int32), repeated)  # (M,)
        begins = np.cumsum(lengths) - lengths
        within = np.arange(total) - np.repeat(np.cumsum(repeated) - repeated, repeated)
        every = np.frombuffer(
            "".join(form for form, _, _ in forms).encode("utf-32-le", "surrogatepass"), np.uint32
        )
        self._codes = every[begins[which[self.offsets]] + within]  # (M,)
        self.folded = self._codes.tobytes().decode("utf-32-le", "surrogatepass")
        self._kinds, self._flags = kinds[self.offsets], flags[self.offsets]
        self._parted = np.cumsum(parts, dtype=np.int32)[self.offsets]  # (M,)
        self._hyphens = np.cumsum(hyphens, dtype=np.int32)[self.offsets]  # (M,)

    @staticmethod
    def _shown(text: str, kinds: NDArray[np.uint8], flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which characters have a place in the folded text."""
        shown: NDArray[np.bool_] = kinds != _DROPPED
        inner = np.pad((kinds == _WORD) | (kinds == _ALONE), 1)
        at = np.flatnonzero(kinds == _APOSTROPHE)
        shown[at] = inner[at] & inner[at + 2]
        numeric, blank = np.pad(flags & (_DIGIT | _CURRENCY), (0, 3)), flags & _BLANK
        at = np.flatnonzero(kinds == _DASH)
        after = at + 1
        for _ in range(2):  # blanks between
            after += np.pad(blank, (0, 3))[after] > 0
        shown[at] = numeric[after] > 0
        for start, end in _footnotes(text):
            shown[start:end] = False
        return shown

    def __len__(self) -> int:
        """The number of characters of the folded text."""
        return len(self.offsets)

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """The characters of the text from which `folded[begin:end]` comes, half open."""
        return int(self.offsets[begin]), int(self.offsets[end - 1]) + 1

    def is_edge(self, at: int) -> bool:
        """Whether no word or number of the text goes on over this place of the folded text.

        >>> [Folded("Noon, re-do").is_edge(at) for at in (0, 2, 4, 5, 7)]
        [True, False, True, True, True]
        >>> [Folded("1,250, 7").is_edge(at) for at in (1, 2, 5)]
        [False, False, True]
        """
        if not 0 < at < len(self):
            return True
        if self.offsets[at] - self.offsets[at - 1] > 1:
            return True
        if self._is_signed(at):
            return False
        if any(self._is_in_number(begin) for begin in range(max(at - 2, 0), at)):
            return False
        inner = (_WORD, _APOSTROPHE)
        return not (self._kinds[at - 1] in inner and self._kinds[at] in inner)

    def _is_signed(self, at: int) -> bool:
        """Whether a number begins here, behind its minus; that of a range or a date is none."""
        if self._kinds[at - 1] != _DASH or not self._flags[at] & _DIGIT:
            return False
        alone = at == 1 or self.offsets[at - 1] - self.offsets[at - 2] > 1
        return bool(alone or self._kinds[at - 2] not in (_WORD, _ALONE))

    def _is_in_number(self, begin: int) -> bool:
        near = _IN_NUMBER.match(self.folded, begin)
        return near is not None and self.offsets[begin + 2] - self.offsets[begin] == 2

    def says(self, begin: int, end: int, other: Folded, at: int) -> bool:
        """Whether `folded[begin:end]` and what another text has from `at` on have the same words.

        >>> one = Folded("It was not able.")
        >>> one.says(0, len(one), Folded("it was\\nnot able."), 0)
        True
        >>> one.says(0, len(one), Folded("It was notable."), 0)
        False

        The characters and where words end are the same; a hyphen may be a blank or nothing.
        """
        if self.folded[begin:end] != other.folded[at : at + end - begin]:
            return False
        ours, theirs = self.joints[begin + 1 : end], other.joints[at + 1 : at + end - begin]
        hyphenated = (ours == _HYPHENATED) | (theirs == _HYPHENATED)
        return bool(((ours == theirs) | hyphenated).all())

    @functools.cached_property
    def joints(self) -> NDArray[np.uint8]:
        """(M,) what stands before each character of a word or number, after another one.

        0 for nothing, `_PARTED` for a blank or a dash, `_HYPHENATED` for a hyphen, except between
        digits.
        """
        joints = np.zeros(len(self), np.uint8)
        if len(self) < 2:
            return joints
        digit = np.pad((self._flags & _DIGIT) > 0, 1)
        point = np.pad((self._flags & _POINT) > 0, 1)
        # "1. 5" is not "1.5"
        number = point[1:-1] & digit[:-2] & digit[2:]
        inner = (self._kinds == _WORD) | (self._kinds == _APOSTROPHE) | number
        between = inner[1:] & inner[:-1]
        parted = np.diff(self._parted) > 0
        hyphen = np.diff(self._hyphens) > 0
        digits = digit[1:-2] & digit[2:-1]
        joints[1:][between & (parted | (hyphen & digits))] = _PARTED
        joints[1:][between & hyphen & ~digits] = _HYPHENATED
        return joints

    # ---- tokens, which are made when they are first needed

    @functools.cached_property
    def starts(self) -> NDArray[np.intp]:
        """(T,) where each token begins in the folded text."""
        if not len(self):
            return np.zeros(0, np.intp)
        kinds, flags, near = self._kinds, self._flags, np.diff(self.offsets) == 1
        digit = (flags & _DIGIT) > 0
        inner = (kinds == _WORD) | (kinds == _APOSTROPHE) | (kinds == _DASH)
        # "43.50", "09:30" and "6,200" are one token each
        point = np.flatnonzero((flags[1:-1] & _POINT > 0) & digit[:-2] & digit[2:]) + 1
        inner[point[near[point - 1] & near[point]]] = True
        begins = np.ones(len(self), bool)
        begins[1:] = ~(inner[1:] & inner[:-1]) | (self._parted[1:] > self._parted[:-1])
        # the letters of one ligature stay together, and the signs of a row: "....", "===="
        row = (kinds[1:] == _SIGN) | (kinds[1:] == _MARK)
        begins[1:] &= (np.diff(self.offsets) > 0) & ~(row & near & (np.diff(self._codes) == 0))
        return np.flatnonzero(begins)

    @functools.cached_property
    def ends(self) -> NDArray[np.intp]:
        """(T,) where each token ends in the folded text."""
        return np.append(self.starts[1:], len(self)) if len(self) else self.starts

    @functools.cached_property
    def keys(self) -> NDArray[np.int64]:
        """(T,) a number for each token; equal tokens of any text have the same."""
        if not len(self):
            return np.zeros(0, np.int64)
        place = np.arange(len(self)) - np.repeat(self.starts, self.ends - self.starts)
        weighted = (self._codes.astype(np.uint64) + np.uint64(1)) * _POWERS[place % len(_POWERS)]
        return np.add.reduceat(weighted, self.starts).view(np.int64)

    @functools.cached_property
    def is_word(self) -> NDArray[np.bool_]:
        """(T,) whether a token is a word, a number or a sign such as %, not punctuation."""
        if not len(self):
            return np.zeros(0, bool)
        kinds = self._kinds[self.starts]
        lone_dash = (kinds == _DASH) & (self.ends - self.starts == 1)
        words: NDArray[np.bool_] = (kinds != _MARK) & ~lone_dash
        return words

    @functools.cached_property
    def words(self) -> NDArray[np.intp]:
        """(W,) the tokens that are words."""
        return np.flatnonzero(self.is_word)

    @functools.cached_property
    def by_key(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """(T,) the tokens sorted by their keys, equal ones in order; and the sorted keys."""
        order = np.argsort(self.keys, kind="stable")
        return order, self.keys[order]

    @functools.cached_property
    def by_run(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The words sorted by the runs of `RUN` words that begin there; and what they are."""
        hashes = self.runs
        order = np.argsort(hashes, kind="stable")
        return order, hashes[order]

    @property
    def runs(self) -> NDArray[np.int64]:
        """(W - RUN + 1,) a number for the run of words that begins with each word."""
        keys = self.keys[self.words].view(np.uint64)
        size = max(len(keys) - RUN + 1, 0)
        total = np.zeros(size, np.uint64)
        for step in range(RUN):
            total = total * _FACTOR + keys[step : step + size]
        return total.view(np.int64)

    def tokens(self) -> list[str]:
        """The tokens as text."""
        return [self.folded[a:b] for a, b in zip(self.starts, self.ends, strict=True)]

    def token_span(self, first: int, last: int) -> tuple[int, int]:
        """The characters of the text from the first to the last of some tokens."""
        return self.span(int(self.starts[first]), int(self.ends[last]))


def _footnotes(text: str) -> Iterator[tuple[int, int]]:
    """The spans of footnote marks."""
    for match in _BRACKETED.finditer(text) if "[" in text else ():
        start = match.start()
        if match[0].startswith("[sic") or (start and not text[start - 1].isspace()):
            yield match.span()
    for match in _RAISED.finditer(text) if not text.isascii() else ():
        if _BEFORE_RAISED.search(text, max(0, match.start() - 3), match.start()):
            yield match.span()


def same_marks(one: str, other: str) -> bool:
    """Whether two pieces of text have the same quotation marks and dashes, of any style.

    >>> same_marks("“", '"'), same_marks("—", "'")
    (True, False)
    """
    return one.translate(_PLAIN) == other.translate(_PLAIN)
