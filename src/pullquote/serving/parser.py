"""httptools' request parser, to which no request is an upgrade.

Knows httptools, nothing of connections. `curl --http2` and Java's HttpClient offer an upgrade to
HTTP/2 with every request; a server may ignore it (RFC 9110, section 7.8), and this one does. The
parser cannot: to it, what follows the head of an upgrade is another protocol. The body would be
lost, and then read as the next request. So such a head is parsed again, without its `Upgrade`.
"""

from __future__ import annotations

from typing import Protocol

import httptools


class Callbacks(Protocol):
    """What the parser calls, and the head that these calls collect."""

    url: bytes
    headers: list[tuple[bytes, bytes]]
    """With names in lower case."""

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class RequestParser:
    """Takes the place of `httptools.HttpRequestParser`.

    The head of an upgrade begins twice for `callbacks`, and is completed once.
    """

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self.on_message_begin = callbacks.on_message_begin
        self.on_url = callbacks.on_url
        self.on_header = callbacks.on_header
        self.on_body = callbacks.on_body
        self._restart()

    def _restart(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        if hasattr(self._parser, "set_dangerous_leniencies"):  # httptools 0.6.3
            # requests after one with "Connection: close" are no errors; uvicorn ignores them
            self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.get_method = self._parser.get_method
        self.get_http_version = self._parser.get_http_version
        self.should_keep_alive = self._parser.should_keep_alive

    def should_upgrade(self) -> bool:
        """Never."""
        return False

    def feed_data(self, data: bytes) -> None:
        """Parse what has come. Raises `httptools.HttpParserError` where it is not HTTP."""
        rest = memoryview(data)  # a slice of it is no copy: there may be many requests in it
        while True:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                (end_of_head,) = upgrade.args
                rest = rest[end_of_head:]
                head = self._head_without_upgrade()
                self._restart()
                self._parser.feed_data(head)

    def on_headers_complete(self) -> None:
        if self.get_method() == b"CONNECT":
            raise ValueError("this is no proxy")  # which makes the parser stop
        if not self._parser.should_upgrade():
            self._callbacks.on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():
            self._callbacks.on_message_complete()

    def _head_without_upgrade(self) -> bytes:
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._callbacks.url, version)]
        for name, value in self._callbacks.headers:
            if name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join((*lines, b"", b""))
