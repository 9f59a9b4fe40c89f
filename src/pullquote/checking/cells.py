"""Rows of tables as their files show them: the cells without the names of their columns.

    only_cells("Item: oak door; Price: 840\n\nItem: pine door; Price: 310")
    #          "      oak door         840␞\n      pine door         310"

Tables are read with the names of their columns (`searching.rows`); people quote "oak door, 840".
Texts keep their length, so that offsets stay. Knows neither documents nor quotes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pullquote.checking.days import with_days

# what stands before a cell: "Item: ", "; Price: ", and " Price: " after the end of a sentence
_NAME = re.compile(r"(?:^|; |(?<=[.!?…]) )([^\n;]{1,80}?): ", re.MULTILINE)
_LONGEST = 164  # characters of a first cell without a name, and of a name and its colon
# of a form: a name and its value, which is no sentence
_PAIR = re.compile(r"([^\n;:!?…]{1,80}): (?=\S)[^\n]*[^\s.!?…]")
_LINE = re.compile(r"[^\n]+")
_MOST_UNNAMED = 3  # words of a first cell without a name: a sentence is longer
_FEWEST = 2  # names that a row shares, and rows that share one: else "Note: ..." would be a name
_BETWEEN = re.compile(r"[;|]|(?<!\d),|,(?!\d)")
_BLANKS = str.maketrans(dict.fromkeys(",;|", " "))
_ELSE = "¶"  # stands for a line that is no row, so that the rows around it do not touch
ROW_END = "␞"  # before a row, so that what is quoted in one line does not go on in the next row


def only_cells(
    text: str, *, tables: bool = False, day_first: bool | None = None, names: bool = False
) -> str:
    """A text with blanks for all but the cells of its rows, and the ends of rows; "" without rows.

    A row begins with the name of a column, and shares two names or more with other rows. In a
    document that has `tables`, its first cell may have no name, and two lines or more of different
    names with their values are a form, which is shown without the colons. If `day_first` is given,
    cells that are dates are signs for their days (`days`). With `names`, those of columns stay.
    """
    lines = list(_LINE.finditer(text))
    known = Counter(line[0] for line in lines)
    pairs = set(_pairs([line for line in lines if known[line[0]] == 1])) if tables else set()
    named = [_names(text, line, tables) for line in lines]
    rows = Counter(name for names in named for name in {match[1] for match in names})
    pieces: list[str] = []
    at = 0
    some = False
    for line, own_names in zip(lines, named, strict=True):
        between = text[at : line.start()]
        at = line.end()
        unnamed = bool(own_names) and own_names[0].start() > line.start()
        begins = [(line.start(), line.start())] if unnamed else []
        shared = sum(rows[match[1]] >= _FEWEST for match in own_names)
        if shared and shared + unnamed >= _FEWEST:
            # behind a sentence it may be a part of a cell
            own = (one for one in own_names if one[0][0] != " " or rows[one[1]] >= _FEWEST)
            begins += [one.span() for one in own]
        elif line.start() in pairs:
            colon = text.index(": ", line.start())
            begins = [(line.start(), line.start()), (colon, colon + 2)]
        else:
            # a title is read above each row of its table, which it does not part
            sign = _ELSE if known[line[0]] == 1 else ""
            pieces += [between, sign.ljust(len(line[0]))]
            continue
        pieces.append(between.replace("\n", ROW_END, 1))
        some = True
        ends = [*(start for start, _ in begins[1:]), line.end()]
        for (start, cell), end in zip(begins, ends, strict=True):
            shown = without_separators(text[cell:end], inside=False)
            day = shown if day_first is None else with_days(shown, day_first=day_first, whole=True)
            name = without_separators(text[start:cell]) if names else " " * (cell - start)
            pieces += [name, day]
    return "".join([*pieces, text[at:]]) if some else ""


def _names(text: str, line: re.Match[str], tables: bool) -> list[re.Match[str]]:
    """The names of columns in a line, if it begins with one, or with a cell of a table."""
    start, end = line.span()
    if text.find(": ", start, min(end, start + _LONGEST)) < 0:  # most lines
        return []
    names = list(_NAME.finditer(text, start, end))
    if not names or names[0].start() == start:
        return names
    first = text[start : names[0].start()]
    return names if tables and len(first.split()) <= _MOST_UNNAMED else []


def _pairs(lines: Sequence[re.Match[str]]) -> Iterator[int]:
    """Where the lines of forms begin: pairs in a row, whose names differ."""
    form: dict[str, int] = {}  # where the line of each name begins
    for line in [*lines, None]:
        pair = line and _PAIR.fullmatch(line[0])
        if not pair or pair[1] in form:
            if len(form) >= _FEWEST:
                yield from form.values()
            form = {}
        if line and pair:
            form[pair[1]] = line.start()


def without_separators(text: str, *, inside: bool = True) -> str:
    """A text with blanks for the signs that may stand between cells.

    >>> without_separators("oak door,840|x")
    'oak door 840 x'

    Those inside of numbers are left without `inside`: "1,250" may be one cell or two.
    """
    return text.translate(_BLANKS) if inside else _BETWEEN.sub(" ", text)
