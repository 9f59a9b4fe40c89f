"""The threads that read, and a backend that shares the cores among them and can be stopped.

Knows backends, nothing of text or HTTP. Each lane reads a batch from its text to its answers, so
that one tokenises while another is in the model. A single question alone may take all cores.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend
    from pullquote.types import Batch, Logits


class AbandonedError(Exception):
    """Nobody waits for the answer any more: the clients are gone or their time is over."""


class LaneBackend:
    """Runs each batch in the thread that brings it; several threads may call at once.

    A single question may take all cores while no other is read, else each thread takes one: threads
    that share a product wait for each other, and ONNX Runtime's go on spinning when it is over.
    `reading` surrounds a thread's work on so many questions, and makes a long text stop between two
    batches when its answer is no longer wanted.

        with backend.reading(1, lambda: client_is_gone):
            reader.answer(question, long_context)   # raises AbandonedError
    """

    workers = 1  # each lane brings its own thread

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.lanes = backend.workers
        self.batch_tokens = backend.batch_tokens
        self._questions = 0
        self._lock = threading.Lock()
        self._thread = threading.local()

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        abandoned: Callable[[], bool] | None = getattr(self._thread, "abandoned", None)
        if abandoned and abandoned():
            raise AbandonedError
        return self.backend(batch, alone=alone and (self._questions <= 1 or self.lanes == 1))

    @contextlib.contextmanager
    def reading(self, questions: int, abandoned: Callable[[], bool]) -> Iterator[None]:
        """Ask `abandoned` before each batch of this thread, from here to the end of the block."""
        with self._lock:
            self._questions += questions
        self._thread.abandoned = abandoned
        try:
            yield
        finally:
            self._thread.abandoned = None
            with self._lock:
                self._questions -= questions
