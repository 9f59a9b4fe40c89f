"""Labelled windows in flat arrays, and their order and batches in an epoch.

Knows windows and numbers, not torch. 130,000 windows of 165 tokens take 110 MB this way; as one
object each they would take a gigabyte.

    windows = encode(examples, encoder)
    for step in plan(windows.lengths, tokens=8192, micro_tokens=4096, seed=0, epoch=0): ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pullquote.errors import DataError
from pullquote.progress import Progress, no_progress
from pullquote.types import Batch, Logits, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.reading.encode import Encoder
    from pullquote.types import Example


PADDING = -1e4
"""The logit of padding: its probability is 0, and it does not overflow in half precision."""


@dataclass(frozen=True, slots=True, eq=False)
class SoftLabels:
    """A teacher's logits for the tokens of `LabelledWindows`."""

    start: NDArray[np.float16]  # (tokens,)
    end: NDArray[np.float16]  # (tokens,)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledWindows:
    """N windows; the tokens of window `i` are `ids[bounds[i]:bounds[i + 1]]`."""

    ids: NDArray[np.int32]  # (tokens,)
    types: NDArray[np.uint8]  # (tokens,)
    bounds: NDArray[np.int64]  # (N + 1,)
    labels: NDArray[np.int32]  # (N, 2) first and last token of the answer, or the null token twice
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.bounds)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """The windows of `rows`, padded on the right to the longest of them."""
        mask = self._mask(rows)  # (B, T)
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        types = np.zeros(mask.shape, dtype=np.int64)
        ids[mask] = self.gather(self.ids, rows)
        types[mask] = self.gather(self.types, rows)
        return Batch(ids, mask.astype(np.int64), types)

    def part(self, first: int, end: int) -> LabelledWindows:
        """The windows `first` to `end`, as views."""
        tokens = slice(self.bounds[first], self.bounds[end])
        return LabelledWindows(
            self.ids[tokens],
            self.types[tokens],
            self.bounds[first : end + 1] - self.bounds[first],
            self.labels[first:end],
            self.pad_id,
        )

    def windows(self, row: int) -> Iterator[Window]:
        """One window, for a backend; it has no character offsets."""
        tokens = slice(self.bounds[row], self.bounds[row + 1])
        unknown = np.zeros((0, 2), dtype=np.int32)
        yield Window(
            input_ids=self.ids[tokens].astype(np.int64),
            token_type_ids=self.types[tokens].astype(np.int64),
            offsets=unknown,
            context_start=0,
        )

    def padded(self, logits: SoftLabels, rows: NDArray[np.int64]) -> Logits:
        """A teacher's logits for the windows of `rows`, padded as their batch is."""
        mask = self._mask(rows)  # (B, T)
        sides = []
        for flat in (logits.start, logits.end):
            side = np.full(mask.shape, PADDING, dtype=np.float32)
            side[mask] = self.gather(flat, rows)
            sides.append(side)
        return Logits(*sides)

    def _mask(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which positions of the padded windows `rows` hold tokens, (B, T)."""
        lengths = self.lengths[rows]
        mask: NDArray[np.bool_] = np.arange(lengths.max()) < lengths[:, None]
        return mask

    def gather(self, flat: NDArray[np.generic], rows: NDArray[np.int64]) -> NDArray[np.generic]:
        """The values of some windows, one after another, from an array like `ids`."""
        return np.concatenate([flat[self.bounds[row] : self.bounds[row + 1]] for row in rows])

    def fingerprint(self) -> str:
        """A hash of the model's inputs (tokenizer, windowing and data), not of the labels."""
        digest = hashlib.sha256()
        for array in (self.ids, self.types, self.bounds):
            digest.update(array.tobytes())
        return digest.hexdigest()


def encode(
    examples: Sequence[Example],
    encoder: Encoder,
    progress: Progress = no_progress,
) -> LabelledWindows:
    """All windows of all examples, labelled; one without the answer is labelled as unanswerable.

    `progress` counts questions. Raises `DataError` for an answer that is not in its context, or
    when no question has one.
    """
    ids, types, lengths, labels = [], [], [0], []
    answerable = False
    for number, example in enumerate(examples):
        if number % 1000 == 0:
            progress(number, len(examples), "tokenising")
        for answer in example.answers:
            if example.context[answer.start : answer.end] != answer.text:
                found = example.context[answer.start : answer.end]
                raise DataError(
                    f"example {example.id!r}: the answer {answer.text!r} is not at "
                    f"{answer.start} of its context, where {found!r} stands"
                )
        answerable = answerable or not example.is_impossible
        for window in encoder.windows(example.question, example.context):
            ids.append(window.input_ids.astype(np.int32))
            types.append(window.token_type_ids.astype(np.uint8))
            lengths.append(len(window))
            labels.append(encoder.label(window, example))
    if not answerable:
        raise DataError(
            "no question of the training data has an answer; a reader learns nothing from them "
            "but to abstain. Answers are looked for in answers or answer_text."
        )
    return LabelledWindows(
        np.concatenate(ids),
        np.concatenate(types),
        np.cumsum(lengths, dtype=np.int64),
        np.array(labels, dtype=np.int32),
        encoder.pad_id,
    )


def plan(
    lengths: NDArray[np.int64],
    *,
    tokens: int,
    micro_tokens: int,
    seed: int,
    epoch: int,
    windows: int = 0,
) -> list[list[NDArray[np.int64]]]:
    """The optimiser steps of an epoch, each a list of micro-batches of window numbers.

    A micro-batch holds windows of similar length, at most `micro_tokens` tokens with padding. A
    step holds random micro-batches, about `tokens` tokens in all, and at most `windows` windows
    (0: any number). The same arguments give the same plan; every epoch has as many steps.

        # lengths 3 1 3 2 2 1, micro_tokens 6, tokens 12
        #   sorted, ties at random:   1 1 2 | 2 3 | 3     padding of at most one token
        #   steps of two:             (3) (1 1 2) | (2 3)
    """
    random = np.random.default_rng([seed, epoch])
    shuffled = random.permutation(len(lengths))
    order = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    micro_tokens = min(micro_tokens, tokens)
    together = max(1, round(tokens / micro_tokens))
    most = max(1, windows // together) if windows else len(order)
    micros, begin = [], 0
    for end, row in enumerate(order):
        count = end - begin + 1
        if count * lengths[row] > micro_tokens or count > most:
            micros.append(order[begin:end])
            begin = end
    micros.append(order[begin:])
    mixed = [micros[index] for index in random.permutation(len(micros))]
    return [mixed[first : first + together] for first in range(0, len(mixed), together)]
