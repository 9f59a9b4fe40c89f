"""Which questions may take all cores."""

from __future__ import annotations

from typing import Any

from pullquote.serving.workers import SharedBackend


class Cores:
    """A backend that records whether it might take all cores."""

    batch_tokens = 512

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.alone: list[bool] = []

    def __call__(self, batch: Any, *, alone: bool = True) -> Any:
        self.alone.append(alone)


def read(backend: Any, questions: int) -> None:
    with backend.reading(questions, lambda: False):
        backend(None)


def test_a_single_question_takes_all_cores_and_several_take_one_each() -> None:
    cores = Cores(2)
    backend = SharedBackend(cores)  # type: ignore[arg-type]
    read(backend, 1)
    read(backend, 2)
    with backend.reading(1, lambda: False):  # of another worker
        read(backend, 1)
    read(backend, 1)
    assert cores.alone == [True, False, False, True]


def test_with_one_worker_nothing_else_could_take_the_cores() -> None:
    cores = Cores(1)
    read(SharedBackend(cores), 3)  # type: ignore[arg-type]
    assert cores.alone == [True]
