"""The page at `/` with its files, and the HTTP reference at `/docs`: all from memory.

Knows the page's files and the OpenAPI document of the application that it adds them to.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import Response

from pullquote.serving import page, reference
from pullquote.serving.page import PageFile


async def page_file(request: Request) -> Response:
    """The file of the route that matched; the route knows no other path than its own."""
    file: PageFile = request.app.state.page_files[request.scope["route"].path]
    return Response(
        file.content, headers={"content-type": file.content_type, "cache-control": "no-cache"}
    )


def add_pages(app: FastAPI) -> None:
    """Add a route for each file; last of all, since `/docs` describes the routes before it."""
    docs = PageFile(reference.html(app.openapi()).encode(), "text/html; charset=utf-8")
    app.state.page_files = {**page.load(), "/docs": docs}
    for path in app.state.page_files:
        app.add_api_route(path, page_file, methods=["GET", "HEAD"], include_in_schema=False)
