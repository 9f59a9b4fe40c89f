"""The tools for agents over HTTP: `POST /mcp`, the Model Context Protocol's streamable HTTP.

Knows the protocol's SDK. Each request stands alone and has one response in JSON, so that the limits
of the middleware hold for it as for all others, and that any process may answer it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route

from pullquote.agents.server import make_server
from pullquote.agents.tools import Tools

if TYPE_CHECKING:
    from fastapi import FastAPI

    from pullquote.searching.search import Searcher

PATH = "/mcp"


def add_tools(app: FastAPI, searcher: Searcher) -> contextlib.AbstractAsyncContextManager[None]:
    """Add the route, and return the context in which it answers."""
    server = make_server(Tools(searcher))
    # the middleware checks hosts and origins
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        transport_security=security,
    )
    (route,) = (route for route in inner.routes if isinstance(route, Route))
    app.router.routes.append(Route(PATH, endpoint=route.endpoint, methods=["POST"]))
    return server.session_manager.run()
