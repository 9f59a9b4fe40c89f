"""Writes results as Parquet, JSON Lines, CSV or XLSX, whole or not at all.

    write("answers.parquet", results, Columns(keep=("team",)))

Knows columns and files, not readers. A CSV or XLSX file has a number where the others have one, ""
for nothing, and JSON in the column `answers`.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pullquote.data.tables import pyarrow
from pullquote.errors import OutputError
from pullquote.files import replacing
from pullquote.scale import workbook

KINDS = (".parquet", ".jsonl", ".csv", ".tsv", ".xlsx")
_GROUP = 4096  # rows of a row group, and held at once


def check_kind(path: str | os.PathLike[str]) -> None:
    """Raise `OutputError` for a name with another ending than those in `KINDS`."""
    if Path(path).suffix.lower() not in KINDS:
        raise OutputError(f"{path}: its ending is none of {', '.join(KINDS)}; write one of these")
    if Path(path).suffix.lower() == ".parquet":
        pyarrow()  # raises an error before there is any work
    elif Path(path).suffix.lower() == ".xlsx":
        workbook.xlsxwriter()


class Named(Protocol):
    """The columns of a table."""

    def names(self) -> tuple[str, ...]:
        """Their names, in order; one is "error"."""


def write(
    path: str | os.PathLike[str],
    results: Iterable[dict[str, Any]],
    columns: Named,
    *,
    scores: Collection[str] = (),
    shade: workbook.Shade = workbook.unshaded,
) -> tuple[int, int]:
    """Write results to a new or replaced file of the kind that its name tells.

    Returns how many there were, and how many of them with an error. `scores` are columns of numbers
    besides those of answers, `shade` says which cells of a workbook are coloured.

    Raises `OutputError` where the file cannot be written, or for another kind.
    """
    check_kind(path)
    kind = Path(path).suffix.lower()
    counted = _Counted(results)
    with replacing(path) as temporary:
        if kind == ".parquet":
            return write_parquet(temporary, results, columns, scores=scores)
        if kind == ".xlsx":
            workbook.write(temporary, map(_flat, counted), columns.names(), shade)
            return counted.number, counted.errors
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            if kind == ".jsonl":
                for result in counted:
                    file.write(f"{json.dumps(result, ensure_ascii=False)}\n")
            else:
                writer = csv.DictWriter(
                    file, columns.names(), delimiter="\t" if kind == ".tsv" else ","
                )
                writer.writeheader()
                for result in counted:
                    writer.writerow(_flat(result))
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
    """A result whose list of answers is one text."""
    if result.get("answers") is None:
        return result
    return {**result, "answers": json.dumps(result["answers"], ensure_ascii=False)}


def write_parquet(
    file: str | os.PathLike[str] | BinaryIO,
    results: Iterable[dict[str, Any]],
    columns: Named,
    *,
    scores: Collection[str] = (),
) -> tuple[int, int]:
    """Write results as Parquet to a path or an open file; arguments and result as of `write`."""
    pa, pq = pyarrow()
    counted = _Counted(results)
    texts = iter(counted)
    schema = arrow_schema(columns, scores)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while rows := list(itertools.islice(texts, _GROUP)):
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return counted.number, counted.errors


def arrow_schema(columns: Named, scores: Collection[str] = ()) -> Any:
    """The names and types of the columns, as pyarrow has them."""
    pa, _ = pyarrow()
    quote = [("start", pa.int64()), ("end", pa.int64()), ("score", pa.float64())]
    types = dict(quote, no_answer_score=pa.float64(), number=pa.int64())
    types["answers"] = pa.list_(pa.struct([("text", pa.string()), *quote]))
    types |= dict.fromkeys(scores, pa.float64())
    return pa.schema([(name, types.get(name, pa.string())) for name in columns.names()])
