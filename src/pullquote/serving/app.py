"""The application: paths, and what each of them does; made by a factory, with nothing global.

Knows FastAPI and the rooms around it.

    app = create_app(Reader(), Settings(max_batch=16))
    # uvicorn.run(app), or any other ASGI server; one application for one event loop
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import operator
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullquote import __version__
from pullquote.errors import IndexFileError, InputError, MissingExtraError, OutputError
from pullquote.reading.reader import Reader
from pullquote.searching.record import record
from pullquote.searching.search import Searcher
from pullquote.types import Answer, Prediction

try:
    from fastapi import FastAPI
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.responses import JSONResponse, Response

    from pullquote.serving import page, problems, reference
    from pullquote.serving.guard import Guard
    from pullquote.serving.metrics import CONTENT_TYPE, Metrics
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "fastapi", "serve") from error

from pullquote.serving.gather import FullError, Gatherer
from pullquote.serving.problems import CODES, Problem, ProblemError
from pullquote.serving.schema import (
    AnswerRequest,
    AnswerResponse,
    AskRequest,
    AskResponse,
    Health,
    ModelResponse,
    PipelineRequest,
    PipelineResponse,
)
from pullquote.serving.settings import Settings
from pullquote.serving.work import ByPipeline, ByReader, BySearch, Desk, Question

if TYPE_CHECKING:
    from pullquote.searching.index import Index

_LOG = logging.getLogger(__name__)

DESCRIPTION = (
    "Ask a question of a text: an exact quote from it with its place and score, or the word that "
    "it has no answer. All characters are code points, half open."
)


def create_app(
    reader: Reader, settings: Settings | None = None, *, index: Index | None = None
) -> FastAPI:
    """An ASGI application that answers with `reader` within the limits of `settings`.

    `index`, opened as a private one, is what `/v1/ask` searches; it is closed at the end.
    """
    settings = settings or Settings()
    desk = Desk(reader)
    metrics = Metrics()
    gatherer: Gatherer[Question, Any] = Gatherer(
        desk.read,
        lanes=desk.backend.lanes,
        max_batch=settings.max_batch,
        max_wait=settings.max_wait_ms / 1000,
        capacity=settings.max_queue,
        size=lambda question: question.size,
        on_batch=metrics.batch.observe,
        on_waiting=metrics.waiting.set,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with gatherer:
            yield
        metrics.close()
        if index is not None:
            index.close()

    app = FastAPI(
        title="pullquote",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's loads its scripts from elsewhere
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    name = _name(reader)
    _add_questions(app, name, desk, gatherer, metrics, settings)
    _add_search(app, name, reader, index, gatherer, metrics, settings)
    _add_model(app, name, reader, index, settings)
    _add_health(app, gatherer, metrics)
    _add_page(app)
    others = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
    )
    guard = Middleware(
        Guard,
        settings=settings,
        metrics=metrics,
        paths={route.path for route in app.routes},  # type: ignore[attr-defined]
    )
    app.user_middleware = [others, guard] if settings.origins else [guard]
    return app


def _name(reader: Reader) -> str:
    """What the model is called, without the place on the disk where it lies."""
    path = Path(reader.directory.name)
    return path.resolve().name if path.is_dir() else reader.directory.name


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a path may answer besides, for the document."""
    return {
        status: {"model": Problem, "description": f"`{CODES[status][0]}`: {CODES[status][1]}."}
        for status in statuses
    }


_MAX_SPANS = 200_000
"""Spans that transformers' parameters may have kept of one text; 200 bytes each."""

_ASKING = (401, 408, 413, 422, 500, 503, 504)


def _add_questions(
    app: FastAPI,
    name: str,
    desk: Desk,
    gatherer: Gatherer[Question, Any],
    metrics: Metrics,
    settings: Settings,
) -> None:
    config = desk.reader.config

    def check(questions: Sequence[str], contexts: Sequence[str], pairs: int) -> None:
        if pairs > settings.max_pairs:
            raise ProblemError(
                413,
                f"the request has {pairs:,} pairs of a question and a context, expected at most "
                f"{settings.max_pairs:,}",
            )
        _check_length("question", questions, settings.max_question)
        _check_length("context", contexts, settings.max_context)

    @app.post(
        "/v1/answer",
        response_model=AnswerResponse,
        responses=_errors(*_ASKING),
        tags=["Questions"],
        summary="Ask questions of texts.",
    )
    async def answer(request: AnswerRequest) -> Response:
        """Each question is asked of each context; a result says which two it is about.

        Requests that come at the same time are read together.
        """
        way = ByReader(request.threshold)
        questions, contexts = request.questions, request.contexts
        check(questions, contexts, len(questions) * len(contexts))
        # a context's questions one after another, so that it is tokenised once
        pairs = [(q, c) for c in range(len(contexts)) for q in range(len(questions))]
        predictions: list[Prediction] = await _gathered(
            gatherer, [Question(questions[q], contexts[c], way) for q, c in pairs]
        )
        metrics.questions.inc(len(pairs))
        metrics.abstentions.inc(sum(prediction.answer is None for prediction in predictions))
        notes = [_note(desk.reader, question) for question in questions]
        return JSONResponse(
            {
                "model": name,
                "threshold": config.no_answer_threshold
                if request.threshold is None
                else request.threshold,
                "results": [
                    _result(q, c, prediction, request.top_k, notes[q])
                    for (q, c), prediction in sorted(
                        zip(pairs, predictions, strict=True), key=operator.itemgetter(0)
                    )
                ],
            }
        )

    @app.post(
        "/",
        response_model=PipelineResponse,
        responses=_errors(*_ASKING),
        tags=["Questions"],
        summary="Ask as transformers' pipeline was asked.",
    )
    async def pipeline(request: PipelineRequest) -> Response:
        """What `huggingface_hub.InferenceClient(model=URL).question_answering(...)` calls.

        Answers and scores are those of `pullquote.pipeline`.
        """
        one = not isinstance(request.inputs, list)
        inputs = request.inputs if isinstance(request.inputs, list) else [request.inputs]
        check([one.question for one in inputs], [one.context for one in inputs], len(inputs))
        try:
            options = request.parameters.options()
            length, stride = options.lengths(desk.pipeline.usual, desk.pipeline.positions)
        except ValueError as error:
            raise ProblemError(422, f"body.parameters: {error}") from None
        _check_spans(max(len(one.context) for one in inputs), length, stride, options.top_k)
        way = ByPipeline(options)
        answers = await _gathered(
            gatherer, [Question(one.question, one.context, way) for one in inputs]
        )
        metrics.questions.inc(len(inputs))
        metrics.abstentions.inc(sum(_best(answer) == "" for answer in answers))
        return JSONResponse(answers[0] if one else answers)


def _add_search(
    app: FastAPI,
    name: str,
    reader: Reader,
    index: Index | None,
    gatherer: Gatherer[Question, Any],
    metrics: Metrics,
    settings: Settings,
) -> None:
    searcher = None if index is None else Searcher(reader, index)

    @app.post(
        "/v1/ask",
        response_model=AskResponse,
        responses=_errors(404, *_ASKING),
        tags=["Questions"],
        summary="Ask all documents of the server's index.",
    )
    async def ask(request: AskRequest) -> Response:
        """The passages that share words with the question are read, and one answer is given.

        404 where the server was started without `--index`. Changes of the index are seen at once.
        """
        if searcher is None:
            raise ProblemError(404, "this server has no documents; pullquote serve --index FILE")
        _check_length("question", [request.question], settings.max_question)
        try:
            with _searchable():
                found = await asyncio.to_thread(
                    searcher.retrieve, request.question, path=request.path
                )
        except InputError as error:
            raise ProblemError(422, str(error)) from None
        way = BySearch()
        windows = await _gathered(
            gatherer, [Question(request.question, f.passage.text, way) for f in found]
        )

        note = _note(reader, request.question)

        def decided() -> tuple[bool, str]:
            result = searcher.decide(
                request.question, found, windows, request.top_k, request.threshold
            )
            # escaped to ASCII, so that a name that is not UTF-8 can stand in it
            return result.answered, json.dumps({**record(result, name), "note": note})

        answered, body = await asyncio.to_thread(decided)
        metrics.questions.inc()
        metrics.abstentions.inc(not answered)
        return Response(body, media_type="application/json")


@contextlib.contextmanager
def _searchable() -> Iterator[None]:
    """An index that cannot be read is told of without its place, which the log has."""
    try:
        yield
    except (IndexFileError, OutputError) as error:
        _LOG.error("%s", error)
        raise ProblemError(
            503, "the documents cannot be searched at the moment", {"retry-after": "60"}
        ) from None


async def _gathered(gatherer: Gatherer[Question, Any], questions: Sequence[Question]) -> list[Any]:
    try:
        return await gatherer.ask(questions)
    except FullError as error:
        raise ProblemError(503, str(error), headers={"retry-after": "1"}) from None
    except InputError as error:
        raise ProblemError(422, str(error)) from None


def _check_length(name: str, texts: Iterable[str], most: int) -> None:
    longest = max(map(len, texts))
    if longest > most:
        raise ProblemError(413, f"a {name} has {longest:,} characters, expected at most {most:,}")


def _check_spans(characters: int, length: int, stride: int, top_k: int) -> None:
    """Refuse parameters that make so many windows with so many spans each that memory goes."""
    # a token has a character at least; what a question takes of a window is not known yet
    windows = characters / max(1, length - stride)
    if windows * top_k > _MAX_SPANS:
        raise ProblemError(
            422,
            f"body.parameters: top_k {top_k}, max_seq_len {length} and doc_stride {stride} make "
            f"about {windows * top_k:,.0f} candidates of a text of {characters:,} characters, "
            f"expected at most {_MAX_SPANS:,}; lower top_k or doc_stride",
        )


def _note(reader: Reader, question: str) -> str:
    limit = reader.config.max_question_length
    if len(question.encode("utf-8", "replace")) <= limit:
        return ""  # a token has a byte at least
    tokens = reader.encoder.count(question.strip())
    if tokens <= limit:
        return ""
    return f"the question has {tokens} tokens; only the first {limit} were read"


def _result(
    question: int, context: int, prediction: Prediction, top_k: int, note: str
) -> dict[str, Any]:
    return {
        "question": question,
        "context": context,
        "answer": prediction.answer and _quote(prediction.answer),
        "answers": [_quote(answer) for answer in prediction.answers[:top_k]],
        "no_answer_score": prediction.no_answer_score,
        "null_score_diff": prediction.null_score_diff,
        "note": note,
    }


def _quote(answer: Answer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "start": answer.start,
        "end": answer.end,
        "score": answer.score,
    }


def _best(answer: Any) -> str:
    """The text of the pipeline's first answer."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    return str(first["answer"]) if first else ""


def _add_model(
    app: FastAPI, name: str, reader: Reader, index: Index | None, settings: Settings
) -> None:
    @app.get(
        "/v1/model",
        response_model=ModelResponse,
        responses=_errors(401, 503),
        tags=["Questions"],
        summary="The model, and the limits of a request.",
    )
    async def model() -> Response:
        names = ("max_question", "max_context", "max_pairs", "max_body", "max_seconds")
        with _searchable():
            documents = 0 if index is None else await asyncio.to_thread(index.count)
        return JSONResponse(
            {
                "model": name,
                "version": __version__,
                "threshold": reader.config.no_answer_threshold,
                "top_k": reader.config.n_best_size,
                "documents": documents,
                **{name: getattr(settings, name) for name in names},
            }
        )


def _add_health(app: FastAPI, gatherer: Gatherer[Question, Any], metrics: Metrics) -> None:
    @app.get("/healthz", response_model=Health, tags=["Operation"], summary="Is it alive?")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get(
        "/readyz",
        response_model=Health,
        responses=_errors(503),
        tags=["Operation"],
        summary="Does it take questions?",
    )
    async def readyz() -> Response:
        """503 while the queue is full, so that a balancer sends requests elsewhere."""
        if gatherer.full:
            raise ProblemError(503, "the queue is full", headers={"retry-after": "1"})
        return JSONResponse({"status": "ready"})

    @app.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **_errors(401),
        },
        tags=["Operation"],
        summary="Figures for Prometheus.",
    )
    async def figures() -> Response:
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})


def _add_page(app: FastAPI) -> None:
    def add(path: str, file: page.File) -> None:
        async def show() -> Response:
            headers = {"content-type": file.kind, "cache-control": "no-cache"}
            return Response(file.content, headers=headers)

        app.add_api_route(path, show, methods=["GET", "HEAD"], include_in_schema=False)

    for path, file in page.load().items():
        add(path, file)
    add("/docs", page.File(reference.html(app.openapi()).encode(), "text/html; charset=utf-8"))
