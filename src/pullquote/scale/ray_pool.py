"""Reads documents on a Ray cluster: on many machines, ahead, within limits, and in order.

    index.add(["contracts/"], pool=ray_pool)

Each task reads some documents in a process beside it, as `pullquote.searching.pool` does on one
machine, so that a parser that crashes or hangs costs one document. Ray reads again what a machine
had read or was reading when it was lost. Knows Ray and documents, not where passages are written.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote.errors import ConfigError, DocumentError
from pullquote.scale.ray_cluster import connected, library, worker_errors
from pullquote.searching.documents import Notes
from pullquote.searching.pool import SHARE, Pool
from pullquote.searching.worker import passages_in

if TYPE_CHECKING:
    from pullquote.searching.documents import SourceFile
    from pullquote.searching.pool import DocumentReader
    from pullquote.types import Passage

_AHEAD = 2  # tasks for each CPU: what is read meanwhile; it waits in Ray's store, or on its disk
_AGAIN = 3  # times that a task is repeated where its machine was lost
_LEAST = 8  # tasks where there is no CPU yet, as in a cluster that grows when it is asked to


@contextlib.contextmanager
def ray_pool(files: Sequence[SourceFile]) -> Iterator[DocumentReader]:
    """Read a list of files on the cluster at `RAY_ADDRESS`, or else on one of this machine alone.

    >>> from pullquote import Index
    >>> from pullquote.scale.ray_pool import ray_pool
    >>> with Index.open_or_create("notes.db") as index:  # doctest: +SKIP
    ...     index.add(["notes/"], pool=ray_pool)

    Machines need this version of pullquote, with its extras, Ray, and the documents under the same
    paths. Without files, no cluster is started. Raises `ConfigError` without a cluster, and for a
    machine that does not have a document that is here.
    """
    if not files:
        yield _RayReader(iter(()))
        return
    ray = library()
    with (
        connected(ray),
        worker_errors(ray, "its extras and the documents"),
        contextlib.closing(_answers(ray, files)) as answers,
    ):
        yield _RayReader(answers)


class _RayReader:
    """Hands out what the tasks found, file by file."""

    def __init__(self, answers: Iterator[tuple[str, dict[str, Any]]]) -> None:
        self._answers = answers

    def read(self, file: SourceFile, notes: Notes | None = None) -> Iterator[Passage]:
        yield from passages_in(self._of(file), file, Notes() if notes is None else notes)

    def _of(self, file: SourceFile) -> Iterator[dict[str, Any]]:
        for path, answer in self._answers:
            if path != file.path:  # what nobody wanted of a file before
                continue
            if "absent" in answer:
                raise _absent(file, answer["absent"])
            yield answer
            if "error" in answer:
                return


def _absent(file: SourceFile, machine: str) -> Exception:
    if not Path(file.path).exists():
        return DocumentError("cannot be read (No such file or directory)")
    return ConfigError(
        f"{file.path}: is not on {machine}, a machine of the Ray cluster; expected the documents "
        "under the same path on each, such as a shared disk"
    )


def _answers(
    ray: Any, files: Sequence[SourceFile]
) -> Generator[tuple[str, dict[str, Any]], None, None]:
    """Yield the answers for all files, in their order, each with the path of its file."""
    read = ray.remote(num_cpus=1, num_returns="streaming", max_retries=_AGAIN)(_read)
    waiting, running = deque(_shares(files)), deque[Any]()
    try:
        while waiting or running:
            cpus = int(ray.cluster_resources().get("CPU", 0))  # of the machines there are now
            while waiting and len(running) < max(_LEAST, _AHEAD * cpus):
                running.append(read.remote(waiting.popleft()))
            for answer in running[0]:
                yield ray.get(answer)
            running.popleft()
    finally:
        for task in running:
            ray.cancel(task)


def _shares(files: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    """Neighbouring files: what one process reads, so that a large one is alone."""
    share: list[SourceFile] = []
    size = 0
    for file in files:
        if share and size + file.stamp[0] > SHARE:
            yield share
            share, size = [], 0
        share.append(file)
        size += file.stamp[0]
    if share:
        yield share


def _read(files: Sequence[SourceFile]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read some files in a process beside this one: a task."""
    absent = {file for file in files if not Path(file.path).exists()}
    with Pool([file for file in files if file not in absent], apart=True) as pool:
        for file in files:
            if file in absent:
                yield file.path, {"absent": socket.gethostname()}
            else:
                yield from ((file.path, answer) for answer in pool.answers(file))
