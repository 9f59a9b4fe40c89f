"""A backend without weights: a Python function gives the logits. For tests and examples.

backend = ScriptedBackend(lambda ids: ([0.0, 5.0, ...], [0.0, 5.0, ...]))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pullquote.types import Batch, Logits

Script = Callable[[list[int]], tuple[Sequence[float], Sequence[float]]]


class ScriptedBackend:
    """Calls `script(input_ids)` for each window, without padding, for its start and end logits.

    `batches` records the shape (B, T) of every batch.
    """

    workers = 1
    batch_tokens = 512

    def __init__(self, script: Script) -> None:
        self.script = script
        self.batches: list[tuple[int, int]] = []

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        B, T = batch.input_ids.shape
        self.batches.append((B, T))
        start = np.zeros((B, T), dtype=np.float32)
        end = np.zeros((B, T), dtype=np.float32)
        for row, length in enumerate(batch.attention_mask.sum(axis=1).tolist()):
            start[row, :length], end[row, :length] = self.script(
                batch.input_ids[row, :length].tolist()
            )
        return Logits(start, end)
