"""Subtitles: SRT and WebVTT. What is said is read; times, numbers of cues and styles are not.

    for part in read_subtitles(file): ...     # numbers are lines of the file

Knows cues. Those of one sentence belong together, and what live captions repeat is read once.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import BinaryIO

from pullquote.errors import DocumentError, TextError
from pullquote.searching.parts import Note, Part, guessed
from pullquote.text import characters, find_encoding, lines

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMES = re.compile(rf"\s*({_TIME})\s*-->\s*({_TIME})")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,200})>")
# tags of either format, and of the programs that make them: <i>, <c.yellow>, <00:12.000>, {\an8}
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|<\d[\d:.,]{0,20}>|\{\\[^{}]{0,200}\}")
_SENTENCE_END = re.compile(r"""[.!?…。！？♪]["'”’»)\]]*\Z""")
_PAUSE = 2.0  # seconds of silence that end a paragraph where no sign does


def read_subtitles(file: BinaryIO) -> Iterator[Part | Note]:
    """Yield the text of each cue; `open` where its sentence goes on in the next."""
    try:
        yield from _read(file)
    except TextError as error:
        raise DocumentError(str(error)) from None


def _read(file: BinaryIO) -> Iterator[Part | Note]:
    encoding = find_encoding(file)
    yield from guessed(encoding)
    held: list[tuple[int, str]] = []  # a cue's lines with their numbers
    ended = 0.0  # when that cue ends
    last: list[str] = []  # lines of the cue before
    found = False
    for begin, end, said in _cues(lines(characters(file, encoding), carriage_returns=True)):
        found = True
        before = set(last)
        new = [(number, line) for number, line in said if line not in before]
        last = [line for _, line in said] or last
        if not new:
            continue
        if held:
            closed = _SENTENCE_END.search(held[-1][1]) is not None or begin - ended > _PAUSE
            yield from _lines(held, open=not closed)
        held, ended = new, end
    if held:
        yield from _lines(held, open=False)
    if not found:
        raise DocumentError("no subtitles in it (no times such as 00:01:02,500 --> 00:01:04,000)")


def _lines(cue: list[tuple[int, str]], *, open: bool) -> Iterator[Part]:
    """The lines of a cue as one line of text; `open` if the next cue belongs to it."""
    *first, (number, last) = cue
    for before, text in first:
        yield Part(f"{text} ", before, open=True)
    yield Part(f"{last}\n", number, open=open)


def _cues(texts: Iterator[str]) -> Iterator[tuple[float, float, list[tuple[int, str]]]]:
    """The times of each cue in seconds, and its lines with their numbers."""
    begin, end = 0.0, 0.0
    said: list[tuple[int, str]] | None = None  # of the current cue
    before = ""  # the line before: the number or name of a cue, if its times follow
    for number, raw in enumerate(texts, 1):
        line = raw.strip("\ufeff\r\n\t ")
        if times := _TIMES.match(line):
            if said is not None:
                yield begin, end, _without_name(said, before)
            said = []
            begin, end = map(_seconds, times.groups())
        elif said is not None and (line or not said):
            if line and (text := _plain(line)):
                said.append((number, text))
        elif said is not None:
            yield begin, end, said
            said = None
        before = line
    if said:
        yield begin, end, said


def _without_name(said: list[tuple[int, str]], before: str) -> list[tuple[int, str]]:
    """The lines of a cue after which no empty line came, but the number of the next."""
    return said[:-1] if before.isdecimal() and said and said[-1][1] == before else said


def _seconds(time: str) -> float:
    seconds = 0.0
    for piece in time.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(piece)
    return seconds


def _plain(line: str) -> str:
    """A line of a cue without its tags, and with the name of who speaks."""
    line = _VOICE.sub(r"\1: ", line)
    return " ".join(html.unescape(_MARKUP.sub("", line)).split())
