"""What the tests of the server share: a running process, and the types of fixtures."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import uvicorn
from starlette.testclient import TestClient

from pullquote.serving.protocol import LimitedHttpProtocol
from pullquote.serving.run import listen

MakeClient: TypeAlias = Callable[..., AbstractContextManager[TestClient]]


@dataclass(frozen=True)
class Server:
    """A running `pullquote serve`."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; the exit code and what it had printed to standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


def eventually(is_so: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def serving(*options: str, model: str = "tiny") -> Iterator[Server]:
    """`pullquote serve MODEL OPTIONS` on a free port, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pullquote", "serve", model, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.stderr and process.stderr.read())
        yield Server(found[0], process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def serving_app(app: Any, loop: str = "auto") -> Iterator[int]:
    """An ASGI application behind pullquote's protocol, in a thread of this process; its port."""
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        http=LimitedHttpProtocol,
        ws="none",
        loop=loop,
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def exchange(port: int, *pieces: bytes, patience: float = 10, pause: float = 0) -> bytes:
    """Send pieces, `pause` seconds apart; what comes until the server closes, or is patient for."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.settimeout(patience)
        with suppress(OSError):  # it may close while we still send
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        with suppress(OSError):
            while received := connection.recv(65536):
                answer += received
    return answer


def responses(received: bytes) -> list[tuple[int, bytes]]:
    """The status and body of each response, by its content-length, and nothing beside them."""
    found = []
    while received:
        head, blank, rest = received.partition(b"\r\n\r\n")
        assert blank, received
        assert head.startswith(b"HTTP/1.1 "), received
        length = re.search(rb"(?i)^content-length: (\d+)\r?$", head, re.M)
        assert length, head
        found.append((int(head[9:12]), rest[: int(length[1])]))
        received = rest[int(length[1]) :]
    return found
