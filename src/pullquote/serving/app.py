"""Puts the application together: services, routes, middleware. No globals.

Knows FastAPI and the other modules of the package.

    app = create_app(Reader(), Settings(max_batch=16))
    # uvicorn.run(app), or any other ASGI server; one application for one event loop
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from pullquote import __version__
from pullquote.errors import InputError, MissingExtraError
from pullquote.reading.reader import Reader

try:
    from fastapi import FastAPI
    from starlette.middleware import Middleware

    from pullquote.serving import error_responses
    from pullquote.serving.metrics import Metrics
    from pullquote.serving.middleware import Cors, RequestMiddleware, SecurityHeaders
    from pullquote.serving.routes import documents, model, operation, pages, questions, search
    from pullquote.serving.services import Services, make_services
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "fastapi", "serve") from error

from pullquote.serving.settings import Settings

if TYPE_CHECKING:
    from pullquote.searching.index import Index

DESCRIPTION = (
    "Ask a question of a text. The answer is an exact quote from it with its position and score, "
    "or that there is none. All characters are code points, half open."
)


def create_app(
    reader: Reader,
    settings: Settings | None = None,
    *,
    index: Index | None = None,
    agents: bool = False,
) -> FastAPI:
    """An ASGI application that answers with `reader` within the limits of `settings`.

    `/v1/ask` searches `index`, which should be opened with `private=True`, so that responses hold
    no paths above the indexed folders. The application closes it when it shuts down, and cannot
    start again. With `agents`, it is offered to agents at `/mcp`, too (extra `mcp`). Raises
    `InputError` for `agents` without an index.

    >>> from pullquote import Reader  # doctest: +SKIP
    >>> from pullquote.serving.app import create_app  # doctest: +SKIP
    >>> from pullquote.serving.settings import Settings  # doctest: +SKIP
    >>> app = create_app(Reader(), Settings(max_queue=64))  # doctest: +SKIP
    """
    settings = settings or Settings()
    services = make_services(reader, settings, index)
    app = FastAPI(
        title="pullquote",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # FastAPI's own pages load scripts from other servers
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.agents = _agents(app, services) if agents else contextlib.nullcontext()
    error_responses.install(app)
    for routes in (questions, search, documents, model, operation):
        app.include_router(routes.router)
    pages.add_pages(app)
    _add_middleware(app, services)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Metrics]]:
    services: Services = app.state.services
    async with services.batcher, app.state.agents:
        yield {"metrics": services.metrics}  # for `protocol`
    services.metrics.close()
    if services.index is not None:
        services.index.close()


def _agents(app: FastAPI, services: Services) -> contextlib.AbstractAsyncContextManager[None]:
    if services.index is None:
        raise InputError("agents are offered the documents of an index; give one: --index FILE")
    from pullquote.serving.routes.agents import add_tools  # needs an extra of its own

    return add_tools(app, services.dispatcher, services.index, services.settings.origins)


def _add_middleware(app: FastAPI, services: Services) -> None:
    """CORS, where origins are named, outside `RequestMiddleware`, whose refusals need it too."""
    settings = services.settings
    limits = Middleware(
        RequestMiddleware,
        settings=settings,
        metrics=services.metrics,
        paths={*app.openapi()["paths"], *app.state.page_files, str(app.openapi_url), "/mcp"},
        file_paths={documents.PATH},
    )
    cors = Middleware(
        Cors,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
    )
    inner = [cors, limits] if settings.origins else [limits]
    app.user_middleware = [Middleware(SecurityHeaders), *inner]
