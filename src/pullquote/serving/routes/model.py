"""What the server has: `GET /v1/model`, its model, its limits and the number of its documents."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from pullquote import __version__
from pullquote.serving.error_responses import documented
from pullquote.serving.schema import ModelResponse
from pullquote.serving.services import CurrentServices, index_errors

router = APIRouter(tags=["Questions"])


@router.get(
    "/v1/model",
    response_model=ModelResponse,
    responses=documented(401, 503),
    summary="The model, and the limits of a request.",
)
async def model(services: CurrentServices) -> Response:
    index, config, settings = services.index, services.reader.config, services.settings
    with index_errors():
        documents = 0 if index is None else await asyncio.to_thread(index.count)
    return JSONResponse(
        {
            "model": services.model_name,
            "version": __version__,
            "answerable": config.answerable,
            "threshold": config.no_answer_threshold,
            "spelling": config.spelling,
            "top_k": config.n_best_size,
            "index": index is not None,
            "documents": documents,
            "max_question": settings.max_question,
            "max_context": settings.max_context,
            "max_pairs": settings.max_pairs,
            "max_body": settings.max_body,
            "max_file": settings.max_file,
            "max_seconds": settings.max_seconds,
        }
    )
