"""Finds the tables of a page: rows of cells between ruling lines, or in columns.

    for table in tables(text, firsts, box, drawn):
        text[table.begin : table.end]     # the table, and nothing else
        table.rows                        # of each row its cells, of each cell its lines

Knows characters and where they stand, not PDFium. Places are in points, from the lower left corner
of the page. Three kinds are tables: a grid of ruling lines; columns between level lines, as books
have them; and columns without lines, if a header stands above numbers. Where it is not clear, the
page keeps its text, since prose that is cut to rows says less than a table that is read as prose.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import operator
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pullquote.searching.contents import may_be_listed
from pullquote.searching.pdf_lines import HYPHENS, Box, lines_of
from pullquote.searching.rows import LONGEST_REPEATED, SAMPLE, has_header, is_value, one_line

Run: TypeAlias = "tuple[int, int]"
"""Characters that follow each other on a line: the first, and the one behind them."""

_THIN = 3.0  # points: a line rather than a rectangle
_NEAR = 3.0  # points between lines that touch, or stand at the same place
_NARROW = 6.0  # points: the frame around a cell rather than a cell
_SHORTEST = 8.0  # points of a ruling line
_WIDE = 60.0  # points of a level line that parts rows where no upright ones are
_MOST_DRAWN = 1000  # lines and rectangles; more are a drawing
_MOST_LINES = 1000  # of text on a page
_MOST_PAIRS = 40_000  # of a level and an upright line
_MOST_LOOKS = 3  # at each character: it may be in several frames, of which each lies in another

_GAP = 0.7  # of the height of a line, between two columns
_SLIGHT = 0.3  # the same between the columns of a whole table
_CLOSE = 1.5  # heights from a line to the next one of the same cell
_FAR = 4.0  # heights between two rows
_BELOW = 3.0  # heights from a ruling line to the first line of a row
_BETWEEN = 4  # lines of text from a row with a number to the next
_HEADER_LINES = 8  # of text, that are looked at above the first row with a number
_FEWEST = 4  # rows without ruling lines, the header included
_LONGEST = 80  # characters of a cell that has no ruling lines around it
_LINES_OF_CELL = 6  # for each that has something beside it
_MOST_WORDS = 10  # of a row without ruling lines
_LONG_LINES = 8  # of a page, which tell how much room a letter takes
_WIDER = 1.1  # times that room, where a line may have gaps
_WIDEST = 0.55  # of the height of a line, for each letter: with gaps, whatever others have
_HEADER_WITHIN = 40.0  # points above a level line in which a header is looked for
_MOST = 0.8  # the least share of numbers in a column, or of cells that hold something
_HALF = 0.5
_FEW = 0.2  # the most cells that have labels: "Name:"
_FEWEST_LINES = 3  # that fill all columns between two ruling lines, and so are rows

_NOT_SHOWN = {*HYPHENS, " ", "\t", "\xa0"}

_BLANK = re.compile(r"\s+")
_WORD = re.compile(r"\S+")
_LABEL = re.compile(r"[^:]{1,40}:(?:\s|\Z)")
_NUMBER = re.compile(r"\d(?<!\w\d)[\d.,:/%-]*(?!\w)")  # half the time of "(?<!\w)\d"
_PAGES = re.compile(r"(?:page|seite|sida|side|página|pagina|strona|страница)s?\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page."""

    begin: int
    end: int
    rows: tuple[tuple[tuple[Run, ...], ...], ...]
    """Of each row the cells, of each cell the lines."""
    header: bool
    """The first row is known to name the columns: a ruling line stands below it."""


class _Piece(NamedTuple):  # made hundreds of times a page, as rules are
    """Characters of a line that stand together."""

    begin: int
    end: int
    left: float
    right: float
    middle: float
    height: float


class _Rule(NamedTuple):
    """A ruling line: where it stands on one axis, and from where to where on the other."""

    at: float
    begin: float
    end: float
    thin: bool
    """It is no edge of a rectangle, such as the frame of a program."""


_AT, _BEGIN = operator.attrgetter("at"), operator.attrgetter("begin")

_Row: TypeAlias = "list[list[_Piece]]"
"""The pieces of each cell of a row."""
_Columns: TypeAlias = "list[tuple[float, float]]"
"""From where to where each column reaches."""


def tables(
    text: str, firsts: Sequence[Box], box: Callable[[int], Box], drawn: Sequence[Box]
) -> list[Table]:
    """The tables of a page in order.

    `firsts` are the boxes of the first characters of its lines, `box` tells where the character at
    any offset stands, and `drawn` are the lines and rectangles of the page.
    """
    page = _Page(text, firsts, box)
    if page.count > _MOST_LINES:
        return []
    grids, free = _grids(*_rules(drawn))
    for grid in grids:
        page.add_grid(grid)
    for rules in _of_same_width(free):
        page.add_between(rules)
    page.add_without_rules()
    return sorted(page.tables, key=lambda table: table.begin)


# ---- ruling lines


def _rules(drawn: Sequence[Box]) -> tuple[list[_Rule], list[_Rule]]:
    """The level and the upright lines; the edges of a rectangle are lines, too."""
    level: list[_Rule] = []
    upright: list[_Rule] = []
    if len(drawn) > _MOST_DRAWN:
        return [], []
    for left, bottom, right, top in drawn:
        if right - left >= _SHORTEST:
            if top - bottom <= _THIN:
                level.append(_Rule((bottom + top) / 2, left, right, True))
            else:
                level += _Rule(bottom, left, right, False), _Rule(top, left, right, False)
        if top - bottom >= _SHORTEST:
            if right - left <= _THIN:
                upright.append(_Rule((left + right) / 2, bottom, top, True))
            else:
                upright += _Rule(left, bottom, top, False), _Rule(right, bottom, top, False)
    return _merged(set(level)), _merged(set(upright))


def _merged(rules: Iterable[_Rule]) -> list[_Rule]:
    """Lines that touch end to end, or lie upon each other, as one."""
    found: list[_Rule] = []
    for same in _near(rules, _AT):
        at = same[0].at
        for one in sorted(same, key=_BEGIN):
            last = found[-1] if found else None
            if last and last.at == at and one.begin <= last.end + _NEAR:
                end, thin = max(last.end, one.end), last.thin or one.thin
                found[-1] = _Rule(at, last.begin, end, thin)
            else:
                found.append(_Rule(at, one.begin, one.end, one.thin))
    return found


def _near(
    rules: Iterable[_Rule], key: Callable[[_Rule], float], within: float = _NEAR
) -> Iterator[list[_Rule]]:
    """Groups of lines that are near each other in some respect."""
    group: list[_Rule] = []
    first = 0.0
    for rule in sorted(rules, key=key):
        place = key(rule)
        if group and place > first + within:
            yield group
            group = []
        first = first if group else place
        group.append(rule)
    if group:
        yield group


def _of_same_width(level: Iterable[_Rule]) -> Iterator[list[_Rule]]:
    """Level lines with the same ends, from the top down."""
    wide = (rule for rule in level if rule.end - rule.begin >= _WIDE)
    for begins in _near(wide, _BEGIN):
        for same in _near(begins, lambda rule: rule.end):
            yield sorted(same, key=lambda rule: -rule.at)


class _Grid:
    """Cells between ruling lines, numbered from the top left; some may be merged."""

    def __init__(self, level: Iterable[_Rule], upright: Iterable[_Rule]) -> None:
        walls = list(_near(upright, _AT, _NARROW))
        floors = list(_near(level, _AT, _NARROW))
        self._xs, self._ys = ([same[0].at for same in rules] for rules in (walls, floors))
        self.columns, self.rows = len(walls) - 1, len(floors) - 1
        rows, columns = map(_middles, (self._ys, self._xs))
        self._walls = [[_reaches(wall, y) for wall in walls] for y in reversed(rows)]
        self._floors = [[_reaches(floor, x) for x in columns] for floor in reversed(floors)]

    def is_whole(self, row: int) -> bool:
        """Whether no cells of a row are merged."""
        return all(self._walls[row])

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """The row and the column of a place."""
        column = bisect.bisect(self._xs, x) - 1
        row = self.rows - bisect.bisect(self._ys, y)
        inside = 0 <= column < self.columns and 0 <= row < self.rows
        return self.merged(row, column) if inside else None

    def merged(self, row: int, column: int) -> tuple[int, int]:
        """The first cell of those that a cell is merged with."""
        while True:
            if column and not self._walls[row][column]:
                column -= 1
            elif row and not self._floors[row][column]:
                row -= 1
            else:
                return row, column


def _middles(places: Sequence[float]) -> list[float]:
    return [(one + other) / 2 for one, other in itertools.pairwise(places)]


def _reaches(rules: Iterable[_Rule], place: float) -> bool:
    return any(rule.begin <= place <= rule.end for rule in rules)


def _grids(level: list[_Rule], upright: list[_Rule]) -> tuple[list[_Grid], list[_Rule]]:
    """The lines that cross as grids of two columns or more, and the level lines without a frame."""
    if len(level) * len(upright) > _MOST_PAIRS:
        return [], []
    if not upright:
        return [], [rule for rule in level if rule.thin]
    grids: list[_Grid] = []
    free: list[_Rule] = []
    waiting = set(level)
    unused = set(upright)
    # frames below each other, as of programs, have no columns
    may_be_grid = len([*_near(upright, _AT, _NARROW)]) > 2
    for first in [one for one in waiting if may_be_grid or one.thin]:
        if first not in waiting:
            continue
        waiting.remove(first)
        across, up = [first], list[_Rule]()
        for rule in across:  # grows meanwhile
            crossing = [one for one in unused if _cross(rule, one)]
            unused.difference_update(crossing)
            up += crossing
            more = [one for one in waiting if any(_cross(one, wall) for wall in crossing)]
            waiting.difference_update(more)
            across += more
        grid = _Grid(across, up) if len(up) > 2 else None
        if grid and grid.columns > 1:
            grids.append(grid)
        else:
            free += (rule for rule in across if rule.thin and not _is_framed(rule, up))
    return grids, free


def _is_framed(level: _Rule, upright: Iterable[_Rule]) -> bool:
    """Whether an upright line stands at an end of a level one."""
    ends = level.begin, level.end
    return any(abs(rule.at - end) <= _NEAR for rule in upright for end in ends)


def _cross(level: _Rule, upright: _Rule) -> bool:
    return (
        level.begin - _NEAR <= upright.at <= level.end + _NEAR
        and upright.begin - _NEAR <= level.at <= upright.end + _NEAR
    )


# ---- characters


class _Page:
    """The lines of a page, and the tables that were found among them."""

    def __init__(self, text: str, firsts: Sequence[Box], box: Callable[[int], Box]) -> None:
        self.tables: list[Table] = []
        self._text = text
        self._boxes_of_firsts = firsts
        self._box = box
        self._lines = lines_of(text)
        self.count = len(self._lines)
        self._left = _MOST_LOOKS * len(text)
        self._pieces_of_lines: dict[int, list[_Piece]] = {}
        self._words_of_lines: dict[int, _Columns] = {}

    def add_grid(self, grid: _Grid) -> None:
        """Add the table in a grid, if it is one and not a form or a drawing."""
        cell_of = functools.partial(self._cell, grid)
        lines = [line for line, (begin, _) in enumerate(self._lines) if cell_of(begin)]
        self._left -= sum(end - begin for begin, end in (self._lines[line] for line in lines))
        if self._left < 0:
            return
        cells: dict[tuple[int, int], list[_Piece]] = {}
        for line in lines:
            shown = (at for at in range(*self._lines[line]) if self._text[at] not in _NOT_SHOWN)
            for cell, places in itertools.groupby(shown, key=cell_of):
                if cell is None:
                    return  # text that crosses the edge
                run = list(places)
                end = run[-1] + 1 + self._text.startswith(HYPHENS, run[-1] + 1)
                cells.setdefault(cell, []).append(self._piece(run[0], end))
        rows: list[_Row] = []
        whole = 0
        for number in range(grid.rows):
            row: _Row = []
            for column in range(grid.columns):
                first = grid.merged(number, column)
                own = cells.get(first, [])
                short = sum(piece.end - piece.begin for piece in own) <= LONGEST_REPEATED
                repeated = first[1] == column and short
                row.append(own if repeated or first == (number, column) else [])
            if any(row):
                whole += grid.is_whole(number)
                rows += self._split(row, fewest=_FEWEST_LINES)
        used = [any(column) for column in zip(*rows, strict=True)]
        rows = [list(itertools.compress(row, used)) for row in rows]
        if whole > _HALF * len(rows) and self._is_ruled_table(self._strings(rows)):
            self._add(lines, rows, header=False)

    def _is_ruled_table(self, said: Sequence[Sequence[str]]) -> bool:
        """Whether a grid is a table, and neither a form to fill in nor a drawing with words."""
        if len(said) < 2 or len(said[0]) < 2:
            return False
        filled = [cell for row in said for cell in row if cell]
        if len(filled) < _HALF * len(said) * len(said[0]):
            return False
        labels = sum(_LABEL.match(cell) is not None for cell in filled)
        names = _FEW * len(filled) >= labels and has_header(said[: SAMPLE + 1]) is not False
        return names or len(said[0]) == 2

    def add_between(self, rules: Sequence[_Rule]) -> None:
        """Add the tables between level lines of the same width, whose first row is the header."""
        header = self._header_above(rules[0]) if len(rules) > 1 else []
        if len(rules) + bool(header) < 3:
            return
        run = [header] if header else []
        for high, low in itertools.pairwise(rules):
            lines = self._lines_within(high, low.at)
            may_be_header = high.at - low.at < _HEADER_WITHIN
            is_row = not self._is_prose(lines, run[0]) if run else may_be_header
            if lines and is_row and self._is_near(lines, high) and self._is_columned(lines):
                run.append(lines)
            elif lines:
                self._add_bands(run, low)
                run = []
        self._add_bands(run, rules[0])

    def _add_bands(self, bands: Sequence[Sequence[int]], rule: _Rule) -> None:
        if len(bands) < 2:
            return
        pieces = [[piece for line in band for piece in self._pieces(line)] for band in bands]
        columns = _columns(itertools.chain(*pieces))
        if columns[0][0] < rule.begin - _NEAR or columns[-1][1] > rule.end + _NEAR:
            return
        rows = [_in_columns(pieces[0], columns)]
        for band in pieces[1:]:
            rows += self._split(
                _in_columns(band, columns), fewest=2 if len(bands) < 4 else _FEWEST_LINES
            )
        said = self._strings(rows)
        if len(rows) < 3 or len(columns) < 2 or not all(said[0][1:]):
            return
        if has_header(said[: SAMPLE + 1]) is not False:
            self._add([line for band in bands for line in band], rows, header=True)

    def add_without_rules(self) -> None:
        """Add tables without ruling lines: a header above rows of which each has a number."""
        begins = [begin for begin, _ in self._lines]
        places = (number.start() for number in _NUMBER.finditer(self._text))
        with_number = dict.fromkeys(bisect.bisect(begins, place) - 1 for place in places)
        numbered = [line for line in with_number if self._has_few_words(line)]
        for near in _runs(numbered, lambda line, following: following - line <= _BETWEEN):
            if len(near) < _FEWEST - 1:  # told without a look at where they stand
                continue
            for run in _runs(near, self._follows):
                self._add_close(run)
            rows = [line for line in near if self._is_wide(line) and len(self._pieces(line)) > 1]
            for run in _runs(rows, self._follows):
                self._add_run(run)

    def _add_run(self, run: Sequence[int]) -> None:
        if len(run) < _FEWEST - 1:
            return
        columns = _columns(piece for line in run for piece in self._pieces(line))
        first, last = run[0], run[-1]
        while first and run[0] - first < _HEADER_LINES and self._fits(first - 1, first, columns):
            first -= 1
        while last + 1 < len(self._lines) and self._fits(last + 1, last, columns):
            last += 1
        lines = range(first, last + 1)
        self._add_plain(lines, [piece for line in lines for piece in self._pieces(line)])

    def _add_close(self, run: Sequence[int]) -> None:
        """Add tables whose columns stand as close as words, but at the same places in all rows."""
        if len(run) < _FEWEST - 1:
            return
        first = last = run[0]
        columns = self._with_line([], first)
        for line in run[1:]:
            more = columns
            for between in range(last + 1, line + 1):
                more = self._with_line(more, between)
            if len(more) < 2:
                self._add_aligned(first, last, columns)
                first, more = line, self._with_line([], line)
            last, columns = line, more
        self._add_aligned(first, last, columns)

    def _add_aligned(self, first: int, last: int, columns: _Columns) -> None:
        if last - first < _FEWEST - 2 or len(columns) < 2 or self._is_taken(first, last):
            return
        begin, end = first, last + 1
        while begin and first - begin < _HEADER_LINES and self._is_close(begin - 1, begin):
            more = self._with_line(columns, begin - 1)
            if len(more) != len(columns):
                break
            begin, columns = begin - 1, more
        while end < len(self._lines) and self._is_close(end, end - 1):
            more = self._with_line(columns, end)
            if len(more) != len(columns):
                break
            end, columns = end + 1, more
        lines = range(begin, end)
        self._add_plain(lines, [piece for line in lines for piece in self._cut(line, columns)])

    def _add_plain(self, lines: Sequence[int], pieces: Sequence[_Piece]) -> None:
        columns = _columns(pieces)
        rows = self._split(_in_columns(pieces, columns), fewest=1)
        if len(rows) > 1 and self._goes_on(rows[0], rows[1]) and not self._has_value(rows[1]):
            rows[:2] = [[above + below for above, below in zip(*rows[:2], strict=True)]]
        while rows and sum(map(bool, rows[0])) < 2:
            del rows[0]
        while rows and (not rows[-1][0] or sum(map(bool, rows[-1])) < 2):
            del rows[-1]
        if len(rows) < _FEWEST or len(columns) < 2:
            return
        begins = {piece.begin for row in rows for cell in row for piece in cell}
        if self._is_plain_table(self._strings(rows)):
            inside = [line for line in lines if self._lines[line][0] in begins]
            self._add(inside, rows, header=False)

    def _is_plain_table(self, said: Sequence[Sequence[str]]) -> bool:
        """Whether columns without ruling lines are a table: names above columns of numbers."""
        head, body = said[0], said[1:]
        filled = [cell for row in said for cell in row if cell]
        if not all(head[1:]) or has_header(said[: SAMPLE + 1]) is not True:
            return False
        if len(filled) < _MOST * len(said) * len(head) or max(map(len, filled)) > _LONGEST:
            return False
        if _PAGES.fullmatch(head[-1]):
            return False
        return any(
            sum(map(is_value, column)) >= _MOST * len(body)
            for column in itertools.islice(zip(*body, strict=True), 1, None)
        )

    def _add(self, lines: Sequence[int], rows: Sequence[_Row], *, header: bool) -> None:
        """Add a table, if its lines follow each other, all in cells, and are in no other table."""
        if not lines:
            return
        begin, end = self._lines[min(lines)][0], self._lines[max(lines)][1]
        found = {(piece.begin, piece.end) for row in rows for cell in row for piece in cell}
        said = "".join(itertools.starmap(self._shown, sorted(found)))
        if said != self._shown(begin, end):
            return
        if sum(may_be_listed(self._text[slice(*self._lines[line])]) for line in lines) > 1:
            return  # of a table of contents
        if self._is_taken(min(lines), max(lines)):
            return
        runs = (
            tuple(tuple((piece.begin, piece.end) for piece in cell) for cell in row) for row in rows
        )
        self.tables.append(Table(begin, end, tuple(runs), header))

    def _shown(self, begin: int, end: int) -> str:
        """A part of the text without its blanks."""
        return "".join(self._text[begin:end].split())

    def _strings(self, rows: Iterable[_Row]) -> list[list[str]]:
        return [
            [one_line(" ".join(self._text[one.begin : one.end] for one in cell)) for cell in row]
            for row in rows
        ]

    def _cell(self, grid: _Grid, place: int) -> tuple[int, int] | None:
        left, bottom, right, top = self._box(place)
        return grid.cell((left + right) / 2, (bottom + top) / 2)

    def _piece(self, begin: int, end: int) -> _Piece:
        left, bottom, _, top = self._box(begin)
        last = end - 1 - self._text.startswith(HYPHENS, end - 1)
        right = self._box(max(last, begin))[2]
        return _Piece(begin, end, left, right, (bottom + top) / 2, top - bottom)

    def _pieces(self, line: int) -> list[_Piece]:
        """A line, cut where a gap is wide."""
        if line not in self._pieces_of_lines:
            self._pieces_of_lines[line] = self._split_at(line, gap=_GAP)
        return self._pieces_of_lines[line]

    def _split_at(self, line: int, *, gap: float) -> list[_Piece]:
        """A line, cut where a gap is as wide, in its heights."""
        begin, end = self._lines[line]
        wide = gap * self._firsts[line].height
        found: list[_Piece] = []
        for blank in _BLANK.finditer(self._text, begin, end):
            before, behind = blank.span()
            if abs(self._box(behind)[0] - self._box(before - 1)[2]) >= wide:
                found.append(self._piece(begin, before))
                begin = behind
        return [*found, self._piece(begin, end)]

    def _words(self, line: int) -> _Columns:
        """From where to where each word of a line reaches."""
        if line not in self._words_of_lines:
            spans = [word.span() for word in _WORD.finditer(self._text, *self._lines[line])]
            self._words_of_lines[line] = [
                (self._box(begin)[0], self._box(end - 1)[2]) for begin, end in spans
            ]
        return self._words_of_lines[line]

    def _cut(self, line: int, columns: _Columns) -> Iterator[_Piece]:
        """A line, cut where its words stand in other columns."""
        starts = [left for left, _ in columns]
        words_of = itertools.groupby(
            self._split_at(line, gap=0.0), key=lambda word: bisect.bisect(starts, word.left)
        )
        for words in (list(group) for _, group in words_of):
            yield self._piece(words[0].begin, words[-1].end)

    def _with_line(self, columns: _Columns, line: int) -> _Columns:
        """The columns, and what of them is left with the words of a line."""
        slight = _SLIGHT * self._firsts[line].height
        found: _Columns = []
        (begin, end), *others = sorted([*columns, *self._words(line)])
        for left, right in others:
            if left < end + slight:
                end = max(end, right)
            else:
                found.append((begin, end))
                begin, end = left, right
        return [*found, (begin, end)]

    def _lines_within(self, rule: _Rule, other: float) -> list[int]:
        """The lines between a ruling line and a height below or above it."""
        heights, lines = self._by_height
        low, high = sorted((rule.at, other))
        inside = lines[bisect.bisect_right(heights, low) : bisect.bisect_left(heights, high)]
        left, right = rule.begin - _NEAR, rule.end
        return sorted(line for line in inside if left <= self._firsts[line].left <= right)

    @functools.cached_property
    def _firsts(self) -> list[_Piece]:
        """The first character of each line."""
        return [
            _Piece(begin, begin + 1, left, right, (bottom + top) / 2, top - bottom)
            for (begin, _), (left, bottom, right, top) in zip(
                self._lines, self._boxes_of_firsts, strict=True
            )
        ]

    @functools.cached_property
    def _by_height(self) -> tuple[list[float], list[int]]:
        """The lines from the bottom up: their heights, and which they are."""
        lines = sorted(range(self.count), key=lambda line: self._firsts[line].middle)
        return [self._firsts[line].middle for line in lines], lines

    def _header_above(self, rule: _Rule) -> list[int]:
        """The lines directly above the first ruling line of a table, if they stand in columns."""
        near = self._lines_within(rule, rule.at + _HEADER_WITHIN)
        found: set[int] = set()
        below = rule.at
        for level in reversed(
            list(_levels(piece for line in near for piece in self._pieces(line)))
        ):
            one = level[0]
            is_prose = len(level) == 1 and one.right - one.left > _HALF * (rule.end - rule.begin)
            if is_prose or one.middle - below > _CLOSE * one.height:
                break
            found |= {piece.begin for piece in level}
            below = one.middle
        lines = [line for line in near if self._lines[line][0] in found]
        return lines if self._is_columned(lines) else []

    def _is_near(self, lines: Sequence[int], rule: _Rule) -> bool:
        """Whether lines begin directly below a ruling line, unlike those below a running head."""
        highest = max(map(self._firsts.__getitem__, lines), key=lambda one: one.middle)
        return rule.at - highest.middle < _BELOW * highest.height

    def _is_prose(self, lines: Sequence[int], header: Sequence[int]) -> bool:
        """Whether lines begin like a paragraph, across the columns of a header."""
        columns = _columns(piece for line in header for piece in self._pieces(line))
        return len(lines) > 1 and all(
            not self._is_wide(line)
            and self._firsts[line].left < columns[0][1]
            and columns[-1][0] < self._box(self._lines[line][1] - 1)[2]
            for line in lines[:2]
        )

    def _is_columned(self, lines: Sequence[int]) -> bool:
        """Whether several pieces stand at one height, at some of the heights at least."""
        levels = list(_levels(map(self._firsts.__getitem__, lines)))
        several = sum(len(level) > 1 for level in levels)
        several += sum(self._is_wide(line) and len(self._pieces(line)) > 1 for line in lines)
        return several > 0 and _LINES_OF_CELL * several >= len(levels)

    def _has_few_words(self, line: int) -> bool:
        return self._text.count(" ", *self._lines[line]) < _MOST_WORDS

    def _is_wide(self, line: int) -> bool:
        """Whether letters take more room in a line than in the longest ones, as with gaps."""
        return self._room(line) > min(_WIDER * self._usual_room, _WIDEST)

    @functools.cached_property
    def _usual_room(self) -> float:
        lines = sorted(range(len(self._lines)), key=lambda line: operator.sub(*self._lines[line]))
        return statistics.median(map(self._room, lines[:_LONG_LINES]))

    def _room(self, line: int) -> float:
        """The width of a line in its height, for each character."""
        begin, end = self._lines[line]
        first = self._firsts[line]
        return (self._box(end - 1)[2] - first.left) / (end - begin) / max(first.height, 1.0)

    def _follows(self, line: int, following: int) -> bool:
        """Whether a line may be the row below another one."""
        one, other = self._firsts[line], self._firsts[following]
        return following - line <= _BETWEEN and 0 < one.middle - other.middle < _FAR * one.height

    def _is_close(self, line: int, neighbour: int) -> bool:
        """Whether a line is near enough to a table to be part of it."""
        first, other = self._firsts[line], self._firsts[neighbour]
        return abs(first.middle - other.middle) < _FAR * first.height

    def _is_taken(self, first: int, last: int) -> bool:
        """Whether some of the lines are in a table."""
        begin, end = self._lines[first][0], self._lines[last][1]
        return any(table.begin < end and begin < table.end for table in self.tables)

    def _fits(self, line: int, neighbour: int, columns: _Columns) -> bool:
        """Whether a line next to a table stands in its columns, none of it across two."""
        slight = _SLIGHT * self._firsts[line].height
        return self._is_close(line, neighbour) and all(
            sum(one.left < right + slight and left < one.right + slight for left, right in columns)
            == 1
            for one in self._pieces(line)
        )

    def _split(self, row: _Row, *, fewest: int) -> list[_Row]:
        """The rows between two ruling lines: one, unless several lines fill all of its columns.

        A line goes on with the row above it if it leaves the first column empty and has no number.
        """
        column_of = {piece: column for column, cell in enumerate(row) for piece in cell}
        levels: list[_Row] = []
        for pieces in _levels(column_of):
            levels.append([[] for _ in row])
            for piece in pieces:
                levels[-1][column_of[piece]].append(piece)
        filled = [column for column, cell in enumerate(row) if cell]
        if sum(all(level[column] for column in filled) for level in levels) < fewest:
            return [row]
        rows = levels[:1]
        for above, level in itertools.pairwise(levels):
            if self._goes_on(level, above):
                rows[-1] = [cell + more for cell, more in zip(rows[-1], level, strict=True)]
            else:
                rows.append(level)
        return rows

    def _goes_on(self, level: _Row, other: _Row) -> bool:
        """Whether a line is part of the row of a line next to it."""
        one, near = next(filter(None, level))[0], next(filter(None, other))[0]
        close = abs(one.middle - near.middle) <= _CLOSE * one.height
        return close and not level[0] and not self._has_value(level)

    def _has_value(self, row: _Row) -> bool:
        return any(map(is_value, *self._strings([row])))


def _runs(lines: Iterable[int], belong: Callable[[int, int], bool]) -> Iterator[list[int]]:
    """Lines that belong to the one before, in groups."""
    run: list[int] = []
    for line in lines:
        if run and not belong(run[-1], line):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def _columns(pieces: Iterable[_Piece]) -> _Columns:
    """From where to where columns reach: what no gap through all rows parts is one."""
    found: _Columns = []
    for piece in sorted(pieces, key=lambda piece: piece.left):
        if found and piece.left < found[-1][1] + _SLIGHT * piece.height:
            found[-1] = found[-1][0], max(found[-1][1], piece.right)
        else:
            found.append((piece.left, piece.right))
    return found


def _in_columns(pieces: Iterable[_Piece], columns: _Columns) -> _Row:
    """The pieces of each column."""
    row: _Row = [[] for _ in columns]
    starts = [left for left, _ in columns]
    for piece in pieces:
        row[bisect.bisect(starts, piece.left) - 1].append(piece)
    return row


def _levels(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """The pieces that stand at one height, from the top down."""
    group: list[_Piece] = []
    for piece in sorted(pieces, key=lambda piece: -piece.middle):
        if group and group[0].middle - piece.middle > _HALF * group[0].height:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group
