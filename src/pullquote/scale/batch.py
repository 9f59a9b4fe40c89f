"""Answers files of questions into a folder of Parquet files, each row exactly once.

    batch(Reader(), "questions/*.parquet", "answers")     # stopped? call it again: it goes on

Rows are answered in blocks, and each block is a file of OUT that appears whole or not at all:

    answers/_batch.json                 what is answered by which model, and how: the plan
    answers/part-00002-0000017.parquet  block 17 of the third file, rows 34,817 to 36,864

A block whose file is there is not answered again, so that whatever stops the work (a kill, a full
disk, a power cut) costs the blocks that were under way, and no row is lost or stands twice.
"""

from __future__ import annotations

import glob
import itertools
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.data.formats import read_items
from pullquote.data.rows import Dropped
from pullquote.data.tables import pyarrow
from pullquote.errors import ConfigError, DataError, OutputError
from pullquote.files import write_json
from pullquote.progress import Progress, no_progress
from pullquote.reading.identity import fingerprint
from pullquote.scale import output
from pullquote.scale.answering import Columns, answer_rows
from pullquote.scale.locking import locked

if TYPE_CHECKING:
    from pullquote.data.rows import Item
    from pullquote.reading.reader import Reader

FORMAT = 1
"""The version of the plan that is written, and the newest that is read."""
PLAN = "_batch.json"  # readers of Parquet folders leave out names that begin so
ROWS = 2048
"""Rows of a block: some seconds of work, and files that are not too many."""

_ENDINGS = re.compile(r"\.(?:parquet|(?:jsonl|csv|tsv|json)(?:\.gz)?)\Z", re.I)
_LEFT_OVER = ".pullquote-*"  # of files that were not finished


@dataclass(frozen=True, slots=True)
class Source:
    """A file of questions as it was when the work began."""

    path: str
    size: int
    modified: int
    """`st_mtime_ns`."""


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


def batch(
    reader: Reader,
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    columns: Columns | None = None,
    rows: int = ROWS,
    answerable: float | None = None,
    threshold: float | None = None,
    progress: Progress = no_progress,
) -> Done:
    """Answer all questions of some files; a row of OUT for each row, in their order.

    `source` is a file, a folder, a glob, or several; formats are those of `pullquote.data.load`.
    `progress` counts the bytes that were read. Started again, it goes on where it was stopped, and
    answers files that were added since. Raises `DataError` where there is nothing to read or a file
    is not of its format; `ConfigError` where OUT is another folder, of other settings or of files
    that have changed since; `OutputError` where OUT cannot be written or is being written.

    >>> from pathlib import Path
    >>> from pullquote import Reader
    >>> from pullquote.scale.batch import batch
    >>> _ = Path("questions.csv").write_text("question,context\\nWho led?,Rollo led.\\n")
    >>> done = batch(Reader("tiny"), "questions.csv", "answers")  # doctest: +SKIP
    """
    columns = columns or Columns()
    if not 1 <= rows <= 1_000_000:
        raise ConfigError(f"rows is {rows}, expected 1 to 1,000,000")
    pyarrow()  # raises an error before there is any work
    reader.answer_all(
        (), top_k=columns.top_k, answerable=answerable, threshold=threshold
    )  # as well
    out = Path(out)
    sources = find(source, without=out)
    settings = {
        "model": reader.directory.name,
        "weights": fingerprint(reader),
        "columns": {"keep": list(columns.keep), "top_k": columns.top_k},
        "rows": rows,
        "decision": asdict(reader.config.decision(threshold=threshold, answerable=answerable)),
        "reader": json.loads(json.dumps(asdict(reader.config))),
    }
    began = time.monotonic()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror})") from None
    with locked(out):
        for left_over in out.glob(_LEFT_OVER):
            left_over.unlink(missing_ok=True)
        planned = _plan(out, sources, settings)
        total = sum(entry.size for entry in planned)
        counted = _Counts()
        for number, entry in enumerate(planned):
            blocks = _blocks(read_items(entry.path, read=counted.reading), rows)
            for block, held in enumerate(blocks):
                path = out / f"part-{number:05d}-{block:07d}.parquet"
                if path.exists():
                    counted.found(path, len(held))
                else:
                    first = 1 + block * rows
                    if number:  # numbers begin anew in each file; those of the first are plain
                        held = _named(held, Path(entry.path).name, first)
                    results = answer_rows(
                        reader,
                        held,
                        columns,
                        first=first,
                        answerable=answerable,
                        threshold=threshold,
                    )
                    output.write(path, counted.seen(results), columns)
                progress(min(counted.read, total), total, counted.rate(began))
            counted.end_of_file(entry.size)
        progress(total, total, counted.rate(began))
    return Done(counted.rows, counted.errors, counted.resumed, time.monotonic() - began)


def find(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    without: Path | None = None,
) -> list[Source]:
    """The files of questions at a path, in a folder and those below, or that a glob matches.

    Left out are files in the folder `without`, and hidden ones in folders.
    """
    ours = os.path.join(os.path.realpath(without), "") if without else None  # noqa: PTH118
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths: dict[str, None] = {}
    for one in given:
        name = os.fspath(one)
        if Path(name).is_dir():
            below = sorted(path for path in Path(name).rglob("*") if path.is_file())
            found = [
                str(path)
                for path in below
                if _ENDINGS.search(path.name) and not path.name.startswith((".", "_"))
            ]
        elif Path(name).exists():
            found = [name]
        else:
            found = sorted(
                path
                for path in glob.glob(name, recursive=True)  # noqa: PTH207 -- of any path, with or without a root
                if Path(path).is_file()
            )
        found = [path for path in found if not (ours and os.path.realpath(path).startswith(ours))]
        if not found:
            raise DataError(
                f"{name}: no file of questions; expected .parquet, .jsonl, .csv, .tsv or .json "
                "files, or a folder or a glob with some"
            )
        paths |= dict.fromkeys(os.path.realpath(path) for path in found)
    return [
        Source(path, status.st_size, status.st_mtime_ns)
        for path, status in ((path, Path(path).stat()) for path in paths)
    ]


def _plan(out: Path, sources: list[Source], settings: dict[str, Any]) -> list[Source]:
    """The files to answer: those that were planned before, and new ones after them."""
    path = out / PLAN
    known: list[Source] = []
    if path.exists():
        before = _read_plan(path)
        for name, value in settings.items():
            if before["settings"].get(name) != value:
                raise ConfigError(
                    f"{out}: was begun with {name} {json.dumps(before['settings'].get(name))}, "
                    f"not {json.dumps(value)}; give the same, or another folder"
                )
        known = [Source(**entry) for entry in before["files"]]
    elif any(out.iterdir()):
        raise ConfigError(f"{out}: holds other files; expected a new or an empty folder")
    now = {entry.path: entry for entry in sources}
    for entry in known:
        if entry.path in now and now[entry.path] != entry:
            raise ConfigError(
                f"{entry.path}: has changed since its questions were answered into {out}; answer "
                "it into another folder"
            )
        if entry.path not in now:
            raise ConfigError(
                f"{entry.path}: was begun, and is not among the files now; name it, too, or "
                "another folder"
            )
    there = set(known)
    planned = [*known, *(entry for entry in sources if entry not in there)]
    if planned != known:
        files = [asdict(entry) for entry in planned]
        write_json(path, {"format": FORMAT, "settings": settings, "files": files})
    return planned


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        number = int(plan["format"])
        if number <= FORMAT:
            if not isinstance(plan["settings"], dict):
                raise TypeError("settings")
            for entry in plan["files"]:
                Source(**entry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); choose another folder") from None
    if number > FORMAT:
        raise ConfigError(
            f"{path}: has format {number}, written by a newer pullquote; this one reads formats up "
            f"to {FORMAT}"
        )
    return dict(plan)


def _blocks(items: Iterator[Item], rows: int) -> Iterator[list[Item]]:
    while block := list(itertools.islice(items, rows)):
        yield block


def _named(items: Iterable[Item], name: str, first: int) -> list[Item]:
    """Rows without an id get one with the name of their file, since numbers begin anew in each."""
    named: list[Item] = []
    for number, item in enumerate(items, first):
        id = f"{name}:{number}"
        if isinstance(item, Dropped):
            item = Dropped(id, item.where, item.reason)
        elif isinstance(item[1], dict) and item[1].get("id") in (None, ""):
            item = item[0], {**item[1], "id": id}
        named.append(item)
    return named


class _Counts:
    """Counts rows, errors and bytes."""

    def __init__(self) -> None:
        self.rows = self.errors = self.resumed = self.read = self._before = 0

    def reading(self, at: int) -> None:
        """Note how far the file that is read was read."""
        self.read = max(self.read, self._before + at)

    def end_of_file(self, size: int) -> None:
        self.read = self._before = self._before + size

    def seen(self, results: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for result in results:
            self.rows += 1
            self.errors += result["error"] is not None
            yield result

    def found(self, path: Path, expected: int) -> None:
        """Count the rows of a block that was answered before."""
        _, pq = pyarrow()
        try:
            with pq.ParquetFile(path) as file:
                errors = file.read(columns=["error"]).column(0)
        except (OSError, ValueError) as error:
            raise OutputError(f"{path}: is damaged ({error}); remove it, and start again") from None
        if len(errors) != expected:
            raise OutputError(
                f"{path}: has {len(errors):,} rows, expected {expected:,}; remove it, and start "
                "again"
            )
        self.rows += expected
        self.resumed += expected
        self.errors += expected - errors.null_count

    def rate(self, began: float) -> str:
        answered = self.rows - self.resumed
        return f"{self.rows:,} rows, {answered / max(time.monotonic() - began, 1e-3):,.0f} a second"
