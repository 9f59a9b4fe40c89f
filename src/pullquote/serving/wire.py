"""A connection that is not trusted: uvicorn's, with bounds on a request's head and on patience.

Knows uvicorn and httptools. Without them a client could send headers for ever, or hold sockets
open and say nothing; uvicorn bounds neither.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 32 * 1024  # bytes of a request line and its headers
MAX_CONNECTIONS = 1000
PATIENCE = 10.0  # seconds for a head to arrive


class WaryProtocol(HttpToolsProtocol):
    """Closes a connection whose request's head is too long, or does not come."""

    _head = 0  # bytes that are neither of a body nor of a whole head
    _in_body = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(b"503 Service Unavailable", "busy", "too many connections are open")
            return
        self._timer = self.loop.call_later(PATIENCE, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._timer is None and self._answered():
            # the next request of a connection, or what is left of one that was refused by its head
            late = self.transport.close if self._in_body else self._too_slow
            self._timer = self.loop.call_later(PATIENCE, late)
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._refuse_head()
            raise ValueError  # so that the parser reads no further
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._answered():
            self._stop_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(b"400 Bad Request", "bad_request", "this is not HTTP")

    def _refuse_head(self) -> None:
        text = f"the request's head has over {MAX_HEAD:,} bytes, the most that is read"
        self._refuse(b"431 Request Header Fields Too Large", "too_large", text)

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _too_slow(self) -> None:
        text = f"no whole request head came within {PATIENCE:g} seconds"
        self._refuse(b"408 Request Timeout", "too_slow", text)

    def _stop_timer(self) -> None:
        self._head = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: bytes, code: str, error: str) -> None:
        self._stop_timer()
        body = json.dumps({"error": error, "code": code, "details": []}).encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self.transport.close()
