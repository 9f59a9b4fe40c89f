"""Serves the application: a socket, one or several processes, an orderly end.

Knows uvicorn. SIGTERM and Ctrl-C let what is in flight come to its end, then the process exits.

    serve(Serving(model="small", port=8000), Settings(), on_ready=print)
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pullquote.checkpoints.directory import DEFAULT_MODEL
from pullquote.errors import InputError, MissingExtraError, PullquoteWarning
from pullquote.reading.backends import cores
from pullquote.reading.reader import Reader
from pullquote.searching.index import Index
from pullquote.serving.settings import Settings

try:
    import uvicorn
    from fastapi import FastAPI
    from uvicorn.supervisors import Multiprocess

    from pullquote.serving.app import create_app
    from pullquote.serving.metrics import SHARED
    from pullquote.serving.wire import WaryProtocol
except MissingExtraError:  # of the application, which names what it misses
    raise
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "uvicorn", "serve") from error


@dataclass(frozen=True, slots=True)
class Serving:
    """Which model, where, and in how many processes."""

    model: str = DEFAULT_MODEL
    index: str | None = None
    """The documents that can be asked: the file of an index."""
    device: str = "cpu"
    threads: int | None = None
    """Of each process; all cores, shared among the processes, if None."""
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any that is free."""
    workers: int = 1
    """Processes."""
    log_requests: bool = False
    """A line for each request on standard error."""


def serve(
    serving: Serving, settings: Settings, *, on_ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until a signal ends it; `on_ready` hears the address.

    Raises `InputError` for an address that cannot be had, `ModelError` for such a model,
    `IndexFileError` for such an index.
    """
    with listen(serving.host, serving.port) as listening:
        host, port = listening.getsockname()[:2]
        if serving.workers == 1:
            app: Any = application(serving, settings)
        else:
            _check(serving)  # an error of the model is told here, by one process
            app = functools.partial(application, serving, settings)
        config = uvicorn.Config(
            app,
            factory=serving.workers > 1,
            workers=serving.workers,
            http=WaryProtocol,
            ws="none",
            lifespan="on",
            log_config=_logging(),
            access_log=serving.log_requests,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(settings.max_seconds) + 1,
        )
        # uvicorn lets what is in flight end and raises the signal again, then this one hears it
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if serving.workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
            return
        with tempfile.TemporaryDirectory(prefix="pullquote-metrics-") as folder:
            os.environ[SHARED] = folder
            Multiprocess(config, sockets=[listening]).run()


def application(serving: Serving, settings: Settings) -> FastAPI:
    """What a process serves."""
    # 5 ms, Python's own, is long to wait for the turn of a thread that has a request to read
    sys.setswitchinterval(0.0005)
    warnings.simplefilter("ignore", PullquoteWarning)  # of a request; its answer says it, too
    threads = serving.threads
    if serving.workers > 1 and threads is None:
        threads = max(1, cores() // serving.workers)
    reader = Reader(serving.model, device=serving.device, threads=threads)
    index = Index.open(serving.index, private=True) if serving.index else None
    return create_app(reader, settings, index=index)


def _check(serving: Serving) -> None:
    """Open what each process will open, and keep nothing of it."""
    Reader(serving.model, device=serving.device, threads=1)
    if serving.index:
        Index.open(serving.index, private=True).close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `InputError` with what can be done."""
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
        listening.bind(address)
        listening.listen(2048)  # requests wait from here on, until the model is ready
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
    """What goes wrong, and requests if asked, a line each on standard error."""
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
