"""Finds the lines of a page, and where paragraphs begin: by gaps, indents and the size of letters.

    found = flow(text, boxes)
    found.text        # without line ends inside of a line, as behind raised numbers
    found.starts      # [10, 240]: offsets of lines that begin a paragraph

Knows characters and where they stand, not PDFium. Places are in points, from the lower left corner
of the page. In doubt a paragraph goes on; `pages` also looks at how lines end.
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pullquote.searching.pages import ITEM, closed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box: TypeAlias = Sequence[float]
"""Left, bottom, right, top; of a character, from the descent of its font to the ascent."""

Boxes: TypeAlias = "Callable[[Sequence[int]], NDArray[np.float32]]"
"""Tells the boxes of the characters at some offsets, (N, 4)."""

HYPHENS = "\ufffe", "\x02"
"""PDFium's characters for the hyphen of a word that is split over two lines."""

WIDTHLESS = "\u2060"
"""Unicode's word joiner."""

_LINE = re.compile(r"[ \t\xa0]*([^\r\n\ufffe\x02]+[\ufffe\x02]?)")
_FIRST_WORD = re.compile(r"\S+")

# in sizes of letters
_SAME_SIZE = 1.15  # at most, between the letters of one paragraph
_SAME_LINE = 0.6  # lower or higher by less: no next line
_NO_BLANK = 0.15
_INDENT = 0.8, 6.0
_LEVEL = 0.3  # between lines that begin at the same place
_BLANK = 0.25
_FAR = 2.5  # from one line to the next, whatever the others do: text is set twice as wide at most

# in usual distances of lines
_GAP = 1.2  # between paragraphs; groff's are 1.3
_MOST_IN_SENTENCE = 1.6  # where a sentence goes on, as around a tall formula

_NONE = float("inf")  # the distance of lines that are not there


class Flow(NamedTuple):
    """The text of a page, and where its paragraphs begin."""

    text: str
    """As long as it was: `WIDTHLESS` stands for line ends inside of a line."""
    starts: list[int]
    """The offsets of lines that begin a paragraph, but for the first of the page."""
    firsts: list[Box]
    """Where the first characters of its lines stand."""


class _Line(NamedTuple):
    begin: int
    text: str
    left: float
    right: float
    first_word: float
    """Its width."""
    bottom: float
    size: float


@functools.lru_cache(maxsize=2)  # of a page, which is looked at for paragraphs and for tables
def lines_of(text: str) -> list[tuple[int, int]]:
    """Where the lines of a page begin and end, without blanks around them and without empty ones.

    >>> lines_of("The mill\\r\\n\\r\\n  stands by")
    [(0, 8), (14, 23)]
    """
    return [
        (match.start(1), match.start(1) + len(match[1].rstrip()))
        for match in _LINE.finditer(text)
        if not match[1].isspace()
    ]


def flow(text: str, boxes: Boxes) -> Flow:
    """Find the paragraphs of a page; `boxes` tells where the characters at some offsets stand."""
    sides = _sides(text, boxes)
    lines = _lines(text, sides)
    whole = _with_whole_lines(text, lines)
    if whole != text:
        sides = _sides(whole, boxes)
        lines = _lines(whole, sides)
    return Flow(whole, _starts(lines), sides[:, 0].tolist())


def _with_whole_lines(text: str, lines: Sequence[_Line]) -> str:
    pieces: list[str] = []
    done = 0
    for above, below in itertools.pairwise(lines):
        gap = (below.left - above.right) / below.size
        if abs(above.bottom - below.bottom) < _SAME_LINE * below.size and abs(gap) < _LEVEL:
            end = above.begin + len(above.text)
            # "in 1641" and a raised "1" are no 16411
            numbers = above.text[-1].isdigit() and below.text[0].isdigit()
            blank = " " if numbers or gap > _NO_BLANK else ""
            width = below.begin - end
            pieces += text[done:end], blank.ljust(width, WIDTHLESS)[:width]
            done = below.begin
    return "".join([*pieces, text[done:]])


def _starts(lines: Sequence[_Line]) -> list[int]:
    pairs = [*itertools.pairwise(lines)]
    steps = [above.bottom - below.bottom for above, below in pairs]
    together = [
        step > _SAME_LINE * below.size and _is_same_size(above, below)
        for step, (above, below) in zip(steps, pairs, strict=True)
    ]
    goes_on = [
        _is_sentence(above, below) and _is_full(above, below, lines[max(at - 1, 0) : at + 3])
        for at, (above, below) in enumerate(pairs)
    ]
    usual = _usual(steps, together, goes_on)
    lefts = Counter(round(line.left) for line in lines)
    found = []
    for at, (step, (above, below)) in enumerate(zip(steps, pairs, strict=True)):
        if above.text.endswith(HYPHENS):
            continue  # the second half of a word
        if step > _SAME_LINE * below.size:
            if (
                step > (_MOST_IN_SENTENCE if goes_on[at] else _GAP) * usual[at]
                or step > _FAR * max(above.size, below.size)
                or not (together[at] or goes_on[at])
                or _is_indented(above, below, lefts)
            ):
                found.append(below.begin)
        elif step < -_SAME_LINE * below.size and _is_closed(above, below):  # the next column
            found.append(below.begin)
    return found


def _sides(text: str, boxes: Boxes) -> NDArray[np.float32]:
    """Of each line the boxes of four letters, (L, 4, 4)."""
    spans = lines_of(text)
    return boxes([place for span in spans for place in _places(text, *span)]).reshape(-1, 4, 4)


def _lines(text: str, sides: NDArray[np.float32]) -> list[_Line]:
    """The lines of a page, each with the place and the size of most of its letters.

    None if most of them run up or down, as on a page that was turned.
    """
    import numpy as np  # most formats need none of it

    spans = lines_of(text)
    if not spans:
        return []
    across, up = np.abs(sides[:, 2, :2] - sides[:, 0, :2]).T  # (L,) each
    if 2 * (up > across).sum() > len(spans):
        return []
    sizes = sides[:, :3, 3] - sides[:, :3, 1]  # (L, 3): of letters at the beginning, middle and end
    usual = np.arange(len(spans)), sizes.argsort(axis=1)[:, 1]
    columns = (
        *(sides[:, 0, 0], sides[:, 2, 2], sides[:, 3, 2] - sides[:, 0, 0], sides[:, :3, 1][usual]),
        sizes[usual].clip(1.0),
    )
    rows = zip(*[column.tolist() for column in columns], strict=True)
    return [
        _Line(begin, text[begin:end], *row) for (begin, end), row in zip(spans, rows, strict=True)
    ]


def _places(text: str, begin: int, end: int) -> tuple[int, int, int, int]:
    """The first, a middle and the last letter of a line, and the last one of its first word."""
    last = end - 1
    if last > begin and text[last] in HYPHENS:
        last -= 1
    middle = (begin + last) // 2
    while text[middle].isspace():
        middle += 1
    word = _FIRST_WORD.match(text, begin, last + 1)
    return begin, middle, last, (word.end() if word else end) - 1


def _usual(
    steps: Sequence[float], together: Sequence[bool], goes_on: Sequence[bool]
) -> list[float]:
    """For each line but the last, the usual distance to a next one: the least one around it.

    These are the distances before and after it, and the nearest one inside of a sentence.
    """
    inside = _nearest(steps, [*map(operator.and_, together, goes_on)])
    near = [step if one else _NONE for step, one in zip(steps, together, strict=True)]
    return [*map(min, [_NONE, *near], [*near[1:], _NONE], inside)]


def _nearest(steps: Sequence[float], known: Sequence[bool]) -> list[float]:
    """For each place, the step of the nearest known one; infinite if there is none."""
    places = [*itertools.compress(range(len(steps)), known)]
    if not places:
        return [_NONE] * len(steps)
    ends = [(one + other + 1) // 2 for one, other in itertools.pairwise(places)]
    found: list[float] = []
    for place, end in zip(places, [*ends, len(steps)], strict=True):
        found += [steps[place]] * (end - len(found))
    return found


def _is_same_size(one: _Line, other: _Line) -> bool:
    return max(one.size, other.size) <= _SAME_SIZE * min(one.size, other.size)


def _is_sentence(above: _Line, below: _Line) -> bool:
    """Whether the words of a line may go on in the next one."""
    return below.text[0].islower() and not closed(above.text)


def _is_closed(above: _Line, below: _Line) -> bool:
    """Whether a line ends a sentence, or is of another size."""
    return closed(above.text) or not _is_same_size(above, below)


def _is_full(above: _Line, below: _Line, near: Sequence[_Line]) -> bool:
    """Whether the first word of the next line had no room in a line."""
    # of a turned or mirrored line, the last letter stands left of the first
    edge = max([line.right for line in near if line.left < above.right], default=above.right)
    return above.right + below.first_word + _BLANK * above.size > edge


def _is_indented(above: _Line, below: _Line, lefts: Counter[int]) -> bool:
    """Whether a line begins elsewhere than the one above, and than most lines around it.

    A paragraph may begin farther to the right than its other lines, or to the left, as in lists of
    books. Between them the sentence must have ended.
    """
    shift = abs(below.left - above.left) / below.size
    if not _INDENT[0] < shift < _INDENT[1] or not closed(above.text):
        return False
    if ITEM.match(below.text) or (ITEM.match(above.text) and below.left > above.left):
        return False  # the next item of a list, or the second line of one
    return _count(lefts, below) < _count(lefts, above)


def _count(lefts: Counter[int], line: _Line) -> int:
    """How many lines of a page begin at the same place, to a point or so."""
    return sum(lefts[round(line.left) + more] for more in (-2, -1, 0, 1, 2))
