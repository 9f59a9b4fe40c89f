"""Progress of long work: the one shape of callback, and an iterator that calls it.

evaluate(reader, examples, progress=lambda done, total, doing: print(f"{done}/{total} {doing}"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how much is done, how much there is in all (0: not known), and what is being done.

Both numbers count the same thing: questions, steps, bytes or characters.
"""


def no_progress(done: int, total: int, doing: str) -> None:
    """Show nothing."""


def named(progress: Progress, doing: str) -> Progress:
    """The same callback, always told that `doing` is being done."""
    return lambda done, total, _: progress(done, total, doing)


def tracked(items: Iterable[Item], total: int, doing: str, progress: Progress) -> Iterator[Item]:
    """Pass items on, and tell `progress` after each of them.

    >>> list(tracked("ab", 2, "reading", lambda *told: print(*told)))
    1 2 reading
    2 2 reading
    ['a', 'b']
    """
    for done, item in enumerate(items, 1):
        yield item
        progress(done, total, doing)
