"""Progress callbacks: the type that all long operations take, and an iterator that calls one.

evaluate(reader, examples, progress=lambda done, total, doing: print(f"{done}/{total} {doing}"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")

Progress: TypeAlias = Callable[[int, int, str], None]
"""`progress(done, total, doing)`: the amount done, the total (0 if unknown), and the activity.

Both numbers have the same unit: questions, steps, bytes or characters.
"""


def no_progress(done: int, total: int, doing: str) -> None:
    """A callback that shows nothing."""


def named(progress: Progress, doing: str) -> Progress:
    """The same callback with a fixed `doing`."""
    return lambda done, total, _: progress(done, total, doing)


def tracked(items: Iterable[Item], total: int, doing: str, progress: Progress) -> Iterator[Item]:
    """Yield the items, and call `progress` after each.

    >>> list(tracked("ab", 2, "reading", lambda *arguments: print(*arguments)))
    1 2 reading
    2 2 reading
    ['a', 'b']
    """
    for done, item in enumerate(items, 1):
        yield item
        progress(done, total, doing)
