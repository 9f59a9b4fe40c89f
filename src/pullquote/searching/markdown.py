"""Markdown: the text that a person reads, without the markup, each part with its line.

    for part in read_markdown(file): ...

Left out are the targets of links, front matter (except a title), comments, tags, and lists that
hold nothing but links into the same site: tables of contents. Code is kept as it is, and a row of a
table is written with the names of its columns. Knows the common markup by a few rules of its own,
and bounded memory; where a rule does not fit, the markup stays in the text. Offsets are those of
this text.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO

from pullquote import text
from pullquote.searching.parts import Note, Part, guessed
from pullquote.searching.rows import EmptyColumns, row_parts, row_text
from pullquote.searching.text import LONGEST, characters, explained, without_contents
from pullquote.types import line_breaks

_MOST_FRONT = 500  # lines of front matter
_FEWEST_LINKS = 3  # of a list that is a table of contents

_FENCE = re.compile(r" {0,3}(?:[-*+>] )*(`{3,}|~{3,})")
_FRONT = {"---": ("---", "..."), "+++": ("+++",)}  # and how it ends: YAML, TOML
_KEY = re.compile(r"[\w-]+\s*[:=]|#|\[")
_TITLE = re.compile(r"title\s*[:=]\s*(['\"]?)(.+)\1\s*$")
_RULE = re.compile(r" {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|=+\s*)$")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_BETWEEN_CELLS = re.compile(r"(?<!\\)\|")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_DEFINITION = re.compile(r" {0,3}\[(?!\^)[^\]]{1,500}\]:\s*\S")
_NOTE_DEFINITION = re.compile(r"\A {0,3}\[\^[^\]]{1,100}\]:\s*")
_HEADING = re.compile(r"\A {0,3}#{1,6}(?:\s+|$)")
_HEADING_END = re.compile(r"(?:\A|\s)#+\s*\Z")
_QUOTED = re.compile(r"\A {0,3}(?:> ?)+")
_ONLY_LINK = re.compile(
    r"\s*(?:(?:[-*+]|\d{1,4}[.)])\s+)+(?:\[[ xX]\]\s+)?\*{0,2}\[.{1,500}\]"
    r"\((?![\w+.-]+://|mailto:)[^()\s]{0,500}(?:\([^()\s]{0,100}\))?\)\*{0,2}[\s,.]*$"
)
_TOC_MARK = re.compile(r"\s*(?:\[TOC\]|\[\[_?TOC_?\]\]|\{:toc\}|\$\{toc\})\s*$", re.IGNORECASE)

_TOKEN = re.compile(
    r"\\[!-/:-@\[-`{-~]"  # an escaped sign
    r"|(?<!`)(?P<ticks>`(?!`)|``+)(?P<code>.{1,1000}?)(?<!`)(?P=ticks)(?!`)"
    r"|!?\[|\]|<",
    re.DOTALL,
)
_TARGET = re.compile(
    r"\(\s{0,5}(?:<[^<>\n]{0,2000}>|(?:[^\s()<]|\([^\s()]{0,500}\)){0,2000})"
    r"(?:\s{1,5}(?:\"[^\"]{0,500}\"|'[^']{0,500}'|\([^()]{0,500}\)))?\s{0,5}\)"
)
_REFERENCE = re.compile(r"\[[^\[\]]{0,500}\]")
_NOTE = re.compile(r"\[\^[^\[\]\s]{1,100}\]")
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]{0,30}(?:\s[^<>]{0,2000})?/?>")
_BLOCK_TAG = re.compile(
    r"</?(?:address|article|aside|blockquote|br|d[dlt]|details|div|fig(?:caption|ure)|h[1-6r]|li"
    r"|main|[ou]l|p|pre|section|summary|t(?:able|body|[dhr]|foot|head))[\s/>]",
    re.IGNORECASE,
)
_STRONG = re.compile(r"(?<![\w*\\])(\*{1,3})(?=[^\s*])([^*]{1,500})(?<=\S)\1(?![\w*])")
_STRONG_ = re.compile(r"(?<![\w\\])(_{1,3})(?=[^\s_])([^_]{1,500})(?<=\S)\1(?!\w)")
# stand for signs of code and escaped ones, which are no markup
_PROTECTED = {ord(sign): chr(0xFDD0 + place) for place, sign in enumerate("*_&\\")}
_RESTORED = {ord(other): chr(sign) for sign, other in _PROTECTED.items()}
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def read_markdown(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the paragraphs of a Markdown file; numbers are lines, headings are `open`."""
    with explained():
        encoding = text.find_encoding(file)
        yield from guessed(encoding)
        lines = text.lines(characters(file, encoding), carriage_returns=True)
        yield from without_contents(_parts(lines))


def _parts(lines: Iterator[str]) -> Iterator[Part]:
    """The paragraphs, headings and code blocks of a file."""
    front = list(itertools.islice(lines, 1))
    if front and front[0].strip("\ufeff \r\n") in _FRONT:
        front += _front_matter(front[0].strip("\ufeff \r\n"), lines)
        title, read = _title(front)
        yield from title
    else:
        read = 0
    numbered = enumerate(itertools.chain(front[read:], lines), start=read + 1)
    block = _Block()
    for number, line in numbered:
        if match := _FENCE.match(line):
            yield from block.end()
            yield from _code(match[1], numbered)
        elif line.lstrip().startswith("<!--"):
            yield from block.end()
            while "-->" not in line:
                number, line = next(numbered, (number, "-->"))
            if (rest := line.partition("-->")[2]).strip():
                block.add(rest, number)
        elif not line.strip() or _TOC_MARK.match(line) or _DEFINITION.match(line):
            yield from block.end()
        elif block.lines and re.match(r" {0,3}(?:=+|-+)\s*$", line):
            yield from block.end(open=True)  # a heading that is underlined
        elif _RULE.match(line):
            yield from block.end()
        elif _HEADING.match(line):
            yield from block.end()
            block.add(_HEADING_END.sub("", _HEADING.sub("", line)), number)
            yield from block.end(open=True)
        elif block.lines and "-" in line and _TABLE_RULE.match(line):
            yield from block.end_at_rule(line)
        elif block.header and "|" in line:
            yield from block.row(line, number)
        else:
            if block.header:
                yield from block.end()
            if block.size > LONGEST:
                yield from block.end(open=True, after="")
            block.add(line, number)
    yield from block.end()
    yield from block.links()


class _Block:
    """The lines of a paragraph so far, and lists of links until it is clear what they are."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.number = self.size = 0
        self.header: list[str] = []
        """The names of the columns of a table, while it is read."""
        self._empty = EmptyColumns(0, ())  # of that table
        self._links: list[Part] = []
        self._link_lines = 0

    def add(self, line: str, number: int) -> None:
        if not self.lines:
            self.number = number
        self.lines.append(_NOTE_DEFINITION.sub("", _QUOTED.sub("", line)))
        self.size += len(line)

    def end(self, *, open: bool = False, after: str = "\n\n") -> Iterator[Part]:
        """The paragraph, if there is one, before which lists of links are decided upon."""
        if self.header:
            yield from row_parts(self._empty.rows())
        self.header = []
        if not self.lines:
            return
        only_links = all(map(_ONLY_LINK.match, self.lines))
        found = prose("".join(self.lines))
        number, lines, self.size = self.number, len(self.lines), 0
        self.lines.clear()
        if not (shown := found.strip()):
            return
        number += line_breaks(found, 0, found.index(shown[0]))
        part = Part(shown + (after or found[len(found.rstrip()) :]), number, open=open)
        if only_links:
            self._links.append(part)
            self._link_lines += lines
        else:
            yield from self.links()
            yield part

    def end_at_rule(self, rule: str) -> Iterator[Part]:
        """What stands above a line of dashes: the names of columns, if there are as many."""
        last = self.lines[-1]
        if "|" not in last + rule or len(_cells(last)) != len(_cells(rule)):
            yield from self.end(open=True, after="\n")
            return
        number = self.number + len(self.lines) - 1
        del self.lines[-1]
        yield from self.end()
        yield from self.links()
        self.size = 0
        self.header = _cells(last)
        self._empty = EmptyColumns(number, self.header)

    def row(self, line: str, number: int) -> Iterator[Part]:
        """A row of a table."""
        cells = _cells(_QUOTED.sub("", line))
        self._empty.drop(cells)
        if text := row_text(self.header, cells):
            yield Part(f"{text}\n\n", number, alone=any(self.header))

    def links(self) -> Iterator[Part]:
        """The links that stand alone, unless they are so many that they are a table of contents."""
        if self._link_lines < _FEWEST_LINKS:
            yield from self._links
        self._links.clear()
        self._link_lines = 0


def _cells(line: str) -> list[str]:
    """The texts of the cells of a table's line.

    >>> _cells("| oak door | 840 |")
    ['oak door', '840']
    """
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [prose(_BREAK.sub(" ", cell)).strip() for cell in _BETWEEN_CELLS.split(inner)]


def _front_matter(fence: str, lines: Iterator[str]) -> list[str]:
    """The lines after the first one, as far as it takes to tell whether they are front matter."""
    found: list[str] = []
    for line in itertools.islice(lines, _MOST_FRONT):
        found.append(line)
        if line.rstrip() in _FRONT[fence] or not _KEY.match(found[0]):
            break
    return found


def _title(front: list[str]) -> tuple[list[Part], int]:
    """The title in front matter, and how many lines that has: 0 if these lines are none."""
    if front[-1].rstrip() not in _FRONT[front[0].strip("\ufeff \r\n")] or len(front) < 3:
        return [], 0
    titles = ((number, _TITLE.match(line)) for number, line in enumerate(front, start=1))
    found = [Part(f"{match[2]}\n\n", number, open=True) for number, match in titles if match]
    return found[:1], len(front)


def _code(fence: str, numbered: Iterator[tuple[int, str]]) -> Iterator[Part]:
    """The lines of a code block, as they are."""
    pieces: list[str] = []
    begin = size = 0
    for number, line in numbered:
        begin = begin or number
        closing = line.strip()
        if closing.startswith(fence) and not closing.strip(fence[0]):
            break
        pieces.append(line)
        size += len(line)
        if size > LONGEST:
            yield Part("".join(pieces), begin, open=True)
            pieces.clear()
            begin = size = 0
    if any(piece.strip() for piece in pieces):
        yield Part("".join(pieces).rstrip() + "\n\n", begin)


def prose(markup: str) -> str:
    """The text of some lines of Markdown, with the same line breaks.

    >>> prose("See **the** [lease](lease.md#rent), `due_on` <!-- or not -->the 3rd.")
    'See the lease, due_on the 3rd.'
    """
    cuts: list[tuple[int, int]] = []
    literal: list[tuple[int, int]] = []
    opened: list[tuple[int, int]] = []  # brackets
    at, comments = 0, True
    while token := _TOKEN.search(markup, at):
        begin, at = token.span()
        sign = token[0]
        if sign[0] == "\\":
            cuts.append((begin, begin + 1))
            literal.append((begin + 1, at))
        elif token["code"]:
            ticks = len(token["ticks"])
            cuts += [(begin, begin + ticks), (at - ticks, at)]
            literal.append((begin + ticks, at - ticks))
        elif sign == "<":
            if markup.startswith("<!--", begin) and comments:
                end = markup.find("-->", at)
                comments = end >= 0
                at = end + 3 if comments else at
                cuts.append((begin, at if comments else begin))
            elif tag := _TAG.match(markup, begin):
                at = tag.end()
                cuts.append((begin, at))
        elif sign != "]":
            if note := _NOTE.match(markup, begin):
                at = note.end()
                cuts.append((begin, at))
            else:
                opened.append((begin, at))
        elif opened:
            bracket = opened.pop()
            target = _TARGET.match(markup, at)
            if not target and not markup[bracket[1] : begin].isdigit():
                target = _REFERENCE.match(markup, at)
            if target:
                at = target.end()
                cuts += [bracket, (begin, at)]
    return _without_signs(_cut(markup, cuts, literal))


def _cut(markup: str, cuts: list[tuple[int, int]], literal: list[tuple[int, int]]) -> str:
    """The text outside of the cuts, with their line breaks, and with literal signs protected."""
    pieces: list[str] = []
    edges = [(begin, end, True) for begin, end in cuts]
    edges += [(begin, end, False) for begin, end in literal]
    at = 0
    for begin, end, cut in sorted(edges):
        if begin > at:
            pieces.append(markup[at:begin])
        if not cut:
            pieces.append(markup[begin:end].translate(_PROTECTED))
        elif breaks := line_breaks(markup, begin, end):
            pieces.append("\n" * breaks)
        elif pieces and not pieces[-1][-1:].isspace() and _BLOCK_TAG.match(markup, begin):
            pieces.append(" ")  # it parts words, as cells do
        at = end
    return "".join([*pieces, markup[at:]])


def _without_signs(found: str) -> str:
    """The text without the signs of emphasis, and with entities as characters."""
    found = _STRONG_.sub(r"\2", _STRONG.sub(r"\2", found))
    found = _ENTITY.sub(lambda match: html.unescape(match[0]).replace("\n", " "), found)
    return found.translate(_RESTORED)
