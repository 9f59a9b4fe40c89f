"""Quotes made by seed from real texts, altered in each way that `check` knows, or not at all.

    for quote in made(text, number=600, seed=1): ...      # Quote(kind, quote, match, spans)

Knows the definition of the verdicts, not the code that gives them: words are split by a rule of its
own, and what is changed stays clear of the limits between two verdicts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_WORD = re.compile(r"\w(?:\S*\w)?")
_LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}
_STRAIGHT = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})
_INVENTED = [
    "The",
    "walrus",
    "quietly",
    "considered",
    "seventeen",
    "umbrellas",
    "beneath",
    "a",
    "purple",
    "glacier",
    "while",
    "distant",
    "trombones",
    "rehearsed",
    "forgotten",
    "lullabies",
    "near",
    "abandoned",
    "submarines",
    "and",
    "velvet",
    "pyramids",
    "whispered",
    "improbable",
    "equations",
    "toward",
    "sleeping",
    "volcanoes",
]


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote, how it was made, the verdict that is right, and the spans of the text."""

    kind: str
    quote: str
    match: str
    spans: tuple[tuple[int, int], ...]


def made(text: str, number: int, seed: int) -> Iterator[Quote]:
    """Yield quotes of a text, as many of each kind."""
    random_ = random.Random(seed)
    words = [match.span(1) for match in re.finditer(r"(?<!\S)\W*(\w(?:\S*\w)?)", text)]
    count = 0
    while count < number:
        for kind, make in KINDS.items():
            quote = None
            while quote is None:
                quote = make(text, words, random_)
            yield Quote(kind, *quote)
            count += 1
            if count == number:
                return


Words = list[tuple[int, int]]
Made = tuple[str, str, tuple[tuple[int, int], ...]]


def _span(words: Words, random_: random.Random, low: int = 8, high: int = 40) -> tuple[int, int]:
    """The first and the last word of a passage."""
    size = random_.randint(low, high)
    first = random_.randrange(len(words) - size)
    return first, first + size - 1


def _cut(text: str, words: Words, first: int, last: int) -> tuple[str, tuple[int, int]]:
    start, end = words[first][0], words[last][1]
    return text[start:end], (start, end)


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _exact(text: str, words: Words, random_: random.Random) -> Made | None:
    passage, span = _cut(text, words, *_span(words, random_, 4, 40))
    if passage != _tidy(passage):
        return None
    return passage, "exact", (span,)


def _typographic(change: Callable[[str, random.Random], str | None]) -> Callable[..., Made | None]:
    """A passage that is changed, and is another text afterwards."""

    def make(text: str, words: Words, random_: random.Random) -> Made | None:
        passage, span = _cut(text, words, *_span(words, random_))
        quote = change(_tidy(passage), random_)
        if quote is None or quote == passage or text[span[1]] == ",":
            return None
        return quote, "typographic", (span,)

    return make


def _breaks(quote: str, random_: random.Random) -> str | None:
    at = random_.choice([m.start() for m in re.finditer(" ", quote)])
    return quote[:at] + random_.choice(("\n", "\n    ", "\f", "\u00a0")) + quote[at + 1 :]


def _hyphen(quote: str, random_: random.Random) -> str | None:
    long = [m.span() for m in re.finditer(r"[a-z]{8,}", quote)]
    if not long:
        return None
    start, end = random_.choice(long)
    at = random_.randint(start + 3, end - 3)
    return f"{quote[:at]}-\n{quote[at:]}"


def _marks(quote: str, random_: random.Random) -> str | None:
    if not re.search("[\"'’“”‘]", quote):
        return None
    if (straight := quote.translate(_STRAIGHT)) != quote:
        return straight
    return re.sub(r'"(\S[^"]*)"', r"“\1”", quote).replace("'", "’")


def _dashes(quote: str, random_: random.Random) -> str | None:
    if not re.search(r"(?<=\w)[-–—](?=\w)| [-–—] ", quote):
        return None
    return re.sub(
        r"(?<=\w)[-–](?=\w)", "\u2011", re.sub(r" [-–—] ", random_.choice(("—", " — ")), quote)
    )


def _ligatures(quote: str, _: random.Random) -> str | None:
    for letters, one in _LIGATURES.items():
        quote = quote.replace(letters, one)
    return quote


def _wide(quote: str, _: random.Random) -> str | None:
    return re.sub(r"\d", lambda found: chr(ord(found[0]) + 0xFEE0), quote)


def _decomposed(quote: str, _: random.Random) -> str | None:
    import unicodedata

    return unicodedata.normalize("NFD", quote)


def _case(quote: str, random_: random.Random) -> str | None:
    return quote.upper() if random_.random() < 0.3 else quote[0].swapcase() + quote[1:]


def _bracket(quote: str, _: random.Random) -> str | None:
    if not quote[:2].isalpha():
        return None
    return f"[{quote[0].swapcase()}]{quote[1:]}"


def _footnote(quote: str, random_: random.Random) -> str | None:
    ends = [m.end() for m in re.finditer(r"[^\W\d_]{4,}[.,;]?(?= )", quote)]
    if not ends:
        return None
    at = random_.choice(ends)
    mark = random_.choice(("[3]", "[12]", "²", "³", "[a]", "†"))
    return quote[:at] + mark + quote[at:]


def _comma(quote: str, _: random.Random) -> str | None:
    return f"{quote},"


def _elision(text: str, words: Words, random_: random.Random) -> Made | None:
    first, last = _span(words, random_, 20, 60)
    left = random_.randint(first + 4, first + (last - first) // 3)
    right = random_.randint(first + 2 * (last - first) // 3, last - 4)
    one, span = _cut(text, words, first, left)
    other, second = _cut(text, words, right, last)
    sign = random_.choice((" […] ", " … ", " ... ", " [...] "))
    return _tidy(one) + sign + _tidy(other), "typographic", (span, second)


def _elided_end(text: str, words: Words, random_: random.Random) -> Made | None:
    passage, span = _cut(text, words, *_span(words, random_))
    quote = random_.choice(("… {}", "{} …", "[…] {}", "{} [...]", "... {} ..."))
    return quote.format(_tidy(passage)), "typographic", (span,)


def _drifted(
    change: Callable[[list[str], random.Random], list[str] | None],
) -> Callable[..., Made | None]:
    """A passage of which at most an eighth of the words is changed."""

    def make(text: str, words: Words, random_: random.Random) -> Made | None:
        passage, span = _cut(text, words, *_span(words, random_, 9, 40))
        pieces = re.split(f"({_WORD.pattern})", _tidy(passage))
        for _ in range(random_.randint(1, max(1, len(pieces) // 2 // 8))):
            changed = change(pieces, random_)
            if changed is None:
                return None
            pieces = changed
        quote = "".join(pieces)
        return (_tidy(quote), "drifted", (span,)) if quote != _tidy(passage) else None

    return make


def _places(pieces: list[str], random_: random.Random) -> int:
    """A word that is not at either end, nor next to one."""
    return random_.choice(range(5, len(pieces) - 5, 2))


def _other_word(pieces: list[str], random_: random.Random) -> list[str]:
    at = random_.choice(range(1, len(pieces), 2))  # the ends, too
    return [*pieces[:at], random_.choice(_INVENTED), *pieces[at + 1 :]]


def _dropped(pieces: list[str], random_: random.Random) -> list[str]:
    at = _places(pieces, random_)
    return [*pieces[: at - 1], pieces[at - 1] + pieces[at + 1].lstrip(), *pieces[at + 2 :]]


def _added(pieces: list[str], random_: random.Random) -> list[str]:
    at = _places(pieces, random_)
    return [*pieces[:at], random_.choice(_INVENTED), " ", *pieces[at:]]


def _number(pieces: list[str], random_: random.Random) -> list[str] | None:
    at = [n for n in range(1, len(pieces), 2) if pieces[n].isdigit()]
    if not at:
        return None
    n = random_.choice(at)
    return [*pieces[:n], str(int(pieces[n]) + random_.randint(1, 9)), *pieces[n + 1 :]]


def _misspelt(pieces: list[str], random_: random.Random) -> list[str] | None:
    at = [n for n in range(1, len(pieces), 2) if len(pieces[n]) > 5 and pieces[n].isalpha()]
    if not at:
        return None
    n, word = (chosen := random_.choice(at)), pieces[chosen]
    cut = random_.randrange(1, len(word) - 2)
    wrong = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return [*pieces[:n], wrong, *pieces[n + 1 :]]


def _swapped(pieces: list[str], random_: random.Random) -> list[str]:
    at = _places(pieces, random_)
    return [*pieces[:at], pieces[at + 2], pieces[at + 1], pieces[at], *pieces[at + 3 :]]


def _stitched(text: str, words: Words, random_: random.Random) -> Made:
    spans, pieces = [], []
    for _ in range(random_.choice((2, 2, 3))):
        while True:
            passage, span = _cut(text, words, *_span(words, random_, 7, 20))
            if all(abs(span[0] - other[0]) > 3000 for other in spans):
                break
        spans.append(span)
        pieces.append(_tidy(passage))
    return random_.choice((" ", ", and ")).join(pieces), "stitched", tuple(spans)


def _invented(text: str, words: Words, random_: random.Random) -> Made:
    """A sentence of which the text has a third."""
    passage, _ = _cut(text, words, *_span(words, random_, 4, 6))
    more = random_.sample(_INVENTED, 12)
    return f"{' '.join(more[:6])} {_tidy(passage)} {' '.join(more[6:])}", "absent", ()


def _shuffled(text: str, words: Words, random_: random.Random) -> Made:
    first, last = _span(words, random_, 15, 30)
    bag = [text[slice(*word)] for word in words[first : last + 1]]
    random_.shuffle(bag)
    return " ".join(bag), "absent", ()


def _mostly_other(text: str, words: Words, random_: random.Random) -> Made:
    """A passage of which half of the words are others."""
    passage, _ = _cut(text, words, *_span(words, random_, 12, 30))
    pieces = passage.split()
    for at in range(0, len(pieces), 2):
        pieces[at] = random_.choice(_INVENTED)
    return " ".join(pieces), "absent", ()


def _short(text: str, words: Words, random_: random.Random) -> Made:
    at = random_.randrange(len(words) - 2)
    one, other = (text[slice(*word)] for word in words[at : at + 2])
    return random_.choice((one, f"{one} {other}")), "uncheckable", ()


KINDS: dict[str, Callable[[str, Words, random.Random], Made | None]] = {
    "as it is": _exact,
    "quotation marks": _typographic(_marks),
    "dashes": _typographic(_dashes),
    "ligatures": _typographic(_ligatures),
    "full-width digits": _typographic(_wide),
    "decomposed accents": _typographic(_decomposed),
    "case": _typographic(_case),
    "[t]he": _typographic(_bracket),
    "line and page breaks": _typographic(_breaks),
    "line-end hyphen": _typographic(_hyphen),
    "footnote mark": _typographic(_footnote),
    "comma at the end": _typographic(_comma),
    "elision": _elision,
    "elision at an end": _elided_end,
    "another word": _drifted(_other_word),
    "a word left out": _drifted(_dropped),
    "a word added": _drifted(_added),
    "another number": _drifted(_number),
    "misspelt": _drifted(_misspelt),
    "words swapped": _drifted(_swapped),
    "stitched": _stitched,
    "invented": _invented,
    "shuffled": _shuffled,
    "every other word changed": _mostly_other,
    "too short": _short,
}
