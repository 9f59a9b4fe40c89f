"""Stands before the application: limits, token, time, disconnects, headers of safety, figures.

Knows ASGI, nothing of questions. A request reaches the application whole, or not at all; whatever
the application does, an answer of one shape goes out, in time, or the client was gone.
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

from pullquote.serving.metrics import Metrics
from pullquote.serving.problems import ProblemError, problem
from pullquote.serving.settings import Settings

_log = logging.getLogger("pullquote.serving")

# Scripts, styles and requests from here alone; no frames, no forms, no <base>, nothing inline.
HEADERS = {
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


class Guard:
    """ASGI middleware; `paths` are those that figures are kept for by name."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, metrics: Metrics, paths: Collection[str]
    ) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.paths = paths
        self.open = 0  # requests that ask something

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 499  # the client was gone

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        path = scope["path"] if scope["path"] in self.paths else "other"
        asks = scope["method"] not in ("GET", "HEAD")
        try:
            self._check_host(scope)
            if path == "/readyz":
                self._check_room()
            if asks:
                self._check_room()
                self.open += 1
                self.metrics.open.inc()
            try:
                self._check_token(scope, asks)
                await self._run(scope, receive, watched_send, asks)
            finally:
                if asks:
                    self.open -= 1
                    self.metrics.open.dec()
        except ProblemError as error:
            response = problem(error.status, error.error, headers=error.headers)
            await response(scope, receive, watched_send)
        except Exception:  # noqa: BLE001  # a server outlives its faults; the log has them
            _log.exception("%s %s failed", scope["method"], path)
            if status == 499:
                response = problem(500, "the server failed; its log says how")
                await response(scope, receive, watched_send)
        finally:
            self.metrics.requests.labels(scope["method"], path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - begun)

    def _check_host(self, scope: Scope) -> None:
        if not self.settings.hosts:
            return
        named = Headers(scope=scope).get("host", "")
        host = named.rpartition(":")[0] if re.search(r":\d*$", named) else named
        if host.lower() not in self.settings.hosts:
            raise ProblemError(
                421,
                f"this server does not answer under the name {host[:100]!r}, but under "
                f"{', '.join(self.settings.hosts)}; --allow-host adds one",
            )

    def _check_room(self) -> None:
        if self.open >= self.settings.max_queue:
            raise ProblemError(
                503,
                f"{self.open} requests are open already, the most there may be; "
                "come again in a moment",
                headers={"retry-after": "1"},
            )

    def _check_token(self, scope: Scope, asks: bool) -> None:
        """The page and the documents are for all; asking and figures are for who has the token."""
        token = self.settings.token
        if not token or not (asks or scope["path"] == "/metrics" or scope["path"][:4] == "/v1/"):
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1"), token.encode())
        if scheme.lower() != "bearer" or not same:
            found = "another one" if given else "none"
            raise ProblemError(
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
                whole = await asyncio.wait_for(
                    self._body(scope, receive), self.settings.max_seconds
                )
            except asyncio.TimeoutError:
                raise ProblemError(
                    408,
                    f"the request had not come whole after {self.settings.max_seconds:g} seconds",
                ) from None
            if whole is None:
                return
            body = whole
        started = False

        async def started_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        done = await _first(
            self.app(scope, _replay(body), started_send),
            _disconnect(receive),
            deadline - time.monotonic(),
        )
        if not done and not started:
            raise ProblemError(
                504,
                f"no answer within {self.settings.max_seconds:g} seconds; "
                "ask fewer questions at once, or of a shorter text",
            )

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body, or `None` when the client left meanwhile."""
        most = self.settings.max_body
        announced = Headers(scope=scope).get("content-length", "0")
        chunks: list[bytes] = []
        length = int(announced[:18]) if announced.isdecimal() else 0
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
            raise ProblemError(413, f"the request has over {most:,} bytes, the most that is read")
        return b"".join(chunks)


def _replay(body: bytes) -> Receive:
    """A `receive` that gives the body, and then waits for ever."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        for message in messages:
            return message
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    return receive


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(work: Awaitable[None], gone: Awaitable[None], seconds: float) -> bool:
    """Run `work` until it ends, `gone` does or the time is over; whether one of them ended."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(gone)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when="FIRST_COMPLETED")
        if tasks[0] in done:
            tasks[0].result()  # raises what it raised
        return bool(done)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
