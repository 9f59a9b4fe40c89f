"""The tools for agents over HTTP: `POST /mcp`, the Model Context Protocol's streamable HTTP.

Knows the protocol's SDK. Each request stands alone and has one response in JSON, so that the limits
of the middleware hold for it as for all others, and that any process may answer it. As many calls
run at once as there are worker threads; another waits for half of its time and is then told that
the server is busy. Reading ends at the deadline of the request.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.routing import Route

from pullquote.agents.server import make_server
from pullquote.agents.tools import Tools
from pullquote.searching.search import Searcher
from pullquote.serving.error_responses import ApiError, check_content_type
from pullquote.serving.workers import AbandonedError, SharedBackend

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pullquote.searching.index import Index
    from pullquote.serving.dispatcher import Dispatcher

PATH = "/mcp"

_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline")
"""Of the request that a tool is called for, in seconds of `time.monotonic`."""


def add_tools(
    app: FastAPI, dispatcher: Dispatcher, index: Index, origins: Sequence[str]
) -> contextlib.AbstractAsyncContextManager[None]:
    """Add the route, and return the context in which it answers, which can be entered once."""
    tools = Tools(Searcher(dispatcher.reader, index))
    server = make_server(tools, within=_limits(dispatcher.backend))
    # the middleware checks hosts, and `_Guarded` origins
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        transport_security=security,
    )
    (route,) = (route for route in inner.routes if isinstance(route, Route))
    endpoint = _Guarded(route.endpoint, origins)
    app.router.routes.append(Route(PATH, endpoint=endpoint, methods=["POST"]))
    return server.session_manager.run()


class _Guarded:
    """Takes JSON of agents, and of pages of this origin or an allowed one, as the protocol asks.

    Passes the deadline of a request on to the thread in which a tool runs.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = {*origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        check_content_type(request, "application/json")
        MutableHeaders(scope=scope)["content-type"] = "application/json"  # the SDK minds its case
        origin = request.headers.get("origin")
        is_own = origin is not None and origin.partition("://")[2] == request.headers.get("host")
        if origin is not None and not (is_own or self._origins & {origin, "*"}):
            raise ApiError(403, f"{origin[:100]} may not call tools; --allow-origin names who may")
        _deadline.set(scope["state"]["account"].deadline)
        await self._app(scope, receive, send)


def _limits(backend: SharedBackend) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Give contexts in which a tool may read, of which `backend.pool_size` are open at once."""
    free = threading.Semaphore(backend.pool_size)

    @contextlib.contextmanager
    def within() -> Iterator[None]:
        deadline = _deadline.get()

        def seconds_left() -> float:
            return max(deadline - time.monotonic(), 0.0)

        if not free.acquire(timeout=seconds_left() / 2):
            raise ToolError("the server is busy with other calls; try again in a moment")
        try:
            with backend.reading(1, seconds_left):
                yield
        except AbandonedError:
            raise ToolError("no answer in time; ask of fewer or shorter documents") from None
        finally:
            free.release()

    return within
