"""Several processes on one port: their metrics files, their ends, and that of their parent.

Knows uvicorn's supervisor and prometheus_client. Metrics files are as large from the start as they
get, and a process that takes the place of another goes on with its files: a disk that is full
later, which would end a process without a word at its next new metric, does not matter.

    with metrics_files(processes=2):
        Supervisor(config, sockets=[listening]).run()     # and in each process:
        join_supervisor()
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prometheus_client import values
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from pullquote.errors import OutputError
from pullquote.serving.metrics import MULTIPROCESS_DIR

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("pullquote.serving")

_KINDS = ("counter", "gauge_livesum", "histogram")  # of metrics, each with a file
_FILE_BYTES = 2**20  # more than all metrics of a process take, with every path and status
_SPARE = 1  # a process more while one replaces another


@contextlib.contextmanager
def metrics_files(processes: int) -> Iterator[None]:
    """Within the block, processes that are started add up their metrics.

    Raises `OutputError` if the temporary directory has no room.
    """
    try:
        folder = tempfile.mkdtemp(prefix="pullquote-metrics-")
    except OSError as error:
        raise OutputError(f"no temporary directory for metrics: {error}") from None
    try:
        _reserve_files(Path(folder), processes + _SPARE)
        os.environ[MULTIPROCESS_DIR] = folder
        yield
    finally:
        os.environ.pop(MULTIPROCESS_DIR, None)
        shutil.rmtree(folder, ignore_errors=True)


def _reserve_files(folder: Path, processes: int) -> None:
    try:
        for number, kind in itertools.product(range(processes), _KINDS):
            with Path(folder, f"{kind}_{number}.db").open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)
                else:  # pragma: no cover - macOS, Windows
                    file.write(bytes(_FILE_BYTES))
    except OSError as error:
        raise OutputError(
            f"{folder}: no room for the metrics of {processes} processes ({error.strerror}); free "
            f"{len(_KINDS) * processes} MiB, or name another folder in TMPDIR"
        ) from None


def join_supervisor() -> None:
    """Make this process one of several: with metrics files of its own, and an end with its parent.

    Before the application's metrics are made. Does nothing in a process without a supervisor.
    """
    parent = multiprocessing.parent_process()
    if parent is None or MULTIPROCESS_DIR not in os.environ:
        return
    folder = Path(os.environ[MULTIPROCESS_DIR])
    number, lock = _claim_number(folder)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]

    def watch(_: IO[bytes]) -> None:
        multiprocessing.connection.wait([parent.sentinel])
        _log.error("the parent process is gone; process %d ends", os.getpid())
        os.kill(os.getpid(), signal.SIGTERM)  # the open requests are answered first
        shutil.rmtree(folder, ignore_errors=True)

    # the thread keeps the lock until the process ends
    threading.Thread(target=watch, args=(lock,), daemon=True).start()


def _claim_number(folder: Path) -> tuple[int, IO[bytes]]:
    """The lowest number that no living process has, and the locked file that says so."""
    number = 0 if fcntl else os.getpid()
    while True:
        file = open(folder / f"process-{number}", "wb")  # noqa: SIM115  # stays open
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number, file
        except BlockingIOError:
            file.close()
            number += 1


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which says in the log why it starts a process again."""

    @property
    def has_failed(self) -> bool:
        """Whether it stopped since a process could not start."""
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)

    def keep_subprocess_alive(self) -> None:
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if new is not old:
                _log.error(
                    "process %s ended (exit code %s); process %s takes its place",
                    *(old.pid, old.exitcode, new.pid),
                )
