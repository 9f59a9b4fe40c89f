"""The text of a document: `POST /v1/text`, for the page, where documents are dropped.

Knows the bytes of a request; `uploads` reads them.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from pullquote.errors import DocumentError, MissingExtraError, OutputError
from pullquote.serving.error_responses import ApiError, check_content_type, documented
from pullquote.serving.memory import utf8_length
from pullquote.serving.schema import DocumentText
from pullquote.serving.services import CurrentAccount, CurrentServices, input_errors
from pullquote.serving.uploads import read_document

router = APIRouter(tags=["Questions"])

PATH = "/v1/text"
BYTES = "application/octet-stream"


@router.post(
    PATH,
    response_model=DocumentText,
    responses=documented(401, 408, 413, 422, 500, 503, 504),
    summary="The text of a document, to ask it.",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def text(
    request: Request,
    services: CurrentServices,
    account: CurrentAccount,
    name: Annotated[str, Query(min_length=1, max_length=1000, examples=["lease.pdf"])],
) -> Response:
    """The body is the file, as `application/octet-stream`; `?name=lease.pdf` tells its format.

    A PDF, a Word or other office file, a book (EPUB), a web page, e-mail, a table or plain text.
    Nothing of it is kept.
    """
    # Browsers ask before they send this type to another site: no page elsewhere can have a
    # document read by the server of someone who only visits it.
    check_content_type(request, BYTES)
    data = await request.body()
    given_up = threading.Event()
    try:
        async with services.documents_read:
            found_text = await asyncio.to_thread(
                read_document,
                name,
                data,
                most=services.settings.max_context,
                abandoned=given_up.is_set,
            )
    except (DocumentError, MissingExtraError) as error:
        raise ApiError(422, str(error)) from None
    except OutputError as error:
        raise ApiError(503, str(error), {"retry-after": "60"}) from None
    finally:
        given_up.set()
    with input_errors():
        account.take(utf8_length(found_text.text))
    return JSONResponse(found_text.model_dump())
