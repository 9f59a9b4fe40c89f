"""Bodies that are arriving: their bytes are bounded together, and the oldest body gives way.

Knows asyncio, nothing of HTTP. A body that comes slowly takes no place among the requests that are
read, and many of them keep no other out. All state belongs to the event loop.

    arrivals = Arrivals(64 * 2**20)
    with arrivals.begin(give_up=task.cancel) as arrival:
        arrival.add(len(piece))      # may call the `give_up` of the oldest, or of this one
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class Arrival:
    """A body that is arriving."""

    def __init__(self, arrivals: Arrivals, give_up: Callable[[], object]) -> None:
        self._arrivals = arrivals
        self.give_up = give_up
        self.bytes = 0
        self.was_given_up = False

    def add(self, count: int) -> None:
        """Count bytes that have come."""
        self.bytes += count
        self._arrivals.make_room(count)


class Arrivals:
    """All bodies that are arriving; together they may have `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._open: dict[Arrival, None] = {}  # the oldest first

    @contextlib.contextmanager
    def begin(self, give_up: Callable[[], object]) -> Iterator[Arrival]:
        """Within the block, a body arrives. `give_up()` must end the block soon."""
        arrival = Arrival(self, give_up)
        self._open[arrival] = None
        try:
            yield arrival
        finally:
            self._end(arrival)

    def make_room(self, count: int) -> None:
        """Count bytes, and give up the oldest bodies for as long as there are too many."""
        self._bytes += count
        while self._bytes > self._most:
            oldest = next(iter(self._open))
            self._end(oldest)
            oldest.was_given_up = True
            oldest.give_up()

    def _end(self, arrival: Arrival) -> None:
        if arrival in self._open:
            del self._open[arrival]
            self._bytes -= arrival.bytes
