"""Questions on texts: `POST /v1/answer`, and `POST /` in the form of Hugging Face's service.

Knows the dispatcher's modes and the JSON of both forms.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import JSONResponse, Response

from pullquote.serving import progress
from pullquote.serving.dispatcher import PipelineMode, Question, ReaderMode
from pullquote.serving.error_responses import ApiError, documented
from pullquote.serving.limits import check_candidates, check_lengths, check_pairs
from pullquote.serving.responses import prediction_json
from pullquote.serving.schema import (
    AnswerRequest,
    AnswerResponse,
    PipelineRequest,
    PipelineResponse,
)
from pullquote.serving.services import CurrentAccount, CurrentServices, input_errors
from pullquote.serving.settings import Settings
from pullquote.types import Prediction

router = APIRouter(tags=["Questions"])

READING_STATUSES = (401, 408, 413, 422, 500, 503, 504)
"""Error statuses of every path that reads texts."""


@router.post(
    "/v1/answer",
    response_model=AnswerResponse,
    responses=documented(*READING_STATUSES),
    summary="Ask questions of texts.",
)
async def answer(
    body: AnswerRequest,
    services: CurrentServices,
    account: CurrentAccount,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Each question is asked of each context; a result says which two it is about.

    Requests that come at the same time are read together. With `Accept: application/x-ndjson`, a
    response that takes longer than half a second is lines of JSON: `{"progress": 0.25}`, the share
    of the texts that is read, and at last the response, or an error. It may take as long as the
    reading goes on.
    """
    questions, contexts = body.questions, body.contexts
    _check(questions, contexts, len(questions) * len(contexts), services.settings)
    # all questions of a context in a row, so that the context is tokenised once
    pairs = [(q, c) for c in range(len(contexts)) for q in range(len(questions))]
    with input_errors():
        config = services.reader.config
        mode = ReaderMode.of(config, body.top_k, body.threshold, body.answerable)
    share = progress.Share([len(contexts[c]) for _, c in pairs])

    async def read() -> Response:
        predictions: list[Prediction] = await services.read(
            [
                Question(questions[q], contexts[c], mode, account, share.progress(number))
                for number, (q, c) in enumerate(pairs)
            ],
            account,
        )
        services.metrics.questions.inc(len(pairs))
        services.metrics.abstentions.inc(sum(one.answer is None for one in predictions))
        notes = [services.truncation_note(question) for question in questions]
        # the response is ordered by question, then by context
        in_order = sorted(zip(pairs, predictions, strict=True), key=operator.itemgetter(0))
        return JSONResponse(
            {
                "model": services.model_name,
                "answerable": predictions[0].answerable,
                "threshold": predictions[0].threshold,
                "results": [
                    prediction_json(q, c, prediction, body.top_k, notes[q])
                    for (q, c), prediction in in_order
                ],
            }
        )

    if progress.is_wanted(accept):
        account.deadline = math.inf  # the response ends the work where it makes no progress
        return await progress.respond(read(), share, services.settings.max_seconds)
    return await read()


@router.post(
    "/",
    response_model=PipelineResponse,
    responses=documented(*READING_STATUSES),
    summary="Ask as transformers' pipeline was asked.",
)
async def pipeline(
    body: PipelineRequest, services: CurrentServices, account: CurrentAccount
) -> Response:
    """What `huggingface_hub.InferenceClient(model=URL).question_answering(...)` calls.

    Answers and scores are those of `pullquote.pipeline`.
    """
    is_list = isinstance(body.inputs, list)
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    questions, contexts = [one.question for one in inputs], [one.context for one in inputs]
    _check(questions, contexts, len(inputs), services.settings)
    usual = services.dispatcher.pipeline
    try:
        options = body.parameters.options()
        length, overlap = options.lengths(usual.model_max_length, usual.positions)
    except ValueError as error:
        raise ApiError(422, f"body.parameters: {error}") from None
    check_candidates(sum(map(len, contexts)), length, overlap, options.top_k)
    mode = PipelineMode(options)
    answers = await services.read(
        [Question(one.question, one.context, mode, account) for one in inputs], account
    )
    services.metrics.questions.inc(len(inputs))
    services.metrics.abstentions.inc(sum(_best_text(one) == "" for one in answers))
    return JSONResponse(answers if is_list else answers[0])


def _check(
    questions: Sequence[str], contexts: Sequence[str], pairs: int, settings: Settings
) -> None:
    """Refuse with 413 what exceeds the limits on pairs and lengths."""
    check_pairs(pairs, settings.max_pairs)
    check_lengths("question", questions, settings.max_question)
    check_lengths("context", contexts, settings.max_context)


def _best_text(answer: Any) -> str:
    """The text of the pipeline's first answer, which is empty for "no answer"."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    return str(first["answer"]) if first else ""
