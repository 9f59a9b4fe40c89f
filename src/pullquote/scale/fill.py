"""Fills a table out of documents: one row a document, one column a question, with its quote.

    keys = question_keys(searcher, read_wanted("questions.toml"))
    sources = sources_of(["leases/"], index)
    with Filling("leases.csv") as filling:           # what was found before stays
        fill(searcher, keys, sources, filling)
        write("leases.csv", table(keys, sources, filling), FillColumns(tuple(keys)))

What is found goes into a file beside the table, a line a document, at once. So whatever stops the
work costs the document that was being asked, and the same call goes on; and a question is asked of
a document again only if its wordings, the model, the decision, the document or the rules by which
documents are read have changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from glob import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from pullquote.errors import ConfigError, DataError, InputError, OutputError, shown
from pullquote.files import cannot_write, open_file
from pullquote.json_text import decode_text, parse_json
from pullquote.progress import Progress, no_progress, tracked
from pullquote.reading.identity import fingerprint
from pullquote.scale.locking import locked
from pullquote.scale.values import amount_value, date_value
from pullquote.scale.wanted import DOCUMENT, ERROR, Wanted
from pullquote.searching.documents import Problem, find
from pullquote.searching.update import READING
from pullquote.text import without_surrogates
from pullquote.types import Place

if TYPE_CHECKING:
    from pullquote.searching.index import Index
    from pullquote.searching.search import Searcher, SearchResult

FORMAT = 1
NO_ANSWER = "no answer"
LOW = 0.5
"""The score below which a cell is marked."""
ACCEPTED, REJECTED, YES, NO = "accepted", "rejected", "yes", "no"
DECISIONS = (ACCEPTED, REJECTED, YES, NO)

Cell: TypeAlias = "Mapping[str, Any]"
"""What was found for a question in a document: `asked`, the wording that found most; `answered`;
`quote`, `sentence` and `passage` with the offsets of the others in it; `unit`, `number` and
`score`. Of a question without an answer it is the nearest quote, "" without any."""
_FIELDS: dict[str, type] = {"asked": str, "answered": bool, "quote": str}
_OF_QUOTE: dict[str, type] = {
    **dict.fromkeys(("sentence", "passage", "unit"), str),
    **dict.fromkeys(("offset", "sentence_offset", "number"), int),
    "score": float,
}


_MOST = 1 << 53  # pages, lines or the like of a document
_FIGURES = re.compile(r"-?(?=(?:\d\.?){1,15}\Z)\d+(?:\.\d+)?")

_Values: TypeAlias = "tuple[str, str, str, float | None, str]"


@dataclass(frozen=True, slots=True)
class Source:
    """A document to be asked: its path, its name in the table, and what tells its versions apart.

    With a `problem`, it could not be read, and why; `partly`, the rest of it was.
    """

    path: str
    name: str
    stamp: tuple[int, ...]
    problem: str = ""
    partly: bool = False

    @property
    def readable(self) -> bool:
        """Whether there is any text to ask."""
        return self.partly or not self.problem


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided on a cell, for the quote that it had then."""

    document: str
    question: str
    quote: str
    decision: str

    @property
    def cell(self) -> tuple[str, str]:
        """Its row and column."""
        return self.document, self.question


@dataclass(slots=True)
class _Found:
    """The cells of a document by their keys, and its stamp when it was asked."""

    stamp: tuple[int, ...]
    cells: dict[str, Cell] = field(default_factory=dict)


class Filling:
    """The file of what was found and decided, beside a table; a context that holds it.

    Raises `OutputError` where another process holds it or it cannot be written, `ConfigError` for a
    file that is damaged or of a newer pullquote. A last line that a kill cut short is left out.
    """

    def __init__(self, table: str | os.PathLike[str]) -> None:
        table = Path(table)
        self.path = table.parent / f".{table.name}.filled"
        self._found: dict[str, _Found] = {}
        self._decided: dict[tuple[str, str], Decided] = {}  # by path and question
        self._file: IO[bytes] | None = None
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Filling:
        with contextlib.ExitStack() as stack:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open_file(self.path, "a+b", links=False))
                stack.enter_context(locked(self.path, file))
                self._read(file)
            except OSError as error:
                raise cannot_write(self.path, error) from None
            self._file, self._opened = file, stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def cells(self, source: Source) -> Mapping[str, Cell]:
        """What was found in a document as it is now, by the keys of the questions."""
        found = self._found.get(source.path)
        return found.cells if found and found.stamp == source.stamp else {}

    def add(self, source: Source, cells: Mapping[str, Cell]) -> None:
        """Keep what was found in a document, beside what was found in it before."""
        kept = {**self.cells(source), **cells}
        self._write({"document": source.path, "stamp": source.stamp, "cells": kept})

    def decide(self, decided: Iterable[tuple[Source, Decided]]) -> None:
        """Keep decisions in place of earlier ones on the same cells."""
        latest = {(source.path, one.question): one for source, one in decided}
        self._write(
            *(
                {"decided": asdict(one), "path": path}
                for (path, _), one in latest.items()
                if not self._is_so(path, one)
            )
        )

    def _is_so(self, path: str, one: Decided) -> bool:
        before = self._decided.get((path, one.question))
        if before is None:
            return not one.decision
        return (before.quote, before.decision) == (one.quote, one.decision)

    def decision(self, source: Source, question: str, quote: str) -> str:
        """What was decided on a cell with this quote; "" if nothing was."""
        decided = self._decided.get((source.path, question))
        return decided.decision if decided and decided.quote == quote else ""

    def _read(self, file: IO[bytes]) -> None:
        """Take in the lines of the file; one that was cut short is removed."""
        file.seek(0)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                value = parse_json(decode_text(line))
                if number > 1:
                    _check_line(value)
                    self._take(value)
                elif _typed(value, "format", int) > FORMAT:
                    raise ConfigError(
                        f"{self.path}: written by a newer pullquote; choose another -o"
                    )
            except DataError as error:
                raise ConfigError(
                    f"{self.path}: line {number} is damaged ({error}); remove the line, and what "
                    "it tells is asked again, or the file to begin anew, without what was decided"
                ) from None
        if whole != data:
            file.truncate(len(whole))
        if not whole:
            file.write(b'{"format": %d}\n' % FORMAT)
            file.flush()

    def _take(self, line: dict[str, Any]) -> None:
        if "decided" in line:
            decided = Decided(**line["decided"])
            self._decided[line["path"], decided.question] = decided
        else:
            self._found[line["document"]] = _Found(tuple(line["stamp"]), dict(line["cells"]))

    def _write(self, *lines: dict[str, Any]) -> None:
        assert self._file, "used outside its `with`"
        if not lines:
            return
        try:
            self._file.writelines(f"{json.dumps(line)}\n".encode() for line in lines)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None
        for line in lines:
            self._take(line)


def _check_line(line: Any) -> None:
    """Raise `DataError` for a line that pullquote does not write."""
    if "decided" in _typed(line, None, dict):
        decided = _typed(line, "decided", dict)
        for name in ("document", "question", "quote"):
            _typed(decided, name, str)
        if _typed(decided, "decision", str) not in ("", *DECISIONS) or len(decided) != 4:
            raise DataError(f"decided is {shown(decided)}")
        _typed(line, "path", str)
        return
    _typed(line, "document", str)
    for number in _typed(line, "stamp", list):
        _typed({"stamp": number}, "stamp", int)
    for cell in _typed(line, "cells", dict).values():
        _check_cell(_typed(cell, None, dict))


def _check_cell(cell: Cell) -> None:
    """Raise `DataError` for a cell whose quote is not where it says."""
    for name, kind in (_FIELDS | (_OF_QUOTE if _typed(cell, "quote", str) else {})).items():
        _typed(cell, name, kind)
    if not cell["quote"]:
        return
    _typed({"sheet": "", **cell}, "sheet", str)
    for name, offset in (("quote", cell["offset"]), ("sentence", cell["sentence_offset"])):
        if offset < 0 or not cell["passage"].startswith(cell[name], offset):
            raise DataError(f"its passage has no {name} at {shown(offset)}")
    if not 0 <= cell["number"] < _MOST:
        raise DataError(f"number is {shown(cell['number'])}, expected 0 to {_MOST:,}")
    if not 0 <= cell["score"] <= 1:  # nor NaN
        raise DataError(f"score is {cell['score']}, expected 0 to 1")


def _typed(values: Any, name: str | None, kind: type) -> Any:
    """A value of a dict, or the value itself, that must be of a type: True is no number."""
    if name is not None:
        found = _typed(values, None, dict).get(name)
    else:
        name, found = "it", values
    if type(found) is not kind:
        raise DataError(f"{name} is {shown(found)}, expected {kind.__name__}")
    return found


def sources_of(
    paths: Sequence[str | os.PathLike[str]],
    index: Index,
    *,
    without: Iterable[str | os.PathLike[str]] = (),
) -> list[Source]:
    """The documents at some paths as an index, which is not private, has read them; by their paths.

    Names begin below the folder that the paths share. Left out are the files `without`, such as the
    table itself. Raises `DocumentError` for a path that does not exist.
    """
    folders = [path if Path(path).is_dir() else Path(path).parent for path in paths]
    base = os.path.commonpath([os.path.realpath(folder) for folder in folders])
    ours = {os.path.realpath(path) for path in without}
    problems = {one.path: one for one in (*index.problems(), *index.partly_read())}
    stamps = index.stamps()
    sources = []
    for file in sorted(find(paths), key=lambda file: file.path):
        path = file.path
        if path in ours:
            continue
        problem = file if isinstance(file, Problem) else problems.get(path)
        if problem is None and path not in stamps:
            problem = Problem(path, "is not in the index; it came while documents were read")
        reason, partly = (problem.reason, problem.partly) if problem else ("", False)
        name = os.path.relpath(path, base)
        sources.append(Source(path, name, stamps.get(path, ()), reason, partly))
    return sources


def question_keys(
    searcher: Searcher,
    wanted: Iterable[Wanted],
    *,
    threshold: float | None = None,
    answerable: float | None = None,
) -> dict[Wanted, str]:
    """A hash for each question: of its wordings and of all that its answers depend on."""
    reader = searcher.reader
    decision = reader.config.decision(threshold, answerable)
    settings = [
        fingerprint(reader),
        asdict(decision),
        asdict(reader.config),
        asdict(searcher.ranking),
        READING,
    ]
    texts = {one: json.dumps([*settings, one.ask]) for one in wanted}
    return {one: hashlib.sha256(text.encode()).hexdigest()[:24] for one, text in texts.items()}


def fill(
    searcher: Searcher,
    keys: Mapping[Wanted, str],
    sources: Sequence[Source],
    filling: Filling,
    *,
    threshold: float | None = None,
    answerable: float | None = None,
    progress: Progress = no_progress,
) -> int:
    """Ask each document the questions that it has not been asked, and return how many were asked.

    `keys` are those of `question_keys`, with the same decision. The index of `searcher` has the
    documents. Of the wordings of a question, the one whose quote has the highest score counts,
    those that were answered first. `progress` counts documents.
    """
    asked = 0
    for source in tracked(sources, len(sources), "asking", progress):
        if not source.readable:
            continue
        known = filling.cells(source)
        new = [one for one, key in keys.items() if key not in known]
        if not new:
            continue
        results = searcher.search_all(
            [wording for one in new for wording in one.ask],
            path=escape(source.path),
            threshold=threshold,
            answerable=answerable,
        )
        filling.add(source, {keys[one]: _best([next(results) for _ in one.ask]) for one in new})
        asked += 1
    return asked


def _best(results: Iterable[SearchResult]) -> Cell:
    def order(result: SearchResult) -> tuple[bool, float]:
        return result.answered, result.hits[0].score if result.hits else 0.0

    best = max(results, key=order)
    cell = {"asked": best.question, "answered": best.answered}
    if not best.hits:
        return {**cell, "quote": ""}
    hit = best.hits[0]
    passage = hit.passage.text
    sentence = passage.find(hit.sentence, max(0, hit.offset - len(hit.sentence)))
    return {
        **cell,
        "quote": hit.text,
        "offset": hit.offset,
        "sentence": hit.sentence,
        "sentence_offset": sentence,
        "passage": passage,
        **({"sheet": hit.place.sheet} if hit.place.sheet else {}),
        "unit": hit.place.unit,
        "number": hit.place.number,
        "score": hit.score,
    }


def decide(
    decided: Sequence[Decided],
    keys: Mapping[Wanted, str],
    sources: Iterable[Source],
    filling: Filling,
) -> int:
    """Keep decisions on cells that still have their quotes, and return how many have not.

    Raises `InputError` where that is none of them.
    """
    quotes: dict[tuple[str, str], tuple[Source, str]] = {}
    for source in sources:
        found = filling.cells(source)
        quotes |= {
            (source.name, one.name): (source, quote_of(one, found[key]))
            for one, key in keys.items()
            if key in found
        }
    fitting = [
        (quotes[one.cell][0], one)
        for one in decided
        if one.quote and one.cell in quotes and quotes[one.cell][1] == one.quote
    ]
    if decided and not fitting:
        raise InputError(
            "none of the decisions is on a quote of this table; expected those of its own review"
        )
    filling.decide(fitting)
    return len(decided) - len(fitting)


@dataclass(frozen=True, slots=True)
class FillColumns:
    """The columns of a filled table."""

    wanted: tuple[Wanted, ...]

    def types(self) -> dict[str, str]:
        """What each column holds, by its name, in order, as `pullquote.scale.output` has it."""
        names = [DOCUMENT, *(column for one in self.wanted for column in one.columns()), ERROR]
        return dict.fromkeys(names, "text") | {one.columns()[3]: "number" for one in self.wanted}


def table(
    keys: Mapping[Wanted, str],
    sources: Iterable[Source],
    filling: Filling,
    *,
    low: float = LOW,
    numbers: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield the row of each document: all that `FillColumns` names, scores as numbers.

    With `numbers`, amounts are numbers, too, of as many digits as a workbook keeps.
    A document that could not be read is a row with the reason in the column `error`.
    """
    for source in sources:
        row: dict[str, Any] = {}
        row[DOCUMENT] = without_surrogates(source.name)
        cells = filling.cells(source)
        for one, key in keys.items():
            values: _Values = ("", "", "", None, "")
            if cell := cells.get(key):
                values = _values(one, cell, filling, source, low)
            for column, value in zip(one.columns(), values, strict=True):
                row[column] = without_surrogates(value) if isinstance(value, str) else value
            if numbers and one.kind == "amount" and _FIGURES.fullmatch(values[0]):
                row[one.name] = float(values[0])
        yield {**row, ERROR: source.problem or None}


def quote_of(wanted: Wanted, cell: Cell) -> str:
    """The quote that a table shows: of yes/no the sentence, which says which."""
    return str(cell["sentence"] if wanted.kind == "yes/no" and cell["quote"] else cell["quote"])


def place_of(cell: Cell) -> str:
    """Where the quote of a cell stands, without the document: "page 3"."""
    return Place("", cell["unit"], cell["number"], cell.get("sheet", "")).within


def _values(wanted: Wanted, cell: Cell, filling: Filling, source: Source, low: float) -> _Values:
    """The value of a cell, its quote, its place, its score and a note."""
    quote = quote_of(wanted, cell)
    decision = filling.decision(source, wanted.name, quote) if quote else ""
    if not cell["answered"] and decision in ("", REJECTED):
        return NO_ANSWER, "", "", None, decision
    place = place_of(cell)
    notes = [] if decision or cell["score"] >= low else ["low score"]
    value = " ".join(quote.split())
    if decision == REJECTED:
        value = ""
    elif decision in (YES, NO):
        value = decision
    elif wanted.kind in ("date", "amount"):
        read = date_value if wanted.kind == "date" else amount_value
        plain, why = read(quote)
        value = plain or value
        notes += [why] if why else []
    return (
        value,
        quote,
        place,
        round(cell["score"], 4),
        "; ".join([*notes, *filter(None, [decision])]),
    )


def shade(row: Mapping[str, Any], column: str) -> str:
    """The colour of a cell of a workbook: that of low scores, of no answer, or none."""
    if row[column] == NO_ANSWER:
        return "none"
    return "low" if "low score" in str(row.get(f"{column} note") or "") else ""
