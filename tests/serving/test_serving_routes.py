"""Request handlers called as plain functions, without an HTTP client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from pullquote import Index, Reader, __version__
from pullquote.serving.app import create_app
from pullquote.serving.dispatcher import Question
from pullquote.serving.error_responses import ApiError
from pullquote.serving.memory import Memory
from pullquote.serving.routes import model, operation, pages, questions, search
from pullquote.serving.schema import AnswerRequest, AskRequest, PipelineRequest
from pullquote.serving.services import Services, make_services
from pullquote.serving.settings import Settings

NORSE = "The Norse, led by Rollo, came by sea."
RIVER = "The river rises in the hills."
QUESTION = "Who led the Norse?"

Handler = Callable[..., Awaitable[Response]]


def call(services: Services, handler: Handler, *body: Any) -> Any:
    """What `handler` responds to a body, or to a request without one, from JSON."""

    async def main() -> Response:
        async with services.batcher:
            with Memory(10**6).account(0) as account:
                return await handler(*body, services, *([account] if body else []))

    return json.loads(asyncio.run(main()).body)


@pytest.fixture
def services(reader: Reader) -> Services:
    return make_services(reader, Settings())


def test_answer_orders_results_by_question_and_counts_them(services: Services) -> None:
    asked = AnswerRequest(question=["Who?", QUESTION], context=[NORSE, RIVER])
    body = call(services, questions.answer, asked)
    assert body["model"] == "model"
    assert body["threshold"] == services.reader.config.no_answer_threshold
    found = [(one["question"], one["context"], bool(one["answer"])) for one in body["results"]]
    assert found == [(0, 0, True), (0, 1, False), (1, 0, True), (1, 1, False)]
    counted = services.metrics.text().decode()
    assert "pullquote_questions_total 4.0" in counted
    assert "pullquote_abstentions_total 2.0" in counted


def test_answer_reads_with_the_threshold_of_the_request(services: Services) -> None:
    body = call(
        services,
        questions.answer,
        AnswerRequest(question=QUESTION, context=NORSE, threshold=-1000),
    )
    assert (body["threshold"], body["results"][0]["answer"]) == (-1000, None)


def test_pipeline_returns_a_list_only_for_a_list(services: Services) -> None:
    inputs = {"question": QUESTION, "context": NORSE}
    one = call(services, questions.pipeline, PipelineRequest.model_validate({"inputs": inputs}))
    assert one["answer"] == "Rollo"
    listed = PipelineRequest.model_validate({"inputs": [inputs]})
    assert call(services, questions.pipeline, listed) == [one]


def test_pipeline_counts_an_empty_text_as_an_abstention(services: Services) -> None:
    asked = {
        "inputs": [{"question": QUESTION, "context": text} for text in (NORSE, RIVER)],
        "parameters": {"handle_impossible_answer": True},
    }
    body = call(services, questions.pipeline, PipelineRequest.model_validate(asked))
    assert [one["answer"] for one in body] == ["Rollo", ""]
    assert "pullquote_abstentions_total 1.0" in services.metrics.text().decode()


def test_ask_needs_an_index(services: Services) -> None:
    with pytest.raises(ApiError, match="no documents") as refused:
        call(services, search.ask, AskRequest(question=QUESTION))
    assert refused.value.status == 404


def test_ask_and_model_with_an_index(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "norse.txt").write_text(f"{RIVER}\n\n{NORSE}\n")
    with Index.create(tmp_path / "i.db") as made:
        made.add([tmp_path / "norse.txt"])
    settings = Settings(max_question=len(QUESTION), max_seconds=7)
    with Index.open(tmp_path / "i.db", private=True) as index:
        services = make_services(reader, settings, index)
        body = call(services, search.ask, AskRequest(question=QUESTION))
        assert (body["answer"]["text"], body["answer"]["path"]) == ("Rollo", "norse.txt")
        with pytest.raises(ApiError, match="a question has 19 characters, expected at most 18"):
            call(services, search.ask, AskRequest(question=f"{QUESTION}?"))
        about = call(services, model.model)
    assert about == {
        "model": "model",
        "version": __version__,
        "answerable": reader.config.answerable,
        "threshold": reader.config.no_answer_threshold,
        "spelling": True,
        "top_k": reader.config.n_best_size,
        "index": True,
        "documents": 1,
        "max_question": 18,
        "max_context": settings.max_context,
        "max_pairs": settings.max_pairs,
        "max_body": settings.max_body,
        "max_file": settings.max_file,
        "max_seconds": 7,
    }


def test_an_index_that_cannot_be_read_is_a_503_without_its_path(
    reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Index.create(tmp_path / "empty.db").close()
    with Index.open(tmp_path / "empty.db", private=True) as index:
        services = make_services(reader, Settings(), index)
        with pytest.raises(ApiError) as refused:
            call(services, search.ask, AskRequest(question=QUESTION))
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "60"})
    assert "empty.db" not in refused.value.error
    assert "empty.db" in caplog.text


def test_readyz_refuses_once_the_queue_is_full(reader: Reader) -> None:
    services = make_services(reader, Settings(max_queue=2))

    async def readyz(waiting: int) -> Response:
        # the batcher's workers do not run here, so that questions stay in the queue
        task = asyncio.ensure_future(services.batcher.ask([Question(QUESTION, NORSE)] * waiting))
        await asyncio.sleep(0)
        try:
            return await operation.readyz(services)
        finally:
            task.cancel()

    assert asyncio.run(readyz(1)).body == b'{"status":"ready"}'
    with pytest.raises(ApiError, match="the queue is full") as refused:
        asyncio.run(readyz(2))
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})


def test_a_page_file_is_that_of_the_route_that_matched(reader: Reader) -> None:
    app = create_app(reader)
    route = next(one for one in app.routes if getattr(one, "path", "") == "/page.css")
    request = Request({"type": "http", "app": app, "route": route, "path": "/qa/page.css"})
    response = asyncio.run(pages.page_file(request))
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert response.body == app.state.page_files["/page.css"].content
