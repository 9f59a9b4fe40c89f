"""A document's parts to passages: paragraphs that a reader reads in one window.

Knows text, neither files nor models. Small paragraphs share a passage, a heading stays with what
follows, and a long paragraph is cut at sentences, with an overlap, so that no answer is split.

    # limit 40, overlap 16:                        "The river rises in the hills. It is long."
    #   passage 0, characters 0-29:   The river rises in the hills.
    #   passage 1, characters 17-41:                   in the hills. It is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pullquote.searching.parts import Part
from pullquote.types import Document, Mark, Passage, line_breaks

LIMIT = 1200
"""Bytes of UTF-8 in a passage. Of English these are about 270 tokens, which leave room for the
question in a window of 384; of Chinese they are 400 characters, a token each."""
OVERLAP = 240
"""Bytes that two passages share at least where a paragraph is cut: more than an answer of 30
tokens, and mostly a sentence."""

_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s+(?=[^\sa-z])|[。！？][」』”’）]*|\n")
_BLANK = re.compile(r"\s+")


def passages(
    document: Document, parts: Iterable[Part], *, limit: int = LIMIT, overlap: int = OVERLAP
) -> Iterator[Passage]:
    """Yield the passages of a document in order, holding no more than a few parts at once."""
    held, start = "", 0  # text that is in no passage yet, and where it begins
    marks: list[Mark] = []  # of what is held
    ends: list[int] = []  # where in it paragraphs end
    for part in parts:
        if part.alone and held:
            yield from _passage(document, held, start, marks)
            held, start, marks, ends = "", start + len(held), [], []
        marks.append(Mark(len(held), part.number))
        held += part.text
        if blanks := _blanks(held, 0):  # so that each passage begins later than the one before
            marks = _from(document.unit, held, marks, blanks)
            held, start = held[blanks:], start + blanks
        if held and not part.open:
            ends.append(len(held))
        while (reach := _reach(held, limit)) < len(held.rstrip()):
            whole = [end for end in ends if end <= reach]
            if whole:
                cut = rest = whole[-1]
            else:
                cut = _cut(held, reach)
                rest = _resume(held, cut, overlap)
            rest += _blanks(held, rest)
            yield from _passage(document, held[:cut], start, marks)
            marks = _from(document.unit, held, marks, rest)
            held, start = held[rest:], start + rest
            ends = [end - rest for end in ends if end > rest]
        if part.alone:
            yield from _passage(document, held, start, marks)
            held, start, marks, ends = "", start + len(held), [], []
    yield from _passage(document, held, start, marks)


def _passage(document: Document, text: str, start: int, marks: list[Mark]) -> Iterator[Passage]:
    """The passage without the blanks around it, if there is more to it."""
    kept = text.strip()
    if not kept:
        return
    skipped = text.index(kept[0])
    moved = _from(document.unit, text, marks, skipped)
    needed: list[Mark] = []
    for mark in moved:
        if mark.offset >= len(kept):
            break
        if not needed or mark.number != _number(document.unit, kept, needed[-1], mark.offset):
            needed.append(mark)
    yield Passage(document, kept, start + skipped, tuple(needed))


def _from(unit: str, text: str, marks: list[Mark], begin: int) -> list[Mark]:
    """The marks of `text[begin:]`; the one that holds there comes to stand at 0."""
    before = [mark for mark in marks if mark.offset <= begin]
    first = [Mark(0, _number(unit, text, before[-1], begin))] if before else []
    return first + [Mark(m.offset - begin, m.number) for m in marks if m.offset > begin]


def _number(unit: str, text: str, mark: Mark, offset: int) -> int:
    """The number that counting on from a mark gives: of lines only are there several in a part."""
    return mark.number + (line_breaks(text, mark.offset, offset) if unit == "line" else 0)


def _reach(text: str, limit: int) -> int:
    """How many characters fit into `limit` bytes."""
    head = text[:limit]
    return len(head) if head.isascii() else len(_encoded(head)[:limit].decode("utf-8", "ignore"))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # half of a UTF-16 pair has no UTF-8


def _cut(text: str, reach: int) -> int:
    """Where to end a passage within a paragraph: after a sentence, or a word, in its later half."""
    for pattern in (_SENTENCE_END, _BLANK):
        found = [match.end() for match in pattern.finditer(text, reach // 2, reach)]
        if found:
            return found[-1]
    return max(reach, 1)


def _blanks(text: str, start: int) -> int:
    """How many blanks stand at `start`."""
    found = _BLANK.match(text, start)
    return len(found[0]) if found else 0


def _resume(text: str, cut: int, overlap: int) -> int:
    """Where the next passage begins: a sentence or a word, at least `overlap` bytes before."""
    tail = text[max(cut - overlap, 0) : cut]
    if not tail.isascii():
        tail = _encoded(tail)[-overlap:].decode("utf-8", "ignore")
    latest = cut - len(tail)
    earliest = max(cut // 4, latest - len(tail))  # far enough on that each passage is mostly new
    for pattern in (_SENTENCE_END, _BLANK):
        found = [match.end() for match in pattern.finditer(text, earliest, latest + 1)]
        found = [end for end in found if end <= latest]
        if found:
            return found[-1]
    return max(latest, 1)
