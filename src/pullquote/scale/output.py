"""Writes results as Parquet, JSON Lines, CSV or XLSX, whole or not at all.

    write("answers.parquet", results, Columns(keep=("team",)))

Knows columns and files, not readers. A CSV or XLSX file has a number where the others have one, ""
for nothing, and JSON for a list. In CSV and TSV a "'" stands before a text that a spreadsheet would
take for a formula.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pullquote.data.tables import pyarrow
from pullquote.errors import OutputError
from pullquote.files import replacing
from pullquote.scale import workbook
from pullquote.urls import without_password

QUOTE = {"text": "text", "start": "integer", "end": "integer", "score": "number"}
"""The fields of each entry of a column of quotes, and their types."""
KINDS = (".parquet", ".jsonl", ".csv", ".tsv", ".xlsx")
_GROUP = 4096  # rows of a row group, and held at once
_FORMULA = re.compile(r"(?!-?\d+(?:\.\d+)?\Z)[=+\-@\t\r]")  # -840 is a number


def check_kind(path: str | os.PathLike[str]) -> None:
    """Raise `OutputError` for a name with another ending than those in `KINDS`."""
    if Path(path).suffix.lower() not in KINDS:
        raise OutputError(
            f"{without_password(path)}: its ending is none of {', '.join(KINDS)}; write one of "
            "these"
        )
    if Path(path).suffix.lower() == ".parquet":
        pyarrow()  # raises an error before there is any work
    elif Path(path).suffix.lower() == ".xlsx":
        workbook.xlsxwriter()


class Named(Protocol):
    """The columns of a table."""

    def types(self) -> Mapping[str, str]:
        """What each holds, by its name, in order: "text", "integer", "number" or "quotes".

        One is "error".
        """


def write(
    path: str | os.PathLike[str],
    results: Iterable[dict[str, Any]],
    columns: Named,
    *,
    shade: workbook.Shade = workbook.unshaded,
) -> tuple[int, int]:
    """Write results to a new or replaced file of the kind that its name tells.

    Returns how many there were, and how many of them with an error. `shade` says which cells of a
    workbook are coloured.

    Raises `OutputError` where the file cannot be written, or for another kind.
    """
    check_kind(path)
    kind = Path(path).suffix.lower()
    counted = _Counted(results)
    with replacing(path) as temporary:
        if kind == ".parquet":
            return write_parquet(temporary, results, columns)
        if kind == ".xlsx":
            workbook.write(temporary, map(_flat, counted), tuple(columns.types()), shade)
            return counted.number, counted.errors
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            if kind == ".jsonl":
                for result in counted:
                    file.write(f"{json.dumps(result, ensure_ascii=False)}\n")
            else:
                header = {name: name for name in columns.types()}
                writer = csv.DictWriter(file, header, delimiter="\t" if kind == ".tsv" else ",")
                for row in itertools.chain([header], map(_flat, counted)):
                    writer.writerow(_without_formulas(row))
    return counted.number, counted.errors


class _Counted:
    def __init__(self, results: Iterable[dict[str, Any]]) -> None:
        self.results, self.number, self.errors = results, 0, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for result in self.results:
            self.number += 1
            self.errors += result["error"] is not None
            yield result


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    """A result whose lists are texts."""
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
        for name, value in result.items()
    }


def _without_formulas(row: dict[str, Any]) -> dict[str, Any]:
    """A row that no program runs: they take texts for formulas by how they begin."""
    return {
        name: f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
        for name, value in row.items()
    }


def write_parquet(
    file: str | os.PathLike[str] | BinaryIO,
    results: Iterable[dict[str, Any]],
    columns: Named,
) -> tuple[int, int]:
    """Write results as Parquet to a path or an open file; arguments and result as of `write`."""
    pa, pq = pyarrow()
    counted = _Counted(results)
    texts = iter(counted)
    schema = arrow_schema(columns)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while rows := list(itertools.islice(texts, _GROUP)):
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return counted.number, counted.errors


def arrow_schema(columns: Named) -> Any:
    """The names and types of the columns, as pyarrow has them."""
    pa, _ = pyarrow()
    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64()}
    quote = {name: types[kind] for name, kind in QUOTE.items()}
    types["quotes"] = pa.list_(pa.struct(list(quote.items())))
    return pa.schema([(name, types[kind]) for name, kind in columns.types().items()])
