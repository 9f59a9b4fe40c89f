"""Questions on the documents of an index: `POST /v1/ask`.

Knows the searcher: it retrieves passages, the batcher has them read, the searcher decides.
"""

from __future__ import annotations

import asyncio
import json

from fastapi import APIRouter
from starlette.responses import Response

from pullquote.serving.dispatcher import Question, SearchMode
from pullquote.serving.error_responses import ApiError, documented
from pullquote.serving.limits import check_lengths
from pullquote.serving.responses import search_json
from pullquote.serving.routes.questions import READING_STATUSES
from pullquote.serving.schema import AskRequest, AskResponse
from pullquote.serving.services import CurrentAccount, CurrentServices, index_errors, input_errors

router = APIRouter(tags=["Questions"])


@router.post(
    "/v1/ask",
    response_model=AskResponse,
    responses=documented(404, *READING_STATUSES),
    summary="Ask all documents of the server's index.",
)
async def ask(body: AskRequest, services: CurrentServices, account: CurrentAccount) -> Response:
    """The passages that fit the question best are read, and one answer is given.

    404 where the server was started without `--index`. Changes of the index are seen at once.
    """
    searcher = services.searcher
    if searcher is None:
        raise ApiError(404, "this server has no documents; pullquote serve --index FILE")
    check_lengths("question", [body.question], services.settings.max_question)
    with input_errors():
        services.reader.config.decision(body.threshold, body.answerable)  # before any work
        with index_errors():
            found = await asyncio.to_thread(
                searcher.retrieve, body.question, path=body.path, where=body.where
            )
            fits = bool(found.passages) or await asyncio.to_thread(
                searcher.index.matches, body.path, body.where
            )
    mode = SearchMode()
    windows = await services.read(
        [Question(found.read_as, one.passage.text, mode) for one in found.passages], account
    )
    shortlist = searcher.shortlist(found, windows)
    looks = None
    if shortlist.text:
        (again,) = await services.read([Question(found.read_as, shortlist.text, mode)], account)
        looks = shortlist.looks(again)
    note = services.truncation_note(found.read_as)
    note = note if fits else "no document or row of a table fits the filters"

    def decide() -> tuple[bool, str]:
        """Whether there is an answer, and the response; in a thread, since it takes a while."""
        result = searcher.decide(
            found,
            windows,
            body.top_k,
            looks=looks,
            threshold=body.threshold,
            answerable=body.answerable,
        )
        account.take_quotes(
            text for hit in result.hits for text in (hit.text, hit.sentence, hit.passage.text)
        )
        # json.dumps escapes to ASCII: a file name that is not UTF-8 could not be encoded
        return result.answered, json.dumps(search_json(result, services.model_name, note))

    with input_errors():
        answered, content = await asyncio.to_thread(decide)
    services.metrics.questions.inc()
    services.metrics.abstentions.inc(not answered)
    return Response(content, media_type="application/json")
