"""The one shape of errors: `{"error": what is wrong in words, "code": a name for programs}`.

Knows status codes, nothing of the application. `error` is text, where clients of Hugging Face look
for it; `details` names the places in a request that is not what the schema says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pullquote.serving.schema import TAGS

CODES = {
    400: ("bad_request", "the request is not HTTP as it should be"),
    401: ("unauthorized", "the token is missing or wrong"),
    404: ("not_found", "there is nothing under this path"),
    405: ("method_not_allowed", "the path takes other methods"),
    408: ("too_slow", "the request took too long to arrive"),
    413: ("too_large", "the request has too many bytes, characters or pairs"),
    421: ("misdirected", "the server does not answer under this name"),
    422: ("invalid", "the request is not what the schema says, or cannot be answered"),
    500: ("internal", "a fault of the server, which its log describes"),
    503: (
        "busy",
        "too many questions wait, or the documents cannot be searched now; `Retry-After` says when "
        "to come again",
    ),
    504: ("timeout", "the answer took too long and was given up"),
}
"""Status to the code of its errors, and what it means."""


class Detail(BaseModel):
    """A place in a request, and what is wrong with it."""

    where: str = Field(examples=["body.question"])
    message: str = Field(examples=["String should have at least 1 character"])


class Problem(BaseModel):
    """Every answer with a status of 400 or more."""

    error: str = Field(description="What was found and what was expected, in words.")
    code: str = Field(description="A name that programs can rely on.", examples=["invalid"])
    details: list[Detail] = Field(default=[], description="With 422: what is wrong, and where.")


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


def problem(
    status: int,
    error: str,
    details: Sequence[Detail] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that says so."""
    code = CODES.get(status, CODES[400 if status < 500 else 500])[0]
    body = {"error": error, "code": code, "details": [detail.model_dump() for detail in details]}
    # escaped to ASCII, so that half a surrogate pair from a request can stand in it
    return Response(json.dumps(body), status, headers, "application/json")


def install(app: FastAPI) -> None:
    """Give this shape to what FastAPI itself has to say."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return problem(error.status, error.error, headers=error.headers)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return problem(404, f"{request.url.path}: nothing is here; /docs lists what is")
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            text = f"{request.url.path} does not take {request.method}, but {allowed}"
            return problem(405, text, headers=error.headers)
        status = 422 if error.status_code == 400 else error.status_code  # JSON too odd to parse
        return problem(status, str(error.detail), headers=error.headers)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if isinstance(error.body, bytes):  # FastAPI did not take it for JSON
            details = [_not_json(request.headers.get("content-type"))]
        else:
            # an unknown key first: it may be the one that is missed, misspelt
            told = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
            details = [_detail(one) for one in told[:20]]
        first = f"{details[0].where}: {details[0].message}" if details else "not what is expected"
        return problem(422, first, details)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)


def _not_json(kind: str | None) -> Detail:
    found = "missing" if kind is None else repr(kind)
    return Detail(where="headers.content-type", message=f"{found}, expected application/json")


def _detail(error: Mapping[str, Any]) -> Detail:
    """What pydantic says, without the input, which may be long or no text at all.

    Of the names of a place some are those of the form that was tried, and are left out; an unknown
    key may be as long as a request.
    """
    if error["type"] == "json_invalid":
        where, character = error["loc"]
        why = (error.get("ctx") or {}).get("error")
        return Detail(where=where, message=f"{error['msg']}: {why} at character {character}")
    names = [str(place)[:100] for place in error["loc"] if place not in TAGS]
    return Detail(where=".".join(names), message=error["msg"])
