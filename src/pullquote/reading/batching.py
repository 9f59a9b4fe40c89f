"""Runs a model over many windows: batches of similar length, several workers, results in order.

Knows windows and a backend. The caller decides what to make of the logits, with three functions:

    windows(task)                    yields the windows of a task (a question on a context)
    read(task, window, start, end)   the result of one window, from its rows of logits
    finish(task, window_results)     the result of a task

Where the backend finds spans itself, `SpanSearch` says how a result is made of these instead.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pullquote.types import Window, WindowSpans

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from pullquote.reading.backends import Backend
    from pullquote.reading.encode import Encoder

# Windows that are sorted by length together. More of them give batches with less padding and more
# batches for each worker; fewer give results sooner and take less memory.
CHUNK = 256
_CHUNK_PER_WORKER = 16
_CHUNK_WATCHED = 16  # windows of a chunk where one worker reads, and somebody waits for progress
_CHUNK_TOKENS = 16  # a chunk has a window for so many tokens of a batch

Task = TypeVar("Task")
AnyWindow = TypeVar("AnyWindow", bound=Window)
WindowResult = TypeVar("WindowResult")
Result = TypeVar("Result")
LogitRow = NDArray[np.float32]  # the logits of a window, (T,), or longer if padded


@dataclass(slots=True, eq=False)
class _Pending(Generic[Task, WindowResult]):
    """A task whose windows are being read."""

    task: Task
    results: list[WindowResult] = field(default_factory=list)
    unread: int = 0  # windows that were made, but not read yet
    complete: bool = False  # whether all windows have been made
    error: Exception | None = None  # raised by `windows` or by the iterable


class _Item(NamedTuple):
    pending: _Pending  # type: ignore[type-arg]  # a NamedTuple cannot be generic in Python 3.10
    window: Window


_Begun: TypeAlias = tuple[list[_Item], Callable[[], list[WindowResult]]]
"""A batch that is being read, and what waits for its results."""


@dataclass(frozen=True, slots=True)
class SpanSearch(Generic[Task, AnyWindow, WindowResult]):
    """What a `SpanBackend` searches for, and how a window is read from the spans that it found."""

    max_answer_length: int
    most: int  # spans of a window
    read: Callable[[Task, AnyWindow, WindowSpans], WindowResult | None]
    """None where more spans are needed: the window is then read from its logits."""


@dataclass(frozen=True, slots=True)
class Batched(Generic[Task, AnyWindow, WindowResult, Result]):
    """An encoder, a backend and the three functions that the module docstring describes."""

    encoder: Encoder
    backend: Backend
    windows: Callable[[Task], Iterable[AnyWindow]]
    read: Callable[[Task, AnyWindow, LogitRow, LogitRow], WindowResult]
    finish: Callable[[Task, list[WindowResult]], Result]
    search: SpanSearch[Task, AnyWindow, WindowResult] | None = None

    def run(
        self,
        tasks: Iterable[Task],
        after_chunk: Callable[[Window], None] | None = None,
        *,
        first_chunk: int = CHUNK,
    ) -> Iterator[Result]:
        """Yield a result for each task, lazily and in order.

        An error of `tasks`, and one that `windows` raises for bad input, is raised after the
        results of the tasks before it. `after_chunk` is called after each chunk with the last
        window that was read. `first_chunk` is the number of windows to read before the first
        result; with 1, the first items of a live stream are answered one by one.
        """
        waiting: deque[_Pending[Task, WindowResult]] = deque()  # in the order of the tasks
        often = after_chunk is not None and self.backend.workers == 1
        most = _CHUNK_WATCHED if often else None
        for chunk in self._read_chunks(self._items(tasks, waiting), first_chunk, most):
            if after_chunk:
                after_chunk(chunk[-1].window)
            while waiting and waiting[0].complete and not waiting[0].unread:
                yield self._finish(waiting.popleft())
        for pending in waiting:  # tasks without windows, and those that the last chunk completed
            yield self._finish(pending)

    def _items(
        self, tasks: Iterable[Task], waiting: deque[_Pending[Task, WindowResult]]
    ) -> Iterator[_Item]:
        remaining = iter(tasks)
        while True:
            try:
                task = next(remaining)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - raised later
                waiting.append(_Pending(cast("Task", None), complete=True, error=error))
                return
            pending: _Pending[Task, WindowResult] = _Pending(task)
            waiting.append(pending)
            try:
                windows = iter(self.windows(task))
                following = next(windows, None)
                while (window := following) is not None:
                    pending.unread += 1
                    # set before the last window is read, so that the task can finish with its chunk
                    pending.complete = (following := next(windows, None)) is None
                    yield _Item(pending, window)
            except (ValueError, KeyError, TypeError) as error:
                pending.error, pending.complete = error, True
                return
            pending.complete = True

    def _read_chunks(
        self, items: Iterator[_Item], size: int, most: int | None
    ) -> Iterator[list[_Item]]:
        """Yield the items in chunks once their windows have been read.

        Chunks grow from `size` to the full size, which `most` replaces. With several workers, of
        which this thread is one, the others read a chunk of full size while it tokenises the next.
        """
        workers = self.backend.workers
        # enough for several batches, also of a backend that reads many windows at once
        usual = max(CHUNK, _CHUNK_PER_WORKER * workers, self.backend.batch_tokens // _CHUNK_TOKENS)
        full = most or usual
        size = full if size >= CHUNK else min(size, full)
        reading: deque[tuple[list[_Item], list[_Begun[WindowResult]]]] = deque()
        pool = functools.cache(lambda: _pool(workers - 1))
        try:
            while True:
                if chunk := list(itertools.islice(items, size)):
                    reading.append((chunk, self._begin(chunk, pool, alone=not reading)))
                if not reading:
                    return
                ahead = 1 if workers > 1 and size == full else 0
                size = min(2 * size, full)
                if len(reading) > ahead or not chunk:
                    oldest, begun = reading.popleft()
                    # from the last, since the others began with the first
                    found = [results() for _, results in reversed(begun)]
                    for (batch, _), results in zip(begun, reversed(found), strict=True):
                        for item, result in zip(batch, results, strict=True):
                            item.pending.results.append(result)
                            item.pending.unread -= 1
                    yield oldest
        finally:
            if pool.cache_info().currsize:
                pool().shutdown(cancel_futures=True)

    def _begin(
        self, chunk: list[_Item], pool: Callable[[], ThreadPoolExecutor], alone: bool
    ) -> list[_Begun[WindowResult]]:
        """Start to read a chunk; `alone` when no other chunk is being read."""
        batches = list(_batches(chunk, self.backend.batch_tokens))
        workers = self.backend.workers
        if workers > 1 and (len(batches) > 2 * workers or not alone):
            return [(batch, self._submit(batch, pool())) for batch in batches]
        # A few batches, such as those of a single question, are faster one after the other, each
        # with all threads.
        read = [(batch, self._read(batch, alone=True)) for batch in batches]
        return [(batch, functools.partial(list, results)) for batch, results in read]

    def _submit(
        self, batch: list[_Item], pool: ThreadPoolExecutor
    ) -> Callable[[], list[WindowResult]]:
        """Let another thread read a batch, or this one if it wants the results before that."""
        future = pool.submit(self._read, batch, alone=False)
        return lambda: self._read(batch, alone=False) if future.cancel() else future.result()

    def _read(self, batch: list[_Item], *, alone: bool) -> list[WindowResult]:
        spans = getattr(self.backend, "spans", None)
        if not (self.search and spans):
            return self._read_logits(batch, alone=alone)
        found = spans(
            [item.window for item in batch],
            max_answer_length=self.search.max_answer_length,
            most=self.search.most,
            alone=alone,
        )
        results = []
        for item, window_spans in zip(batch, found, strict=True):
            window = cast("AnyWindow", item.window)  # made by `windows`
            result = self.search.read(item.pending.task, window, window_spans)
            if result is None:
                (result,) = self._read_logits([item], alone=alone)
            results.append(result)
        return results

    def _read_logits(self, batch: list[_Item], *, alone: bool) -> list[WindowResult]:
        logits = self.backend(self.encoder.batch([item.window for item in batch]), alone=alone)
        results = []
        for row, item in enumerate(batch):
            window = cast("AnyWindow", item.window)
            start, end = logits.start[row], logits.end[row]
            results.append(self.read(item.pending.task, window, start, end))
        return results

    def _finish(self, pending: _Pending[Task, WindowResult]) -> Result:
        if pending.error:
            raise pending.error
        return self.finish(pending.task, pending.results)


def _pool(threads: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # a few windows need none

    return ThreadPoolExecutor(threads)


def _batches(chunk: list[_Item], tokens: int) -> Iterator[list[_Item]]:
    """Batches of at most `tokens` tokens, of windows of similar length, with little padding."""
    batch: list[_Item] = []
    for item in sorted(chunk, key=lambda item: len(item.window)):
        if batch and (len(batch) + 1) * len(item.window) > tokens:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
