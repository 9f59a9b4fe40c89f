"""Blocks of rows, each answered into a file of its own: the unit of work of every engine.

    for block in blocks_of(0, sources, rows):   # wherever the file is read
        job.answer(block)                       # wherever there is a reader, here or on a cluster

A block whose file is there is not answered again. Answered twice at once, as a cluster may do when
it loses touch with a worker, the second file replaces the first with the same rows. Knows nothing
of who calls it.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pullquote.data.formats import read_items
from pullquote.data.rows import Dropped
from pullquote.data.tables import pyarrow
from pullquote.errors import OutputError
from pullquote.reading.identity import fingerprint
from pullquote.scale import output
from pullquote.scale.answering import Columns, answer_rows, ask_rows
from pullquote.scale.plan import names
from pullquote.searching.search import Searcher

if TYPE_CHECKING:
    from pullquote.data.rows import Item
    from pullquote.reading.reader import Reader
    from pullquote.scale.folders import Folder
    from pullquote.scale.plan import Source


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring rows of a file."""

    file: int
    """The number of their file in the plan."""
    part: str
    """The name of the file of their results."""
    first: int
    """The number of the first row, from 1."""
    rows: int
    items: list[Item]
    """The rows; none where they were answered before."""
    read: int
    """Bytes of their file that were read so far."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a block."""

    file: int
    rows: int
    errors: int
    resumed: bool
    """Whether it had been answered before."""
    read: int
    kept: frozenset[str] = frozenset()
    """The columns to keep of which some row has a value."""


def blocks_of(
    file: int, sources: Sequence[Source], rows: int, done: frozenset[str] = frozenset()
) -> Iterator[Block]:
    """Yield the blocks of a planned file, the same each time, in bounded memory but for JSON.

    Those whose results are among the files `done` have no items.
    """
    read = 0

    def reading(at: int) -> None:
        nonlocal read
        read = max(read, at)

    items = read_items(sources[file].path, read=reading)
    for block in itertools.count():
        held = list(itertools.islice(items, rows))
        if not held:
            return
        part, first = f"part-{file:05d}-{block:07d}.parquet", 1 + block * rows
        count = len(held)
        if part in done:
            held = []
        elif file:  # numbers begin anew in each file; those of the first are plain
            held = _named(held, names(sources)[file], first)
        yield Block(file, part, first, count, held, read)


@dataclass(frozen=True, slots=True)
class Job:
    """How blocks are answered. A cluster pickles it, which the reader allows."""

    asked: Reader | Searcher
    """A reader answers from the text of each row, a searcher from its documents."""
    columns: Columns
    folder: Folder
    rows: int
    """Of a block."""
    done: frozenset[str] = frozenset()
    """Names of the files of blocks that were answered before."""
    answerable: float | None = None
    threshold: float | None = None
    path: str | None = None
    """With a searcher: the glob that paths of documents match."""
    where: Mapping[str, Any] | None = None
    """With a searcher: the metadata of documents."""

    @property
    def reader(self) -> Reader:
        return self.asked.reader if isinstance(self.asked, Searcher) else self.asked

    def settings(self) -> dict[str, Any]:
        """All that results depend on, but for the rows, as JSON has it."""
        config = self.reader.config
        decision = config.decision(threshold=self.threshold, answerable=self.answerable)
        settings = {
            "model": self.reader.directory.name,
            "weights": fingerprint(self.reader),
            "columns": {"keep": list(self.columns.keep), "top_k": self.columns.top_k},
            "rows": self.rows,
            "decision": asdict(decision),
            "reader": asdict(config),
            "index": None,
        }
        if isinstance(self.asked, Searcher):
            settings["index"] = {
                "state": self.asked.index.state,
                "path": self.path,
                "where": self.where or None,
                "ranking": asdict(self.asked.ranking),
            }
        return settings

    def answer(self, block: Block) -> Answered:
        """Answer a block into its file, or count what is in it.

        Raises `OutputError` where the file cannot be written, or is not what was written.
        """
        if block.part in self.done:
            errors, kept = _read_part(self.folder, block, self.columns.keep)
            return Answered(block.file, block.rows, errors, True, block.read, kept)
        file = io.BytesIO()
        found: set[str] = set()

        def results() -> Iterator[dict[str, Any]]:
            for result in self._results(block):
                found.update(name for name in self.columns.keep if result[name] is not None)
                yield result

        rows, errors = output.write_parquet(file, results(), self.columns)
        self.folder.write(block.part, file.getvalue())
        return Answered(block.file, rows, errors, False, block.read, frozenset(found))

    def _results(self, block: Block) -> Iterator[dict[str, Any]]:
        decision = {"answerable": self.answerable, "threshold": self.threshold}
        if not isinstance(self.asked, Searcher):
            return answer_rows(self.asked, block.items, self.columns, first=block.first, **decision)
        return ask_rows(
            self.asked,
            block.items,
            self.columns,
            first=block.first,
            path=self.path,
            where=self.where,
            **decision,
        )


Engine: TypeAlias = "Callable[[Job, Sequence[Source]], Generator[Answered, None, None]]"
"""Answers all blocks of some files, in any order, somewhere."""


def in_this_process(job: Job, sources: Sequence[Source]) -> Generator[Answered, None, None]:
    """The engine of one machine: block after block."""
    for file in range(len(sources)):
        yield from map(job.answer, blocks_of(file, sources, job.rows, job.done))


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


def _read_part(folder: Folder, block: Block, keep: Sequence[str]) -> tuple[int, frozenset[str]]:
    """Of a block that was answered before: how many rows have an error, and `Answered.kept`."""
    _, pq = pyarrow()
    content = folder.read(block.part)
    try:
        with pq.ParquetFile(io.BytesIO(content)) as file:
            # Arrow's threads might still hold the bytes while Python ends, which aborts it
            table = file.read(columns=["error", *keep], use_threads=False)
            errors = table["error"]
            kept = frozenset(name for name in keep if table[name].null_count < len(table))
    except (ValueError, OSError, LookupError) as error:  # OSError of what cannot be unpacked
        why = " ".join(str(error).split())
        raise OutputError(
            f"{folder}/{block.part}: is damaged ({why}); remove it, and start again"
        ) from None
    if len(errors) != block.rows:
        raise OutputError(
            f"{folder}/{block.part}: has {len(errors):,} rows, expected {block.rows:,}; remove it, "
            "and start again"
        )
    return block.rows - int(errors.null_count), kept
