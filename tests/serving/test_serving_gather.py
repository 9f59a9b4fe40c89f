"""Requests that share batches: who is read together, who waits, who is turned away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from pullquote.serving.gather import FullError, Gatherer
from pullquote.serving.lanes import AbandonedError


class Desk:
    """Reads by doubling numbers; records its batches, and waits for `go` if told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()
        self.abandoned = False

    def read(self, numbers: Sequence[int], abandoned: Callable[[], bool]) -> list[Any]:
        self.batches.append(list(numbers))
        while not self.go.wait(0.005):
            if abandoned():
                self.abandoned = True
                raise AbandonedError
        return [ValueError("no") if number < 0 else 2 * number for number in numbers]


def run(desk: Desk, work: Callable[[Gatherer[int, int]], Awaitable[Any]], **options: Any) -> Any:
    """Run `work` with a gatherer in front of `desk`."""

    async def main() -> Any:
        usual = {"lanes": 1, "max_batch": 4, "max_wait": 0.0, "capacity": 8}
        async with Gatherer(desk.read, **{**usual, **options}) as gatherer:
            return await asyncio.wait_for(work(gatherer), 20)

    return asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


async def hold(gatherer: Gatherer[int, int], desk: Desk, *numbers: int) -> asyncio.Task[list[int]]:
    """Ask something that is being read, and stays so until `desk.go` is set."""
    desk.go.clear()
    task = asyncio.ensure_future(gatherer.ask(numbers))
    await until(lambda: bool(desk.batches))
    return task


def test_an_answer_goes_to_the_one_who_asked() -> None:
    async def work(gatherer: Gatherer[int, int]) -> Any:
        return await asyncio.gather(*(gatherer.ask([n, n + 100]) for n in range(8)))

    answers = run(Desk(), work, lanes=2, capacity=100)
    assert answers == [[2 * n, 2 * n + 200] for n in range(8)]


def test_what_comes_while_others_are_read_is_read_together() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 1)
        others = [asyncio.ensure_future(gatherer.ask([n])) for n in (2, 3, 4, 5, 6)]
        await until(lambda: gatherer.waiting == 5)
        desk.go.set()
        await asyncio.gather(first, *others)

    run(desk, work)
    assert desk.batches == [[1], [2, 3, 4, 5], [6]]


def test_a_batch_of_one_reads_one_after_the_other_in_one_lane() -> None:
    desk = Desk()
    run(desk, lambda gatherer: gatherer.ask([1, 2, 3]), max_batch=1, lanes=4)
    assert desk.batches == [[1], [2], [3]]


def test_a_lone_question_waits_for_nobody() -> None:
    assert run(Desk(), lambda gatherer: gatherer.ask([1]), max_wait=60) == [2]


def test_while_others_are_read_a_question_waits_a_moment_for_company() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 1)
        second = asyncio.ensure_future(gatherer.ask([2]))
        await asyncio.sleep(0.02)  # the other lane has heard of it, and waits
        third = asyncio.ensure_future(gatherer.ask([3]))
        await until(lambda: len(desk.batches) == 2)
        desk.go.set()
        await asyncio.gather(first, second, third)

    run(desk, work, lanes=2, max_wait=0.5)
    assert desk.batches == [[1], [2, 3]]


def test_requests_take_turns_so_that_one_with_many_questions_holds_up_nobody() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 0)
        many = asyncio.ensure_future(gatherer.ask([1, 2, 3, 4, 5]))
        await asyncio.sleep(0)
        one = asyncio.ensure_future(gatherer.ask([9]))
        await until(lambda: gatherer.waiting == 6)
        desk.go.set()
        await asyncio.gather(first, many, one)

    run(desk, work)
    assert 9 in desk.batches[1]


def test_free_lanes_share_what_waits() -> None:
    desk = Desk()
    run(desk, lambda gatherer: gatherer.ask([1, 2, 3, 4, 5, 6, 7]), lanes=2, max_batch=16)
    assert sorted(desk.batches) == [[1, 2, 3, 4], [5, 6, 7]]


def test_what_is_larger_than_a_batch_is_read_alone() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 0)
        others = [asyncio.ensure_future(gatherer.ask([n])) for n in (1, 50, 2)]
        await until(lambda: gatherer.waiting == 3)
        desk.go.set()
        await asyncio.gather(first, *others)

    run(desk, work, size=lambda number: max(1, number))
    assert [50] in desk.batches


def test_a_full_queue_turns_away_and_takes_again_when_there_is_room() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 0)
        waiting = asyncio.ensure_future(gatherer.ask(list(range(8))))
        await until(lambda: gatherer.full)
        with pytest.raises(FullError, match="8 questions wait already, of at most 8"):
            await gatherer.ask([1])
        desk.go.set()
        await asyncio.gather(first, waiting)
        assert await gatherer.ask([1]) == [2]

    run(desk, work)


def test_the_last_place_of_the_queue_is_given() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 0)
        waiting = asyncio.ensure_future(gatherer.ask(list(range(6))))
        await until(lambda: gatherer.waiting == 6)
        with pytest.raises(FullError, match="6 questions wait already, of at most 8"):
            await gatherer.ask([1, 2, 3])
        last = asyncio.ensure_future(gatherer.ask([1, 2]))
        await until(lambda: gatherer.full or last.done())
        desk.go.set()
        await asyncio.gather(first, waiting)
        assert await last == [2, 4]

    run(desk, work)


def test_an_error_is_that_of_its_question_alone() -> None:
    async def work(gatherer: Gatherer[int, int]) -> Any:
        return await asyncio.gather(
            *(gatherer.ask([n]) for n in (1, -1, 2)), return_exceptions=True
        )

    one, bad, two = run(Desk(), work)
    assert (one, two) == ([2], [4])
    assert isinstance(bad, ValueError)


def test_a_cancelled_request_leaves_the_queue() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        first = await hold(gatherer, desk, 0)
        gone = asyncio.ensure_future(gatherer.ask([7, 8]))
        await until(lambda: gatherer.waiting == 2)
        gone.cancel()
        await until(lambda: gatherer.waiting == 0)
        desk.go.set()
        await first
        await gatherer.ask([1])

    run(desk, work)
    assert desk.batches == [[0], [1]]


def test_work_stops_once_nobody_waits_for_it() -> None:
    desk = Desk()

    async def work(gatherer: Gatherer[int, int]) -> None:
        gone = await hold(gatherer, desk, 1)
        gone.cancel()
        await until(lambda: desk.abandoned)
        desk.go.set()
        assert await gatherer.ask([4]) == [8]  # and the lane goes on

    run(desk, work)
