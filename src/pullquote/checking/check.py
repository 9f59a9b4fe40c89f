"""Is this quote in the source? Finds it, and says what differs.

    from pullquote import check
    check("The rent is due on the third", "lease.pdf").match     # "exact"

    checker = Checker(["contracts/", "notes.db"])                # reads the sources once
    for quote in quotes: checker.check(quote)

Tries, from the surest to the weakest: the folded text of the quote; its parts between signs of
elision, in order and near each other; most of its words in order at one place; pieces of it from
several places. The rules of each are in docs/check.md. Knows no drafts.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pullquote.checking import aligning
from pullquote.checking.aligning import Alignment
from pullquote.checking.cells import without_separators
from pullquote.checking.days import has_day, with_days
from pullquote.checking.drafts import Quotation, read_draft
from pullquote.checking.folding import Folded, same_marks
from pullquote.checking.naming import Names, named
from pullquote.checking.sources import From, Sources, SourceText
from pullquote.checking.verdicts import UNITS, Check, Difference, Found, Match, Named
from pullquote.errors import InputError
from pullquote.reading.sentences import sentence_around

DRIFTED = 0.8
"""The share of a quote's words that must stand at one place, or in its pieces."""
MIN_WORDS = 3
"""A quote of fewer words says too little to be looked for."""
NEAR = 0.35
"""The share of the words of an absent quote that a passage must have to be the nearest one."""
_MOST_PARTS = 64  # between signs of elision
ELISION = 3000
"""Characters of a source, without blanks, that a sign of elision may stand for."""

_ELISION = re.compile(
    # a row of more dots is a leader
    r"[\[(]\s?(?:…|\.\s?\.\s?\.)\s?[\])]|…|(?<!\.)(?:\.{3,4}|\. \. \.(?: \.)?)(?!\.)"
)
_ELIDED_BEGIN = re.compile(r"\.{3,4}")
_ENDS = ".,;:"  # of house style: they may change at the end of a quote


@dataclass(frozen=True)
class _Quote:
    """A quote, and its parts between signs of elision."""

    text: str
    read_as: str = ""
    """What is looked for in place of the text, if anything; it is as long."""

    @functools.cached_property
    def folded(self) -> Folded:
        return Folded(self.text, self.read_as)

    @functools.cached_property
    def parts(self) -> list[tuple[Folded, int]]:
        """Its parts that have words, and where each begins."""
        signs = list(itertools.islice(_ELISION.finditer(self.text), _MOST_PARTS))
        ends = [match.start() for match in signs] + [len(self.text)]
        if len(signs) == _MOST_PARTS:  # no quotation has so many
            return [(self.folded, 0)]
        begins = [0, *(match.end() for match in signs)]
        parts = (
            (Folded(self.text[begin:end], self.read_as[begin:end]), begin)
            for begin, end in zip(begins, ends, strict=True)
        )
        return [(part, begin) for part, begin in parts if len(part.words)]

    @property
    def words(self) -> int:
        return sum(len(part.words) for part, _ in self.parts)


@dataclass(frozen=True, slots=True)
class _Result:
    """What was found of a quote in one text."""

    match: Match
    found: tuple[Found, ...]
    words: int
    """Of the quote, how many stand there."""
    differences: tuple[Difference, ...] = ()
    left_out: int = 0
    """Words of the source within, that are not in the quote."""


def check(
    quote: str,
    sources: From | Iterable[From] | Sources,
    *,
    document: str | None = None,
    page: int | None = None,
    sheet: str = "",
    unit: str = "page",
    number: int | None = None,
) -> Check:
    """Whether a quote stands in some sources, where, and what differs.

    >>> from pullquote import check
    >>> lease = {"id": "lease.txt", "text": "The rent is due on the third."}
    >>> check("“The rent is due …”", lease).match
    'typographic'

    `sources` are paths of files, folders and indexes, open indexes, and texts as
    `{"text": ..., "id": ...}`, one or several of them. `document` and `page`, or `sheet` and the
    `number` of another `unit` such as "row", are where the quote is said to stand: `place` tells
    whether it does. For many quotes, make one `Checker`. Raises `InputError` for a blank quote
    and a unit that no document has, `DocumentError` for sources without text.
    """
    checker = Checker(sources)
    try:
        where = None
        if document or sheet or page is not None or number is not None:
            where = checker.named(document, page, sheet=sheet, unit=unit, number=number)
        return checker.check(quote, named=where)
    finally:
        if not isinstance(sources, Sources):
            checker.sources.close()


class Checker:
    """Checks many quotes against the same sources, which are read once.

    >>> from pullquote import Checker
    >>> checker = Checker({"id": "lease.txt", "text": "The rent is due on the third."})
    >>> [checker.check(quote).match for quote in ("The rent is due", "Dogs may not stay")]
    ['exact', 'absent']
    """

    def __init__(
        self, sources: From | Iterable[From] | Sources, *, min_words: int = MIN_WORDS
    ) -> None:
        """`min_words` is how many words a quote must have to be looked for."""
        if min_words < 1:
            raise InputError(f"min_words is {min_words}, expected a number from 1")
        self.sources = sources if isinstance(sources, Sources) else Sources(sources)
        self.min_words = min_words
        self.names = Names(self.sources.names, self.sources.sheets, self.sources.attachments)

    def named(
        self,
        document: str | None,
        page: int | None = None,
        *,
        sheet: str = "",
        unit: str = "page",
        number: int | None = None,
    ) -> Named:
        """Where a quote is said to stand; `document` is a path, or the end of one.

        `page` is short for a `number` of the `unit` "page"; others are "line", "row" and so on.
        Raises `InputError` for a unit that no document has.
        """
        if page is not None:
            if number is not None:
                raise InputError(f"page is {page} and number is {number}, expected one of them")
            unit, number = "page", page
        if number is None:
            unit = ""
        elif unit not in UNITS:
            raise InputError(f"unit is {unit!r}, expected one of {', '.join(UNITS)}")
        elif not isinstance(number, int):
            raise InputError(f"the number of the {unit} is {number!r}, expected an integer")
        documents = self.names.documents(document) if document else ()
        return Named(document or "", documents, unit, number, sheet)

    def check_draft(self, text: str, format: str = "md") -> Iterator[tuple[Quotation, Check]]:
        """Yield the quotations of a draft, each with its verdict, in order.

        >>> from pullquote import Checker
        >>> checker = Checker({"id": "lease.txt", "text": "The rent is due on the third."})
        >>> draft = "It says “the rent is due on the first” (lease.txt)."
        >>> [(one.where, check.match) for one, check in checker.check_draft(draft)]
        [('line 1', 'drifted')]

        `format` is "md" (or "text"), "html" or "json". Where a source is named near a quotation,
        `place` tells whether it stands there. Raises `InputError` for what is no JSON.
        """
        quotations = read_draft(text, format).quotations
        yield from zip(quotations, self.check_all(quotations), strict=True)

    def check_all(self, quotations: Iterable[Quotation]) -> Iterator[Check]:
        """Yield the verdicts on some quotations of a draft, in order."""
        for quotation in quotations:
            yield self.check(quotation.text, named=named(quotation, self.names))

    def check(self, quote: str, *, named: Named | None = None) -> Check:
        """The verdict on a quote, which may be `named` to stand somewhere."""
        if not isinstance(quote, str) or not quote.strip():
            raise InputError("the quote is blank; expected the words of a quote")
        text = quote.strip()
        words = _Quote(text).words
        verdict = Check(text, "uncheckable", "", 0.0, named=named)
        if words < self.min_words:
            reason = f"too short: fewer than {self.min_words} words"
            return replace(verdict, reason=reason, short=True)
        document = named.documents[0] if named and named.documents else ""
        texts = self.sources.texts(text, document)
        raw = self.sources.raw_texts(document)
        asked, result = _look(_Quote(text), texts, raw, named)
        if result and not _is_as_named(result, named):
            # words that stand at several places may do so there
            there = [part for one in texts if (part := one.named(named))]
            other, nearer = _look(_Quote(text), there, [], named)
            if nearer and _is_as_named(nearer, named) and _is_as_good(nearer, result):
                asked, result = other, nearer
        if result is None or result.words < NEAR * asked.words:
            result = _Result("absent", (), 0)
        if not result.found and not self._unknown(named):
            return replace(verdict, match="absent")
        return _verdict(verdict, result, asked, self._unknown(named))

    def _unknown(self, named: Named | None) -> str:
        """Why a quote cannot be checked where it is named; "" if it can."""
        if named is None or named.documents or not named.name:
            return ""
        for problem in self.sources.problems:
            # of a name with blanks that nothing knows, a draft names the last word
            attached = rf", attachment (?:[^\n]* )?{re.escape(named.name)}: "
            if (problem.partly and re.search(attached, problem.reason)) or (
                os.sep + problem.path
            ).endswith(os.sep + named.name):
                return f"{named.name} was not read: {problem.reason}"
        return f"{named.name} is not among the sources"


def _verdict(verdict: Check, result: _Result, asked: _Quote, unknown: str) -> Check:
    total = asked.words
    inside = result.words + result.left_out
    similarity = 2 * result.words / (total + inside) if inside else 0.0
    verdict = replace(
        verdict,
        match=result.match,
        similarity=min(1.0, similarity),
        found=result.found,
        differences=result.differences,
    )
    if result.match == "absent":
        return replace(verdict, match="uncheckable", reason=unknown) if unknown else verdict
    if verdict.named is None:
        return verdict
    as_named = _is_as_named(result, verdict.named) and not unknown
    return replace(verdict, place="as named" if as_named else "elsewhere", reason=unknown)


def _look(
    asked: _Quote, texts: Sequence[SourceText], raw: Sequence[SourceText], named: Named | None
) -> tuple[_Quote, _Result | None]:
    """What some texts have of a quote, as well as it can be said, and how the quote was read."""
    result = (
        _best(_whole(asked, texts), named)
        or _best(_elided(asked, texts), named)
        or _best(_whole(asked, raw), named)
    )
    if result and not _is_as_named(result, named):
        cells, of_rows = _of_rows(asked, texts, named)
        if of_rows and of_rows.match == "typographic" and _is_as_named(of_rows, named):
            asked, result = cells, of_rows
    elif result is None:
        result = _drifted(asked, texts)
        cells, of_rows = _of_rows(asked, texts, named)
        if of_rows and (not result or of_rows.words * asked.words >= result.words * cells.words):
            asked, result = cells, of_rows
    if result is None or result.words < DRIFTED * asked.words:
        result = _stitched(asked, texts) or result
    return asked, result


def _is_as_good(one: _Result, other: _Result) -> bool:
    """Whether a result says as much of a quote as another, but for typography."""
    there = ("exact", "typographic")
    same = one.match == other.match or (one.match in there and other.match in there)
    return same and one.words >= other.words


def _is_as_named(result: _Result, named: Named | None) -> bool:
    return named is None or all(named.is_at(found.at, found.last) for found in result.found)


# ---- the same, but for typography


def _best(results: Iterator[_Result], named: Named | None) -> _Result | None:
    """The first result that is as named, else in the named sheet or file, of these an exact one."""
    around = named and replace(named, unit="", number=None)
    best: tuple[int, _Result] | None = None
    for result in results:
        near = 2 * _is_as_named(result, named) + _is_as_named(result, around)
        rank = 2 * near + (result.match == "exact")
        if best is None or rank > best[0]:
            best = rank, result
        if rank == 7:
            break
    return best[1] if best else None


def _whole(asked: _Quote, texts: Sequence[SourceText]) -> Iterator[_Result]:
    """The places of a quote as a whole; without what may change at its ends, if need be."""
    folded = asked.folded
    elided = _ELIDED_BEGIN.match(folded.folded)
    core = range(elided.end() if elided else 0, len(folded.folded.rstrip(_ENDS)))
    for part in dict.fromkeys((range(len(folded)), core)):
        some = False
        for text in texts:
            for begin, end in aligning.same(folded, text.folded, part=part) if part else ():
                found = _found(text, *_with_marks(folded, text.folded, begin, end), asked, 0)
                match: Match = "exact" if found.text == asked.text else "typographic"
                some = True
                yield _Result(match, (found,), asked.words)
        if some:
            return


def _elided(asked: _Quote, texts: Sequence[SourceText]) -> Iterator[_Result]:
    """The places where all parts of a quote stand in order, not too far from each other."""
    if len(asked.parts) == 1 and asked.parts[0][0].text == asked.text:
        return
    for text in texts:
        for spans in _chains(asked, text.folded):
            found = tuple(
                _found(text, *_with_marks(part, text.folded, *span), asked, begin, len(part.text))
                for span, (part, begin) in zip(spans, asked.parts, strict=True)
            )
            yield _Result("typographic", found, asked.words)


def _chains(asked: _Quote, source: Folded) -> Iterator[list[tuple[int, int]]]:
    (first, begin), *others = [(part, _without_ends(part)) for part, _ in asked.parts]
    for span in aligning.same(first, source, part=begin):
        spans = [span]
        for quote, part in others:
            at = spans[-1][1]
            places = aligning.same(quote, source, at, at + ELISION + len(part), part)
            if (following := next(places, None)) is None:
                break
            spans.append(following)
        if len(spans) == len(asked.parts):
            yield spans


def _without_ends(part: Folded) -> range:
    """The characters of a folded part without the points and commas around it."""
    begin = len(part) - len(part.folded.lstrip(_ENDS))
    return range(begin, len(part.folded.rstrip(_ENDS)))


def _with_marks(part: Folded, source: Folded, begin: int, end: int) -> tuple[int, int]:
    """The characters of a place of the source, with the quotation marks that the quote has."""
    start, stop = source.span(begin, end)
    first, last = part.span(0, len(part))
    lead, trail = part.text[:first].strip(), part.text[last:].strip()
    if lead and same_marks(lead, source.text[max(0, start - len(lead)) : start]):
        start -= len(lead)
    if trail and same_marks(trail, source.text[stop : stop + len(trail)]):
        stop += len(trail)
    return start, stop


# ---- other words


def _drifted(asked: _Quote, texts: Sequence[SourceText]) -> _Result | None:
    """The place that has most words of a quote in order, whether that is enough or not."""
    best: _Result | None = None
    whole = [(asked.folded, 0)]  # a source may have the signs of elision itself
    for text in texts:
        for parts in (asked.parts, whole) if len(asked.parts) > 1 else (asked.parts,):
            result = _aligned(asked, parts, text)
            if result and (best is None or result.words > best.words):
                best = result
        if best and best.words == asked.words:
            break
    return best


def _of_rows(
    asked: _Quote, texts: Sequence[SourceText], named: Named | None
) -> tuple[_Quote, _Result | None]:
    """The place of a quote among the cells of rows, without the names of their columns.

    A quote of several lines may go on from row to row; dates may be in another notation. It is
    returned as it was looked for there.
    """
    touching = "\n" in asked.text
    best: tuple[_Quote, _Result | None] = asked, None
    most = 0.0
    forms: list[tuple[bool | None, bool]] = [(None, False)]
    if has_day(asked.text):
        forms += itertools.product((True, False), (False, True))
    for day_first, names in forms:
        found = (text.rows(touching=touching, day_first=day_first, names=names) for text in texts)
        if not (rows := [text for text in found if text]):
            continue
        shown = asked.text if day_first is None else with_days(asked.text, day_first=day_first)
        tried = [without_separators(shown, inside=inside) for inside in (False, True)]
        for quote in (_Quote(asked.text, cells) for cells in dict.fromkeys(tried)):
            result = _best(_whole(quote, rows), named) or _drifted(quote, rows)
            if result and (share := result.words / max(quote.words, 1)) > most:
                best, most = (quote, result), share
    return best


def _aligned(
    asked: _Quote, parts: Sequence[tuple[Folded, int]], text: SourceText
) -> _Result | None:
    """The alignment of the longest part with a text, and of the others before and after it."""
    source = text.folded
    middle = max(range(len(parts)), key=lambda number: len(parts[number][0].words))
    alignments: dict[int, Alignment] = {}
    if (found := aligning.nearest(parts[middle][0], source)) is None:
        return None
    alignments[middle] = found
    reach = ELISION // 4  # tokens
    after = found.last + 1
    for number in range(middle + 1, len(parts)):
        near = aligning.nearest(
            parts[number][0], source, after, min(after + reach, len(source.starts))
        )
        if near:
            alignments[number] = near
            after = near.last + 1
    before = found.first
    for number in range(middle - 1, -1, -1):
        near = aligning.nearest(parts[number][0], source, max(0, before - reach), before)
        if near:
            alignments[number] = near
            before = near.first

    words = left_out = 0
    differences: list[Difference] = []
    places: list[Found] = []
    for number, (part, begin) in enumerate(parts):
        if (one := alignments.get(number)) is None:
            end = begin + len(part.text)
            differences.append(
                Difference(part.text.strip(), "", begin, end, text.start, text.start)
            )
            continue
        differ, same, lost = _differences(part, begin, text, one)
        differences += differ
        words += one.words + same
        left_out += lost
        span = source.token_span(one.first, one.last)
        places.append(_found(text, *span, asked, begin, len(part.text)))
    match: Match = "drifted" if words >= DRIFTED * asked.words else "absent"
    if words == asked.words and not differences:
        match = "typographic"
    return _Result(match, tuple(places), words, tuple(differences), left_out)


def _differences(
    part: Folded, begin: int, text: SourceText, alignment: Alignment
) -> tuple[list[Difference], int, int]:
    """What differs; further words of the quote that are the same; words that it leaves out."""
    source = text.folded
    differences: list[Difference] = []
    same = left_out = 0
    ends = [(-1, alignment.first - 1), *alignment.pairs, (len(part.keys), alignment.last + 1)]
    for (i, j), (i_next, j_next) in itertools.pairwise(ends):
        ours, theirs = range(i + 1, i_next), range(j + 1, j_next)
        while ours and theirs and part.keys[ours[-1]] == source.keys[theirs[-1]]:
            ours, theirs = ours[:-1], theirs[:-1]  # the point after another last word
        if not ours and not theirs:
            continue
        here, there = _piece(part, ours, i + 1), _piece(source, theirs, j + 1)
        words = sum(bool(part.is_word[at]) for at in ours)
        lost = sum(bool(source.is_word[at]) for at in theirs)
        if ours and theirs and _same_words(part, ours, source, theirs):
            same += words  # "well known" and "well-known"
        elif not ours and _is_footnote(source, theirs):
            pass
        elif not (words or lost) and i_next == len(part.keys) and not theirs:
            pass  # a point or comma of house style
        else:
            left_out += lost
            differences.append(
                Difference(
                    part.text[slice(*here)],
                    source.text[slice(*there)],
                    *(begin + at for at in here),
                    *(text.start + at for at in there),
                )
            )
    return differences, same, left_out


def _piece(folded: Folded, tokens: range, empty: int) -> tuple[int, int]:
    """The characters of some tokens; of none, the place where they would be."""
    if tokens:
        return folded.token_span(tokens[0], tokens[-1])
    at = folded.span(int(folded.starts[empty]), len(folded))[0] if empty < len(folded.keys) else -1
    return (at, at) if at >= 0 else (len(folded.text), len(folded.text))


def _same_words(part: Folded, ours: range, source: Folded, theirs: range) -> bool:
    """Whether some tokens of both texts are the same words, though parted in another way."""
    begin, end = int(part.starts[ours[0]]), int(part.ends[ours[-1]])
    at = int(source.starts[theirs[0]])
    same_size = end - begin == int(source.ends[theirs[-1]]) - at
    return same_size and part.says(begin, end, source, at)


def _is_footnote(source: Folded, tokens: range) -> bool:
    """Whether a token is the number of a footnote: "due.3 The"."""
    start, end = source.token_span(tokens[0], tokens[-1])
    number, after = source.text[start:end], source.text[end : end + 1]
    before = source.text[max(0, start - 1) : start]
    attached = bool(before) and not before.isspace() and not before.isdigit()
    return number.isdigit() and len(number) <= 3 and attached and (not after or after.isspace())


def _stitched(asked: _Quote, texts: Sequence[SourceText]) -> _Result | None:
    """Pieces from several places that are most of a quote; None if they are not."""
    folded = asked.folded
    pieces = aligning.pieces(folded, [text.folded for text in texts])
    words = sum(piece.words for piece in pieces)
    if len(pieces) < 2 or words < DRIFTED * len(folded.words):
        return None
    found = []
    for piece in pieces:
        text = texts[piece.source]
        first = int(folded.words[piece.begin])
        last = int(folded.words[piece.begin + piece.words - 1])
        start, end = folded.token_span(first, last)
        span = text.folded.token_span(piece.first, piece.last)
        found.append(_found(text, *span, asked, start, end - start))
    return _Result("stitched", tuple(found), words)


def _found(
    text: SourceText, start: int, end: int, asked: _Quote, begin: int, size: int | None = None
) -> Found:
    """A passage of a source, for some characters of the quote."""
    around = text.line_around(start, end) or sentence_around(text.folded.text, start, end)
    offset = text.start
    return Found(
        text=text.folded.text[start:end],
        start=offset + start,
        end=offset + end,
        raw=text.raw,
        at=text.place(offset + start),
        last=text.place(offset + end - 1),
        before=text.folded.text[around.start : start],
        after=text.folded.text[end : around.end],
        quote_start=begin,
        quote_end=len(asked.text) if size is None else begin + size,
    )
