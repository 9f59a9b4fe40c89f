"""Splits text into sentences or entries of lists, and finds the sentence around a quote.

    [sentence.text for sentence in sentences("It rained. Rollo came by sea.")]

Knows text and offsets only. Has rules for languages with full stops, and for Chinese and Japanese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pullquote.types import Span

# A sentence ends at a full stop, question or exclamation mark and the closing characters after it
# (quotes, brackets, "[3]"), if whitespace follows and then no lower-case letter: not in "vs. the
# tide". It does not end after a single letter or a title ("J. Smeaton", "e.g.", "Dr. Watson"), nor
# between "no.", "fig." and the like and a number, for a sentence that is too long does less harm
# than half of one. It also ends at a CJK full stop and at an empty line. In a long row of dots,
# only the first two places are tried: if a later one fits, so does the second, and trying all would
# cost the square of their number.
_END = re.compile(
    r"""(?<![.!?…]{2})(?<!\b[^\W\d_])(?<!\b(?:Dr|Jr|Mr|Ms|No|Sr|St))(?<!\bMrs)
        [.!?…]+ (?:["'”’»)\]]|\[\w+\])* (?=\s+[^\sa-z])
        (?!(?:(?<=\b(?:no|nr|Nr|pp)\.)|(?<=\b(?:[Aa]rt|[Ff]ig|[Nn]os|[Ss]ec|[Vv]ol)\.))\s+\d)
      | [。！？]+ [」』”’）]*
      | \n\s*\n""",
    re.VERBOSE,
)

# A line that is an entry of a list or table: it begins with a bullet or a number ("-", "2.1",
# "(a)", "b."), or has columns, with a bar or at least two blanks between them.
_ENTRY = re.compile(
    r"\s*(?:[-*+•–#|]|\(?\w{1,3}[.)](?!\S)|\d+(?:\.\d+)*\s)|[^\n]*(?:\S[ \t]{2,}\S|\S\s*\|\s*\S)"
)


def sentence_ends(text: str, start: int = 0, end: int | None = None) -> Iterator[int]:
    """The offsets where sentences end within `text[start:end]`, before the following whitespace.

    The end of the text is not among them. Text after `end` is not searched.

    >>> list(sentence_ends("It rained. Dr. Rollo came by sea. He stayed."))
    [10, 33]
    """
    matches = _END.finditer(text, start, len(text) if end is None else end)
    return (match.end() for match in matches)


def sentence_around(context: str, start: int, end: int, *, limit: int = 240) -> Span:
    """The sentence that holds `context[start:end]`, at most `limit` characters to either side.

    >>> sentence_around("It rained. Rollo came by sea. He stayed.", 11, 16).text
    'Rollo came by sea.'
    """
    low, high = max(0, start - limit), min(len(context), end + limit)
    left, right = low, high
    # up to start + 1, since an end can only be recognised with the character after it
    for before in sentence_ends(context, low, min(start + 1, high)):
        if before <= start:
            left = before
    right = next(sentence_ends(context, end, high), high)
    # a sentence that the limit cuts starts and ends with a whole word
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
    """All sentences of a text, without the whitespace around them.

    >>> [sentence.text for sentence in sentences("It rained. Rollo came by sea.")]
    ['It rained.', 'Rollo came by sea.']
    """
    ends = list(sentence_ends(context))
    for start, end in zip([0, *ends], [*ends, len(context)], strict=True):
        if text := context[start:end].strip():
            left = context.index(text, start)
            yield Span(text, left, left + len(text))


def pieces(context: str) -> Iterator[Span]:
    """The sentences of a text, and of lists and tables the entries: lines without a full stop.

    >>> [piece.text for piece in pieces("We need:\\n- bread\\n- milk from\\n  the farm")]
    ['We need:', '- bread', '- milk from\\n  the farm']
    """
    for sentence in sentences(context):
        lines = sentence.text.splitlines(keepends=True)
        start = end = sentence.start
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            end += len(line)
            ends = _ENTRY.match(following) or line.rstrip().endswith(":")
            if ends or not following or ("  " in line.strip() and _ENTRY.match(line)):
                if text := context[start:end].strip():
                    left = context.index(text, start)
                    yield Span(text, left, left + len(text))
                start = end
