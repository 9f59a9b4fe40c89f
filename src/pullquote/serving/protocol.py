"""uvicorn's HTTP protocol with limits on request heads, on connections and on unread responses.

Knows uvicorn, nothing of questions. uvicorn itself has no such limits: a client could send headers
without end, open sockets and send nothing, or never read what it asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pullquote.serving.middleware import SECURITY_HEADERS
from pullquote.serving.parser import RequestParser

MAX_HEAD_BYTES = 32 * 1024  # of a request line and its headers, as they come over the network
MAX_CONNECTIONS = 1000
MAX_PIPELINED = 16  # requests of a connection that wait for the response to another
MAX_UNREAD_BYTES = 64 * 2**20  # of responses that clients have not read, of all connections
SEND_BUFFER = 128 * 1024  # bytes of a response that the kernel takes over
HEAD_TIMEOUT = 10.0  # seconds in which a head must arrive
READ_TIMEOUT = 15.0  # seconds in which a client must read `LEAST_READ` bytes, or all there is
LEAST_READ = 64 * 1024
LINGER = 1.0  # seconds in which a client may read why its connection is closed
MAX_LINGERING = 100

_PIECE = 4096  # bytes that are parsed at a time: few, so that a limit takes effect soon after it


class LimitedHttpProtocol(HttpToolsProtocol):
    """A connection that is closed when its client exceeds a limit.

    Requests of one connection get one response each, in order, whatever is wrong with one of them.
    The application's lifespan state has the `metrics` that count closed connections.
    """

    transport: Any
    _head_bytes = 0  # received since the last complete head, and not part of a body
    _in_head = False
    _in_body = False
    _refusal = b""  # the last response, which waits for those before it
    _timer: asyncio.TimerHandle | None = None  # runs while a head must arrive
    _read_timer: asyncio.TimerHandle | None = None  # runs while a response is not read
    _unread = 0  # bytes, when it was started
    _waits_since = 0.0  # loop time

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = RequestParser(self)  # type: ignore[assignment]

    # ---- what arrives

    def connection_made(self, transport: Any) -> None:
        # Above 0 bytes: `pause_writing` is called whenever the kernel does not take all of a
        # response, and `resume_writing` when it has.
        transport.set_write_buffer_limits(0)
        super().connection_made(_Transport(transport))  # type: ignore[arg-type]
        self._waits_since = self.loop.time()
        if len(self.connections) > MAX_CONNECTIONS and not self._make_room():
            self._refuse_for_now("too many connections are open")
            return
        self._timer = self.loop.call_later(HEAD_TIMEOUT, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_read_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        start = 0
        while start < len(data) and not (self.transport.is_closing() or self._refusal):
            if self._timer is None and self._is_answered():
                # either the next request of this connection, or the rest of a body whose request
                # was refused by its head; such a rest is cut off without a second answer
                on_timeout = self.transport.close if self._in_body else self._head_timed_out
                self._timer = self.loop.call_later(HEAD_TIMEOUT, on_timeout)
            piece = data[start : start + min(_PIECE, MAX_HEAD_BYTES - self._head_bytes)]
            start += len(piece)
            self._head_bytes += len(piece)
            super().data_received(piece)
            if self._head_bytes >= MAX_HEAD_BYTES:  # a head that is complete is not counted
                self._refuse_head()

    def on_message_begin(self) -> None:
        self._in_head = True
        self._waits_since = self.loop.time()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # headers after a body are none of the request
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        # a head that begins in the middle of a piece; blanks around its values are not counted
        line = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
        if line + sum(len(n) + len(v) + len(":\r\n") for n, v in self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()
            raise ValueError  # makes the parser stop
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refuse_for_now("too many requests of this connection wait for their responses")
            raise ValueError
        super().on_headers_complete()
        self._in_head, self._in_body = False, True

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._is_answered():
            self._stop_timer()
        self._head_bytes = 0
        super().on_message_complete()

    def _is_answered(self) -> bool:
        """Whether every request has its response, also one that is still arriving."""
        return self.cycle is None or self.cycle.response_complete

    def _stop_timer(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- what is sent

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        self._waits_since = self.loop.time()
        if is_last and self._refusal and not self.transport.is_closing():
            self._send_refusal()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_read_timer()
        unread: list[Any] = [one for one in self.connections if one._read_timer]  # type: ignore[union-attr]
        if sum(one.transport.get_write_buffer_size() for one in unread) > MAX_UNREAD_BYTES:
            min(unread, key=lambda one: one._waits_since)._give_up_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_read_timer()

    def _start_read_timer(self) -> None:
        self._stop_read_timer()
        self._unread = self.transport.get_write_buffer_size()
        self._read_timer = self.loop.call_later(READ_TIMEOUT, self._check_read)

    def _check_read(self) -> None:
        if self.transport.get_write_buffer_size() > self._unread - LEAST_READ:
            self._give_up_unread()
        else:
            self._start_read_timer()

    def _give_up_unread(self) -> None:
        self._count("unread")
        self.transport.abort()  # `close` would wait until all is read

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    # ---- refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", "bad_request", "this is not HTTP/1.1")

    def _refuse_head(self) -> None:
        text = f"the request's head has over {MAX_HEAD_BYTES:,} bytes, the most that is read"
        self._refuse(b"431 Request Header Fields Too Large", "too_large", text)

    def _head_timed_out(self) -> None:
        text = f"no whole request head came within {HEAD_TIMEOUT:g} seconds"
        self._refuse(b"408 Request Timeout", "too_slow", text)

    def _refuse_for_now(self, text: str) -> None:
        headers = {"retry-after": "1"}
        self._refuse(b"503 Service Unavailable", "busy", f"{text}; come again in a moment", headers)

    def _make_room(self) -> bool:
        """Close the connection whose client has been awaited for longest; False if there is none.

        So clients that open connections and send little keep no others out.
        """
        waiting: list[Any] = [one for one in self.connections if one._waits_for_client()]  # type: ignore[union-attr]
        if len(waiting) < 2:  # this one waits, too
            return False
        oldest = min(waiting, key=lambda one: one._waits_since)
        if oldest._read_timer:
            oldest._give_up_unread()
        elif oldest._is_idle():
            oldest.transport.close()
        else:
            oldest._refuse_for_now("too many connections are open, and this one is slow")
        return True

    def _waits_for_client(self) -> bool:
        if self.transport.is_closing() or self._refusal:
            return False
        return self._in_body or self._is_answered()

    def _is_idle(self) -> bool:
        return self._is_answered() and not self._in_body and not self._in_head

    def _refuse(
        self, status: bytes, code: str, error: str, more: dict[str, str] | None = None
    ) -> None:
        """Answer the request that arrives with an error, as its only response, and close."""
        self._stop_timer()
        if self._refusal or self.transport.is_closing():
            return
        self._count(code)
        body = json.dumps({"error": error, "code": code, "details": []}).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "cache-control": "no-store",
            "connection": "close",
            **SECURITY_HEADERS,
            **(more or {}),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        self._refusal = b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, lines, body)
        if self._in_body and self.pipeline:
            self.pipeline.popleft()  # it is the newest, and the application has not seen it
        elif self._in_body:
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # ends the work on it, and drops its response
            self.cycle.message_event.set()
            self._send_refusal()
            return
        if self._is_answered():
            self._send_refusal()
        else:
            self._read_no_more()  # `on_response_complete` sends it

    def _send_refusal(self) -> None:
        self.transport.write(self._refusal)
        self.transport.write_eof()
        # To close with data unread resets the connection, and the client may lose the response.
        self._read_no_more()
        linger = LINGER if len(self.connections) <= MAX_CONNECTIONS + MAX_LINGERING else 0
        self.loop.call_later(linger, self.transport.close)

    def _read_no_more(self) -> None:
        """Pause for good; uvicorn would resume for a request that waits for its client to leave."""
        self.flow.pause_reading()
        self.transport.is_refused = True

    def _count(self, why: str) -> None:
        if metrics := self.app_state.get("metrics"):
            metrics.closed.labels(why).inc()


class _Transport:
    """A transport on which all is allowed after its client has left, as with asyncio's own.

    uvloop's raises RuntimeError between the loss of a connection and `connection_lost`. Once
    `is_refused`, it reads no more.
    """

    is_refused = False

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        with contextlib.suppress(RuntimeError):
            self._transport.write(data)

    def write_eof(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._transport.write_eof()

    def pause_reading(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.is_refused:
            return
        with contextlib.suppress(RuntimeError):
            self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes; 0 where the client has left."""
        with contextlib.suppress(RuntimeError):
            return int(self._transport.get_write_buffer_size())
        return 0
