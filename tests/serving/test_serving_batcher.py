"""Requests that share batches: who is read together, who waits, who is turned away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from pullquote.serving.batcher import Batcher, QueueFullError
from pullquote.serving.workers import AbandonedError


class DoublingReader:
    """Reads by doubling numbers; records its batches, and waits for `go` if told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()
        self.abandoned = False
        self.seconds_left = 0.0

    def read(self, numbers: Sequence[int], seconds_left: Callable[[], float]) -> list[Any]:
        self.batches.append(list(numbers))
        while not self.go.wait(0.005):
            self.seconds_left = seconds_left()
            if not self.seconds_left:
                self.abandoned = True
                raise AbandonedError
        return [ValueError("no") if number < 0 else 2 * number for number in numbers]


def run(
    reader: DoublingReader, work: Callable[[Batcher[int, int]], Awaitable[Any]], **options: Any
) -> Any:
    """Run `work` with a batcher in front of `reader`."""

    async def main() -> Any:
        usual = {"workers": 1, "max_batch": 4, "max_wait": 0.0, "capacity": 8}
        async with Batcher(reader.read, **{**usual, **options}) as batcher:
            try:
                return await asyncio.wait_for(work(batcher), 20)
            finally:
                reader.go.set()  # a test that fails must not wait for its threads

    return asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


async def hold(
    batcher: Batcher[int, int], reader: DoublingReader, *numbers: int
) -> asyncio.Task[list[int]]:
    """Ask something that is being read, and stays so until `reader.go` is set."""
    reader.go.clear()
    task = asyncio.ensure_future(batcher.ask(numbers))
    await until(lambda: bool(reader.batches))
    return task


def test_a_batcher_can_be_entered_again_in_another_event_loop() -> None:
    batcher = Batcher(DoublingReader().read, workers=1, max_batch=4, max_wait=0.0, capacity=8)

    async def main() -> list[int]:
        async with batcher:
            await asyncio.sleep(0)  # the worker awaits a question
            return await asyncio.wait_for(batcher.ask([1]), 20)

    assert [asyncio.run(main()) for _ in range(2)] == [[2], [2]]


def test_an_answer_goes_to_the_one_who_asked() -> None:
    async def work(batcher: Batcher[int, int]) -> Any:
        return await asyncio.gather(*(batcher.ask([n, n + 100]) for n in range(8)))

    answers = run(DoublingReader(), work, workers=2, capacity=100)
    assert answers == [[2 * n, 2 * n + 200] for n in range(8)]


def test_what_comes_while_others_are_read_is_read_together() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 1)
        others = [asyncio.ensure_future(batcher.ask([n])) for n in (2, 3, 4, 5, 6)]
        await until(lambda: batcher.waiting == 5)
        reader.go.set()
        await asyncio.gather(first, *others)

    run(reader, work)
    assert reader.batches == [[1], [2, 3, 4, 5], [6]]


def test_a_batch_of_one_reads_one_after_the_other_with_one_worker() -> None:
    reader = DoublingReader()
    run(reader, lambda batcher: batcher.ask([1, 2, 3]), max_batch=1, workers=4)
    assert reader.batches == [[1], [2], [3]]


def test_a_lone_question_waits_for_nobody() -> None:
    assert run(DoublingReader(), lambda batcher: batcher.ask([1]), max_wait=60) == [2]


def test_while_others_are_read_a_question_waits_a_moment_for_company() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 1)
        second = asyncio.ensure_future(batcher.ask([2]))
        await asyncio.sleep(0.02)  # the other worker has heard of it, and waits
        third = asyncio.ensure_future(batcher.ask([3]))
        await until(lambda: len(reader.batches) == 2)
        reader.go.set()
        await asyncio.gather(first, second, third)

    run(reader, work, workers=2, max_wait=0.5)
    assert reader.batches == [[1], [2, 3]]


def test_requests_take_turns_so_that_one_with_many_questions_holds_up_nobody() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 0)
        many = asyncio.ensure_future(batcher.ask([1, 2, 3, 4, 5]))
        await asyncio.sleep(0)
        one = asyncio.ensure_future(batcher.ask([9]))
        await until(lambda: batcher.waiting == 6)
        reader.go.set()
        await asyncio.gather(first, many, one)

    run(reader, work)
    assert 9 in reader.batches[1]


def test_idle_workers_share_what_waits() -> None:
    reader = DoublingReader()
    run(reader, lambda batcher: batcher.ask([1, 2, 3, 4, 5, 6, 7]), workers=2, max_batch=16)
    assert sorted(reader.batches) == [[1, 2, 3, 4], [5, 6, 7]]


def test_what_is_larger_than_a_batch_is_read_alone() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 0)
        others = [asyncio.ensure_future(batcher.ask([n])) for n in (1, 50, 2)]
        await until(lambda: batcher.waiting == 3)
        reader.go.set()
        await asyncio.gather(first, *others)

    run(reader, work, size=lambda number: max(1, number))
    assert [50] in reader.batches


def test_a_full_queue_turns_away_and_takes_again_when_there_is_room() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 0)
        waiting = asyncio.ensure_future(batcher.ask(list(range(8))))
        await until(lambda: batcher.full)
        with pytest.raises(QueueFullError, match="8 questions wait already, of at most 8"):
            await batcher.ask([1])
        reader.go.set()
        await asyncio.gather(first, waiting)
        assert await batcher.ask([1]) == [2]

    run(reader, work)


def test_a_queue_takes_as_many_as_its_capacity_and_no_more() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 0)
        waiting = asyncio.ensure_future(batcher.ask(list(range(7))))
        await until(lambda: batcher.waiting == 7)
        assert not batcher.full
        eighth = asyncio.ensure_future(batcher.ask([8]))
        await until(lambda: eighth.done() or batcher.waiting == 8)
        assert batcher.full
        with pytest.raises(QueueFullError, match="8 questions wait already, of at most 8"):
            await batcher.ask([9])
        reader.go.set()
        await asyncio.gather(first, waiting)
        assert await eighth == [16]

    run(reader, work)


def test_an_error_is_that_of_its_question_alone() -> None:
    async def work(batcher: Batcher[int, int]) -> Any:
        return await asyncio.gather(*(batcher.ask([n]) for n in (1, -1, 2)), return_exceptions=True)

    one, bad, two = run(DoublingReader(), work)
    assert (one, two) == ([2], [4])
    assert isinstance(bad, ValueError)


def test_a_cancelled_request_leaves_the_queue() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 0)
        gone = asyncio.ensure_future(batcher.ask([7, 8]))
        await until(lambda: batcher.waiting == 2)
        gone.cancel()
        await until(lambda: batcher.waiting == 0)
        reader.go.set()
        await first
        await batcher.ask([1])

    run(reader, work)
    assert reader.batches == [[0], [1]]


def test_reading_may_take_until_the_last_deadline_of_those_who_wait() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        first = await hold(batcher, reader, 0)
        now = time.monotonic()
        late = asyncio.ensure_future(batcher.ask([1], now + 1000))
        later = asyncio.ensure_future(batcher.ask([2], now + 5000))
        await until(lambda: batcher.waiting == 2)
        first.cancel()  # ends the batch that is being read
        await until(lambda: 4900 < reader.seconds_left <= 5000)
        later.cancel()
        await until(lambda: 900 < reader.seconds_left <= 1000)
        reader.go.set()
        assert await late == [2]

    run(reader, work)
    assert reader.batches == [[0], [1, 2]]


def test_work_stops_once_nobody_waits_for_it() -> None:
    reader = DoublingReader()

    async def work(batcher: Batcher[int, int]) -> None:
        gone = await hold(batcher, reader, 1)
        gone.cancel()
        await until(lambda: reader.abandoned)
        reader.go.set()
        assert await batcher.ask([4]) == [8]  # and the worker goes on

    run(reader, work)
