"""What a request asks: of the reader, or of transformers' pipeline; read together with its like.

A search asks its passages one by one, and decides over all of them when they are read.

Knows the reader and the pipeline, nothing of HTTP. `Desk.read` is what a gatherer calls.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from pullquote.compat.arguments import Options
from pullquote.compat.pipeline import QuestionAnsweringPipeline
from pullquote.reading.reader import Reader
from pullquote.serving.lanes import AbandonedError, LaneBackend
from pullquote.types import Example


@dataclass(frozen=True, slots=True)
class ByReader:
    """Answer with a `Prediction`; `threshold` replaces the one stored with the model."""

    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class ByPipeline:
    """Answer with a dictionary, or a list of them, as transformers' pipeline did."""

    options: Options


@dataclass(frozen=True, slots=True)
class BySearch:
    """Answer with the candidates of each window, undecided (`Reader.read_all`)."""


Way: TypeAlias = "ByReader | ByPipeline | BySearch"


@dataclass(frozen=True, slots=True)
class Question:
    """A question on one context; those of equal `way` are read together."""

    question: str
    context: str
    way: Way = ByReader()

    @property
    def size(self) -> int:
        """How many windows the context fills, about."""
        return 1 + len(self.context) // 1000


class Desk:
    """Reads questions either way with the weights of one reader.

    desk.read([Question("Who led the Norse?", context)], lambda: False)   # [Prediction]
    """

    def __init__(self, reader: Reader) -> None:
        self.backend = LaneBackend(reader.backend)
        self.reader = copy.copy(reader)
        self.reader.backend = self.backend
        self.pipeline = QuestionAnsweringPipeline(self.reader)

    def read(self, questions: Sequence[Question], abandoned: Callable[[], bool]) -> list[Any]:
        """An answer or an `Exception` for each question, in order.

        Raises `AbandonedError` once `abandoned` says that nobody waits for any of them.
        """
        ways: dict[Way, list[int]] = {}
        for number, question in enumerate(questions):
            ways.setdefault(question.way, []).append(number)
        answers: list[Any] = [None] * len(questions)
        with self.backend.reading(len(questions), abandoned):
            for way, numbers in ways.items():
                together = self._together(way, [questions[number] for number in numbers])
                for number, answer in zip(numbers, together, strict=True):
                    answers[number] = answer
        return answers

    def _together(self, way: Way, questions: list[Question]) -> list[Any]:
        try:
            return self._ask(way, questions)
        except AbandonedError:
            raise
        except Exception as error:  # noqa: BLE001  # it is the answer to its question
            if len(questions) == 1:
                return [error]
            # one of them is bad; the others are not to suffer for it
            return [answer for one in questions for answer in self._together(way, [one])]

    def _ask(self, way: Way, questions: list[Question]) -> list[Any]:
        examples = [Example("", one.question, one.context) for one in questions]
        if isinstance(way, BySearch):
            return list(self.reader.read_all(examples))
        if isinstance(way, ByReader):
            most = self.reader.config.n_best_size  # cut for each request as it asks
            return list(self.reader.answer_all(examples, top_k=most, threshold=way.threshold))
        items = [{"question": one.question, "context": one.context} for one in questions]
        answers = self.pipeline(items, **asdict(way.options))
        return answers if len(items) > 1 else [answers]
