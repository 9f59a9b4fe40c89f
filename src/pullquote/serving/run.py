"""Runs the application with uvicorn: socket, processes, logging, graceful shutdown.

Knows uvicorn. After SIGTERM or Ctrl-C, open requests are answered before the process exits.

    serve(Serving(model="small", port=8000), Settings(), on_ready=print)
"""

from __future__ import annotations

import functools
import logging
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.errors import InputError, MissingExtraError, PullquoteError, PullquoteWarning
from pullquote.reading.backends import cores
from pullquote.reading.reader import Reader
from pullquote.searching.index import Index
from pullquote.serving.settings import Settings

try:
    import uvicorn
    from fastapi import FastAPI
    from uvicorn.config import STARTUP_FAILURE

    from pullquote.serving.app import create_app
    from pullquote.serving.processes import Supervisor, join_supervisor, metrics_files
    from pullquote.serving.protocol import SEND_BUFFER, LimitedHttpProtocol
except MissingExtraError:  # raised by pullquote.serving.app, with the package that is missing
    raise
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "uvicorn", "serve") from error

_log = logging.getLogger("pullquote.serving")


@dataclass(frozen=True, slots=True)
class Serving:
    """What to serve (model, index), on which address, and with how many processes."""

    model: str = DEFAULT_MODEL
    index: str | None = None
    """The file of an index, whose documents can be asked."""
    agents: bool = False
    """Whether agents get tools over that index, at /mcp."""
    device: str = "cpu"
    precision: str = "auto"
    threads: int | None = None
    """Threads of each process; None divides all cores among the processes."""
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any free port."""
    workers: int = 1
    """Number of processes."""
    log_requests: bool = False
    """Whether to print a line for each request on standard error."""
    answerable: float | None = None
    """Replaces the model's own where a request names neither a share nor a threshold."""
    spelling: bool | None = None
    """Replaces the model's own."""

    def reader(self, threads: int | None) -> Reader:
        """The reader of one process."""
        return Reader(
            self.model,
            device=self.device,
            precision=self.precision,
            threads=threads,
            answerable=self.answerable,
            spelling=self.spelling,
        )


def serve(
    serving: Serving, settings: Settings, *, on_ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until a signal ends it; `on_ready` is called with the URL.

    Raises `InputError` if the address cannot be used, `ModelError` if the model cannot be opened,
    `IndexFileError` if the index cannot, `OutputError` if the metrics of several processes have no
    room, `PullquoteError` if one of these processes could not start again.
    """
    with listen(serving.host, serving.port) as listening:
        host, port = listening.getsockname()[:2]
        if serving.workers == 1:
            app: Any = application(serving, settings)
        else:
            _check(serving)  # report an error of the model once, not from every process
            app = functools.partial(_application_of_process, serving, settings)
        config = uvicorn.Config(
            app,
            factory=serving.workers > 1,
            workers=serving.workers,
            http=LimitedHttpProtocol,
            ws="none",
            lifespan="on",
            log_config=_logging(),
            access_log=serving.log_requests,
            server_header=False,
            timeout_keep_alive=30,
            timeout_worker_healthcheck=15,  # of a process that starts on a busy machine, too
            timeout_graceful_shutdown=int(settings.max_seconds) + 1,
        )
        # uvicorn answers the open requests, then raises the signal again for this handler
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if serving.workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
            return
        with metrics_files(serving.workers):
            supervisor = Supervisor(config, sockets=[listening])
            supervisor.run()
        if supervisor.has_failed:
            raise PullquoteError("a process could not start, as it said above; all have ended")


def application(serving: Serving, settings: Settings) -> FastAPI:
    """The application of one process."""
    # Python's default of 5 ms lets a thread that computes delay the event loop too long
    sys.setswitchinterval(0.0005)
    warnings.simplefilter("ignore", PullquoteWarning)  # about a request; its `note` says the same
    threads = serving.threads
    if serving.workers > 1 and threads is None:
        threads = max(1, cores() // serving.workers)
    index = Index.open(serving.index, private=True) if serving.index else None
    reader = serving.reader(threads)
    if serving.workers == 1:
        _say(reader.note)
    return create_app(reader, settings, index=index, agents=serving.agents)


def _application_of_process(serving: Serving, settings: Settings) -> FastAPI:
    """The application of one of several processes; an error ends all of them, with one line."""
    join_supervisor()
    try:
        return application(serving, settings)
    except PullquoteError as error:
        _log.error("%s", error)
        sys.exit(STARTUP_FAILURE)


def _check(serving: Serving) -> None:
    """Open model and index as each process will, to see whether they open."""
    _say(serving.reader(threads=1).note)
    if serving.index:
        Index.open(serving.index, private=True).close()


def _say(note: str) -> None:
    if note:
        sys.stderr.write(f"pullquote: note: {note}\n")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `InputError` with advice."""
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError, OverflowError) as error:
        raise InputError(
            f"{where}: no address of this machine ({error}); --host takes one, such as 127.0.0.1"
        ) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # also of clients
        listening.bind(address)
        listening.listen(2048)  # clients can connect now, and wait until the model is ready
        return listening
    except OSError as error:
        listening.close()
        advice = "name another with --port"
        if isinstance(error, PermissionError):
            advice = "ports below 1024 are for root; name another with --port"
        raise InputError(
            f"{where}: {error.strerror}; {advice}, or 0 for any that is free"
        ) from None


def _logging() -> dict[str, Any]:
    """Logging configuration: errors, and requests if wanted, one line each on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "pullquote.serving": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn.error": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
            "uvicorn.access": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }
