"""Files of rows, whatever the rows mean: CSV of any delimiter, JSON Lines, JSON lists, Parquet.

    for row in read_rows(file, "csv"):      # of questions, or of passages
        match row:
            case Row(where, number, value): ...     # "line 17", 17, {"question": "Who?", ...}
            case BadRow(where, number, reason): ...

Questions (`formats`) and documents (`searching.tables`) are both read here. A row that cannot be
read is a `BadRow`, and the rows after it are read. Column names are put in lower case, without
the whitespace around them. All formats but JSON lists are read in bounded memory; gzipped files are
unpacked. Knows rows and cells, not their meaning.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import gzip
import io
import itertools
import math
import re
import sys
import threading
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, BinaryIO, TypeAlias, cast

from pullquote.errors import DataError, MissingExtraError, TextError
from pullquote.json_text import parse_json
from pullquote.text import Encoding, characters, decode, find_encoding, lines

KNOWN = {
    *("id", "title", "question", "context", "answers", "answer_text", "answer_start"),
    *("is_impossible", "text", "passage", "content", "contents", "body"),
}
"""Columns with a meaning: a delimiter is recognised by them, and none of them may occur twice."""

_BLOCK = 1 << 20  # bytes read at once
_LONGEST_ROW = 1 << 25  # characters
_LARGEST_LIST = 1 << 28  # bytes of a JSON list, which has to be held whole
_SNIFFED = 20  # lines by which a delimiter is recognised if no column name is known
_SNIFFED_CHARACTERS = 1 << 20  # and no further line after that many characters
_SAID = re.compile(r"""\ufeff?("?)sep=([^\w"\r\n])\1\s*""", re.IGNORECASE)  # of Excel
_MOST_COLUMNS = 10_000
_ALWAYS_UNPACKED = 1 << 26  # bytes that any compressed file may unpack to
_MOST_UNPACKED = 200  # times its size; more is no text, but an attack on the memory
_TOO_LARGE = (
    f"unpacks to more than {{:,}} MiB, {_MOST_UNPACKED} times its size; if that is right, "
    "unpack it yourself, and save it as CSV or JSON Lines"
)
_RETRIES = 8  # how often the lines of broken CSV records are parsed again
_LONGEST_REPR = 1 << 18  # characters; the syntax tree takes up to a thousand times as much
_TEXTS = ("text", "passage", "content", "contents", "body", "question", "context", "title")
_NOT_GIVEN = {"nan", "NaN", "<NA>", "None"}  # what pandas and NumPy print for a missing text
_NOTHING = {"", "nan", "<na>", "none", "null"}  # the same in a cell that is not a text
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """A row and its place in the file."""

    where: str
    """"line 17" of a text file, "row 3" of a list or a Parquet file."""
    number: int
    value: object
    """Usually a dict; a line of JSON Lines may hold any value."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read, and why."""

    where: str
    number: int
    reason: str


Tell: TypeAlias = Callable[[Encoding], None]


def read_rows(file: BinaryIO, kind: str, *, tell: Tell = lambda _: None) -> Iterator[Row | BadRow]:
    """Yield the rows of a file: "csv", "tsv", "jsonl", "json" (a list) or "parquet".

    `tell` is called with the encoding before the first row. Raises `DataError` for a file that is
    not of its kind as a whole, `MissingExtraError` where a library is not installed.
    """
    if kind == "parquet":
        yield from _from_parquet(file)
        return
    try:
        file = unpacked(file)
        if kind == "json":
            yield from _from_json(file, tell)
            return
        if kind == "jsonl":
            encoding = find_encoding(file)
            tell(encoding)
            # Lines end at \n alone: JSON text may hold U+2028 and U+0085.
            yield from _from_jsonl(lines(characters(file, encoding, nul=True)))
            return
    except TextError as error:
        raise DataError(str(error)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken_gzip(error) from None
    yield from named(read_cells(file, kind, tell=tell))


def read_cells(file: BinaryIO, kind: str, *, tell: Tell = lambda _: None) -> Iterator[Row | BadRow]:
    """Yield the rows of a "csv" or "tsv" file as lists of cells, that of the names among them.

    Raises what `read_rows` does. `named` gives rows as dicts.
    """
    try:
        file = unpacked(file)
        encoding = find_encoding(file)
        tell(encoding)
        order = "\t,;|" if kind == "tsv" else ",;\t|"
        yield from _cells(characters(file, encoding), order)
    except TextError as error:
        raise DataError(str(error)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken_gzip(error) from None


def _broken_gzip(error: Exception) -> DataError:
    return DataError(f"broken gzip file ({error}); copy or fetch it again")


def unpacked(file: BinaryIO) -> BinaryIO:
    """The file itself, or its content if it is gzipped, which its first bytes tell."""
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"  # neither UTF-8 nor Parquet begins so
    file.seek(0)
    return cast(BinaryIO, _Unpacked(file)) if packed else file


class _Unpacked(gzip.GzipFile):
    """A gzipped file. Raises `DataError` where a small file unpacks to a very large one."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file)
        self.most = max(_ALWAYS_UNPACKED, _MOST_UNPACKED * file.seek(0, io.SEEK_END))
        file.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() > self.most:
            raise DataError(_TOO_LARGE.format(self.most >> 20))
        return data


def read_whole(file: BinaryIO, most: int = sys.maxsize) -> bytes:
    """The content of a file; of a larger one than `most` bytes only the beginning, at least that.

    Read in blocks: one large read of a gzipped file takes memory before it is known to be needed.
    """
    blocks: list[bytes] = []
    size = 0
    while size <= most and (block := file.read(_BLOCK)):
        blocks.append(block)
        size += len(block)
    return b"".join(blocks)


def clean(value: object) -> object:
    """A row with plain names, and None where pandas has NaN; anything else as it is.

    >>> clean({" Question": "Who?", "title": float("nan")})
    {'question': 'Who?', 'title': None}
    """
    if not isinstance(value, Mapping):
        return value
    row = {
        name: None if is_missing(cell) else cell
        for name, cell in zip(_plain_names([*value]), value.values(), strict=True)
    }
    answers = row.get("answers")
    if isinstance(answers, str):
        with contextlib.suppress(DataError):  # anything else stays text, and is reported later
            row["answers"] = _answers(answers)
    return row


def is_missing(cell: object) -> bool:
    """Whether a cell is NaN, or what pandas has in its place."""
    if type(cell).__name__ in ("NAType", "NaTType"):  # of pandas, which compare with nothing
        return True
    return isinstance(cell, Real) and bool(cell != cell)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip("\ufeff \t\r\n").lower())


def _plain_names(names: Sequence[Any]) -> list[Any]:
    """Known names without capitals and blanks, unless two would become one."""
    plain = [_plain(name) if isinstance(name, str) else name for name in names]
    counts = Counter(plain)
    return [
        new if new in KNOWN and counts[new] == 1 else old
        for old, new in zip(names, plain, strict=True)
    ]


# --- JSON


def decode_json(data: bytes, tell: Tell) -> str:
    """The text of a JSON file in any encoding. Raises `DataError`."""
    try:
        decoded = decode(data, nul=True)
    except TextError as error:
        raise DataError(str(error)) from None
    if decoded.encoding.guessed and "\0" in decoded.text:
        raise DataError("a binary file; expected JSON")
    tell(decoded.encoding)
    return decoded.text


def _from_jsonl(texts: Iterable[str]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(texts, 1):
        text = line.strip().lstrip("\ufeff")  # the mark of a file that was appended to another
        if text:
            where = f"line {number}"
            try:
                yield Row(where, number, clean(parse_json(text)))
            except DataError as error:
                yield BadRow(where, number, str(error))


def _from_json(file: BinaryIO, tell: Tell) -> Iterator[Row]:
    data = read_whole(file, _LARGEST_LIST)
    if len(data) > _LARGEST_LIST:
        raise DataError(
            f"a JSON list of more than {_LARGEST_LIST >> 20} MiB; save it as JSON Lines (.jsonl)"
        )
    root = parse_json(decode_json(data, tell))
    if not isinstance(root, list):
        raise DataError(f"found a JSON {type(root).__name__}, expected a list of rows")
    yield from from_list(root)


def from_list(values: Iterable[object]) -> Iterator[Row]:
    """Yield the entries of a list as rows."""
    for number, value in enumerate(values, 1):
        yield Row(f"row {number}", number, clean(value))


# --- CSV

_csv_limit = threading.Lock()  # the csv module's limit on the length of a cell is global


class _Records:
    """Parses CSV record by record, and goes on after one that is broken.

    Of a broken record the first line is given up, and its other lines are parsed again: an open
    quote takes good records with it. After `_RETRIES` broken records in these lines, each of them
    is parsed alone. So the parser gets no line more than `_RETRIES` + 2 times, whatever they hold.
    """

    def __init__(self, texts: Iterator[str], delimiter: str) -> None:
        self.delimiter = delimiter
        self.number = 1  # of the next line
        self._texts = texts
        self._again: deque[str] = deque()  # lines that are parsed again
        self._broken = 0  # broken records since `_again` was empty
        self._taken: list[str] = []  # lines of the record that is parsed

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        """Yield the line in which a record begins, and its cells or what is wrong with it."""
        reader = self._reader()
        while True:
            begins = self.number
            self._taken = []
            if not self._again:
                self._broken = 0
            try:
                cells = self._next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reader = self._reader()
                loose = self._leniently()
                if loose is None:
                    self._again.extendleft(reversed(self._taken[1:]))
                    self._broken += 1
                    self.number = begins + 1
                    yield begins, f"not CSV: {error} in the row at line {begins}"
                    continue
                cells = loose
            yield begins, cells

    def _reader(self) -> Any:
        return csv.reader(self._pull(), delimiter=self.delimiter, strict=True)

    def _pull(self) -> Iterator[str]:
        size = 0
        while True:
            if self._taken and self._again and self._broken >= _RETRIES:
                raise csv.Error("a quote that is not closed, after other broken rows,")
            line = self._again.popleft() if self._again else next(self._texts, None)
            if line is None:
                return
            size = len(line) if not self._taken else size + len(line)
            self._taken.append(line)
            self.number += 1
            if size > _LONGEST_ROW and len(self._taken) > 1:
                raise csv.Error(f"more than {_LONGEST_ROW:,} characters, perhaps an open quote")
            yield line

    def _next(self, reader: Iterator[list[str]]) -> list[str]:
        with _csv_limit:
            limit = csv.field_size_limit(2 * _LONGEST_ROW)
            try:
                return next(reader)
            finally:
                csv.field_size_limit(limit)

    def _leniently(self) -> list[str] | None:
        """The cells of a line with quotes inside a cell: `"so "called" mill",x`."""
        if len(self._taken) != 1:
            return None
        line = self._taken[0].rstrip("\r\n") + "\n"
        try:
            cells = self._next(csv.reader(iter([line]), delimiter=self.delimiter))
        except (csv.Error, StopIteration):
            return None
        # after an open quote, the end of the line is part of the last cell
        return cells if not (cells and cells[-1].endswith("\n")) else None


def _cells(blocks: Iterator[str], delimiters: str) -> Iterator[Row | BadRow]:
    """The rows of a CSV file as lists of cells, without blank lines and empty rows.

    A first line "sep=;" tells the delimiter, and is no row.
    """
    texts = lines(blocks, carriage_returns=True)
    head: list[str] = []
    while len(head) < _SNIFFED and sum(map(len, head)) < _SNIFFED_CHARACTERS:
        if (line := next(texts, None)) is None:
            break
        head.append(line)
    said = _SAID.fullmatch(head[0]) if head else None
    delimiter = said[2] if said else _delimiter(head, delimiters)
    records = _Records(itertools.chain(head[1:] if said else head, texts), delimiter)
    records.number = 2 if said else 1
    for number, cells in records:
        where = f"line {number}"
        if isinstance(cells, str):
            yield BadRow(where, number, cells)
            continue
        if len(cells) > _MOST_COLUMNS:  # without empty ones at the end, if any is filled
            filled = (column for column, cell in enumerate(cells, 1) if cell.strip())
            del cells[max(filled, default=len(cells)) :]
        if len(cells) > _MOST_COLUMNS:
            reason = f"{len(cells):,} columns, expected at most {_MOST_COLUMNS:,}"
            yield BadRow(where, number, reason)
        elif any(map(str.strip, cells)):
            yield Row(where, number, cells)


def column_names(cells: Sequence[str]) -> list[str]:
    """The names in a header as `named` gives them: known ones without capitals and blanks.

    >>> column_names([" Text", "Page No"])
    ['text', 'Page No']
    """
    return _plain_names(cells)


def named(rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """Yield rows of cells as dicts by the names in the first.

    Raises `DataError` if there is none, or if a name with a meaning occurs twice.
    """
    rows = iter(rows)
    head = next(rows, None)
    if head is None:
        raise DataError("empty; expected a first line with the names of the columns")
    if isinstance(head, BadRow):
        raise DataError(head.reason)
    first = cast("list[str]", head.value)
    plain = [_plain(name) for name in first]
    if any(plain.count(name) > 1 for name in KNOWN.intersection(plain)):
        raise DataError(f"two columns have one name: {str(first)[:60]}")
    header = _plain_names(first)
    known = not KNOWN.isdisjoint(plain)
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        where, number = row.where, row.number
        cells = cast("list[str]", row.value)
        if not any(map(str.strip, cells[len(header) :])):
            del cells[len(header) :]
        if len(cells) != len(header):
            yield BadRow(where, number, f"found {len(cells):,} cells, expected {len(header):,}")
            continue
        if known and [cells[0].lstrip("\ufeff"), *cells[1:]] == first:
            yield BadRow(where, number, "the names of the columns again")
            continue
        try:
            yield Row(where, number, _typed(dict(zip(header, cells, strict=True))))
        except DataError as error:
            yield BadRow(where, number, f"answers: {error}")


def _delimiter(head: list[str], delimiters: str) -> str:
    """The delimiter with which the first line has the most known column names.

    If no name is known: the one with which the most rows have the same number of cells, two or
    more, and of several the one that gives the most cells. A title may stand above the table.
    """

    def fitness(delimiter: str) -> tuple[int, bool, int, int]:
        read = (cells for _, cells in _Records(iter(head), delimiter))
        rows = [cells for cells in read if isinstance(cells, list) and cells]
        if not rows:
            return 0, False, 0, 0
        known = len(KNOWN.intersection(map(_plain, rows[0][:_MOST_COLUMNS])))
        if known:
            return known, False, sum(len(cells) == len(rows[0]) for cells in rows), len(rows[0])
        counts = Counter(len(cells) for cells in rows if len(cells) > 1)
        columns, even = max(counts.items(), key=lambda one: (one[1], one[0]), default=(1, 0))
        return 0, columns > 1, even, columns

    return max(delimiters, key=fitness)  # the first of equally good ones


def _typed(cells: dict[str, str]) -> dict[str, object]:
    """Convert the cells of columns that are not text; None means "not given"."""
    row: dict[str, object] = {**cells}
    if cells.get("id") == "":
        row["id"] = None
    if "answers" in cells:
        cell = cells["answers"]
        row["answers"] = None if cell.strip().lower() in _NOTHING else _answers(cell)
    if "is_impossible" in cells:
        flag = cells["is_impossible"].strip().lower()
        row["is_impossible"] = None if flag in _NOTHING else _FLAGS.get(flag, flag)
    if "answer_start" in cells:
        with contextlib.suppress(ValueError):  # anything else stays text, and is reported later
            start = float(cells["answer_start"])
            row["answer_start"] = None if math.isnan(start) else start
    if cells.get("answer_text") in _NOT_GIVEN and not isinstance(row.get("answer_start"), float):
        row["answer_text"] = None
    row.update({name: None for name in _TEXTS if cells.get(name) in _NOT_GIVEN})
    return row


def _answers(cell: str) -> object:
    """The object in a cell: JSON, or an object as Python, pandas or NumPy print it."""
    try:
        value = parse_json(cell)
    except DataError:
        value = parse_repr(cell)
        if not isinstance(value, dict) and not (
            isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value)
        ):
            raise
    return None if isinstance(value, float) and math.isnan(value) else value


def parse_repr(text: str) -> object:
    """The value that Python, pandas or NumPy printed; None for anything else. Runs nothing.

    >>> parse_repr("{'text': array(['Rollo'], dtype=object), 'answer_start': array([18])}")
    {'text': ['Rollo'], 'answer_start': [18]}
    """
    if len(text) > _LONGEST_REPR:
        return None
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None  # TypeError: a list as a key


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int) and node.value.bit_length() > 64:
            raise ValueError("not an integer of NumPy")  # and Python may refuse to print it
        return node.value
    if isinstance(node, ast.Dict):
        return {
            _value(key): _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(entry) for entry in node.elts]
    if isinstance(node, ast.Name) and node.id in ("nan", "NaN", "null"):
        return None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, (int, float)):
            return -value
    if isinstance(node, ast.Call) and node.args:
        # array([18]), np.array([18], dtype=int32), np.int64(18), np.str_('Rollo')
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name and re.fullmatch(r"array|list|tuple|u?int\d+|float\d+|str_", name):
            return _value(node.args[0])
    raise ValueError(f"{type(node).__name__} is not a value")


# --- Parquet


def _from_parquet(file: BinaryIO) -> Iterator[Row]:
    pa, pq = pyarrow()
    number = 0
    try:
        file.seek(0)
        parquet = pq.ParquetFile(file)
        names = Counter(map(_plain, parquet.schema_arrow.names))
        if twice := [name for name in KNOWN if names[name] > 1]:
            raise DataError(f"two columns have one name: {twice[0]}")
        most = max(_ALWAYS_UNPACKED, _MOST_UNPACKED * file.seek(0, io.SEEK_END))
        size = 0
        # Arrow's threads might still hold the file while Python ends, which aborts it
        for batch in parquet.iter_batches(128, use_threads=False):
            size += batch.nbytes
            for value in batch.to_pylist():
                # besides: few bytes may repeat one large text in many rows
                size += sum(len(cell) for cell in value.values() if isinstance(cell, str))
                if size > most:
                    raise DataError(_TOO_LARGE.format(most >> 20))
                number += 1
                yield Row(f"row {number}", number, clean(value))
    except DataError:
        raise
    # ArithmeticError: a date beyond Python's years; LookupError: an unknown time zone
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, LookupError) as error:
        raise DataError(f"not readable as Parquet ({error})") from None


def pyarrow() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`. Raises `MissingExtraError`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pyarrow, pyarrow.parquet
