"""Files of examples, read and written whole: SQuAD JSON, and the tables that `tables` reads.

    dataset = load("dev-v2.0.json.gz")
    save(dataset.examples, "dev.parquet")

Knows neither what a row means nor which rows are valid: see `rows`.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import itertools
import json
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pullquote.data.remote import open_url
from pullquote.data.rows import Dataset, Dropped, Item, collect, describe, row_from_example
from pullquote.data.tables import (
    BadRow,
    Row,
    Tell,
    decode_json,
    from_list,
    pyarrow,
    read_rows,
    read_whole,
    unpacked,
)
from pullquote.errors import DataError, OutputError, PullquoteWarning
from pullquote.files import atomic_write, why_missing
from pullquote.json_text import parse_json
from pullquote.text import Encoding
from pullquote.types import Example
from pullquote.urls import is_url, without_password

Read: TypeAlias = Callable[[int], object]

_COLUMNS = ("id", "title", "question", "context", "answers")


def load(path: str | os.PathLike[str], *, format: str | None = None) -> Dataset:
    """Read a file of examples; `format` is "json", "jsonl", "csv", "tsv" or "parquet".

    >>> from pullquote import Example
    >>> from pullquote.data import load, save
    >>> save([Example("1", "Who?", "Rollo led.")], "mine.json")
    >>> load("mine.json").summary()
    '1 question (1 unanswerable), 0 dropped'

    Without `format`, the ending of the name decides. Each answer is checked against its context;
    what is not valid is left out and listed in `dataset.dropped`. JSON is SQuAD's, or a list of
    rows. The encoding of text that is not UTF-8 is guessed, and a `PullquoteWarning` says so.
    Raises `DataError` if the file cannot be read, is not of its format, or has questions of which
    none is valid.
    """
    kind, shown = _kind(path, format), without_password(path)

    def tell(encoding: Encoding) -> None:
        if encoding.note:
            warnings.warn(f"{shown}: {encoding.note}", PullquoteWarning, stacklevel=2)

    try:
        return collect(_items(io.BytesIO(read_bytes(path)), kind, tell), shown)
    except DataError as error:
        raise DataError(f"{shown}: {error}") from None


def read_items(
    path: str | os.PathLike[str], *, format: str | None = None, read: Read = lambda _: None
) -> Iterator[Item]:
    """Yield the rows of a file of questions, unchecked, in bounded memory but for JSON.

    `path` may be the URL of an object store (see `remote`). `read` is called with the bytes that
    were read so far, and formats and warnings are those of `load`. Raises `DataError` if the file
    cannot be read or is not of its format.
    """
    kind, shown = _kind(path, format), without_password(path)

    def tell(encoding: Encoding) -> None:
        if encoding.note:
            warnings.warn(f"{shown}: {encoding.note}", PullquoteWarning, stacklevel=2)

    try:
        with open_url(os.fspath(path)) if is_url(path) else open(path, "rb") as file:
            try:
                for item in _items(file, kind, tell):
                    read(file.tell())
                    yield item
            except DataError as error:
                raise DataError(f"{shown}: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{shown}: {why_missing(path)}") from None
    except OSError as error:
        raise DataError(f"{shown}: cannot be read ({error.strerror or error})") from None


def _items(file: BinaryIO, kind: str, tell: Tell) -> Iterator[Item]:
    if kind == "json":
        try:
            return _from_json(read_whole(unpacked(file)), tell)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"broken gzip file ({error}); copy or fetch it again") from None
    return map(_item, read_rows(file, kind, tell=tell))


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
    if is_url(path):
        raise OutputError(f"{without_password(path)}: a URL; expected a file of this machine")
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


def _kind(path: str | os.PathLike[str], format: str | None) -> str:
    shown = without_password(path)
    name = Path(path).name  # its ending only: a password that nobody can split hides all of it
    kind = format or Path(name.lower().removesuffix(".gz")).suffix[1:]
    if Path(path).is_dir():
        raise DataError(f"{shown}: a folder, expected a data file")
    if kind not in _WRITERS:
        found = (
            f"unknown format {format!r}" if format else f"unknown kind of file {Path(shown).name!r}"
        )
        raise DataError(
            f"{shown}: {found}; known are .json (SQuAD), .jsonl and .csv or .tsv, each also with "
            f".gz, and .parquet, or format={' | '.join(_WRITERS)} whatever the name"
        )
    return kind


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file, unpacked when it is gzipped. Raises `DataError`, without the path."""
    try:
        with open(path, "rb") as file:
            return read_whole(unpacked(file))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"broken gzip file ({error}); copy or fetch it again") from None
    except FileNotFoundError:
        raise DataError(why_missing(path)) from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from None


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _from_json(data: bytes, tell: Tell) -> Iterator[Item]:
    text = decode_json(data, tell)
    try:
        root = parse_json(text)
    except DataError as error:
        raise DataError(f"{error}; if it holds one JSON object a line, load it as jsonl") from None
    if isinstance(root, list) and any(isinstance(entry, dict) for entry in root):
        yield from map(_item, from_list(root))
        return
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


def _to_jsonl(examples: Sequence[Example]) -> bytes:
    return "".join(f"{_dump(row_from_example(example))}\n" for example in examples).encode()


def _to_csv(examples: Sequence[Example], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, _COLUMNS, delimiter=delimiter
    )  # ends lines with \r\n and so quotes every \r and \n
    writer.writeheader()
    for example in examples:
        row = row_from_example(example)
        if any("\0" in row[key] for key in _COLUMNS):
            raise DataError("a CSV file cannot hold NUL characters; JSON and Parquet can")
        writer.writerow({**row, "answers": _dump(row["answers"])})
    return text.getvalue().encode()


def _to_parquet(examples: Sequence[Example]) -> bytes:
    pa, pq = pyarrow()
    answers = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
    schema = pa.schema([(key, answers if key == "answers" else pa.string()) for key in _COLUMNS])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([*map(row_from_example, examples)], schema), sink)
    return bytes(sink.getvalue())


def _item(row: Row | BadRow) -> Item:
    return (row.where, row.value) if isinstance(row, Row) else Dropped("", row.where, row.reason)


_WRITERS: dict[str, Callable[[Sequence[Example]], bytes]] = {
    "json": _to_json,
    "jsonl": _to_jsonl,
    "csv": _to_csv,
    "tsv": functools.partial(_to_csv, delimiter="\t"),
    "parquet": _to_parquet,
}
