"""Labelled windows in flat arrays, and their order and batches in an epoch.

Knows windows and numbers, not torch. 130,000 windows of 165 tokens take 110 MB this way; as one
object each they would take a gigabyte.

    windows = encode(examples, encoder, processes=8)
    for step in plan(windows.lengths, tokens=8192, micro_tokens=4096, seed=0, epoch=0): ...
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pullquote.errors import DataError
from pullquote.progress import Progress, no_progress
from pullquote.types import Batch, Logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.reading.encode import Encoder
    from pullquote.types import Example


Number = TypeVar("Number", bound=np.generic)

PADDING = -1e4
"""The logit of padding: its probability is 0, and it does not overflow in half precision."""

_QUESTIONS_PER_PART = 2000
"""How many questions are tokenised between two calls of `progress`, or by a process at a time."""


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
    examples: NDArray[np.int32]  # (N,) the number of the example that a window is of
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.bounds)

    def batch(self, rows: NDArray[np.int64], multiple: int = 1) -> Batch:
        """The windows of `rows`, padded on the right to the longest of them.

        T becomes a multiple of `multiple`.
        """
        mask = self._mask(rows, multiple)  # (B, T)
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
            self.examples[first:end],
            self.pad_id,
        )

    def subset(self, rows: NDArray[np.int64]) -> LabelledWindows:
        """The windows of `rows`, copied."""
        bounds = np.concatenate([[0], np.cumsum(self.lengths[rows])])
        return LabelledWindows(
            self.gather(self.ids, rows),
            self.gather(self.types, rows),
            bounds.astype(np.int64),
            self.labels[rows],
            self.examples[rows],
            self.pad_id,
        )

    def padded(self, logits: SoftLabels, rows: NDArray[np.int64], multiple: int = 1) -> Logits:
        """A teacher's logits for the windows of `rows`, padded as their batch is."""
        mask = self._mask(rows, multiple)  # (B, T)
        sides = []
        for flat in (logits.start, logits.end):
            side = np.full(mask.shape, PADDING, dtype=np.float32)
            side[mask] = self.gather(flat, rows)
            sides.append(side)
        return Logits(*sides)

    def _mask(self, rows: NDArray[np.int64], multiple: int) -> NDArray[np.bool_]:
        """Which positions of the padded windows `rows` hold tokens, (B, T)."""
        lengths = self.lengths[rows]
        width = -(-lengths.max() // multiple) * multiple
        mask: NDArray[np.bool_] = np.arange(width) < lengths[:, None]
        return mask

    def gather(self, flat: NDArray[Number], rows: NDArray[np.int64]) -> NDArray[Number]:
        """The values of some windows, one after another, from an array like `ids`."""
        parts = [flat[self.bounds[row] : self.bounds[row + 1]] for row in rows]
        return np.concatenate(parts) if parts else flat[:0]

    def by_length(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Windows of the same length: their numbers, (n,), and where their tokens lie, (n, T)."""
        lengths = self.lengths
        for size in np.unique(lengths):
            rows = np.flatnonzero(lengths == size)
            yield rows, self.bounds[rows][:, None] + np.arange(size)

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
    *,
    processes: int = 1,
) -> LabelledWindows:
    """All windows of all examples, labelled; one without the answer is labelled as unanswerable.

    `progress` counts questions. Several `processes` import the main script, whose main part must
    therefore stand under `if __name__ == "__main__"`. Raises `DataError` for an answer that is not
    in its context, or when no question has one.
    """
    if all(example.is_impossible for example in examples):
        raise DataError(
            "no question of the training data has an answer; a reader learns nothing from them "
            "but to abstain. Answers are looked for in answers or answer_text."
        )
    firsts = range(0, len(examples), _QUESTIONS_PER_PART)
    parts = (examples[first : first + _QUESTIONS_PER_PART] for first in firsts)
    with contextlib.ExitStack() as stack:
        each: Callable[..., Iterator[LabelledWindows]] = map
        if processes > 1:
            # not forked: threads of torch or of the tokenizer may hold locks
            pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
            each = stack.enter_context(pool).map
        encoded = each(_encode_part, parts, itertools.repeat(encoder))
        done = []
        for first in firsts:
            progress(first, len(examples), "tokenising")
            done.append(next(encoded))
    return _joined(done, firsts)


def _encode_part(examples: Sequence[Example], encoder: Encoder) -> LabelledWindows:
    ids, types, lengths, labels, examples_of = [], [], [0], [], []
    for number, example in enumerate(examples):
        for answer in example.answers:
            if example.context[answer.start : answer.end] != answer.text:
                found = example.context[answer.start : answer.end]
                raise DataError(
                    f"example {example.id!r}: the answer {answer.text!r} is not at "
                    f"{answer.start} of its context, where {found!r} stands"
                )
        for window in encoder.windows(example.question, example.context):
            ids.append(window.input_ids.astype(np.int32))
            types.append(window.token_type_ids.astype(np.uint8))
            lengths.append(len(window))
            labels.append(encoder.label(window, example))
            examples_of.append(number)
    return LabelledWindows(
        np.concatenate(ids),
        np.concatenate(types),
        np.cumsum(lengths, dtype=np.int64),
        np.array(labels, dtype=np.int32),
        np.array(examples_of, dtype=np.int32),
        encoder.pad_id,
    )


def _joined(parts: Sequence[LabelledWindows], firsts: Sequence[int]) -> LabelledWindows:
    """The windows of all parts; `firsts` are the numbers of the parts' first examples."""
    starts = np.cumsum([0, *(len(part.ids) for part in parts)])
    bounds = [part.bounds[1:] + start for part, start in zip(parts, starts, strict=False)]
    return LabelledWindows(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.types for part in parts]),
        np.concatenate([np.zeros(1, dtype=np.int64), *bounds]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(
            [part.examples + np.int32(first) for part, first in zip(parts, firsts, strict=True)]
        ),
        parts[0].pad_id,
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
