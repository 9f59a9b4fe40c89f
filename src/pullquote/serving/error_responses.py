"""Error responses, all of one JSON form: `{"error": "...", "code": "...", "details": [...]}`.

Knows status codes, nothing of the application. `error` is a sentence, under the key where Hugging
Face's clients look for it; `code` is for programs; `details` locates what breaks the schema.

    raise ApiError(413, "a question has 3,000 characters, expected at most 2,000")
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
    403: ("forbidden", "pages of that origin may not call tools"),
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
"""Status to `code` and its meaning, as the OpenAPI document states them."""
FAILED = "the server failed; its log says how"
"""What a 500 tells; the log has the traceback."""


class Detail(BaseModel):
    """A place in a request, and what is wrong with it."""

    where: str = Field(examples=["body.question"])
    message: str = Field(examples=["empty, expected a text"])


class ErrorBody(BaseModel):
    """Every answer with a status of 400 or more."""

    error: str = Field(description="What was found and what was expected, in words.")
    code: str = Field(description="A name that programs can rely on.", examples=["invalid"])
    details: list[Detail] = Field(default=[], description="With 422: what is wrong, and where.")


class ApiError(Exception):
    """Ends a request with an error response of this status."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


def error_response(
    status: int,
    error: str,
    details: Sequence[Detail] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A JSON response of the form `ErrorBody`."""
    code = CODES.get(status, CODES[400 if status < 500 else 500])[0]
    body = {"error": error, "code": code, "details": [detail.model_dump() for detail in details]}
    # json.dumps escapes to ASCII: half a surrogate pair from a request could not be sent as UTF-8
    return Response(json.dumps(body), status, headers, "application/json")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these statuses, for the OpenAPI document."""
    return {
        status: {"model": ErrorBody, "description": f"`{CODES[status][0]}`: {CODES[status][1]}."}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make the application answer `ApiError` and FastAPI's own errors in this form."""

    async def on_api_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error_response(error.status, error.error, headers=error.headers)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return error_response(404, f"{request.url.path}: nothing is here; /docs lists what is")
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            text = f"{request.url.path} does not take {request.method}, but {allowed}"
            return error_response(405, text, headers=error.headers)
        if error.status_code == 400:  # of FastAPI, for JSON on which the parser gives up
            text = "body: JSON that is nested too deeply, or has a number of too many digits"
            return error_response(422, text)
        return error_response(error.status_code, str(error.detail), headers=error.headers)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if isinstance(error.body, bytes):  # FastAPI did not parse it: the content type is not JSON
            details = [_other_type(request.headers.get("content-type"), "application/json")]
        else:
            # unknown keys first: one may be the misspelling of a key that is missing
            errors = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
            details = [_detail(one) for one in errors[:20]]
        first = f"{details[0].where}: {details[0].message}" if details else "not what is expected"
        return error_response(422, first, details)

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)


def check_content_type(request: Request, expected: str) -> None:
    """Raise `ApiError` (422) unless the body has this content type, whatever its parameters."""
    kind = request.headers.get("content-type")
    if (kind or "").partition(";")[0].strip().lower() != expected:
        detail = _other_type(kind, expected)
        raise ApiError(422, f"{detail.where}: {detail.message}")


def _other_type(kind: str | None, expected: str) -> Detail:
    found = repr(kind[:100]) if kind else "missing"
    return Detail(where="headers.content-type", message=f"{found}, expected {expected}")


def _detail(error: Mapping[str, Any]) -> Detail:
    """Where something is wrong, and what.

    Pydantic's location holds the tag of the union member that it tried; tags are left out:
    `("body", "context", "a list", 1)` becomes `body.context.1`. Parts are cut at 100 characters,
    since an unknown key may be as long as the request.
    """
    if error["type"] == "json_invalid":
        where, character = error["loc"]
        why = (error.get("ctx") or {}).get("error")
        return Detail(where=where, message=f"not JSON: {why} at character {character}")
    parts = [str(part)[:100] for part in error["loc"] if part not in TAGS]
    return Detail(where=".".join(parts), message=_message(error))


def _message(error: Mapping[str, Any]) -> str:
    """What was found and what was expected, for one of pydantic's errors."""
    kind, value, limits = error["type"], error.get("input"), error.get("ctx") or {}
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        return "there is no such field; /docs lists those that there are"
    if kind == "string_unicode":
        return "half of a surrogate pair, expected whole characters"
    if kind in _EXPECTED:
        return f"{_found(value)}, expected {_EXPECTED[kind]}"
    if kind in ("string_too_short", "too_short"):
        return f"empty, expected {'a text' if kind == 'string_too_short' else 'at least one'}"
    if kind == "string_too_long":
        return f"{len(value or ''):,} characters, expected at most {limits['max_length']:,}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{_found(value)}, expected {words} {limits[name]:,.15g}"
    return str(error["msg"])


_EXPECTED = {
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _found(value: Any) -> str:
    """A number as it is, anything else by its kind: it may be long, or hold no text."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return repr(value)[:40]
    kinds: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "something else")
