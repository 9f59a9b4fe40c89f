"""For those who operate a server: `GET /healthz`, `GET /readyz` and `GET /metrics`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from pullquote.serving.error_responses import ApiError, documented
from pullquote.serving.metrics import CONTENT_TYPE
from pullquote.serving.schema import Health
from pullquote.serving.services import CurrentServices

router = APIRouter(tags=["Operation"])


@router.get("/healthz", response_model=Health, summary="Is it alive?")
async def healthz() -> Response:
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz", response_model=Health, responses=documented(503), summary="Does it take questions?"
)
async def readyz(services: CurrentServices) -> Response:
    """503 while the queue is full, so that a balancer sends requests elsewhere."""
    if services.batcher.full:
        raise ApiError(503, "the queue is full", headers={"retry-after": "1"})
    return JSONResponse({"status": "ready"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401),
    },
    summary="Figures for Prometheus.",
)
async def figures(services: CurrentServices) -> Response:
    return Response(services.metrics.text(), headers={"content-type": CONTENT_TYPE})
