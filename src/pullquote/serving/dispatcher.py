"""Reads a batch of mixed questions: groups them by mode and calls the reader or the pipeline.

Knows the reader and the pipeline, nothing of HTTP. `Dispatcher.read` is the function that a
`Batcher` calls. A search sends one question for each passage and decides once all of them are read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from pullquote.compat.arguments import Options
from pullquote.compat.pipeline import QuestionAnsweringPipeline
from pullquote.errors import InputError
from pullquote.progress import Progress, no_progress
from pullquote.reading.decode import NEAREST
from pullquote.reading.reader import Reader
from pullquote.serving.limits import MAX_CANDIDATE_CHARACTERS
from pullquote.serving.memory import Account, MemoryFullError
from pullquote.serving.workers import AbandonedError, SharedBackend
from pullquote.settings import ReaderConfig
from pullquote.types import Example, Prediction


@dataclass(frozen=True, slots=True)
class ReaderMode:
    """Answer with a `Prediction`; the fields are options of `Reader.answer_all`."""

    top_k: int = NEAREST
    threshold: float | None = None
    answerable: float | None = None

    @classmethod
    def of(
        cls, config: ReaderConfig, top_k: int, threshold: float | None, answerable: float | None
    ) -> ReaderMode:
        """The mode of a request, which takes its own `top_k` of the quotes.

        At least `NEAREST` quotes are read for any question, so that requests for fewer share a
        mode. Raises `InputError` for a threshold together with `answerable`.
        """
        config.decision(threshold, answerable)
        return cls(min(max(top_k, NEAREST), config.n_best_size), threshold, answerable)


@dataclass(frozen=True, slots=True)
class PipelineMode:
    """Answer as transformers' pipeline does: with a dictionary, or a list of dictionaries."""

    options: Options


@dataclass(frozen=True, slots=True)
class SearchMode:
    """Answer with the candidate spans of each window, without a decision (`Reader.read_all`)."""


Mode: TypeAlias = "ReaderMode | PipelineMode | SearchMode"


@dataclass(frozen=True, slots=True)
class Question:
    """A question on one context. Questions of equal `mode` share model batches."""

    question: str
    context: str
    mode: Mode = ReaderMode()
    account: Account | None = None
    """Of its request; the quotes are added to it."""
    progress: Progress = no_progress
    """Called in a worker thread with the characters of the context that were read."""

    @property
    def size(self) -> int:
        """About how many windows the context fills."""
        return 1 + len(self.context) // 1000


class Dispatcher:
    """Reads questions of any mode with the weights of one reader.

    dispatcher.read([Question("Who led the Norse?", context)], lambda: 30.0)   # [Prediction]
    """

    def __init__(self, reader: Reader) -> None:
        self.backend = SharedBackend(reader.backend)
        self.reader = copy.copy(reader)
        self.reader.backend = self.backend
        self.pipeline = QuestionAnsweringPipeline(self.reader)
        self.pipeline.max_characters = MAX_CANDIDATE_CHARACTERS

    def read(self, questions: Sequence[Question], seconds_left: Callable[[], float]) -> list[Any]:
        """An answer or an `Exception` for each question, in order.

        Raises `AbandonedError` once `seconds_left()` says that no request waits for any of them.
        """
        groups: dict[Mode, list[int]] = {}
        for number, question in enumerate(questions):
            groups.setdefault(question.mode, []).append(number)
        answers: list[Any] = [None] * len(questions)
        with self.backend.reading(len(questions), seconds_left):
            for mode, numbers in groups.items():
                group = self._read_group(mode, [questions[number] for number in numbers])
                for number, answer in zip(numbers, group, strict=True):
                    answers[number] = answer
        return answers

    def _read_group(self, mode: Mode, questions: list[Question]) -> list[Any]:
        try:
            return self._run(mode, questions)
        except AbandonedError:
            raise
        except Exception as error:  # noqa: BLE001  # returned as the answer to its question
            if len(questions) == 1:
                return [error]
            # one bad question must not fail the others: read them one by one
            return [answer for one in questions for answer in self._read_group(mode, [one])]

    def _run(self, mode: Mode, questions: list[Question]) -> list[Any]:
        examples = [Example("", one.question, one.context) for one in questions]
        if isinstance(mode, SearchMode):
            return list(self.reader.read_all(examples))
        if isinstance(mode, ReaderMode):
            if len(questions) == 1:  # as a long text always is
                (one,) = questions
                options = {**asdict(mode), "progress": one.progress}
                return [_charged(one, self.reader.answer(one.question, one.context, **options))]
            answers = []
            for one, answer in zip(
                questions, self.reader.answer_all(examples, **asdict(mode)), strict=True
            ):
                one.progress(len(one.context), len(one.context), "reading")
                answers.append(_charged(one, answer))
            return answers
        items = [{"question": one.question, "context": one.context} for one in questions]
        answers = self.pipeline(items, **asdict(mode.options))
        return list(map(_charged, questions, answers if len(items) > 1 else [answers]))


def _charged(question: Question, answer: Any) -> Any:
    """The answer, once its quotes are in the account of the request; or the error of that."""
    if question.account is None:
        return answer
    try:
        question.account.take_quotes(_quotes(answer))
    except (InputError, MemoryFullError) as error:
        return error
    return answer


def _quotes(answer: Any) -> list[str]:
    """The quotes in the response to a question, of either mode."""
    if isinstance(answer, Prediction):
        # the best stands there twice: as `answer`, and as the first of `answers`
        return [one.text for one in (*answer.answers[:1], *answer.answers)]
    return [one["answer"] for one in (answer if isinstance(answer, list) else [answer])]
