"""The reader: a question and a context in, a `Prediction` out; the one path through the house.

Puts together a model directory, an `Encoder`, a `Backend` and `decode`.

    reader = Reader()                                  # the bundled model
    prediction = reader.answer("Who led the Norse?", context)
    for prediction in reader.answer_all(examples): ... # lazily, in order, batched by length inside
"""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from pullquote.errors import InputError, ModelError
from pullquote.reading import decode
from pullquote.reading.directory import DEFAULT_MODEL, ModelDirectory, open_model
from pullquote.reading.encode import Encoder
from pullquote.types import Example, Prediction, ReaderConfig, Window

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend

# Windows that are sorted by length together: enough that neighbours in length are alike and that
# every worker has several batches, few enough that results come soon and memory stays small.
_CHUNK = 256
_CHUNK_PER_WORKER = 16


@dataclass(slots=True, eq=False)
class _Pending:
    """An example whose windows are being read."""

    example: Example
    candidates: list[decode.Candidates] = field(default_factory=list)
    unread: int = 0  # windows made, but not read yet
    complete: bool = False  # all windows have been made
    error: InputError | None = None  # why there are none


class _Item(NamedTuple):
    pending: _Pending
    window: Window


class _Begun(NamedTuple):
    batch: list[_Item]
    result: Future[list[decode.Candidates]]


class Reader:
    """Answers questions from texts with one model.

    `model` is a bundled name, a local directory or a hub id. `device` is "cpu" or what the backend
    knows ("cuda", "cuda:1"); `threads` bounds the threads at work, None takes all cores.
    `config` replaces the settings stored with the model. An ONNX file is run by ONNX Runtime,
    safetensors by torch (an extra); with both, the CPU takes ONNX and other devices torch.
    `backend` replaces either, and keeps the model's tokenizer.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        device: str = "cpu",
        threads: int | None = None,
        config: ReaderConfig | None = None,
        backend: Backend | None = None,
    ) -> None:
        if threads is not None and not 1 <= threads <= 1024:
            raise InputError(f"threads is {threads}, expected 1 to 1024")
        self.directory = open_model(model)
        if config:
            self.directory = replace(self.directory, config=config)
        self.config = self.directory.config
        self.encoder = Encoder.from_file(
            self.directory.tokenizer, self.config, type_vocab_size=self.directory.type_vocab_size
        )
        rows = self.directory.vocab_size
        if rows is not None and self.encoder.vocab_size > rows:
            raise ModelError(
                f"{self.directory.path}: tokenizer.json has {self.encoder.vocab_size:,} tokens, "
                f"the model {rows:,}; they do not belong together"
            )
        self.backend = backend or _load_backend(self.directory, device, threads)

    def answer(
        self,
        question: str,
        context: str,
        *,
        top_k: int = 1,
        threshold: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Prediction:
        """Answer one question; options as for `answer_all`.

        `progress` is called now and then with the part of the context behind us, in (0, 1].

        >>> Reader().answer("Who led the Norse?", "The Norse, led by Rollo, came by sea.").text
        'Rollo'
        """
        example = Example(id="", question=question, context=context)
        top_k, threshold = self._options(top_k, threshold)

        def after_chunk(last: Window) -> None:
            if progress:
                progress(int(last.offsets[-1, 1]) / len(context))

        (prediction,) = self._answer_all([example], top_k, threshold, after_chunk)
        if progress:
            progress(1.0)  # blanks at the end are in no window
        return prediction

    def answer_all(
        self, examples: Iterable[Example], *, top_k: int = 1, threshold: float | None = None
    ) -> Iterator[Prediction]:
        """Answer many questions: a lazy iterator of one prediction for each example, in order.

        `top_k` bounds `Prediction.answers`, at most the model's `n_best_size`. `threshold`
        replaces the stored one: the reader abstains when `null_score_diff` exceeds it. A blank
        context has no answer; a blank question raises `InputError`.
        """
        return self._answer_all(examples, *self._options(top_k, threshold))

    def _options(self, top_k: int, threshold: float | None) -> tuple[int, float]:
        if not isinstance(top_k, int) or not 1 <= top_k <= self.config.n_best_size:
            raise InputError(
                f"top_k is {top_k}, expected 1 to {self.config.n_best_size} (n_best_size)"
            )
        if threshold is None:
            threshold = self.config.no_answer_threshold
        if not isinstance(threshold, (int, float)) or math.isnan(threshold):
            raise InputError(f"threshold is {threshold!r}, expected a number")
        return top_k, threshold

    def _answer_all(
        self,
        examples: Iterable[Example],
        top_k: int,
        threshold: float,
        after_chunk: Callable[[Window], None] | None = None,
    ) -> Iterator[Prediction]:
        waiting: deque[_Pending] = deque()  # in the order of the examples
        for chunk in self._read_chunks(self._windows(examples, waiting)):
            if after_chunk:
                after_chunk(chunk[-1].window)
            while waiting and waiting[0].complete and not waiting[0].unread:
                yield self._finish(waiting.popleft(), top_k, threshold)
        for pending in waiting:  # blank contexts, and what ended with the last chunk
            yield self._finish(pending, top_k, threshold)

    def _read_chunks(self, items: Iterator[_Item]) -> Iterator[list[_Item]]:
        """Yield the items in chunks once their windows have been read.

        The backend's workers read one chunk while the next is tokenised here.
        """
        workers = self.backend.workers
        ahead = 1 if workers > 1 else 0
        size = max(_CHUNK, _CHUNK_PER_WORKER * workers)
        reading: deque[tuple[list[_Item], list[_Begun]]] = deque()
        pool = ThreadPoolExecutor(workers)
        try:
            while True:
                if chunk := list(itertools.islice(items, size)):
                    reading.append((chunk, self._begin(chunk, pool, alone=not reading)))
                if not reading:
                    return
                if len(reading) > ahead or not chunk:
                    read, begun = reading.popleft()
                    for batch, result in begun:
                        for item, candidates in zip(batch, result.result(), strict=True):
                            item.pending.candidates.append(candidates)
                            item.pending.unread -= 1
                    yield read
        finally:
            pool.shutdown(cancel_futures=True)

    def _begin(self, chunk: list[_Item], pool: ThreadPoolExecutor, alone: bool) -> list[_Begun]:
        batches = list(_batches(chunk, self.backend.batch_tokens))
        workers = self.backend.workers
        if workers > 1 and (len(batches) > 2 * workers or not alone):
            return [_Begun(batch, pool.submit(self._read, batch, alone=False)) for batch in batches]
        # A few batches, and above all a single question, are quicker one after the other, each
        # with all threads.
        begun = []
        for batch in batches:
            result: Future[list[decode.Candidates]] = Future()
            result.set_result(self._read(batch))
            begun.append(_Begun(batch, result))
        return begun

    def _read(self, batch: list[_Item], *, alone: bool = True) -> list[decode.Candidates]:
        logits = self.backend(self.encoder.batch([item.window for item in batch]), alone=alone)
        return [
            decode.read_window(
                item.window,
                logits.start[row],
                logits.end[row],
                item.pending.example.context,
                max_answer_length=self.config.max_answer_length,
                limit=self.config.n_best_size,
            )
            for row, item in enumerate(batch)
        ]

    def _finish(self, pending: _Pending, top_k: int, threshold: float) -> Prediction:
        if pending.error:
            raise pending.error
        return decode.merge(
            pending.example.id,
            pending.example.context,
            pending.candidates,
            n_best_size=self.config.n_best_size,
            top_k=top_k,
            threshold=threshold,
        )

    def _windows(self, examples: Iterable[Example], waiting: deque[_Pending]) -> Iterator[_Item]:
        for example in examples:
            pending = _Pending(example)
            waiting.append(pending)
            try:
                for window in self.encoder.windows(example.question, example.context):
                    pending.unread += 1
                    yield _Item(pending, window)
            except InputError as error:  # told when its turn comes, after those before it
                named = InputError(f"example {example.id!r}: {error}") if example.id else error
                pending.error, pending.complete = named, True
                return
            pending.complete = True


def _batches(chunk: list[_Item], tokens: int) -> Iterator[list[_Item]]:
    """Batches of windows of like length, so that hardly a token is padding."""
    batch: list[_Item] = []
    for item in sorted(chunk, key=lambda item: len(item.window)):
        if batch and (len(batch) + 1) * len(item.window) > tokens:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _load_backend(directory: ModelDirectory, device: str, threads: int | None) -> Backend:
    if directory.onnx and (device.startswith("cpu") or not directory.safetensors):
        from pullquote.reading.backends.onnx import OnnxBackend

        return OnnxBackend(directory.onnx, device=device, threads=threads)
    from pullquote.reading.backends.torch import TorchBackend

    return TorchBackend(directory.path, device=device, threads=threads)
