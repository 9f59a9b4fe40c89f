"""ASGI middleware: request limits, authentication, timeouts, security headers, CORS, metrics.

Knows ASGI, nothing of questions. A request reaches the application with its complete body, or not
at all. Every request gets a response in time, unless its client has disconnected. `scope["state"]`
then has the `account` of the request: the memory that it holds, and its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterator

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pullquote.serving.arrivals import Arrival, Arrivals
from pullquote.serving.error_responses import FAILED, ApiError, error_response
from pullquote.serving.memory import Account, Memory, MemoryFullError
from pullquote.serving.metrics import Metrics
from pullquote.serving.settings import Settings

_log = logging.getLogger("pullquote.serving")

ARRIVING_BODIES = 32
"""So many times `Settings.max_body` are the bytes of bodies that are arriving, together."""
OPEN_BODIES = 64
"""So many times `Settings.max_body` are the bytes that open requests hold, together."""

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


METHODS = ("GET", "HEAD", "POST", "OPTIONS")
"""Those with metrics of their own; all others share "other"."""


class SecurityHeaders:
    """Puts `SECURITY_HEADERS` on every response of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Cors(CORSMiddleware):
    """Starlette's CORS middleware, whose refusals have the form of our errors."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        what = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        headers = {k: v for k, v in response.headers.items() if not k.startswith("content-")}
        return error_response(
            response.status_code,
            f"a page of another site may not send this request (not allowed: {what}); the server's "
            "--allow-origin names the sites that may",
            headers=headers,
        )


class RequestMiddleware:
    """Wraps an application; `paths` get metrics of their own, all others share "other".

    Bodies of `file_paths` may have `Settings.max_file` bytes, those of others `max_body`.

    Requests other than GET and HEAD are taken for questions: only their number and bodies are
    limited, and they always need the token.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        metrics: Metrics,
        paths: Collection[str],
        file_paths: Collection[str] = (),
    ) -> None:
        self.app = app
        self.file_paths = file_paths
        self.settings = settings
        self.metrics = metrics
        self.paths = paths
        self.open = 0  # requests with questions that have arrived and have no response yet
        # The application parses a body before it first waits: 30 ms for two megabytes. One body in
        # each round of the event loop leaves room for all else, such as /healthz.
        self.turn = asyncio.Lock()
        self.arrivals = Arrivals(max(ARRIVING_BODIES * settings.max_body, settings.max_file))
        self.memory = Memory(OPEN_BODIES * settings.max_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_at = time.perf_counter()
        status = 499  # stays so when the client disconnects before a response

        async def send_with_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"] if scope["path"] in self.paths else "other"
        try:
            self._check_host(scope)
            if path == "/readyz":
                self._check_capacity()
            await self._run(scope, receive, send_with_status)
        except ApiError as error:
            response = error_response(error.status, error.error, headers=error.headers)
            await response(scope, receive, send_with_status)
        except Exception:  # noqa: BLE001  # logged; the server goes on
            _log.exception("%s %s failed", scope["method"], path)
            if status == 499:
                response = error_response(500, FAILED)
                await response(scope, receive, send_with_status)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(method, path, status).inc()
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

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one that asks once its body is there."""
        deadline = time.monotonic() + self.settings.max_seconds
        asks = scope["method"] not in ("GET", "HEAD")
        if asks:
            self._check_capacity()  # before the body
        self._check_token(scope, asks)
        if not asks:
            await self._respond(scope, receive, send, b"", deadline)
        elif (body := await self._arrived(scope, receive)) is not None:
            with self._opened(len(body), deadline) as account:
                async with self.turn:
                    await asyncio.sleep(0)
                scope.setdefault("state", {})["account"] = account
                await self._respond(scope, receive, send, body, deadline)

    @contextlib.contextmanager
    def _opened(self, body: int, deadline: float) -> Iterator[Account]:
        """Within the block, a request is open, whose body has so many bytes."""
        self._check_capacity()
        try:
            with self.memory.account(body, deadline) as account:
                self.open += 1
                self.metrics.open.inc()
                try:
                    yield account
                finally:
                    self.open -= 1
                    self.metrics.open.dec()
        except MemoryFullError as error:
            raise ApiError(503, str(error), headers={"retry-after": "1"}) from None

    async def _respond(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, deadline: float
    ) -> None:
        """Call the application. Raises `ApiError` at the deadline, before the response has begun.

        Each piece of a response that has begun has `max_seconds` and one more to come.
        """
        started = False

        async def tracking_send(message: Message) -> None:
            nonlocal started, deadline
            started = True
            deadline = time.monotonic() + self.settings.max_seconds + 1
            await send(message)

        ended = await _race(
            self.app(scope, _replay(body), tracking_send),
            _disconnect(receive),
            lambda: deadline - time.monotonic(),
        )
        if not ended and not started:
            raise ApiError(
                504,
                f"no answer within {self.settings.max_seconds:g} seconds; "
                "ask fewer questions at once, or of a shorter text",
            )

    async def _arrived(self, scope: Scope, receive: Receive) -> bytes | None:
        """The complete body, or `None` when the client disconnects before its end.

        Raises `ApiError` when it comes too slowly, or is too large.
        """
        with self.arrivals.begin(lambda: reading.cancel()) as arrival:
            reading = asyncio.ensure_future(self._body(scope, receive, arrival))
            try:
                await asyncio.wait([reading], timeout=self.settings.max_seconds)
            finally:
                reading.cancel()
        if reading.done() and not reading.cancelled():
            return reading.result()
        if arrival.was_given_up:
            raise ApiError(
                503,
                "too many bytes of other requests arrive, and this one is slow; come again in a "
                "moment",
                headers={"retry-after": "1"},
            )
        raise ApiError(
            408, f"the request had not come whole after {self.settings.max_seconds:g} seconds"
        )

    async def _body(self, scope: Scope, receive: Receive, arrival: Arrival) -> bytes | None:
        """The complete body, or `None` when the client disconnects before its end."""
        is_file = scope["path"] in self.file_paths
        most = self.settings.max_file if is_file else self.settings.max_body
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
                arrival.add(len(chunks[-1]))
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


async def _race(
    work: Awaitable[None], disconnect: Awaitable[None], left: Callable[[], float]
) -> bool:
    """Run both until one ends or no seconds are `left`; cancel the other. False after a timeout."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(disconnect)]
    done: set[asyncio.Future[None]] = set()
    try:
        while not done and (seconds := left()) > 0:
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
