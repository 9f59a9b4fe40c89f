"""What runs a model: one protocol, and one module for each way to fulfil it.

A backend takes a `Batch` of numpy arrays and returns `Logits` of numpy arrays; it knows nothing of
text. Importing this package imports none of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pullquote.types import Batch, Logits


class Backend(Protocol):
    """Anything that turns a batch of token ids into a start and an end logit for each token."""

    workers: int
    """How many batches may be worth running at once, each called from a thread of its own."""

    batch_tokens: int
    """How many tokens a batch had best hold, padding included."""

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        """Run the model; `alone` when no other batch runs meanwhile: it may take all cores."""
        ...


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
