"""Finds the quotations in a text by their marks: pairs that fit, outermost ones, over paragraphs.

    for one in quotations("He wrote “it is ‘due’” and left."): ...   # Marked("it is ‘due’", 10, 21)

Knows “…”, "…", «…», »…«, „…“, 「…」, 『…』, ‘…’ and '…', and the signs by which `drafts` marks
block quotes. Apostrophes, inches and lone marks are no quotations. Takes time in proportion to the
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OPEN, CLOSE = "\ue000", "\ue001"
"""Signs around a block quote or a <q>."""
ASIDE, ASIDE_END = "\ue002", "\ue003"
"""Signs around what a reader does not see: the target of a link, the text of a footnote."""
PARAGRAPH = "\ue004"
"""Ends a paragraph without an empty line."""
JOINED = "\ue005"
"""In an empty line, which ends no paragraph then."""

_MARK = re.compile("[\"“”„‟«»「」『』‘’‚']")
_PARAGRAPH = re.compile(rf"\n[^\S\n]*\n\s*|{PARAGRAPH}")
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_ASIDES = re.compile(f"{ASIDE}[^{ASIDE_END}]*{ASIDE_END}")
_SIGNS = re.compile(f"[{OPEN}{CLOSE}{PARAGRAPH}{JOINED}]")
_CLOSERS = {"“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", '"': '"', "”": "”"}
_SINGLE_WORDS = 3  # fewer between single marks are a word that is talked about, or apostrophes
_LONGEST_SINGLE = 2000  # characters
# words that begin with an apostrophe
_CUT_WORDS = re.compile(r"['’‘](?:tis|twas|twere|til|em|cause|bout|n|round|neath|\d)", re.I)


@dataclass(frozen=True, slots=True)
class Marked:
    """A quotation, and where it stands in the text with its marks."""

    text: str
    start: int
    end: int
    block: bool = False
    """Whether it is a block quote or <q>."""


@dataclass(slots=True)
class _Opened:
    mark: str
    start: int
    inner: list[tuple[int, int]] = field(default_factory=list)
    """Quotations within, which stand by themselves if this one is never closed."""


def quotations(text: str, unclosed: Callable[[int], object] = lambda _: None) -> Iterator[Marked]:
    """Yield the quotations of a text in order; `unclosed` gets the places of marks without an end.

    >>> [one.text for one in quotations('The 5" pipe is "as good as new", isn\\'t it?')]
    ['as good as new']
    """
    blocks = list(_blocks(text, unclosed))
    pieces, at = [], 0
    for start, end in blocks:  # their marks belong to no pair outside
        pieces += [text[at:start], PARAGRAPH + " " * (end - start - 1)]
        at = end
    rest = _ASIDES.sub(lambda found: " " * len(found[0]), "".join([*pieces, text[at:]]))
    found = [one for a, b in blocks for one in _of_block(text, a, b)]
    found += [Marked(shown(text[a + 1 : b - 1]), a, b) for a, b in _pairs(rest, unclosed)]
    yield from (one for one in sorted(found, key=lambda one: one.start) if one.text)


def _of_block(text: str, begin: int, end: int) -> Iterator[Marked]:
    """The quotations of a block: all of it, or those in marks if they are most of it.

    # > He wrote: "The rent is due."      the words in marks
    # > "The rent is due," he wrote. He left the house that day.      all
    """
    inside = _ASIDES.sub(lambda found: " " * len(found[0]), text[begin + 1 : end - 1])
    inner = list(_pairs(inside, lambda _: None))
    ends = [0, *(at for pair in inner for at in pair), len(inside)]
    rest = [shown(inside[a:b]) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    leads_in = len(inner) == 1 and rest[0].endswith(":") and not rest[1]
    if any(rest) and inner and (leads_in or 4 * sum(map(len, rest)) <= len(shown(inside))):
        for a, b in inner:
            start, stop = begin + 1 + a, begin + 1 + b
            yield Marked(shown(text[start + 1 : stop - 1]), start, stop, block=True)
    else:
        yield Marked(shown(text[begin + 1 : end - 1]), begin, end, block=True)


def asides(text: str) -> str:
    """What readers of a text do not see, and may name its source."""
    return " ".join(found[0][1:-1].strip() for found in _ASIDES.finditer(text))


def unsigned(text: str) -> str:
    """A text on one line without signs, but with its asides.

    >>> unsigned("see\ue002 (lease.pdf)\ue003.\ue004")
    'see (lease.pdf) .'
    """
    return " ".join(re.sub("[\ue000-\ue005]", " ", text).split())


def shown(text: str) -> str:
    """A quotation as a person reads it: on one line, without asides, and marks all around it.

    >>> shown("\\ue002p. 3\\ue003“The rent\\nis due.”")
    'The rent is due.'
    """
    # each paragraph of a long quotation begins with a mark of its own
    text = _BLANK_LINES.sub("\n\n", _ASIDES.sub("", text))
    text = re.sub(r"\n\n[\"“„«»‘]", "\n", text)
    text = " ".join(_SIGNS.sub(" ", text).split())
    if len(text) > 1 and text[-1] in _CLOSERS.get(text[0], "") and _around(text):
        text = text[1:-1].strip()
    return text


def _around(text: str) -> bool:
    """Whether the marks at both ends of a text are those of one quotation."""
    return [(0, len(text))] == list(_pairs(text, lambda _: None))


def _blocks(text: str, unclosed: Callable[[int], object]) -> Iterator[tuple[int, int]]:
    """The outermost places between `OPEN` and `CLOSE`."""
    depth = begin = 0
    for sign in re.finditer(f"[{OPEN}{CLOSE}]", text):
        if sign[0] == OPEN:
            begin = begin if depth else sign.start()
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                yield begin, sign.end()
    if depth:
        unclosed(begin)


def _pairs(text: str, unclosed: Callable[[int], object]) -> Iterator[tuple[int, int]]:
    """The outermost places between marks that fit, with the marks."""
    carried: _Opened | None = None  # a quotation whose end may be in the next paragraph
    begin = 0
    for gap in [*_PARAGRAPH.finditer(text), None]:
        end = gap.start() if gap else len(text)
        found: list[tuple[int, int]] = []
        stack: list[_Opened] = []
        if carried:
            first = _MARK.search(text, begin, end)
            goes_on = first and first[0] == carried.mark and not text[begin : first.start()].strip()
            if goes_on and first:
                stack, begin = [carried], first.end()
            else:
                unclosed(carried.start)
                found += carried.inner
        _scan(text, begin, end, stack, found)
        carried = None
        if stack:
            for opened in stack[1:]:
                stack[0].inner += opened.inner
            carried = stack[0]
            carried.inner.sort()
        yield from sorted(found)
        begin = gap.end() if gap else end
    if carried:
        unclosed(carried.start)
        yield from carried.inner


def _scan(
    text: str, begin: int, end: int, stack: list[_Opened], found: list[tuple[int, int]]
) -> None:
    """Go through the marks of a paragraph: `stack` are those that are open, `found` the pairs."""
    at = begin
    while mark := _MARK.search(text, at, end):
        at = mark.end()
        sign, start = mark[0], mark.start()
        before = text[start - 1] if start > begin else " "
        after = text[at] if at < end else " "
        if sign in "'‘’‚":
            if not stack and (close := _single(text, start, at, end, before, after)):
                found.append((start, close))
                at = close
            continue
        if (
            stack
            and sign in _CLOSERS[stack[-1].mark]
            and _closes(text, sign, start, at, end, stack)
        ):
            opened = stack.pop()
            (stack[-1].inner if stack else found).append((opened.start, at))
        elif _opens(sign, before, after):
            stack.append(_Opened(sign, start))


def _opens(sign: str, before: str, after: str) -> bool:
    if sign in "“„«「『":
        return True
    if sign in '"”»':  # of Swedish and of German books, too
        return not before.isalnum() and before not in ".!?)" and not after.isspace()
    return False


def _closes(text: str, sign: str, start: int, at: int, end: int, stack: list[_Opened]) -> bool:
    """Whether a mark that may close the last open one does."""
    before, after = text[start - 1], text[at] if at < end else " "
    if sign == "“":  # closes „ in German; else it opens
        return not before.isspace() and not after.isalnum()
    if sign == "«":
        return not after.isalnum() or before in ".,;:!?"
    if sign != '"':
        return True
    if before.isspace() and (start - 1) > stack[-1].start and not after.isspace():
        return False
    if after.isalnum():
        return False
    if before.isdigit():  # 5" pipe: if another one ends the quotation, this one is inches
        following = text.find('"', at, min(end, at + _LONGEST_SINGLE))
        if following > 0 and not text[following - 1].isspace():
            ahead = text[following + 1] if following + 1 < end else " "
            return ahead.isalnum()
    return True


def _single(text: str, start: int, at: int, end: int, before: str, after: str) -> int:
    """Where a quotation in single marks ends, after the mark; 0 if this mark begins none."""
    sign = text[start]
    if sign == "’" or before.isalnum() or not after.isalnum() or _CUT_WORDS.match(text, start):
        return 0
    closers = re.compile("'(?!\\w)" if sign == "'" else "[’‘](?!\\w)")
    best = 0
    for close in closers.finditer(text, at, min(end, at + _LONGEST_SINGLE)):
        if text[close.start() - 1].isspace():
            continue
        best = close.end()
        follows = text[best : best + 2]
        # "the tenants' rent": rather a possessive, if a later mark may be the end
        possessive = (
            text[close.start() - 1] in "sS" and follows[:1] == " " and follows[1:].islower()
        )
        if not possessive:
            break
    long = len(text[at : best - 1].split()) >= _SINGLE_WORDS if best else False
    return best if long else 0
