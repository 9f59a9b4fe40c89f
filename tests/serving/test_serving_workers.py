"""Which questions may take all cores, and when reading stops."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pullquote.serving.workers import AbandonedError, SharedBackend


class Cores:
    """A backend that records whether it might take all cores."""

    batch_tokens = 512

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.alone: list[bool] = []

    def __call__(self, batch: Any, *, alone: bool = True) -> Any:
        self.alone.append(alone)


def read(backend: Any, questions: int) -> None:
    with backend.reading(questions, lambda: 60.0):
        backend(None)


def test_a_single_question_takes_all_cores_and_several_take_one_each() -> None:
    cores = Cores(2)
    backend = SharedBackend(cores)  # type: ignore[arg-type]
    read(backend, 1)
    read(backend, 2)
    with backend.reading(1, lambda: 60.0):  # of another worker
        read(backend, 1)
    read(backend, 1)
    assert cores.alone == [True, False, False, True]


def test_with_one_worker_nothing_else_could_take_the_cores() -> None:
    cores = Cores(1)
    read(SharedBackend(cores), 3)  # type: ignore[arg-type]
    assert cores.alone == [True]


class Slow(Cores):
    """A backend that also finds spans, and records how long it may take."""

    def __init__(self) -> None:
        super().__init__(1)
        self.deadlines: list[float] = []

    def __call__(self, batch: Any, *, alone: bool = True, deadline: float) -> Any:
        self.deadlines.append(deadline)
        if deadline < 1:
            raise TimeoutError

    def spans(self, windows: Any, *, alone: bool, deadline: float) -> Any:
        self(windows, alone=alone, deadline=deadline)
        return windows


def test_a_backend_that_can_stop_within_a_batch_is_told_how_long_it_may_take() -> None:
    slow = Slow()
    backend = SharedBackend(slow)  # type: ignore[arg-type]
    backend(None)  # nobody waits: a reader outside a server
    assert backend.spans is not None
    with backend.reading(1, lambda: 7.0):
        backend(None)
        assert backend.spans(["a window"], alone=True) == ["a window"]
    assert slow.deadlines == [math.inf, 7.0, 7.0]


def test_at_its_deadline_a_batch_is_abandoned() -> None:
    backend = SharedBackend(Slow())  # type: ignore[arg-type]
    assert backend.spans is not None
    with backend.reading(1, lambda: 0.5):
        with pytest.raises(AbandonedError):
            backend(None)
        with pytest.raises(AbandonedError):
            backend.spans([], alone=True)


def test_no_batch_is_begun_after_the_deadline() -> None:
    cores = Cores(1)
    backend = SharedBackend(cores)  # type: ignore[arg-type]
    with backend.reading(1, lambda: 0.0), pytest.raises(AbandonedError):
        backend(None)
    assert cores.alone == []
