"""ASGI middleware: request limits, authentication, timeouts, security headers, metrics.

Knows ASGI, nothing of questions. A request reaches the application with its complete body, or not
at all. Every request gets a response in time, unless its client has disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pullquote.serving.error_responses import ApiError, error_response
from pullquote.serving.metrics import Metrics
from pullquote.serving.settings import Settings

_log = logging.getLogger("pullquote.serving")

# Scripts, styles and requests of this origin only; no frames, forms, <base> or inline code.
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class RequestMiddleware:
    """Wraps an application; `paths` get metrics of their own, all others share "other".

    Requests other than GET and HEAD are taken for questions: only their number and bodies are
    limited, and they always need the token.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, metrics: Metrics, paths: Collection[str]
    ) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.paths = paths
        self.open = 0  # requests with questions that have no response yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_at = time.perf_counter()
        status = 499  # stays so when the client disconnects before a response

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        path = scope["path"] if scope["path"] in self.paths else "other"
        asks = scope["method"] not in ("GET", "HEAD")
        try:
            self._check_host(scope)
            if path == "/readyz":
                self._check_capacity()
            if asks:
                self._check_capacity()
                self.open += 1
                self.metrics.open.inc()
            try:
                self._check_token(scope, asks)
                await self._run(scope, receive, send_with_headers, asks)
            finally:
                if asks:
                    self.open -= 1
                    self.metrics.open.dec()
        except ApiError as error:
            response = error_response(error.status, error.error, headers=error.headers)
            await response(scope, receive, send_with_headers)
        except Exception:  # noqa: BLE001  # logged; the server goes on
            _log.exception("%s %s failed", scope["method"], path)
            if status == 499:
                response = error_response(500, "the server failed; its log says how")
                await response(scope, receive, send_with_headers)
        finally:
            self.metrics.requests.labels(scope["method"], path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - started_at)

    def _check_host(self, scope: Scope) -> None:
        if not self.settings.hosts:
            return
        named = Headers(scope=scope).get("host", "")
        host = named.rpartition(":")[0] if re.search(r":\d*$", named) else named
        if host.lower() not in self.settings.hosts:
            raise ApiError(
                421,
                f"this server does not answer under the name {host[:100]!r}, but under "
                f"{', '.join(self.settings.hosts)}; --allow-host adds one",
            )

    def _check_capacity(self) -> None:
        if self.open >= self.settings.max_queue:
            raise ApiError(
                503,
                f"{self.open} requests are open already, the most there may be; "
                "come again in a moment",
                headers={"retry-after": "1"},
            )

    def _check_token(self, scope: Scope, asks: bool) -> None:
        """Questions, /v1/ and /metrics need the token; the page, the docs and health do not."""
        token = self.settings.token
        if not token or not (asks or scope["path"] == "/metrics" or scope["path"][:4] == "/v1/"):
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        equal = hmac.compare_digest(given.strip().encode("latin-1"), token.encode())
        if scheme.lower() != "bearer" or not equal:
            found = "another one" if given else "none"
            raise ApiError(
                401,
                f"a token is asked for, and {found} was given; "
                'send the header "Authorization: Bearer TOKEN"',
                headers={"www-authenticate": "Bearer"},
            )

    async def _run(self, scope: Scope, receive: Receive, send: Send, asks: bool) -> None:
        deadline = time.monotonic() + self.settings.max_seconds
        body = b""
        if asks:
            try:
                received = await asyncio.wait_for(
                    self._body(scope, receive), self.settings.max_seconds
                )
            except asyncio.TimeoutError:
                raise ApiError(
                    408,
                    f"the request had not come whole after {self.settings.max_seconds:g} seconds",
                ) from None
            if received is None:
                return
            body = received
        started = False

        async def tracking_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        ended = await _race(
            self.app(scope, _replay(body), tracking_send),
            _disconnect(receive),
            deadline - time.monotonic(),
        )
        if not ended and not started:
            raise ApiError(
                504,
                f"no answer within {self.settings.max_seconds:g} seconds; "
                "ask fewer questions at once, or of a shorter text",
            )

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body, or `None` when the client disconnects before its end."""
        most = self.settings.max_body
        content_length = Headers(scope=scope).get("content-length", "0")
        chunks: list[bytes] = []
        length = int(content_length[:18]) if content_length.isdecimal() else 0
        if length <= most:
            length = 0
            while length <= most:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunks.append(message.get("body", b""))
                length += len(chunks[-1])
                if not message.get("more_body"):
                    break
        if length > most:
            raise ApiError(413, f"the request has over {most:,} bytes, the most that is read")
        return b"".join(chunks)


def _replay(body: bytes) -> Receive:
    """A `receive` that returns the body once and then never returns."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        for message in messages:
            return message
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    return receive


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _race(work: Awaitable[None], disconnect: Awaitable[None], seconds: float) -> bool:
    """Run both until one ends or `seconds` pass; cancel the other. False after a timeout."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(disconnect)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when="FIRST_COMPLETED")
        if tasks[0] in done:
            tasks[0].result()  # re-raises its exception
        return bool(done)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
