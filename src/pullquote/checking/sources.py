"""The texts in which quotes are looked for: of files, folders, an index, or given as they are.

    sources = Sources(["contracts/", "notes.db"])
    for text in sources.texts("The rent is due on the third"):  # a few of an index, else all

A document's text is put together from its passages, as every command reads it; offsets and places
are those of the document. Files and folders are read once and kept in memory; of an index, the
passages that have the words of a quote are read, with their neighbours.
"""

from __future__ import annotations

import bisect
import contextlib
import copy
import functools
import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pullquote.checking.cells import ROW_END, only_cells
from pullquote.checking.folding import Folded
from pullquote.checking.verdicts import Named
from pullquote.errors import DocumentError, InputError, MissingExtraError, TextError
from pullquote.files import open_file
from pullquote.progress import Progress, no_progress
from pullquote.searching import plain
from pullquote.searching.documents import Notes, Problem, SourceFile, find
from pullquote.searching.index import Index
from pullquote.searching.passages import joined
from pullquote.searching.pool import Pool
from pullquote.searching.texts import texts
from pullquote.searching.words import common_words, query_words
from pullquote.text import decode
from pullquote.types import Document, Mark, Passage, Place, Span

From: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Index"
"""A path of a file, a folder or an index; `{"text": ..., "id": ...}`; or an open index."""

_WORKBOOKS = (".xlsx", ".xlsm", ".xltx", ".xltm", ".xls", ".xlt", ".ods", ".ots", ".fods")
# files of which each program shows dates in its own notation
_SHEETS = (*_WORKBOOKS, ".csv", ".tsv")
_ROWS = (".csv", ".tsv", ".jsonl", ".ndjson")  # a line is a row
_RAW = (*plain.ENDINGS, ".md", ".markdown", *_ROWS)

_WORDS = 6  # of a quote by which an index is searched at once
_SEGMENT = 40  # words of a quote that are searched by themselves
_SEGMENTS = 4  # of a quote
_FOUND = 10  # passages for each
_MOST = 60  # passages with their neighbours
_ATTACHED = 1000  # passages of an index that may name an attachment
_FILE_NAME = re.compile(r"^.{1,200}\.\w{1,9}$", re.MULTILINE)
_PASSAGE = 800  # characters, fewer than most passages have


@dataclass(frozen=True)
class SourceText:
    """A text of a document, or a part of one: what stands from `start` on."""

    passages: tuple[Passage, ...]
    """In order, with nothing but blanks between them."""
    raw: bool = False
    """Whether it is a file's own text, with its markup, instead of what is read of it."""
    is_file: bool = False
    """Whether the document's path is that of a file, whose own text may be quoted, too."""
    cells: str = ""
    """What is looked at in its place, if anything: the cells of its rows, without names."""
    whole: SourceText | None = None
    """Of a part: the text that it is cut from, whose other rows tell which names columns have."""

    @property
    def document(self) -> Document:
        """The document."""
        return self.passages[0].document

    @property
    def start(self) -> int:
        """The offset of the text in the document."""
        return self.passages[0].start

    @functools.cached_property
    def folded(self) -> Folded:
        """The text, folded; line breaks stand for the blanks between passages."""
        return Folded("".join(joined(self.passages, self.start)), self.cells)

    def rows(
        self, *, touching: bool = False, day_first: bool | None = None, names: bool = False
    ) -> SourceText | None:
        """The same text, of which only the cells of tables are looked at; None without tables.

        With `touching`, a row goes on in the next one. If `day_first` is given, dates of a
        spreadsheet are signs for their days (`days`); None if it is none. With `names`, the names
        of columns are looked at, too.
        """
        key = touching, day_first, names
        if key not in self._rows:
            self._rows[key] = self._as_rows(*key)
        return self._rows[key]

    @functools.cached_property
    def _rows(self) -> dict[tuple[bool, bool | None, bool], SourceText | None]:
        return {}

    def _as_rows(self, touching: bool, day_first: bool | None, names: bool) -> SourceText | None:
        path = self.document.path
        if day_first is not None and not path.lower().endswith(_SHEETS):
            return None
        if self.whole:
            rows = self.whole.rows(touching=touching, day_first=day_first, names=names)
            cells = rows.cells[self.start - self.whole.start :] if rows else ""
            return replace(self, cells=cells[: len(self.folded.text)]) if cells else None
        tables = not plain.is_plain(path)
        cells = only_cells(self.folded.text, tables=tables, day_first=day_first, names=names)
        if touching:
            cells = cells.replace(ROW_END, "\n")
        return replace(self, cells=cells) if cells else None

    def named(self, named: Named | None) -> SourceText | None:
        """The part of the text that a draft names, in whole passages; None if it has none."""
        if named is None or (named.number is None and not named.sheet):
            return None
        inside = [
            number
            for number, passage in enumerate(self.passages)
            if named.is_at(passage.place(), passage.place(len(passage.text) - 1))
        ]
        part = self.passages[inside[0] : inside[-1] + 1] if inside else ()
        smaller = 0 < len(part) < len(self.passages)
        return replace(self, passages=part, whole=self) if smaller else None

    def line_around(self, start: int, end: int) -> Span | None:
        """The lines of a file around some characters, if they are a row; else None."""
        if not self.raw:
            return None
        text = self.folded.text
        first = text.rfind("\n", 0, start) + 1
        last = text.find("\n", end)
        last = last if last >= 0 else len(text)
        row = self.document.path.lower().endswith(_ROWS) or text[first:last].lstrip()[:1] == "|"
        return Span(text[first:last], first, last) if row else None

    @functools.cached_property
    def of_file(self) -> SourceText | None:
        """The own text of the file, by lines; None if it is not text, or has gone."""
        path = self.document.path
        if not path.lower().endswith(_RAW):
            return None
        try:
            with open_file(path) as file:  # an index may name a pipe
                text = decode(file.read()).text
        except (OSError, TextError, MissingExtraError):
            return None
        starts = [0, *(found.end() for found in re.finditer(r"\r\n?|\n", text))]
        marks = tuple(Mark(start, line) for line, start in enumerate(starts, 1))
        return SourceText((Passage(Document(path, "line"), text, 0, marks),), raw=True)

    @functools.cached_property
    def _starts(self) -> list[int]:
        return [passage.start for passage in self.passages]

    def place(self, offset: int) -> Place:
        """The page, line or the like of a character of the document."""
        passage = self.passages[max(0, bisect.bisect_right(self._starts, offset) - 1)]
        return passage.place(min(offset - passage.start, len(passage.text) - 1))


class Sources:
    """Documents and indexes in which quotes are looked for.

    >>> from pullquote.checking.sources import Sources
    >>> sources = Sources({"text": "The rent is due.", "id": "lease"})
    >>> sources.names
    ['lease']

    Raises `DocumentError` where there is nothing to read, and for a path that does not exist.
    """

    def __init__(self, sources: From | Iterable[From], *, progress: Progress = no_progress) -> None:
        self._left_out = ""
        self.problems: list[Problem] = []
        """What was not read, or not all of it, and why."""
        self._indexes: list[Index] = []
        self._opened: list[Index] = []
        self._read: list[SourceText] = []
        try:
            self._add(sources, progress)
        except BaseException:
            self.close()
            raise

    def _add(self, sources: From | Iterable[From], progress: Progress) -> None:
        given = [sources] if isinstance(sources, (str, os.PathLike, Mapping, Index)) else sources
        paths: list[str] = []
        for one in given:
            if isinstance(one, Index):
                self._indexes.append(one)
            elif isinstance(one, Mapping):
                (text,) = texts([one])
                if passages := tuple(text.passages()):
                    self._read.append(SourceText(passages))
            elif isinstance(one, (str, os.PathLike)):
                path = os.fspath(one)
                if Index.is_one(path):
                    self._opened.append(Index.open(path, encoder=None))
                    self._indexes.append(self._opened[-1])
                else:
                    paths.append(path)
            else:
                raise InputError(
                    f"sources: found {type(one).__name__}, expected a path, an Index, or a dict "
                    'with a "text"'
                )
        self._read += self._read_files(paths, progress)
        self._check_text("")

    def _check_text(self, beside: str) -> None:
        if not self._read and not any(map(len, self._indexes)):
            why = f" ({self.problems[0]})" if self.problems else ""
            raise DocumentError(
                f"the sources have no text{beside}{why}; expected documents with words"
            )

    def without(self, draft: str | os.PathLike[str]) -> Sources:
        """The same sources, but for a file: a draft is no source of its own quotes.

        Raises `DocumentError` if nothing is left. Close the sources that it is made from.
        """
        others = copy.copy(self)
        others.__dict__.pop("names", None)  # the cache
        left_out = others._left_out = os.path.realpath(draft)
        others._read = [
            text for text in self._read if os.path.realpath(text.document.path) != left_out
        ]
        others.problems = [
            problem for problem in self.problems if os.path.realpath(problem.path) != left_out
        ]
        others._check_text(" beside the draft")
        return others

    def close(self) -> None:
        """Close the indexes that were given by their paths."""
        for index in self._opened:
            index.close()

    def _read_files(self, paths: list[str], progress: Progress) -> Iterator[SourceText]:
        files: list[SourceFile] = []
        for found in find(paths):
            if isinstance(found, SourceFile):
                files.append(found)
            else:
                self.problems.append(found)
        with Pool(files) as pool:
            for done, file in enumerate(files, 1):
                notes = Notes()
                try:
                    passages = tuple(pool.read(file, notes))
                except (DocumentError, MissingExtraError) as error:
                    self.problems.append(Problem(file.path, str(error)))
                    continue
                self.problems += filter(None, [notes.problem(file.path)])
                if passages:
                    yield SourceText(passages, is_file=True)
                progress(done, len(files), "reading sources")

    @functools.cached_property
    def names(self) -> list[str]:
        """The names of all documents."""
        read = [text.document.path for text in self._read]
        indexed = [document.path for index in self._indexes for document in index.documents()]
        return read + [path for path in indexed if path != self._left_out]

    def sheets(self, document: str) -> tuple[str, ...]:
        """The names of the sheets of a workbook, in order; none of one sheet or another file."""
        if not document.lower().endswith(_WORKBOOKS):
            return ()
        passages = [
            passage
            for text in self._read
            if text.document.path == document
            for passage in text.passages
        ]
        for index in self._indexes:
            with contextlib.suppress(InputError):  # a document of another source
                passages += index.passages(document)
        names = (mark.sheet for passage in passages for mark in passage.marks)
        return tuple(dict.fromkeys(filter(None, names)))

    def attachments(self, name: str) -> dict[str, list[str]]:
        """The attachments whose names end with the last word of one, and their messages."""
        last = "".join(name.casefold().split()[-1:])
        held = [self._attached]
        if words := query_words(last):
            runs = (index.stretches(words, _ATTACHED, around=0) for index in self._indexes)
            held += [_attached(itertools.chain(*run)) for run in runs]
        found: dict[str, list[str]] = {}  # of all but the draft
        for one in held:
            for full, paths in one.get(last, {}).items():
                found.setdefault(full, []).extend(p for p in paths if p != self._left_out)
        return found

    @functools.cached_property
    def _attached(self) -> dict[str, dict[str, list[str]]]:
        return _attached(passage for text in self._read for passage in text.passages)

    def raw_texts(self, named: str = "") -> list[SourceText]:
        """The own texts of files that are text, that of the document that is `named` first."""
        found = [raw for text in self._read if text.is_file and (raw := text.of_file)]
        return sorted(found, key=lambda text: text.document.path != named)

    def texts(self, quote: str, named: str = "") -> list[SourceText]:
        """The texts that may have a quote, those of the document that is `named` first."""
        found = list(self._read)
        for index in self._indexes:
            found += [
                text
                for text in _stretches(index, quote, named)
                if text.document.path != self._left_out
            ]
        return sorted(found, key=lambda text: text.document.path != named)


def _attached(passages: Iterable[Passage]) -> dict[str, dict[str, list[str]]]:
    """The lines of messages that may name an attachment, by their last words, and the messages."""
    found: dict[str, dict[str, list[str]]] = {}
    for passage in passages:
        if passage.document.unit == "message":
            for line in _FILE_NAME.findall(passage.text):
                paths = found.setdefault(line.split()[-1].casefold(), {}).setdefault(line, [])
                if passage.document.path not in paths[-1:]:
                    paths.append(passage.document.path)
    return found


def _stretches(index: Index, quote: str, named: str) -> Iterator[SourceText]:
    """The passages of an index that have most of the rare words of a quote, joined."""
    around = len(quote) // _PASSAGE + 1
    most = max(1, _MOST // (2 * around + 1))
    seen: set[tuple[str, int, int]] = set()
    for words in _searches(quote):
        limit = min(_FOUND, most)
        runs = index.stretches(words, limit, around=around)
        if named:
            runs += index.stretches(words, limit, around=around, path=glob.escape(named))
        for run in runs:
            key = run[0].document.path, run[0].start, run[-1].end
            if key not in seen:
                seen.add(key)
                yield SourceText(tuple(run))


def _searches(quote: str) -> Iterator[list[str]]:
    """The words to search for: the rarest of each part of a quote."""
    words = quote.split()
    parts = min(_SEGMENTS, len(words) // _SEGMENT + 1)
    step = -(-len(words) // parts)
    for begin in range(0, len(words), step):
        found = query_words(" ".join(words[begin : begin + min(step, 2 * _SEGMENT)]))
        common = common_words()
        found.sort(key=lambda word: (word.casefold() in common, -len(word)))
        if found:
            yield found[:_WORDS]
