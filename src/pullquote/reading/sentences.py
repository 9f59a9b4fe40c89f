"""Finds sentences: all of a text, or the one around a quote. Knows text and offsets only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pullquote.types import Span

# A sentence ends at a full stop, with what closes after it (quotes, "[3]"), before a blank and no
# small letter: not in "vs. the tide", nor after a single letter or a title ("J. Smeaton", "e.g.",
# "Dr. Watson"): better a sentence too long than half a one.
# It ends at a CJK full stop, too, and where a line is empty.
_END = re.compile(
    r"""(?<!\b[^\W\d_])(?<!\b(?:Dr|Jr|Mr|Ms|No|Sr|St))(?<!\bMrs)
        [.!?…]+ (?:["'”’»)\]]|\[\w+\])* (?=\s+[^\sa-z])
      | [。！？]+ [」』”’）]*
      | \n\s*\n""",
    re.VERBOSE,
)


def sentence_around(context: str, start: int, end: int, *, limit: int = 240) -> Span:
    """The sentence that holds `context[start:end]`, at most `limit` characters to either side.

    >>> sentence_around("It rained. Rollo came by sea. He stayed.", 11, 16).text
    'Rollo came by sea.'
    """
    low, high = max(0, start - limit), min(len(context), end + limit)
    left, right = low, high
    for match in _END.finditer(context, low, min(start + 1, high)):  # sees the quote's beginning
        if match.end() <= start:
            left = match.end()
    if next_end := _END.search(context, end, high):
        right = next_end.end()
    # a sentence cut by the limit begins and ends with a whole word
    if left == low > 0 and (blank := re.compile(r"\s").search(context, left, start)):
        left = blank.end()
    if right == high < len(context) and (cut := context.rfind(" ", end, right)) > 0:
        right = cut
    while left < start and context[left].isspace():
        left += 1
    while right > end and context[right - 1].isspace():
        right -= 1
    return Span(context[left:right], left, right)


def sentences(context: str) -> Iterator[Span]:
    """All sentences, without the blanks around them.

    >>> [sentence.text for sentence in sentences("It rained. Rollo came by sea.")]
    ['It rained.', 'Rollo came by sea.']
    """
    ends = [match.end() for match in _END.finditer(context)]
    for start, end in zip([0, *ends], [*ends, len(context)], strict=True):
        if text := context[start:end].strip():
            left = context.index(text, start)
            yield Span(text, left, left + len(text))
