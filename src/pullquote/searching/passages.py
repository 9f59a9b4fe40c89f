"""Splits a document into passages that fit into one window of a reader.

Knows text, neither files nor models. Short paragraphs share a passage, a heading stays with what
follows, and a long paragraph is cut at sentences, with an overlap, so that no answer is split. A
row of a table has a passage of its own, below the heading and the caption of the table.

    # limit 40, overlap 16:                        "The river rises in the hills. It is long."
    #   passage 0, characters 0-29:   The river rises in the hills.
    #   passage 1, characters 17-41:                   in the hills. It is long.
"""

from __future__ import annotations

import bisect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pullquote.reading.sentences import sentence_ends
from pullquote.searching.pages import closed
from pullquote.searching.parts import LONGEST_TITLE, Part
from pullquote.types import Document, Mark, Passage, Place, line_breaks

LIMIT = 1200
"""The most bytes of UTF-8 in a passage: about 270 tokens of English, which leave room for the
question in a window of 384, or 400 characters of Chinese, a token each."""
OVERLAP = 240
"""The fewest bytes that two passages share where a paragraph is cut: more than an answer of 30
tokens, and usually a sentence."""

_NUMBERED = re.compile(r"[^\W\d_]{2,12}\.?\s\d")  # "Table 3", "Tab. 3"
_CONTAINERS = ("message", "section", "slide")  # units in which a heading ends with its number
_LONGEST_HEADING = 100  # characters
_PIECE = 1 << 15  # characters of a part that are added at once, since what is held is copied often

_LINE_END = re.compile(r"\n")
_WHITESPACE = re.compile(r"\s+")


def passages(
    document: Document, parts: Iterable[Part], *, limit: int = LIMIT, overlap: int = OVERLAP
) -> Iterator[Passage]:
    """Yield the passages of a document in order, with no more than a few parts in memory."""
    held, start = "", 0  # text that is in no passage yet, and its offset in the document
    marks: list[Mark] = []  # offsets in `held`
    ends: list[int] = []  # offsets in `held` at which paragraphs end
    for part in titled(document.unit, parts):
        if part.alone and ends:  # headings stay with the row
            cut = ends[-1]
            yield from _passage(document, held[:cut], start, marks)
            marks = _marks_from(document.unit, held, marks, cut)
            held, start, ends = held[cut:], start + cut, []
        marks += (
            Mark(len(held) + mark.offset, mark.number, part.sheet, part.fields)
            for mark in (Mark(0, part.number), *part.marks)
        )
        for begin in range(0, max(len(part.text), 1), _PIECE):
            held += part.text[begin : begin + _PIECE]
            last = begin + _PIECE >= len(part.text)
            if skipped := _whitespace(held, 0):  # each passage begins later than the one before
                marks = _marks_from(document.unit, held, marks, skipped)
                held, start = held[skipped:], start + skipped
            if held and last and not part.open:
                ends.append(len(held))
            while (reach := _reach(held, limit)) < len(held.rstrip()):
                whole = [end for end in ends if end <= reach]
                if whole:
                    cut = rest = _before_heading(document.unit, held, whole)
                else:
                    cut = _cut(held, reach)
                    rest = _resume(held, cut, overlap)
                rest += _whitespace(held, rest)
                yield from _passage(document, held[:cut], start, marks)
                marks = _marks_from(document.unit, held, marks, rest)
                held, start = held[rest:], start + rest
                ends = [end - rest for end in ends if end > rest]
        if part.alone:
            yield from _passage(document, held, start, marks)
            held, start, marks, ends = "", start + len(held), [], []
    yield from _passage(document, held, start, marks)


def joined(found: Iterable[Passage], start: int = 0, *, blanks: int | None = None) -> Iterator[str]:
    """Yield the text of a document in pieces, from its passages in order: what they share once.

    >>> from pullquote.types import Mark
    >>> document, marks = Document("a.txt", "line"), (Mark(0, 1),)
    >>> found = [Passage(document, "To be", 0, marks), Passage(document, "be, or", 3, marks)]
    >>> "".join(joined(found))
    'To be, or'

    Line ends stand for the blanks between passages: as many, so that offsets from `start` on are
    the document's, or at most `blanks`, and none before the first.
    """
    end = start
    for passage in found:
        gap = max(passage.start - end, 0)
        if blanks is not None:
            gap = min(gap, blanks) if end > start else 0
        yield "\n" * gap + passage.text[max(end - passage.start, 0) :]
        end = max(end, passage.end)


def place_at(found: Sequence[Passage], at: int) -> Place:
    """The position of the character `at` of a document, from some of its passages in order.

    >>> from pullquote.types import Mark
    >>> document = Document("a.txt", "line")
    >>> found = [Passage(document, "To be", 0, (Mark(0, 1),))]
    >>> str(place_at(found, 3))
    'a.txt, line 1'

    The last passage that begins before it counts, the first if none does.
    """
    inside = found[max(bisect.bisect_right(found, at, key=lambda one: one.start) - 1, 0)]
    return inside.place(max(at - inside.start, 0))


def titled(unit: str, parts: Iterable[Part]) -> Iterator[Part]:
    """Repeat what stands above a table before each of its rows.

    That is the last heading, and a caption: a short line that stands directly above the table. A
    heading counts for what stands as deep as itself, or deeper.
    """
    headings: list[Part] = []  # each deeper than the one before
    above: list[Part] = []
    earlier: Part | None = None
    before: Part | None = None  # held back until it is clear whether a row follows
    for part in parts:
        elsewhere = before is not None and (
            before.sheet != part.sheet or (unit in _CONTAINERS and before.number != part.number)
        )
        if elsewhere:
            headings = []
        while headings and headings[-1].depth > part.depth:
            headings.pop()
        heading = headings[-1] if headings else None
        if before and before.depth > part.depth:
            elsewhere = True
            before = replace(before, open=False)
        if part.alone and (before is None or not before.alone or elsewhere):
            caption = before if before and not elsewhere and _is_caption(before) else None
            before = replace(caption, open=True) if caption else before
            above = [one for one in (heading, caption) if one]
            if caption and heading and earlier is not heading:
                yield _above(heading, caption.number)
        if before:
            yield before
        if part.alone and not (before and before.open):
            for one in above:
                yield _above(one, part.number)
        if part.open and _is_title(part):
            headings[:] = [*(one for one in headings if one.depth < part.depth), part]
        earlier, before = before, part
    if before:
        yield before


def _above(title: Part, number: int) -> Part:
    """A heading or caption again, with the number of the row that it stands above."""
    return Part(f"{title.text.strip()}\n\n", number, open=True)


def _is_title(part: Part) -> bool:
    """Whether a part is a short line, and no sentence that goes on over a page or its hyphen."""
    text = part.text.strip()
    return 0 < len(text) <= LONGEST_TITLE and "\n" not in text and part.text.endswith("\n")


def _is_caption(part: Part) -> bool:
    """Whether a paragraph may be a caption: "Prices in 2024:", "Table 3. What doors cost."."""
    text = part.text.strip()
    ends = text.endswith((".", "!", "?", "…"))
    if part.open or part.alone or not _is_title(part):
        return False
    return not ends or _NUMBERED.match(text) is not None


def _passage(document: Document, text: str, start: int, marks: list[Mark]) -> Iterator[Passage]:
    """The passage without the whitespace around it, unless there is nothing else."""
    kept = text.strip()
    if not kept:
        return
    skipped = text.index(kept[0])
    moved = _marks_from(document.unit, text, marks, skipped)
    needed: list[Mark] = []
    for mark in moved:
        if mark.offset >= len(kept):
            break
        before = needed[-1] if needed else None
        if not before or mark != _mark_at(document.unit, kept, before, mark.offset):
            needed.append(mark)
    yield Passage(document, kept, start + skipped, tuple(needed))


def _marks_from(unit: str, text: str, marks: list[Mark], begin: int) -> list[Mark]:
    """The marks of `text[begin:]`, the first of them at 0, with offsets that count from `begin`."""
    before = [mark for mark in marks if mark.offset <= begin]
    first = [replace(_mark_at(unit, text, before[-1], begin), offset=0)] if before else []
    return first + [replace(m, offset=m.offset - begin) for m in marks if m.offset > begin]


def _mark_at(unit: str, text: str, mark: Mark, offset: int) -> Mark:
    """The mark of `offset`, counted on from one before it: a part may hold several lines."""
    more = line_breaks(text, mark.offset, offset) if unit == "line" else 0
    return replace(mark, offset=offset, number=mark.number + more)


def _before_heading(unit: str, text: str, ends: Sequence[int]) -> int:
    """The last end of a paragraph, or the one before a heading: it stays with what follows.

    PDFs do not tell what a heading is: a paragraph of one short line counts that ends no sentence.
    """
    if unit == "page" and len(ends) > 1:
        last = text[ends[-2] : ends[-1]].strip()
        if len(last) <= _LONGEST_HEADING and "\n" not in last and not closed(last):
            return ends[-2]
    return ends[-1]


def _reach(text: str, limit: int) -> int:
    """How many characters of a text fit into `limit` bytes of UTF-8."""
    head = text[:limit]
    return len(head) if head.isascii() else len(_encoded(head)[:limit].decode("utf-8", "ignore"))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate has no UTF-8


def _cut(text: str, reach: int) -> int:
    """Where to end a passage within a paragraph: the last break in `text[reach // 2:reach]`."""
    return _last_break(text, reach // 2, reach) or max(reach, 1)


def _resume(text: str, cut: int, overlap: int) -> int:
    """Where the next passage begins: the last break at least `overlap` bytes before `cut`."""
    tail = text[max(cut - overlap, 0) : cut]
    if not tail.isascii():
        tail = _encoded(tail)[-overlap:].decode("utf-8", "ignore")
    latest = cut - len(tail)
    earliest = max(cut // 4, latest - len(tail))  # far enough on that most of the passage is new
    # one character more, since the character that follows decides whether a sentence ends
    return _last_break(text, earliest, latest + 1, latest) or max(latest, 1)


def _last_break(text: str, start: int, end: int, latest: int | None = None) -> int | None:
    """The last offset at which a sentence or a line begins in `text[start:end]`, else a word.

    With `latest`, offsets behind it do not count.
    """
    sentences = [at + _whitespace(text, at, end) for at in sentence_ends(text, start, end)]
    lines = [match.end() for match in _LINE_END.finditer(text, start, end)]
    words = [match.end() for match in _WHITESPACE.finditer(text, start, end)]
    for breaks in (sentences + lines, words):
        if found := [at for at in breaks if latest is None or at <= latest]:
            return max(found)
    return None


def _whitespace(text: str, start: int, end: int = sys.maxsize) -> int:
    """How many whitespace characters there are from `start` on."""
    found = _WHITESPACE.match(text, start, end)
    return len(found[0]) if found else 0
