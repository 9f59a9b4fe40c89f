"""Files of examples, read and written whole: each format is bytes to rows, and examples to bytes.

    dataset = load("dev-v2.0.json.gz")
    save(dataset.examples, "dev.parquet")

Knows neither what a row means nor which rows hold; that is `rows`.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import os
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pullquote.data.rows import Dataset, Dropped, Item, clip, collect, describe, row_from_example
from pullquote.errors import DataError, MissingExtraError, OutputError
from pullquote.files import atomic_write
from pullquote.types import Example

_COLUMNS = ("id", "title", "question", "context", "answers")


def load(path: str | os.PathLike[str], *, format: str | None = None) -> Dataset:
    """Read a file of examples; `format` is "json" (SQuAD), "jsonl", "csv" or "parquet".

    >>> from pullquote import Example
    >>> from pullquote.data import load, save
    >>> save([Example("1", "Who?", "Rollo led.")], "mine.json")
    >>> load("mine.json").summary()
    '1 question (1 unanswerable), 0 dropped'

    Without `format` the name's ending tells. Each answer is checked against its context; what does
    not hold is left out and listed in `dataset.dropped`. Raises `DataError` if the file cannot be
    read, is not of its format, or has questions of which none holds.
    """
    path = Path(path)
    kind = _kind(path, format)
    try:
        return collect(_READERS[kind](read_bytes(path)), str(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def save(
    examples: Iterable[Example], path: str | os.PathLike[str], *, format: str | None = None
) -> None:
    """Write examples so that `load` gives the same ones back; `.gz` at the end of a name packs.

    >>> from pullquote import Example
    >>> from pullquote.data import load, save
    >>> save([Example("1", "Who?", "Rollo led.")], "mine.jsonl.gz")
    >>> load("mine.jsonl.gz").examples[0].question
    'Who?'

    SQuAD JSON is "v2.0" if any example has no answer, "1.1" otherwise. The same examples give the
    same bytes. Raises `OutputError`, leaving an older file as it was, if the file cannot be
    written, or for examples that `load` would drop (two with one id, a span that is not in its
    context, lone surrogates).
    """
    path = Path(path)
    kind = _kind(path, format)
    kept = tuple(examples)
    rows = ((f"example {n}", row_from_example(e)) for n, e in enumerate(kept, 1))
    try:
        again = collect(rows, "")
        if again.dropped:
            raise DataError(f"load would drop {again.dropped[0]}")
        if again.examples != kept:
            raise DataError("a span has an end that is not start + len(text)")
        data = _WRITERS[kind](kept)
    except DataError as error:
        raise OutputError(f"{path}: not written, since {error}") from None
    with atomic_write(path, "wb") as file:
        file.write(gzip.compress(data, mtime=0) if path.suffix.lower() == ".gz" else data)


def _kind(path: Path, format: str | None) -> str:
    name = path.name.lower()
    kind = format or Path(name.removesuffix(".gz")).suffix[1:]
    if path.is_dir():
        raise DataError(f"{path}: a folder, expected a data file")
    if kind not in _READERS:
        found = f"unknown format {format!r}" if format else f"unknown kind of file {path.name!r}"
        raise DataError(
            f"{path}: {found}; known are .json (SQuAD), .jsonl and .csv, each also with .gz, and "
            f".parquet, or format={' | '.join(_READERS)} whatever the name"
        )
    return kind


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked when it is gzipped. Raises `DataError`, without the path."""
    try:
        data = path.read_bytes()
        # told by content, for files that were renamed: neither UTF-8 nor Parquet begins so
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"broken gzip file ({error}); copy or fetch it again") from None
    except FileNotFoundError:
        raise DataError("no such file") from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from None


def decode_text(data: bytes) -> str:
    """UTF-8 as text. Raises `DataError` with the place of what is not."""
    try:
        return data.decode("utf-8-sig")  # Excel puts a byte order mark before its CSV
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"not UTF-8 text: byte 0x{data[error.start]:02x} at {error.start} (line {line}); "
            "save it again as UTF-8"
        ) from None


def parse_json(text: str, *, unique_keys: bool = False) -> Any:
    """JSON as Python values. Raises `DataError`; with `unique_keys` also for keys that repeat."""
    try:
        return json.loads(text, object_pairs_hook=_unique if unique_keys else None)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # RecursionError: a hundred thousand brackets
        raise DataError(f"not JSON ({error})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):  # json.loads would silently keep the last
        counts = Counter(key for key, _ in pairs)
        raise DataError(f"the key {counts.most_common(1)[0][0]!r} occurs twice, expected it once")
    return result


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _from_json(data: bytes) -> Iterator[Item]:
    text = decode_text(data)
    try:
        root = parse_json(text)
    except DataError as error:
        raise DataError(f"{error}; if it holds one JSON object a line, load it as jsonl") from None
    if why := _lacks(root, "data"):
        raise DataError(f"not SQuAD: {why}")
    for a, article in enumerate(root["data"], 1):
        where = f"article {a}"
        if why := _lacks(article, "paragraphs"):
            yield Dropped("", where, why)
            continue
        for p, paragraph in enumerate(article["paragraphs"], 1):
            where = f"article {a}, paragraph {p}"
            if why := _lacks(paragraph, "qas"):
                yield Dropped("", where, why)
                continue
            shared = {"context": paragraph.get("context"), "title": article.get("title")}
            for q, entry in enumerate(paragraph["qas"], 1):
                row = {**entry, **shared} if isinstance(entry, dict) else entry
                yield f"{where}, question {q}", row


def _lacks(value: object, key: str) -> str:
    if isinstance(value, dict) and isinstance(value.get(key), list):
        return ""
    return f'found {describe(value)}, expected an object with a "{key}" list'


def _to_json(examples: Sequence[Example]) -> bytes:
    v2 = any(example.is_impossible for example in examples)
    articles = []
    for title, same_title in itertools.groupby(examples, lambda example: example.title):
        paragraphs = []
        for context, same_context in itertools.groupby(same_title, lambda example: example.context):
            qas = [
                {
                    "id": example.id,
                    "question": example.question,
                    "answers": [{"text": a.text, "answer_start": a.start} for a in example.answers],
                    **({"is_impossible": example.is_impossible} if v2 else {}),
                }
                for example in same_context
            ]
            paragraphs.append({"context": context, "qas": qas})
        articles.append({"title": title, "paragraphs": paragraphs})
    return _dump({"version": "v2.0" if v2 else "1.1", "data": articles}).encode()


def _from_jsonl(data: bytes) -> Iterator[Item]:
    # not splitlines: it also splits at U+2028 and U+0085, which JSON text may hold
    for number, line in enumerate(decode_text(data).split("\n"), 1):
        if line.strip():
            try:
                yield f"line {number}", parse_json(line)
            except DataError as error:
                yield Dropped("", f"line {number}", str(error))


def _to_jsonl(examples: Sequence[Example]) -> bytes:
    return "".join(f"{_dump(row_from_example(example))}\n" for example in examples).encode()


_csv_limit = threading.Lock()  # the csv module's limit on the length of a field is global


def _from_csv(data: bytes) -> Iterator[Item]:
    text = decode_text(data)
    if (nul := text.find("\0")) >= 0:
        line = text.count("\n", 0, nul) + 1
        raise DataError(f"not CSV: NUL byte in line {line}; save it again as UTF-8 text")
    lines: list[tuple[int, list[str]]] = []  # where a row begins, since a cell may hold line ends
    reader, begins = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    with _csv_limit:
        limit = csv.field_size_limit(max(len(text), csv.field_size_limit()))
        try:
            for cells in reader:
                lines.append((begins, cells))
                begins = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"not CSV: {error} in the row at line {begins}") from None
        finally:
            csv.field_size_limit(limit)
    if not lines:
        raise DataError("empty; expected a first line with the names of the columns")
    (_, header), *rows = lines
    if len(set(header)) < len(header):
        raise DataError(f"two columns have one name: {clip(str(header))}")
    for number, cells in rows:
        where = f"line {number}"
        if cells and len(cells) != len(header):  # no cells: a blank line
            yield Dropped("", where, f"found {len(cells)} cells, expected {len(header)}")
        elif cells:
            try:
                yield where, _typed(dict(zip(header, cells, strict=True)))
            except DataError as error:
                yield Dropped("", where, f"answers: {error}")


def _typed(cells: dict[str, str]) -> dict[str, object]:
    """Give the cells that are not text their types; an empty one of those means "not given"."""
    row: dict[str, object] = {**cells, "id": cells.get("id") or None}
    if "answers" in cells:
        row["answers"] = parse_json(cells["answers"]) if cells["answers"] else None
    if "is_impossible" in cells:
        flag = cells["is_impossible"].lower()
        row["is_impossible"] = {"true": True, "false": False, "": None}.get(flag, flag)
    if "answer_start" in cells:
        with contextlib.suppress(ValueError):  # what is no number stays text, and is reported so
            row["answer_start"] = float(cells["answer_start"])
    return row


def _to_csv(examples: Sequence[Example]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS)  # ends lines with \r\n and so quotes every \r and \n
    writer.writeheader()
    for example in examples:
        row = row_from_example(example)
        if any("\0" in row[key] for key in _COLUMNS):
            raise DataError("a CSV file cannot hold NUL characters; JSON and Parquet can")
        writer.writerow({**row, "answers": _dump(row["answers"])})
    return text.getvalue().encode()


def _from_parquet(data: bytes) -> Iterator[Item]:
    pa, pq = _pyarrow()
    try:
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"not readable as Parquet ({error})") from None
    return ((f"row {number}", row) for number, row in enumerate(rows, 1))


def _to_parquet(examples: Sequence[Example]) -> bytes:
    pa, pq = _pyarrow()
    answers = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
    schema = pa.schema([(key, answers if key == "answers" else pa.string()) for key in _COLUMNS])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([*map(row_from_example, examples)], schema), sink)
    return bytes(sink.getvalue())


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pyarrow, pyarrow.parquet


_READERS = {"json": _from_json, "jsonl": _from_jsonl, "csv": _from_csv, "parquet": _from_parquet}
_WRITERS = {"json": _to_json, "jsonl": _to_jsonl, "csv": _to_csv, "parquet": _to_parquet}
