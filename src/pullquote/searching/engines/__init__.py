"""Search engines: the protocol, and one module for each implementation.

    engine.search(["rent", "due"], limit=20, among=None)     # [Match(id=7, score=4.2), ...]

An engine knows ids, texts and search terms, not documents or questions. The store holds all
passages; an engine that keeps its words elsewhere can be rebuilt from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pullquote.searching.words import indexed


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage to be indexed: its id, its document's id and its text."""

    id: int
    document: int
    text: str

    @property
    def words(self) -> str:
        """The text as it is indexed; of the same rows, always the same."""
        return indexed(self.text)


@dataclass(frozen=True, slots=True)
class Match:
    """A passage that contains some of the search terms, and its BM25 score (higher is better)."""

    id: int
    score: float


@dataclass(frozen=True, slots=True)
class Among:
    """The passages to search: those of some documents, or those with some ids."""

    column: Literal["document", "id"]
    ids: Collection[int]


class Engine(Protocol):
    """Ranks passages by BM25. Additions and removals take effect with `commit`."""

    def add(self, rows: Iterable[IndexedPassage]) -> None: ...

    def remove(self, rows: Iterable[IndexedPassage]) -> None:
        """Remove passages. Each row is the same as when it was added."""
        ...

    def clear(self) -> None:
        """Remove all passages."""
        ...

    def commit(self, generation: int) -> None:
        """Commit additions and removals; called just before the store commits the same ones.

        `generation` is the number of this commit, to compare with the store's later on.
        """
        ...

    def rollback(self) -> None:
        """Undo what was added and removed since the last commit."""
        ...

    def settle(self, share: float) -> None:
        """Called after an update, to optimise; `share` of the passages, in [0, 1], are new."""
        ...

    def refresh(self, generation: int) -> None:
        """Called before a search: see all commits up to `generation`, of any process."""
        ...

    def search(self, words: Sequence[str], limit: int, among: Among | None) -> list[Match]:
        """The passages that contain any of the words, best first, at most `limit`.

        With `among` None, all passages are searched.
        """
        ...

    def close(self) -> None: ...
