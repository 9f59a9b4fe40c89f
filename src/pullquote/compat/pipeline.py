"""`pipeline("question-answering")` of transformers 4, with any version of transformers or without.

    from pullquote import pipeline
    qa = pipeline("question-answering")
    qa(question="Who led the Norse?", context="The Norse, led by Rollo, came by sea.")
    # {"score": 0.98, "start": 18, "end": 23, "answer": "Rollo"}

docs/from-transformers.md lists the differences from 4.57.6; `scoring="hf4"` gives the scores of
4.57.6, including its bugs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pullquote.checkpoints.directory import DEFAULT_MODEL, find_tokenizer, open_model
from pullquote.compat import decode
from pullquote.compat.arguments import (
    Options,
    QuestionAnsweringArgumentHandler,
    Request,
    each,
    is_lazy,
    items_of,
    request_of,
)
from pullquote.compat.features import encoder_of
from pullquote.compat.squad import SquadExample
from pullquote.errors import InputError
from pullquote.reading.backends.choose import as_made, load_backend
from pullquote.reading.batching import CHUNK, Batched, LogitRow
from pullquote.reading.encode import Encoder
from pullquote.reading.reader import Reader
from pullquote.settings import ReaderConfig

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend

__all__ = [
    "QuestionAnsweringArgumentHandler",
    "QuestionAnsweringPipeline",
    "SquadExample",
    "pipeline",
]

TASK = "question-answering"
SCORINGS = ("pullquote", "hf4")
# Options of transformers for loading a model. Those in _LOADING are accepted; those in _NOT_HERE
# are accepted only if they are empty, and else reported as unknown.
_LOADING = {
    *("binary_output", "cache_dir", "config", "dtype", "feature_extractor", "framework"),
    *("image_processor", "modelcard", "pipeline_class", "processor", "revision", "task", "token"),
    *("torch_dtype", "use_auth_token", "use_fast", "video_processor"),
}
_NOT_HERE = ("device_map", "model_kwargs", "trust_remote_code")


def pipeline(
    task: str | None = None,
    model: Any = None,
    config: Any = None,
    tokenizer: Any = None,
    **options: Any,
) -> QuestionAnsweringPipeline:
    """Create a question-answering pipeline, like `transformers.pipeline`.

    >>> from pullquote import pipeline
    >>> qa = pipeline("question-answering")
    >>> found = qa(question="Who led the Norse?", context="The Norse, led by Rollo, came by sea.")
    >>> found["answer"], found["start"], found["end"]
    ('Rollo', 18, 23)

    `model` is a bundled name, a directory, a hub id, a loaded transformers model or a `Reader`,
    whose weights it shares; without one, the bundled `small`. `config` is ignored: the model's own
    is used. `options` are those of `QuestionAnsweringPipeline`.
    """
    if task not in (TASK, None):
        raise KeyError(f"Unknown task {task}; pullquote has {TASK!r} alone")
    return QuestionAnsweringPipeline(model, tokenizer, **options)


@dataclass(frozen=True, slots=True)
class _Task:
    """One context of a request."""

    request: Request
    number: int
    error: Exception | None = None  # raised for this task, if its item was invalid

    @property
    def context(self) -> str:
        return self.request.contexts[self.number]


_ReadContext: TypeAlias = tuple[str, list[decode.WindowCandidates]]
"""A context, and the candidates of its windows."""


class QuestionAnsweringPipeline:
    """Answers questions with dictionaries: `{"score", "start", "end", "answer"}`.

    Offsets are characters, the end exclusive. `device` is -1 or "cpu", a GPU's number, or a torch
    device; `threads` limits the number of threads. `scoring="hf4"` gives the scores of 4.57.6,
    including its bugs. Other options are defaults for every call.

    >>> from pullquote import QuestionAnsweringPipeline
    >>> qa = QuestionAnsweringPipeline("tiny", top_k=2)
    >>> answers = qa("Who led the Norse?", "The Norse, led by Rollo, came by sea.")
    >>> len(answers), answers[0]["answer"]
    (2, 'Rollo')
    """

    max_characters = sys.maxsize
    """How many characters the answers that one question may choose from have together. With a text
    that is one long word, each of them may be the whole text."""
    default_input_names = "question,context"
    task = TASK
    # read by transformers.pipeline(): what to load for this task
    _load_tokenizer = True
    _load_processor = _load_image_processor = False
    _load_video_processor = _load_feature_extractor = False

    def __init__(
        self,
        model: Any = None,
        tokenizer: Any = None,
        *,
        device: Any = None,
        threads: int | None = None,
        scoring: str = "pullquote",
        **options: Any,
    ) -> None:
        if scoring not in SCORINGS:
            raise InputError(f"scoring is {scoring!r}, expected {' or '.join(map(repr, SCORINGS))}")
        self.scoring = scoring
        self.model = model or DEFAULT_MODEL
        self.tokenizer = tokenizer
        given = {
            name: value
            for name, value in options.items()
            if name not in _LOADING and (value or name not in _NOT_HERE)
        }
        self.options = Options().updated(given, strict=scoring != "hf4")
        self.encoder: Encoder
        self.backend: Backend
        if isinstance(self.model, (str, os.PathLike)):
            hub = {name: options.get(name) for name in ("revision", "token", "cache_dir")}
            self._open(self.model, tokenizer, _device(device) or "cpu", threads, hub)
        elif isinstance(self.model, Reader):
            directory = self.model.directory
            self.device = _device(device) or "cpu"
            self.model_max_length, self.positions = directory.model_max_length, directory.positions
            self.encoder, self.backend = self.model.encoder, self.model.backend
        elif not hasattr(self.model, "config"):
            kind = type(self.model).__name__
            raise InputError(f"the model is {kind}, expected a name, a path or a loaded model")
        else:
            self._adopt(self.model, tokenizer, _device(device), threads)

    def _open(
        self, model: Any, tokenizer: Any, device: str, threads: int | None, hub: dict[str, Any]
    ) -> None:
        directory = open_model(model, **hub)
        self.device = device
        self.model_max_length, self.positions = directory.model_max_length, directory.positions
        named = model if tokenizer is None else tokenizer
        if isinstance(named, (str, os.PathLike)):
            if named != model:
                directory = replace(directory, tokenizer=find_tokenizer(named))
            self.encoder = Encoder.of(directory, config=ReaderConfig())
        else:
            self.encoder = _encoder_of(tokenizer, directory.type_vocab_size)
        # the logits of transformers: a checkpoint is not rounded
        self.backend = load_backend(
            directory, device, threads, precision=as_made(directory, device)
        )

    def _adopt(self, model: Any, tokenizer: Any, device: str | None, threads: int | None) -> None:
        from pullquote.reading.backends.torch import TorchBackend, load_tokenizer

        if isinstance(tokenizer, (str, os.PathLike)):
            tokenizer = self.tokenizer = load_tokenizer(tokenizer)
        if not hasattr(tokenizer, "backend_tokenizer"):
            raise InputError(
                f"the model is a loaded one, its tokenizer {type(tokenizer).__name__}; expected "
                "a loaded fast tokenizer, too: AutoTokenizer.from_pretrained(...)"
            )
        config = model.config
        self.encoder = _encoder_of(tokenizer, getattr(config, "type_vocab_size", None))
        longest = getattr(tokenizer, "model_max_length", None) or sys.maxsize
        self.model_max_length = int(min(longest, sys.maxsize))
        self.positions = sys.maxsize  # torch raises an error when a window is too long
        self.backend = backend = TorchBackend(model, device=device, threads=threads)
        self.device = str(backend.device)

    @staticmethod
    def create_sample(question: Any, context: Any) -> SquadExample | list[SquadExample]:
        """A question and a context as a `SquadExample`, or lists of both as a list."""
        if isinstance(question, list):
            return [
                SquadExample(None, its_question, text, None, None, None)
                for its_question, text in zip(question, context, strict=False)
            ]
        return SquadExample(None, question, context, None, None, None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer one question or many.

        Accepts `question=` and `context=` (texts or lists of texts), two texts, a dictionary or
        several, `SquadExample`s, a generator or a dataset, and every option of the pipeline. One
        question gives a dictionary, or a list when there are several answers or none; several
        questions give a list of these; a generator gives a lazy iterator. One question with a list
        of contexts gives one ranking, and each answer has the number of its context.
        """
        hf4 = self.scoring == "hf4"
        options = self.options.updated(kwargs, strict=not hf4)
        inputs = items_of(args, kwargs)
        if is_lazy(inputs):
            return self._answers(_tasks(each(inputs)), options, first_chunk=1)
        requests = [request_of(item, strict=hf4) for item in inputs]
        results = list(self._answers(_split(requests), options))
        return results[0] if len(results) == 1 else results

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """The same as calling the pipeline; scikit-learn's name for it."""
        return self(*args, **kwargs)

    transform = predict

    def _answers(
        self, tasks: Iterable[_Task], options: Options, first_chunk: int = CHUNK
    ) -> Iterator[Any]:
        """A result for each request, lazily and in order."""
        length, stride = options.lengths(self.model_max_length, self.positions)
        hf4 = self.scoring == "hf4"
        read_window = decode.read_window_hf4 if hf4 else decode.read_window

        def windows(task: _Task) -> Iterator[decode.WordWindow]:
            if task.error:
                raise task.error
            question = task.request.question
            if hf4:
                self._check_as_hf4(question, task.context, length, stride)
            return decode.word_windows(
                self.encoder,
                question,
                task.context,
                max_length=length,
                overlap=stride,
                max_question_length=sys.maxsize if hf4 else options.max_question_len,
            )

        def read(
            task: _Task, window: decode.WordWindow, start: LogitRow, end: LogitRow
        ) -> decode.WindowCandidates:
            return read_window(
                window,
                start,
                end,
                fetch=decode.spans_to_fetch(options.top_k, options.align_to_words),
                max_answer_len=options.max_answer_len,
                align_to_words=options.align_to_words,
            )

        def finish(
            task: _Task, candidates: list[decode.WindowCandidates]
        ) -> tuple[_Task, list[decode.WindowCandidates]]:
            return task, candidates

        contexts: list[_ReadContext] = []  # those of the current request
        batched = Batched(self.encoder, self.backend, windows, read, finish)
        for task, candidates in batched.run(tasks, first_chunk=first_chunk):
            contexts.append((task.context, candidates))
            if len(contexts) == len(task.request.contexts):
                yield self._result(contexts, options, numbered=task.request.listed)
                contexts = []

    def _result(self, contexts: list[_ReadContext], options: Options, *, numbered: bool) -> Any:
        """The result of one request: an answer, or a list of several or none."""
        self._check_characters(contexts)
        top_k, impossible = options.top_k, options.handle_impossible_answer
        if self.scoring == "hf4":
            context, candidates = contexts[-1]
            answers = decode.merge_hf4(context, candidates, top_k, impossible)
        else:
            answers = decode.merge(contexts, top_k, impossible, numbered)
        return answers[0] if len(answers) == 1 else answers

    def _check_characters(self, contexts: list[_ReadContext]) -> None:
        """Raise `InputError` before texts are made of candidates that are too long together."""
        spans = (span for _, windows in contexts for window in windows for span in window.spans)
        count = sum(span.end - span.start for span in spans)
        if count > self.max_characters:
            raise InputError(
                f"the answers to choose from have {count:,} characters, expected at most "
                f"{self.max_characters:,}; lower top_k or max_answer_len"
            )

    def _check_as_hf4(self, question: str, context: str, length: int, stride: int) -> None:
        """Raise where 4.57.6 did: where the question, or it and the stride, fill the window."""
        room = length - len(self.encoder.template) - self.encoder.count(question.strip())
        if room < 1 or (room <= stride and self.encoder.count(context) > room):
            raise InputError(
                f"the question leaves room for {room} tokens beside it, with a doc_stride of "
                f"{stride}; expected more room than that"
            )


def _split(requests: Iterable[Request]) -> Iterator[_Task]:
    for request in requests:
        for number in range(len(request.contexts)):
            yield _Task(request, number)


def _tasks(items: Iterable[Any]) -> Iterator[_Task]:
    """The tasks of a stream; an invalid item gives a task with its error, and ends the stream."""
    for item in items:
        try:
            yield from _split([request_of(item, strict=False)])
        except (KeyError, TypeError, ValueError) as error:
            yield _Task(Request("", ("",)), 0, error)
            return


def _encoder_of(tokenizer: Any, type_vocab_size: int | None) -> Encoder:
    """The encoder of a transformers tokenizer; one token type if the model takes no types."""
    if "token_type_ids" not in getattr(tokenizer, "model_input_names", ["token_type_ids"]):
        type_vocab_size = 1
    return encoder_of(tokenizer, type_vocab_size)


def _device(device: Any) -> str | None:
    """The name of a device in transformers' forms: -1 and "cpu" are the CPU, 1 is "cuda:1"."""
    if device is None:
        return None
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)
