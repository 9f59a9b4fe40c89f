"""Gathers the questions of many requests into batches; a bounded queue that turns away the rest.

Knows asyncio, nothing of HTTP, text or models: `read` is given a few questions of equal kind and
returns as many answers, in a thread of its own. All state lives in the event loop.

    gatherer = Gatherer(read, lanes=2, max_batch=16, max_wait=0.003, capacity=256)
    async with gatherer:
        answers = await gatherer.ask([question, question])   # raises FullError
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pullquote.errors import PullquoteError
from pullquote.serving.lanes import AbandonedError

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class FullError(PullquoteError):
    """The queue is full; the client had best come again a little later."""


@dataclass(slots=True, eq=False)
class Asked(Generic[Question, Answer]):
    """A question that waits, and the future that its request waits for."""

    question: Question
    size: int  # windows, about
    answer: asyncio.Future[Answer]


Read = Callable[[Sequence[Question], Callable[[], bool]], "list[Answer | Exception]"]
"""Questions, and whether nobody waits for them any more, to an answer or an error for each."""


class Gatherer(Generic[Question, Answer]):
    """A queue in front of `lanes` threads; see the module's head.

    `size` tells about how many windows a question needs: what is larger than a batch is read
    alone, so that nobody has to wait for it to the end. `on_batch` hears how many were gathered,
    `on_waiting` how many wait whenever that changes.
    """

    def __init__(
        self,
        read: Read[Question, Answer],
        *,
        lanes: int,
        max_batch: int,
        max_wait: float,
        capacity: int,
        size: Callable[[Question], int] = lambda question: 1,
        on_batch: Callable[[int], None] = lambda count: None,
        on_waiting: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._read = read
        self._lanes = lanes if max_batch > 1 else 1
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._capacity = capacity
        self._size = size
        self._on_batch = on_batch
        self._on_waiting = on_waiting
        # Requests take turns, a question each, so that one with many holds up nobody.
        self._requests: deque[deque[Asked[Question, Answer]]] = deque()
        self._waiting = 0
        self._busy = 0
        self._arrival = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Gatherer[Question, Answer]:
        self._pool = ThreadPoolExecutor(self._lanes, thread_name_prefix="lane")
        self._tasks = [asyncio.create_task(self._lane()) for _ in range(self._lanes)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown()

    @property
    def waiting(self) -> int:
        """Questions that no lane has taken yet."""
        return self._waiting

    @property
    def full(self) -> bool:
        return self._waiting >= self._capacity

    async def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers, in order; raises the first error among them, or `FullError`.

        Cancelled, it takes its questions out of the queue and lets go of those being read.
        """
        # a request larger than the queue is let in when nobody else waits
        if self._waiting and self._waiting + len(questions) > self._capacity:
            raise FullError(
                f"{self._waiting} questions wait already, of at most {self._capacity}; "
                "come again in a moment"
            )
        loop = asyncio.get_running_loop()
        asked = [Asked(one, self._size(one), loop.create_future()) for one in questions]
        request = deque(asked)
        self._requests.append(request)
        self._wait(len(request))
        self._arrival.set()
        try:
            return [await one.answer for one in asked]
        finally:
            self._wait(-len(request))
            request.clear()
            for one in asked:
                if not one.answer.cancel() and not one.answer.cancelled():
                    one.answer.exception()  # of several, asyncio wants each to be looked at

    def _wait(self, change: int) -> None:
        self._waiting += change
        self._on_waiting(self._waiting)

    async def _lane(self) -> None:
        """Take a batch, have it read, hand out the answers; for ever."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._take()
            self._busy += 1
            self._on_batch(len(batch))
            try:
                answers = await loop.run_in_executor(
                    self._pool,
                    self._read,
                    [one.question for one in batch],
                    functools.partial(_unwanted, batch),
                )
            except AbandonedError:
                continue  # nobody is left to hear of it
            except Exception as error:  # noqa: BLE001  # it goes to those who wait
                answers = [error] * len(batch)
            finally:
                self._busy -= 1
            for one, answer in zip(batch, answers, strict=True):
                if one.answer.done():  # cancelled meanwhile
                    continue
                if isinstance(answer, Exception):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)

    async def _take(self) -> list[Asked[Question, Answer]]:
        """The next batch: what waits by now, or comes within `max_wait` while others are read."""
        batch: list[Asked[Question, Answer]] = []
        while not batch:
            while not self._waiting:
                self._arrival.clear()
                await self._arrival.wait()
            few = self._waiting < self._max_batch and (self._busy or self._waiting > 1)
            if few and self._max_wait:
                await asyncio.sleep(self._max_wait)
            share = -(-self._waiting // (self._lanes - self._busy))  # of each lane that is free
            room = self._max_batch
            while self._requests and room > 0 and len(batch) < share:
                request = self._requests.popleft()
                if not request:  # cancelled
                    continue
                if batch and request[0].size > room:
                    self._requests.appendleft(request)
                    break
                batch.append(request.popleft())
                self._wait(-1)
                room -= batch[-1].size
                self._requests.append(request)
        return batch


def _unwanted(batch: list[Asked[Any, Any]]) -> bool:
    """Whether nobody waits for any of these; a lane asks from its thread, and only looks."""
    return all(one.answer.done() for one in batch)
