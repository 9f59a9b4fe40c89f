"""Backends run a model: the `Backend` protocol, and one module for each implementation.

A backend turns a `Batch` of numpy arrays into `Logits` of numpy arrays and does not know the text.
Importing this package imports none of the implementations.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pullquote.types import Batch, Logits, Window, WindowSpans


class Backend(Protocol):
    """Anything that turns a batch of token ids into a start and an end logit for each token.

    `pullquote.reading.backends.scripted.ScriptedBackend` is the smallest example.
    """

    workers: int
    """How many batches are worth running at once, each called from its own thread."""

    batch_tokens: int
    """The preferred number of tokens in a batch, padding included."""

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        """Run the model; `alone` means that no other batch is running, so it may use all cores."""
        ...


class SpanBackend(Backend, Protocol):
    """A backend that also finds the best spans of windows, faster than from its logits.

    It raises `TimeoutError` when `deadline` seconds have passed: soon, also within a batch.
    """

    def __call__(self, batch: Batch, *, alone: bool = True, deadline: float = math.inf) -> Logits:
        """Run the model, as every backend does."""
        ...

    def spans(
        self,
        windows: Sequence[Window],
        *,
        max_answer_length: int,
        most: int,
        alone: bool = True,
        deadline: float = math.inf,
    ) -> list[WindowSpans]:
        """The spans that `decode.find_spans` would find in each window, at most `most` of them."""
        ...


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
