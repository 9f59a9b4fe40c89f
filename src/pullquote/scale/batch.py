"""Answers files of questions into a folder of Parquet files, each row exactly once.

    batch(Reader(), "questions/*.parquet", "answers")     # stopped? call it again: it goes on

Rows are answered in blocks, and each block is a file of OUT that appears whole or not at all:

    answers/_batch.json                 what is answered by which model, and how: the plan
    answers/part-00002-0000017.parquet  block 17 of the third file, rows 34,817 to 36,864

A block whose file is there is not answered again, so that whatever stops the work (a kill, a full
disk, a power cut) costs the blocks that were under way, and no row is lost or stands twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pullquote.data.tables import pyarrow
from pullquote.errors import ConfigError
from pullquote.progress import Progress, no_progress
from pullquote.scale.answering import Columns
from pullquote.scale.blocks import Job, in_this_process
from pullquote.scale.folders import folder_at
from pullquote.scale.plan import find, plan
from pullquote.searching.search import Searcher

if TYPE_CHECKING:
    from pullquote.reading.reader import Reader
    from pullquote.scale.blocks import Answered, Engine

ROWS = 2048
"""Rows of a block: some seconds of work, and files that are not too many."""


@dataclass(frozen=True, slots=True)
class Done:
    """What `batch` did."""

    rows: int
    """In OUT, of all files."""
    errors: int
    """Rows that could not be answered; their column `error` says why."""
    resumed: int
    """Rows that had been answered before."""
    seconds: float
    missing: tuple[str, ...] = ()
    """Columns to keep of which no row has a value."""


def batch(
    asked: Reader | Searcher,
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    rows: int = ROWS,
    answerable: float | None = None,
    threshold: float | None = None,
    path: str | None = None,
    where: Mapping[str, Any] | None = None,
    engine: Engine = in_this_process,
    progress: Progress = no_progress,
) -> Done:
    """Answer all questions of some files; a row of OUT for each row, in their order.

    A `Reader` answers each from the text of its row, a `Searcher` from its documents (`path` and
    `where` are those of `Searcher.search`). `source` is a file, a folder, a glob, or several;
    formats are those of `pullquote.data.load`. Files and OUT may be URLs of an object store, such
    as "s3://bucket/answers". `engine` does the work: this process, or a
    `pullquote.scale.ray.RayEngine`. `progress` counts the bytes that were read.

    Started again, also with another engine, it goes on where it was stopped, and answers files that
    were added since. Raises `DataError` where there is nothing to read or a file is not of its
    format; `ConfigError` where OUT is another folder, of other settings or of files that have
    changed since; `OutputError` where OUT cannot be written or is being written.

    >>> from pathlib import Path
    >>> from pullquote import Reader
    >>> from pullquote.scale.batch import batch
    >>> _ = Path("questions.csv").write_text("question,context\\nWho led?,Rollo led.\\n")
    >>> done = batch(Reader("tiny"), "questions.csv", "answers")  # doctest: +SKIP
    """
    of_index = isinstance(asked, Searcher)
    columns = columns or Columns(place=of_index)
    if columns.place != of_index:
        raise ConfigError(f"columns.place is {columns.place}; it is True with a Searcher alone")
    if not 1 <= rows <= 1_000_000:
        raise ConfigError(f"rows is {rows}, expected 1 to 1,000,000")
    pyarrow()  # raises an error before there is any work
    folder = folder_at(out)
    job = Job(asked, columns, folder, rows, frozenset(), answerable, threshold, path, where)
    job.reader.answer_all((), top_k=columns.top_k, answerable=answerable, threshold=threshold)
    sources = find(source, without=out)
    began = time.monotonic()
    with folder.locked():
        planned = plan(folder, sources, json.loads(json.dumps(job.settings())))
        job = replace(job, done=frozenset(folder.names()))
        counted = _Counts(sum(entry.size for entry in planned))
        with contextlib.closing(engine(job, planned)) as all_answered:
            for answered in all_answered:
                counted.add(answered)
                progress(counted.read, counted.total, counted.rate())
        progress(counted.total, counted.total, counted.rate())
    missing = tuple(name for name in columns.keep if name not in counted.kept)
    seconds = time.monotonic() - began
    return Done(counted.rows, counted.errors, counted.resumed, seconds, missing)


class _Counts:
    """Counts rows, errors and bytes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.rows = self.errors = self.resumed = self.read = 0
        self.kept: frozenset[str] = frozenset()
        self._read: dict[int, int] = {}  # of each file
        self._skipped = 0  # bytes whose rows had been answered before
        self._began = time.monotonic()

    def add(self, answered: Answered) -> None:
        self.rows += answered.rows
        self.errors += answered.errors
        self.kept |= answered.kept
        more = max(0, answered.read - self._read.get(answered.file, 0))
        self._read[answered.file] = self._read.get(answered.file, 0) + more
        self.read = min(self.read + more, self.total)
        if answered.resumed:
            self.resumed += answered.rows
            self._skipped += more

    def rate(self) -> str:
        """As "40,960 rows, 812 a second, 3 min left"."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        words = f"{self.rows:,} rows, {(self.rows - self.resumed) / seconds:,.0f} a second"
        if (read := self.read - self._skipped) <= 0 or self.read >= self.total:
            return words
        left = seconds * (self.total - self.read) / read
        for unit, size in (("h", 3600), ("min", 60)):
            if left >= 2 * size:
                return f"{words}, {left / size:.0f} {unit} left"
        return f"{words}, {left:.0f} s left"
