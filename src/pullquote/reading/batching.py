"""Reads many windows with one model: batches of like length, several at once, results in order.

Knows windows and a backend; what a window's logits mean is the caller's, who gives three functions:

    windows(task)                    yields the windows of a task (a question on a context)
    read(task, window, start, end)   what one window has to say, from its rows of logits
    finish(task, readings)           the result of a task
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pullquote.types import Window

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend
    from pullquote.reading.encode import Encoder

# Windows that are sorted by length together: enough that neighbours in length are alike and that
# every worker has several batches, few enough that results come soon and memory stays small.
CHUNK = 256
_CHUNK_PER_WORKER = 16

Task = TypeVar("Task")
AnyWindow = TypeVar("AnyWindow", bound=Window)
Reading = TypeVar("Reading")
Result = TypeVar("Result")
Row = NDArray[np.float32]  # a window's logits, (T,) or longer by padding


@dataclass(slots=True, eq=False)
class _Pending(Generic[Task, Reading]):
    """A task whose windows are being read."""

    task: Task
    readings: list[Reading] = field(default_factory=list)
    unread: int = 0  # windows made, but not read yet
    complete: bool = False  # all windows have been made
    error: Exception | None = None  # why there are none


class _Item(NamedTuple):
    pending: _Pending  # type: ignore[type-arg]  # a NamedTuple cannot be generic in Python 3.10
    window: Window


@dataclass(frozen=True, slots=True)
class Batched(Generic[Task, AnyWindow, Reading, Result]):
    """One way to read: an encoder, a backend and the three functions of this module's head."""

    encoder: Encoder
    backend: Backend
    windows: Callable[[Task], Iterable[AnyWindow]]
    read: Callable[[Task, AnyWindow, Row, Row], Reading]
    finish: Callable[[Task, list[Reading]], Result]

    def run(
        self,
        tasks: Iterable[Task],
        after_chunk: Callable[[Window], None] | None = None,
        *,
        first_chunk: int = CHUNK,
    ) -> Iterator[Result]:
        """Yield a result for each task, lazily and in order.

        What `windows` raises for bad input comes in its task's turn, after the results before it.
        `after_chunk` is called now and then with the last window that was read. `first_chunk` is
        how many windows are looked at before the first result; with 1, a live stream is answered
        item by item at first.
        """
        waiting: deque[_Pending[Task, Reading]] = deque()  # in the order of the tasks
        for chunk in self._read_chunks(self._items(tasks, waiting), first_chunk):
            if after_chunk:
                after_chunk(chunk[-1].window)
            while waiting and waiting[0].complete and not waiting[0].unread:
                yield self._finish(waiting.popleft())
        for pending in waiting:  # tasks without windows, and what ended with the last chunk
            yield self._finish(pending)

    def _items(
        self, tasks: Iterable[Task], waiting: deque[_Pending[Task, Reading]]
    ) -> Iterator[_Item]:
        for task in tasks:
            pending: _Pending[Task, Reading] = _Pending(task)
            waiting.append(pending)
            try:
                windows = iter(self.windows(task))
                following = next(windows, None)
                while (window := following) is not None:
                    pending.unread += 1
                    # known before the last one is read, so that its task need not wait for another
                    pending.complete = (following := next(windows, None)) is None
                    yield _Item(pending, window)
            except (ValueError, KeyError, TypeError) as error:
                pending.error, pending.complete = error, True
                return
            pending.complete = True

    def _read_chunks(self, items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
        """Yield the items in chunks once their windows have been read.

        Chunks grow from `size`. Of those of full size, the backend's workers read one while the
        next is tokenised here.
        """
        workers = self.backend.workers
        full = max(CHUNK, _CHUNK_PER_WORKER * workers)
        size = full if size >= CHUNK else size
        reading: deque[tuple[list[_Item], list[tuple[list[_Item], Future[list[Reading]]]]]]
        reading = deque()
        pool = ThreadPoolExecutor(workers)
        try:
            while True:
                if chunk := list(itertools.islice(items, size)):
                    reading.append((chunk, self._begin(chunk, pool, alone=not reading)))
                if not reading:
                    return
                ahead = 1 if workers > 1 and size == full else 0
                size = min(2 * size, full)
                if len(reading) > ahead or not chunk:
                    read, begun = reading.popleft()
                    for batch, result in begun:
                        for item, answer in zip(batch, result.result(), strict=True):
                            item.pending.readings.append(answer)
                            item.pending.unread -= 1
                    yield read
        finally:
            pool.shutdown(cancel_futures=True)

    def _begin(
        self, chunk: list[_Item], pool: ThreadPoolExecutor, alone: bool
    ) -> list[tuple[list[_Item], Future[list[Reading]]]]:
        batches = list(_batches(chunk, self.backend.batch_tokens))
        workers = self.backend.workers
        if workers > 1 and (len(batches) > 2 * workers or not alone):
            return [(batch, pool.submit(self._read, batch, alone=False)) for batch in batches]
        # A few batches, and above all a single question, are quicker one after the other, each
        # with all threads.
        begun = []
        for batch in batches:
            result: Future[list[Reading]] = Future()
            result.set_result(self._read(batch, alone=True))
            begun.append((batch, result))
        return begun

    def _read(self, batch: list[_Item], *, alone: bool) -> list[Reading]:
        logits = self.backend(self.encoder.batch([item.window for item in batch]), alone=alone)
        readings = []
        for row, item in enumerate(batch):
            window = cast("AnyWindow", item.window)  # `_items` took it from `windows`
            start, end = logits.start[row], logits.end[row]
            readings.append(self.read(item.pending.task, window, start, end))
        return readings

    def _finish(self, pending: _Pending[Task, Reading]) -> Result:
        if pending.error:
            raise pending.error
        return self.finish(pending.task, pending.readings)


def _batches(chunk: list[_Item], tokens: int) -> Iterator[list[_Item]]:
    """Batches of windows of like length, so that hardly a token is padding."""
    batch: list[_Item] = []
    for item in sorted(chunk, key=lambda item: len(item.window)):
        if batch and (len(batch) + 1) * len(item.window) > tokens:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
