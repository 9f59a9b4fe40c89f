"""What request handlers work with: the reader, the batcher, the index, settings and metrics.

Knows FastAPI's dependencies. One `Services` belongs to one application; there are no globals.

    services = make_services(Reader(), Settings())
    async with services.batcher:
        predictions = await services.read([Question("Who led the Norse?", context)], account)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from pullquote.errors import IndexFileError, InputError, OutputError
from pullquote.reading.reader import Reader
from pullquote.searching.search import Searcher
from pullquote.serving.batcher import Batcher, QueueFullError
from pullquote.serving.dispatcher import Dispatcher, Question
from pullquote.serving.error_responses import ApiError
from pullquote.serving.memory import Account, MemoryFullError
from pullquote.serving.metrics import Metrics
from pullquote.serving.settings import Settings

if TYPE_CHECKING:
    from pullquote.searching.index import Index

_log = logging.getLogger("pullquote.serving")


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one application, shared by all its request handlers."""

    reader: Reader
    model_name: str
    settings: Settings
    metrics: Metrics
    dispatcher: Dispatcher
    batcher: Batcher[Question, Any]
    index: Index | None = None
    searcher: Searcher | None = None
    """Searches `index`; None where there is none."""
    documents_read: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Held while a document that was sent is read: one at a time."""

    async def read(self, questions: Sequence[Question], account: Account) -> list[Any]:
        """The answers, in order, from a batch shared with other requests.

        Reading ends at the deadline of the request, which `account` has. Raises `ApiError`: 503
        when the queue or the memory is full, 422 for a question that cannot be read, or quotes that
        are too long.
        """
        try:
            with input_errors():
                return await self.batcher.ask(questions, account.deadline)
        except QueueFullError as error:
            raise ApiError(503, str(error), headers={"retry-after": "1"}) from None

    def truncation_note(self, question: str) -> str:
        """A note that the question was cut to the model's limit; empty if it was not."""
        limit = self.reader.config.max_question_length  # tokens
        if len(question.encode("utf-8", "replace")) <= limit:
            return ""  # a token has at least one byte, so counting tokens can be spared
        tokens = self.reader.encoder.count(question.strip())
        if tokens <= limit:
            return ""
        return f"the question has {tokens} tokens; only the first {limit} were read"


def make_services(reader: Reader, settings: Settings, index: Index | None = None) -> Services:
    """The parts of an application that answers with `reader`, and searches `index` if given."""
    dispatcher = Dispatcher(reader)
    metrics = Metrics()
    batcher: Batcher[Question, Any] = Batcher(
        dispatcher.read,
        workers=dispatcher.backend.pool_size,
        max_batch=settings.max_batch,
        max_wait=settings.max_wait_ms / 1000,
        capacity=settings.max_queue,
        size=lambda question: question.size,
        on_batch=metrics.batch.observe,
        on_waiting=metrics.waiting.set,
    )
    return Services(
        reader=reader,
        model_name=_model_name(reader),
        settings=settings,
        metrics=metrics,
        dispatcher=dispatcher,
        batcher=batcher,
        index=index,
        searcher=None if index is None else Searcher(reader, index),
    )


def _model_name(reader: Reader) -> str:
    """The model's name, without the folder that it lies in: clients are not told of the disk."""
    path = Path(reader.directory.name)
    return path.resolve().name if path.is_dir() else reader.directory.name


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(_services)]
"""A parameter of this type receives the `Services` of the handler's application."""


async def _account(request: Request) -> Account:
    account: Account = request.state.account
    return account


CurrentAccount = Annotated[Account, Depends(_account)]
"""A parameter of this type receives the `Account` of the handler's request."""


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Within the block, `InputError` becomes a 422, and `MemoryFullError` a 503."""
    try:
        yield
    except InputError as error:
        raise ApiError(422, str(error)) from None
    except MemoryFullError as error:
        raise ApiError(503, str(error), headers={"retry-after": "1"}) from None


@contextlib.contextmanager
def index_errors() -> Iterator[None]:
    """Within the block, errors of the index become a 503; its path goes to the log alone."""
    try:
        yield
    except (IndexFileError, OutputError) as error:
        _log.error("%s", error)
        raise ApiError(
            503, "the documents cannot be searched at the moment", {"retry-after": "60"}
        ) from None
