"""The backend that the worker threads share: divides the cores among them, and can be stopped.

Knows backends, nothing of text or HTTP. Each worker thread carries a batch from text to answers, so
one thread tokenises while another runs the model. A single question alone may use all cores.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend
    from pullquote.types import Batch, Logits, Window, WindowSpans


class AbandonedError(Exception):
    """Nobody waits for the answer any more: the clients have left or their requests timed out."""


class SharedBackend:
    """Runs each batch in the calling thread; several threads may call at once.

    A question may use all cores while no other is being read. Otherwise each thread uses one core:
    threads that compute one product together wait for each other, and ONNX Runtime's threads keep
    spinning after it. `reading` wraps a thread's work on a number of questions; within it, reading
    stops once no client waits: at the deadline, or between two batches when all have left.

        with backend.reading(1, lambda: 0.0 if client_is_gone else deadline - time.monotonic()):
            reader.answer(question, long_context)   # raises AbandonedError
    """

    workers = 1  # the caller brings its own thread: the reader starts none

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.pool_size = backend.workers
        """How many worker threads are worth having."""
        self.batch_tokens = backend.batch_tokens
        self._questions = 0  # being read now, by all threads
        self._lock = threading.Lock()
        self._thread = threading.local()

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        with self._turn(alone) as options:
            return self.backend(batch, **options)

    @property
    def spans(self) -> Callable[..., list[WindowSpans]] | None:
        """What a `SpanBackend` has; None where the backend is none."""
        if (spans := getattr(self.backend, "spans", None)) is None:
            return None

        def shared(windows: Sequence[Window], *, alone: bool, **options: Any) -> list[WindowSpans]:
            with self._turn(alone) as turn:
                found: list[WindowSpans] = spans(windows, **turn, **options)
                return found

        return shared

    @contextlib.contextmanager
    def _turn(self, alone: bool) -> Iterator[dict[str, Any]]:
        """How the backend reads a batch in the block. Raises `AbandonedError`, also at its end."""
        seconds_left: Callable[[], float] | None = getattr(self._thread, "seconds_left", None)
        left = seconds_left() if seconds_left else math.inf
        if left <= 0:
            raise AbandonedError
        options: dict[str, Any] = {"alone": alone and (self._questions <= 1 or self.pool_size == 1)}
        if self.spans:  # a `SpanBackend` can stop within a batch
            options["deadline"] = left
        try:
            yield options
        except TimeoutError:
            raise AbandonedError from None

    @contextlib.contextmanager
    def reading(self, questions: int, seconds_left: Callable[[], float]) -> Iterator[None]:
        """Within the block, this thread stops reading when no `seconds_left()` are left."""
        with self._lock:
            self._questions += questions
        self._thread.seconds_left = seconds_left
        try:
            yield
        finally:
            self._thread.seconds_left = None
            with self._lock:
                self._questions -= questions
