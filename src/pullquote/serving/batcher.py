"""Dynamic batching: questions of concurrent requests share batches, behind a bounded queue.

Knows asyncio, nothing of HTTP, text or models. `read` takes a list of questions and returns an
answer for each; it runs in a worker thread. All state belongs to the event loop.

    batcher = Batcher(read, workers=2, max_batch=16, max_wait=0.003, capacity=256)
    async with batcher:
        answers = await batcher.ask([question, question])   # raises QueueFullError
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pullquote.errors import PullquoteError
from pullquote.serving.workers import AbandonedError

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class QueueFullError(PullquoteError):
    """The queue is full; the client should try again later."""


@dataclass(slots=True, eq=False)
class Pending(Generic[Question, Answer]):
    """A question in the queue, and the future that its request awaits."""

    question: Question
    size: int  # windows, about
    deadline: float  # in seconds of `time.monotonic`
    answer: asyncio.Future[Answer]


Read = Callable[[Sequence[Question], Callable[[], float]], "list[Answer | Exception]"]
"""`read(questions, seconds_left)` returns an answer or an error for each question, in order.

`seconds_left()` is how long a request still waits for any of them, 0 once none does; `read` may
then raise `AbandonedError`.
"""


class Batcher(Generic[Question, Answer]):
    """A queue in front of a pool of worker threads.

    `max_wait` is in seconds, `capacity` in questions. `size` estimates how many windows a question
    needs: a question larger than a batch is read alone, so that no other waits for its end.
    `on_batch` is called with the number of questions of each batch, `on_waiting` with the length of
    the queue whenever it changes.
    """

    def __init__(
        self,
        read: Read[Question, Answer],
        *,
        workers: int,
        max_batch: int,
        max_wait: float,
        capacity: int,
        size: Callable[[Question], int] = lambda question: 1,
        on_batch: Callable[[int], None] = lambda count: None,
        on_waiting: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._read = read
        self._workers = workers if max_batch > 1 else 1
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._capacity = capacity
        self._size = size
        self._on_batch = on_batch
        self._on_waiting = on_waiting
        # Round robin over requests, one question each, so that a large request delays no other.
        self._requests: deque[deque[Pending[Question, Answer]]] = deque()
        self._waiting = 0
        self._busy = 0
        self._arrival = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Batcher[Question, Answer]:
        self._arrival = asyncio.Event()  # belongs to the event loop in which it is first awaited
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="worker")
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown()

    @property
    def waiting(self) -> int:
        """The number of questions in the queue; those being read are not counted."""
        return self._waiting

    @property
    def full(self) -> bool:
        return self._waiting >= self._capacity

    async def ask(self, questions: Sequence[Question], deadline: float = math.inf) -> list[Answer]:
        """The answers, in order. Raises the first error among them, or `QueueFullError`.

        When the call is cancelled, its questions leave the queue, and nobody waits for those that
        are being read. The caller cancels it at its `deadline`, in seconds of `time.monotonic`,
        which tells `read` how long it may take.
        """
        # a request larger than the queue is accepted while the queue is empty
        if self._waiting and self._waiting + len(questions) > self._capacity:
            raise QueueFullError(
                f"{self._waiting} questions wait already, of at most {self._capacity}; "
                "come again in a moment"
            )
        loop = asyncio.get_running_loop()
        pending = [
            Pending(one, self._size(one), deadline, loop.create_future()) for one in questions
        ]
        request = deque(pending)
        self._requests.append(request)
        self._change_waiting(len(request))
        self._arrival.set()
        try:
            return [await one.answer for one in pending]
        finally:
            self._change_waiting(-len(request))
            request.clear()
            for one in pending:
                if not one.answer.cancel() and not one.answer.cancelled():
                    one.answer.exception()  # asyncio logs an exception that nobody retrieved

    def _change_waiting(self, change: int) -> None:
        self._waiting += change
        self._on_waiting(self._waiting)

    async def _work(self) -> None:
        """The loop of one worker: take a batch, read it in a thread, hand out the answers."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            self._busy += 1
            self._on_batch(len(batch))
            try:
                answers = await loop.run_in_executor(
                    self._pool,
                    self._read,
                    [one.question for one in batch],
                    functools.partial(_seconds_left, batch),
                )
            except AbandonedError:
                continue  # no request is left to be told
            except Exception as error:  # noqa: BLE001  # every waiting request gets the error
                answers = [error] * len(batch)
            finally:
                self._busy -= 1
            for one, answer in zip(batch, answers, strict=True):
                if one.answer.done():  # its request was cancelled meanwhile
                    continue
                if isinstance(answer, Exception):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)

    async def _next_batch(self) -> list[Pending[Question, Answer]]:
        """What is in the queue now, or arrives within `max_wait` while other workers are busy."""
        batch: list[Pending[Question, Answer]] = []
        while not batch:
            while not self._waiting:
                self._arrival.clear()
                await self._arrival.wait()
            few = self._waiting < self._max_batch and (self._busy or self._waiting > 1)
            if few and self._max_wait:
                await asyncio.sleep(self._max_wait)
            # the idle workers divide the queue: 7 questions, 2 idle workers: 4 and 3
            share = -(-self._waiting // (self._workers - self._busy))
            room = self._max_batch
            while self._requests and room > 0 and len(batch) < share:
                request = self._requests.popleft()
                if not request:  # cancelled
                    continue
                if batch and request[0].size > room:
                    self._requests.appendleft(request)
                    break
                batch.append(request.popleft())
                self._change_waiting(-1)
                room -= batch[-1].size
                self._requests.append(request)
        return batch


def _seconds_left(batch: list[Pending[Any, Any]]) -> float:
    """How long a request waits for any of these. Called from a worker thread; only reads."""
    last = max((one.deadline for one in batch if not one.answer.done()), default=0.0)
    return max(last - time.monotonic(), 0.0)
