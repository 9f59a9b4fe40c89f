"""What finds passages by their words: one protocol, and one module for each way to fulfil it.

An engine knows ids and texts, never a question as it was asked or where a text comes from. The
index's SQLite file is what counts; an engine that keeps files of its own can be made again from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """A passage as an engine sees it."""

    id: int
    document: int
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """A passage that has some of the words, and its BM25 score: the higher, the better."""

    id: int
    score: float


class Engine(Protocol):
    """Anything that ranks passages by BM25. What is added or removed counts once committed."""

    def add(self, rows: Iterable[Row]) -> None: ...

    def remove(self, rows: Iterable[Row]) -> None:
        """Forget passages; the texts are those that were added."""
        ...

    def commit(self, generation: int) -> None:
        """Keep what was added and removed; called just before SQLite commits the same."""
        ...

    def rollback(self) -> None: ...

    def settle(self, share: float) -> None:
        """Arrange all for speed, if need be, when this share of it is new."""
        ...

    def refresh(self, generation: int) -> None:
        """See what was committed up to now, by whichever process; called before a search."""
        ...

    def search(
        self, words: Sequence[str], limit: int, documents: Collection[int] | None
    ) -> list[Match]:
        """The best passages with any of the words, best first, of some documents or of all."""
        ...

    def close(self) -> None: ...
