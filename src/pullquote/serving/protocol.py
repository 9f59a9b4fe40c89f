"""uvicorn's HTTP protocol with limits on a request head and on connections.

Knows uvicorn and httptools. uvicorn itself has no such limits: a client could send headers without
end, or open sockets and send nothing.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32 * 1024  # of a request line and its headers
MAX_CONNECTIONS = 1000
HEAD_TIMEOUT = 10.0  # seconds in which a head must arrive


class LimitedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is too long or does not arrive in time."""

    _head_bytes = 0  # received since the last complete head, and not part of a body
    _in_body = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(b"503 Service Unavailable", "busy", "too many connections are open")
            return
        self._timer = self.loop.call_later(HEAD_TIMEOUT, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._timer is None and self._is_answered():
            # either the next request of this connection, or the rest of a body whose request was
            # refused by its head; such a rest is cut off without a second answer
            on_timeout = self.transport.close if self._in_body else self._head_timed_out
            self._timer = self.loop.call_later(HEAD_TIMEOUT, on_timeout)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > MAX_HEAD_BYTES:
            self._refuse_head()
            raise ValueError  # makes the parser stop
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._is_answered():
            self._stop_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(b"400 Bad Request", "bad_request", "this is not HTTP")

    def _refuse_head(self) -> None:
        text = f"the request's head has over {MAX_HEAD_BYTES:,} bytes, the most that is read"
        self._refuse(b"431 Request Header Fields Too Large", "too_large", text)

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _head_timed_out(self) -> None:
        text = f"no whole request head came within {HEAD_TIMEOUT:g} seconds"
        self._refuse(b"408 Request Timeout", "too_slow", text)

    def _stop_timer(self) -> None:
        self._head_bytes = 0
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
