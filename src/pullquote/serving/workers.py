"""The backend that the worker threads share: divides the cores among them, and can be stopped.

Knows backends, nothing of text or HTTP. Each worker thread carries a batch from text to answers, so
one thread tokenises while another runs the model. A single question alone may use all cores.
"""

from __future__ import annotations

import contextlib
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
    spinning after it. `reading` wraps a thread's work on a number of questions; within it, a long
    text stops between two batches once `abandoned` returns true.

        with backend.reading(1, lambda: client_is_gone):
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
        return self.backend(batch, alone=self._may_use_all_cores(alone))

    @property
    def spans(self) -> Callable[..., list[WindowSpans]] | None:
        """What a `SpanBackend` has; None where the backend is none."""
        if (spans := getattr(self.backend, "spans", None)) is None:
            return None

        def shared(windows: Sequence[Window], *, alone: bool, **options: Any) -> list[WindowSpans]:
            found: list[WindowSpans] = spans(
                windows, alone=self._may_use_all_cores(alone), **options
            )
            return found

        return shared

    def _may_use_all_cores(self, alone: bool) -> bool:
        """Called before each batch. Raises `AbandonedError` when nobody waits for it."""
        abandoned: Callable[[], bool] | None = getattr(self._thread, "abandoned", None)
        if abandoned and abandoned():
            raise AbandonedError
        return alone and (self._questions <= 1 or self.pool_size == 1)

    @contextlib.contextmanager
    def reading(self, questions: int, abandoned: Callable[[], bool]) -> Iterator[None]:
        """Within the block, call `abandoned` before each batch that this thread runs."""
        with self._lock:
            self._questions += questions
        self._thread.abandoned = abandoned
        try:
            yield
        finally:
            self._thread.abandoned = None
            with self._lock:
                self._questions -= questions
