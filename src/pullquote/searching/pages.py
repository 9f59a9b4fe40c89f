"""Pages of lines to text: running heads, page numbers, hyphens, and lines that make a paragraph.

    cut = running(pages)              # of each page: its own lines, and heads not seen before
    words = Words(lines)              # which words and compounds the document writes elsewhere
    paragraphs(lines, words)          # ["The mill was reconstructed in 1702. ..."]

Knows lines of text, not where on a page they stand.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pullquote.searching.contents import number_of
from pullquote.searching.words import common_words

_EDGE = 4  # lines at the top and at the bottom of a page that may be running heads or feet
_NEAR = 3  # pages before and after one that are compared with it

_NUMBER = r"(?:\d{1,4}|[ivxlcdmIVXLCDM]{1,8}(?![^\W\d_]))"
_PAGE_NAMES = "page|pages|pag|pg|seite|sida|página|pagina|strona|стр|страница"
_PAGE = rf"(?:{_PAGE_NAMES}|p|side)\b\.?\s*"
_OF = r"(?:\s*(?:/|of|von|av|af|de|di|sur|van|из|z)\s*\d{1,4})?"
_AT_START = re.compile(
    rf"[^\w\n]{{0,3}}(?:{_PAGE})?({_NUMBER}){_OF}(?=\s|[^\w\n.):,]{{0,3}}\Z|[-–—|•])", re.IGNORECASE
)
_AT_END = re.compile(
    rf"(?:\A|(?<=[^\w.,:$€£#])|(?<=\b\.))(?:{_PAGE})?\b({_NUMBER}){_OF}[^\w\n]{{0,3}}\Z",
    re.IGNORECASE,
)
# what ends with none of these ends with no number; the search for one takes ten times as long
_DIGIT_AT_END = re.compile(r"[\divxlcdm][^\w\n]{0,3}\Z", re.IGNORECASE)
_ALONE = re.compile(rf"[^\w\n]{{0,3}}(?:{_PAGE})?{_NUMBER}{_OF}[^\w\n]{{0,3}}", re.IGNORECASE)
_NAMES_PAGE = re.compile(rf"\b(?:{_PAGE_NAMES})\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]{2}")
_SIGNS_AROUND = re.compile(r"[\W_]*((?:.*[\w.!?)\]])?).*", re.DOTALL)

# a line that ends like this may end a paragraph: with a sentence, or as the head of a list
_CLOSED = tuple(".!?:;…。！？")
_BEHIND_CLOSED = "\"'”’»)]"
# a line that begins like this may be an item of a list
ITEM = re.compile(r"(?:[•▪◦‣●∙■–*-]|\d{1,3}[.)]|\(?[a-z0-9ivx]{1,3}\))\s")
# a line of a form: "Invoice date: 9 October 2026"
_FIELD = re.compile(r"[^\W\d_a-z][^.!?:;]{0,30}: \S")
_CJK = re.compile("[\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\uff00-\uffef]")
_FULL = 0.85  # of the usual length: a line with the next word would be longer than that

_LONGEST_WORD = 100
_HYPHENS = "-\u2010\u00ad"
_HYPHEN = tuple(_HYPHENS)
_BEFORE_HYPHEN = re.compile(rf"([^\W_]+(?:[{_HYPHENS}][^\W_]+)*)[{_HYPHENS}]\Z")
_AFTER_HYPHEN = re.compile(rf"[^\W_]+(?:[{_HYPHENS}'’][^\W_]+)*")
_WORD = re.compile(rf"[^\W\d_]+(?:[{_HYPHENS}][^\W\d_]+)*")


# ---- running heads and feet


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a page without its running heads and feet."""

    lines: tuple[str, ...]
    heads: tuple[str, ...]
    """The heads and feet that no earlier page has, without page numbers."""


def running(pages: Sequence[Sequence[str]]) -> list[Page]:
    """Take running heads, feet and page numbers out of pages.

    >>> pages = [["The Mill", "It was", "1"], ["The Mill", "built in 1641.", "2"]]
    >>> [(page.lines, page.heads) for page in running(pages)]
    [(('It was',), ('The Mill',)), (('built in 1641.',), ())]

    A number is a page's if those of the pages around it count on. A line is a head or foot if it
    is first or last (or next to another one), and begins or ends with the page's number, or if it
    is repeated: on three pages near each other, in a short document on two. A table is one line
    with line breaks; it is a head if all of it is repeated, but for the number of a page at the end
    of a row, if the table has a word for it: "Page".
    """
    filled = [[at for at, line in enumerate(page) if line.strip()] for page in pages]
    tops = [[page[at] for at in ats[:_EDGE]] for page, ats in zip(pages, filled, strict=True)]
    feet = [
        [page[at] for at in ats[: -_EDGE - 1 : -1]] for page, ats in zip(pages, filled, strict=True)
    ]
    seen: set[str] = set()
    found = []
    for page, ats, top, foot in zip(pages, filled, _cut(tops), _cut(feet), strict=True):
        heads = {text.casefold(): text for text in (*top, *reversed(foot)) if text}
        new = tuple(text for low, text in heads.items() if low not in seen)
        seen.update(heads)
        kept = ats[len(top) : len(ats) - len(foot)]
        lines = page[kept[0] : kept[-1] + 1] if kept else ()
        found.append(Page(tuple(lines), new))
    return found


def _cut(edges: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each page, the lines from the edge on that are no part of its text, without numbers."""
    of_lines = [[_numbers(line) for line in edge] for edge in edges]
    numbers = [{n - i for n in itertools.chain(*lines)} for i, lines in enumerate(of_lines)]
    short = len(edges) <= _NEAR
    # two pages out of a longer document: "12" and "13", each on a line of its own
    alone = len(edges) == 2 and all(edge and _ALONE.fullmatch(edge[0].strip()) for edge in edges)
    stripped: list[list[tuple[str, bool]]] = []
    for i, edge in enumerate(edges):
        near = Counter(itertools.chain(*numbers[max(i - _NEAR, 0) : i + _NEAR + 1]))
        counting = {
            i + offset
            for offset in numbers[i]
            if near[offset] >= (2 if offset == 1 or alone else 3)
        }
        stripped.append(
            [
                (line.strip(), False)
                if found.isdisjoint(counting)
                else _without_number(line, counting)
                for line, found in zip(edge, of_lines[i], strict=True)
            ]
        )
    shown = [{" ".join(text.casefold().split()) for text, _ in page} for page in stripped]
    cut: list[list[str]] = []
    for i, page in enumerate(stripped):
        around = Counter(itertools.chain(*shown[max(i - _NEAR, 0) : i + _NEAR + 1]))
        lines: list[str] = []
        counted = False
        for text, numbered in page:
            repeated = around[" ".join(text.casefold().split())] >= (2 if short else 3)
            repeated = repeated and text.count("\n") < _EDGE
            if not repeated and (counted or not numbered):
                break
            counted = counted or numbered
            lines.append(text)
        cut.append(lines)
    return cut


def _numbers(line: str) -> set[int]:
    """The numbers at the ends of a line that may be a page's."""
    lines = line.split("\n") if _may_have_number(line) else []
    found = (match for one in lines for match in _at_ends(one.strip()))
    return {number_of(match[1]) for match in found}


def _at_ends(line: str) -> Iterator[re.Match[str]]:
    """Where a page's number may stand in a line."""
    if match := _AT_START.match(line):
        yield match
    if _DIGIT_AT_END.search(line, max(len(line) - 4, 0)) and (match := _AT_END.search(line)):
        yield match


def _may_have_number(line: str) -> bool:
    """Whether a page's number may stand in a line: in a table, only with a word such as "Page"."""
    return "\n" not in line or _NAMES_PAGE.search(line) is not None


def _without_number(line: str, counting: set[int]) -> tuple[str, bool]:
    """A line without the page's number at one of its ends, and whether it had one.

    What has no word but "page" becomes "". A table is never taken for a head for its number alone.
    """
    line = line.strip()
    if not _may_have_number(line):
        return line, False
    if "\n" in line:
        return "\n".join(_without_number(row, counting)[0] for row in line.split("\n")), False
    for match in _at_ends(line):
        if number_of(match[1]) in counting:
            rest = _SIGNS_AROUND.sub(r"\1", line[: match.start()] + line[match.end() :], count=1)
            return (rest if _LETTERS.search(rest) else ""), True
    return line, False


# ---- hyphens


class Words:
    """The words of a document that stand whole in a line, and its compounds with hyphens."""

    def __init__(self, lines: Iterable[str]) -> None:
        words: list[str] = []
        whole: list[str] = []
        after_hyphen = False
        for line in lines:
            broken = line.rstrip().endswith(_HYPHEN)
            if broken or after_hyphen:
                found = _WORD.findall(line)
                words += found[after_hyphen : len(found) - broken]
            else:
                whole.append(line)
            after_hyphen = broken
        words += _WORD.findall("\n".join(whole))
        self._words = Counter(" ".join(words).casefold().split())

    def joined(self, before: str, after: str) -> str | None:
        """What stands for a hyphen between the end of a line and the beginning of the next.

        >>> words = Words(["Anna Berg-Larsen wrote a well-known book."])
        >>> words.joined("It is well-", "known."), words.joined("It was recon-", "structed.")
        ('-', '')

        None if no word goes on.
        """
        if not before.endswith(_HYPHEN):
            return None
        left, right = _BEFORE_HYPHEN.search(before[-_LONGEST_WORD:]), _AFTER_HYPHEN.match(after)
        if not left or not right:
            return None
        first, second = left[1], right[0]
        whole = self._words[(first + second).casefold()]
        if first[-1].isdigit() or not second[0].islower():
            # "ISO-9001", "Berg-Larsen", and capitals alone: "INTER-NATIONAL"
            return "" if whole and not second[0].isdigit() else "-"
        compound = self._words[f"{first}-{second}".casefold()]
        if compound != whole:
            return "-" if compound > whole else ""
        return "-" if self._are_two(first.casefold(), second.casefold()) else ""

    def _are_two(self, first: str, second: str) -> bool:
        """Whether the halves of a word that stands nowhere else are rather two words of their own.

        On 40 documents this decided 482 hyphens, 439 of them rightly; dropping all, 356.
        """
        halves = first, *re.split(f"[{_HYPHENS}]", second)
        if len(halves) > 2 or set(_HYPHENS) & set(first):
            return True
        if all(self._words[half] for half in halves):
            return True
        common = common_words()
        return (
            min(map(len, halves)) > 3
            and common.issuperset(halves)
            and "".join(halves) not in common
        )


# ---- paragraphs


def closed(text: str) -> bool:
    """Whether a line may end a paragraph, by its last characters.

    >>> closed("(See below.)"), closed("The mill (2)")
    (True, False)
    """
    return text.rstrip(_BEHIND_CLOSED).endswith(_CLOSED)


def paragraphs(
    lines: Sequence[str], words: Words, *, page: Sequence[str] | None = None
) -> list[str]:
    """Join the lines of a page to paragraphs, with a blank where a line was full.

    A paragraph ends at an empty line, or with a sentence in a short line. A line that ends early
    for no visible reason, as in addresses and tables, keeps its line break. Where only some lines
    of a `page` are joined, all of them tell how long a line is.
    """
    full = _full(page or lines)
    found: list[str] = []
    pieces: list[str] = []

    def end() -> None:
        if pieces:
            found.append("".join(pieces))
            pieces.clear()

    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        line, following = line.strip(), following.strip()
        if not line:
            end()
            continue
        if not following or (len(line) < full and closed(line)):
            pieces.append(line)
            end()
            continue
        pieces += join(line, following, words, full=full)
    end()
    return found


def goes_on(lines: Sequence[str], following: Sequence[str], *, page: Sequence[str]) -> bool:
    """Whether the last paragraph of a page goes on in the lines of a later one.

    Its sentence must not have ended. A line that ends early may be a heading, or the last item of a
    list, unless the next one begins with a small letter.
    """
    last = next(filter(None, map(str.strip, reversed(lines))), "")
    first = next(filter(None, map(str.strip, following)), "")
    if not first or closed(last):
        return False
    return len(last) + 1 + len(first.split(None, 1)[0]) >= _full(page) or first[0].islower()


def _full(lines: Sequence[str]) -> float:
    """How many characters a line of a page has, at least, if it does not end early."""
    lengths = [len(line.strip()) for line in lines if line.strip()]
    return _FULL * statistics.quantiles(lengths, n=4)[2] if len(lengths) > 1 else 0.0


def join(line: str, following: str, words: Words, *, full: float = 0.0) -> tuple[str, str]:
    """A line of a paragraph, and what stands between it and the next one."""
    hyphen = words.joined(line, following)
    if hyphen is not None:
        return line[:-1], hyphen
    first = following.split(None, 1)[0]
    form = _FIELD.match(line) and _FIELD.match(following)
    if len(line) + 1 + len(first) < full or form or ITEM.match(following):
        return line, "\n"
    return line, "" if _CJK.match(line[-1]) and _CJK.match(following) else " "
